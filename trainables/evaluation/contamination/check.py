"""Searches the training data for the questions of an evaluation.

A question that stands there with its accepted answer is refused. One that only overlaps with the training
data, by 13 words in a row as in Brown et al. (2020, arXiv:2005.14165, appendix C), is reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from trainables.data.reading import ReadUnits
from trainables.data.sources import LocalFiles, local_path, locate
from trainables.errors import UserError
from trainables.evaluation.contamination.words import Match, Phrases, PlainText, grams
from trainables.evaluation.harness.sought import AcceptedChoice
from trainables.evaluation.questions.items import LETTERS, ChoiceItem, Item, choice_prompt
from trainables.settings import SkillConfig, TaskConfig

Skills: TypeAlias = Sequence[tuple[SkillConfig, Sequence[Item]]]
Words: TypeAlias = tuple[str, ...]
Asked: TypeAlias = tuple[int, int]
"""A question: the number of its skill, and its place among the skill's items."""

OVERLAP = 13
"""Words in a row that a question and a record must have in common to overlap."""

SHORTEST = 5
"""A question of fewer words never overlaps."""

TELLING = 8
"""A question of fewer words may be said by chance, and counts with its answer on a line of their own only."""

BETWEEN = 4
"""Words between a question and its answer, at most: "Answer:", or the marks of a chat template."""

COMMON = 10
"""A phrase that more questions than this have in common is how they ask, and no overlap."""

_RESULT = "####"
"""What stands before the result where an answer is a worked solution, as in GSM8K."""

_SHOWN = 80
_NAMED = 3


@dataclass
class _Phrase:
    """Words in a row of some questions.

    Attributes:
        questions: Those of which they are part of the text.
        answers: Where they are the whole of a question, who accepts which answer.
        lengths: Words of these answers.
    """

    questions: set[Asked] = field(default_factory=set)
    answers: dict[Words, list[Asked]] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)


@dataclass
class Contamination:
    """Questions that are in the training data, each with the first record that has it.

    Attributes:
        answered: With an accepted answer.
        overlapping: With words in a row of theirs, at least.
    """

    answered: dict[Asked, int] = field(default_factory=dict)
    overlapping: dict[Asked, int] = field(default_factory=dict)


def check_questions(skills: Skills, task: TaskConfig, read: ReadUnits) -> str:
    """Searches the training data for the questions of an evaluation, in time linear in both.

    Args:
        skills: Skills and the items that they will ask.
        task: The task.
        read: The records of `task.train`.

    Returns:
        A warning of the questions that overlap with the training data; empty where none does.

    Raises:
        UserError: Questions of a skill are there with their answers, or its file is `task.train`.
    """
    for skill, _ in skills:
        if skill.harness is None and _same_file(skill, task):
            raise _refusal(skill, "its file is task.train.")
    contamination = find_questions([items for _, items in skills], (unit.text for unit in read.units))
    for number, (skill, items) in enumerate(skills):
        if answered := _of_skill(number, contamination.answered):
            raise _refusal(skill, _with_answers(items, answered, read))
    warnings = []
    for number, (skill, items) in enumerate(skills):
        if overlapping := _of_skill(number, contamination.overlapping):
            (place, row), *_ = overlapping
            warnings.append(
                f"{len(overlapping)} of {len(items)} questions of capability.skills.{skill.name} overlap "
                f"with the training data by {OVERLAP} words in a row, or by all their words where they have "
                "fewer; "
                f"the first is {_shortly(items[place].question)}, with {read.place(row)}"
            )
    return "; ".join(warnings)


def find_questions(skills: Sequence[Sequence[Item]], texts: Iterable[str]) -> Contamination:
    """Searches texts for the questions of skills.

    A question is there with its answer where its words stand in a row, whatever their case, punctuation and
    typography, and an accepted answer

    - comes next, with at most `BETWEEN` words and a break between the two, and ends at a break; or
    - is the end of the text, for a question of `OVERLAP` words or more.

    A break is punctuation, the end of a line or the end of the text. A question of fewer than `TELLING` words
    must begin after one, and its answer end a line, a turn or the text: "The sky is" and "blue" stand in many
    texts, as do "Are you sure?" and "Yes".
    """
    phrases = _phrases(skills)
    contamination = Contamination()
    for number, given in enumerate(texts):
        text = PlainText(given)
        for match in phrases.matches(text.words):
            phrase = match.value
            if phrase.answers and (match.end - match.start >= TELLING or text.breaks(match.start)):
                for answer in _answers_after(text, match):
                    for asked in phrase.answers[answer]:
                        contamination.answered.setdefault(asked, number)
            if len(phrase.questions) <= COMMON:
                for asked in phrase.questions:
                    contamination.overlapping.setdefault(asked, number)
    return contamination


def _answers_after(text: PlainText, match: Match[_Phrase]) -> Iterator[Words]:
    """Accepted answers that follow a question, or end the text after a long one."""
    phrase, end, words = match.value, match.end, match.end - match.start
    ends = text.breaks if words >= TELLING else text.ends
    for start in range(end, min(end + BETWEEN, len(text.words)) + 1):
        if start == end or text.breaks(start):
            for length in phrase.lengths:
                answer = text.words[start : start + length]
                if answer in phrase.answers and ends(start + length):
                    yield answer
    if words >= OVERLAP:
        for length in phrase.lengths:
            if len(text.words) - length >= end and text.words[-length:] in phrase.answers:
                yield text.words[-length:]


def _phrases(skills: Sequence[Sequence[Item]]) -> Phrases[_Phrase]:
    phrases: Phrases[_Phrase] = Phrases()

    def phrase(words: Words) -> _Phrase:
        known = phrases.get(words)
        if known is None:
            phrases[words] = known = _Phrase()
        return known

    for number, items in enumerate(skills):
        for place, item in enumerate(items):
            for question, answers in _forms(item):
                whole = phrase(question)
                for answer in answers:
                    whole.answers.setdefault(answer, []).append((number, place))
                    whole.lengths.add(len(answer))
            question = PlainText(item.question).words
            if len(question) >= SHORTEST:
                for part in grams(question, min(OVERLAP, len(question))):
                    phrase(part).questions.add((number, place))
    return phrases


def _forms(item: Item) -> Iterator[tuple[Words, list[Words]]]:
    """The ways in which a question is asked, by itself or with its options, and its answers in each."""
    question = PlainText(item.question).words
    if isinstance(item, ChoiceItem):
        options = [PlainText(text).words for text in item.options]
        right = (item.answer, *(item.others if isinstance(item, AcceptedChoice) else ()))
        answers = [options[index] for index in right]
        letters = [PlainText(LETTERS[index]).words for index in right]
        listed = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, item.options, strict=False))
        forms = [
            (question, answers),
            (PlainText("\n".join((item.question, *item.options))).words, answers),
            (PlainText(f"{item.question}\n{listed}").words, answers + letters),
            (PlainText(choice_prompt(item.question, item.options)).words, answers + letters),
        ]
    else:
        results = [text.rpartition(_RESULT)[2] for text in item.accepted if _RESULT in text]
        forms = [(question, [PlainText(text).words for text in dict.fromkeys((*item.accepted, *results))])]
    for words, answers in forms:
        if words:
            yield words, [answer for answer in answers if answer]


def _of_skill(number: int, rows: Mapping[Asked, int]) -> list[tuple[int, int]]:
    """Places of a skill's questions, in its order, each with the row of the record that has it."""
    return sorted((place, row) for (skill, place), row in rows.items() if skill == number)


def _with_answers(items: Sequence[Item], seen: Sequence[tuple[int, int]], read: ReadUnits) -> str:
    shown = [
        f"{_shortly(items[place].question)} in {read.place(row)}, {_shortly(read.units[row].text)}"
        for place, row in seen[:_NAMED]
    ]
    return (
        f"{len(seen)} of its {len(items)} questions are in the training data with their answers; the first "
        f"is {'; then '.join(shown)}."
    )


def _same_file(skill: SkillConfig, task: TaskConfig) -> bool:
    place = locate(task.train, "task.train", task.split, task.subset)
    path = local_path(skill.path, f"capability.skills.{skill.name}.path")
    return isinstance(place, LocalFiles) and any(os.path.samefile(path, file.path) for file in place.files)


def _shortly(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}...")


def _refusal(skill: SkillConfig, message: str) -> UserError:
    return UserError(
        f"capability.skills.{skill.name}: {message}",
        hint="Questions in the training data do not measure capability: remove these questions from "
        + ("the skill's file" if skill.harness is None else "the task, by process_docs in a copy of its file")
        + ", or the records from task.train.",
    )
