"""Refuses to evaluate on what is trained on."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from trainables.data.records import Record
from trainables.data.sources import LocalFile, local_path, locate
from trainables.errors import UserError
from trainables.evaluation.items import ChoiceItem, Item
from trainables.evaluation.prompts import choice_prompt
from trainables.evaluation.words import WORD
from trainables.settings import SkillConfig, TaskConfig

Skills: TypeAlias = Sequence[tuple[SkillConfig, Sequence[Item]]]

SHORT = 5
"""Questions of fewer words and marks are found anywhere; they count only right before their answer."""

REACH = 60
"""Words after a longer question and its options among which its answer is looked for."""

_TOKEN = re.compile(rf"{WORD}|[^\w\s]")
_INDEXED = 3
_SHOWN = 80
_WEAK = frozenset(
    _TOKEN.findall("yes no true false none all both neither it is not the an of in on to and or")
)
_LEADS = frozenset(
    _TOKEN.findall("a answer answers response reply assistant the correct is it that so was 答案是")
)
_LEAD_TOKENS = 12


def refuse_training_items(skills: Skills, task: TaskConfig, records: Iterable[Record]) -> None:
    """Looks for the questions in the training data, whatever their case and spacing.

    They count with their right answer after them, wherever they stand: in a text, or in a prompt, bare or
    in a template, with the answer in the completion. A question that is a whole document, or that is a
    prompt with its lettered options, counts by itself. What anybody might ask needs more: where several
    items share a question, their options or their answer must follow right after it, and so must an answer
    such as "yes".

    Args:
        skills: Skills and the items that they will ask.
        task: The task.
        records: Those of `task.train`; one without text where text belongs is passed over.

    Raises:
        UserError: A skill's questions are there.
    """
    for skill, items in skills:
        if skill.harness is None and _same_file(skill, task):
            raise _refusal(skill, items, items)
    wanted = _wanted(skills)
    if task.format == "completion":
        pairs = list(_texts(records, task.prompt_field, task.completion_field))
        found = _among_prompts(wanted, pairs)
        found |= _in_documents(wanted, ("\n".join(pair) for pair in pairs), alone=False)
    else:
        found = _in_documents(wanted, (text for (text,) in _texts(records, task.text_field)))
    for number, (skill, items) in enumerate(skills):
        trained = {one.item for one in found if one.skill == number}
        if trained:
            raise _refusal(skill, items, [item for item in items if item in trained])


@dataclass(frozen=True)
class _Wanted:
    """An item that is looked for, by the number of its skill.

    Attributes:
        shared: Whether another item has the same question.
    """

    skill: int
    item: Item
    shared: bool = False

    @cached_property
    def question(self) -> list[str]:
        return _tokens(self.item.question)

    @cached_property
    def options(self) -> list[list[str]]:
        return [_tokens(text) for text in self.item.options] if isinstance(self.item, ChoiceItem) else []

    @cached_property
    def answer(self) -> list[str]:
        item = self.item
        return self.options[item.answer] if isinstance(item, ChoiceItem) else _tokens(item.answer)

    @cached_property
    def lettered(self) -> str | None:
        """The question with its options, with one space between words."""
        item = self.item
        return _spaced(choice_prompt(item.question, item.options)) if isinstance(item, ChoiceItem) else None

    @property
    def short(self) -> bool:
        return len(self.question) < SHORT

    @property
    def reach(self) -> int:
        """Words after the question that are looked at."""
        return REACH + (sum(map(len, self.options)) or len(self.answer))

    def answered(self, after: Sequence[str]) -> bool:
        """Whether its answer is in what comes after the question, such that it says something."""
        weak = _says_little(self.answer)
        if not (weak or self.shared):
            return _holds(after, self.answer)
        telling = not all(map(_says_little, self.options))
        if telling and all(_holds(after, option) for option in self.options):
            return True
        return not (weak and self.shared) and _follows(after, self.answer)


def _wanted(skills: Skills) -> list[_Wanted]:
    forms: dict[str, set[Item]] = defaultdict(set)
    for _, items in skills:
        for item in items:
            forms[_spaced(item.question)].add(item)
    return [
        _Wanted(number, item, len(forms[_spaced(item.question)]) > 1)
        for number, (_, items) in enumerate(skills)
        for item in items
    ]


def _among_prompts(wanted: Sequence[_Wanted], pairs: Iterable[tuple[str, ...]]) -> set[_Wanted]:
    bare: dict[str, list[_Wanted]] = defaultdict(list)
    lettered: dict[str, list[_Wanted]] = defaultdict(list)
    for one in wanted:
        bare[" ".join(one.question)].append(one)
        if one.lettered is not None:
            lettered[one.lettered].append(one)
    found: set[_Wanted] = set()
    for prompt, completion in pairs:
        asked = _spaced(prompt)
        found.update(lettered.get(asked, ()))
        for one in bare.get(asked, ()):
            if one.answered(_tokens(completion)):
                found.add(one)
    return found


def _in_documents(wanted: Sequence[_Wanted], documents: Iterable[str], *, alone: bool = True) -> set[_Wanted]:
    """Those that stand in a document; `alone`: also those that are one, without their answer."""
    whole: dict[str, list[_Wanted]] = defaultdict(list)
    lines: dict[str, list[_Wanted]] = defaultdict(list)
    begins: dict[tuple[str, ...], list[_Wanted]] = defaultdict(list)
    for one in wanted:
        if alone and not (one.short or one.shared):
            whole[" ".join(one.question)].append(one)
        sought = one.question + one.answer if one.short else one.question
        if len(sought) < SHORT:  # so little that it means something only as a line of its own
            lines[" ".join(sought)].append(one)
        else:
            begins[tuple(sought[:_INDEXED])].append(one)
    found: set[_Wanted] = set()
    for document in documents:
        tokens = _tokens(document)
        found.update(whole.get(" ".join(tokens), ()))
        for line in document.splitlines() if lines else ():
            found.update(lines.get(_spaced(line), ()))
        for place, key in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
            found.update(one for one in begins.get(key, ()) if _stands(one, tokens, place))
    return found


def _stands(one: _Wanted, tokens: Sequence[str], place: int) -> bool:
    """Whether the question is at this place, and its answer after it."""
    end = place + len(one.question)
    if tokens[place:end] != one.question:
        return False
    after = tokens[end : end + one.reach]
    return _follows(after, one.answer) if one.short else one.answered(after)


def _follows(tokens: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part comes next, after nothing but marks and words that lead to an answer."""
    for start in range(_LEAD_TOKENS):
        if list(tokens[start : start + len(part)]) == list(part):
            return True
        if start >= len(tokens) or not (tokens[start] in _LEADS or not tokens[start].isalnum()):
            return False
    return False


def _says_little(answer: Sequence[str]) -> bool:
    """Whether an answer is so small that it stands in most texts."""
    return len("".join(answer).encode()) < 3 or _WEAK.issuperset(answer)


def _holds(tokens: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part stands in the tokens, as whole words."""
    return f" {' '.join(part)} " in f" {' '.join(tokens)} "


def _tokens(text: str) -> list[str]:
    """Words and marks; marks count, for `3+4` is not `3*4`."""
    return _TOKEN.findall(text.casefold())


def _spaced(text: str) -> str:
    return " ".join(_tokens(text))


def _texts(records: Iterable[Record], *fields: str) -> Iterable[tuple[str, ...]]:
    for record in records:
        values = tuple(value for field in fields if isinstance(value := record.get(field), str))
        if len(values) == len(fields):
            yield values


def _same_file(skill: SkillConfig, task: TaskConfig) -> bool:
    place = locate(task.train, "task.train", task.split)
    path = local_path(skill.path, f"capability.skills.{skill.name}.path")
    return isinstance(place, LocalFile) and os.path.samefile(path, place.path)


def _refusal(skill: SkillConfig, items: Sequence[Item], trained: Sequence[Item]) -> UserError:
    first = " ".join(trained[0].question.split())
    shown = first if len(first) <= _SHOWN else f"{first[: _SHOWN - 3]}..."
    return UserError(
        f"capability.skills.{skill.name}: {len(trained)} of its {len(items)} questions are in the training "
        f"data; the first is {shown!r}.",
        hint="What is trained on shows no capability: leave these questions out of "
        + ("the skill's file" if skill.harness is None else "the task, by process_docs in a copy of its file")
        + ", or the records out of task.train.",
    )
