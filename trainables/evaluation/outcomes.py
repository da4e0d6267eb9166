"""What evaluation saw, item by item, and the measurement made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from trainables.evaluation.intervals import Interval, mean_of_shares, token_mean, wilson
from trainables.messages import DEGENERATE

UNPARSEABLE = -1
"""Prediction of an item whose reply named no option."""


@dataclass
class Score:
    """One skill under one scoring; all lists are parallel.

    Attributes:
        primary: Whether it counts for capability.
        choice: Whether the items have options.
        items: Index of each item within the skill.
        correct: Whether it was answered rightly.
        predictions: Index of the option chosen, or `UNPARSEABLE`; for open items always the latter.
        replies: Generated texts; empty strings where nothing is generated.
        degenerate: Whether the reply is degenerate; see `is_degenerate`.
    """

    skill: str
    scoring: str
    primary: bool
    choice: bool
    items: list[int] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)
    predictions: list[int] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    degenerate: list[bool] = field(default_factory=list)

    def add(
        self,
        item: int,
        *,
        correct: bool,
        prediction: int = UNPARSEABLE,
        reply: str = "",
        degenerate: bool = False,
    ) -> None:
        """Appends one item's outcome."""
        self.items.append(item)
        self.correct.append(correct)
        self.predictions.append(prediction)
        self.replies.append(reply)
        self.degenerate.append(degenerate)


@dataclass
class Outcomes:
    """Per-item outcomes of all items or of one worker's share of them.

    Attributes:
        examples: Index of each held-out example.
        losses: Its summed loss in nats.
        tokens: Its number of target tokens.
        scores: One entry per skill and scoring, in the configuration's order, also where it is empty.
        seconds: Time by part: "heldout", "generation", "likelihood", and "total". Of adapters that were
            evaluated together, each has its equal share of the time.
    """

    examples: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """JSON in UTF-8, for sending to another worker."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcomes:
        """Reads what `to_bytes` wrote."""
        values = json.loads(data)
        return cls(**{**values, "scores": [Score(**score) for score in values["scores"]]})


@dataclass(frozen=True)
class Measurement:
    """One evaluation.

    Attributes:
        metrics: `heldout_loss` (nats per token), `<skill>_<scoring>` (accuracy), `<skill>_unparseable`
            (share of generated replies to multiple choice that name no option), `degenerate` (share of all
            generated replies) and `capability`.
        intervals: 95% confidence intervals of the metrics (`intervals` gives the formulas).
        seconds: Time by part; of several workers the longest.
        items: Outcomes item by item, as in `trainables.messages.Reply`.
        outcomes: What it was made of.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    seconds: dict[str, float]
    items: dict[str, str]
    outcomes: Outcomes


def combine(parts: Sequence[Outcomes]) -> Measurement:
    """The measurement over all items, from the outcomes of one or more workers.

    Capability is the unweighted mean of the skills' accuracies, each under the first scoring listed.
    Items are put into their own order, so the result does not depend on how they were shared out.
    """
    outcomes = _merge(parts)
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    if outcomes.losses:
        mean, interval = token_mean(np.array(outcomes.losses), np.array(outcomes.tokens))
        metrics["heldout_loss"] = mean
        if interval is not None:
            intervals["heldout_loss"] = interval
    counts = []
    for score in outcomes.scores:
        name, n, right = f"{score.skill}_{score.scoring}", len(score.items), sum(score.correct)
        metrics[name], intervals[name] = right / n, wilson(right, n)
        if score.primary:
            counts.append((right, n))
        if score.choice and score.scoring == "generation":
            name, lost = f"{score.skill}_unparseable", score.predictions.count(UNPARSEABLE)
            metrics[name], intervals[name] = lost / n, wilson(lost, n)
    metrics["capability"] = sum(right / n for right, n in counts) / len(counts)
    intervals["capability"] = mean_of_shares(counts)
    items = _items(outcomes.scores)
    if degenerate := items.get(DEGENERATE):
        found, n = degenerate.count("1"), len(degenerate)
        metrics[DEGENERATE], intervals[DEGENERATE] = found / n, wilson(found, n)
    return Measurement(metrics, intervals, outcomes.seconds, items, outcomes)


def _items(scores: Sequence[Score]) -> dict[str, str]:
    items = {score.skill: _bits(score.correct) for score in scores if score.primary}
    degenerate = "".join(_bits(score.degenerate) for score in scores if score.scoring == "generation")
    return items | ({DEGENERATE: degenerate} if degenerate else {})


def _bits(values: Sequence[bool]) -> str:
    return "".join("01"[value] for value in values)


def _merge(parts: Sequence[Outcomes]) -> Outcomes:
    losses = sorted(
        row for part in parts for row in zip(part.examples, part.losses, part.tokens, strict=True)
    )
    merged = Outcomes(
        [row[0] for row in losses],
        [row[1] for row in losses],
        [row[2] for row in losses],
        seconds={name: max(part.seconds[name] for part in parts) for name in parts[0].seconds},
    )
    for position, head in enumerate(parts[0].scores):
        score = Score(head.skill, head.scoring, head.primary, head.choice)
        shares = [part.scores[position] for part in parts]
        rows = sorted(
            row
            for s in shares
            for row in zip(s.items, s.correct, s.predictions, s.replies, s.degenerate, strict=True)
        )
        for item, correct, prediction, reply, degenerate in rows:
            score.add(item, correct=correct, prediction=prediction, reply=reply, degenerate=degenerate)
        merged.scores.append(score)
    return merged
