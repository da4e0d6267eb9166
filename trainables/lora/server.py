"""Serves trials of the trainable `lora` on one worker: the base is loaded once, trials come and go."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from pydantic import ValidationError
from torch import Tensor

from trainables.errors import OutOfMemoryError, TrainableError, UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.inference.passes import Moment
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes
from trainables.lora.adapters import Adapters
from trainables.lora.base import HeldBase
from trainables.lora.checkpoints import drop_old_moments, write_whole, write_whole_file
from trainables.lora.loading import Loaded
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.replies import front_reply, rung_reply, valid_parameters, with_slice
from trainables.lora.row_sharing import share_rows
from trainables.lora.slots import choose_slots
from trainables.lora.trial import LoraTrial
from trainables.messages import (
    BaselineRequest,
    Delivery,
    FrontRequest,
    GroupFacts,
    GroupSettings,
    Outcome,
    Reply,
    Request,
    TrainRequest,
    TrialRequest,
    baseline_folder,
    front_items_file,
    items_file,
)
from trainables.models.attention import chosen
from trainables.models.rows import where_rows_meet


class LoraServer:
    """Holds the base model and at most one trial per slot, and trains them in packs.

    Every worker of a group runs one, and all of them accept the same requests between the same steps.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.
        shrinks: How often the group's workers have died for want of memory.
        say: Called with what whoever watches the search should know.

    Raises:
        UserError: The questions cannot be asked, or the model not be trained, as configured; on every
            worker alike.
    """

    def __init__(
        self,
        settings: GroupSettings,
        loaded: Loaded,
        shrinks: int = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._settings = settings
        self._say = say
        self._folder = Path(settings.folder)
        self._device = loaded.device
        self._data = loaded.data
        self._base = HeldBase(
            loaded.model, settings.zero_stage, checkpointing=settings.gradient_checkpointing
        )
        self._adapters = Adapters(self._base.model, loaded.resolved.path_or_id)
        self._evaluator = Evaluator(
            self._base.model,
            loaded.tokenizer,
            settings.options.capability,
            self._data.heldout.examples,
            settings.seed,
            self._base.any_worker if self._base.sharded else None,
            self._adapters.lay_out_active,
            train=self._data.train.examples,
            general=loaded.general,
            harness=loaded.harness,
            base=self._adapters.inactive,
        )
        self._data_facts = self._data.facts.recorded() | {"max_new_tokens": self._evaluator.reply_length}
        self._general_fingerprint = [loaded.general.fingerprint] if loaded.general else []
        self._model_fingerprint = loaded.resolved.fingerprint
        self._attention = chosen(loaded.model)
        mixing = self._where_rows_meet(loaded)
        self._pack = Pack(
            self._base,
            self._adapters,
            self._data.train.examples,
            settings.total_steps,
            PassLimits(examples=settings.micro_batch),
            settings.spike,
        )
        probes = valid_parameters(settings.probes)
        most = max(1, settings.most_slots >> shrinks)
        together = probes[: min(most, settings.slots or most)]
        self._rows = share_rows(self._pack, self._base, together) if settings.sequence_packing else ""
        self._choice = choose_slots(self._pack, self._base, settings.slots, most, probes, mixing).smaller(
            shrinks, max((params.batch_size for params in probes), default=1)
        )
        self._pack.limits = self._choice.limits
        self._held: dict[int, tuple[int, LoraTrial]] = {}
        self._serving: dict[int, Delivery] = {}
        self._waiting: list[Delivery] = []
        self._alone: list[Delivery] = []
        self._asked: list[int] = []
        self._by_itself = False
        self._answers: list[tuple[int, Reply]] = []

    def _where_rows_meet(self, loaded: Loaded) -> str | None:
        """See `where_rows_meet`; the same on every worker."""
        model = self._base.model
        layers = {name: model.get_submodule(name) for name in self._adapters.linear}
        found = where_rows_meet(model, layers, loaded.model.get_input_embeddings().num_embeddings)
        return (found or "a layer") if self._base.any_worker(found is not None) else None

    def facts(self, seconds: float) -> GroupFacts:
        """What the driver is told when the group is up; `seconds` is the time that took."""
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        parts = [self._data.train.fingerprint, self._data.heldout.fingerprint, self._evaluator.fingerprint]
        data = hashlib.sha256("\n".join(parts + self._general_fingerprint).encode()).hexdigest()
        return GroupFacts(
            name,
            self._model_fingerprint,
            data,
            seconds,
            slots=self._choice.slots,
            packing="; ".join(filter(None, (self._choice.reason, self._rows))),
            attention=self._attention,
            data=self._data_facts,
        )

    def from_first(self, value: Tensor) -> Tensor:
        """The first worker's value of a tensor, on every worker."""
        if self._base.world > 1:
            value = value.to(self._device)
            torch.distributed.broadcast(value, src=0)
        return value.cpu()

    @property
    def training(self) -> bool:
        """Whether there is a step to take, or somebody to ask."""
        return bool(self._pack.active or self._asked)

    def answers(self) -> list[tuple[int, Reply]]:
        """Replies by sequence number of the delivery, since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def accept(self, delivery: Delivery) -> None:
        """Begins to serve a request, or has it wait for memory; a collective call."""
        request = delivery.request
        if isinstance(request, BaselineRequest):
            try:
                reply = self._measure_base(request.name)
            except UserError as error:  # on every worker alike
                reply = Reply("user", str(error))
            self._answers.append((delivery.sequence, reply))
        elif self._alone or self._by_itself:
            self._waiting.append(delivery)
        else:
            self._start(delivery, request)

    def _start(self, delivery: Delivery, request: TrialRequest) -> None:
        self._serving[delivery.slot] = delivery
        try:
            trial = self._take(delivery.slot, request)
        except (UserError, OutOfMemoryError) as error:
            self._fail(delivery.slot, error)
            return
        if trial is None:
            self._waiting.append(self._serving.pop(delivery.slot))
        elif isinstance(request, FrontRequest):
            self._asked.append(delivery.slot)
        else:
            self._pack.start(trial, request.to_step)

    def step(self, word: bool) -> bool:
        """One optimizer step of all trials that are under way, and what follows from it; a collective call.

        Trials that are to be asked only are asked before it, together.

        Args:
            word: On the first worker, a message to all of them.

        Returns:
            That message, on every worker.
        """
        if self._asked:
            asked, self._asked = self._asked, []
            self._measure_slots(asked, "front")
            if not self._pack.active:
                self._go_on()
                return False  # on every worker: the word comes with the next step, or is not needed
        stepped = self._pack.step(word)
        slots = {id(trial): slot for slot, (_, trial) in self._held.items()}
        for trial, error in stepped.failed:
            self._lose(slots[id(trial)], error)
        if stepped.reached:
            self._reach([slots[id(trial)] for trial in stepped.reached])
        if stepped.failed or stepped.reached:
            self._go_on()
        return stepped.word

    def _lose(self, slot: int, error: TrainableError) -> None:
        """A trial cannot go on. One that others leave no memory goes back to its rung, to be alone later."""
        if isinstance(error, OutOfMemoryError) and len(self._held) > 1:
            self._drop(slot)
            self._alone.append(self._serving.pop(slot))
        else:
            self._fail(slot, error)

    def _go_on(self) -> None:
        """Starts what waits: what is to be alone once all else has ended, and then the rest."""
        if self.training and (self._alone or self._by_itself):
            return
        self._by_itself = False
        while self._alone and not self.training:
            self.close()  # idle trials are on disk, and come back from there
            self._by_itself = True
            delivery = self._alone.pop(0)
            assert not isinstance(delivery.request, BaselineRequest)
            self._start(delivery, delivery.request)
        if not self._by_itself or not self.training:
            self._by_itself = False
            waiting, self._waiting = self._waiting, []
            for delivery in waiting:
                self.accept(delivery)

    def _take(self, slot: int, request: TrialRequest) -> LoraTrial | None:
        """The trial as it is held at `from_step`, or made anew from its last checkpoint.

        Returns:
            None where it has to wait for memory that other trials hold.

        Raises:
            OutOfMemoryError: There is no room for it even alone.
            UserError: It cannot be made, or its checkpoint is not there.
        """
        if request.load_from is not None and self._base.rank == 0:
            drop_old_moments(self._folder / request.load_from)
        held = self._held.get(slot)
        if held is not None and held[0] == request.trial and held[1].step == request.from_step:
            return held[1]
        self._drop(slot)
        try:
            params = LoraParameters.model_validate(request.params)
        except ValidationError as error:
            raise UserError(str(error)) from error
        trial = self._add(slot, params)
        if trial is None:
            for idle in set(self._held) - set(self._serving):
                self._drop(idle)  # it is on disk, and comes back from there
            trial = self._add(slot, params)
        if trial is None:
            if self._held:
                return None
            raise OutOfMemoryError("no memory for the adapter", hint="Lower the largest rank.")
        self._held[slot] = (request.trial, trial)
        if request.load_from is not None:
            self._load(trial, self._folder / request.load_from, request.from_step)
        return trial

    def _add(self, slot: int, params: LoraParameters) -> LoraTrial | None:
        """A new trial; None, on every worker, where any of them has no memory for it."""
        try:
            trial = self._pack.add(f"slot{slot}", params)
        except torch.OutOfMemoryError:
            trial = None
        if not self._base.any_worker(trial is None):
            return trial
        if trial is not None:
            self._pack.remove(trial)
        return None

    def _load(self, trial: LoraTrial, folder: Path, step: int) -> None:
        """Loads a checkpoint on every worker, or on none: its folder may be missing on one node only."""
        try:
            self._pack.load(trial, folder, step)
        except FileNotFoundError:
            missing = True
        else:
            missing = False
        if self._base.any_worker(missing):
            raise UserError(
                f"the checkpoint {folder} is not there",
                hint="The search's folder (out) must be one that every node shares.",
            )

    def _reach(self, slots: Sequence[int]) -> None:
        """Saves and measures the trials that have been trained to their rungs."""
        if self._base.rank == 0:
            for slot in slots:
                save = partial(self._pack.save, self._held[slot][1])
                write_whole(self._folder / self._request(slot).save_to, save, say=self._say)
        # Trials at their full budget may be asked more than others.
        more = [slot for slot in slots if self._request(slot).last or not self._evaluator.asks_more_at_last]
        parts: tuple[tuple[list[int], Moment], ...] = (
            (more, "last"),
            ([slot for slot in slots if slot not in more], "rung"),
        )
        for part, moment in parts:
            if part:
                self._measure_slots(part, moment)

    def _measure_slots(self, slots: Sequence[int], moment: Moment) -> None:
        """Measures trials together, or in halves where memory runs out or one of them cannot be scored."""
        trials = [self._held[slot][1] for slot in slots]
        measured = None
        problem: TrainableError = OutOfMemoryError("out of memory in the evaluation")
        try:
            measured = self._measure(trials, moment)
        except UserError as error:  # on every worker alike
            problem = error
        except torch.OutOfMemoryError:
            if self._base.world > 1:
                raise  # the other workers are elsewhere: the group has to start anew
        if measured is None:  # and not in the handler, which holds on to what the attempt had in memory
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            if len(slots) == 1:
                self._lose(slots[0], problem)
                return
            for part in (slots[: len(slots) // 2], slots[len(slots) // 2 :]):
                self._measure_slots(part, moment)
            return
        for slot, trial, found in zip(slots, trials, measured, strict=True):
            self._answer(slot, self._reply(self._serving[slot].request, trial, found))

    def _reply(self, request: Request, trial: LoraTrial, found: Measurement) -> Reply:
        if isinstance(request, FrontRequest):
            kept = self._keep_items(front_items_file(request.load_from), found, request.items_before)
            return front_reply(trial, found, kept)
        assert isinstance(request, TrainRequest)
        return rung_reply(trial, request, found, self._keep_items(items_file(request.save_to), found))

    def _fail(self, slot: int, error: TrainableError) -> None:
        """Drops the trial; what it measured before it failed is kept."""
        reply = Reply(cast(Outcome, error.failure_class), str(error))
        held, request = self._held.get(slot), self._serving[slot].request
        if held is not None and isinstance(request, TrainRequest) and not isinstance(error, UserError):
            trial = held[1]
            metrics = {"train_loss": trial.slice.mean_loss} if trial.slice.losses else {}
            reply = with_slice(replace(reply, step=trial.step, metrics=metrics), trial, request)
        self._drop(slot)
        self._answer(slot, reply)

    def _request(self, slot: int) -> TrainRequest:
        request = self._serving[slot].request
        assert isinstance(request, TrainRequest)
        return request

    def _answer(self, slot: int, reply: Reply) -> None:
        self._answers.append((self._serving.pop(slot).sequence, reply))

    def _drop(self, slot: int) -> None:
        held = self._held.pop(slot, None)
        if held is not None:
            self._pack.remove(held[1])

    def _measure(self, trials: Sequence[LoraTrial], moment: Moment) -> list[Measurement]:
        """Held-out loss and capability of each trial, over all workers."""
        if moment != "front":  # then nothing is drafted or compared here
            self._evaluator.take_base(self._shard)
        self._adapters.arrange([trial.name for trial in trials])
        with self._adapters.active(len(trials)):
            return self._evaluate(len(trials), moment)

    @property
    def _shard(self) -> tuple[int, int]:
        return self._base.rank, self._base.world

    def _evaluate(self, copies: int, moment: Moment) -> list[Measurement]:
        """Each adapter's measurement over all workers.

        Raises:
            UserError: Some worker's share cannot be scored; on every worker alike.
        """
        own: list[Outcomes] = []
        problem = ""
        try:
            own = self._evaluator.outcomes(self._shard, copies, moment=moment)
        except UserError as error:
            problem = str(error)
        problems = [text.decode() for text in self._base.gather(problem.encode())]
        if first := next(filter(None, problems), ""):
            raise UserError(first)
        return [
            combine([Outcomes.from_bytes(part) for part in self._base.gather(mine.to_bytes())])
            for mine in own
        ]

    def _keep_items(self, name: str, measured: Measurement, before: str | None = None) -> str:
        """Has the first worker write the results item by item, after those of `before`; returns the name."""
        if self._base.rank == 0:
            earlier = None if before is None else self._folder / before
            items = self._evaluator.items
            write = partial(write_items, outcomes=measured.outcomes, items=items, before=earlier)
            write_whole_file(self._folder / name, write, say=self._say)
        return name

    def _measure_base(self, name: str) -> Reply:
        began = time.perf_counter()
        examples = self._data.train.examples[: len(self._data.heldout.examples)]
        self._evaluator.take_base(self._shard)
        measured = self._evaluate(1, "base")[0]
        train_loss = self._evaluator.mean_loss(examples)
        return Reply(
            "ok",
            metrics={"train_loss": train_loss} | measured.metrics,
            intervals=dict(measured.intervals),
            items=measured.items,
            eval_seconds=time.perf_counter() - began,
            eval_parts=measured.parts,
            items_file=self._keep_items(items_file(baseline_folder(name)), measured),
        )

    def close(self) -> None:
        """Drops every trial."""
        for slot in list(self._held):
            self._drop(slot)
