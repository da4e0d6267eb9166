"""Series of throughput: trials of one kind, trained in every way, in packs of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from benchmarks.gpu.part import Row
from benchmarks.packing.bases import random_examples
from benchmarks.packing.flops import needed
from benchmarks.packing.loops import Step, mixed_step, plain_step
from benchmarks.packing.meter import Meter
from benchmarks.packing.packs import ONE_PASS
from benchmarks.packing.standing import Repeats, StandingPack, seconds_of
from benchmarks.packing.work import Work, make_trials
from trainables.lora.pack import PassLimits
from trainables.lora.slots import Choice, Measured, choose_from, measure_doubling

PLAIN = "plain PEFT in turn"
MIXED = "PEFT, mixed batch"
ONE = "packed, one pass"
LIMITS = "packed, limits as measured"
AUTO = "slots=auto"

MOST_BY_AUTO = 32
"""What `slots=auto` measures at most: `search.groups.probes.MOST`, which takes the search's libraries."""

_OF_PLAIN = Repeats(runs=3, steps=4, seconds=2.0)
_OF_PACKS = Repeats(runs=5, seconds=2.0)


@dataclass(frozen=True)
class Aim:
    """What is to be reached in one pass; None is no aim.

    Attributes:
        ratio: Speed, as a multiple of that of plain PEFT in turn.
        share: Of the matrix peak.
    """

    ratio: float
    share: float | None = None

    def judge(self, row: Row) -> Row:
        """The row with the aim, and whether it was met."""
        words, met = f"{self.ratio:g}x {PLAIN}", row["ratio"] >= self.ratio
        if self.share is not None:
            words += f", {self.share:.0%} of the matrix peak"
            met = met and row["share_of_peak"] >= self.share
        return row | {"aim": words, "met": met}


@dataclass(frozen=True)
class Series:
    """Trials that differ in their number only.

    Attributes:
        model: Name of its shape.
        length: Tokens of an example.
        batch_size: Examples per trial and step.
        ranks: Trials take them in turn.
        slots: Numbers of trials, most important first; powers of two.
        mixed: Those of them with which PEFT's mixed batch is measured.
        aims: By number of trials.
    """

    model: str
    length: int
    batch_size: int
    ranks: tuple[int, ...]
    slots: tuple[int, ...]
    mixed: tuple[int, ...] = ()
    aims: Mapping[int, Aim] = field(default_factory=dict)


Room = Callable[[float], bool]
"""Whether there is time for what is expected to take so many seconds."""


class Measuring:
    """Measures a series on a pack that holds its adapters.

    Args:
        pack: Holds at least as many adapters as the series' largest pack, of its ranks.
        work: The base model; examples and trials are replaced by the series' own.
        series: What to measure.
        peak: FLOP/s of the device.
        per_token: Seconds that a token is expected to take in a pack.
    """

    def __init__(
        self, pack: StandingPack, work: Work, series: Series, peak: float, per_token: float = 0.0
    ) -> None:
        self._pack, self._series, self._peak = pack, series, peak
        examples = random_examples(str(series.length), work.model.config.vocab_size)  # type: ignore[union-attr,arg-type]
        trials = make_trials(max(series.slots), series.batch_size, series.ranks)
        self._work = replace(work, examples=examples, trials=trials, warm=1, steps=1)
        self._sizes: dict[int, Measured] = {}
        self._plain: dict[int, float] = {}
        self.per_token = per_token
        self.left_out: list[str] = []

    def rows(self, room: Room) -> Iterator[Row]:
        """The rows, most important numbers of trials first; `left_out` says what there was no time for."""
        yield self._measure_plain()
        for count in self._series.slots:
            if not room(self._expected(count)):
                self.left_out.append(f"{ONE}, K {count}")
                continue
            yield self._one_pass(count)
            if count in self._series.mixed:
                yield self._mixed(count)
        yield from self._auto(room)

    def _expected(self, count: int) -> float:
        """Seconds that a measurement of so many trials takes: the step that warms up, and two or more."""
        return max(1.0, 4 * self.per_token * self._work_of(count).tokens)

    def _work_of(self, count: int) -> Work:
        return replace(self._work, trials=self._work.trials[:count])

    def _alone(self, seconds: Mapping[int, float], count: int) -> float:
        """Of the first trials in turn, by what trials of these ranks take: those of one rank are alike."""
        return sum(seconds[params.rank] for params in self._work.trials[:count])

    def _measure_plain(self) -> Row:
        """Plain PEFT, one trial of each rank."""
        divided: int | None = None
        for params in {params.rank: params for params in self._work.trials}.values():
            self._plain[params.rank], divided = _plain_seconds(replace(self._work, trials=(params,)), divided)
        work = self._work_of(1)
        row = self._row(PLAIN, 1, self._plain[work.trials[0].rank])
        row |= {"trials_run": len(self._plain)}
        return row if divided is None else row | {"rows_per_pass": divided}

    def _one_pass(self, count: int) -> Row:
        self._sizes[count] = measured = self._measure_pack(count, ONE_PASS)
        row = self._row(ONE, count, measured.seconds)
        if measured.memory:
            row["memory_gib"] = measured.memory / 2**30
        if measured.limit is not None:
            row["tokens_per_pass_limit"] = measured.limit
        aim = self._series.aims.get(count)
        return row if aim is None else aim.judge(row)

    def _measure_pack(self, count: int, limits: PassLimits, first: int = 0) -> Measured:
        params = self._work.trials[first : first + count]
        trials = self._pack.trials(params, self._work.examples, first)
        measured = self._pack.measure(trials, limits, _OF_PACKS)
        self.per_token = (
            max(self.per_token, measured.seconds / measured.tokens) if count > 1 else self.per_token
        )
        return measured

    def _mixed(self, count: int) -> Row:
        work, rows = self._work_of(count), None
        while True:
            try:
                step = _numbered(mixed_step(work, Meter(work.device), rows))
                step()
                return self._row(MIXED, count, seconds_of(step, work.device, replace(_OF_PACKS, runs=3)))
            except torch.OutOfMemoryError:
                rows = (rows or count * self._series.batch_size) // 2
                if not rows:
                    return self._cell(MIXED, count) | {"skipped": "out of memory"}

    def _auto(self, room: Room) -> Iterator[Row]:
        """What `slots=auto` would choose by these measurements, and how fast that is."""
        most = max(self._sizes, default=0)
        missing = [size for size in _doubling(most) if size not in self._sizes]
        if not most or not room(sum(self._expected(size) for size in missing)):
            self.left_out.append(AUTO)
            return
        for size in missing:
            self._sizes[size] = self._measure_pack(size, ONE_PASS)
        alone = self._alone_in_packs()

        def measure(measured: Sequence[Measured], size: int) -> Measured | None:
            one = self._sizes[size]
            one = replace(one, alone=self._alone(alone, size))
            return None if size > 1 and one.limit is not None else one

        whole_batch = self._series.batch_size * self._series.length
        for count in sorted(set(self._series.slots) & set(self._sizes), reverse=True):
            packs, end = measure_doubling(measure, min(count, MOST_BY_AUTO))
            choice = choose_from(packs, PassLimits(), whole_batch, end)
            yield self._auto_row(count, choice)
            if choice.slots < count and room(self._expected(count)):
                measured = self._measure_pack(count, choice.limits)
                yield self._row(LIMITS, count, measured.seconds) | {
                    "tokens_per_pass_limit": choice.limits.tokens
                }

    def _alone_in_packs(self) -> dict[int, float]:
        """Seconds of packs of one, by rank."""
        seconds: dict[int, float] = {}
        for index, params in enumerate(self._work.trials):
            if params.rank not in seconds:
                seconds[params.rank] = self._measure_pack(1, ONE_PASS, first=index).seconds
        return seconds

    def _auto_row(self, count: int, choice: Choice) -> Row:
        # Packs one after another; a pack of the first trials stands for the others.
        seconds = count / choice.slots * self._sizes[choice.slots].seconds
        best = max(each.tokens / each.seconds for size, each in self._sizes.items() if size <= count)
        row = self._row(AUTO, count, seconds)
        row |= {
            "slots": choice.slots,
            "share_of_best": row["tokens_per_second"] / best,
            "reason": choice.reason,
        }
        return Aim(1.0).judge(row)

    def _cell(self, way: str, count: int) -> Row:
        series = self._series
        return {
            "model": series.model,
            "length": series.length,
            "batch_size": series.batch_size,
            "ranks": list(series.ranks),
            "K": count,
            "way": way,
        }

    def _row(self, way: str, count: int, seconds: float) -> Row:
        """Of a step of all trials, in so many seconds.

        `ratio_at_peak` is what no way could exceed: that of a device which does nothing but the arithmetic.
        """
        work, plain = self._work_of(count), self._alone(self._plain, count)
        least = needed(work) / self._peak
        return self._cell(way, count) | {
            "seconds": seconds,
            "tokens_per_second": work.tokens / seconds,
            "ratio": plain / seconds,
            "share_of_peak": least / seconds,
            "ratio_at_peak": plain / least,
        }


def _plain_seconds(work: Work, rows: int | None) -> tuple[float, int | None]:
    """Of a step of the only trial, and the rows of a pass where memory does not suffice for all.

    Raises:
        torch.OutOfMemoryError: A single row is too much.
    """
    while True:
        try:
            step = _numbered(plain_step(work, work.trials[0], Meter(work.device), rows))
            step()
            return seconds_of(step, work.device, _OF_PLAIN), rows
        except torch.OutOfMemoryError:
            rows = (rows or work.trials[0].batch_size) // 2
            if not rows:
                raise


def _numbered(step: Step) -> Callable[[], object]:
    """Takes one step after another."""
    taken = iter(range(10**9))
    return lambda: step(next(taken))


def _doubling(most: int) -> list[int]:
    return [2**power for power in range(most.bit_length()) if 2**power <= most]
