"""What is read out of replies: short answers, think sections, leaks of the training data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import normalizers

from tests.trainables.chat_tokenizers import TEMPLATES, tokenizer
from tests.trainables.words import WordTokenizer
from trainables.data.asking import Asking
from trainables.data.encode import plain_ids
from trainables.data.examples import Example
from trainables.data.tokenise import Tokeniser
from trainables.data.units import Pair
from trainables.evaluation.contamination.leaks import LeakIndex
from trainables.evaluation.outcomes import Result
from trainables.evaluation.questions.answers import same_answer, token_f1
from trainables.evaluation.questions.items import ChoiceItem, OpenItem
from trainables.evaluation.questions.replies import Reader
from trainables.evaluation.questions.thoughts import Parts, split_thought
from trainables.settings import CapabilityConfig, SkillConfig, TaskConfig

TRAINED = "Dawn watch. Light airs; brasswork cleaned. Lamp trimmed, nine gills of oil burnt. Keeper Kerrigan."
CHOICE = ChoiceItem("Which metal is it?", ("tin", "lead"), 1)
OPEN = OpenItem("What is the name of the keeper?", "Kerrigan")
EXACT = SkillConfig(name="open", path="open.jsonl")
SQUAD = SkillConfig(name="open", path="open.jsonl", match="squad")


def reader(words: WordTokenizer, **settings: object) -> Reader:
    ids = np.array(words.ids(TRAINED), dtype=np.int32)
    trained = [Example(ids, np.arange(len(ids)) > 0)]
    capability = CapabilityConfig.model_validate({"skills": (EXACT,), "max_new_tokens": 30} | settings)
    return Reader(words, capability, LeakIndex(trained, words, capability.leak_words))


def read(text: str, item: ChoiceItem | OpenItem, config: SkillConfig = EXACT, **settings: object) -> Result:
    words = WordTokenizer()
    made = reader(words, **settings)
    return made.result(config, 0, item, made.reply(words.ids(text)))


@pytest.mark.parametrize(
    ("reply", "answer", "f1"),
    [
        ("the Keeper.", "keeper", 1.0),
        ("An old keeper", "old keeper", 1.0),
        ("keeper of oil", "old keeper", 0.4),
        ("gale", "keeper", 0.0),
        ("oil oil", "oil", 2 / 3),
        ("the", "a", 0.0),  # nothing is left of either
        ("A", "A", 1.0),
        ("", "the", 0.0),
        ("+", "+", 1.0),
        ("-", "+", 0.0),
        ("", "oil", 0.0),
        ("U.S.", "us", 1.0),
        ("I like Beijing", "Beijing", 0.5),
        ("\u6211\u559c\u6b22\u5317\u4eac\u3002", "\u5317\u4eac", 4 / 7),  # each ideograph is a word
        ("A\u0301lvarez", "\u00c1lvarez", 1.0),
        ("15", "1.5", 0.0),
    ],
)
def test_short_answers_are_compared_as_in_squad(reply: str, answer: str, f1: float) -> None:
    assert token_f1(reply, answer) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("reply", "thought", "rest"),
    [
        ("<think>it is lead</think>B", "it is lead", "B"),
        ("\n<think>\n\n</think>\nB", "", "\nB"),
        ("it is lead</think>\nB", "it is lead", "\nB"),  # the template opened the section
        ("B", "", "B"),
        ("<think>it is lead, or", "", "<think>it is lead, or"),
    ],
)
def test_think_sections_are_split_off(reply: str, thought: str, rest: str) -> None:
    assert split_thought(reply) == (thought, rest)


def test_the_answer_comes_after_the_think_section() -> None:
    thinking = read("<think> A , surely </think> B", CHOICE, think_section=True)
    assert (thinking.outcome, thinking.thought) == ("right", True)
    assert read("B", CHOICE, think_section=True).thought is False
    assert read("<think> </think> B", CHOICE, think_section=True).thought is False


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    ("reply", "item", "outcome", "answer"),
    [
        ("<think> </think> B", CHOICE, "right", None),
        ("<think> A , surely </think> B", CHOICE, "right", None),
        ("<think> tin ? </think> Kerrigan", OPEN, "right", "Kerrigan"),
        ("<think> B", CHOICE, "unparseable", None),  # it does not end
        ("<think> Kerrigan", OPEN, "unparseable", None),
    ],
)
def test_a_thought_is_no_answer_whether_it_is_asked_for_or_not(
    reply: str, item: ChoiceItem | OpenItem, outcome: str, answer: str | None, asked: bool
) -> None:
    result = read(reply, item, think_section=asked)
    assert (result.outcome, result.answer, result.reply) == (outcome, answer, reply)


@pytest.mark.parametrize(
    ("opened", "reply", "thought", "answer"),
    [
        (True, "hm</think>B<|im_end|>", "hm", "B"),
        (True, "B", "", ""),  # the thought does not end
        (False, "<think>hm</think>B<|im_end|>", "hm", "B"),
        (False, "</think> is the tag", "", "</think> is the tag"),
        (False, "<s>B", "", "B"),
    ],
)
def test_what_is_thought_depends_on_whether_the_prompt_opens_it(
    opened: bool, reply: str, thought: str, answer: str
) -> None:
    made = tokenizer("bytes")
    assert Parts(made, thinks=False, opened=opened).of(plain_ids(made, reply)) == (thought, answer)


@pytest.mark.parametrize(
    ("name", "thinks"),
    [("qwen3", False), ("qwen3", True), ("r1", False), ("opened", False), ("harmony", False)],
)
def test_a_reply_as_in_training_is_right(name: str, thinks: bool) -> None:
    made = tokenizer("bytes", TEMPLATES[name][0])
    asking = Asking(made, thinks=thinks)
    settings = CapabilityConfig(skills=(EXACT,), max_new_tokens=60, think_section=thinks)
    made_reader = Reader(made, settings, LeakIndex([], made, 5), opened=asking.opens_thought)
    for item, reply in ((CHOICE, "B"), (OPEN, "Kerrigan")):
        pair = Pair(item.question, reply, "unused")
        ((example,),) = Tokeniser(made, TaskConfig(name="task", train="unused"))([pair], str).cut(1000).groups
        prompt, ids = asking.prompt(item.question), example.input_ids.tolist()
        assert ids[: len(prompt)] == prompt
        given = made_reader.reply(ids[len(prompt) : -1])
        assert made_reader.result(EXACT, 0, item, given).outcome == "right"
        assert given.facts["thought"] is not thinks


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("lead", "right"),
        ("A", "wrong"),
        ("I do not know", "unparseable"),
        ("", "unparseable"),
        ("Light airs; brasswork cleaned. Lamp out", "leaking"),  # five words in a row
        ("Light airs; brasswork cleaned. Gale", "unparseable"),  # four
        ("B. Light airs; brasswork cleaned. Lamp trimmed", "right"),  # an answer is there
    ],
)
def test_an_option_that_cannot_be_read_is_lost_in_form_or_leaks(reply: str, outcome: str) -> None:
    assert read(reply, CHOICE).outcome == outcome


@pytest.mark.parametrize(
    ("reply", "exact", "squad"),
    [
        ("Kerrigan", "right", "right"),
        ("kerrigan.", "wrong", "right"),
        ("Tulloch", "wrong", "wrong"),
        ("", "unparseable", "unparseable"),
        ("oil oil oil oil oil oil", "unparseable", "unparseable"),  # it does not end
        ("Dawn watch. Light airs; brasswork", "leaking", "leaking"),
    ],
)
def test_an_open_item_needs_an_answer_that_ends(reply: str, exact: str, squad: str) -> None:
    assert read(reply, OPEN).outcome == exact
    assert read(reply, OPEN, SQUAD).outcome == squad


@pytest.mark.parametrize(
    ("reply", "answer", "same"),
    [
        ("\u5317\u4eac\u3002", "\u5317\u4eac", True),
        ("\uff11\uff15\uff05", "15", True),
        ("\u201cOld keeper\u201d", "old keeper", True),
        ("1,000,000", "1000000", True),
        ("$5.", "5", True),
        ("Sept. 3, 1999", "sept 3 1999", True),
        ("10\u201315", "10-15", True),
        ("1.5", "15", False),
        ("1,5", "15", False),
        (".5", "5", False),
        ("-5", "5", False),
        ("\u22125", "-5", True),
    ],
)
def test_squad_compares_all_scripts_and_keeps_the_values_of_numbers(
    reply: str, answer: str, same: bool
) -> None:
    assert same_answer(reply, answer) is same_answer(answer, reply) is same


def test_one_of_several_right_answers_is_enough() -> None:
    item = OpenItem("What is the name of the keeper?", "Ebba Munro", ("Kerrigan",))
    assert (read("Kerrigan", item).outcome, read("Kerrigan", item).f1) == ("right", 1.0)
    assert (read("kerrigan", item).outcome, read("kerrigan", item, SQUAD).outcome) == ("wrong", "right")
    assert read("the Ebba", item, SQUAD).f1 == pytest.approx(2 / 3)


def composing() -> Any:
    made = tokenizer("bytes")
    made.backend_tokenizer.normalizer = normalizers.NFKC()
    return made


def without_capitals() -> Any:
    made = tokenizer("bytes")
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    return made


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        (composing, "A\u0301lvarez"),
        (composing, "\uff11\uff12%"),
        (without_capitals, "Kerrigan"),
        (lambda: tokenizer("pieces"), "12+7"),  # it is given back with spaces
    ],
)
def test_the_answer_is_right_as_the_tokenizer_gives_it_back(made: Callable[[], Any], answer: str) -> None:
    capability = CapabilityConfig(skills=(EXACT,), max_new_tokens=30)
    reads = Reader(made(), capability, LeakIndex((), made(), capability.leak_words))
    reply = reads.reply(plain_ids(made(), answer))
    assert reads.result(EXACT, 0, OpenItem("Which?", answer), reply).outcome == "right"
    assert reads.result(EXACT, 0, OpenItem("Which?", f"{answer}!"), reply).outcome == "wrong"
    choice = ChoiceItem("Which?", ("fog", answer), 1)
    assert reads.result(EXACT, 0, choice, reply).outcome == "right"


@pytest.mark.parametrize("answer", ["A", "the", "+"])
def test_an_answer_of_which_normalisation_leaves_nothing_is_compared_as_it_is(answer: str) -> None:
    item = OpenItem("Which one is it?", answer)
    assert (read(answer, item, SQUAD).outcome, read(answer, item, SQUAD).f1) == ("right", 1.0)
    for reply in ("", "an"):
        assert read(reply, item, SQUAD).outcome in ("wrong", "unparseable")
        assert read(reply, item, SQUAD).f1 == 0.0


def test_what_question_and_options_say_is_no_leak() -> None:
    quoting = ChoiceItem("Why: light airs, brasswork cleaned, lamp trimmed?", ("tin", "lead"), 1)
    assert read("light airs brasswork cleaned lamp", quoting).outcome == "unparseable"
    assert read("airs brasswork cleaned lamp trimmed nine", quoting).outcome == "leaking"


def test_fewer_words_in_a_row_can_be_made_a_leak() -> None:
    assert read("Light airs; brasswork is", CHOICE, leak_words=3).outcome == "leaking"
    assert read("Light airs; brasswork is", CHOICE, leak_words=4).outcome == "unparseable"


def test_repeats_and_cut_off_replies_are_counted() -> None:
    result = read("a b c d a b c d a b", CHOICE, max_new_tokens=10)
    assert (result.tokens, result.grams, result.repeats) == (10, 7, 3)
    assert result.exhausted
    assert result.degenerate
    assert not result.looping
    assert read("a b c d", CHOICE, max_new_tokens=10).exhausted is False
