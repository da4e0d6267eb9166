"""Shapes of a model's weights, read without loading it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.folder.check import CONFIG, check_description, has_weights
from trainables.models.folder.reading import damaged, read_object
from trainables.models.folder.weights import Shapes, in_text_blocks, read_shapes
from trainables.models.hub import describe
from trainables.models.preparers import PREPARED_CONFIGS
from trainables.models.resolve import is_hub_id
from trainables.planning import PlanRefusedError, refused
from trainables.settings import ModelConfig

MODEL_FILES = "model files"
"""Where what is wrong with a model was seen."""

# Sizes far above those of any model.
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

    def adapted(self, params: LoraParameters) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) of the layers that a trial adapts; empty where none is of the kind asked for."""
        try:
            return {name: self.linear[name] for name in select_modules(self.linear, params)}
        except UserError:
            return {}

    def held_parameters(self, params: LoraParameters) -> int:
        """Parameters that a trial's adapter has in memory: those that are trained, and a subtracted start."""
        return (self.trainable_parameters(params) or 0) * params.width // params.rank

    def trainable_parameters(self, params: LoraParameters) -> int | None:
        """Parameters of a trial's adapter: rank * (inputs + outputs) per adapted layer, with DoRA + outputs.

        Returns:
            None where no layer is of the kind asked for.
        """
        adapted = self.adapted(params)
        magnitudes = params.use_dora * sum(outer for outer, _ in adapted.values())
        return params.rank * sum(map(sum, adapted.values())) + magnitudes if adapted else None


def model_shapes(model: ModelConfig) -> ModelShapes | None:
    """Shapes of the configured model; of one that is not on this machine, by its config.json on the hub.

    Of architectures like Llama from the weights' headers or else from config.json; of all others from the
    model built without memory, for which torch is imported.

    Returns:
        None where the hub does not have it, or cannot be asked.

    Raises:
        PlanRefusedError: The model's files are damaged, or of a model that is not trained.
    """
    folder = describe(model).folder
    if folder is None:
        prepared = PREPARED_CONFIGS.get(model.prepare or "")
        return None if prepared is None else _shapes(prepared, _from_config(prepared))
    try:
        config = read_object(folder / CONFIG)
        if model.prepare is None and is_hub_id(model):
            quantise = model.quantization is not None
            check_description(folder, code=model.trust_remote_code, hub_id=model.source, quantise=quantise)
        if config.get("model_type") not in _LLAMA_LIKE:
            return _built(folder, model)
        tensors = read_shapes(folder, config) if has_weights(folder) else None
    except UserError as error:
        raise refused(error, MODEL_FILES, "model.source") from error
    try:
        return _shapes(config, tensors or _from_config(config))
    except (ValueError, TypeError, ArithmeticError, KeyError) as error:
        unlike = damaged(folder / CONFIG, "its sizes are not those of a model")
        raise refused(unlike, MODEL_FILES, "model.source") from error


def light_shapes(model: ModelConfig) -> ModelShapes | None:
    """The same without torch; None where only that could tell, or where the files are damaged."""
    folder = describe(model).folder
    try:
        known = folder is None or read_object(folder / CONFIG).get("model_type") in _LLAMA_LIKE
        return model_shapes(model) if known else None
    except (UserError, PlanRefusedError):
        return None


def _built(folder: Path, model: ModelConfig) -> ModelShapes:
    """The shapes of a model of any architecture.

    Raises:
        UserError: It cannot be built.
    """
    from torch import nn

    from trainables.models.linear import linear_layers
    from trainables.models.skeleton import skeleton

    built: Any = skeleton(folder, model.trust_remote_code, model.revision)
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


def _size(value: Any) -> int:
    """One size of a tensor or a layer.

    Raises:
        ValueError: It is not one.
    """
    if type(value) is not int or not 0 <= value <= _LARGEST_SIZE:
        raise ValueError(f"{value!r} is not a size")
    return value


def _from_config(config: Mapping[str, Any]) -> Shapes:
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


def _shapes(config: Mapping[str, Any], tensors: Shapes) -> ModelShapes:
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
