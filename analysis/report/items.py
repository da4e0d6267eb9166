"""Per-item results of a measurement, read from their Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"{name} lies outside the search's folder.")
    try:
        rows: list[dict[str, Any]] = parquet.read_table(
            path, columns=list(columns), filters=wanted
        ).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{name} cannot be read as a table of items ({type(error).__name__}).") from error
    return rows


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
