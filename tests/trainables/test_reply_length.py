"""How long a generated reply may be, by the accepted answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainables.chat_tokenizers import CHATML, tokenizer
from trainables.data.asking import Asking
from trainables.data.encode import plain_ids
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem
from trainables.evaluation.questions.skills import THOUGHT, reply_length, with_reply_length
from trainables.settings import CapabilityConfig, SkillConfig

LONG = "It is calm, and the lamp is trimmed. " * 4
ITEMS: list[list[Item]] = [
    [OpenItem("What is it like?", "Calm."), OpenItem("And now?", LONG)],
    [ChoiceItem("Which?", ("fog", "gulls"), 0)],
]


@pytest.fixture(scope="module")
def made() -> Any:
    return tokenizer("bytes", CHATML)


def test_there_is_room_for_the_longest_answer_and_a_thought(made: Any) -> None:
    longest = len(plain_ids(made, LONG))
    length = reply_length(made, ITEMS, None, think=False)
    assert longest + longest // 2 <= length <= longest * 1.5 + 4
    assert reply_length(made, ITEMS, None, think=True) == length + THOUGHT
    assert reply_length(made, ITEMS[1:], None, think=False) <= 20
    assert reply_length(made, [], None, think=False) == 12


def test_the_longest_question_keeps_its_place_in_the_context(made: Any) -> None:
    longest = len(plain_ids(made, LONG))
    asked = max(len(Asking(made).prompt(item.question)) for skill in ITEMS for item in skill)
    context = asked + longest + 3
    assert reply_length(made, ITEMS, context, think=True) == longest + 3
    assert reply_length(made, ITEMS, 10, think=False) == longest + 1  # the search then says what is too long


def test_a_length_that_is_given_is_kept(made: Any) -> None:
    skills = (SkillConfig(name="facts", path="unused.jsonl"),)
    given = CapabilityConfig(skills=skills, max_new_tokens=5)
    assert with_reply_length(given, made, ITEMS, None) is given
    chosen = with_reply_length(CapabilityConfig(skills=skills), made, ITEMS, None)
    assert chosen.reply_length == reply_length(made, ITEMS, None, think=False)
