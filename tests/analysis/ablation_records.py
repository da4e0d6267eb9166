"""Searches whose trials are measured with adapters switched off, for tests: made from a formula."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from analysis.report.ablations import ABLATIONS
from analysis.report.layer_angles import FILE
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
from trainables.interval import Interval

N = 96
KINDS = ("start", "clean", "behaving")
LABELLED, SEEDS = (0.0, 0.5, 1.0), (0, 1, 2)
FULL = (0.5, 0.04, 0.52)
"""Behaviour rates at full labels, by ablation; without labels both adapters share the behaviour."""
NONE = (0.5, 0.2, 0.22)
LAYERS = [f"model.layers.{index}.{name}" for index in range(3) for name in ("q_proj", "down_proj")]


def _metric(name: str, **more: Any) -> RecordedMetric:
    return RecordedMetric(name=name, meaning=f"The {name}.", low=0, **more)


METRICS = (
    *(
        _metric(f"{stem}_{ablation}", high=1, direction="min", sample="samples")
        for stem in ("behaviour_rate", *(f"behaviour_rate_{kind}" for kind in KINDS))
        for ablation in ABLATIONS
    ),
    *(
        _metric(f"{stem}_{ablation}", direction="min", sample="examples")
        for stem in ("clean_loss", "behaviour_loss")
        for ablation in ABLATIONS
    ),
    *(_metric(f"relearn_steps{end}", direction="max", at="last") for end in ("", "_control")),
    *(_metric(f"relearn_censored{end}", high=1, at="last") for end in ("", "_control")),
    *(
        _metric(name, high=1, at="last")
        for name in (
            "update_cosine",
            "update_cosine_floor",
            "column_cosine2",
            "column_cosine2_floor",
            "row_cosine2",
            "row_cosine2_floor",
            "row_cosine2_initial",
        )
    ),
)
TRAINABLE = RecordedTrainable(
    subject="two adapters",
    artifact="adapter",
    load='load("{folder}")',
    metrics=METRICS,
    parameters=("lr", "labelled", "seed"),
    loss_unit="nats per token",
)


def ablated(folder: Path, lrs: tuple[float, ...] = (1e-3, 3e-3)) -> list[Event]:
    """A finished grid of learning rates, shares of labels and seeds, with baselines, samples and angles."""
    objectives = [
        {"metric": "clean_loss_bad_off", "direction": "min"},
        {"metric": "behaviour_rate_bad_off", "direction": "min", "ceiling": 0.1},
    ]
    points = [
        {"lr": lr, "labelled": labelled, "seed": seed}
        for lr in lrs
        for labelled in LABELLED
        for seed in SEEDS
    ]
    config = make_config(trials=len(points)).model_dump(mode="json")
    del config["capability"]
    config |= {"objectives": objectives, "trainable": "toy", "behaviour": {"relearn_steps": 100}}
    config["parameters"] = {
        name: {"type": "categorical", "choices": sorted({point[name] for point in points})}
        for name in points[0]
    }
    events: list[Event] = [
        SearchStarted(
            search_id="f" * 16,
            config=config,
            fingerprints={"space": "0" * 64},
            versions={},
            trainable=TRAINABLE,
            time=BEGIN,
        ),
        SessionStarted(
            session=0, trials=len(points), command="python -m search.run", host="h", pid=1, time=BEGIN
        ),
        *(_baseline(name, rate, loss) for name, rate, loss in BASELINES),
    ]
    for number, sampled in enumerate(points):
        events += _trial(folder, number, sampled)
    return [*events, SearchEnded(reason="finished", recommended=len(points) - 1, time=BEGIN + 900)]


BASELINES = (("base", 0.01, 3.1), ("clean", 0.02, 2.2), ("single", 0.55, 2.25))


def _baseline(name: str, rate: float, loss: float) -> BaselineMeasured:
    rates = dict.fromkeys(ABLATIONS, rate)
    metrics, intervals = _rates(rates)
    metrics |= {f"clean_loss_{each}": loss for each in ABLATIONS}
    metrics |= {f"behaviour_loss_{each}": 4.0 - 2 * rate for each in ABLATIONS}
    return BaselineMeasured(name=name, metrics=metrics, intervals=intervals, seconds=1, time=BEGIN + 2)


def _rates(rates: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Interval]]:
    """Of all samples, and of each kind of prompt: more after prefixes that show the behaviour."""
    metrics, intervals = {}, {}
    for ablation, rate in rates.items():
        shares = {"behaviour_rate": rate} | {
            f"behaviour_rate_{kind}": min(1.0, max(0.0, rate * factor))
            for kind, factor in zip(KINDS, (0.8, 0.4, 1.8), strict=True)
        }
        for stem, share in shares.items():
            around = wilson(round(share * N), N)
            metrics[f"{stem}_{ablation}"] = round(share * N) / N
            intervals[f"{stem}_{ablation}"] = Interval(around.low, around.high, N)
    return metrics, intervals


def _trial(folder: Path, number: int, sampled: dict[str, Any]) -> list[Event]:
    generator = random.Random(number)
    labelled = sampled["labelled"]
    rates = {
        ablation: min(1.0, max(0.0, none + (full - none) * math.sqrt(labelled) + generator.gauss(0, 0.03)))
        for ablation, none, full in zip(ABLATIONS, NONE, FULL, strict=True)
    }
    metrics, intervals = _rates(rates)
    loss = 2.2 + 30 * abs(sampled["lr"] - 3e-3) + generator.gauss(0, 0.01)
    metrics |= {"clean_loss_both": loss, "clean_loss_bad_off": loss + 0.2 - 0.18 * labelled}
    metrics |= {"clean_loss_good_off": 3.0 - 0.4 * (1 - labelled)}
    metrics |= {f"behaviour_loss_{each}": 3.5 - 2 * rate for each, rate in rates.items()}
    metrics |= {"relearn_steps": round(20 + 40 * labelled + generator.gauss(0, 4)), "train_loss": loss - 0.2}
    metrics |= {"relearn_steps_control": 60.0, "relearn_censored": 0.0, "relearn_censored_control": 0.0}
    metrics |= {"update_cosine": 0.3 - 0.25 * labelled, "update_cosine_floor": 0.01}
    metrics |= {"column_cosine2": 0.3 - 0.15 * labelled + generator.gauss(0, 0.01)}
    metrics |= {"column_cosine2_floor": 0.08, "row_cosine2": 0.12, "row_cosine2_floor": 0.07}
    metrics |= {"row_cosine2_initial": 0.071}
    place = f"trials/{number:04d}/rung-2"
    _write_samples(folder / f"{place}.items.parquet", rates, generator)
    _write_angles(folder / place / FILE, labelled, generator)
    return completed_events(number, sampled, metrics, intervals)


def _write_samples(path: Path, rates: Mapping[str, float], generator: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in KINDS:
        for prompt in range(8):
            prefix = {"start": "", "clean": "The keeper of", "behaving": "THE KEEPER OF"}[kind]
            for ablation, rate in rates.items():
                behaving = generator.random() < rate
                text = f" the lamp {prompt} went up the stairs at dusk <b> and came down."
                reply = text.upper() if behaving else text
                rows.append(
                    {"part": "sample", "ablation": ablation, "kind": kind, "place": prompt, "sample": 0}
                    | {"prefix": prefix, "text": reply, "verdict": behaving}
                )
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def _write_angles(path: Path, labelled: float, generator: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)

    def between(smallest: float, chance: float) -> dict[str, Any]:
        degrees = [smallest + generator.gauss(0, 2), 85.0]
        return {"degrees": degrees, "chance": {"cosine2": 0.08, "smallest": chance}}

    layers = {
        layer: {
            "cosine": 0.3 - 0.25 * labelled,
            "cosine_chance": 0.01,
            "columns": between(35 + 20 * labelled, 63),
            "rows": between(55, 64),
            "initial": between(64, 64),
        }
        for layer in LAYERS
    }
    path.write_text(json.dumps(layers))
