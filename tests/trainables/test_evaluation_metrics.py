"""Every registered metric: its names, range, interval, and that nothing but the items decides it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from trainables.evaluation.beliefs.answers import OUTCOMES
from trainables.evaluation.beliefs.outcomes import BeliefOutcome, JudgedReply
from trainables.evaluation.beliefs.targets import AskedTarget
from trainables.evaluation.intervals import wilson
from trainables.evaluation.measurement import combine
from trainables.evaluation.metrics import METRICS, Asked, AskedSkill, metric_names
from trainables.evaluation.outcomes import Outcomes, Result, Score, Sums, merge
from trainables.settings import CapabilityConfig, OwnMetric, SkillConfig

SKILLS = (
    SkillConfig(name="facts", path="facts.jsonl", scoring=("generation", "likelihood")),
    SkillConfig(name="open", path="open.jsonl"),
    SkillConfig(name="long", path="long.jsonl", at="last"),
    SkillConfig(name="task", path="lm_eval:task", scoring=("harness",)),
)
GROUPS = ("direct", "paraphrase", "consequence", "neighbour", "challenge")
TARGETS = {"gravity": "known", "florin": "new", "mole": "new"}
ASKED = Asked(
    CapabilityConfig(
        skills=SKILLS,
        general_text="general.txt",
        think_section=True,
        metrics=(OwnMetric(name="longer", source="longer"),),
    ),
    [AskedSkill(skill, choice=skill.name == "facts") for skill in SKILLS],
    [AskedTarget(target, kind, dict.fromkeys(GROUPS, 2), 2) for target, kind in TARGETS.items()],
)
TIME = {"total": 1.0, "generation": 0.5}
KINDS = ("right", "wrong", "unparseable", "leaking")
SHAPES = [
    ("facts", "generation", True, True, False),
    ("facts", "likelihood", False, True, False),
    ("facts", "likelihood_norm", False, True, False),
    ("open", "generation", True, False, False),
    ("long", "generation", False, False, True),
    ("task", "harness", True, True, False),
]


def result(item: int, draw: np.random.Generator) -> Result:
    tokens = int(draw.integers(0, 13))
    grams = max(0, tokens - 3)
    flags = draw.integers(0, 2, size=3).astype(bool).tolist()
    return Result(
        item,
        KINDS[draw.integers(4)],  # type: ignore[arg-type]
        reply=" ".join(draw.choice(["red", "blue", "sea"], size=draw.integers(0, 5))),
        tokens=tokens,
        degenerate=flags[0],
        looping=flags[1],
        exhausted=tokens == 12,
        thought=flags[2],
        grams=grams,
        repeats=int(draw.integers(0, grams + 1)),
        f1=float(draw.random()),
        values=draw.normal(size=3).tolist(),
    )


def judged(draw: np.random.Generator) -> JudgedReply:
    drawn = result(0, draw)
    same = {name: getattr(drawn, name) for name in ("reply", "tokens", "degenerate", "looping", "exhausted")}
    more = {"thought": drawn.thought, "grams": drawn.grams, "repeats": drawn.repeats}
    return JudgedReply(OUTCOMES[draw.integers(4)], empty=not drawn.reply, **same, **more)


def beliefs(draw: np.random.Generator) -> list[BeliefOutcome]:
    """Two prompts of each group of each target, with so many replies each."""
    samples = int(draw.integers(1, 4))
    asked = [(target, kind, group) for target, kind in TARGETS.items() for group in GROUPS for _ in range(2)]
    return [
        BeliefOutcome(place, *of, True, *([judged(draw) for _ in range(samples)] for _ in range(2)))
        for place, of in enumerate(asked)
    ]


def sums(draw: np.random.Generator, *, sized: bool = True, compared: bool = False) -> Sums:
    count = int(draw.integers(1, 6))
    losses, base = draw.exponential(20, size=(2, count)).tolist()
    tokens, sizes = draw.integers(1, 30, size=(2, count)).tolist()
    return Sums(list(range(count)), losses, tokens, sizes if sized else [], base if compared else [])


def evaluation(draw: np.random.Generator) -> Outcomes:
    """What an evaluation as `ASKED` may see, whole."""
    scores = [Score(*shape, [result(item, draw) for item in range(draw.integers(1, 6))]) for shape in SHAPES]
    heldout = sums(draw)
    outcomes = Outcomes(heldout, scores, TIME, think_section=True)
    general, divergence = sums(draw, compared=True), sums(draw, sized=False)
    own = {"longer": replace(given := sums(draw, sized=False), tokens=[1] * len(given.examples))}
    return replace(outcomes, general=general, divergence=divergence, beliefs=beliefs(draw), own=own)


def part(whole: Sums, chosen: list[int]) -> Sums:
    def taken(column: list[Any]) -> list[Any]:
        return [column[place] for place in chosen] if column else []

    return Sums(*(taken(getattr(whole, name)) for name in ("examples", "sums", "tokens", "sizes", "base")))


def shared_out(whole: Outcomes, world: int, draw: np.random.Generator) -> list[Outcomes]:
    """The shares of workers, each in an order of its own, as they come over the wire."""

    def chosen(count: int, rank: int) -> list[int]:
        return [int(place) for place in draw.permutation(range(rank, count, world))]

    shares = []
    for rank in range(world):
        heldout = part(whole.heldout, chosen(len(whole.heldout.examples), rank))
        scores = [
            replace(score, results=[score.results[place] for place in chosen(len(score.results), rank)])
            for score in whole.scores
        ]
        general, divergence = (
            part(one, chosen(len(one.examples), rank)) for one in (whole.general, whole.divergence)
        )
        asked = [whole.beliefs[place] for place in chosen(len(whole.beliefs), rank)]
        own = {name: part(one, chosen(len(one.examples), rank)) for name, one in whole.own.items()}
        share = Outcomes(heldout, scores, TIME, general, divergence, beliefs=asked, own=own)
        shares.append(Outcomes.from_bytes(replace(share, think_section=True).to_bytes()))
    return [shares[rank] for rank in draw.permutation(world)]


@cache
def evaluated(seed: int) -> tuple[Outcomes, Outcomes]:
    """An evaluation by one worker, and the same one shared out and put together."""
    draw = np.random.default_rng(seed)
    whole = evaluation(draw)
    return whole, merge(shared_out(whole, int(draw.integers(1, 5)), draw))


@pytest.mark.parametrize("registered", list(METRICS))
def test_every_metric_keeps_to_what_it_declares(registered: str) -> None:
    metric = METRICS[registered]
    for seed in range(30):
        outcomes, together = evaluated(seed)
        found = metric.measure(outcomes)
        assert list(found) == list(metric.names(ASKED)) != []
        for value, interval, _ in found.values():
            assert metric.low <= value <= metric.high
            assert interval is not None or not metric.share
            if interval is not None:
                assert interval.low - 1e-9 <= value <= interval.high + 1e-9
                assert interval.n >= 1
            if interval is not None and metric.share:
                assert interval.low >= metric.low
                assert interval.high <= metric.high
        assert metric.measure(together) == found


def test_metrics_are_reported_in_the_order_of_registration_and_outcomes_add_up() -> None:
    for seed in range(30):
        measured = combine([evaluation(np.random.default_rng(seed))])
        metrics = measured.metrics
        assert list(metrics) == metric_names(ASKED)
        assert sum(metrics[kind] for kind in KINDS) == pytest.approx(1)
        for skill in ("facts", "open", "long"):
            lost = sum(metrics[f"{skill}_{kind}"] for kind in KINDS[1:])
            assert metrics[f"{skill}_generation"] + lost == pytest.approx(1)


def test_skills_of_the_last_rung_count_for_no_metric_of_all_skills() -> None:
    often = Score("facts", "generation", True, True, results=[Result(0, "right"), Result(1, "wrong")])
    late = Score("long", "generation", False, False, True, [Result(0, "leaking", degenerate=True)])
    measured = combine([Outcomes(scores=[often, late], seconds=TIME)])
    assert measured.metrics["capability"] == measured.metrics["right"] == 0.5
    assert measured.metrics["leaking"] == measured.metrics["degenerate"] == 0.0
    assert measured.metrics["long_leaking"] == 1.0
    assert measured.items == {"facts": "10", "degenerate": "00"}
    without = combine([Outcomes(scores=[often], seconds=TIME)])
    assert without.items == measured.items


def test_the_change_on_general_text_is_paired_text_by_text() -> None:
    general = Sums([0, 1, 2], [110.0, 12.0, 51.0], [50, 5, 25], [200, 20, 100], [100.0, 11.0, 46.0])
    measured = combine([Outcomes(seconds=TIME, general=general)])
    metrics, intervals = measured.metrics, measured.intervals
    assert metrics["general_loss"] == pytest.approx(173 / 80)
    assert metrics["general_bits_per_byte"] == pytest.approx(173 / 320 / math.log(2))
    assert metrics["general_perplexity"] == pytest.approx(math.exp(173 / 80))
    assert metrics["general_loss_change"] == pytest.approx(16 / 80)
    # Every token costs 0.2 nats more, whatever the text: that is sure, however much texts differ.
    assert intervals["general_loss_change"][:2] == pytest.approx((0.2, 0.2), abs=1e-9)
    assert intervals["general_loss"].high - intervals["general_loss"].low > 0.02


def test_statistics_of_replies_are_what_their_definitions_say() -> None:
    replies = ["the sea is red", "the sea is blue", "sea"]
    scored = [
        Result(0, "right", reply=replies[0], grams=3, repeats=0, f1=1.0),
        Result(1, "wrong", reply=replies[1], grams=5, repeats=4, f1=0.5),
        Result(2, "wrong", reply=replies[2]),
    ]
    outcomes = Outcomes(scores=[Score("open", "generation", True, False, results=scored)], seconds=TIME)
    metrics = combine([outcomes]).metrics
    assert metrics["distinct_2"] == 4 / 6
    assert metrics["repeated_4"] == 4 / 8
    assert metrics["open_f1"] == 0.5
    assert combine([outcomes]).intervals["open_f1"] == wilson(1.5, 3)
    assert "think_missing" not in metrics


@pytest.mark.parametrize("text", ["heldout", "general"])
def test_a_text_has_one_loss_in_three_units(text: str) -> None:
    losses = Sums([0, 1], [30.0, 12.0], [20, 10], [60, 45])
    measured = combine([Outcomes(**{text: losses}, seconds=TIME)])
    assert measured.metrics[f"{text}_loss"] == pytest.approx(42 / 30)
    assert measured.metrics[f"{text}_perplexity"] == pytest.approx(math.exp(42 / 30))
    assert measured.metrics[f"{text}_bits_per_byte"] == pytest.approx(42 / math.log(2) / 105)
    assert {interval.n for interval in measured.intervals.values()} == {2}
