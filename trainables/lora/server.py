"""Serves trials of the trainable `lora` on one worker: the base is loaded once, trials come and go."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.data.task import TaskData, load_task
from trainables.errors import DivergedError, OutOfMemoryError, UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.outcomes import Measurement, Outcomes, combine
from trainables.lora.adapters import Adapters
from trainables.lora.base import HeldBase
from trainables.lora.checkpoints import drop_old_moments, write_whole
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial
from trainables.messages import (
    BaselineRequest,
    GroupFacts,
    GroupSettings,
    Outcome,
    Reply,
    Request,
    TrainRequest,
)
from trainables.models.load import load_base
from trainables.models.resolve import ResolvedModel, resolve


@dataclass(frozen=True)
class Loaded:
    """What one worker has read, before anything that all workers do together."""

    resolved: ResolvedModel
    model: Any
    tokenizer: Any
    data: TaskData
    device: torch.device


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the task; no collective call.

    Raises:
        UserError: The model or the task cannot be loaded as configured.
    """
    resolved = resolve(settings.model)
    model, tokenizer = load_base(resolved, settings.model, device)
    return Loaded(resolved, model, tokenizer, load_task(settings.task, tokenizer, settings.seed), device)


class LoraServer:
    """Holds the base model and at most one trial per slot.

    Every worker of a group runs one, and all of them serve the same requests in the same order.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.

    Raises:
        UserError: The questions cannot be asked as configured; on every worker alike.
    """

    def __init__(self, settings: GroupSettings, loaded: Loaded) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._device = loaded.device
        self._parameters = sum(tensor.numel() for tensor in loaded.model.parameters())
        self._data = loaded.data
        self._base = HeldBase(loaded.model, settings.zero_stage)
        self._adapters = Adapters(self._base.model, loaded.resolved.path_or_id)
        self._evaluator = Evaluator(
            self._base.model,
            loaded.tokenizer,
            settings.capability,
            self._data.heldout.examples,
            settings.seed,
            self._base.any_working if self._base.sharded else None,
        )
        self._model_fingerprint = loaded.resolved.fingerprint
        self._trials: dict[int, tuple[int, LoraTrial]] = {}

    def facts(self, seconds: float) -> GroupFacts:
        """What the driver is told when the group is up; `seconds` is the time that took."""
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        parts = (self._data.train.fingerprint, self._data.heldout.fingerprint, self._evaluator.fingerprint)
        data = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return GroupFacts(name, self._model_fingerprint, data, self._parameters, seconds)

    def from_first(self, value: Tensor) -> Tensor:
        """The first worker's value of a tensor, on every worker."""
        if self._base.world > 1:
            value = value.to(self._device)
            torch.distributed.broadcast(value, src=0)
        return value.cpu()

    def serve(self, slot: int, request: Request) -> Reply:
        """Does what a request asks for, and says how it went."""
        if isinstance(request, BaselineRequest):
            return self._measure_base()
        try:
            trial = self._take(slot, request)
        except UserError as error:
            self._drop(slot)
            return Reply("user", str(error))
        try:
            trial.train(request.to_step)
            return self._reach(trial, request)
        except DivergedError as error:
            return self._fail(slot, request, "diverged", str(error))
        except OutOfMemoryError as error:
            return self._fail(slot, request, "out_of_memory", str(error))
        except torch.OutOfMemoryError as error:
            if self._base.world > 1:
                raise  # the other workers are elsewhere: the group has to start anew
            return self._fail(slot, request, "out_of_memory", str(error).splitlines()[0])

    def _reach(self, trial: LoraTrial, request: TrainRequest) -> Reply:
        """Saves and measures a trial that has been trained to its rung."""
        if self._base.rank == 0:
            write_whole(self._folder / request.save_to, trial.save)
        measured = self._measure()
        return Reply(
            "ok",
            step=trial.step,
            metrics={"train_loss": trial.slice.mean_loss} | measured.metrics,
            intervals=dict(measured.intervals),
            curve=trial.slice.curve(request.from_step),
            checkpoint=request.save_to,
            train_seconds=trial.slice.seconds,
            eval_seconds=measured.seconds["total"],
        )

    def _fail(self, slot: int, request: TrainRequest, outcome: Outcome, message: str) -> Reply:
        """Drops the trial; what it measured before it failed is kept."""
        trial = self._trials[slot][1]
        self._drop(slot)
        return Reply(
            outcome,
            message,
            trial.step,
            {"train_loss": trial.slice.mean_loss} if trial.slice.losses else {},
            curve=trial.slice.curve(request.from_step),
            train_seconds=trial.slice.seconds,
        )

    def _take(self, slot: int, request: TrainRequest) -> LoraTrial:
        """The trial as it is held at `from_step`, or made anew from its last checkpoint."""
        if request.load_from is not None and self._base.rank == 0:
            drop_old_moments(self._folder / request.load_from)
        held = self._trials.get(slot)
        if held is not None and held[0] == request.trial and held[1].step == request.from_step:
            return held[1]
        self._drop(slot)
        trial = LoraTrial(
            f"slot{slot}",
            LoraParameters.model_validate(request.params),
            self._base,
            self._adapters,
            self._data.train.examples,
            self._settings.total_steps,
            self._settings.micro_batch,
        )
        self._trials[slot] = (request.trial, trial)
        if request.load_from is not None:
            self._load(trial, request)
        return trial

    def _load(self, trial: LoraTrial, request: TrainRequest) -> None:
        folder = self._folder / str(request.load_from)
        try:
            trial.load(folder, request.from_step)
        except FileNotFoundError as error:
            raise UserError(
                f"the checkpoint {folder} is not there",
                hint="The search's folder (out) must be one that every node shares.",
            ) from error

    def _drop(self, slot: int) -> None:
        held = self._trials.pop(slot, None)
        if held is not None:
            held[1].close()

    def _measure(self) -> Measurement:
        """Held-out loss and capability with whatever adapter is active, over all workers."""
        mine = self._evaluator.outcomes(shard=(self._base.rank, self._base.world))
        return combine([Outcomes.from_bytes(part) for part in self._base.gather(mine.to_bytes())])

    def _measure_base(self) -> Reply:
        began = time.perf_counter()
        examples = self._data.train.examples[: len(self._data.heldout.examples)]
        with self._adapters.disabled():
            measured = self._measure()
            train_loss = self._evaluator.mean_loss(examples)
        seconds = time.perf_counter() - began
        return Reply(
            "ok",
            metrics={"train_loss": train_loss} | measured.metrics,
            intervals=dict(measured.intervals),
            eval_seconds=seconds,
        )

    def close(self) -> None:
        """Drops every trial."""
        for slot in list(self._trials):
            self._drop(slot)
