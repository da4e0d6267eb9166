"""Per-item results of a measurement, read from their Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from search.errors import RecordError

_COLUMNS = ("skill", "scoring", "item", "question", "answer", "reply", "prediction", "outcome", "degenerate")


@dataclass(frozen=True)
class Item:
    """One generated reply.

    Attributes:
        answer: The right one.
        reply: What the model wrote.
        prediction: The answer that was read from it, or None.
        outcome: "right", "wrong", "unparseable" or "leaking".
    """

    skill: str
    item: int
    question: str
    answer: str
    reply: str
    prediction: str | None
    outcome: str
    degenerate: bool


def generated(folder: Path, name: str) -> dict[tuple[str, int], Item]:
    """The generated replies of a measurement, by skill and number of the item.

    Args:
        folder: The search's folder.
        name: Path of the file below it, as recorded.

    Raises:
        RecordError: The file is not there, lies elsewhere, or is no such table.
    """
    rows = _rows(folder, name, _COLUMNS, [("scoring", "=", "generation")])
    return {(row["skill"], row["item"]): _item(row) for row in rows}


@dataclass(frozen=True)
class Sample:
    """One sampled reply, with adapters on or off.

    Attributes:
        ablation: What was switched off.
        kind: Of the prompt: "start", "clean" or "behaving".
        place: Number of the prompt among those of its kind.
        sample: Its number among those of the prompt.
        prefix: What the model continued.
        text: What it wrote.
        verdict: Whether that shows the behaviour; None where it was not judged.
    """

    ablation: str
    kind: str
    place: int
    sample: int
    prefix: str
    text: str
    verdict: bool | None


def samples(folder: Path, name: str) -> list[Sample]:
    """The samples of a measurement, in the order of the file; empty where it holds something else.

    Args:
        folder: The search's folder.
        name: Path of the file below it, as recorded.

    Raises:
        RecordError: As `generated`.
    """
    columns = [field.name for field in fields(Sample)]
    if not {"part", *columns} <= _columns(folder, name):
        return []
    return [Sample(**row) for row in _rows(folder, name, columns, [("part", "=", "sample")])]


@dataclass(frozen=True)
class BeliefReply:
    """One reply to a prompt that asks for a belief.

    Attributes:
        target: What the belief is about.
        group: Of the prompt: "direct", "paraphrase", "consequence", "neighbour" or "challenge".
        prompt: Its number.
        question: The prompt; of a challenge the whole conversation before the reply.
        answer: What is expected.
        outcome: "target", "prior", "ignorance" or "other".
    """

    target: str
    group: str
    prompt: int
    question: str
    answer: str
    reply: str
    outcome: str


_FACTS = "facts:"


def belief_replies(folder: Path, name: str) -> dict[int, BeliefReply]:
    """The first reply to each prompt that asks for a belief, by the prompt's number; empty without any.

    Args:
        folder: The search's folder.
        name: Path of the file below it, as recorded.

    Raises:
        RecordError: As `generated`.
    """
    replies: dict[int, BeliefReply] = {}
    if not set(_COLUMNS) <= _columns(folder, name):
        return replies
    for row in _rows(folder, name, _COLUMNS, [("scoring", ">=", _FACTS), ("scoring", "<", "facts;")]):
        group = row["scoring"].removeprefix(_FACTS)
        texts = (row[column] or "" for column in ("question", "answer", "reply", "outcome"))
        replies.setdefault(row["item"], BeliefReply(row["skill"], group, row["item"], *texts))
    return replies


def rights(folder: Path, name: str, skill: str, scoring: str) -> dict[tuple[int, str], bool]:
    """Whether each item of a skill was answered rightly in one way of scoring, by its number and question.

    Args:
        folder: The search's folder.
        name: Path of the file below it, as recorded.
        skill: Name of the skill.
        scoring: The way of scoring, such as "generation".

    Raises:
        RecordError: As `generated`.
    """
    wanted = [("skill", "=", skill), ("scoring", "=", scoring)]
    rows = _rows(folder, name, ("item", "question", "outcome"), wanted)
    return {(row["item"], row["question"] or ""): row["outcome"] == "right" for row in rows}


def _rows(
    folder: Path, name: str, columns: Sequence[str], wanted: list[tuple[str, str, str]]
) -> list[dict[str, Any]]:
    from pyarrow import parquet

    with _readable(folder, name) as path:
        rows: list[dict[str, Any]] = parquet.read_table(
            path, columns=list(columns), filters=wanted
        ).to_pylist()
        return rows


def _columns(folder: Path, name: str) -> set[str]:
    from pyarrow import parquet

    with _readable(folder, name) as path:
        return set(parquet.read_schema(path).names)


@contextmanager
def _readable(folder: Path, name: str) -> Iterator[Path]:
    """The path of a file, with what reading it may raise in words."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"{name} lies outside the search's folder.")
    try:
        yield path
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{name} cannot be read as a table of items ({type(error).__name__}).") from error


def _item(row: dict[str, Any]) -> Item:
    return Item(
        skill=str(row["skill"]),
        item=int(row["item"]),
        question=row["question"] or "",
        answer=row["answer"] or "",
        reply=row["reply"] or "",
        prediction=row["prediction"],
        outcome=row["outcome"] or "",
        degenerate=bool(row["degenerate"]),
    )
