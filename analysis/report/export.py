"""All trials as a table, for other programs."""

from __future__ import annotations

import io
from typing import Any

import pyarrow
from pyarrow import compute, csv, parquet

from search.judging.causes import cause_of
from search.record import SearchState, TrialState


def table(state: SearchState) -> pyarrow.Table:
    """A row per trial, repetitions too, by number; measured values are those of step `measured_step`.

    Columns: trial, repeats, origin, status, cause, rung, step, measured_step, train_seconds, eval_seconds,
    then `param.<name>`, `metric.<name>`, and `metric.<name>.low`, `.high` and `.n` where it has an interval.
    """
    rows = [_row(trial) for trial in sorted(state.trials.values(), key=lambda trial: trial.number)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    names.sort(key=_place)
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    return pyarrow.table(columns)


def to_csv(table: pyarrow.Table) -> bytes:
    """The table as CSV; what is missing is empty.

    A text that spreadsheets would compute begins with an apostrophe, with which they show it as it is (OWASP,
    "CSV injection").
    """
    file = io.BytesIO()
    for index, name in enumerate(table.column_names):
        if pyarrow.types.is_string(table.schema.types[index]):
            texts = compute.replace_substring_regex(table.column(index), "^([=+@\\t\\r-])", "'\\1")
            table = table.set_column(index, name, texts)
    csv.write_csv(table, file)
    return file.getvalue()


def to_parquet(table: pyarrow.Table) -> bytes:
    """The table as Parquet."""
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def _row(trial: TrialState) -> dict[str, Any]:
    last = trial.last
    row: dict[str, Any] = {
        "trial": trial.number,
        "repeats": trial.confirms,
        "origin": trial.proposed.origin,
        "status": trial.status,
        "cause": cause_of(trial),
        "rung": last.rung if last else None,
        "step": last.step if last else 0,
        "measured_step": trial.measured.step if trial.measured else None,
        "train_seconds": trial.train_seconds,
        "eval_seconds": trial.eval_seconds,
    }
    row |= {f"param.{name}": param for name, param in trial.params.items()}
    if (measured := trial.measured) is not None:
        row |= {f"metric.{name}": float(metric) for name, metric in measured.metrics.items()}
        for name, interval in measured.intervals.items():
            row |= {
                f"metric.{name}.low": interval.low,
                f"metric.{name}.high": interval.high,
                f"metric.{name}.n": interval.n,
            }
    return row


def _place(name: str) -> tuple[int, str]:
    """Parameters before metrics, and each metric's bounds beside it."""
    kind = 0 if "." not in name else 1 if name.startswith("param.") else 2
    return kind, name if kind else ""


def _column(values: list[Any]) -> pyarrow.Array:
    """Of one type: a parameter may be a number in one trial and a word in another."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        numbers = kinds <= {int, float}
        values = [None if v is None else float(v) if numbers else str(v) for v in values]
    if not kinds:
        return pyarrow.array(values, pyarrow.string())
    # NaN is a value here, as in the record: a loss that diverged was measured.
    return pyarrow.array(values, from_pandas=False)
