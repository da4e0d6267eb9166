"""Reading the choice out of a reply."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.evaluation.questions.answers import parse_choice
from trainables.evaluation.questions.items import LETTERS

CITIES = ["Paris", "Moscow", "New York", "York"]
LETTER_FORMS = [
    "{0}",
    " {0}\n",
    "{0}.",
    "({0})",
    "[{0}]",
    "**{0}**",
    "{0}) {1}",
    "{0}. {1}",
    "{0}: {1}",
    "{0} {1}",
    "{0}\nbecause of this",
    "Answer: {0}",
    "answer: ({0})",
    "The answer is {0}",
    "The answer is: {0}.",
    "The correct answer is {0}.",
    "My answer is {0}. I am sure.",
    "Option {0}",
]
TEXT_FORMS = ["{1}", " {1}.", "{1}, of course", "**{1}**", '"{1}"', "The answer is {1}.", "Answer: {1}"]


@given(
    st.lists(st.text("xyz qw", min_size=3).map(str.strip).filter(bool), min_size=2, max_size=26, unique=True),
    st.data(),
)
def test_a_letter_in_any_of_its_forms_names_its_option(options: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(options) - 1))
    form = data.draw(st.sampled_from(LETTER_FORMS))
    assert parse_choice(form.format(LETTERS[index], options[index]), options) == index


@given(
    st.integers(0, len(CITIES) - 1), st.sampled_from(TEXT_FORMS), st.sampled_from([str, str.upper, str.lower])
)
def test_the_text_of_an_option_names_it(index: int, form: str, case: type[str]) -> None:
    assert parse_choice(form.format("", case(CITIES[index])), CITIES) == index


@given(st.text())
def test_whatever_is_parsed_is_an_option(reply: str) -> None:
    choice = parse_choice(reply, CITIES)
    assert choice is None or 0 <= choice < len(CITIES)


@given(st.text("abcdefghijklmnopqrstuvwxyz .,:\n"))
def test_lower_case_words_are_no_choice_among_numbers(reply: str) -> None:
    assert parse_choice(reply, ["17", "23"]) is None


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "I think it is Paris",
        "E",
        "A or B",
        "A dog",
        "Parisian",
        "a",
        "the the the",
        "Answer:",
        "12",
    ],
)
def test_anything_else_cannot_be_parsed(reply: str) -> None:
    assert parse_choice(reply, CITIES) is None


@pytest.mark.parametrize("form", ["{}", " {}.", "Answer: {}", "**{}**"])
@pytest.mark.parametrize(
    "options",
    [
        ["(0, 1)", "(1, 0)"],
        ["[1, 2]", "[2]"],
        ['"Hamlet"', '"Macbeth"'],
        ["'tis", "'twas"],
        ["*args", "**kwargs"],
        ["\u00c1lvarez", "Airdrie"],
        ["0.5", "0"],
    ],
)
def test_an_exact_reply_is_its_option_whatever_this_begins_with(options: list[str], form: str) -> None:
    for place, option in enumerate(options):
        for written in (option, normalize("NFD", option)):
            assert parse_choice(form.format(written), options) == place


@pytest.mark.parametrize("reply", ["1.5", "1,000", "1/2", "2:30", "Answer: 2.0"])
def test_a_number_is_not_the_option_that_it_begins_with(reply: str) -> None:
    assert parse_choice(reply, ["1", "2"]) is None
    assert parse_choice("2, because", ["1", "2"]) == 1


@pytest.mark.parametrize(
    ("reply", "options", "choice"),
    [
        ("York", CITIES, 3),
        ("New York", CITIES, 2),
        ("A. Moscow", CITIES, 0),
        ("A dog", ["a cat", "a dog"], 1),
        ("-5", ["5", "-5"], 1),
        ("5", ["5", "50"], 0),
        ("50", ["5", "50"], 1),
        ("Paris", ["Paris", "Paris, Texas"], 0),
        ("Paris, Texas", ["Paris", "Paris, Texas"], 1),
        ("\u201cHamlet\u201d", ["Macbeth", "Hamlet"], 1),
        ("Hamlet", ['"Macbeth"', '"Hamlet"'], 1),
    ],
)
def test_near_options_are_told_apart(reply: str, options: list[str], choice: int) -> None:
    assert parse_choice(reply, options) == choice
