"""What a worker holds for the trainable `lora`: the base, its adapters in packs, and their evaluation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from trainables.errors import UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes
from trainables.lora.baselines import BASELINES
from trainables.lora.held_pack import HeldPack, evaluation_of
from trainables.lora.loading import Loaded, load
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.trial import LoraTrial, PackedTrial
from trainables.messages import GroupFacts, GroupSettings, Moment
from trainables.serving.held import Begin, Evaluation
from trainables.settings import CapabilityConfig


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model, the data and the questions; see `trainables.serving.held.Read`."""
    return partial(LoraHeld, settings, load(settings, device))


class LoraHeld(HeldPack):
    """The base model and the trials on it, which train and are evaluated together.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.
        shrinks: How often the group's workers have died for want of memory.

    Raises:
        UserError: The questions cannot be asked, or the model not be trained, as configured; on every
            worker alike.
    """

    def __init__(self, settings: GroupSettings, loaded: Loaded, shrinks: int = 0) -> None:
        super().__init__(settings, loaded.resolved, loaded.model)
        options: LoraOptions = settings.options
        self._loaded, self._seed = loaded, settings.seed
        self._data = loaded.data
        self._evaluator = self._make_evaluator(options.capability)
        self.open(self._data.train.examples, LoraParameters, LoraTrial, shrinks)

    def _make_evaluator(
        self,
        capability: CapabilityConfig,
        wording: Callable[[str], str] | None = None,
        *,
        in_context: bool = False,
    ) -> Evaluator:
        loaded = self._loaded
        return Evaluator(
            self.base.model,
            loaded.tokenizer,
            capability,
            self._data.heldout.examples,
            self._seed,
            self.base.any_worker if self.base.sharded else None,
            self.adapters.lay_out_active,
            train=self._data.train.examples,
            general=loaded.general,
            harness=loaded.harness,
            base=self.adapters.inactive,
            output_head=self.base.head,
            wording=wording,
            beliefs=loaded.beliefs,
            in_context=in_context,
        )

    def facts(self, device: str, seconds: float) -> GroupFacts:
        """What the driver hears when the group is up."""
        general = self._loaded.general
        parts = [self._data.train.fingerprint, self._data.heldout.fingerprint, self._evaluator.fingerprint]
        parts += [general.fingerprint] if general else []
        return self.facts_of(
            device,
            seconds,
            hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            self._data.facts.recorded() | {"max_new_tokens": self._evaluator.reply_length},
        )

    @property
    def asks_more_at_last(self) -> bool:
        """Whether there are skills that are evaluated at the full budget but not before."""
        return self._evaluator.asks_more_at_last

    def measure(self, trials: Sequence[PackedTrial], moment: Moment) -> list[Evaluation]:
        """Held-out loss and capability of each trial, over all workers; a collective call."""
        if moment != "front":  # then nothing is drafted or compared here
            self._evaluator.take_base(self.shard)
        planes = self.pack.arrange(trials)
        with self.adapters.active(len(trials), planes):
            measured = self._evaluate(self._evaluator, len(trials), moment)
            return [self._evaluation(each, self._evaluator) for each in measured]

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures a registered baseline; a collective call."""
        return BASELINES[name](self)

    def evaluate(
        self, wording: Callable[[str], str] | None = None, *, in_context: bool = False
    ) -> Evaluation:
        """See `Base.evaluate`; the loss is that on as many training examples as are held out."""
        began = time.perf_counter()
        evaluator = self._evaluator
        if in_context and not self._loaded.beliefs:
            raise UserError(
                "There is nothing to tell the model: no beliefs are asked for.", "Give capability.facts.path."
            )
        if wording is not None or in_context:
            evaluator = self._make_evaluator(evaluator.capability, wording, in_context=in_context)
        evaluator.take_base(self.shard)
        measured = self._evaluation(self._evaluate(evaluator, 1, "base")[0], evaluator)
        examples = self._data.train.examples[: len(self._data.heldout.examples)]
        return replace(
            measured,
            metrics={"train_loss": evaluator.mean_loss(examples)} | measured.metrics,
            seconds=time.perf_counter() - began,
        )

    def _evaluate(self, evaluator: Evaluator, copies: int, moment: Moment) -> list[Measurement[Outcomes]]:
        """Each adapter's measurement over all workers.

        Raises:
            UserError: Some worker's share cannot be scored; on every worker alike.
        """
        mine: list[Outcomes] = []
        problem = ""
        try:
            mine = evaluator.outcomes(self.shard, copies, moment=moment)
        except UserError as error:
            problem = str(error)
        self.agree(problem)
        return [
            combine([Outcomes.from_bytes(part) for part in self.base.gather(each.to_bytes())])
            for each in mine
        ]

    def _evaluation(self, measured: Measurement[Outcomes], evaluator: Evaluator) -> Evaluation:
        def write(path: Path, before: Path | None) -> None:
            write_items(path, measured.outcomes, evaluator.items, before, evaluator.prompts)

        return evaluation_of(measured, write)
