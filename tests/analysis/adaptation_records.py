"""A search of trials in two stages with another tokenizer, for tests: made from a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from search.record import (
    BaselineMeasured,
    Event,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import RecordedMetric, RecordedTrainable
from tests.records import BEGIN, make_config
from trainables.adaptation.metrics import METRICS
from trainables.interval import Interval

STEPS, BORDER, BATCH, SEQUENCES = 80, 30, 8, 100
TRAINABLE = RecordedTrainable(
    subject="a model",
    artifact="model",
    load='load("{folder}")',
    metrics=tuple(RecordedMetric(**asdict(metric)) for metric in METRICS),
    parameters=("lr", "threshold", "batch_size", "seed"),
    loss_unit="nats per token",
)
START = 3.0
"""Bits per byte of the untrained mean of sub-tokens."""


def adapted(gain: float = -0.2, half: float = 0.05, **changes: float) -> SearchState:
    """A finished search.

    Args:
        gain: Bits per byte that the untrained alignment saves against the mean of sub-tokens.
        half: Half the width of its interval.
        changes: Other values of metrics of all trials.
    """
    config = make_config(trials=3).model_dump(mode="json")
    del config["capability"]
    config |= {"objectives": [{"metric": "bits_per_byte", "direction": "min"}], "trainable": "toy"}
    events: list[Event] = [
        SearchStarted(
            search_id="e" * 16,
            config=config,
            fingerprints={"space": "0" * 64},
            versions={},
            trainable=TRAINABLE,
            time=BEGIN,
        ),
        SessionStarted(session=0, trials=3, command="run", host="laptop", pid=1, time=BEGIN),
    ]
    for name, saved in (("base", -1.0), ("subtokens", 0.0), ("aligned", gain)):
        intervals = {"subtokens_gain": Interval(saved - half, saved + half, 30)}
        events.append(
            BaselineMeasured(name=name, metrics=_began(saved), intervals=intervals, seconds=1.0, time=BEGIN)
        )
    for number in range(3):
        events += _trial(number, changes)
    return SearchState.from_events([*events, SearchEnded(reason="finished", recommended=2, time=BEGIN + 100)])


def _began(saved: float) -> dict[str, float]:
    """What is measured of every model."""
    shares = {"same": 0.6, "aligned": 0.3, "fallback": 0.1}
    weighted = {"same": 0.8, "aligned": 0.17, "fallback": 0.03}
    return {
        "bits_per_byte": START - saved,
        "subtokens_gain": saved,
        "tokens_per_byte": 0.3,
        "alignment_top1": 0.5,
        "mapped_bleu1": 0.7,
        **{f"coverage_{name}": share for name, share in shares.items()},
        **{f"coverage_{name}_weighted": share for name, share in weighted.items()},
    }


def _trial(number: int, changes: Mapping[str, float]) -> list[Event]:
    sampled: dict[str, Any] = {"lr": 1e-3, "threshold": 0.3 + number / 10}
    params = {**sampled, "batch_size": BATCH, "seed": 0}
    time = BEGIN + 10 * number
    events: list[Event] = [TrialProposed(trial=number, sampled=sampled, params=params, time=time)]
    for rung, step in enumerate((STEPS // 2, STEPS)):
        metrics = _began(1.0 + 0.1 * number) | _read(step)
        if step == STEPS:
            metrics |= {"bits_per_byte_start": START, "bits_per_byte_stage1": START - 0.5}
        begin = step - STEPS // 2
        events.append(
            RungReached(
                trial=number,
                rung=rung,
                step=step,
                metrics=metrics | {"train_loss": 2.0} | dict(changes),
                curve=[(at, 4.0 - at / 50) for at in range(begin + 1, step + 1)],
                checkpoint=f"trials/{number:04d}/rung-{rung}",
                train_seconds=1.0,
                eval_seconds=1.0,
                time=time + rung + 1,
            )
        )
    events.append(TrialFinished(trial=number, status="completed", reason="full budget", time=time + 5))
    return events


def _read(step: int) -> dict[str, float]:
    first, second = min(step, BORDER) * BATCH, max(0, step - BORDER) * BATCH
    return {
        "stage1_steps": BORDER,
        "stage1_sequences": first,
        "stage2_first": first,
        "stage2_sequences": second,
        "stage1_passes": first / SEQUENCES,
        "stage2_passes": second / SEQUENCES,
    }
