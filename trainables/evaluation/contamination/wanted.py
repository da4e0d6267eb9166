"""Questions that training data are searched for, and what counts as their answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trainables.evaluation.contamination.phrases import concludes, follows, holds, lists, spaced, tokens
from trainables.evaluation.harness.sought import AcceptedChoice, AcceptedItem
from trainables.evaluation.questions.items import ChoiceItem, Item, choice_prompt

SHORT = 5
"""Questions of fewer words and marks are found anywhere; they count only right before their answer."""

LONG = 20
"""Questions of as many words and marks are such that nobody asks the same by chance."""

REACH = 60
"""Words after a longer question and its options among which its answer is looked for."""

_SOLUTION = 400
"""Words and marks after a question in which the result of a worked solution is looked for."""

_RESULT = "####"
"""What stands before the result where an answer is a worked solution, as in GSM8K."""

_DIGITS = 4
_WEAK = frozenset(tokens("yes no true false none all both neither it is not the an of in on to and or"))
_NUMBERS = frozenset(
    tokens(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
        " sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
        " hundred thousand million once twice half 一二三四五六七八九十百千万两"
    )
)
_POINTING = (
    "following", "options", "choices", "passage", "paragraph", "article", "excerpt", "the text",
    "下列", "以下", "上述",
)  # fmt: skip
_POINTING_IN_PASSING = ("below", "above", "these", "those")
"""Words that point to something beside a question, and in a long one may as well point to its own words."""


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
        accepted = [item.answer, *(item.others if isinstance(item, AcceptedItem) else ())]
        results = [text.rpartition(_RESULT)[2] for text in accepted if _RESULT in text]
        return [tokens(text) for text in dict.fromkeys([*accepted, *results]) if tokens(text)]

    @cached_property
    def lettered(self) -> str | None:
        """The question with its options, with one space between words."""
        item = self.item
        return spaced(choice_prompt(item.question, item.options)) if isinstance(item, ChoiceItem) else None

    @property
    def short(self) -> bool:
        """Whether it says too little to be told by itself."""
        return len(self.question) < SHORT

    @property
    def long(self) -> bool:
        """Whether it says so much that only the same question does."""
        return len(self.question) >= LONG

    @cached_property
    def telling(self) -> bool:
        """Whether nobody asks the same who means something else.

        Not so where it is short, where other items have the same question, and where it points to
        something beside it, such as its options.
        """
        return not (self.short or self.shared or self._points)

    @cached_property
    def _points(self) -> bool:
        pointing = _POINTING if self.long else _POINTING + _POINTING_IN_PASSING
        return any(holds(self.question, tokens(each)) for each in pointing)

    @property
    def reach(self) -> int:
        """Words after the question that are looked at."""
        return REACH + (sum(map(len, self.options)) or max(map(len, self.answers), default=0))

    def answered(self, after: Sequence[str]) -> bool:
        """Whether one of its answers is in what comes after the question, such that it says something."""
        near = after[: self.reach]
        return (
            self.listed(near)
            or any(self._says(near, answer) for answer in self.answers)
            or (not self.shared and any(concludes(after[:_SOLUTION], answer) for answer in self.answers))
        )

    def listed(self, after: Sequence[str]) -> bool:
        """Whether its options are there: all in a row, or all of them anywhere where they say something."""
        if lists(after, self.options):
            return True
        return not all(map(self._says_little, self.options)) and all(
            holds(after, text) for text in self.options
        )

    def replied(self, reply: Sequence[str]) -> bool:
        """Whether a reply to what has the question somewhere gives one of its answers."""
        if self.short or self.shared:
            return False
        strong = [answer for answer in self.answers if not self._says_little(answer)]
        if not self.telling:
            return any(holds(reply, answer) for answer in strong)
        return (
            self.answered(reply)
            or any(holds(reply, answer) for answer in strong)
            or any(_ends(reply, answer) for answer in self.answers if _is_small_number(answer))
        )

    def _says(self, after: Sequence[str], answer: Sequence[str]) -> bool:
        weak = self._says_little(answer)
        if not (weak or self.shared):
            return holds(after, answer)
        return not (weak and self.shared) and follows(after, answer)

    def _says_little(self, answer: Sequence[str]) -> bool:
        """Whether an answer is so small that it stands in most texts that have such a question."""
        small = len("".join(answer).encode()) < 3 or _WEAK.issuperset(answer)
        return small or (not self.long and _is_small_number(answer))


def wanted(skills: Sequence[Sequence[Item]]) -> list[Wanted]:
    """The items of all skills; a question that two skills ask is shared by neither's items."""
    found: list[Wanted] = []
    for number, items in enumerate(skills):
        forms: dict[str, set[Item]] = defaultdict(set)
        for item in items:
            forms[spaced(item.question)].add(item)
        found += [
            Wanted(number, place, item, len(forms[spaced(item.question)]) > 1)
            for place, item in enumerate(items)
        ]
    return found


def _is_small_number(answer: Sequence[str]) -> bool:
    words = [token for token in answer if token.isalnum()]
    digits = "".join(token for token in words if token not in _NUMBERS)
    return bool(words) and (not digits or (digits.isdigit() and len(digits) <= _DIGITS))


def _ends(reply: Sequence[str], answer: Sequence[str]) -> bool:
    """Whether the reply's last words are the answer."""
    last = len(reply)
    while last and not (reply[last - 1].isalnum() or reply[last - 1] in answer):
        last -= 1
    return list(reply[max(0, last - len(answer)) : last]) == list(answer)
