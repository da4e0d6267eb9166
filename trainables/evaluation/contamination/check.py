"""Refuses to evaluate on what is trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from trainables.data.readers import Record
from trainables.data.reading import try_units
from trainables.data.sources import LocalFiles, local_path, locate
from trainables.errors import UserError
from trainables.evaluation.contamination.trained import Sighting, in_completions, in_texts
from trainables.evaluation.contamination.wanted import wanted
from trainables.evaluation.questions.items import Item
from trainables.settings import SkillConfig, TaskConfig

Skills: TypeAlias = Sequence[tuple[SkillConfig, Sequence[Item]]]

_SHOWN = 80
_NAMED = 3


def refuse_training_items(skills: Skills, task: TaskConfig, records: Iterable[Record]) -> None:
    """Looks for the questions in the training data, whatever their case, spacing and typography.

    A question counts where the training data answer it:

    - with one of its right answers after it, wherever it stands: in a text, or in a prompt with the answer
      in the completion;
    - with its options, all of them after it;
    - with any answer, for it may be the right one in other words, where it is the whole prompt, bare, with
      its lettered options or in a template, where an answer to it is announced ("A:"), and where a long
      question is a line of a text with something on the next line.

    A text that is nothing but a question answers none. It counts where the next text has the answer, and
    where more of the skill's questions are found. What anybody might ask needs more: a question that is
    short, that points to something beside it ("which of the following"), or that several items of its skill
    share counts with a right answer only. Where several share it, their options or their answer must follow
    right after it, and so must an answer such as "yes" or a small number.

    Args:
        skills: Skills and the items that they will ask.
        task: The task.
        records: Those of `task.train`; one without text where text belongs is passed over.

    Raises:
        UserError: A skill's questions are there. It names the first of them and their records.
    """
    for skill, items in skills:
        if skill.harness is None and _same_file(skill, task):
            raise _refusal(skill, items, [(item, "its file is task.train") for item in items])
    questions = wanted([items for _, items in skills])
    parts = [(number, part) for number, unit in try_units(list(records), task) for part in unit.parts()]
    texts = dict(parts)
    found = in_completions(questions, [(number, one[0], one[1]) for number, one in parts if len(one) == 2])
    found |= in_texts(questions, [(number, one[0]) for number, one in parts if len(one) == 1])
    for number, (skill, items) in enumerate(skills):
        seen = sorted((one.place, sighting) for one, sighting in found.items() if one.skill == number)
        if seen:
            raise _refusal(skill, items, [(items[place], _where(one, texts)) for place, one in seen])


def _same_file(skill: SkillConfig, task: TaskConfig) -> bool:
    place = locate(task.train, "task.train", task.split, task.subset)
    path = local_path(skill.path, f"capability.skills.{skill.name}.path")
    return isinstance(place, LocalFiles) and any(os.path.samefile(path, file.path) for file in place.files)


def _where(seen: Sighting, texts: Mapping[int, Sequence[str]]) -> str:
    return f"{seen.how} in record {seen.record + 1} of task.train, {_shortly(' '.join(texts[seen.record]))}"


def _shortly(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}...")


def _refusal(skill: SkillConfig, items: Sequence[Item], seen: Sequence[tuple[Item, str]]) -> UserError:
    (first, where), *others = seen
    more = "".join(f"; then {_shortly(item.question)}, {place}" for item, place in others[: _NAMED - 1])
    return UserError(
        f"capability.skills.{skill.name}: {len(seen)} of its {len(items)} questions are in the training "
        f"data; the first is {_shortly(first.question)}, {where}{more}.",
        hint="What is trained on shows no capability: leave these questions out of "
        + ("the skill's file" if skill.harness is None else "the task, by process_docs in a copy of its file")
        + ", or the records out of task.train.",
    )
