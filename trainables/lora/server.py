"""Serves trials of the trainable `lora` on one worker: the base is loaded once, trials come and go."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import torch
from torch import Tensor

from trainables.data.batches import collate
from trainables.data.loss import token_loss
from trainables.data.task import load_task
from trainables.errors import DivergedError, OutOfMemoryError, UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.outcomes import Measurement, Outcomes, combine
from trainables.lora.adapters import Adapters
from trainables.lora.base import HeldBase
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial
from trainables.messages import BaselineRequest, GroupFacts, GroupSettings, Reply, Request, TrainRequest
from trainables.models.load import load_base
from trainables.models.resolve import resolve


class LoraServer:
    """Holds the base model and at most one trial per slot.

    Every worker of a group runs one, and all of them serve the same requests in the same order.

    Args:
        settings: What the group serves.

    Raises:
        UserError: The model, the task or the questions cannot be loaded as configured.
    """

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._device = (
            torch.device("cuda", torch.cuda.current_device())
            if torch.cuda.is_available()
            else torch.device("cpu")
        )
        resolved = resolve(settings.model)
        model, self._tokenizer = load_base(resolved, settings.model, self._device)
        self._parameters = sum(tensor.numel() for tensor in model.parameters())
        self._data = load_task(settings.task, self._tokenizer, settings.seed)
        self._base = HeldBase(model, settings.zero_stage)
        self._adapters = Adapters(self._base.model, resolved.path_or_id)
        self._evaluator = Evaluator(
            self._base.model,
            self._tokenizer,
            settings.capability,
            self._data.heldout.examples,
            settings.seed,
            self._base.any_working if self._base.sharded else None,
        )
        self._model_fingerprint = resolved.fingerprint
        self._trials: dict[int, tuple[int, LoraTrial]] = {}

    def facts(self, seconds: float) -> GroupFacts:
        """What the driver is told when the group is up; `seconds` is the time that took."""
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        return GroupFacts(
            name, self._model_fingerprint, self._data.train.fingerprint, self._parameters, seconds
        )

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
        except (DivergedError, OutOfMemoryError) as error:
            self._drop(slot)
            outcome = "diverged" if isinstance(error, DivergedError) else "out_of_memory"
            metrics = {"train_loss": trial.slice.mean_loss} if trial.slice.losses else {}
            return Reply(
                outcome,  # type: ignore[arg-type]  # both are outcomes
                str(error),
                trial.step,
                metrics,
                curve=trial.slice.curve(request.from_step),
                train_seconds=trial.slice.seconds,
            )
        checkpoint = self._save(trial, request.save_to)
        measured = self._measure()
        return Reply(
            "ok",
            step=trial.step,
            metrics={"train_loss": trial.slice.mean_loss} | measured.metrics,
            intervals=dict(measured.intervals),
            curve=trial.slice.curve(request.from_step),
            checkpoint=checkpoint,
            train_seconds=trial.slice.seconds,
            eval_seconds=measured.seconds["total"],
        )

    def _take(self, slot: int, request: TrainRequest) -> LoraTrial:
        """The trial as it is held at `from_step`, or made anew from its last checkpoint."""
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
            trial.load(self._folder / request.load_from, request.from_step)
        return trial

    def _drop(self, slot: int) -> None:
        held = self._trials.pop(slot, None)
        if held is not None:
            held[1].close()

    def _save(self, trial: LoraTrial, where: str) -> str:
        """Writes the checkpoint beside its place and moves it there whole, on the first worker."""
        if self._base.rank == 0:
            final = self._folder / where
            making = final.with_name(f".{final.name}.{os.getpid()}")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            trial.save(making)
            shutil.rmtree(final, ignore_errors=True)
            making.rename(final)
        return where

    def _measure(self) -> Measurement:
        """Held-out loss and capability with whatever adapter is active, over all workers."""
        mine = self._evaluator.outcomes(shard=(self._base.rank, self._base.world))
        return combine([Outcomes.from_bytes(part) for part in self._base.gather(mine.to_bytes())])

    def _measure_base(self) -> Reply:
        began = time.perf_counter()
        with self._adapters.disabled():
            measured = self._measure()
            train_loss = self._train_loss()
        seconds = time.perf_counter() - began
        return Reply(
            "ok",
            metrics={"train_loss": train_loss} | measured.metrics,
            intervals=dict(measured.intervals),
            eval_seconds=seconds,
        )

    @torch.no_grad()
    def _train_loss(self) -> float:
        """Token mean over as many training examples as there are held-out ones."""
        examples = self._data.train.examples[: len(self._data.heldout.examples)]
        total, tokens = 0.0, 0
        for start in range(0, len(examples), 16):
            tensors = collate(examples[start : start + 16], pad_id=0)
            labels = tensors.pop("labels").to(self._device)
            inputs = {key: value.to(self._device) for key, value in tensors.items()}
            loss, count = token_loss(self._base.model(**inputs, use_cache=False).logits, labels)
            total += float(loss)
            tokens += int(count)
        return total / tokens

    def close(self) -> None:
        """Drops every trial."""
        for slot in list(self._trials):
            self._drop(slot)
