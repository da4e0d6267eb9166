"""Which linear layers get an adapter. Light: the plan counts parameters with it before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters

ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "out_proj"})
MLP = frozenset(
    {"gate_proj", "up_proj", "down_proj", "gate_up_proj", "fc1", "fc2", "dense_h_to_4h", "dense_4h_to_h"}
)
BLOCK = re.compile(r"\.(\d+)\.")
"""The number of the block in a module's full name."""


def routed_layer(linear: Iterable[str]) -> str | None:
    """A linear layer that sees the tokens routed to an expert, if there is one.

    Rows of a batch that belong to different adapters cannot be told apart there.
    """
    return next((name for name in linear if ".experts." in name), None)


def select_modules(linear: Iterable[str], params: LoraParameters) -> list[str]:
    """Names of the linear layers that a trial adapts.

    Raises:
        UserError: None of the model's layers is of the kind asked for.
    """
    wanted = {"attention": ATTENTION, "mlp": MLP, "all": None}[params.target_modules]
    chosen = []
    for name in linear:
        block = BLOCK.search(name)
        if params.layers is not None and (block is None or int(block.group(1)) >= params.layers):
            continue
        if wanted is None or name.rsplit(".", 1)[-1] in wanted:
            chosen.append(name)
    if not chosen:
        kinds = sorted({name.rsplit(".", 1)[-1] for name in linear})
        raise UserError(
            f"target_modules={params.target_modules} finds no linear layer in this model.",
            hint=f"Its linear layers are {', '.join(kinds)}; target_modules=all takes every one.",
        )
    return chosen
