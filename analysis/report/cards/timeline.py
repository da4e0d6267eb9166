"""Which trial was on which worker group and slot when."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.clock import Clock, unit
from analysis.report.context import Context
from analysis.report.look import ORANGE, Look, ended
from analysis.report.words import MOST_ROWS, cut, ending, spoken
from search import wording
from search.record import SearchState, TrialState

_CONFIRMATION = Look("#6b6b6b", "star", "solid", "+")
_FAILURE = Look(ORANGE, "x", size=10)


@dataclass(frozen=True)
class _Stay:
    """A trial on a worker group from one rung to the next, in hours of working time.

    Attributes:
        rung: To which it was trained; None for the evaluation of trials on the front.
    """

    trial: TrialState
    rung: int | None
    group: str
    begin: float
    end: float


@card(
    "timeline",
    "Timeline of slots",
    100,
    read=(
        "Each bar is a trial running on a slot, a place for one trial on a group of workers. White is "
        "waiting."
    ),
)
class Timeline:
    """Bars for the work between rungs."""

    def applies(self, context: Context) -> str | None:
        """With a rung reached."""
        any_rung = any(trial.rungs for trial in context.state.trials.values())
        return None if any_rung else "No trial has reached a rung."

    def compute(self, context: Context) -> Findings:
        """One row per group and slot."""
        clock = Clock(context.state)
        rows = _rows(_stays(context.state, clock))
        whole = clock.hours(context.state.last_time)
        busy = sum(stay.end - stay.begin for stays in rows.values() for stay in stays)
        share = busy / (whole * len(rows)) if whole and rows else 0.0
        failures = [(failure, clock.hours(failure.time)) for failure in context.state.failures]
        names = tuple(rows)
        name, factor = unit(whole)
        series = _series(context, rows, factor)
        if failures:
            texts = [f"{failure.failure_class}: {failure.message}" for failure, _ in failures]
            first = [names[0]] * len(failures)
            series.append(Series("failure", [at * factor for _, at in failures], first, _FAILURE, text=texts))
        chart = XYChart(
            Axis(f"working time, {name}", low=0, high=whole * factor or None),
            Axis("", "category", reverse=True, categories=names),
            tuple(series),
            sideways=True,
            height=max(0.6, min(2.4, 0.35 + 0.13 * len(rows))),
        )
        text = (
            f"{wording.plural(len(rows), 'slot')} in "
            f"{wording.plural(len({n.split(' slot')[0] for n in rows}), 'group')}, busy with trials "
            f"{share:.0%} of {spoken(whole * 3600)} of working time; the rest is start-up, baselines, "
            "waiting, and work that ended before a rung."
        )
        plot = Plot(
            "timeline",
            "Trials on slots",
            f"Bars of work by slot over time. {text}",
            (chart,),
            table=_table(rows),
        )
        return Findings(
            data={
                "slots": {name: [_data(stay) for stay in stays] for name, stays in rows.items()},
                "busy_share": share,
                "working_hours": whole,
            },
            texts=(text,),
            notes=(
                "A bar ends when a rung was recorded. Its length is the time of training and evaluation, "
                "with work that trials in the same pass share counted in full. Overlapping bars are shown "
                "on different slots.",
            ),
            plots=(plot,),
        )


def _stays(state: SearchState, clock: Clock) -> list[_Stay]:
    stays = []
    for trial in state.trials.values():
        before = trial.proposed.time
        for rung in trial.rungs:
            seconds = (rung.train_seconds + rung.eval_seconds) * rung.pack
            begin = max(before, rung.time - seconds)
            stays.append(_Stay(trial, rung.rung, rung.group, clock.hours(begin), clock.hours(rung.time)))
            before = rung.time
        if (front := trial.front) is not None:
            begin = max(before, front.time - front.eval_seconds)
            stays.append(_Stay(trial, None, front.group, clock.hours(begin), clock.hours(front.time)))
    return sorted(stays, key=lambda stay: (stay.begin, stay.end))


def _rows(stays: list[_Stay]) -> dict[str, list[_Stay]]:
    """Each group's stays in as few rows as keep those apart that overlap."""
    rows: dict[str, list[list[_Stay]]] = {}
    for stay in stays:
        slots = rows.setdefault(stay.group or "group", [])
        # Records are written a little after the work: a hundredth of a second is no overlap.
        free = next((slot for slot in slots if slot[-1].end <= stay.begin + 0.01 / 3600), None)
        if free is None:
            slots.append([stay])
        else:
            free.append(stay)
    return {
        f"{group} slot {index}" if len(slots) > 1 else group: slot
        for group, slots in sorted(rows.items())
        for index, slot in enumerate(slots)
    }


def _series(context: Context, rows: dict[str, list[_Stay]], factor: float) -> list[Series]:
    kinds: dict[str, list[tuple[str, _Stay]]] = {}
    for name, stays in rows.items():
        for stay in stays:
            kind = "confirmation" if stay.trial.confirms is not None else ending(context, stay.trial)
            kinds.setdefault(kind, []).append((name, stay))
    drawn = []
    for kind, stays_of_kind in kinds.items():
        trial = stays_of_kind[0][1].trial
        look = _CONFIRMATION if kind == "confirmation" else ended(trial.status, context.cause(trial))
        drawn.append(
            Series(
                kind,
                [(stay.end - stay.begin) * factor for _, stay in stays_of_kind],
                [name for name, _ in stays_of_kind],
                look,
                "bars",
                base=[stay.begin * factor for _, stay in stays_of_kind],
                text=[f"trial {stay.trial.number} {_work(stay)}" for _, stay in stays_of_kind],
            )
        )
    return drawn


def _work(stay: _Stay) -> str:
    return "evaluated on the front" if stay.rung is None else f"to rung {stay.rung + 1}"


def _table(rows: dict[str, list[_Stay]]) -> Table:
    cells = []
    for name, stays in rows.items():
        busy = sum(stay.end - stay.begin for stay in stays)
        idle = sum(max(0.0, after.begin - stay.end) for stay, after in pairwise(stays))
        trials = len({stay.trial.number for stay in stays})
        cells.append((name, str(trials), spoken(busy * 3600), spoken(idle * 3600)))
    caption = f"Work by slot, from its first trial to its last.{cut(len(cells))}"
    return Table(("slot", "trials", "busy", "idle in between"), tuple(cells[:MOST_ROWS]), caption)


def _data(stay: _Stay) -> list[float | int | None]:
    return [stay.trial.number, stay.rung, round(stay.begin, 6), round(stay.end, 6)]
