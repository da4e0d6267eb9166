"""Answers item by item, as the per-item Parquet files of a search hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.errors import InputError

SCORINGS = ("generation", "likelihood")
READ = ("right", "wrong")
"""Outcomes of replies from which an answer could be read."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model answered to the items of one skill in one way of scoring.

    Attributes:
        items: Index of each item within the skill, shape (n,), ascending.
        questions: Its text.
        outcomes: "right", "wrong", "unparseable" or "leaking".
        replies: What was generated; None by likelihood.
        options: Number of options of each item where they were scored; 0 where that is not known.
    """

    items: NDArray[np.int64]
    questions: NDArray[np.object_]
    outcomes: NDArray[np.object_]
    replies: NDArray[np.object_]
    options: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each item was answered rightly, shape (n,)."""
        return np.asarray(self.outcomes == "right", dtype=np.bool_)

    @property
    def read(self) -> NDArray[np.bool_]:
        """Whether an answer could be read, right or wrong, shape (n,)."""
        return np.isin(self.outcomes.astype(str), READ)

    def same_items(self, other: Answers) -> bool:
        """Whether both are to the same questions in the same order."""
        return np.array_equal(self.items, other.items) and np.array_equal(self.questions, other.questions)


def read_answers(path: Path) -> Mapping[tuple[str, str], Answers]:
    """The answers of a per-item Parquet file, by skill and way of scoring; empty where there is no file.

    Rows of other kinds (held-out and general text) are left out.

    Raises:
        InputError: The file is damaged, or lacks a column.
    """
    if not path.is_file():
        return {}
    import pyarrow
    import pyarrow.parquet

    wanted = ("skill", "scoring", "item", "question", "outcome", "reply", "values")
    try:
        table = pyarrow.parquet.read_table(path, columns=list(wanted))
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0].rstrip('.')}).") from error
    if missing := set(wanted) - set(table.column_names):
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}.")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in wanted[:-1]}
    columns["options"] = _lengths(table.column("values"))
    answers = {}
    for scoring in SCORINGS:
        of_way = columns["scoring"] == scoring
        for skill in dict.fromkeys(columns["skill"][of_way]):
            rows = np.flatnonzero(of_way & (columns["skill"] == skill))
            answers[str(skill), scoring] = _answers(columns, rows)
    return answers


def _answers(columns: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> Answers:
    rows = rows[np.argsort(columns["item"][rows], kind="stable")]
    return Answers(
        columns["item"][rows].astype(np.int64),
        columns["question"][rows],
        columns["outcome"][rows],
        columns["reply"][rows],
        columns["options"][rows].astype(np.int64),
    )


def _lengths(column: Any) -> NDArray[np.int64]:
    import pyarrow.compute

    lengths = pyarrow.compute.fill_null(pyarrow.compute.list_value_length(column), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
