"""How much memory training takes, counted tensor by tensor. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from trainables.lora.targets import kind_of
from trainables.models.chunk_size import LOGIT_BYTES, chunk_tokens, small
from trainables.settings import ModelConfig

_BLOCK, _SCALES = 64, 256
"""Of NF4: weights that share a scale, and scales that share one of their own where they are quantised too."""

Linear = Mapping[str, tuple[int, int]]
"""(outputs, inputs) of linear layers by full name."""


class Shapes(Protocol):
    """Sizes of a model: what of them is needed here."""

    @property
    def linear(self) -> Linear:
        """All linear layers of its blocks."""

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""

    @property
    def intermediate(self) -> int:
        """Width of the MLP."""

    @property
    def layers(self) -> int:
        """Number of blocks."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""


def base_bytes(parameters: int, linear: Linear, model: ModelConfig, half: bool, shards: int = 1) -> float:
    """Memory of the frozen base model.

    Args:
        parameters: Number of all its parameters.
        linear: The layers that are kept in 4 bits with `model.quantization`; all else is dense.
        model: Its settings.
        half: Whether it computes in bfloat16, else in fp32.
        shards: Workers that share its weights. Scales are not shared, nor what belongs to them.
    """
    size = 2 if half else 4
    if model.quantization is None:
        return parameters * size / shards
    counts = [outer * inner for outer, inner in linear.values()]
    shared = (parameters - sum(counts)) * size + sum(-(-count // 2) for count in counts)
    return shared / shards + sum(_scale_bytes(count, model.double_quant) for count in counts)


def _scale_bytes(weights: int, double_quant: bool) -> int:
    """Scales of a layer with so many weights in NF4, and the 16 values that its weights have (fp32).

    Quantised scales take 8 bits each; beside them are their own scales, the 256 values that they have and
    their mean, in fp32 (Dettmers et al., 2023, arXiv:2305.14314).
    """
    scales = -(-weights // _BLOCK)
    return 4 * 16 + (scales + 4 * (-(-scales // _SCALES) + 256 + 1) if double_quant else 4 * scales)


def dequantised_bytes(linear: Linear, half: bool) -> int:
    """Memory of the largest layer that is kept in 4 bits, while it is multiplied."""
    return (2 if half else 4) * max((outer * inner for outer, inner in linear.values()), default=0)


def adapter_bytes(trainable_parameters: int, half: bool) -> int:
    """Memory of an adapter with so many parameters, in training.

    It, its gradient and the two moments of AdamW are in fp32. Where the base model computes in bfloat16 there
    is a copy of it in that type.
    """
    return trainable_parameters * (16 + 2 * half)


def pass_bytes(
    shapes: Shapes,
    tokens: float,
    rank: int,
    half: bool,
    checkpointing: bool,
    device: str,
    quantised: bool = False,
    whole_logits: bool = False,
) -> float:
    """Memory of a pass at its fullest moment, between the forward and the backward pass.

    Then all blocks hold what they have kept, and either the loss or the last block has its gradients.

    Args:
        shapes: Sizes of the model.
        tokens: Of the pass, with padding; all are taken for targets.
        rank: Of an adapter on all linear layers.
        half: Whether the model computes in bfloat16, else in fp32.
        checkpointing: Whether a block keeps its input only.
        device: Kind of device, "cpu" or "cuda".
        quantised: Whether the layers are kept in 4 bits: those of a block are dequantised one by one.
        whole_logits: Whether logits of all tokens are there at once, however many.
    """
    size = 2 if half else 4
    block = block_bytes(shapes, rank, half)
    gradients = 2 * shapes.intermediate * size * tokens
    if quantised:
        gradients += dequantised_bytes(shapes.linear, half)
    # Of all logits there are three arrays in fp32, whatever the model computes in: the softmax that the
    # forward pass has kept, its gradient and that of the logits.
    few = small(round(tokens), round(tokens), shapes.vocabulary, device)
    whole = 12 * shapes.vocabulary * tokens
    loss = whole if whole_logits or few else _chunk_bytes(shapes, tokens, size, device)
    if checkpointing:
        return tokens * shapes.layers * shapes.hidden * size + max(loss, tokens * block + gradients)
    return tokens * shapes.layers * block + max(loss, gradients)


def _chunk_bytes(shapes: Shapes, tokens: float, size: int, device: str) -> float:
    """Logits of a chunk, and the gradients of the hidden states that they come from."""
    at_once = min(tokens, chunk_tokens(shapes.vocabulary, device))
    # A CPU takes the softmax of half precision in fp32 from a copy.
    each = LOGIT_BYTES + (2 if size == 2 and device == "cpu" else 0)
    return each * shapes.vocabulary * at_once + tokens * shapes.hidden * size


def block_bytes(shapes: Shapes, rank: int, half: bool) -> int:
    """What a block keeps of a token for the backward pass.

    Its two norms keep their inputs, in fp32, and every adapter its input and A times that: a frozen layer
    needs nothing of its own. Attention keeps queries, keys, values and what it returns; the activation its
    input, and a product with a gate both factors. Norms of queries and keys are not counted.
    """
    size = 2 if half else 4
    attention = [shape for name, shape in shapes.linear.items() if kind_of(name) == "attention"]
    sites = len(shapes.linear) / shapes.layers
    width = max((inner for _, inner in attention), default=shapes.hidden)
    # Outputs are queries, keys and values, and those of the layer behind attention, of the hidden width.
    heads = sum(outer for outer, _ in attention) / shapes.layers - shapes.hidden if attention else 3 * width
    values = 2 * shapes.hidden + heads + width + _mlp(shapes) + sites * rank
    return round(2 * shapes.hidden * 4 + values * size)


def _mlp(shapes: Shapes) -> float:
    """Values that the MLP keeps of a token beside its input."""
    outputs = sum(outer for name, (outer, _) in shapes.linear.items() if kind_of(name) == "mlp")
    # What goes in is as wide as what comes out: half of it, where there is a gate.
    inward = outputs / shapes.layers - shapes.hidden
    gated = inward <= 0 or inward >= 1.5 * shapes.intermediate
    return (4 if gated else 2) * shapes.intermediate
