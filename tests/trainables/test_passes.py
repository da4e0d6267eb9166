"""The division of a step's examples into passes."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from trainables.lora.passes import Pass, plan_passes

trial = st.lists(st.integers(1, 30), min_size=1, max_size=6).map(lambda each: sorted(each, reverse=True))
ragged = st.lists(trial, min_size=1, max_size=5)
packs = ragged.map(lambda each: sorted(each, key=len, reverse=True))
limits = st.one_of(st.none(), st.integers(1, 200))


def cost(passes: list[Pass], lengths: list[list[int]], pass_cost: int) -> int:
    return sum(pass_cost + sum(each.counts) * each.width(lengths) for each in passes)


@given(ragged, limits, st.one_of(st.none(), st.integers(1, 7)), st.integers(0, 60))
def test_every_example_is_in_one_pass_and_passes_keep_the_limits(
    lengths: list[list[int]], tokens: int | None, examples: int | None, pass_cost: int
) -> None:
    passes = plan_passes(lengths, tokens, examples, pass_cost)
    seen = sorted(
        (one.first + index, example)
        for one in passes
        for index, (start, stop) in enumerate(one.spans)
        for example in range(start, stop)
    )
    assert seen == [(index, example) for index, each in enumerate(lengths) for example in range(len(each))]
    for one in passes:
        assert min(one.counts[0], one.counts[-1]) >= 1
        if examples is not None:
            assert max(one.counts) <= examples
        if tokens is not None and sum(one.counts) > 1:
            assert sum(one.counts) * one.width(lengths) <= tokens


@given(packs, st.integers(0, 60))
def test_no_division_of_the_same_kind_costs_less(lengths: list[list[int]], pass_cost: int) -> None:
    most = len(lengths[0])
    found = cost(plan_passes(lengths, None, None, pass_cost), lengths, pass_cost)
    for number in range(most):
        for cuts in combinations(range(1, most), number):
            edges = [0, *cuts, most]
            divided = [
                Pass(0, tuple((start, min(stop, len(each))) for each in lengths if len(each) > start))
                for start, stop in pairwise(edges)
            ]
            assert found <= cost(divided, lengths, pass_cost)


def test_a_limit_does_not_make_large_batches_slow_to_plan() -> None:
    lengths = [sorted((7 * index % 50 + 1 for index in range(400)), reverse=True)] * 4
    passes = plan_passes(lengths, 300, None, 10)
    assert max(sum(one.counts) * one.width(lengths) for one in passes) <= 300
