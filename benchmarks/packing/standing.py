"""A pack that stays for many measurements: on a GPU its adapters take longer to make than to train."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch

from benchmarks.packing.meter import release, synchronise
from benchmarks.packing.packs import ONE_PASS, new_pack
from benchmarks.packing.work import Work
from trainables.data.examples import Example
from trainables.lora.pack import PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.slots import Measured
from trainables.lora.trial import LoraTrial

_FOREVER = 10**9


@dataclass(frozen=True)
class Repeats:
    """How often a step is measured.

    Attributes:
        runs: Measurements, at most; the median counts.
        steps: Steps of a measurement, between which nobody waits for the device.
        seconds: After so long no further measurement is begun.
    """

    runs: int = 5
    steps: int = 1
    seconds: float = 3.0


def seconds_of(step: Callable[[], object], device: torch.device, repeats: Repeats) -> float:
    """Median time of a step, which has been warmed up."""
    measured: list[float] = []
    synchronise(device)
    until = time.monotonic() + repeats.seconds
    while not measured or (len(measured) < repeats.runs and time.monotonic() < until):
        began = time.perf_counter()
        for _ in range(repeats.steps):
            step()
        synchronise(device)
        measured.append((time.perf_counter() - began) / repeats.steps)
    return median(measured)


class StandingPack:
    """Holds an adapter for each trial, and trains any of them with any batches.

    Args:
        work: The base model; the adapters are those of its trials.

    Attributes:
        pack: It holds them.
        columns: Of their storage.
    """

    def __init__(self, work: Work) -> None:
        self._device = work.device
        self._trials = work.trials
        self.pack, _, adapters = new_pack(work, replace(ONE_PASS))
        with work.device:  # PEFT draws the weights where it makes them
            for index, params in enumerate(work.trials):
                self.pack.add(_name(index), params)
        self.columns = adapters.arena.columns

    def trials(
        self, params: Sequence[LoraParameters], examples: Sequence[Example], first: int = 0
    ) -> list[LoraTrial]:
        """Trials of the adapters from `first` on, on these examples.

        Raises:
            ValueError: An adapter has another rank.
        """
        made = []
        for index, each in enumerate(params, start=first):
            if each.rank != self._trials[index].rank:
                raise ValueError(f"adapter {index} has rank {self._trials[index].rank}, not {each.rank}")
            # A rate that moves nothing, so that no measurement depends on those before it.
            still = each.model_copy(update={"lr": 1e-30})
            made.append(LoraTrial(_name(index), still, examples, _FOREVER))
        return made

    def measure(
        self, trials: Sequence[LoraTrial], limits: PassLimits = ONE_PASS, repeats: Repeats = Repeats()
    ) -> Measured:
        """Time of an optimizer step of these trials; the first step warms up, and shows what memory holds.

        Returns:
            With `limit` where memory did not allow a pass as large as `limits`. `alone` says nothing.

        Raises:
            RuntimeError: A trial could not be trained.
        """
        pack = self.pack
        pack.limits = replace(limits)
        release(self._device)
        for trial in trials:
            pack.start(trial, _FOREVER)
        try:
            tokens: int | None = -1  # of no pass
            while tokens != pack.limits.tokens:  # memory may run out in later steps too
                self.step()
                tokens = pack.limits.tokens
                before = [(each.slice.tokens, each.slice.passed, each.step) for each in trials]
                seconds = seconds_of(self.step, self._device, repeats)
            steps = trials[0].step - before[0][2]
            real = sum(each.slice.tokens - old[0] for each, old in zip(trials, before, strict=True))
            # With one pass a step all take part in all of it.
            passed = max(each.slice.passed - old[1] for each, old in zip(trials, before, strict=True))
        finally:
            pack.active = []
        memory = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else 0
        limit = None if tokens == limits.tokens else tokens
        return Measured(len(trials), seconds, real / steps, passed / steps, seconds, float(memory), limit)

    def step(self) -> None:
        """An optimizer step of the trials that have been started.

        Raises:
            RuntimeError: A trial could not be trained.
        """
        failed = self.pack.step().failed
        if failed:
            raise RuntimeError(f"a trial failed: {failed[0][1]}")


def _name(index: int) -> str:
    return f"trial{index}"
