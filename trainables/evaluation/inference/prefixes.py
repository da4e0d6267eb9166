"""Runs common prefixes once: for a whole batch, or within its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.evaluation.inference.targets import Targets

HEAD_TOKENS = 128
"""Tokens that a pass over a common prefix must save to be worth it."""

OWN_HEAD_TOKENS = 512
"""Tokens that a longer prefix of some prompts must save to be worth separate batches."""

OWN_HEAD_LENGTH = 16
"""Tokens by which that prefix must be longer than the prefix of all."""


class Head(NamedTuple):
    """Prompts that are run together, by index, and the length of their common prefix; 0 if too short."""

    tokens: int
    prompts: list[int]


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the prompts' common prefix, which is shorter than any prompt."""
    ids = [list(prompt) for prompt in prompts]
    first, last = min(ids), max(ids)
    most = min(len(prompt) for prompt in ids) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)


def heads(prompts: Sequence[Sequence[int]], copies: int) -> list[Head]:
    """Groups prompts by common prefix: a system message, the examples of a few-shot prompt.

    Args:
        prompts: Token ids, none empty.
        copies: Number of adapters, each of which runs all prompts.
    """
    ids = [list(prompt) for prompt in prompts]
    result: list[Head] = []

    def spared(tokens: int, count: int) -> int:
        return tokens * (count - 1) * copies

    def part(members: list[int], shared: int) -> None:
        rest: list[int] = []
        for _, branch in groupby(members, key=lambda index: ids[index][shared]):
            group = list(branch)
            more = shared_prefix([ids[index] for index in group]) - shared
            split = len(group) < len(members) and more >= OWN_HEAD_LENGTH
            if split and spared(more, len(group)) >= OWN_HEAD_TOKENS:
                part(group, shared + more)
            else:
                rest += group
        if rest:
            result.append(Head(shared if spared(shared, len(rest)) >= HEAD_TOKENS else 0, rest))

    if ids:
        part(sorted(range(len(ids)), key=lambda index: ids[index]), shared_prefix(ids))
    return result


Tokens = Sequence[int]

ROW_TOKENS = 64
"""Tokens of a row, at most, unless its only prompt takes more: attention costs their square."""

_LOGITS = 1 / 4
"""Share of the columns that have logits, at most, where texts are padded on the right."""


@dataclass
class Tree:
    """Prompts and continuations as a tree of tokens, which holds common prefixes once.

    The last token of a continuation is no input: nothing comes after it.

    Attributes:
        prompts: Which they are.
        tokens: Token ids; a token comes after its parent.
        parents: Place of the token before each, -1 at the root.
        ends: Places after which the probability of something is asked for.
        paths: For each continuation the places after which its tokens come.
    """

    prompts: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)
    paths: list[list[int]] = field(default_factory=list)
    _places: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def branches(self) -> bool:
        """Whether any token has more than one after it."""
        return len(set(self.parents)) < len(self.parents)

    def add(self, index: int, prompt: Tokens, continuations: Sequence[Tokens], most: int) -> bool:
        """Adds a prompt unless the tree would have too many tokens; the first prompt is always added."""
        known = len(self.tokens)
        end = self._walk(-1, prompt)[-1]
        paths = [[end, *self._walk(end, text[:-1])] for text in continuations]
        if self.prompts and len(self.tokens) > most:
            for place in range(known, len(self.tokens)):
                del self._places[self.parents[place], self.tokens[place]]
            del self.tokens[known:], self.parents[known:]
            return False
        self.prompts.append(index)
        self.paths += paths
        self.ends.update(place for path in paths for place in path)
        return True

    def _walk(self, place: int, tokens: Tokens) -> list[int]:
        walked = []
        for token in tokens:
            step = (place, token)
            if step not in self._places:
                self._places[step] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(place)
            place = self._places[step]
            walked.append(place)
        return walked


def trees(prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]) -> list[Tree]:
    """Prompts in trees: prompts with a common prefix share one.

    Args:
        prompts: Token ids, none empty.
        continuations: For each prompt the token ids of its continuations, none empty and one at least.
    """
    rows = [Tree()]
    for index in sorted(range(len(prompts)), key=lambda index: list(prompts[index])):
        if not rows[-1].add(index, prompts[index], continuations[index], ROW_TOKENS):
            rows.append(Tree())
            rows[-1].add(index, prompts[index], continuations[index], ROW_TOKENS)
    return rows


@dataclass(frozen=True)
class Branches:
    """One row for each tree: padding, its tokens, padding; those come last whose logits are wanted.

    A token sees what goes before it in its own text: the tree attention of Miao et al., 2024,
    arXiv:2305.09781. Texts that do not branch are padded on the right only, and need nothing but causal
    attention, for which there are faster kernels.

    Attributes:
        ids: Token ids, shape (trees, columns), int64.
        positions: Place of each token in its own text, shape (trees, columns), int64.
        sees: Which columns each column sees, shape (trees, columns, columns), bool. Padding sees itself. None
            where each sees all before it, and positions are columns.
        last: How many of the last columns have logits that are wanted.
        targets: The continuations of all trees in their order, in the logits of these columns.
    """

    ids: Tensor
    positions: Tensor
    sees: Tensor | None
    last: int
    targets: Targets

    def to(self, device: torch.device) -> Branches:
        """The same on a device."""
        sees = None if self.sees is None else self.sees.to(device)
        ids, positions = self.ids.to(device), self.positions.to(device)
        return Branches(ids, positions, sees, self.last, self.targets.to(device))


def lay_out(rows: Sequence[Tree], texts: Sequence[Tokens], start: int, pad_id: int, logits: int) -> Branches:
    """Lays out trees.

    Args:
        rows: The trees.
        texts: Their continuations, in the order of their paths.
        start: Position of a prompt's first token.
        pad_id: Any token id; nothing sees it.
        logits: Places that may have logits, at most, where there is a choice.
    """
    if not start and not any(tree.branches for tree in rows):
        width, first = max(len(tree.tokens) for tree in rows), min(min(tree.ends) for tree in rows)
        last = width - first
        if last <= width * _LOGITS and last * len(rows) <= logits:
            return _unbranched(rows, texts, width, last, pad_id)
    last = max(len(tree.ends) for tree in rows)
    before = max(len(tree.tokens) - len(tree.ends) for tree in rows)
    shape = (len(rows), before + last)
    ids, positions = np.full(shape, pad_id), np.zeros(shape, np.int64)
    sees = np.zeros((*shape, shape[1]), np.bool_)
    sees[:] = np.eye(shape[1], dtype=np.bool_)
    places: list[list[int]] = []
    for row, tree in enumerate(rows):
        columns = _columns(tree, before)
        ids[row, columns] = tree.tokens
        seen = _ancestors(tree)
        positions[row, columns] = start + seen.sum(-1) - 1
        sees[row, columns[:, None], columns] = seen
        shift = row * last - before
        places += [[shift + int(columns[place]) for place in path] for path in tree.paths]
    ids_, positions_, sees_ = (torch.from_numpy(array) for array in (ids, positions, sees))
    return Branches(ids_, positions_, sees_, last, Targets.of(texts, places))


def _unbranched(
    rows: Sequence[Tree], texts: Sequence[Tokens], width: int, last: int, pad_id: int
) -> Branches:
    ids = np.array([[*tree.tokens, *[pad_id] * (width - len(tree.tokens))] for tree in rows], np.int64)
    positions = np.broadcast_to(np.arange(width), ids.shape).copy()
    places = [
        [row * last + place - (width - last) for place in path]
        for row, tree in enumerate(rows)
        for path in tree.paths
    ]
    return Branches(torch.from_numpy(ids), torch.from_numpy(positions), None, last, Targets.of(texts, places))


def _columns(tree: Tree, before: int) -> NDArray[np.int64]:
    """Column of each token: those without wanted logits end at `before`, where the others begin."""
    wanted = np.zeros(len(tree.tokens), np.bool_)
    wanted[list(tree.ends)] = True
    columns = np.where(
        wanted, before - 1 + wanted.cumsum(), before - (~wanted).sum() - 1 + (~wanted).cumsum()
    )
    return columns.astype(np.int64)


def _ancestors(tree: Tree) -> NDArray[np.bool_]:
    """For each token, which tokens it comes after, itself included."""
    count = len(tree.tokens)
    seen = np.eye(count, dtype=np.bool_)
    # The first text is a row of tokens, and often a long one.
    first = next((place for place in range(count) if tree.parents[place] != place - 1), count)
    seen[:first, :first] = np.tri(first, dtype=np.bool_)
    for place in range(first, count):
        if tree.parents[place] >= 0:
            seen[place] |= seen[tree.parents[place]]
    return seen
