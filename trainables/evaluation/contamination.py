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
from trainables.settings import SkillConfig, TaskConfig

Skills: TypeAlias = Sequence[tuple[SkillConfig, Sequence[Item]]]

SHORT = 5
"""Questions of fewer words and marks are found anywhere; they count only right before their answer."""

REACH = 60
"""Words after a longer question among which its answer is looked for; options may stand between."""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_INDEXED = 3
_SHOWN = 80


def refuse_training_items(skills: Skills, task: TaskConfig, records: Iterable[Record]) -> None:
    """Looks for the questions in the training data, whatever their case and spacing.

    In completions the question, bare or with its options, must be a prompt. In texts it must be a whole
    document, or stand in one with its right answer after it.

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
    wanted = [_Wanted(number, item) for number, (_, items) in enumerate(skills) for item in items]
    if task.format == "completion":
        found = _among_prompts(wanted, _texts(records, task.prompt_field, task.completion_field))
    else:
        found = _in_documents(wanted, (text for (text,) in _texts(records, task.text_field)))
    for number, (skill, items) in enumerate(skills):
        if trained := [item for item in items if _Wanted(number, item) in found]:
            raise _refusal(skill, items, trained)


@dataclass(frozen=True)
class _Wanted:
    """An item that is looked for, by the number of its skill."""

    skill: int
    item: Item

    @cached_property
    def question(self) -> list[str]:
        return _tokens(self.item.question)

    @cached_property
    def answer(self) -> list[str]:
        item = self.item
        return _tokens(item.options[item.answer] if isinstance(item, ChoiceItem) else item.answer)

    @property
    def prompts(self) -> set[str]:
        """The forms in which it may be put, with one space between words."""
        forms = {" ".join(self.question)}
        if isinstance(self.item, ChoiceItem):
            forms.add(_spaced(choice_prompt(self.item.question, self.item.options)))
        return forms

    @property
    def short(self) -> bool:
        return len(self.question) < SHORT


def _among_prompts(wanted: Sequence[_Wanted], pairs: Iterable[tuple[str, ...]]) -> set[_Wanted]:
    by_prompt: dict[str, list[_Wanted]] = defaultdict(list)
    for one in wanted:
        for form in one.prompts:
            by_prompt[form].append(one)
    found: set[_Wanted] = set()
    for prompt, completion in pairs:
        for one in by_prompt.get(_spaced(prompt), ()):
            if not one.short or _holds(_tokens(completion), one.answer):
                found.add(one)
    return found


def _in_documents(wanted: Sequence[_Wanted], documents: Iterable[str]) -> set[_Wanted]:
    whole: dict[str, list[_Wanted]] = defaultdict(list)
    lines: dict[str, list[_Wanted]] = defaultdict(list)
    begins: dict[tuple[str, ...], list[_Wanted]] = defaultdict(list)
    for one in wanted:
        if not one.short:
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
    reach = len(one.answer) if one.short else REACH + len(one.answer)
    return _holds(tokens[end : end + reach], one.answer)


def _holds(tokens: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part stands in the tokens, as whole words; an answer without any word always does."""
    return f" {' '.join(part)} " in f" {' '.join(tokens)} " or not part


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
        hint="What is trained on shows no capability: give other questions, or take them out of task.train.",
    )
