"""How long an example may be: chosen by the data, within the model's context. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.errors import UserError

REPLIES = 2048
"""Tokens of a conversation that is not to be cut, at most, where nobody asked for more."""

PIECES = 512
"""Tokens of a piece of a longer text, at most, where nobody asked for more."""

_PERCENTILE = 99
_STEP = 8
LEAST = 32
"""Tokens of a piece of a longer text, at least, where the text has them."""

_PARTS = 64


def reply_length(lengths: Sequence[int], context: int | None) -> int:
    """A length that 99% of the examples fit into.

    Args:
        lengths: Tokens of each, at least one.
        context: Tokens that the model can take; None where it does not say.
    """
    wanted = int(np.percentile(lengths, _PERCENTILE, method="higher"))
    # Examples are padded to the longest of their pass, so that a round number costs nothing.
    return min(_rounded(min(max(lengths), wanted)), REPLIES, context or REPLIES)


def piece_length(lengths: Sequence[int], context: int | None) -> int:
    """Length of the pieces that texts are cut into: 99% of the texts stay whole if that is short enough.

    Text that is cut at will in any case gives 64 pieces or more, while they have 32 tokens.

    Args:
        lengths: Tokens of each text, at least one.
        context: As in `reply_length`.
    """
    wanted = _rounded(int(np.percentile(lengths, _PERCENTILE, method="higher")))
    if len(lengths) < _PARTS:
        wanted = min(wanted, max(LEAST, sum(lengths) // _PARTS // _STEP * _STEP))
    return min(max(wanted, _STEP), PIECES, context or PIECES)


def refuse_beyond(max_length: int, context: int | None) -> None:
    """Refuses examples that are longer than the model can take.

    Raises:
        UserError: They may be.
    """
    if context is not None and max_length > context:
        raise UserError(
            f"task.max_length: {max_length} is more than the {context} tokens of the model's context.",
            hint=f"Give {context} or less, or remove task.max_length to choose it by the data.",
        )


def _rounded(length: int) -> int:
    return -(-length // _STEP) * _STEP
