"""Held-out questions of a skill, and the wording in which they are put to a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import ascii_uppercase
from typing import Any

import numpy as np

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.sources import local_path
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
    """A question whose reply must be `answer`.

    Attributes:
        more: What else its record has.
    """

    question: str
    answer: str
    more: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False, repr=False)

    def reworded(self, wording: Callable[[str], str]) -> OpenItem:
        """The same with another text of the question."""
        return replace(self, question=wording(self.question))


Item = ChoiceItem | OpenItem

_FORMS = (
    f'Items are {{"question", "options": 2 to {len(LETTERS)} different texts, "answer": index of the right '
    'one} or {"question", "answer": text}.'
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
    return {name: value for name, value in asdict(item).items() if name != "more"}


def _item(line: str, place: str) -> Item:
    record = parse_json(line, place)
    item = _parse(record) if isinstance(record, dict) else "it is not an object"
    if isinstance(item, str):
        raise UserError(f"{place} is not an item: {item}", hint=_FORMS)
    return item


def _texts(record: dict[str, Any]) -> Iterator[str]:
    options = record.get("options")
    for value in (record["question"], record["answer"], *(options if isinstance(options, list) else ())):
        if isinstance(value, str):
            yield value


def _parse(record: dict[str, Any]) -> Item | str:
    """The item, or why it is none."""
    question, answer = record.get("question"), record.get("answer")
    if not (isinstance(question, str) and question.strip()):
        return "its question is not text" if "question" in record else "it has no question"
    if "answer" not in record:
        return "it has no answer"
    if not all(map(encodable, _texts(record))):
        return "it has invalid characters"
    if "options" not in record:
        known = isinstance(answer, str) and answer.strip()
        if not known:
            return "without options, its answer must be text"
        return OpenItem(question, str(answer), more=_more(record))
    options = record["options"]
    if not isinstance(options, list) or not all(isinstance(text, str) and text.strip() for text in options):
        return "its options are not a list of texts"
    if not 2 <= len(options) <= len(LETTERS):
        return f"it has {len(options)} options, not 2 to {len(LETTERS)}"
    if len(set(options)) != len(options):
        return "two of its options are the same"
    # `true` is a whole number in Python, and not in JSON.
    if type(answer) is not int or not 0 <= answer < len(options):
        return f"its answer must be the index of an option, 0 to {len(options) - 1}"
    return ChoiceItem(question, tuple(options), answer, more=_more(record))


def _more(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("question", "options", "answer")}


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """Return the user message that asks to choose an option.

    Raises:
        ValueError: if there are no options, or more than there are letters.
    """
    if not 1 <= len(options) <= len(LETTERS):
        raise ValueError(f"expected 1 to {len(LETTERS)} options, got {len(options)}")
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, "Answer with one of the options."])
