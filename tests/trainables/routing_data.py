"""Options, files and tokenizers for tests of `routing`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.trainables.chat_tokenizers import tokenizer as small_tokenizer
from trainables import embedded
from trainables.routing.options import RoutingOptions

LOG = {"name": "log", "train": "embedded:domain_train.jsonl", "heldout": "embedded:domain_heldout.jsonl"}
CAPS = {"name": "caps"}


def routing_options(task: dict[str, Any], **behaviour: Any) -> RoutingOptions:
    """With the embedded model; the behaviour is caps unless said otherwise."""
    sections = {
        "model": {"name": "embedded", "source": "embedded"},
        "task": {"name": "task"} | task,
        "behaviour": CAPS | behaviour,
    }
    return RoutingOptions.model_validate(sections)


@cache
def embedded_tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(embedded.model_dir())


def lower_casing() -> Any:
    """A byte-level tokenizer that takes all letters for small ones."""
    inner = Tokenizer.from_str(small_tokenizer("bytes").backend_tokenizer.to_str())
    inner.normalizer = normalizers.Lowercase()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="</s>")


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def sentences(count: int) -> list[str]:
    text = "Entry {0}: the keeper saw {1} gulls and a brig in the fog."
    return [text.format(number, number * 7) for number in range(count)]
