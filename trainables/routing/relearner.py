"""Trains a trial's good adapter alone on the behaviour, to see how soon that comes back."""

from __future__ import annotations

import torch

from trainables.data.examples import Example
from trainables.errors import OutOfMemoryError
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import PackedTrial
from trainables.routing.data import RoutedData
from trainables.routing.evaluation import RoutingEvaluator
from trainables.routing.options import BehaviourConfig
from trainables.routing.relearning import Relearning, relearn, relearning_target
from trainables.routing.trial import GOOD, RoutingTrial
from trainables.serving.base import HeldBase

_NAME = "relearning"


class Relearner:
    """Measures relearning of trials, one after another.

    What is trained is a copy of the good adapter with a new optimizer at the trial's learning rate, constant
    from the first step on; and, as a control, a good adapter as it was initialised, on the base model.

    Args:
        base: The base model.
        adapters: On it.
        limits: Of passes.
        data: Its training examples with the behaviour are trained on.
        evaluator: Measures the loss.
        config: How many steps, and when the behaviour counts as learned.
    """

    def __init__(
        self,
        base: HeldBase,
        adapters: Adapters,
        limits: PassLimits,
        data: RoutedData,
        evaluator: RoutingEvaluator,
        config: BehaviourConfig,
    ) -> None:
        self._base, self._adapters, self._limits = base, adapters, limits
        self._evaluator, self._config = evaluator, config
        pairs = zip(data.train, data.behaving, strict=True)
        self._behaving: list[Example] = [example for example, behaves in pairs if behaves]

    def metrics(self, trial: RoutingTrial) -> dict[str, float]:
        """Steps of a trial and of its control, which is held back at the same loss; a collective call.

        Raises:
            torch.OutOfMemoryError: On any worker.
        """
        if not self._config.relearn_steps:
            return {}
        target = relearning_target(self._loss(trial), self._config.relearn_tolerance)
        good = trial.adapters[GOOD]
        after = self._relearn(good.params, good.name, target)
        control = self._relearn(good.params, None, target)
        return after.metrics() | control.metrics(control=True)

    def _relearn(self, good: LoraParameters, source: str | None, target: float) -> Relearning:
        params = good.model_copy(update={"schedule": "constant", "warmup": 0.0})
        most = self._config.relearn_steps
        pack = Pack(self._base, self._adapters, self._behaving, most, self._limits)
        trial = pack.add(_NAME, params)
        try:
            if source is not None:
                self._adapters.copy(source, _NAME)
            pack.start(trial, most)
            return relearn(lambda: _step(pack), lambda: self._loss(trial), target, most)
        finally:
            pack.remove(trial)

    def _loss(self, trial: PackedTrial) -> float:
        self._adapters.arrange([adapter.name for adapter in trial.adapters])
        with self._adapters.active(1, len(trial.adapters)):
            return self._evaluator.relearning_loss()


def _step(pack: Pack) -> None:
    """One step; once training has diverged there are no more, and the behaviour is not learned."""
    if not pack.active:
        return
    for _, error in pack.step().failed:
        if isinstance(error, OutOfMemoryError):
            raise torch.OutOfMemoryError(str(error))
