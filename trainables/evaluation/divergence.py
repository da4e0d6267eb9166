"""Divergence of a model from its base on the questions that are put to both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainables.evaluation.batching import LOGITS, batches_by_length
from trainables.evaluation.outcomes import Outcomes, Sums
from trainables.evaluation.passes import Passes, Shard, share

KEPT_LOGITS = 2**25
"""Logits of the base model that a group keeps in its host memory, at most (128 MiB in fp32)."""


class Divergence:
    """KL(base || model) of the next token at every position of some prompts; see `Comparison`.

    Args:
        passes: The model.
        prompts: Token ids of all prompts.
        most: How many of them are looked at, at most; fewer where `KEPT_LOGITS` allows no more.
        seed: Chooses them.
    """

    name = "kl"

    def __init__(self, passes: Passes, prompts: Sequence[Sequence[int]], most: int, seed: int) -> None:
        self._passes = passes
        self._vocabulary = int(passes.forward.config.vocab_size)
        self._prompts: list[Sequence[int]] = []
        kept = 0
        for index in np.random.Generator(np.random.PCG64(seed)).permutation(len(prompts))[:most]:
            kept += len(prompts[index]) * self._vocabulary
            if self._prompts and kept > KEPT_LOGITS:
                break
            self._prompts.append(prompts[index])
        self._base: dict[int, Tensor] = {}

    def take_base(self, shard: Shard) -> None:
        """See `Comparison`."""
        for chosen, logits in self._logits(shard, 1):
            for index, own in zip(chosen, logits[0], strict=True):
                # In the model's own type, in which it has said so: no more is kept than there is.
                self._base[index] = own[: len(self._prompts[index])].cpu().clone()

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """See `Part`."""
        if not self._base:
            return
        found = [Sums() for _ in outcomes]
        for chosen, logits in self._logits(shard, len(outcomes)):
            for place, index in enumerate(chosen):
                length = len(self._prompts[index])
                base = self._base[index].to(logits.device).float().log_softmax(-1)
                tuned = logits[:, place, :length].float().log_softmax(-1)
                each = functional.kl_div(tuned, base.expand_as(tuned), log_target=True, reduction="none")
                for sums, value in zip(found, each.sum((1, 2)).tolist(), strict=True):
                    sums.examples.append(index)
                    # It is not negative; rounding may be. What is NaN stays so.
                    sums.sums.append(0.0 if value < 0 else value)
                    sums.tokens.append(length)
        for one, sums in zip(outcomes, found, strict=True):
            one.divergence = sums

    def _logits(self, shard: Shard, copies: int) -> Iterator[tuple[list[int], Tensor]]:
        """Prompts in batches with their logits, shape (copies, prompts, longest, vocabulary)."""
        forward = self._passes.forward
        own = share(shard, len(self._prompts))
        most = min(LOGITS // self._vocabulary, forward.tokens or LOGITS) // copies
        lengths = [len(self._prompts[index]) for index in own]
        for batch in batches_by_length(lengths, self._passes.rows(copies) // copies, most):
            chosen = [own[place] for place in batch]
            width = max(len(self._prompts[index]) for index in chosen)
            ids = torch.tensor(
                [
                    [*prompt, *[self._passes.pad_id] * (width - len(prompt))]
                    for prompt in (self._prompts[index] for index in chosen)
                ],
                device=forward.device,
            )
            logits = forward.logits(ids.repeat(copies, 1), [len(chosen)] * copies, width)
            yield chosen, logits.view(copies, len(chosen), width, -1)
