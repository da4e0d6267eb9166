"""Shapes of a model's weights, read without loading it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.errors import ConfigError, Problem
from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import in_text_blocks, select_modules
from trainables.models.resolve import local_folder
from trainables.settings import ModelConfig

# The format's own limit of a header, in bytes; and sizes far above those of any model.
_LONGEST_HEADER = 100_000_000
_LARGEST_SIZE = 2**40
_MOST_LAYERS = 10_000

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
        linear: (outputs, inputs) of every linear layer in its blocks that can be adapted, by full name.
        hidden: Width of the residual stream.
        intermediate: Width of the MLP.
        layers: Number of blocks.
        vocabulary: Number of tokens.
        left_out: Names of linear layers that get no adapter, without the modules they are in.
    """

    parameters: int
    linear: dict[str, tuple[int, int]]
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    left_out: tuple[str, ...] = ()

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
    """Shapes of the configured model.

    Of architectures like Llama from the weights' headers or else from config.json; of all others from the
    model built without memory, for which torch is imported.

    Returns:
        None where the model is not on this machine yet.

    Raises:
        ConfigError: The model's files are damaged.
    """
    folder = local_folder(model)
    if folder is None or not (folder / "config.json").is_file():
        return None
    config = _read_config(folder / "config.json")
    headers = _headers(folder)
    if config.get("model_type") not in _LLAMA_LIKE:
        return _built(folder, model)
    try:
        return _shapes(config, headers or _from_config(config))
    except (ValueError, TypeError, ArithmeticError, KeyError) as error:
        raise _damaged(folder / "config.json", "its sizes are not those of a model") from error


def _built(folder: Path, model: ModelConfig) -> ModelShapes:
    """The shapes of a model of any architecture.

    Raises:
        ConfigError: It cannot be built.
    """
    from torch import nn

    from trainables.lora.linear import linear_layers
    from trainables.models.skeleton import skeleton

    try:
        built: Any = skeleton(folder, model.trust_remote_code)
    except UserError as error:
        raise _damaged(folder / "config.json", error.message.rpartition("config.json ")[2]) from error
    text = built.config.get_text_config()
    linear = linear_layers(built)
    others = {
        name.rpartition(".")[2]
        for name, module in built.named_modules()
        if isinstance(module, nn.Linear) and in_text_blocks(name) and name not in linear
    }
    hidden = int(text.hidden_size)
    inner = getattr(text, "intermediate_size", None) or 4 * hidden
    return ModelShapes(
        parameters=sum(tensor.numel() for tensor in built.parameters()),
        linear={name: (layer.outer, layer.inner) for name, layer in linear.items()},
        hidden=hidden,
        intermediate=max(inner) if isinstance(inner, list | tuple) else int(inner),
        layers=int(text.num_hidden_layers),
        vocabulary=int(text.vocab_size),
        left_out=tuple(sorted(others)),
    )


def _damaged(path: Path, what: str) -> ConfigError:
    problem = Problem(
        "model.source", f"{path}: {what}", "model files", "Fetch the model again, or give another one."
    )
    return ConfigError([problem])


def _read_config(path: Path) -> Mapping[str, Any]:
    """A model's config.json.

    Raises:
        ConfigError: It is not a JSON object.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not JSON") from error
    if not isinstance(config, dict):
        raise _damaged(path, "it is not a JSON object")
    return config


def _headers(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by name from the headers of all safetensors files.

    Raises:
        ConfigError: A header is damaged.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            shapes |= _header(path)
        except OSError as error:
            raise _damaged(path, f"it cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError, struct.error) as error:
            raise _damaged(path, "it does not begin with a header of safetensors") from error
    return shapes


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes from one file: 8 bytes with the length of the header, then the header as JSON."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(_LONGEST_HEADER, path.stat().st_size):
            raise ValueError("the header is longer than the file")
        header = json.loads(stream.read(length))
    entries = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    return {name: tuple(_size(size) for size in shape) for name, shape in entries.items()}


def _size(value: Any) -> int:
    """One size of a tensor or a layer.

    Raises:
        ValueError: It is not one.
    """
    if type(value) is not int or not 0 <= value <= _LARGEST_SIZE:
        raise ValueError(f"{value!r} is not a size")
    return value


def _from_config(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The same from a config.json, for architectures like Llama."""
    hidden, inner = _size(config["hidden_size"]), _size(config["intermediate_size"])
    vocabulary, layers = _size(config["vocab_size"]), _layers(config)
    heads = _size(config["num_attention_heads"])
    size = _size(config.get("head_dim") or hidden // heads)
    queries, keys = heads * size, _size(config.get("num_key_value_heads") or heads) * size
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    if not config.get("tie_word_embeddings", False):
        shapes["lm_head.weight"] = (vocabulary, hidden)
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
    for layer in range(layers):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    shapes["model.norm.weight"] = (hidden,)
    return shapes


def _layers(config: Mapping[str, Any]) -> int:
    layers = _size(config["num_hidden_layers"])
    if layers > _MOST_LAYERS:
        raise ValueError(f"{layers} is not a number of layers")
    return layers


def _shapes(config: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]]) -> ModelShapes:
    linear = {
        name.removesuffix(".weight"): (shape[0], shape[1])
        for name, shape in tensors.items()
        if name.endswith(".weight") and len(shape) == 2 and in_text_blocks(name)
    }
    hidden = _size(config["hidden_size"])
    tied = bool(config.get("tie_word_embeddings"))  # some files hold a tied head all the same
    parameters = sum(
        math.prod(shape) for name, shape in tensors.items() if not (tied and name == "lm_head.weight")
    )
    if not parameters:
        raise ValueError("a model without parameters")
    return ModelShapes(
        parameters=parameters,
        linear=linear,
        hidden=hidden,
        intermediate=_size(config.get("intermediate_size") or 4 * hidden),
        layers=_layers(config),
        vocabulary=_size(config["vocab_size"]),
    )
