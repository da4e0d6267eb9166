"""One worker's share of a trial's batch, and the passes made of the shares of several trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.data.batches import collate
from trainables.data.examples import Example
from trainables.data.loss import token_losses
from trainables.lora.dropout import stream_key
from trainables.lora.packed import Dropout
from trainables.lora.passes import Pass
from trainables.lora.trial import LoraTrial


@dataclass(frozen=True)
class Share:
    """What one worker contributes to a trial's next optimizer step.

    Attributes:
        examples: (place in the batch, example), longest first.
        lengths: Length of the i-th longest example of any worker's share. All workers plan their passes
            by it, for under ZeRO stage 3 each pass is one that all make together.
        targets: Target tokens of the whole batch, over all workers.
        tokens: All its tokens.
    """

    trial: LoraTrial
    examples: list[tuple[int, Example]]
    lengths: list[int]
    targets: int
    tokens: int

    @classmethod
    def of(cls, trial: LoraTrial, rank: int, world: int) -> Share:
        """The share of worker `rank` of `world`."""
        batch = trial.batch()
        shares = [
            sorted(
                ((place, batch[place]) for place in range(worker, len(batch), world)),
                key=lambda pair: -len(pair[1].input_ids),
            )
            for worker in range(world)
        ]
        lengths = [
            max(len(share[index][1].input_ids) for share in shares if index < len(share))
            for index in range(len(shares[0]))
        ]
        mine = shares[rank]
        # A worker with an example less takes part in the pass all the same, with nothing to learn.
        mine += [(0, _without_targets(batch[0]))] * (len(lengths) - len(mine))
        tokens = sum(len(example.input_ids) for example in batch)
        return cls(trial, mine, lengths, sum(example.targets for example in batch), tokens)


def _without_targets(example: Example) -> Example:
    """The first token, with nothing to learn from."""
    return Example(example.input_ids[:1], np.zeros(1, dtype=np.bool_))


@dataclass(frozen=True)
class Batch:
    """The tensors of one pass.

    Attributes:
        input_ids: Shape (rows, longest), padded on the right; no mask is needed, for attention is
            causal and padding has no targets.
        labels: As `collate` makes them, shape (rows, longest).
        targets: Target tokens of the whole batch that each row is of, shape (rows,).
        owners: Trial of each row, counted from the first of the step, shape (rows,).
        tokens: Tokens of all rows without padding.
        dropout: None where no row has any.
    """

    input_ids: Tensor
    labels: Tensor
    targets: Tensor
    owners: Tensor
    tokens: int
    dropout: Dropout | None

    @classmethod
    def of(cls, one: Pass, shares: Sequence[Share], device: torch.device) -> Batch:
        """Puts together the examples that a pass names."""
        rows = [
            (index, shares[index], *shares[index].examples[place])
            for index, (start, stop) in enumerate(one.spans, start=one.first)
            for place in range(start, stop)
        ]
        tensors = collate([example for *_, example in rows], pad_id=0)
        return cls(
            tensors["input_ids"].to(device),
            tensors["labels"].to(device),
            torch.tensor([share.targets for _, share, *_ in rows], device=device),
            torch.tensor([index for index, *_ in rows], device=device),
            sum(len(example.input_ids) for *_, example in rows),
            _dropout([(share.trial, place) for _, share, place, _ in rows], device),
        )

    def losses(self, logits: Tensor) -> Tensor:
        """Each row's part of its trial's mean loss, shape (rows,), fp32."""
        return token_losses(logits, self.labels).sum(-1) / self.targets


def _dropout(rows: Sequence[tuple[LoraTrial, int]], device: torch.device) -> Dropout | None:
    rates = [trial.params.dropout for trial, _ in rows]
    if not any(rates):
        return None
    keys = [stream_key(trial.params.seed, trial.step, place) for trial, place in rows]
    return Dropout(torch.tensor(keys, device=device), torch.tensor(rates, device=device))
