"""Trains the trials that a worker holds, all of them in the same passes over the base model."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from trainables.data.examples import Example
from trainables.errors import OutOfMemoryError, UserError
from trainables.lora.adapters import Adapters
from trainables.lora.arena import EXTRA
from trainables.lora.batch import Batch, Share, deal
from trainables.lora.optimizer import clip_and_update
from trainables.lora.passes import Lengths, Pass, plan_passes
from trainables.lora.trial import LoraTrial, PackedTrial
from trainables.serving.base import HeldBase
from trainables.serving.held import Stepped
from trainables.serving.slices import Slice, unsound


@dataclass
class PassLimits:
    """What a pass may hold.

    Attributes:
        tokens: Tokens with padding, at most; None is no limit. Halved where memory runs out.
        examples: Rows of one trial, at most: examples, where each has a row of its own.
        cost: What a pass costs beside its tokens, in tokens: what padding is weighed against.
    """

    tokens: int | None = None
    examples: int | None = None
    cost: int = 256


MakeTrial: TypeAlias = Callable[[str, Any, Sequence[Example], int], PackedTrial]
"""Makes a trial from its name, its parameters, the training examples and the steps of the full budget."""


class Pack:
    """Holds trials; those that have been started take one optimizer step together at each `step`.

    Every trial's numbers are those it has alone: its rows of a batch meet no other trial's, and clipping,
    moments, schedule, data order and dropout are its own. Trials start and leave between steps. A trial
    that is held and not started neither trains nor decays.

    Args:
        base: The shared base model.
        adapters: Its adapters.
        examples: Training examples, the same on every worker.
        total: Steps of the full budget of trials whose parameters do not say their length.
        limits: Of a pass.
        spike: A trial fails where its smoothed loss rises to this multiple of its lowest; None lets it.
        row_room: Tokens of a row that short examples of a trial share, at least those of the longest example;
            None gives each a row of its own.
        make: Makes its trials.
    """

    def __init__(
        self,
        base: HeldBase,
        adapters: Adapters,
        examples: Sequence[Example],
        total: int,
        limits: PassLimits | None = None,
        spike: float | None = None,
        row_room: int | None = None,
        make: MakeTrial = LoraTrial,
    ) -> None:
        self.limits = limits or PassLimits()
        self.row_room = row_room
        self.active: list[PackedTrial] = []
        self._base = base
        self._adapters = adapters
        self._examples = examples
        self._total = total
        self._spike = spike
        self._make = make
        if base.whole_logits is None:
            base.find_head()

    @property
    def linear(self) -> list[str]:
        """Full names of the layers that can be adapted."""
        return self._adapters.linear

    @property
    def examples(self) -> Sequence[Example]:
        """What trials are trained on."""
        return self._examples

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(example.input_ids) for example in self._examples)

    def make(self, name: str, params: Any) -> PackedTrial:
        """A trial that is not held."""
        return self._make(name, params, self._examples, self._total)

    def fits(self, params: Any) -> bool:
        """Whether such a trial can be made, and the model has layers for such adapters."""
        try:
            return all(self._adapters.chosen(each.params) for each in self.make("", params).adapters)
        except UserError:
            return False

    def add(self, name: str, params: Any) -> PackedTrial:
        """Holds a new trial.

        Raises:
            UserError: No layer of the model fits `target_modules`.
            torch.OutOfMemoryError: There is no room for its adapters; it is not held.
        """
        trial = self.make(name, params)
        try:
            for adapter in trial.adapters:
                self._adapters.add(adapter.name, adapter.params)
        except (UserError, torch.OutOfMemoryError):
            self.remove(trial)
            raise
        return trial

    def remove(self, trial: PackedTrial) -> None:
        """Lets go of a trial; the base and the other trials are as they were."""
        self._stop([trial])
        for adapter in trial.adapters:
            self._adapters.remove(adapter.name)

    def start(self, trial: PackedTrial, until: int) -> None:
        """Has a trial take part in the steps to come, up to step `until`, with an empty `slice`.

        A collective call for one whose first weights come from the base model's.
        """
        trial.until, trial.slice = until, Slice()
        if trial.fresh:
            self._begin(trial)
        if trial.step < until:
            self.active.append(trial)
            # Trials with larger batches first: the last examples of a step are then those of the first
            # rows. Like ranks side by side: they share products without padding.
            self.active.sort(key=lambda each: (-each.params.batch_size, _ranks(each)))

    def _begin(self, trial: PackedTrial) -> None:
        """Gives new adapters their first weights, where they are not PEFT's usual ones."""
        trial.fresh = False
        for adapter in trial.adapters:
            if adapter.params.init_lora_weights != "default" or adapter.params.use_dora:
                self._adapters.begin(adapter.name, adapter.params)
                # Other machines may find other signs for the same decomposition.
                self._base.take_first(self._adapters.row(adapter.name))

    def save(self, trial: PackedTrial, folder: Path) -> None:
        """Writes the adapters (PEFT format) and, while there are steps left, their moments into `folder`."""
        for adapter in trial.adapters:
            self._adapters.save(adapter.name, folder / adapter.folder)
        if trial.step < trial.total:
            self._adapters.save_moments(_moments(trial), folder)

    def load(self, trial: PackedTrial, folder: Path, step: int) -> None:
        """Takes up a trial after `step` steps from what `save` wrote."""
        for adapter in trial.adapters:
            self._adapters.load(adapter.name, folder / adapter.folder)
        if step < trial.total:
            self._adapters.load_moments(_moments(trial), folder)
        trial.step, trial.fresh = step, False

    def arrange(self, trials: Sequence[PackedTrial]) -> int:
        """Puts the adapters of these trials first, as `trainables.lora.layout.Layout` has them.

        Returns:
            Adapters of each trial.
        """
        planes = list(zip(*(trial.adapters for trial in trials), strict=True))
        self._adapters.arrange([adapter.name for plane in planes for adapter in plane])
        return len(planes)

    def step(self, interrupt: bool = False) -> Stepped[PackedTrial]:
        """One optimizer step of every trial that has been started; a collective call.

        Args:
            interrupt: On the first worker, a message to all workers, which travels with the gradients.

        Raises:
            torch.OutOfMemoryError: In the middle of a pass that several workers make together.
        """
        began, trials = time.perf_counter(), list(self.active)
        stepped = Stepped[PackedTrial]()
        while self.active and not self._try_step(interrupt, stepped):
            pass
        for trial in trials:
            trial.slice.seconds += (time.perf_counter() - began) / len(trials)
        stepped.reached = [trial for trial in self.active if trial.step >= trial.until]
        self._stop(stepped.reached)
        return stepped

    def _try_step(self, interrupt: bool, stepped: Stepped[PackedTrial]) -> bool:
        """One step; False where it has to be tried again, with less in a pass or without some trial."""
        planes = self.arrange(self.active)
        shares = deal(self.active, self._base.rank, self._base.world, self.row_room)
        lengths = [share.lengths for share in shares]
        passes = plan_passes(lengths, self.limits.tokens, self.limits.examples, self.limits.cost)
        arena, trials = self._adapters.arena, len(shares)
        grads = arena.grads[: planes * trials]
        grads.zero_()
        extras = grads[:trials, -EXTRA:]  # in the rows of the first plane
        losses, short, stuck, interrupts = extras.unbind(1)
        with self._adapters.active(trials, planes):
            ran = self._run(passes, shares, losses)
        arena.drop_frozen(len(grads))
        if len(ran) < len(passes):
            lacking = passes[len(ran)]
            grads.zero_()
            short[0] = 1
            if sum(lacking.counts) == 1:
                stuck[lacking.first] = 1
        interrupts[0] = float(interrupt)
        self._base.reduce(grads)
        norms = torch.linalg.vector_norm(grads[:, : arena.columns], dim=1)
        # All that matters of the sum over planes is whether it is finite.
        facts = torch.cat([norms.view(planes, -1).sum(0)[:, None], extras], dim=1).tolist()
        stepped.interrupt = stepped.interrupt or facts[0][4] > 0
        if facts[0][2] > 0:
            self._shrink(passes, lengths, [fact[3] > 0 for fact in facts], stepped)
            return False
        for planned, (passed, tokens) in zip(passes, ran, strict=True):
            _account(planned, shares, passed, passed - tokens)
        self._update(shares, norms, facts, stepped)
        return True

    def _run(self, passes: Sequence[Pass], shares: Sequence[Share], losses: Tensor) -> list[tuple[int, int]]:
        """Adds up gradients and losses, up to the pass that this worker has no memory for, if any.

        Returns:
            Of each pass that ran its tokens, with and without padding.
        """
        ran: list[tuple[int, int]] = []
        for planned in passes:
            try:
                batch = Batch.of(planned, shares, losses.device)
                self._adapters.lay_out(planned.first, planned.counts, batch.dropout, batch.gates)
                rows = batch.losses(self._base.losses(batch.input_ids, batch.wanted, batch.positions))
                torch.autograd.backward(rows.sum())
                losses.index_add_(0, batch.owners, rows.detach().to(losses.dtype))
            except torch.OutOfMemoryError:
                if self._base.sharded and self._base.world > 1:
                    raise  # in the middle of a collective pass: the group has to start anew
                return ran
            self._base.after_backward()
            ran.append((batch.input_ids.numel(), batch.tokens))
        return ran

    def _shrink(
        self, passes: Sequence[Pass], lengths: Lengths, stuck: Sequence[bool], stepped: Stepped[PackedTrial]
    ) -> None:
        """Halves what a pass may hold; gives up a trial that has no room for a single example."""
        if self._base.device.type == "cuda":
            gc.collect()  # what the error has left in cycles, such as blocks that were to be computed again
            torch.cuda.empty_cache()
        if any(stuck) and self.row_room is not None and self.row_room > self.longest:
            self.row_room = self.longest  # what one example alone would take
            return
        if not any(stuck):
            divisible = [part for part in passes if sum(part.counts) > 1]
            self.limits.tokens = max(sum(part.counts) * part.width(lengths) for part in divisible) // 2
        for trial in [trial for trial, lacks in zip(self.active, stuck, strict=True) if lacks]:
            error = OutOfMemoryError(
                "out of memory with one example in a pass",
                hint="Lower task.max_length, or set workers.gradient_checkpointing=true.",
            )
            stepped.failed.append((trial, error))
            self._stop([trial])

    def _update(
        self, shares: Sequence[Share], norms: Tensor, facts: list[list[float]], stepped: Stepped[PackedTrial]
    ) -> None:
        """Moves the weights of the trials whose loss and gradient are sound."""
        trials = [share.trial for share in shares]
        for trial, (norm, loss, *_) in zip(trials, facts, strict=True):
            if (error := unsound(trial.slice, trial.step + 1, norm, loss, self._spike)) is not None:
                stepped.failed.append((trial, error))
                self._stop([trial])
        if not self.active:
            return
        planes = self.arrange(self.active)
        kept = [trials.index(trial) for trial in self.active]
        rows = [(trial, place) for place in range(planes) for trial in self.active]
        params = [trial.adapters[place].params for trial, place in rows]
        clip_and_update(
            self._adapters.arena,
            [trial.step for trial, _ in rows],
            [trial.rates[place] for trial, place in rows],
            [each.loraplus_lr_ratio for each in params],
            [each.weight_decay for each in params],
            [each.clip for each in params],
            norms if len(kept) == len(trials) else norms.view(planes, -1)[:, kept].flatten(),
        )
        for trial in self.active:
            index = trials.index(trial)
            trial.slice.losses.append(facts[index][1])
            trial.slice.targets.append(shares[index].targets)
            trial.slice.tokens += shares[index].tokens
            trial.step += 1

    def _stop(self, trials: Sequence[PackedTrial]) -> None:
        self.active = [trial for trial in self.active if trial not in trials]


def _account(planned: Pass, shares: Sequence[Share], passed: int, padding: int) -> None:
    """Notes in every trial of a pass what it held."""
    present = [index for index, rows in enumerate(planned.counts, start=planned.first) if rows]
    for index in present:
        part = shares[index].trial.slice
        part.passed += passed
        part.padding += padding
        part.passes += 1
        part.partners += len(present)


def _ranks(trial: PackedTrial) -> tuple[int, ...]:
    return tuple(adapter.params.width for adapter in trial.adapters)


def _moments(trial: PackedTrial) -> dict[str, str]:
    """The adapters' names by what their moments begin with in the trial's file."""
    return {adapter.folder and f"{adapter.folder}/": adapter.name for adapter in trial.adapters}
