"""Which linear layers get an adapter. Light: the plan counts parameters with it before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.models.folder.weights import BLOCK

# By the names of the modules that a layer is in, else by its own, else again by those around it.
_ATTENTION_PARENT = re.compile(r"attn|attention")
_MLP_PARENT = re.compile(r"mlp|ffn|feed_forward|moe|expert")
_ATTENTION = re.compile(r"[qkvo]_proj|[qkv]+_proj|query_key_value|Wqkv|(q|kv)_[ab]_proj\w*")
_MLP = re.compile(r"(gate|up|down|gate_up)_proj|fc\d|fc_in|fc_out|c_fc|dense_h_to_4h|dense_4h_to_h")
_MIXER_PARENT = re.compile(r"mixer|mamba|ssm|conv|temporal|recurrent")


def kind_of(name: str) -> str | None:
    """What a linear layer belongs to, by its full name.

    Returns:
        "attention": attention, or what mixes positions in its stead (state spaces, convolutions); "mlp":
        the feed-forward part, experts included; None: unknown.
    """
    block = BLOCK.search(name)
    parents, _, leaf = (name if block is None else name[block.end() :]).rpartition(".")
    if _ATTENTION_PARENT.search(parents):
        return "attention"
    if _MLP_PARENT.search(parents):
        return "mlp"
    for pattern, kind in ((_ATTENTION, "attention"), (_MLP, "mlp")):
        if pattern.fullmatch(leaf):
            return kind
    return "attention" if _MIXER_PARENT.search(parents) else None


def routed_layer(linear: Iterable[str]) -> str | None:
    """A linear layer that sees the tokens routed to an expert, if there is one.

    Rows of a batch that belong to different adapters cannot be distinguished there.
    """
    return next((name for name in linear if ".experts." in name), None)


def routed_dropout(layer: str) -> tuple[str, str]:
    """Why such a layer has no dropout, and what to do."""
    return (
        f"dropout is not supported for {layer}, which sees only the tokens that are routed to it.",
        "Set dropout=0, or target_modules=attention.",
    )


def no_dora(layer: str) -> tuple[str, str]:
    """Why such a layer has no magnitudes, and what to do."""
    return (
        f"use_dora is not possible on {layer}: PEFT takes it for that of experts, and has no DoRA there.",
        "Set use_dora=false, or target_modules=attention.",
    )


def unsuitable_start(
    sizes: Mapping[str, tuple[int, int]], params: LoraParameters, quantised: bool
) -> tuple[str, str] | None:
    """Why these layers cannot begin as `init_lora_weights` says, and what to do; None where they can.

    Args:
        sizes: Both sides of the weight of every adapted layer, by name.
        params: The trial's.
        quantised: Whether the weights are kept in 4 bits.
    """
    if not params.subtracts_start or not sizes:
        return None
    start = f"init_lora_weights={params.init_lora_weights}"
    if quantised:
        return (
            f"{start} is not possible on a base model in 4 bits: what is left of its weights would have to "
            "be quantised again.",
            "Use init_lora_weights=default, gaussian or orthogonal, or set model.quantization=null.",
        )
    name, smallest = min(((name, min(size)) for name, size in sizes.items()), key=lambda each: each[1])
    if params.rank <= smallest:
        return None
    return (
        f"{start} is not possible with rank {params.rank}: {name} has only {smallest} singular values.",
        f"Use a rank of at most {smallest}, or leave that layer out by target_modules.",
    )


def select_modules(linear: Iterable[str], params: LoraParameters) -> list[str]:
    """Names of the linear layers that a trial adapts.

    Raises:
        UserError: None of the model's layers is of the kind asked for.
    """
    linear = list(linear)
    chosen = []
    for name in linear:
        block = BLOCK.search(name)
        if params.layers is not None and (block is None or int(block.group(1)) >= params.layers):
            continue
        if params.target_modules in ("all", kind_of(name)):
            chosen.append(name)
    if not chosen:
        raise _nothing(linear, params)
    return chosen


def _nothing(linear: list[str], params: LoraParameters) -> UserError:
    if not linear:
        return UserError(
            "this model has no linear layer that can get an adapter.",
            hint="Its blocks must contain layers of torch.nn.Linear, or of transformers' Conv1D.",
        )
    kinds = sorted({name.rsplit(".", 1)[-1] for name in linear})
    return UserError(
        f"target_modules={params.target_modules} matches no linear layer in this model.",
        hint=f"Its linear layers are {', '.join(kinds)}; target_modules=all selects all of them.",
    )
