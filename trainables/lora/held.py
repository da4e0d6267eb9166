"""What a worker holds for the trainable `lora`: the base, its adapters in packs, and their evaluation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from pydantic import ValidationError

from trainables.errors import UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes
from trainables.lora.adapters import Adapters
from trainables.lora.baselines import BASELINES
from trainables.lora.loading import Loaded, load
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.row_sharing import share_rows
from trainables.lora.slots import choose_slots
from trainables.lora.trial import PackedTrial
from trainables.messages import GroupFacts, GroupSettings, Moment, Params
from trainables.models.attention import chosen
from trainables.models.rows import where_rows_meet
from trainables.serving.base import HeldBase
from trainables.serving.held import Begin, Evaluation, Stepped
from trainables.settings import CapabilityConfig


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model, the data and the questions; see `trainables.serving.held.Read`."""
    return partial(LoraHeld, settings, load(settings, device))


class LoraHeld:
    """The base model and the trials on it, which train and are evaluated together.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.
        shrinks: How often the group's workers have died for want of memory.

    Raises:
        UserError: The questions cannot be asked, or the model not be trained, as configured; on every
            worker alike.
    """

    no_room = "Lower the largest rank."

    def __init__(self, settings: GroupSettings, loaded: Loaded, shrinks: int = 0) -> None:
        options: LoraOptions = settings.options
        self._loaded, self._seed = loaded, settings.seed
        self._data = loaded.data
        self.base = HeldBase(loaded.model, settings.zero_stage, checkpointing=settings.gradient_checkpointing)
        whole = self.base.find_head()
        self._logits = f"whole logits: {whole}" if whole else ""
        self.adapters = Adapters(self.base.model, loaded.resolved.path_or_id)
        self._evaluator = self._make_evaluator(options.capability)
        self._attention = chosen(loaded.model)
        mixing = self._where_rows_meet(loaded)
        self.pack = Pack(
            self.base,
            self.adapters,
            self._data.train.examples,
            settings.total_steps,
            PassLimits(examples=settings.micro_batch),
            settings.spike,
        )
        probes = [params for params in valid_parameters(settings.probes) if self.pack.fits(params)]
        most = max(1, settings.most_slots >> shrinks)
        together = probes[: min(most, settings.slots or most)]
        self._rows = share_rows(self.pack, self.base, together) if settings.sequence_packing else ""
        self._choice = choose_slots(self.pack, self.base, settings.slots, most, probes, mixing).smaller(
            shrinks, max((params.batch_size for params in probes), default=1)
        )
        self.pack.limits = self._choice.limits
        self.add, self.remove, self.start = self.pack.add, self.pack.remove, self.pack.start
        self.save, self.load = self.pack.save, self.pack.load

    def _make_evaluator(
        self, capability: CapabilityConfig, wording: Callable[[str], str] | None = None
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
        )

    def _where_rows_meet(self, loaded: Loaded) -> str | None:
        """See `where_rows_meet`; the same on every worker."""
        model = self.base.model
        layers = {name: model.get_submodule(name) for name in self.adapters.linear}
        layer = where_rows_meet(model, layers, loaded.model.get_input_embeddings().num_embeddings)
        return (layer or "a layer") if self.base.any_worker(layer is not None) else None

    def facts(self, device: str, seconds: float) -> GroupFacts:
        """What the driver is told when the group is up."""
        general = self._loaded.general
        parts = [self._data.train.fingerprint, self._data.heldout.fingerprint, self._evaluator.fingerprint]
        parts += [general.fingerprint] if general else []
        return GroupFacts(
            device,
            self._loaded.resolved.fingerprint,
            hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            seconds,
            slots=self._choice.slots,
            packing="; ".join(filter(None, (self._choice.reason, self._rows, self._logits))),
            attention=self._attention,
            data=self._data.facts.recorded() | {"max_new_tokens": self._evaluator.reply_length},
        )

    @property
    def active(self) -> Sequence[PackedTrial]:
        """Trials that take part in the steps to come."""
        return self.pack.active

    @property
    def asks_more_at_last(self) -> bool:
        """Whether there are skills that are evaluated at the full budget but not before."""
        return self._evaluator.asks_more_at_last

    def step(self, interrupt: bool) -> Stepped[PackedTrial]:
        """One optimizer step of every trial that has been started; a collective call."""
        return self.pack.step(interrupt)

    def measure(self, trials: Sequence[PackedTrial], moment: Moment) -> list[Evaluation]:
        """Held-out loss and capability of each trial, over all workers; a collective call."""
        if moment != "front":  # then nothing is drafted or compared here
            self._evaluator.take_base(self._shard)
        planes = self.pack.arrange(trials)
        with self.adapters.active(len(trials), planes):
            measured = self._evaluate(self._evaluator, len(trials), moment)
            return [self._evaluation(each, self._evaluator) for each in measured]

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures a registered baseline; a collective call."""
        return BASELINES[name](self)

    def evaluate(self, wording: Callable[[str], str] | None = None) -> Evaluation:
        """See `Base.evaluate`; the loss is that on as many training examples as are held out."""
        began = time.perf_counter()
        evaluator = self._evaluator
        if wording is not None:
            evaluator = self._make_evaluator(evaluator.capability, wording)
        evaluator.take_base(self._shard)
        measured = self._evaluation(self._evaluate(evaluator, 1, "base")[0], evaluator)
        examples = self._data.train.examples[: len(self._data.heldout.examples)]
        return replace(
            measured,
            metrics={"train_loss": evaluator.mean_loss(examples)} | measured.metrics,
            seconds=time.perf_counter() - began,
        )

    @property
    def _shard(self) -> tuple[int, int]:
        return self.base.rank, self.base.world

    def _evaluate(self, evaluator: Evaluator, copies: int, moment: Moment) -> list[Measurement]:
        """Each adapter's measurement over all workers.

        Raises:
            UserError: Some worker's share cannot be scored; on every worker alike.
        """
        mine: list[Outcomes] = []
        problem = ""
        try:
            mine = evaluator.outcomes(self._shard, copies, moment=moment)
        except UserError as error:
            problem = str(error)
        problems = [text.decode() for text in self.base.gather(problem.encode())]
        if first := next(filter(None, problems), ""):
            raise UserError(first)
        return [
            combine([Outcomes.from_bytes(part) for part in self.base.gather(each.to_bytes())])
            for each in mine
        ]

    def _evaluation(self, measured: Measurement, evaluator: Evaluator) -> Evaluation:
        def write(path: Path, before: Path | None) -> None:
            write_items(path, measured.outcomes, evaluator.items, before)

        return Evaluation(
            measured.metrics,
            dict(measured.intervals),
            measured.items,
            measured.seconds["total"],
            measured.parts,
            write,
        )


def valid_parameters(probes: Sequence[Params]) -> list[LoraParameters]:
    """Those of the probes that can be trained; a trial that cannot fails by itself, when it comes."""
    valid = []
    for params in probes:
        with suppress(ValidationError):
            valid.append(LoraParameters.model_validate(params))
    return valid
