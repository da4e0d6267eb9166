"""Held-out questions of a skill, and the wording in which they are put to a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from string import ascii_uppercase
from typing import Any

import numpy as np

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.questions import LABELLED, OPTIONS, answers_of, passage_of
from trainables.data.sources import local_path
from trainables.data.units import WrongRecord
from trainables.errors import UserError
from trainables.settings import SkillConfig
from trainables.text import encodable

LETTERS = ascii_uppercase
"""The letter of each option, by its index."""


@dataclass(frozen=True)
class ChoiceItem:
    """A question with options.

    Attributes:
        answer: The index of the right one.
        more: What else its record has.
    """

    question: str
    options: tuple[str, ...]
    answer: int
    more: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False, repr=False)

    def reworded(self, wording: Callable[[str], str]) -> ChoiceItem:
        """The same with another text of the question."""
        return replace(self, question=wording(self.question))


@dataclass(frozen=True)
class OpenItem:
    """A question whose reply must be `answer`, or one of `others`, which are as right.

    Attributes:
        more: What else its record has.
    """

    question: str
    answer: str
    others: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False, repr=False)

    @property
    def accepted(self) -> tuple[str, ...]:
        """All right answers."""
        return (self.answer, *self.others)

    def reworded(self, wording: Callable[[str], str]) -> OpenItem:
        """The same with another text of the question."""
        return replace(self, question=wording(self.question))


Item = ChoiceItem | OpenItem

_FORMS = (
    f'Items are {{"question", "options": 2 to {len(LETTERS)} different texts, "answer": index, letter or '
    'text of the right one} or {"question", "answer": text}; a "context", "passage" or "article" is asked '
    "before the question."
)


def load_items(skill: SkillConfig, seed: int) -> list[Item]:
    """Reads a skill's items; with `limit`, a sample of them drawn by the seed, in the file's order.

    Raises:
        UserError: As `read_items`, or open items are to be scored by likelihood, for which they have no
            options.
    """
    key = f"capability.skills.{skill.name}"
    items = read_items(skill.path, f"{key}.path")
    if isinstance(items[0], OpenItem) and set(skill.scoring) != {"generation"}:
        raise UserError(
            f"{key}.scoring: likelihood compares options, but the items of {skill.path} have none.",
            hint=f"Set {key}.scoring to [generation].",
        )
    if skill.limit is None or skill.limit >= len(items):
        return items
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(items))[: skill.limit]
    return [items[index] for index in np.sort(chosen)]


def read_items(source: str, key: str) -> list[Item]:
    """All items of a JSONL file, of which there is at least one.

    Args:
        source: A path, or `embedded:<file>`.
        key: Configuration key, for messages.

    Raises:
        UserError: The file is missing, empty or not UTF-8, a line is no item, or items with and without
            options are mixed.
    """
    path = local_path(source, key)
    items: list[Item] = []
    try:
        for number, line in numbered_lines(path, source):
            item = _item(line, f"{source}:{number}")
            if items and type(item) is not type(items[0]):
                raise UserError(
                    f"{source}:{number} mixes items with and without options",
                    hint="Use one form for all items of a skill.",
                )
            items.append(item)
        if not items:
            raise UserError(f"{source} is empty", hint=_FORMS)
    except UserError as error:
        raise UserError(f"{key}: {error.message}.", hint=error.hint) from error
    return items


def joined(fingerprints: Sequence[str]) -> str:
    """One fingerprint of several; a single one as it is."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    return hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def items_fingerprint(items: Iterable[Sequence[Item]]) -> str:
    """SHA-256 over the items of all skills, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for skill in items:
        digest.update(json.dumps([asked(item) for item in skill], sort_keys=True).encode())
    return digest.hexdigest()


def asked(item: Item) -> dict[str, Any]:
    """What is put to a model, and what must come back."""
    return {name: value for name, value in asdict(item).items() if name != "more" and value != ()}


def _item(line: str, place: str) -> Item:
    try:
        return parse_item(parse_json(line, place))
    except WrongRecord as error:
        raise UserError(f"{place} is not an item: {error.message}", hint=error.hint) from error


def offers_options(record: Mapping[str, Any]) -> bool:
    """Whether the record of an item offers options."""
    return _offered(record) is not None


def parse_item(record: Any) -> Item:
    """The item that a record is.

    A context comes before the question, as where such records are trained on.

    Raises:
        WrongRecord: It is none; says why.
    """
    if not isinstance(record, dict):
        raise WrongRecord("it is not an object", _FORMS)
    question = record.get("question")
    if not _is_text(question):
        raise WrongRecord(
            "its question is not text" if "question" in record else "it has no question", _FORMS
        )
    context = passage_of(record)
    text = f"{context}\n\n{question}" if context else str(question)
    _, answers = answers_of(record, LABELLED)
    if not answers:
        raise WrongRecord("it has no answer", _FORMS)
    more = {name: value for name, value in record.items() if name not in ("question", "options", "answer")}
    if (offered := _offered(record)) is not None:
        labels, options = _options(offered)
        item: Item = ChoiceItem(text, options, _right(answers, labels, options), more=more)
    elif all(map(_is_text, answers)):
        first, *others = dict.fromkeys(answers)
        item = OpenItem(text, first, tuple(others), more=more)
    else:
        raise WrongRecord("without options, its answer must be text", _FORMS)
    texts = item.options if isinstance(item, ChoiceItem) else item.accepted
    if not all(map(encodable, (item.question, *texts))):
        raise WrongRecord("it has invalid characters", _FORMS)
    return item


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _offered(record: Mapping[str, Any]) -> Any:
    """The options as they are given, also each in a field of its letter; None where there are none."""
    lettered = {
        letter: record[letter] for letter in takewhile(lambda each: _is_text(record.get(each)), LETTERS)
    }
    given = (record[name] for name in OPTIONS if record.get(name) is not None)
    return next(given, lettered if len(lettered) > 1 else None)


def _options(given: Any) -> tuple[list[str], tuple[str, ...]]:
    """Labels and texts of options: a list, an object of both (ARC), or texts by their labels."""
    labels: Any = None
    if isinstance(given, dict):
        arc = isinstance(given.get("text"), list)
        labels, given = (given.get("label"), given["text"]) if arc else (list(given), list(given.values()))
    if not isinstance(given, list) or not all(map(_is_text, given)):
        raise WrongRecord("its options are not a list of texts", _FORMS)
    if not 2 <= len(given) <= len(LETTERS):
        raise WrongRecord(f"it has {len(given)} options, not 2 to {len(LETTERS)}", _FORMS)
    if len(set(given)) != len(given):
        raise WrongRecord("two of its options are the same", _FORMS)
    if not isinstance(labels, list) or len(labels) != len(given):
        labels = LETTERS[: len(given)]
    return [str(label) for label in labels], tuple(given)


def _right(answers: Sequence[Any], labels: Sequence[str], options: Sequence[str]) -> int:
    """The index of the one right option."""
    right = {_place(answer, labels, options) for answer in answers}
    if len(right) > 1:
        raise WrongRecord("it has several right options", _FORMS)
    return right.pop()


def _place(answer: Any, labels: Sequence[str], options: Sequence[str]) -> int:
    """The index of an option, which is given by its index, its label or its text."""
    named = [label == str(answer) or text == answer for label, text in zip(labels, options, strict=True)]
    # `true` is a whole number in Python, and not in JSON.
    if type(answer) is int and 0 <= answer < len(options) and not any(named):
        return answer
    if named.count(True) > 1:
        raise WrongRecord(f"its answer {answer!r} is the letter of an option and the text of another", _FORMS)
    if not any(named) or isinstance(answer, bool):
        raise WrongRecord(
            f"its answer must be the index of an option, 0 to {len(options) - 1}, its letter or its text",
            _FORMS,
        )
    return named.index(True)


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """Return the user message that asks to choose an option.

    Raises:
        ValueError: if there are no options, or more than there are letters.
    """
    if not 1 <= len(options) <= len(LETTERS):
        raise ValueError(f"expected 1 to {len(LETTERS)} options, got {len(options)}")
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, "Answer with one of the options."])
