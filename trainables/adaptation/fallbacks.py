"""What a target token begins with that no source token stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from trainables.adaptation.strings import TokenKey
from trainables.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Unmatched:
    """Target tokens without a source token.

    Attributes:
        keys: What they stand for; None where an id has no token.
        source: The source tokenizer, of `transformers`.
        rows: Of the source table those that tokens have.
    """

    keys: Sequence[TokenKey | None]
    source: Any
    rows: Sequence[int]


Fallback: TypeAlias = "Callable[[Unmatched, Tensor], Tensor]"
"""From tokens and the source table, shape (rows, ...), to a row for each token, shape (tokens, ...)."""

FALLBACKS: Registry[Fallback] = Registry("fallback")


@FALLBACKS.register("subtokens", "mean of the source tokens that its text is made of")
def subtokens(unmatched: Unmatched, table: Tensor) -> Tensor:
    """The mean over the source tokenizer's tokens of a token's text.

    A special token, and a part of a character, have no text that could be encoded: they get the table's mean.

    Args:
        unmatched: Tokens.
        table: The source table, shape (rows, ...).

    Returns:
        A row for each token, shape (tokens, ...), in the table's type.
    """
    rows = mean(unmatched, table)
    for place, piece in enumerate(_pieces(unmatched)):
        if piece:
            rows[place] = table[piece].float().mean(0).to(table.dtype)
    return rows


@FALLBACKS.register("mean", "mean of the source table")
def mean(unmatched: Unmatched, table: Tensor) -> Tensor:
    """The mean over the source table's rows that tokens have, for each token; shapes as of `subtokens`."""
    average = table[list(unmatched.rows)].float().mean(0).to(table.dtype)
    return average.expand(len(unmatched.keys), *table.shape[1:]).clone()


@FALLBACKS.register("zero", "zero")
def zero(unmatched: Unmatched, table: Tensor) -> Tensor:
    """Zeros, of the shape (tokens, ...) and the type of the table's rows."""
    return table.new_zeros(len(unmatched.keys), *table.shape[1:])


def _pieces(unmatched: Unmatched) -> list[list[int]]:
    """Source tokens of each token's text; none where it has no text."""
    texts = [_text(key) for key in unmatched.keys]
    asked = [text for text in texts if text]
    encoded = iter(unmatched.source(asked, add_special_tokens=False)["input_ids"] if asked else [])
    return [list(next(encoded)) if text else [] for text in texts]


def _text(key: TokenKey | None) -> str:
    if key is None or key.kind == "special":
        return ""
    try:
        return key.text.decode()
    except UnicodeDecodeError:
        return ""
