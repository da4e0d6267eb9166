"""Divergence of a model from its base on the questions that are put to both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainables.evaluation.inference.batching import LOGITS, batches_by_length
from trainables.evaluation.inference.passes import Passes, Shard, share
from trainables.evaluation.outcomes import Outcomes, Sums

BaseAlone: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes a context within which passes are those of the base model, whatever adapters are active around it."""

_AT_ONCE = 2**24
"""Logits that are turned into probabilities at once, at most, for their temporary copies."""


class Divergence:
    """KL(base || model) of the next token at each position of some prompts; see `Part`.

    The base model runs beside the adapters, so that none of its logits are kept. Those of a pass of the
    base and of the adapters compared with it are together at most `LOGITS`: of a longer prompt only the last
    LOGITS / 2 / vocabulary positions count (512 of a vocabulary of 128 thousand).

    Args:
        passes: The model.
        base: The same without adapters.
        prompts: Token ids of all prompts.
        most: How many of them are looked at, at most.
        seed: Chooses them.
        logits: See above.
    """

    name = "kl"

    def __init__(
        self,
        passes: Passes,
        base: BaseAlone,
        prompts: Sequence[Sequence[int]],
        most: int,
        seed: int,
        logits: int = LOGITS,
    ) -> None:
        self._passes = passes
        self._base = base
        self._most_places = max(2, logits // int(passes.forward.config.vocab_size))
        chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(prompts))[:most]
        self._prompts = [prompts[index] for index in chosen]

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """See `Part`."""
        copies = len(outcomes)
        divergences = [Sums() for _ in outcomes]
        for chosen, base, first, tuned in self._logits(shard, copies):
            for sums, adapter in zip(divergences[first:], tuned, strict=False):
                for place, index in enumerate(chosen):
                    counted = min(len(self._prompts[index]), base.shape[1])
                    sums.examples.append(index)
                    sums.sums.append(_divergence(base[place, :counted], adapter[place, :counted]))
                    sums.tokens.append(counted)
        for each, sums in zip(outcomes, divergences, strict=True):
            each.divergence = sums

    def _logits(self, shard: Shard, copies: int) -> Iterator[tuple[list[int], Tensor, int, Tensor]]:
        """Prompts in batches, the base's logits, and those of some adapters with the first one's number.

        Shapes are (prompts, positions, vocabulary) and (adapters, prompts, positions, vocabulary).
        """
        forward = self._passes.forward
        indices = share(shard, len(self._prompts))
        tokens = min(self._most_places // (copies + 1), (forward.tokens or LOGITS) // copies)
        lengths = [len(self._prompts[index]) for index in indices]
        for batch in batches_by_length(lengths, self._passes.rows(copies) // copies, tokens):
            chosen = [indices[place] for place in batch]
            width = max(len(self._prompts[index]) for index in chosen)
            # A prompt that is too long has a batch to itself, without padding.
            last = min(width, self._most_places // 2)
            ids = torch.tensor(
                [
                    [*prompt, *[self._passes.pad_id] * (width - len(prompt))]
                    for prompt in (self._prompts[index] for index in chosen)
                ],
                device=forward.device,
            )
            rows = len(chosen)
            with self._base():
                base = forward.logits(ids, [rows, *[0] * (copies - 1)], last)
            together = max(1, self._most_places // (rows * last) - 1)
            for first in range(0, copies, together):
                asked = min(together, copies - first)
                counts = [rows * (first <= copy < first + asked) for copy in range(copies)]
                logits = forward.logits(ids.repeat(asked, 1), counts, last)
                yield chosen, base, first, logits.view(asked, rows, last, -1)


def _divergence(base: Tensor, tuned: Tensor) -> float:
    """KL(base || tuned) in nats, summed over positions; shapes (positions, vocabulary)."""
    positions = max(1, _AT_ONCE // base.shape[-1])
    total = 0.0
    for start in range(0, len(base), positions):
        window = slice(start, start + positions)
        wanted, given = base[window].float().log_softmax(-1), tuned[window].float().log_softmax(-1)
        total += float(functional.kl_div(given, wanted, log_target=True, reduction="sum"))
    # It is not negative; rounding may be. What is NaN stays so.
    return 0.0 if total < 0 else total
