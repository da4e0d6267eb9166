"""Shapes of a model's weights, read without loading it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables import embedded
from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import BLOCK, select_modules
from trainables.models.cache import cache_dir
from trainables.settings import ModelConfig

# Architectures whose blocks are q, k, v, o, gate, up and down projections.
_LLAMA_LIKE = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "smollm3",
    "granite",
    "olmo2",
)


@dataclass(frozen=True)
class ModelShapes:
    """Sizes of a model.

    Attributes:
        parameters: Number of parameters.
        linear: (outputs, inputs) of every linear layer in its blocks, by full name.
        hidden: Width of the residual stream.
        intermediate: Width of the MLP.
        layers: Number of blocks.
        vocabulary: Number of tokens.
    """

    parameters: int
    linear: dict[str, tuple[int, int]]
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int

    def trainable(self, params: LoraParameters) -> int | None:
        """Parameters of a trial's adapter: rank * (inputs + outputs) per adapted layer.

        Returns:
            None where no layer is of the kind asked for.
        """
        try:
            chosen = select_modules(self.linear, params)
        except UserError:
            return None
        return sum(params.rank * sum(self.linear[name]) for name in chosen)


def model_shapes(model: ModelConfig) -> ModelShapes | None:
    """Shapes of the configured model, from its weights' headers or else its config.json.

    Returns:
        None where the model is not on this machine yet, or is of another kind.
    """
    folder = _folder(model)
    if folder is None or not (folder / "config.json").is_file():
        return None
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = _headers(folder) or _from_config(config)
        if tensors is None:
            return None
        return _shapes(config, tensors)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def _folder(model: ModelConfig) -> Path | None:
    if model.prepare is not None:
        return cache_dir() / "models" / model.prepare
    if model.source == "embedded":
        return embedded.model_dir()
    folder = Path(model.source).expanduser()
    return folder if folder.is_dir() else _hub_cache(model)


def _hub_cache(model: ModelConfig) -> Path | None:
    """The snapshot of a hub model, where it was downloaded before."""
    from huggingface_hub.constants import HF_HUB_CACHE

    stored = Path(HF_HUB_CACHE) / f"models--{model.source.replace('/', '--')}"
    revision = model.revision or "main"
    reference = stored / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = stored / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def _headers(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by name from the headers of all safetensors files: 8 bytes of length, then JSON."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    return shapes


def _from_config(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]] | None:
    """The same from a config.json, for architectures like Llama."""
    if config.get("model_type") not in _LLAMA_LIKE:
        return None
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or hidden // heads
    queries, keys = heads * size, (config.get("num_key_value_heads") or heads) * size
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    if not config.get("tie_word_embeddings", False):
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    block = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    for layer in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    shapes["model.norm.weight"] = (hidden,)
    return shapes


def _shapes(config: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]]) -> ModelShapes:
    linear = {
        name.removesuffix(".weight"): (shape[0], shape[1])
        for name, shape in tensors.items()
        if name.endswith(".weight") and len(shape) == 2 and BLOCK.search(name)
    }
    hidden = int(config["hidden_size"])
    return ModelShapes(
        parameters=sum(math.prod(shape) for shape in tensors.values()),
        linear=linear,
        hidden=hidden,
        intermediate=int(config.get("intermediate_size") or 4 * hidden),
        layers=int(config["num_hidden_layers"]),
        vocabulary=int(config["vocab_size"]),
    )
