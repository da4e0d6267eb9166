"""Degenerate replies: detected, counted and kept item by item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.evaluation.intervals import wilson
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import Outcomes, Result, Score
from trainables.evaluation.questions.replies import LONGEST, REPEATS, ends_in_loop, is_degenerate
from trainables.messages import DEGENERATE

TOKENS = st.integers(0, 5)


@pytest.mark.parametrize(
    ("reply", "degenerate"),
    [
        ([], False),
        ([7], False),
        ([7, 7, 7], False),
        ([7, 7, 7, 7], True),
        ([1, 2, 3, 7, 7, 7, 7], True),
        ([1, 2, 3, 4, 5, 7, 7, 7, 7], False),  # less than half of it
        ([7, 7, 7, 7, 1], False),  # it got out of the loop
        ([3, 1, 2, 1, 2, 1, 2, 1, 2], True),
        ([2, 1, 2, 1, 2, 1, 2], False),  # three times and a part
        (list(range(9)) * 4, False),  # a longer phrase than is looked for
        (list(range(8)) * 4, True),
    ],
)
def test_loops_at_the_end_are_told(reply: list[int], degenerate: bool) -> None:
    assert is_degenerate(reply, most=100) is degenerate


@given(
    st.lists(TOKENS, max_size=12),
    st.lists(TOKENS, min_size=1, max_size=LONGEST),
    st.integers(REPEATS, 9),
)
def test_a_phrase_repeated_over_half_of_a_reply_is_a_loop(
    before: list[int], phrase: list[int], repeats: int
) -> None:
    loop = phrase * repeats
    assert ends_in_loop(before[: len(loop)] + loop)


@given(st.lists(TOKENS, max_size=30))
def test_a_loop_is_what_its_definition_says(reply: list[int]) -> None:
    expected = False
    for phrase in range(1, LONGEST + 1):
        for covered in range(REPEATS * phrase, len(reply) + 1):
            tail = reply[len(reply) - covered :]
            periodic = all(tail[i] == tail[i + phrase] for i in range(covered - phrase))
            expected = expected or (periodic and 2 * covered >= len(reply))
    assert ends_in_loop(reply) is expected


@given(st.lists(st.integers(), min_size=1, max_size=20, unique=True), st.integers(1, 30))
def test_a_reply_without_repetition_is_degenerate_only_where_it_was_cut_off(
    reply: list[int], most: int
) -> None:
    assert is_degenerate(reply, most) is (len(reply) >= most)


def score(skill: str, scoring: str, primary: bool, rows: list[tuple[int, bool, bool]]) -> Score:
    made = Score(skill, scoring, primary, choice=False)
    for item, correct, degenerate in rows:
        made.results.append(Result(item, "right" if correct else "wrong", degenerate=degenerate))
    return made


def test_items_of_all_workers_are_put_into_their_own_order() -> None:
    parts = [
        Outcomes(
            scores=[
                score("facts", "likelihood", True, [(2, True, False), (0, False, False)]),
                score("facts", "generation", False, [(0, True, True), (2, False, False)]),
                score("open", "generation", True, [(0, True, False)]),
            ],
            seconds={"total": 1.0},
        ),
        Outcomes(
            scores=[
                score("facts", "likelihood", True, [(1, True, False)]),
                score("facts", "generation", False, [(1, False, True)]),
                score("open", "generation", True, [(1, False, True)]),
            ],
            seconds={"total": 2.0},
        ),
    ]
    measured = combine([Outcomes.from_bytes(part.to_bytes()) for part in parts])
    assert measured.items == {"facts": "011", "open": "10", DEGENERATE: "11001"}
    assert measured.metrics[DEGENERATE] == pytest.approx(3 / 5)
    assert measured.intervals[DEGENERATE] == wilson(3, 5)
    shares = [measured.items[skill].count("1") / len(measured.items[skill]) for skill in ("facts", "open")]
    assert measured.metrics["capability"] == pytest.approx(sum(shares) / 2)


def test_nothing_generated_is_nothing_degenerate() -> None:
    rows = [(0, True, False)]
    measured = combine([Outcomes(scores=[score("facts", "likelihood", True, rows)], seconds={"total": 1.0})])
    assert DEGENERATE not in measured.metrics
    assert measured.items == {"facts": "1"}
