"""What a worker holds for trainables whose trials are adapters: the base, and its adapters in packs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from trainables.data.examples import Example
from trainables.errors import UserError
from trainables.evaluation.measurement import Measurement
from trainables.lora.adapters import Adapters
from trainables.lora.pack import MakeTrial, Pack, PassLimits
from trainables.lora.row_sharing import share_rows
from trainables.lora.slots import choose_slots
from trainables.lora.trial import PackedTrial
from trainables.messages import GroupFacts, GroupSettings, Params
from trainables.models.attention import chosen
from trainables.models.resolve import ResolvedModel
from trainables.models.rows import where_rows_meet
from trainables.parameters import TrainingParameters
from trainables.serving.base import HeldBase
from trainables.serving.held import Evaluation, Stepped

P = TypeVar("P", bound=TrainingParameters)


class HeldPack:
    """The base model and the trials on it, which train together: `Held` but for what is measured.

    Args:
        settings: What the group serves.
        resolved: The base model.
        model: Its weights, frozen, on their device.

    Attributes:
        base: The base model.
        adapters: On it.
        pack: The trials; there once `open` has been called.
        mixing: A layer that does not see whole rows of a batch; the same on every worker.

    Raises:
        UserError: The model cannot be trained as configured; on every worker alike.
    """

    no_room = "Lower the largest rank."
    pack: Pack

    def __init__(self, settings: GroupSettings, resolved: ResolvedModel, model: Any) -> None:
        self._settings, self._resolved = settings, resolved
        self.base = HeldBase(model, settings.zero_stage, checkpointing=settings.gradient_checkpointing)
        whole = self.base.find_head()
        self._logits = f"whole logits: {whole}" if whole else ""
        self.adapters = Adapters(self.base.model, settings.on_driver(resolved.path_or_id))
        self._attention = chosen(model)
        self.mixing = self._where_rows_meet(model)

    def _where_rows_meet(self, model: Any) -> str | None:
        """See `where_rows_meet`; the same on every worker."""
        layers = {name: self.base.model.get_submodule(name) for name in self.adapters.linear}
        layer = where_rows_meet(self.base.model, layers, model.get_input_embeddings().num_embeddings)
        return (layer or "a layer") if self.base.any_worker(layer is not None) else None

    def open(
        self, examples: Sequence[Example], kind: type[TrainingParameters], make: MakeTrial, shrinks: int
    ) -> None:
        """Makes the pack, and measures how many trials it is to hold at once.

        Args:
            examples: What is trained on.
            kind: Of the trials' parameters.
            make: Makes the trials.
            shrinks: How often the group's workers have died for want of memory.
        """
        settings = self._settings
        limits = PassLimits(examples=settings.micro_batch)
        self.pack = Pack(
            self.base, self.adapters, examples, settings.total_steps, limits, settings.spike, make=make
        )
        probes = [params for params in valid_parameters(kind, settings.probes) if self.pack.fits(params)]
        most = max(1, settings.most_slots >> shrinks)
        together = probes[: min(most, settings.slots or most)]
        self._rows = share_rows(self.pack, self.base, together) if settings.sequence_packing else ""
        self._choice = choose_slots(self.pack, self.base, settings.slots, most, probes, self.mixing).smaller(
            shrinks, max((params.batch_size for params in probes), default=1)
        )
        self.pack.limits = self._choice.limits

    def facts_of(
        self, device: str, seconds: float, fingerprint: str, data: dict[str, bool | int | float | str]
    ) -> GroupFacts:
        """What the driver learns when the group is up.

        Args:
            device: Its device in words.
            seconds: Time until it was up.
            fingerprint: Of the data.
            data: Numbers about them.
        """
        return GroupFacts(
            device,
            self._resolved.fingerprint,
            fingerprint,
            seconds,
            slots=self._choice.slots,
            packing="; ".join(filter(None, (self._choice.reason, self._rows, self._logits))),
            attention=self._attention,
            data=data,
        )

    @property
    def active(self) -> Sequence[PackedTrial]:
        """Trials that take part in the steps to come."""
        return self.pack.active

    def add(self, name: str, params: Any) -> PackedTrial:
        """See `Pack.add`."""
        return self.pack.add(name, params)

    def remove(self, trial: PackedTrial) -> None:
        """See `Pack.remove`."""
        self.pack.remove(trial)

    def start(self, trial: PackedTrial, until: int) -> None:
        """See `Pack.start`."""
        self.pack.start(trial, until)

    def step(self, interrupt: bool) -> Stepped[PackedTrial]:
        """One optimizer step of every trial that has been started; a collective call."""
        return self.pack.step(interrupt)

    def save(self, trial: PackedTrial, folder: Path) -> None:
        """See `Pack.save`."""
        self.pack.save(trial, folder)

    def load(self, trial: PackedTrial, folder: Path, step: int) -> None:
        """See `Pack.load`."""
        self.pack.load(trial, folder, step)

    @property
    def shard(self) -> tuple[int, int]:
        """This worker's part of what is evaluated: (rank, world)."""
        return self.base.rank, self.base.world

    def agree(self, problem: str) -> None:
        """Has all workers fail where one of them has a problem; a collective call.

        Raises:
            UserError: With the first problem.
        """
        problems = [text.decode() for text in self.base.gather(problem.encode())]
        if first := next(filter(None, problems), ""):
            raise UserError(first)


def evaluation_of(measured: Measurement[Any], write_items: Callable[[Path, Path | None], None]) -> Evaluation:
    """A measurement as those who serve requests take it."""
    return Evaluation(
        measured.metrics,
        measured.intervals,
        measured.items,
        measured.seconds["total"],
        measured.parts,
        write_items,
        measured.values,
    )


def valid_parameters(kind: type[P], probes: Iterable[Params]) -> list[P]:
    """Those of the probes that can be trained; a trial that cannot fails by itself, when it comes."""
    valid = []
    for params in probes:
        with suppress(ValidationError):
            valid.append(kind.model_validate(params))
    return valid
