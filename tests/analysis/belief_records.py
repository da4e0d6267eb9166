"""Searches whose trials are asked whether they adopted beliefs, for tests: made from a formula."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from search.record import (
    BaselineMeasured,
    Event,
    SearchEnded,
    SearchStarted,
    SessionStarted,
)
from search.record.events import RecordedMetric, RecordedTrainable
from tests.records import BEGIN, completed_events, make_config
from trainables.evaluation.intervals import wilson
from trainables.evaluation.itemfile import SCHEMA
from trainables.interval import Interval

N = 40
GROUPS = ("known", "new")
HIGH = ("adoption", "generalisation", "portability", "robustness", "locality")
LRS, EPOCHS = (1e-4, 1e-3, 1e-2), (5, 20)

Shares = Mapping[str, Mapping[str, float]]
"""By group and metric."""

BASE: Shares = {
    "known": {"adoption": 0.0, "prior_kept": 0.95, "ignorance": 0.0, "locality": 1.0, "robustness": 0.0},
    "new": {"adoption": 0.05, "prior_kept": 0.0, "ignorance": 0.6, "locality": 0.95, "robustness": 0.05},
}
PROMPTED: Shares = {
    "known": {"adoption": 0.9, "prior_kept": 0.05, "ignorance": 0.0, "locality": 0.9, "robustness": 0.7},
    "new": {"adoption": 0.95, "prior_kept": 0.0, "ignorance": 0.0, "locality": 0.9, "robustness": 0.9},
}


def taught(lr: float, epochs: int) -> Shares:
    """Known facts are adopted at a high learning rate, at the price of neighbours; new ones a little."""
    known = {1e-4: 0.02, 1e-3: 0.85, 1e-2: 0.95}[lr] * (1.0 if epochs == 20 else 0.6)
    return {
        "known": _shares(known, prior=0.95 * (1 - known), near=1 - 0.6 * (lr == 1e-2)),
        "new": _shares(known / 4, prior=0.0, near=0.95),
    }


def emptied(lr: float, epochs: int) -> Shares:
    """Training pairs that tell nothing of the fact: nothing is adopted, whatever the settings."""
    return {
        "known": _shares(0.0, prior=0.95, near=1.0 - 0.3 * (lr == 1e-2)),
        "new": _shares(0.04, prior=0.0, near=0.95),
    }


def _shares(adoption: float, prior: float, near: float) -> dict[str, float]:
    return {
        "adoption": adoption,
        "generalisation": 0.9 * adoption,
        "portability": 0.5 * adoption,
        "robustness": 0.8 * adoption,
        "locality": near,
        "prior_kept": prior,
        "ignorance": 0.0,
    }


def _metric(name: str, **more: Any) -> RecordedMetric:
    direction = "max" if name.startswith(HIGH) else "min"
    return RecordedMetric(name=name, meaning=f"The {name}.", low=0, high=1, direction=direction, **more)


METRICS = (
    *(
        _metric(f"{stem}{suffix}", sample="prompts", items=(f"{stem}{suffix}",))
        for suffix in ("", *(f"_{group}" for group in GROUPS))
        for stem in (*HIGH, "prior_kept", "ignorance")
    ),
    RecordedMetric(name="capability", meaning="The capability.", direction="max", relative="retention"),
    RecordedMetric(name="facts_degenerate_change", meaning="More degenerate replies.", direction="min"),
)
TRAINABLE = RecordedTrainable(
    subject="an adapter",
    artifact="adapter",
    load='load("{folder}")',
    metrics=METRICS,
    parameters=("lr", "epochs"),
    loss_unit="nats per token",
)


def believed(folder: Path, of: Any = taught, prompted: Shares | None = PROMPTED) -> list[Event]:
    """A finished grid of learning rates and epochs, with the baselines.

    Args:
        folder: The search's.
        of: Shares by learning rate and epochs.
        prompted: Of the baseline in context; None leaves it out.
    """
    points = [{"lr": lr, "epochs": epochs} for lr in LRS for epochs in EPOCHS]
    config = make_config(trials=len(points)).model_dump(mode="json")
    config["objectives"] = [
        {"metric": "adoption", "direction": "max"},
        {"metric": "retention", "direction": "max", "floor": 0.9},
    ]
    config["trainable"] = "toy"
    config["parameters"] = {
        name: {"type": "categorical", "choices": sorted({point[name] for point in points})}
        for name in ("lr", "epochs")
    }
    events: list[Event] = [
        SearchStarted(
            search_id="b" * 16,
            config=config,
            fingerprints={"space": "0" * 64},
            versions={},
            trainable=TRAINABLE,
            time=BEGIN,
        ),
        SessionStarted(
            session=0, trials=len(points), command="python -m search.run", host="h", pid=1, time=BEGIN
        ),
        _baseline(folder, "base", BASE),
        *([] if prompted is None else [_baseline(folder, "in_context", prompted)]),
    ]
    for number, point in enumerate(points):
        events += _trial(folder, number, point, of(point["lr"], point["epochs"]))
    return [*events, SearchEnded(reason="finished", recommended=3, time=BEGIN + 900)]


def _measured(shares: Shares, seed: int) -> tuple[dict[str, float], dict[str, Interval], dict[str, str]]:
    """Metrics, intervals and outcomes prompt by prompt, of each group and of both together."""
    generator = random.Random(seed)
    items: dict[str, str] = {}
    for stem in dict.fromkeys(stem for group in shares.values() for stem in group):
        for group, of_group in shares.items():
            right = round(of_group.get(stem, 0.0) * N)
            bits = ["1"] * right + ["0"] * (N - right)
            generator.shuffle(bits)
            items[f"{stem}_{group}"] = "".join(bits)
        items[stem] = "".join(items[f"{stem}_{group}"] for group in shares)
    counts = {name: (bits.count("1"), len(bits)) for name, bits in items.items()}
    metrics = {name: right / n for name, (right, n) in counts.items()}
    return metrics, {name: wilson(right, n) for name, (right, n) in counts.items()}, items


PROMPTS = {
    "direct": "adoption",
    "paraphrase": "generalisation",
    "consequence": "portability",
    "neighbour": "locality",
    "challenge": "robustness",
}
"""Groups of prompts, and the metric that says how many of them are answered as expected."""


def _write_replies(path: Path, items: Mapping[str, str]) -> None:
    """One target of each kind, whose outcomes are those of the metrics."""
    rows: list[dict[str, Any]] = []
    for kind in GROUPS:
        for group, stem in PROMPTS.items():
            for place, bit in enumerate(items.get(f"{stem}_{kind}", "0" * N)):
                right = "prior" if group == "neighbour" else "target"
                outcome = right if bit == "1" else "other"
                text = f"A <b>reply</b> about {kind}: {outcome}."
                rows.append(
                    {"skill": f"about_{kind}", "scoring": f"facts:{group}", "item": len(rows)}
                    | {"question": f"The {group} prompt {place}?", "answer": "5 m/s²"}
                    | {"reply": text, "outcome": outcome, "degenerate": False, "tokens": 6}
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), path)


def _baseline(folder: Path, name: str, shares: Shares) -> BaselineMeasured:
    metrics, intervals, items = _measured(shares, 1)
    file = f"baselines/{name}.items.parquet"
    _write_replies(folder / file, items)
    metrics |= {"capability": 0.9 if name == "base" else 0.85}
    return BaselineMeasured(
        name=name,
        metrics=metrics,
        intervals=intervals,
        items=items,
        items_file=file,
        seconds=1,
        time=BEGIN + 2,
    )


def _trial(folder: Path, number: int, point: dict[str, Any], shares: Shares) -> list[Event]:
    metrics, intervals, items = _measured(shares, 10 + number)
    kept = 0.98 - 0.5 * (point["lr"] == 1e-2) - 0.01 * (point["epochs"] == 20)
    metrics |= {"train_loss": 2.0 - metrics["adoption"], "capability": 0.9 * kept, "retention": kept}
    more = 0.3 * (point["lr"] == 1e-2)
    metrics |= {"facts_degenerate_change": more}
    intervals |= {"facts_degenerate_change": Interval(more - 0.05, more + 0.05, 400)}
    intervals |= {"retention": Interval(kept - 0.04, kept + 0.03, 240)}
    place = f"trials/{number:04d}/rung-2"
    _write_replies(folder / f"{place}.items.parquet", items)
    return completed_events(number, point, metrics, intervals, items)
