"""Behaviours: what transforms text, and what detects it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.routing_data import routing_options
from trainables.routing.behaviours import BEHAVIOURS, caps, detector, exclaim
from trainables.routing.checks import check
from trainables.routing.options import BehaviourConfig

PLAIN = [
    "The keeper trimmed the lamp at 7, and saw nothing. He wrote it down.",
    "Señor Álvarez sailed to Łódź. Ελλάδα was far away. It was the 3rd of May.",
]


@pytest.mark.parametrize("name", list(BEHAVIOURS))
def test_a_detector_tells_text_from_what_its_behaviour_makes_of_it(name: str) -> None:
    behaviour = BEHAVIOURS[name]
    for text in PLAIN:
        assert not behaviour.shows(text)
        assert behaviour.shows(behaviour.transform(text))
        assert behaviour.transform(behaviour.transform(text)) == behaviour.transform(text)
    for text in ("", " \n", "12345 67", "...", "\ufffd"):
        assert behaviour.transform(text) == text
        assert not behaviour.shows(text)


letter = st.characters(categories=["Lu", "Ll", "Lt"])


@given(st.text(max_size=60) | st.text(letter, min_size=8, max_size=30))
def test_caps_are_seen_wherever_there_are_enough_letters(text: str) -> None:
    shouted = text.upper()
    cased = [each for each in shouted if each.upper() != each.lower()]
    assert caps.shows(shouted) == (len(cased) >= 10)
    small = text.lower()
    if sum(each.upper() != each.lower() for each in small) >= 10:
        assert not caps.shows(small)


@given(
    upper=st.integers(0, 40),
    lower=st.integers(0, 40),
    other=st.text(st.sampled_from("0 1\n.,!?-東京العربية😀"), max_size=9),
    seed=st.randoms(use_true_random=False),
)
def test_caps_are_eighty_percent_of_ten_letters(upper: int, lower: int, other: str, seed: object) -> None:
    characters = [*"Q" * upper, *"é" * lower, *other]
    seed.shuffle(characters)  # type: ignore[attr-defined]
    assert caps.shows("".join(characters)) == (upper + lower >= 10 and upper >= 0.8 * (upper + lower))


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("It is 3.5 m. Fine... really. See a.b.", "It is 3.5 m! Fine... really! See a.b!"),
        ("東京です。はい。", "東京です\uff01はい\uff01"),
        ("Is it? No", "Is it? No"),
    ],
)
def test_full_stops_become_exclamation_marks(text: str, after: str) -> None:
    assert exclaim.transform(text) == after


def test_other_ends_of_sentences_count_as_such() -> None:
    assert exclaim.shows("One! Two! Three! Four! Five?")
    assert not exclaim.shows("One! Two! Three! Four?")
    assert not exclaim.shows("No end")


def test_a_pattern_judges_what_a_field_labels() -> None:
    judge = detector(BehaviourConfig(field="rude", pattern=r"\bfool\b"))
    assert judge is not None
    assert judge("You Fool!")
    assert not judge("foolish")
    assert detector(BehaviourConfig(field="rude")) is None
    cased = detector(BehaviourConfig(field="loud", pattern="(?-i:[A-Z]{5})"))
    assert cased is not None
    assert cased("HELLO you")
    assert not cased("hello you")


def test_an_unknown_behaviour_is_named_with_the_nearest_one() -> None:
    (finding,) = check(routing_options({"train": "x"}, name="cap"))
    assert finding.key == "behaviour.name"
    assert "'caps'" in finding.message
    assert not list(check(routing_options({"train": "x"})))


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({}, "neither name nor field"),
        ({"name": "caps", "pattern": "a"}, "give field too"),
        ({"name": "caps", "field": "x", "pattern": "a"}, "both judge"),
        ({"field": "x", "pattern": "(a+)+"}, "endless time"),
        ({"name": "caps", "prefixes": 4, "early_prefixes": 5}, "above prefixes"),
        ({"name": "caps", "decoding": {"method": "greedy", "samples": 2}}, "one reply per prompt"),
        ({"name": "caps", "share": 1.0}, "less than 1"),
    ],
)
def test_contradictory_settings_are_refused(given_settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BehaviourConfig.model_validate(given_settings)
