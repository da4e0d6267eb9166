"""Per-item results of a measurement, read from their Parquet file."""

from __future__ import annotations

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
    from pyarrow import parquet

    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"{name} lies outside the search's folder.")
    try:
        rows = parquet.read_table(
            path, columns=list(_COLUMNS), filters=[("scoring", "=", "generation")]
        ).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{name} cannot be read as a table of items ({type(error).__name__}).") from error
    return {(row["skill"], row["item"]): _item(row) for row in rows}


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
