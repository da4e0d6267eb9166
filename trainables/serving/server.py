"""Serves requests on one worker: the base is loaded once, trials come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import ValidationError
from safetensors import SafetensorError

from trainables.errors import OutOfMemoryError, TrainableError, UserError, first_line
from trainables.messages import (
    TRAIN_LOSS,
    BaselineRequest,
    Delivery,
    FrontRequest,
    GiveUp,
    GroupFacts,
    GroupSettings,
    Moment,
    Outcome,
    Reply,
    TrainRequest,
    TrialRequest,
    baseline_folder,
    front_items_file,
    items_file,
)
from trainables.serving.checkpoints import DamagedCheckpointError, check_seal
from trainables.serving.held import Evaluation, Held, Trial
from trainables.serving.replies import reply_of, rung_reply, slice_fields, unmeasured_reply
from trainables.serving.storage import FolderStorage, Storage
from trainables.specs import TRAINABLES


class Server:
    """Has at most one trial per slot, and trains and measures those that are asked for.

    Every worker of a group runs one, and all of them accept the same requests between the same steps.

    Args:
        settings: What the group serves.
        held: What this worker holds.
        say: Called with what whoever watches the search should know.
        storage: Keeps what trials leave behind; the search's folder where not given.
    """

    def __init__(
        self,
        settings: GroupSettings,
        held: Held[Any],
        say: Callable[[str], None] = lambda text: None,
        storage: Storage | None = None,
    ) -> None:
        self.held = held
        self._say = say
        self._storage: Storage = storage or FolderStorage(Path(settings.folder), say)
        self._spec = TRAINABLES[settings.trainable]
        self._base = held.base
        self._trials: dict[int, tuple[int, Trial]] = {}
        self._serving: dict[int, Delivery] = {}
        self._waiting: list[Delivery] = []
        self._alone: list[Delivery] = []
        self._asked: list[int] = []
        self._behind: set[int] = set()
        self._by_itself = False
        self._answers: list[tuple[int, Reply]] = []

    def facts(self, seconds: float) -> GroupFacts:
        """What the driver learns when the group is up; `seconds` is the time that took."""
        device = self._base.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return self.held.facts(name, seconds)

    @property
    def training(self) -> bool:
        """Whether there is a step to take, or somebody to ask."""
        return bool(self.held.active or self._asked)

    def answers(self) -> list[tuple[int, Reply]]:
        """Replies by sequence number of the delivery, since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def accept(self, delivery: Delivery) -> None:
        """Begins to serve a request, or has it wait for memory; a collective call."""
        request = delivery.request
        if isinstance(request, BaselineRequest):
            try:
                reply = self._measure_baseline(request.name)
            except UserError as error:  # on every worker alike
                reply = Reply("user", str(error))
            self._answers.append((delivery.sequence, reply))
        elif isinstance(request, GiveUp):
            self._give_up(delivery)
        elif self._alone or self._by_itself:
            self._waiting.append(delivery)
        else:
            self._start(delivery, request)

    def _give_up(self, delivery: Delivery) -> None:
        """Drops the trial of the delivery with this sequence number, unless that was answered before."""
        served = self._serving.get(delivery.slot)
        waiting = [*self._waiting, *self._alone]
        if served is not None and served.sequence == delivery.sequence:
            self._asked = [slot for slot in self._asked if slot != delivery.slot]
            self._drop(delivery.slot)
            self._answer(delivery.slot, Reply("withdrawn"))
        elif any(other.sequence == delivery.sequence for other in waiting):
            self._waiting = [other for other in self._waiting if other.sequence != delivery.sequence]
            self._alone = [other for other in self._alone if other.sequence != delivery.sequence]
            self._answers.append((delivery.sequence, Reply("withdrawn")))
        self._go_on()

    def _start(self, delivery: Delivery, request: TrialRequest) -> None:
        self._serving[delivery.slot] = delivery
        try:
            trial = self._take(delivery.slot, request)
        except (UserError, OutOfMemoryError) as error:
            self._fail(delivery.slot, error)
            return
        if trial is None:
            self._waiting.append(self._serving.pop(delivery.slot))
        elif trial.step < request.from_step:
            self._behind.add(delivery.slot)
            self.held.start(trial, request.from_step)
        else:
            self._begin(delivery.slot, trial, request)

    def _begin(self, slot: int, trial: Trial, request: TrialRequest) -> None:
        if isinstance(request, FrontRequest):
            self._asked.append(slot)
        else:
            self.held.start(trial, request.to_step)

    def step(self, interrupt: bool) -> bool:
        """One optimizer step of all trials that are under way, and what follows from it; a collective call.

        Trials that are only to be evaluated are evaluated before it, together.

        Args:
            interrupt: On the first worker, a message to all of them.

        Returns:
            That message, on every worker.
        """
        if self._asked:
            asked, self._asked = self._asked, []
            self._measure_slots(asked, "front")
            if not self.held.active:
                self._go_on()
                return False  # on every worker: the interrupt comes with the next step, or is not needed
        stepped = self.held.step(interrupt)
        slots = {id(trial): slot for slot, (_, trial) in self._trials.items()}
        for trial, error in stepped.failed:
            self._lose(slots[id(trial)], error)
        if stepped.reached:
            self._reach([slots[id(trial)] for trial in stepped.reached])
        if stepped.failed or stepped.reached:
            self._go_on()
        return stepped.interrupt

    def _lose(self, slot: int, error: TrainableError) -> None:
        """A trial cannot go on. One that others leave no memory goes back to its rung, to be alone later."""
        if isinstance(error, OutOfMemoryError) and len(self._trials) > 1:
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
            self._start(delivery, _of_trial(delivery))
        if not self._by_itself or not self.training:
            self._by_itself = False
            waiting, self._waiting = self._waiting, []
            for delivery in waiting:
                self.accept(delivery)

    def _take(self, slot: int, request: TrialRequest) -> Trial | None:
        """The trial as it is held at `from_step`, or made anew from its last checkpoint that can be read.

        Returns:
            None where it has to wait for memory that other trials hold.

        Raises:
            OutOfMemoryError: There is no room for it even alone.
            UserError: It cannot be made.
        """
        if request.load_from is not None and self._base.rank == 0:
            self._storage.drop_old_moments(request.load_from)
        held = self._trials.get(slot)
        if held is not None and held[0] == request.trial and held[1].step == request.from_step:
            return held[1]
        self._drop(slot)
        try:
            params = self._spec.parameters.model_validate(request.params)
        except ValidationError as error:
            raise UserError(str(error)) from error
        trial = self._add(slot, params)
        if trial is None:
            for idle in set(self._trials) - set(self._serving):
                self._drop(idle)  # it is on disk, and comes back from there
            trial = self._add(slot, params)
        if trial is None:
            if self._trials:
                return None
            raise self._no_room
        self._trials[slot] = (request.trial, trial)
        return trial if request.load_from is None else self._load(slot, params, request)

    @property
    def _no_room(self) -> OutOfMemoryError:
        return OutOfMemoryError(f"no memory for the {self._spec.artifact.name}", hint=self.held.no_room)

    def _add(self, slot: int, params: Any) -> Trial | None:
        """A new trial; None, on every worker, where any of them has no memory for it."""
        trial: Trial | None
        try:
            trial = self.held.add(f"slot{slot}", params)
        except torch.OutOfMemoryError:
            trial = None
        if not self._base.any_worker(trial is None):
            return trial
        if trial is not None:
            self.held.remove(trial)
        return None

    def _load(self, slot: int, params: Any, request: TrialRequest) -> Trial:
        """Loads the latest checkpoint that every worker can read: it may be damaged on one of them only.

        Where there is none, the trial is as it was before its first step. Training is exact, so that one
        that is trained again comes to what the checkpoint held.
        """
        assert request.load_from is not None
        trial = self._trials[slot][1]
        for step, name in ((request.from_step, request.load_from), *request.earlier):
            problem = self._problem_with_loading(trial, name, step)
            if not self._base.any_worker(bool(problem)):
                break
            self._say(f"trial {request.trial}: {problem or name + ' cannot be read by another worker'}")
            self._drop(slot)
            again = self._add(slot, params)
            if again is None:
                raise self._no_room
            trial = again
            self._trials[slot] = (request.trial, trial)
        if trial.step < request.from_step:
            self._say(
                f"trial {request.trial} is trained again from step {trial.step} to {request.from_step}: "
                f"{request.load_from} cannot be read"
            )
        return trial

    def _problem_with_loading(self, trial: Trial, name: str, step: int) -> str:
        """Why a checkpoint cannot be taken up; nothing where it has been."""
        try:
            with self._storage.reading(name) as folder:
                check_seal(folder)
                self.held.load(trial, folder, step)
        except (OSError, DamagedCheckpointError, SafetensorError, KeyError) as error:
            return f"{name} cannot be read: {first_line(error)}"
        return ""

    def _catch_up(self, slot: int) -> None:
        """A trial that was trained again is where its checkpoint was: it is saved anew, and goes on."""
        trial, request = self._trials[slot][1], _of_trial(self._serving[slot])
        assert request.load_from is not None
        self._behind.discard(slot)
        if self._base.rank == 0:
            self._storage.keep(request.load_from, partial(self.held.save, trial))
        self._begin(slot, trial, request)

    def _reach(self, slots: Sequence[int]) -> None:
        """Saves and measures the trials that have been trained to their rungs."""
        for slot in [slot for slot in slots if slot in self._behind]:
            self._catch_up(slot)
            slots = [other for other in slots if other != slot]
        if self._base.rank == 0:
            for slot in slots:
                save = partial(self.held.save, self._trials[slot][1])
                self._storage.keep(self._request(slot).save_to, save)
        for slot in [slot for slot in slots if not self._measures(slot)]:
            self._answer(slot, unmeasured_reply(self._trials[slot][1], self._request(slot)))
            slots = [other for other in slots if other != slot]
        # Trials at their full budget may be evaluated on more skills than others.
        more = [slot for slot in slots if self._request(slot).last or not self.held.asks_more_at_last]
        parts: tuple[tuple[list[int], Moment], ...] = (
            (more, "last"),
            ([slot for slot in slots if slot not in more], "rung"),
        )
        for part, moment in parts:
            if part:
                self._measure_slots(part, moment)

    def _measures(self, slot: int) -> bool:
        """Whether the trial is measured at its rung, the same on every worker; a collective call."""
        seconds, more = self._trials[slot][1].slice.seconds, self.held.asks_more_at_last
        return self._base.any_worker(self._request(slot).measures(seconds, more))

    def _measure_slots(self, slots: Sequence[int], moment: Moment) -> None:
        """Measures trials together, or in halves where memory runs out or one of them cannot be scored."""
        trials = [self._trials[slot][1] for slot in slots]
        measured = None
        problem: TrainableError = OutOfMemoryError("out of memory in the evaluation")
        try:
            measured = self.held.measure(trials, moment)
        except UserError as error:  # on every worker alike
            problem = error
        except torch.OutOfMemoryError:
            if self._base.world > 1:
                raise  # the other workers are elsewhere: the group has to start anew
        if measured is None:  # and not in the handler, which holds on to what the attempt had in memory
            if self._base.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(slots) == 1:
                self._lose(slots[0], problem)
                return
            for part in (slots[: len(slots) // 2], slots[len(slots) // 2 :]):
                self._measure_slots(part, moment)
            return
        for slot, trial, evaluation in zip(slots, trials, measured, strict=True):
            self._answer(slot, self._reply(_of_trial(self._serving[slot]), trial, evaluation))

    def _reply(self, request: TrialRequest, trial: Trial, measured: Evaluation) -> Reply:
        if isinstance(request, FrontRequest):
            kept = self._keep_items(front_items_file(request.load_from), measured, request.items_before)
            return reply_of(measured, kept, step=trial.step, items={}, values={})
        assert isinstance(request, TrainRequest)
        return rung_reply(trial, request, measured, self._keep_items(items_file(request.save_to), measured))

    def _fail(self, slot: int, error: TrainableError) -> None:
        """Drops the trial; what it measured before it failed is kept."""
        reply = Reply(cast(Outcome, error.failure_class), str(error))
        held, request = self._trials.get(slot), self._serving[slot].request
        if held is not None and isinstance(request, TrainRequest) and not isinstance(error, UserError):
            trial = held[1]
            metrics = {TRAIN_LOSS: trial.slice.mean_loss} if trial.slice.losses else {}
            before = {"step": trial.step, "metrics": metrics} | slice_fields(trial, request)
            reply = reply.model_copy(update=before)
        self._drop(slot)
        self._answer(slot, reply)

    def _request(self, slot: int) -> TrainRequest:
        request = self._serving[slot].request
        assert isinstance(request, TrainRequest)
        return request

    def _answer(self, slot: int, reply: Reply) -> None:
        self._answers.append((self._serving.pop(slot).sequence, reply))

    def _drop(self, slot: int) -> None:
        self._behind.discard(slot)
        held = self._trials.pop(slot, None)
        if held is not None:
            self.held.remove(held[1])

    def _keep_items(self, name: str, measured: Evaluation, before: str | None = None) -> str | None:
        """Has the first worker write the results item by item, after those of `before`; returns the name."""
        if measured.write_items is None:
            return None
        if self._base.rank == 0:
            write = measured.write_items
            with nullcontext() if before is None else self._storage.reading(before) as earlier:
                self._storage.keep_file(name, lambda path: write(path, earlier))
        return name

    def _measure_baseline(self, name: str) -> Reply:
        measured = self.held.measure_baseline(name)
        return reply_of(measured, self._keep_items(items_file(baseline_folder(name)), measured))

    def close(self) -> None:
        """Drops every trial."""
        for slot in list(self._trials):
            self._drop(slot)


def _of_trial(delivery: Delivery) -> TrialRequest:
    """The request of a delivery that is served in a slot."""
    assert isinstance(delivery.request, TrainRequest | FrontRequest)
    return delivery.request
