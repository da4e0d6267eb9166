"""The batch of an optimizer step: every worker's share of each trial's, and the tensors of its passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.batches import collate
from trainables.data.examples import Example
from trainables.lora.dropout import stream_key
from trainables.lora.layout import Dropout
from trainables.lora.passes import Pass
from trainables.lora.sequences import fill_rows, join, row_positions, spread_rows
from trainables.lora.transfer import to_device
from trainables.lora.trial import PackedTrial
from trainables.models.chunks import NextTokens

Row = list[tuple[int, Example]]
"""(place in the batch, example) of those that share a row."""


@dataclass(frozen=True)
class Share:
    """What one worker contributes to a trial's next optimizer step.

    Attributes:
        rows: Its examples, one or several a row, longest row first.
        lengths: Length of the i-th longest row of any worker's share. All workers plan their passes
            by it, for under ZeRO stage 3 each pass is one that all make together.
        targets: Target tokens of the whole batch, over all workers.
        tokens: All its tokens.
        routes: By place in the batch and adapter whether the adapter learns from the example; None where all
            adapters learn from all.
    """

    trial: PackedTrial
    rows: list[Row]
    lengths: list[int]
    targets: int
    tokens: int
    routes: NDArray[np.bool_] | None = None


def deal(trials: Sequence[PackedTrial], rank: int, world: int, room: int | None = None) -> list[Share]:
    """The shares of worker `rank` of `world`.

    Args:
        trials: In the order of their rows in the arena.
        rank: The worker.
        world: Number of workers.
        room: Tokens of a row that short examples share; None gives each a row of its own.
    """
    batches = [trial.batch() for trial in trials]
    dealt = [[_longest_first(batch, worker, world) for worker in range(world)] for batch in batches]
    if room is None:
        rows = [[[[pair] for pair in part] for part in parts] for parts in dealt]
    else:
        rows = _shared_rows([trial.params.batch_size for trial in trials], dealt, room)
    return [
        _share(trial, batch, parts, rank) for trial, batch, parts in zip(trials, batches, rows, strict=True)
    ]


def _longest_first(batch: Sequence[Example], worker: int, world: int) -> Row:
    share = ((place, batch[place]) for place in range(worker, len(batch), world))
    return sorted(share, key=lambda pair: -len(pair[1].input_ids))


def _shared_rows(
    batch_sizes: Sequence[int], dealt: Sequence[Sequence[Row]], room: int
) -> list[list[list[Row]]]:
    """Of each trial the rows of each worker.

    Trials of one batch size get as many rows as each other: a layer then takes all of them as they are, which
    gains more than the padding costs.
    """
    lengths = [[[len(example.input_ids) for _, example in part] for part in parts] for parts in dealt]
    counts: dict[int, int] = {}
    for size, row_lengths in zip(batch_sizes, lengths, strict=True):
        counts[size] = max(counts.get(size, 0), *(len(fill_rows(each, room)) for each in row_lengths))
    return [
        [
            [[part[place] for place in row] for row in spread_rows(each, room, counts[size])]
            for part, each in zip(parts, row_lengths, strict=True)
        ]
        for size, parts, row_lengths in zip(batch_sizes, dealt, lengths, strict=True)
    ]


def _share(trial: PackedTrial, batch: Sequence[Example], parts: Sequence[list[Row]], rank: int) -> Share:
    longest = max(len(part) for part in parts)
    lengths = [max(_length(part[index]) for part in parts if index < len(part)) for index in range(longest)]
    # A worker with a row less takes part in the pass all the same, with nothing to learn.
    mine = parts[rank] + [[(0, _without_targets(batch[0]))]] * (longest - len(parts[rank]))
    tokens = sum(len(example.input_ids) for example in batch)
    targets = sum(example.targets for example in batch)
    return Share(trial, mine, lengths, targets, tokens, trial.routes())


def _length(row: Row) -> int:
    return sum(len(example.input_ids) for _, example in row)


def _without_targets(example: Example) -> Example:
    """The first token, with nothing to learn from."""
    return Example(example.input_ids[:1], np.zeros(1, dtype=np.bool_))


@dataclass(frozen=True)
class Batch:
    """The tensors of one pass.

    Attributes:
        input_ids: Shape (rows, longest), padded on the right; no mask is needed, for attention is
            causal and padding has no targets.
        positions: Position of every token in its example, shape (rows, longest); None where no row holds
            more than one.
        wanted: What is to be predicted.
        targets: Target tokens of the whole batch that each row is of, shape (rows,).
        owners: Trial of each row, counted from the first of the step, shape (rows,).
        tokens: Tokens of all rows without padding.
        dropout: None where no row has any.
        gates: What each plane of adapters learns from, as `trainables.lora.layout.Layout` takes it.
    """

    input_ids: Tensor
    positions: Tensor | None
    wanted: NextTokens
    targets: Tensor
    owners: Tensor
    tokens: int
    dropout: Dropout | None
    gates: list[Tensor | None]

    @classmethod
    def of(cls, planned: Pass, shares: Sequence[Share], device: torch.device) -> Batch:
        """Puts together the rows that a pass names."""
        rows = [
            (index, shares[index], row)
            for index, (start, stop) in enumerate(planned.spans, start=planned.first)
            for row in shares[index].rows[start:stop]
        ]
        examples = [[example for _, example in row] for *_, row in rows]
        tensors = collate([join(each) for each in examples], pad_id=0)
        shared = any(len(each) > 1 for each in examples)
        positions = row_positions(examples, tensors["input_ids"].shape[1]) if shared else None
        drawn = _dropout([(share.trial, row) for _, share, row in rows], positions)
        gates = _gates(
            [(share, row) for _, share, row in rows], tensors["input_ids"].shape[1] if shared else None
        )
        wanted = NextTokens.of(tensors["labels"])
        input_ids, places, tokens, targets, owners, *others = to_device(
            [
                tensors["input_ids"],
                wanted.places,
                wanted.tokens,
                torch.tensor([share.targets for _, share, _ in rows]),
                torch.tensor([index for index, *_ in rows]),
                *([] if positions is None else [positions]),
                *drawn,
                *(gate for gate in gates if gate is not None),
            ],
            device,
        )
        positions = others.pop(0) if shared else None
        return cls(
            input_ids,
            positions,
            NextTokens(places, tokens),
            targets,
            owners,
            sum(_length(row) for *_, row in rows),
            Dropout(others.pop(0), others.pop(0), positions) if drawn else None,
            [None if gate is None else others.pop(0) for gate in gates],
        )

    def losses(self, losses: Tensor) -> Tensor:
        """Each row's part of its trial's mean loss, shape (rows,), from those of its tokens."""
        return losses.sum(-1) / self.targets


def _dropout(rows: Sequence[tuple[PackedTrial, Row]], positions: Tensor | None) -> list[Tensor]:
    """Keys and rates of `Dropout`; nothing where no row has any."""
    rates = [trial.dropout for trial, _ in rows]
    if not any(rates):
        return []
    keys = [[stream_key(trial.params.seed, trial.step, place) for place, _ in row] for trial, row in rows]
    if positions is None:
        return [torch.tensor([key for each in keys for key in each]), torch.tensor(rates)]
    by_token = np.zeros(positions.shape, dtype=np.int64)
    for index, (_, row) in enumerate(rows):
        lengths = [len(example.input_ids) for _, example in row]
        by_token[index, : sum(lengths)] = np.repeat(keys[index], lengths)
    return [torch.from_numpy(by_token), torch.tensor(rates)]


def _gates(rows: Sequence[tuple[Share, Row]], length: int | None) -> list[Tensor | None]:
    """Gates of the planes, by token where rows of this length hold several examples, else by row."""
    if all(share.routes is None for share, _ in rows):
        return []
    planes = len(rows[0][0].trial.adapters)
    given = np.ones((planes, len(rows), length or 1), dtype=np.bool_)
    for index, (share, row) in enumerate(rows):
        if share.routes is None:
            continue
        end = 0
        for place, example in row:
            start, end = end, end + len(example.input_ids)
            given[:, index, start if length else 0 : end if length else 1] = share.routes[place][:, None]
    return [None if gate.all() else torch.from_numpy(gate) for gate in given]
