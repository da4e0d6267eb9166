"""Searches of every shape that a report must stand, for tests: made from a formula, not measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from search.config.schema import SearchConfig
from search.record import (
    BaselineMeasured,
    Event,
    Failed,
    RungReached,
    SearchEnded,
    SearchState,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
)
from tests.analysis.ablation_records import ablated
from tests.analysis.belief_records import believed
from tests.records import BEGIN, guarded_events, make_config, make_events, opening_events, trial_events
from trainables.evaluation.intervals import wilson
from trainables.evaluation.itemfile import SCHEMA
from trainables.interval import Interval

LRS, RANKS, N = (1e-5, 1e-4, 1e-3), (2, 4, 8, 16), 120
_UNTOUCHED = 1e-6
"""A learning rate so low that it changes nothing."""
SKILL = "exam"
OUTCOMES = ("right", "wrong", "unparseable", "leaking")
HOSTILE = "</script><img src=x onerror=alert(1)> $\\frac{$ {{ 7 * 7 }} & \x1b[31m"
_SKILLS = [{"name": SKILL, "path": f"{SKILL}.jsonl", "scoring": ["generation", "likelihood"]}]


def config(**changes: Any) -> SearchConfig:
    """Of a search over learning rates and ranks that asks multiple-choice questions."""
    values = {"capability": {"skills": _SKILLS, "general_text": "general.txt"}, "searcher": {"name": "grid"}}
    return make_config(**{"trials": len(LRS) * len(RANKS), **values, **changes})


def whole(folder: Path, repeats: int = 2) -> list[Event]:
    """A finished grid whose largest learning rate loses the format of answers, with items and failures."""
    events = _opening(folder, config())
    points = [(lr, rank) for lr in LRS for rank in RANKS]
    for number, (lr, rank) in enumerate(points):
        events += _trial(folder, number, {"lr": lr, "rank": rank}, seed=number)
    message = "the worker was lost"
    lost = Failed(trial=None, failure_class="worker lost", message=message, time=BEGIN + 60)
    events.append(lost)
    for index in range(repeats):
        number = len(points) + index
        sampled = {"lr": LRS[1], "rank": RANKS[-1]}
        events += _trial(folder, number, sampled, repeats=7, seed=100 + index)
    return [*events, SearchEnded(reason="finished", recommended=7, time=BEGIN + 900)]


def single(folder: Path) -> list[Event]:
    """One trial."""
    events = [*_opening(folder, config(trials=1)), *_trial(folder, 0, {"lr": 1e-4, "rank": 8})]
    return [*events, SearchEnded(reason="finished", time=BEGIN + 100)]


def begun(folder: Path) -> list[Event]:
    """Nothing but the first line: a search that was killed at once."""
    return opening_events()[:1]


def none_completed(folder: Path) -> list[Event]:
    """Every trial ended by a guard at its first rung."""
    found = opening_events()
    for number in range(3):
        found += guarded_events(number, "retention", "retention 0.5 lies below 0.95", BEGIN + 10 * number)
    return [*found, SearchEnded(reason="finished", time=BEGIN + 50)]


def diverged(folder: Path) -> list[Event]:
    """NaN and Inf in metrics, intervals without an end, and trials that diverged, failed or did not fit."""
    nan, found = math.nan, opening_events()
    endless = {"retention": Interval(low=0.0, high=math.inf, n=6)}
    for number, (loss, kept) in enumerate([(1.0, 0.9), (nan, nan), (math.inf, 0.5), (2.0, nan), (1.5, 0.97)]):
        metrics = {"train_loss": loss, "retention": kept, "heldout_loss": nan, "capability": kept}
        sampled = {"lr": 10.0 ** (number - 5), "rank": 8 * (1 + number % 2)}
        found += trial_events(number, metrics, endless, sampled, BEGIN + 10 * number)
    for number, status in ((5, "diverged"), (6, "failed"), (7, "infeasible")):
        sampled = {"lr": 1.0, "rank": 8}
        found += [
            TrialProposed(trial=number, sampled=sampled, params=sampled, time=BEGIN + 60),
            TrialFinished(
                trial=number,
                status=status,  # type: ignore[arg-type]
                reason=HOSTILE,
                failure_class=status,
                metrics={"train_loss": nan},
                time=BEGIN + 70,
            ),
        ]
    return [*found, SearchEnded(reason="failed", message=HOSTILE, time=BEGIN + 80)]


def one_objective(folder: Path) -> list[Event]:
    """The loss alone, over one parameter."""
    found = opening_events(make_config(objectives=[{"metric": "train_loss", "direction": "min"}]))
    for number in range(6):
        found += trial_events(number, {"train_loss": 3.0 - 0.1 * number}, sampled={"lr": 1e-4 * (number + 1)})
    return [*found, SearchEnded(reason="finished", time=BEGIN + 50)]


def no_baseline(folder: Path) -> list[Event]:
    """No base model, and with it no retention; parameters of several kinds, one of them conditional."""
    objectives = [{"metric": "train_loss", "direction": "min"}, {"metric": "capability", "direction": "max"}]
    found = opening_events(make_config(objectives=objectives, baselines=[]))[:2]
    modules: tuple[Any, ...] = ("all", None, True, 4)
    for number in range(12):
        sampled = {"lr": 1e-4 * 1.7**number, "modules": modules[number % 4]}
        sampled |= {"warmup": number} if number % 2 else {}
        metrics = {"train_loss": 3.0 - 0.1 * number, "capability": 0.9 - 0.02 * number}
        found += trial_events(number, metrics, sampled=sampled, time=BEGIN + 5 * number)
    return [*found, SearchEnded(reason="finished", time=BEGIN + 90)]


def old(folder: Path) -> list[Event]:
    """A record without outcomes and items."""
    return make_events(24, seed=3)


def interrupted(folder: Path) -> list[Event]:
    """Cut off within a trial, without an end."""
    return make_events(24, seed=4)[:9]


def two_seeds(folder: Path) -> list[Event]:
    """Every point twice, with the seed among the parameters, and three objectives."""
    objectives = [
        {"metric": "train_loss", "direction": "min"},
        {"metric": "retention", "direction": "max", "floor": 0.95},
        {"metric": "kl_base", "direction": "min", "ceiling": 0.05},
    ]
    found = _opening(folder, config(trials=12, objectives=objectives))
    points = [(lr, rank, seed) for lr in LRS for rank in RANKS[:2] for seed in (0, 1)]
    for number, (lr, rank, seed) in enumerate(points):
        found += _trial(folder, number, {"lr": lr, "rank": rank, "seed": seed}, seed=number)
    return [*found, SearchEnded(reason="finished", time=BEGIN + 500)]


def without_items(folder: Path) -> list[Event]:
    """The items' files are gone, or damaged."""
    events = whole(folder)
    for index, path in enumerate(sorted(folder.rglob("*.parquet"))):
        if path.name.startswith("rung"):
            path.unlink() if index % 2 else path.write_bytes(b"PAR1")
    return events


def unmeasured(folder: Path) -> list[Event]:
    """Trials that were not measured at early rungs: at none of them, or at the second."""
    return [
        event.model_copy(update=_NOTHING | {"metrics": {"train_loss": event.metrics["train_loss"]}})
        if isinstance(event, RungReached) and event.rung < 2 and (event.trial % 2 or event.rung == 1)
        else event
        for event in whole(folder)
    ]


_NOTHING: dict[str, Any] = {
    "measured": False,
    "intervals": {},
    "items": {},
    "items_file": None,
    "eval_seconds": 0.0,
    "eval_parts": {},
}

SHAPES: dict[str, Callable[[Path], list[Event]]] = {
    shape.__name__: shape
    for shape in (
        whole,
        single,
        begun,
        none_completed,
        diverged,
        one_objective,
        no_baseline,
        old,
        interrupted,
        two_seeds,
        without_items,
        unmeasured,
        ablated,
        believed,
    )
}


def state_of(name: str, folder: Path) -> SearchState:
    """The search of a shape; its items lie in the folder."""
    return SearchState.from_events(SHAPES[name](folder))


def _opening(folder: Path, own: SearchConfig) -> list[Event]:
    started, session, _ = opening_events(own)
    answers = _answers(_UNTOUCHED, random.Random(0))
    metrics, intervals = _metrics(answers, _UNTOUCHED, 4.0)
    name = "baselines/base.items.parquet"
    _write(folder / name, answers)
    base = BaselineMeasured(
        name="base",
        metrics=metrics | {"retention": 1.0},
        intervals=intervals,
        fingerprints={"model": "f" * 64},
        seconds=2.0,
        items_file=name,
        time=BEGIN + 2,
    )
    slots = SlotsChosen(groups=2, slots=2, reason="2 at once are faster", devices=2, time=BEGIN + 1)
    return [started, session, slots, base]


def _trial(
    folder: Path, number: int, sampled: dict[str, Any], repeats: int | None = None, seed: int = 0
) -> list[Event]:
    generator, begin = random.Random(seed), BEGIN + 10 * number
    answers = _answers(sampled["lr"], generator)
    name = f"trials/{number:04d}/rung-2.items.parquet"
    _write(folder / name, answers)
    loss = 3.0 - 0.4 * math.log10(sampled["lr"] / 1e-5) - 0.02 * sampled["rank"] + generator.gauss(0, 0.01)
    base = _metrics(_answers(_UNTOUCHED, random.Random(0)), _UNTOUCHED, 4.0)[0]["capability"]
    found: list[Event] = [
        TrialProposed(trial=number, sampled=sampled, params=sampled, repeats=repeats, time=begin)
    ]
    for rung, step in enumerate((10, 30, 90)):
        own, intervals = _metrics(answers, sampled["lr"], loss + 0.3 * (2 - rung))
        found.append(
            RungReached(
                trial=number,
                rung=rung,
                step=step,
                metrics=own | {"retention": own["capability"] / base},
                intervals=intervals | {"retention": _scaled(intervals["capability"], base)},
                curve=[(s, loss + 0.3 * (2 - rung) + 0.01 * (step - s)) for s in range(step - 5, step + 1)],
                checkpoint=f"trials/{number:04d}/rung-{rung}",
                train_seconds=1.0 + rung,
                eval_seconds=0.5,
                eval_parts={"generation": 0.4, "likelihood": 0.1},
                items_file=name if rung == 2 else None,
                group=f"group-{number % 2}",
                pack=2.0,
                time=begin + 5 * (rung + 1),
            )
        )
    done = TrialFinished(trial=number, status="completed", reason="full budget", time=begin + 16)
    return [*found, done]


def _answers(lr: float, generator: random.Random) -> list[tuple[str, bool]]:
    """Outcome by generation, and whether the right option is likeliest, of each item."""
    lost = {1e-4: 0.03, 1e-3: 0.9}.get(lr, 0.02)
    found = []
    for _ in range(N):
        knows, draw = generator.random() < 0.9, generator.random()
        outcome = "right" if knows else "wrong"
        if draw < lost:
            outcome = "leaking" if draw < lost / 2 else "unparseable"
        found.append((outcome, knows))
    return found


def _metrics(
    answers: Sequence[tuple[str, bool]], lr: float, loss: float
) -> tuple[dict[str, float], dict[str, Interval]]:
    shares = {name: sum(own == name for own, _ in answers) for name in OUTCOMES}
    counts = shares | {f"{SKILL}_{name}": count for name, count in shares.items() if name != "right"}
    counts |= {f"{SKILL}_generation": shares["right"], "capability": shares["right"]}
    counts |= {
        f"{SKILL}_likelihood": sum(knows for _, knows in answers),
        "degenerate": shares["leaking"] // 2,
    }
    metrics = {name: count / N for name, count in counts.items()}
    metrics |= {
        "train_loss": loss,
        "heldout_loss": loss + 0.1,
        "general_loss_change": 40 * lr,
        "kl_base": 90 * lr,
    }
    found = {name: wilson(count, N) for name, count in counts.items()}
    return metrics, {name: Interval(low=own.low, high=own.high, n=N) for name, own in found.items()}


def _scaled(own: Interval, by: float) -> Interval:
    return Interval(low=own.low / by, high=own.high / by, n=own.n)


def _write(path: Path, answers: Sequence[tuple[str, bool]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = [
        {
            "skill": SKILL,
            "scoring": "generation",
            "item": index,
            "question": f"Question {index}? {HOSTILE if index % 5 == 0 else ''}",
            "answer": "A",
            "reply": HOSTILE
            if outcome == "leaking"
            else f"The answer is {'A' if outcome == 'right' else 'B'}.",
            "prediction": {"right": "A", "wrong": "B"}.get(outcome),
            "outcome": outcome,
            "degenerate": outcome == "leaking",
            "tokens": 12,
            "values": None,
        }
        for index, (outcome, _) in enumerate(answers)
    ]
    rows += [
        row
        | {"scoring": "likelihood", "reply": None, "prediction": None, "degenerate": None, "tokens": None}
        | {"outcome": "right" if knows else "wrong", "values": [-1.0 if knows else -3.0, -2.0, -2.0, -2.0]}
        for row, (_, knows) in zip(rows, answers, strict=True)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), path)
