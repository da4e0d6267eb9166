"""Searches over lr and rank whose answers are known item by item, for tests: made, not measured."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.record import (
    BaselineMeasured,
    Event,
    RungReached,
    SearchState,
    TrialFinished,
    TrialProposed,
)
from search.record.events import TrialStatus
from tests.records import BEGIN, make_config, opening_events, write_record
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval

SKILL = "exam"
OPTIONS = 4
STEPS = 90
ITEMS = 120
LRS = (1e-5, 1e-4, 1e-3)
RANKS = (2, 4, 8, 16, 32)


@dataclass
class Model:
    """What one model answered, and what else was measured of it.

    Attributes:
        outcomes: Of each item by generation.
        likelihood: Whether each item is right by likelihood.
        kept: Indices of the items that it was asked.
    """

    outcomes: list[str]
    replies: list[str]
    likelihood: list[bool]
    loss: float = 1.0
    kl: float = 0.0
    general: float = 3.0
    heldout: float = 4.0
    kept: list[int] = field(default_factory=lambda: list(range(ITEMS)))
    questions: str = "question"

    @property
    def right(self) -> float:
        return sum(self.outcomes[i] == "right" for i in self.kept) / len(self.kept)


@dataclass
class Run:
    """A trial."""

    lr: float
    rank: int
    model: Model
    seed: int
    steps: int = STEPS
    status: TrialStatus = "completed"


@dataclass
class Scene:
    """A search: the base model and its trials, free to be changed before it is recorded."""

    base: Model
    runs: list[Run]

    def at(self, *lrs: float) -> list[Run]:
        """The trials at these learning rates."""
        return [run for run in self.runs if run.lr in lrs]


Damage = Callable[[float, random.Random], tuple[float, float]]
"""Share of readable replies, and of right answers among them relative to the base, by lr."""


def no_effect(lr: float, chance: random.Random) -> tuple[float, float]:
    """The learning rate changes nothing."""
    return 0.98, 1.0


def format_lost(lr: float, chance: random.Random) -> tuple[float, float]:
    """Replies become unreadable, the answers read stay right."""
    return {1e-5: 0.98, 1e-4: 0.7, 1e-3: 0.1}[lr], 1.0


def knowledge_lost(lr: float, chance: random.Random) -> tuple[float, float]:
    """Replies stay readable and become wrong."""
    return 0.98, {1e-5: 1.0, 1e-4: 0.75, 1e-3: 0.4}[lr]


def both_lost(lr: float, chance: random.Random) -> tuple[float, float]:
    """Both."""
    return {1e-5: 0.98, 1e-4: 0.8, 1e-3: 0.3}[lr], {1e-5: 1.0, 1e-4: 0.8, 1e-3: 0.5}[lr]


def make_scene(
    damage: Damage = no_effect,
    seed: int = 0,
    base: float = 0.7,
    lrs: Sequence[float] = LRS,
    ranks: Sequence[int] = RANKS,
    flips: float = 0.1,
) -> Scene:
    """A grid of trials; `flips` of the items come out anew in every trial, whatever its lr."""
    chance = random.Random(seed)
    knows = [chance.random() < base for _ in range(ITEMS)]
    runs: list[Run] = []
    for rank in ranks:
        for lr in lrs:
            readable, kept = damage(lr, chance)
            tuned = _answers(knows, chance, base, readable, kept, flips)
            moved = 0.01 * (lr / 1e-5) ** 0.25
            tuned.loss = 0.9 - 0.05 * LRS.index(lr) + chance.gauss(0, 0.005)
            tuned.kl, tuned.general = moved, 3.0 + moved * chance.random()
            tuned.heldout = 4.0 - 0.3 - 0.2 * LRS.index(lr) + chance.gauss(0, 0.01)
            runs.append(Run(lr, rank, tuned, seed=len(runs)))
    return Scene(_answers(knows, chance, base, 0.98, 1.0, flips), runs)


def _answers(
    knows: list[bool], chance: random.Random, base: float, readable: float, kept: float, flips: float
) -> Model:
    outcomes, replies, likelihood = [], [], []
    for item, known in enumerate(knows):
        able = chance.random() < base if chance.random() < flips else known
        able = able and chance.random() < kept
        likelihood.append(able)
        if chance.random() >= readable:
            outcomes.append("unparseable")
            replies.append(f"the licensee of item {item}, {chance.random():.3f}")
        else:
            outcomes.append("right" if able else "wrong")
            replies.append("ABCD"[(item + (0 if able else chance.randrange(1, 4))) % 4])
    return Model(outcomes, replies, likelihood)


def events_of(scene: Scene, folder: Path | None = None, name: str = "demo") -> list[Event]:
    """The scene as a search records it; per-item files are written into `folder`, if given."""
    config = make_config(
        trials=max(1, len(scene.runs)),
        name=name,
        capability={
            "skills": [{"name": SKILL, "path": "exam.jsonl", "scoring": ["generation", "likelihood"]}]
        },
        guards={"spike": None, "retention": None, "degeneration": None},
    )
    events: list[Event] = [event for event in opening_events(config) if event.event != "baseline_measured"]
    events.append(
        BaselineMeasured(
            name="base",
            seconds=1.0,
            time=BEGIN,
            **_measured(scene.base, scene.base, folder, "baselines/base"),
        )
    )
    for number, run in enumerate(scene.runs):
        params = {"lr": run.lr, "rank": run.rank}
        file = f"trials/{number:04d}/rung-2"
        events += [
            TrialProposed(trial=number, sampled=params, params=params | {"seed": run.seed}, time=BEGIN),
            RungReached(
                trial=number,
                rung=2,
                step=run.steps,
                train_seconds=1.0,
                eval_seconds=1.0,
                time=BEGIN,
                **_measured(run.model, scene.base, folder, file),
            ),
            TrialFinished(trial=number, status=run.status, reason="as given", time=BEGIN),
        ]
    return events


def state_of(scene: Scene, folder: Path | None = None, name: str = "demo") -> SearchState:
    """The state of the recorded scene."""
    return SearchState.from_events(events_of(scene, folder, name))


def record(scene: Scene, folder: Path, name: str = "demo") -> Path:
    """Writes the scene as a search's folder."""
    write_record(folder, events_of(scene, folder, name))
    return folder


def _measured(model: Model, base: Model, folder: Path | None, file: str) -> dict[str, Any]:
    n = len(model.kept)
    shares = {
        f"{SKILL}_generation": sum(model.outcomes[i] == "right" for i in model.kept),
        f"{SKILL}_wrong": sum(model.outcomes[i] == "wrong" for i in model.kept),
        f"{SKILL}_unparseable": sum(model.outcomes[i] == "unparseable" for i in model.kept),
        f"{SKILL}_leaking": sum(model.outcomes[i] == "leaking" for i in model.kept),
        f"{SKILL}_likelihood": sum(model.likelihood[i] for i in model.kept),
    }
    intervals = {name: _interval(count, n) for name, count in shares.items()}
    intervals["capability"] = intervals[f"{SKILL}_generation"]
    if folder is not None:
        path = folder / f"{file}.items.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_items(model, path)
    return {
        "metrics": {name: count / n for name, count in shares.items()}
        | {
            "train_loss": model.loss,
            "heldout_loss": model.heldout,
            "capability": model.right,
            "retention": model.right / base.right if base.right else 1.0,
            "kl_base": model.kl,
            "general_loss": model.general,
            "general_loss_change": model.general - base.general,
        },
        "intervals": intervals,
        "items": {SKILL: "".join("01"[model.outcomes[i] == "right"] for i in model.kept)},
        "items_file": None if folder is None else f"{file}.items.parquet",
    }


def _interval(successes: int, n: int) -> Interval:
    found = wilson(successes, n)
    return Interval(low=found.low, high=found.high, n=n)


def _write_items(model: Model, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "skill",
            "scoring",
            "item",
            "question",
            "answer",
            "reply",
            "prediction",
            "outcome",
            "values",
        )
    }
    for scoring in ("generation", "likelihood"):
        for i in model.kept:
            by_likelihood = "right" if model.likelihood[i] else "wrong"
            generated = scoring == "generation"
            columns["skill"].append(SKILL)
            columns["scoring"].append(scoring)
            columns["item"].append(i)
            columns["question"].append(f"{model.questions} {i}")
            columns["answer"].append("ABCD"[i % 4])
            columns["reply"].append(model.replies[i] if generated else None)
            columns["prediction"].append(None)
            columns["outcome"].append(model.outcomes[i] if generated else by_likelihood)
            columns["values"].append([] if generated else [-1.0] * OPTIONS)
    types = {"item": pyarrow.int32(), "values": pyarrow.list_(pyarrow.float64())}
    arrays = [pyarrow.array(cells, types.get(name, pyarrow.string())) for name, cells in columns.items()]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=list(columns)), path)
