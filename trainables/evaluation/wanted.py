"""Questions that training data are searched for, and what counts as their answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trainables.evaluation.harness.sought import AcceptedChoice, AcceptedItem
from trainables.evaluation.items import ChoiceItem, Item
from trainables.evaluation.prompts import choice_prompt
from trainables.evaluation.words import WORD

SHORT = 5
"""Questions of fewer words and marks are found anywhere; they count only right before their answer."""

REACH = 60
"""Words after a longer question and its options among which its answer is looked for."""

_TOKEN = re.compile(rf"{WORD}|[^\w\s]")
_WEAK = frozenset(
    _TOKEN.findall("yes no true false none all both neither it is not the an of in on to and or")
)
_LEADS = frozenset(
    _TOKEN.findall("a answer answers response reply assistant the correct is it that so was 答案是")
)
_LEAD_TOKENS = 12
_ANNOUNCING = frozenset({"answer", "response", "reply", "assistant", "output", "model", "gpt", "inst", "答"})
_BEFORE_ROLE = frozenset("<|>[#*")
_AFTER_ROLE = frozenset(":\uff1a>|]")
_WRAPPING = frozenset(
    _TOKEN.findall("question q instruction input user human prompt problem query task s end inst 问题")
)
_POINTING = (
    "following", "below", "above", "these", "those", "options", "choices", "passage", "paragraph", "article",
    "excerpt", "the text", "下列", "以下", "上述",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """An item that is looked for.

    Attributes:
        skill: Number of its skill.
        place: Its place among the skill's items.
        shared: Whether another item has the same question.
    """

    skill: int
    place: int
    item: Item
    shared: bool = False

    @cached_property
    def question(self) -> list[str]:
        """Its words and marks."""
        return tokens(self.item.question)

    @cached_property
    def options(self) -> list[list[str]]:
        """Those of its options, if it has any."""
        return [tokens(text) for text in self.item.options] if isinstance(self.item, ChoiceItem) else []

    @cached_property
    def answers(self) -> list[list[str]]:
        """Those of each right answer."""
        item = self.item
        if isinstance(item, ChoiceItem):
            others = item.others if isinstance(item, AcceptedChoice) else ()
            return [self.options[index] for index in (item.answer, *others)]
        accepted = item.others if isinstance(item, AcceptedItem) else ()
        return [tokens(text) for text in dict.fromkeys((item.answer, *accepted)) if text.strip()]

    @cached_property
    def lettered(self) -> str | None:
        """The question with its options, with one space between words."""
        item = self.item
        return spaced(choice_prompt(item.question, item.options)) if isinstance(item, ChoiceItem) else None

    @property
    def short(self) -> bool:
        """Whether it says too little to be told by itself."""
        return len(self.question) < SHORT

    @cached_property
    def telling(self) -> bool:
        """Whether nobody asks the same who means something else.

        Not so where it is short, where other items have the same question, and where it points to
        something beside it, such as its options.
        """
        return not (self.short or self.shared or any(_holds(self.question, each) for each in _POINTERS))

    @property
    def reach(self) -> int:
        """Words after the question that are looked at."""
        return REACH + (sum(map(len, self.options)) or max(map(len, self.answers), default=0))

    def answered(self, after: Sequence[str]) -> bool:
        """Whether one of its answers is in what comes after the question, such that it says something."""
        if not all(map(_says_little, self.options)) and all(_holds(after, text) for text in self.options):
            return True
        return any(self._says(after, answer) for answer in self.answers)

    def _says(self, after: Sequence[str], answer: Sequence[str]) -> bool:
        weak = _says_little(answer)
        if not (weak or self.shared):
            return _holds(after, answer)
        return not (weak and self.shared) and follows(after, answer)


def wanted(skills: Sequence[Sequence[Item]]) -> list[Wanted]:
    """The items of all skills."""
    forms: dict[str, set[Item]] = defaultdict(set)
    for items in skills:
        for item in items:
            forms[spaced(item.question)].add(item)
    return [
        Wanted(number, place, item, len(forms[spaced(item.question)]) > 1)
        for number, items in enumerate(skills)
        for place, item in enumerate(items)
    ]


def follows(after: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part comes next, after nothing but marks and words that lead to an answer."""
    for start in range(_LEAD_TOKENS):
        if list(after[start : start + len(part)]) == list(part):
            return True
        if start >= len(after) or not (after[start] in _LEADS or not after[start].isalnum()):
            return False
    return False


def announces(after: Sequence[str]) -> bool:
    """Whether what comes next announces an answer, as "A:" and "### Response" do, and one is there."""
    for start, token in enumerate(after[:_LEAD_TOKENS]):
        before, then = after[start - 1] if start else "", after[start + 1] if start + 1 < len(after) else ""
        announced = token in _ANNOUNCING and (before in _BEFORE_ROLE or then in _AFTER_ROLE)
        if announced or (token == "a" and then in (":", "\uff1a")):
            return any(each.isalnum() for each in after[start + 1 :])
        if token.isalnum() and token not in _WRAPPING:
            return False
    return False


def wraps(outside: Sequence[str]) -> bool:
    """Whether these are nothing but marks and words that a template puts around a question."""
    known = _WRAPPING | _ANNOUNCING | {"a"}
    return all(token in known or not token.replace("_", "").isalnum() for token in outside)


def tokens(text: str) -> list[str]:
    """Words and marks; marks count, for `3+4` is not `3*4`."""
    return _TOKEN.findall(text.casefold())


def spaced(text: str) -> str:
    """The same with one space between them."""
    return " ".join(tokens(text))


def _says_little(answer: Sequence[str]) -> bool:
    """Whether an answer is so small that it stands in most texts."""
    return len("".join(answer).encode()) < 3 or _WEAK.issuperset(answer)


def _holds(text: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part stands in the text, as whole words."""
    return f" {' '.join(part)} " in f" {' '.join(text)} "


_POINTERS = [tokens(text) for text in _POINTING]
