"""How many trials a group trains at once: measured on its device when it comes up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psutil
import torch

from trainables.lora.pack import Pack, PassLimits
from trainables.lora.targets import routed_layer
from trainables.machine import memory_available
from trainables.parameters import TrainingParameters
from trainables.serving.base import HeldBase

_GAIN = 1.05
_LOSS = 0.85
"""Doubling ends once it has twice gained less than the first, or fallen below the second, times the best."""

_NEAR_BEST = 0.9
"""The smallest pack with this share of the best throughput is taken. A small gain does not pay:
one more trial at once takes one more process of Ray Tune, 2 s of CPU, and is proposed on fewer results."""

_SECONDS = 0.4
_STEPS = 8
"""Steps of a measurement, at most; no more are taken once it has lasted `_SECONDS`. The fastest counts."""

_MEMORY = 0.85
"""Share of the memory that a pack may be expected to fill."""


@dataclass(frozen=True)
class Measured:
    """A pack of the first trials of a list.

    Attributes:
        slots: Number of trials.
        seconds: Time of an optimizer step of all of them.
        tokens: Their tokens in it, without padding.
        passed: Tokens with padding.
        alone: Time of the same steps one trial at a time.
        memory: Bytes in use: at the most on a GPU, afterwards on a CPU.
        limit: Tokens of a pass that memory allowed, where a trial alone did not fit in one.
    """

    slots: int
    seconds: float
    tokens: float
    passed: float
    alone: float
    memory: float
    limit: int | None = None

    @property
    def gain(self) -> float:
        """Throughput, as a multiple of that of the same trials one at a time."""
        return self.alone / self.seconds


@dataclass(frozen=True)
class Choice:
    """Slots of a group, the limits of its passes, and why."""

    slots: int
    limits: PassLimits
    reason: str

    def smaller(self, halvings: int, batch_size: int) -> Choice:
        """For a group whose workers have died for want of memory: less of each trial in a pass.

        Args:
            halvings: How often that was.
            batch_size: Largest of any trial.
        """
        if not halvings:
            return self
        examples = max(1, min(self.limits.examples or batch_size, batch_size) >> halvings)
        times = "once" if halvings == 1 else f"{halvings} times"
        reason = f"at most {examples} of a trial's examples in a pass: memory ran out {times}"
        return replace(self, limits=replace(self.limits, examples=examples), reason=reason)


def choose_slots(
    pack: Pack,
    base: HeldBase,
    asked: int | None,
    most: int,
    probes: Sequence[TrainingParameters],
    mixing: str | None = None,
) -> Choice:
    """The number of slots that was asked for, or the one with the most tokens per second.

    Packs of 1, 2, 4 ... trials are measured until doubling gains nothing or memory does not allow it;
    passes are then kept to sizes that were measured, so that trials with larger batches than these are
    divided rather than run in passes of which nothing is known. A collective call.

    Args:
        pack: Holds no trial.
        base: The base model.
        asked: Number of slots; None measures.
        most: Largest number to choose: no group gets more trials. It is also less where the group's
            workers have died for want of memory, which `Choice.smaller` then says.
        probes: Parameters of trials like those to come.
        mixing: A layer that is known not to see whole rows; see `where_rows_meet`.
    """
    limits = pack.limits
    if (layer := routed_layer(pack.linear)) is not None:
        return Choice(1, limits, f"{layer} sees the tokens that are routed to it, not whole rows")
    if mixing is not None:
        return Choice(1, limits, f"{mixing} does not hold the rows of a batch one after another")
    probes = [params for params in probes if pack.fits(params)]
    if not probes:
        return Choice(1, limits, "no layer is adapted by the configurations that were tried")
    if asked is not None:
        if asked > most:
            return Choice(most, limits, f"{asked} asked for, and no group gets more trials")
        return Choice(asked, limits, "as configured")
    if most == 1:
        return Choice(1, limits, "the search runs no more at once")
    pack.limits = replace(limits, cost=2**31)  # one pass a step, whatever its padding
    alone: list[Measured] = []

    def measure(measured: Sequence[Measured], size: int) -> Measured | None:
        short = _short_of_memory(measured, base, size)
        return None if short else _measure(pack, base, probes[:size], alone)

    measured, end = measure_doubling(measure, min(most, len(probes)))
    pack.limits = limits
    whole_batch = max(params.batch_size for params in probes) * pack.longest
    return choose_from(measured, limits, whole_batch, end)


def measure_doubling(
    measure: Callable[[Sequence[Measured], int], Measured | None], most: int
) -> tuple[list[Measured], str]:
    """Measures packs of 1, 2, 4 ... trials until doubling gains nothing or memory does not allow it.

    Args:
        measure: Given the packs measured so far, measures one of so many trials; None where memory ran out.
        most: Largest number of trials.

    Returns:
        The packs, smallest first, and why no larger one was measured, for `choose_from`.
    """
    measured: list[Measured] = []
    flat, size = 0, 1
    while size <= most:
        latest = measure(measured, size)
        if latest is None:
            return measured, f"; {size} would need more memory than there is"
        best = max((each.gain for each in measured), default=0.0)
        measured.append(latest)
        flat += latest.gain < _GAIN * best
        if flat == 2 or latest.gain < _LOSS * best or latest.limit is not None:
            break
        size *= 2
    return measured, ""


def choose_from(measured: Sequence[Measured], limits: PassLimits, whole_batch: int, end: str = "") -> Choice:
    """The smallest of these packs with nearly the best throughput.

    Args:
        measured: Packs, smallest first.
        limits: Of passes, so far.
        whole_batch: Tokens of the largest batch of a single trial.
        end: Why no larger pack was measured, to add to the rates in the reason.
    """
    if not measured:
        return Choice(1, limits, "a single trial does not fit the memory, or does not train")
    best = max(each.gain for each in measured)
    chosen = next(each for each in measured if each.gain >= _NEAR_BEST * best)
    # A pass may always hold what a trial alone would run in one.
    tokens = chosen.limit or max(round(1.25 * chosen.passed), whole_batch)
    limits = replace(limits, tokens=tokens, cost=_pass_cost(measured))
    rates = ", ".join(f"{each.slots}: {each.tokens / each.seconds:,.0f}" for each in measured)
    gain = f"{chosen.gain:.1f}x the throughput of one at a time"
    if chosen.slots == 1:
        gain = f"more at once gain too little, {best:.2f}x at the most"
    reason = f"{gain}; tokens/s by slots: {rates}{end}"
    return Choice(chosen.slots, limits, reason)


def _pass_cost(measured: Sequence[Measured]) -> int:
    """What a pass costs beside its tokens, in tokens: by the line through the smallest and the largest."""
    small, large = measured[0], measured[-1]
    if large.passed <= small.passed:
        return PassLimits.cost
    # No less than a quarter of the usual: a line through noise may say that passes cost nothing.
    per_token = max(1e-9, (large.seconds - small.seconds) / (large.passed - small.passed))
    fixed = max(0.0, large.seconds - per_token * large.passed)
    return max(PassLimits.cost // 4, round(fixed / per_token))


def _measure(
    pack: Pack, base: HeldBase, probes: Sequence[TrainingParameters], alone: list[Measured]
) -> Measured | None:
    """Measures these trials together, and adds those of them that are not in `alone` yet to it.

    Returns:
        None where memory ran out.
    """
    for index in range(len(alone), len(probes)):
        single = _run(pack, base, probes[index : index + 1])
        if single is None:
            return None
        alone.append(single)
    together = _run(pack, base, probes) if len(probes) > 1 else alone[0]
    if together is None:
        return None
    return replace(together, alone=sum(each.seconds for each in alone[: len(probes)]))


_FOREVER = 10**9


def _run(pack: Pack, base: HeldBase, probes: Sequence[TrainingParameters]) -> Measured | None:
    tokens, alone = pack.limits.tokens, len(probes) == 1
    trials = []
    try:
        for index, params in enumerate(probes):
            # A rate that moves nothing: probes must not diverge.
            trials.append(pack.add(f"probe{index}", params.at_rate(1e-30)))
            trials[-1].fresh = False  # what the first weights are takes no time, and to find them may
    except torch.OutOfMemoryError:
        pass
    room = not base.any_worker(len(trials) < len(probes))
    steps: list[tuple[float, float, float]] = []
    if room:
        for trial in trials:
            pack.start(trial, _FOREVER)
        _reset_memory(base.device)
        # The first step warms up. A trial alone may be divided; a pack that has to be is too large.
        room = not pack.step().failed and (alone or pack.limits.tokens == tokens)
    while room and (not steps or (len(steps) < _STEPS and sum(each[0] for each in steps) < _SECONDS)):
        steps.append(_step(pack, base))
        room = len(pack.active) == len(trials) and (alone or pack.limits.tokens == tokens)
    memory = _in_use(base.device)
    for trial in trials:
        pack.remove(trial)
    limit, pack.limits.tokens = pack.limits.tokens, tokens
    if not room:
        return None
    seconds, real, passed = min(steps, key=lambda each: each[0] / each[2])
    return Measured(len(probes), seconds, real, passed, seconds, memory, None if limit == tokens else limit)


def _step(pack: Pack, base: HeldBase) -> tuple[float, float, float]:
    """(seconds, tokens, tokens with padding) of one step, the same on every worker: all decide by them."""
    before = [(trial.slice.tokens, trial.slice.passed) for trial in pack.active]
    trials = list(pack.active)
    began = time.perf_counter()
    pack.step()
    seconds = time.perf_counter() - began
    real = sum(trial.slice.tokens - tokens for trial, (tokens, _) in zip(trials, before, strict=True))
    passed = trials[0].slice.passed - before[0][1]  # they all were in the same pass
    facts = torch.tensor([seconds, real, passed], device=base.device, dtype=torch.float64)
    means: list[float] = (base.reduce(facts) / base.world).tolist()
    return means[0], means[1], means[2]


def _short_of_memory(measured: Sequence[Measured], base: HeldBase, size: int) -> bool:
    """Whether a straight line through the last two packs says that memory does not hold `size` trials."""
    if len(measured) < 2:
        return False
    before, last = measured[-2:]
    per_slot = max(0.0, (last.memory - before.memory) / (last.slots - before.slots))
    expected = last.memory + per_slot * (size - last.slots)
    return base.any_worker(expected > _MEMORY * _memory(base.device))


def _memory(device: torch.device) -> float:
    """Bytes that this process could use."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device))
    return memory_available() + psutil.Process().memory_info().rss


def _reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _in_use(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return float(psutil.Process().memory_info().rss)
