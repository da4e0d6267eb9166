"""Rows that branch: a prompt once, and after it each of its continuations as if it stood there alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.evaluation.targets import Targets

Tokens = Sequence[int]


@dataclass(frozen=True)
class Branches:
    """One row for each prompt: padding, the prompt, its continuations one after another, padding.

    The last token of a continuation is no input: nothing comes after it. A token sees the prompt and what
    goes before it in its own continuation (the tree attention of Miao et al., 2024, arXiv:2305.09781).

    Attributes:
        ids: Token ids, shape (prompts, columns), int64.
        positions: Place of each token in its own text, shape (prompts, columns), int64.
        sees: Which columns each column sees, shape (prompts, columns, columns), bool. Padding sees itself.
        last: How many of the last columns have logits that are wanted.
        targets: The continuations of all prompts in their order, in the logits of these columns.
    """

    ids: Tensor
    positions: Tensor
    sees: Tensor
    last: int
    targets: Targets

    def to(self, device: torch.device) -> Branches:
        """The same on a device."""
        ids, positions, sees = (part.to(device) for part in (self.ids, self.positions, self.sees))
        return Branches(ids, positions, sees, self.last, self.targets.to(device))


def lay_out(
    prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]], start: int, pad_id: int
) -> Branches:
    """Lays out prompts with their continuations.

    Args:
        prompts: Token ids without the `start` tokens that go before all of them; none empty.
        continuations: For each prompt the token ids of its continuations, none empty and one at least.
        start: Position of a prompt's first token.
        pad_id: Any token id; nothing sees it.
    """
    widest = max(len(prompt) for prompt in prompts)
    last = 1 + max(branch_tokens(texts) for texts in continuations)
    shape = (len(prompts), widest + last - 1)
    ids, positions = np.full(shape, pad_id), np.zeros(shape, np.int64)
    branch = np.full(shape, -1)  # 0 in the prompt, 1 and more in a continuation
    places: list[list[int]] = []
    for row, (prompt, texts) in enumerate(zip(prompts, continuations, strict=True)):
        before = slice(widest - len(prompt), widest)
        ids[row, before], branch[row, before] = prompt, 0
        positions[row, before] = start + np.arange(len(prompt))
        column = widest
        for number, text in enumerate(texts, 1):
            end = column + len(text) - 1
            ids[row, column:end], branch[row, column:end] = text[:-1], number
            positions[row, column:end] = start + len(prompt) + np.arange(len(text) - 1)
            # The prompt's last column has the logits of every continuation's first token.
            columns = [widest - 1, *range(column, end)]
            places.append([row * last + own - (widest - 1) for own in columns])
            column = end
    targets = Targets.of([text for texts in continuations for text in texts], places)
    ids_, positions_, sees = (torch.from_numpy(array) for array in (ids, positions, _sees(branch)))
    return Branches(ids_, positions_, sees, last, targets)


def branch_tokens(continuations: Sequence[Tokens]) -> int:
    """Columns that a prompt's continuations take."""
    return sum(len(text) - 1 for text in continuations)


def _sees(branch: NDArray[np.int64]) -> NDArray[np.bool_]:
    seen, seeing = branch[:, None, :], branch[:, :, None]
    columns = branch.shape[1]
    own = (seen == 0) | ((seen == seeing) & (seen > 0))
    sees: NDArray[np.bool_] = (np.tri(columns, dtype=bool) & own) | np.eye(columns, dtype=bool)
    return sees
