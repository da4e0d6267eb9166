"""Imported once by the process that all parts are forked from; nothing here touches the GPU."""

from __future__ import annotations

import peft  # noqa: F401
import torch  # noqa: F401
from transformers import LlamaForCausalLM, Qwen2ForCausalLM  # noqa: F401

import trainables.lora.pack  # noqa: F401
