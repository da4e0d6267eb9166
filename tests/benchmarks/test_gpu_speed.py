"""What the GPU's measurements of speed could get wrong without anyone noticing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evaluation.equal import Difference, differences, judge
from benchmarks.evaluation.together import Ours, Questions, Theirs
from benchmarks.gpu import series
from benchmarks.gpu.operators import (
    ADAPTERS,
    ATTENTION,
    BASE,
    BESIDE,
    HEAD,
    LOSS,
    OPTIMIZER,
    OTHER,
    SUMS,
    Account,
    Sizes,
    account,
    kind_of,
)
from benchmarks.gpu.part import Row, Stage
from benchmarks.gpu.parts import throughput
from benchmarks.gpu.series import AUTO, LIMITS, MIXED, MOST_BY_AUTO, ONE, PLAIN, Aim, Measuring, Series
from benchmarks.packing.bases import SHAPES, miniature, random_base, random_examples
from benchmarks.packing.standing import Repeats, StandingPack
from benchmarks.packing.work import Work, make_trials
from search.groups.settings import MOST
from trainables.lora.arena import EXTRA
from trainables.lora.pack import PassLimits

CPU = torch.device("cpu")
SHAPE = miniature(SHAPES["8b"])
LAYERS = SHAPE.num_hidden_layers
SITES = 7 * LAYERS


@pytest.fixture(autouse=True)
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of several measurements is for those who read the numbers."""
    for repeats in ("_OF_PLAIN", "_OF_PACKS"):
        monkeypatch.setattr(series, repeats, Repeats(runs=1))


@pytest.fixture(scope="module")
def work() -> Work:
    torch.set_num_threads(1)
    model = random_base(SHAPE, CPU, torch.float32)
    return Work(model, random_examples("6", SHAPE.vocab_size), make_trials(4, 1, (3, 5)), warm=1, steps=1)


@pytest.fixture(scope="module")
def standing(work: Work) -> StandingPack:
    return StandingPack(work)


SERIES = Series("8b", 6, 2, (3, 5), (2, 4), mixed=(2,), aims={4: Aim(1e-9, share=0.5)})


def measured(
    standing: StandingPack, work: Work, room: Callable[[float], bool]
) -> tuple[list[Row], Measuring]:
    measuring = Measuring(standing, work, SERIES, peak=1e12)
    return list(measuring.rows(room)), measuring


def test_rows_come_by_importance_and_ratios_are_to_as_many_plain_trials(
    standing: StandingPack, work: Work
) -> None:
    rows, measuring = measured(standing, work, lambda _: True)
    assert not measuring.left_out
    ways = [(row["way"], row["K"]) for row in rows if row["way"] != LIMITS]
    assert ways == [(PLAIN, 1), (ONE, 2), (MIXED, 2), (ONE, 4), (AUTO, 4), (AUTO, 2)]
    assert rows[0]["trials_run"] == 2
    packs = {row["K"]: row for row in rows if row["way"] == ONE}
    packs[1] = rows[0]
    # Trials of ranks 3 and 5 in turn: four of them take twice what two take.
    in_turn = {count: packs[count]["ratio"] * packs[count]["seconds"] for count in (2, 4)}
    assert in_turn[4] == pytest.approx(2 * in_turn[2])
    assert rows[0]["seconds"] < in_turn[2]
    for row in rows:
        assert row["tokens_per_second"] == pytest.approx(row["K"] * 2 * 6 / row["seconds"])
        assert row["share_of_peak"] * row["ratio_at_peak"] == pytest.approx(row["ratio"])
        if row["way"] == AUTO:
            assert row["slots"] in (1, 2, 4)
            assert row["share_of_best"] <= 1
            if row["slots"] in (2, 4):
                assert row["seconds"] == pytest.approx(
                    packs[row["slots"]]["seconds"] * row["K"] / row["slots"]
                )
    assert packs[4]["aim"] == f"1e-09x {PLAIN}, 50% of the matrix peak"
    assert packs[4]["met"] is False  # fast enough, and far from the peak
    assert Aim(1e-9).judge(packs[4])["met"] is True
    assert Aim(1e9, share=0.0).judge(packs[4])["met"] is False


def test_what_there_is_no_time_for_is_named(standing: StandingPack, work: Work) -> None:
    answers = iter([True, False, False])
    rows, measuring = measured(standing, work, lambda _: next(answers))
    assert [(row["way"], row["K"]) for row in rows] == [(PLAIN, 1), (ONE, 2), (MIXED, 2)]
    assert measuring.left_out == [f"{ONE}, K 4", AUTO]


def test_nothing_is_loaded_once_the_box_is_over() -> None:
    (row,) = throughput.run(Stage(CPU, rehearse=True, until=time.monotonic() - 1))
    assert len(row["not_measured"]) == len(throughput.REHEARSED)


def test_the_most_important_cells_come_first_and_packs_are_those_that_auto_measures() -> None:
    first, second = throughput.SERIES[:2]
    assert (first.model, first.length, first.batch_size, first.ranks, first.slots[0]) == (
        "8b",
        1024,
        1,
        (32,),
        16,
    )
    assert first.aims[16] == Aim(8.0, share=0.45)
    assert (second.model, second.length, second.batch_size, second.slots[0]) == ("1.5b", 256, 1, 32)
    assert second.aims[32] == Aim(12.8)
    for each in throughput.SERIES:
        assert all(count & (count - 1) == 0 for count in each.slots)
    assert MOST_BY_AUTO == MOST


def test_a_standing_pack_measures_what_is_asked_and_moves_nothing(standing: StandingPack, work: Work) -> None:
    examples = random_examples("9", SHAPE.vocab_size)
    trials = standing.trials(make_trials(3, 2, (3, 5)), examples)
    repeats = Repeats(runs=2, steps=2)
    whole = standing.measure(trials, repeats=repeats)
    before = trials[0].slice.losses[0]
    parts = standing.measure(trials, PassLimits(tokens=20, cost=1), repeats)
    assert (whole.slots, whole.tokens, whole.passed, whole.limit) == (3, 54, 54, None)
    assert parts.tokens == 54
    assert parts.limit is None
    again = standing.trials(make_trials(1, 2, (3,)), examples)
    standing.measure(again, repeats=Repeats(runs=1))
    assert again[0].slice.losses[0] == pytest.approx(before, rel=1e-6)
    assert not standing.pack.active
    with pytest.raises(ValueError, match="has rank 3, not 5"):
        standing.trials(make_trials(1, 2, (5,)), examples)


SIZES = Sizes(vocabulary=509, columns=frozenset({7000, 7000 + EXTRA}))


@pytest.mark.parametrize(
    ("kind", "name", "above", "shapes"),
    [
        (BASE, "aten::mm", ["aten::matmul", "aten::linear"], [[48, 64], [64, 128]]),
        (BASE, "aten::mm", ["MmBackward0"], [[48, 128], [128, 64]]),
        (BASE, "aten::addmm", ["aten::linear"], [[64], [48, 64], [64, 64]]),
        (BASE, "aten::mm", ["aten::linear", "_Packed"], [[48, 64], [64, 128]]),
        (HEAD, "aten::mm", ["aten::linear"], [[48, 64], [64, 509]]),
        (ADAPTERS, "aten::bmm", ["_Packed"], [[2, 4, 64], [2, 64, 24]]),
        (ADAPTERS, "aten::baddbmm_", ["_PackedBackward"], [[2, 24, 64], [2, 24, 4], [2, 4, 64]]),
        (BESIDE, "aten::fill_", ["aten::zeros_like", "_PackedBackward"], [[2, 24, 64]]),
        (ATTENTION, "aten::bmm", ["aten::scaled_dot_product_attention"], [[8, 24, 16], [8, 16, 24]]),
        (ATTENTION, "aten::_scaled_dot_product_flash_attention_backward", ["X"], [[2, 4, 24, 16]]),
        (OPTIMIZER, "aten::lerp_", [], [[2, 7000], [2, 7000], []]),
        (OPTIMIZER, "aten::fill_", ["aten::zero_"], [[2, 7000 + EXTRA], []]),
        (LOSS, "aten::_log_softmax_backward_data", ["LogSoftmaxBackward0"], [[48, 509], [48, 509]]),
        (LOSS, "aten::copy_", ["aten::to"], [[2, 24, 509], [2, 24, 509]]),
        (
            SUMS,
            "aten::add_",
            ["autograd::engine::evaluate_function: MmBackward0"],
            [[2, 24, 64], [2, 24, 64]],
        ),
        (OTHER, "aten::add", [], [[2, 24, 64], [2, 24, 64]]),
        (OTHER, "aten::silu", [], [[2, 24, 128]]),
    ],
)
def test_operations_are_told_apart(kind: str, name: str, above: list[str], shapes: list[list[int]]) -> None:
    assert kind_of(name, above, shapes, SIZES) == kind


def test_every_product_of_a_step_is_accounted_for(standing: StandingPack, work: Work) -> None:
    trials = standing.trials(work.trials, work.examples)
    wall = standing.measure(trials, repeats=Repeats(runs=2)).seconds
    for trial in trials:
        standing.pack.start(trial, trial.step + 2)
    columns = frozenset({standing.columns, standing.columns + EXTRA})
    made = account(standing.step, CPU, wall, Sizes(SHAPE.vocab_size, columns))

    def calls(kind: str, *names: str) -> int:
        return sum(made.operators[kind, name].launches for name in names if (kind, name) in made.operators)

    # No gradient goes into the embeddings, so the first three layers have none for their input. Two ranks
    # do not share products on a CPU.
    assert calls(HEAD, "aten::mm") == 2
    assert calls(BASE, "aten::mm", "aten::addmm") == 2 * SITES - 3
    assert calls(ADAPTERS, "aten::bmm", "aten::baddbmm_") == 2 * (2 * SITES + 4 * SITES - 3)
    assert all(made.kinds[kind].seconds > 0 for kind in (ATTENTION, OPTIMIZER, LOSS, BESIDE, SUMS, OTHER))
    assert made.busy == pytest.approx(sum(spent.seconds for spent in made.operators.values()))
    assert len(made.top(5).splitlines()) == 6


def test_the_verdict_names_what_takes_most_after_the_base() -> None:
    made = Account(wall=10.0, launched=True)
    for kind, seconds in ((BASE, 6.0), (ATTENTION, 1.0), (LOSS, 0.5), (ADAPTERS, 1.5)):
        made.add(kind, "aten::x", seconds, 3)
    assert made.gaps == pytest.approx(0.1)
    assert "adapter products, 17% in 3 launches" in made.verdict()
    assert "take 78%" in made.verdict()
    waiting = replace(made, wall=20.0)
    assert "the device waits 55% of the step for 12 launches" in waiting.verdict()
    assert "adapter products" in replace(waiting, launched=False).verdict()


replies = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=4)


@given(st.data(), replies)
def test_a_planted_difference_is_the_only_one_and_at_its_place(
    data: st.DataObject, own: list[list[int]]
) -> None:
    ours = [own, [list(reversed(reply)) for reply in own]]
    assert differences(ours, ours) == []
    adapter, prompt = data.draw(st.integers(0, 1)), data.draw(st.integers(0, len(own) - 1))
    place = data.draw(st.integers(0, len(own[prompt]) - 1))
    theirs = [[list(reply) for reply in each] for each in ours]
    reply = theirs[adapter][prompt]
    expected: int | None = reply[place] + 1
    if data.draw(st.booleans()):
        del reply[place:]
        expected = None
    else:
        reply[place] += 1
        reply[place + 1 :] = [11] * data.draw(st.integers(0, 3))
    token = ours[adapter][prompt][place]
    assert differences(ours, theirs) == [Difference(adapter, prompt, place, token, expected)]
    verdict = judge(ours, theirs, lambda _: 0.2, within=0.1)
    assert (verdict.replies, verdict.differing, verdict.equal) == (2 * len(own), 1, False)
    assert judge(ours, theirs, lambda _: 0.1, within=0.1).equal is (expected is not None)


QUESTIONS = Questions(
    prompts=[[5, 7, 1], [3], [8, 8, 2, 100, 4]],
    options=[[[4], [9, 2]], [[1, 1, 1], [6]], [[7], [3, 3]]],
    new_tokens=6,
    batch_size=2,
)


@pytest.fixture
def evaluators(work: Work) -> tuple[Ours, Theirs]:
    ours = Ours(work)
    return ours, Theirs(work, ours)


def verdict(ours: Ours, theirs: Theirs) -> Any:
    own, other = ours.generate(QUESTIONS), theirs.generate(QUESTIONS)
    gap = lambda each: theirs.gap(each, QUESTIONS, other[each.adapter][each.prompt])  # noqa: E731
    return judge(own, other, gap, within=1e-4)


def scores_differ(ours: Ours, theirs: Theirs) -> float:
    return max(
        abs(a - b)
        for own, other in zip(ours.score(QUESTIONS), theirs.score(QUESTIONS), strict=True)
        for mine, plain in zip(own, other, strict=True)
        for a, b in zip(mine, plain, strict=True)
    )


def test_adapters_together_answer_as_with_peft_and_a_wrong_weight_shows(
    evaluators: tuple[Ours, Theirs],
) -> None:
    ours, theirs = evaluators
    assert verdict(ours, theirs).equal
    assert scores_differ(ours, theirs) < 1e-4
    logit, value = theirs.rounding(QUESTIONS)
    assert 0 < logit < 1e-4
    assert 0 < value < 1e-4
    for name, weight in theirs.model.named_parameters():
        if "lora_B.trial2" in name:
            weight.data.neg_()
    assert not verdict(ours, theirs).equal
    assert scores_differ(ours, theirs) > 1e-2
