"""Held-out questions of a skill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trainables.data.sources import local_path
from trainables.errors import UserError
from trainables.evaluation.prompts import LETTERS
from trainables.settings import SkillConfig


@dataclass(frozen=True)
class ChoiceItem:
    """A question with options; `answer` is the index of the right one."""

    question: str
    options: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class OpenItem:
    """A question whose reply must be `answer`."""

    question: str
    answer: str


Item = ChoiceItem | OpenItem


def load_items(skill: SkillConfig, seed: int) -> list[Item]:
    """Reads a skill's items; with `limit`, a sample of them drawn by the seed, in the file's order.

    Raises:
        UserError: The file is missing or empty, a line is no item, items of both kinds are mixed, or
            open items are to be scored by likelihood, for which they have no options.
    """
    key = f"capability.skills.{skill.name}"
    path = local_path(skill.path, f"{key}.path")
    with path.open(encoding="utf-8") as stream:
        items = [
            _item(line, f"{skill.path}:{number}", key)
            for number, line in enumerate(stream, 1)
            if line.strip()
        ]
    kinds = {type(item) for item in items}
    if len(kinds) != 1:
        problem = "mixes items with and without options" if kinds else "is empty"
        raise UserError(f"{key}.path: {skill.path} {problem}.", hint="Give a skill's items one form.")
    if kinds == {OpenItem} and "likelihood" in skill.scoring:
        raise UserError(
            f"{key}.scoring: likelihood compares options, and the items of {skill.path} have none.",
            hint=f"Set {key}.scoring to [generation].",
        )
    if skill.limit is None or skill.limit >= len(items):
        return items
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(items))[: skill.limit]
    return [items[index] for index in np.sort(chosen)]


def items_fingerprint(items: Iterable[Sequence[Item]]) -> str:
    """SHA-256 over the items of all skills, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for skill in items:
        digest.update(json.dumps([asdict(item) for item in skill], sort_keys=True).encode())
    return digest.hexdigest()


def _item(line: str, place: str, key: str) -> Item:
    try:
        record = json.loads(line)
        item = _parse(record)
    except json.JSONDecodeError as error:
        raise UserError(f"{key}.path: {place} is not JSON: {error.msg}.") from error
    if item is None:
        raise UserError(
            f"{key}.path: {place} is no item.",
            hint='Items are {"question", "options": 2 to 26 different texts, "answer": index of the right '
            'one} or {"question", "answer": text}.',
        )
    return item


def _parse(record: Any) -> Item | None:
    match record:
        case {"question": str(question), "options": [*options], "answer": int(answer)}:
            texts = tuple(options)
            right = all(isinstance(text, str) and text.strip() for text in texts)
            if right and 2 <= len(set(texts)) == len(texts) <= len(LETTERS) and 0 <= answer < len(texts):
                return ChoiceItem(question, texts, answer)
        case {"question": str(question), "answer": str(answer)} if "options" not in record:
            return OpenItem(question, answer)
    return None
