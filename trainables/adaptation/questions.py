"""The questions of the held-out capability, put in the tokens of whatever is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from trainables.adaptation.metrics import measured_metrics
from trainables.adaptation.prepared import Tokenised
from trainables.data.general import GeneralText, load_general, refuse_training_text
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import Outcomes
from trainables.messages import Moment
from trainables.serving.held import Evaluation
from trainables.settings import CapabilityConfig, TaskConfig


class _Asked(NamedTuple):
    """The model that was asked last, and its answers."""

    model: nn.Module
    evaluator: Evaluator
    outcomes: Outcomes


class Questioner:
    """Asks one model after another, and keeps the answers of the last.

    Args:
        capability: The questions, and general text.
        task: The domain's text.
        seed: Chooses questions where there are more than are asked.
        length: Tokens of a piece of general text, at most.
    """

    def __init__(self, capability: CapabilityConfig, task: TaskConfig, seed: int, length: int) -> None:
        self._capability, self._task, self._seed, self._length = capability, task, seed, length
        self._declared = {spec.name for spec in measured_metrics(capability)}
        self._general: dict[Tokenised, GeneralText | None] = {}
        self._last: _Asked | None = None

    def forget(self) -> None:
        """Lets go of the model that was asked last."""
        self._last = None

    def ask(self, model: nn.Module, text: Tokenised, shard: tuple[int, int], moment: Moment) -> None:
        """Asks a model this worker's share of the questions.

        Args:
            model: A causal language model of `transformers`, or one that is called as it is.
            text: The training text in its tokens, and its tokenizer.
            shard: Rank of this worker, and number of workers.
            moment: It determines which skills are evaluated.

        Raises:
            UserError: A question is longer than the model's context, or cannot be read.
        """
        last = self._last
        evaluator = last.evaluator if last is not None and last.model is model else self._make(model, text)
        self._last = _Asked(model, evaluator, evaluator.outcomes(shard, moment=moment)[0])

    def add_to(self, measured: Evaluation, gather: Callable[[bytes], Sequence[bytes]]) -> Evaluation:
        """What was measured with the answers that were asked for last, over all workers; a collective call.

        Args:
            measured: Of the same model.
            gather: See `trainables.serving.base.HeldBase.gather`.
        """
        assert self._last is not None
        _, evaluator, mine = self._last
        combined = combine([Outcomes.from_bytes(part) for part in gather(mine.to_bytes())])

        def write(path: Path, before: Path | None) -> None:
            write_items(path, combined.outcomes, evaluator.items, before)

        metrics = {name: value for name, value in combined.metrics.items() if name in self._declared}
        intervals = {name: value for name, value in combined.intervals.items() if name in metrics}
        return replace(
            measured,
            metrics=measured.metrics | metrics,
            intervals=measured.intervals | intervals,
            items=combined.items,
            values={
                **measured.values,
                **{name: combined.values[name] for name in combined.values if name in metrics},
            },
            parts=combined.parts,
            write_items=write,
        )

    def _make(self, model: nn.Module, text: Tokenised) -> Evaluator:
        if text not in self._general:
            self._general[text] = self._load_general(text)
        general = self._general[text]
        return Evaluator(
            model, text.tokenizer, self._capability, (), self._seed, train=text.train, general=general
        )

    def _load_general(self, text: Tokenised) -> GeneralText | None:
        capability, source = self._capability, self._capability.general_text
        if source is None:
            return None
        most = capability.general_examples
        loaded = load_general(source, most, self._task, text.tokenizer, self._seed, self._length)
        refuse_training_text(loaded, source, self._task, text.train)
        return loaded
