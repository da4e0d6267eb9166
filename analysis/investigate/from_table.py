"""The rows of a table as something to investigate: one study per model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.investigate.errors import InputError
from analysis.investigate.shares import read_shares
from analysis.investigate.study import Case, Measured, Share, Study
from analysis.investigate.table_file import Cell, TableFile, read_number
from analysis.investigate.words import listed
from trainables.nearest import did_you_mean


@dataclass(frozen=True)
class Columns:
    """Which column is what, and what the table does not say.

    Attributes:
        base: The base model's capability by model; under "" that of all models.
        base_row: (column, value) of the rows that are the base model itself.
        items: Number of items, or the column that has it.
        chance: A guesser's share of right answers.
        percent: Whether shares without a percent sign are percentages; None decides by their size.
    """

    lr: str
    loss: str
    capability: str
    rank: str | None = None
    model: str | None = None
    unparseable: str | None = None
    likelihood: str | None = None
    steps: str | None = None
    base: Mapping[str, float] = field(default_factory=dict)
    base_row: tuple[str, str] | None = None
    items: int | str | None = None
    chance: float | None = None
    percent: bool | None = None


def from_table(table: TableFile, columns: Columns) -> list[Study]:
    """One study per model, in the order in which models first appear.

    Raises:
        InputError: A column is missing or holds no numbers, a base model is given that is not there, or rows
            of a base model differ.
    """
    rows, notes = _read(table, columns)
    models = list(dict.fromkeys(row.model for row in rows))
    for name in columns.base:
        if name and name not in models:
            raise InputError(
                f"--base {name}=...: there is no model {name!r}.", hint=did_you_mean(name, models)
            )
    return [_study(model or table.path.name, model, rows, columns, notes) for model in models]


@dataclass(frozen=True)
class _Row:
    model: str
    is_base: bool
    case: Case


def _read(table: TableFile, columns: Columns) -> tuple[list[_Row], tuple[str, ...]]:
    x = table.numbers(columns.lr, "--lr")
    loss = table.numbers(columns.loss, "--loss")
    named = {name: getattr(columns, name) for name in _SHARES}
    shared, notes = read_shares(
        table, {f"--{name}": column for name, column in named.items() if column is not None}, columns.percent
    )
    capability = shared.pop("--capability")
    parts = {option.removeprefix("--"): values for option, values in shared.items()}
    steps = _counts(table, columns.steps, "--steps") if columns.steps else [None] * table.rows
    n = _items(table, columns.items)
    groups = _groups(table, columns.rank) if columns.rank else [None] * table.rows
    models = table.column(columns.model, "--model") if columns.model else [""] * table.rows
    is_base = _base_rows(table, columns.base_row)
    rows = []
    for i in range(table.rows):
        shares = {name: Share(values[i], n[i]) for name, values in parts.items() if math.isfinite(values[i])}
        if "unparseable" in shares:
            shares["unread"] = shares["unparseable"]
        if "likelihood" in shares:
            shares["generation"] = Share(capability[i], n[i])
        measured = Measured(steps[i], loss[i], capability[i], n[i], shares=shares)
        params: dict[str, object] = {columns.lr: x[i]} | ({columns.rank: groups[i]} if columns.rank else {})
        case = Case(f"row {table.lines[i]}", x[i], groups[i], params, (measured,))
        rows.append(_Row(str(models[i]).strip(), is_base[i], case))
    _refuse_unplaced(rows, columns, table)
    return rows, notes


_SHARES = ("capability", "unparseable", "likelihood")


def _study(name: str, model: str, rows: Sequence[_Row], columns: Columns, notes: tuple[str, ...]) -> Study:
    rows_of_model = [row for row in rows if row.model == model]
    cases = [row.case for row in rows_of_model if not row.is_base]
    known = tuple(case for case in cases if math.isfinite(case.last.capability))
    bases = [row.case for row in rows_of_model if row.is_base and math.isfinite(row.case.last.capability)]
    base = _one_base(bases, name) if bases else _given_base(columns, model, known)
    steps = [case.last.step for case in known if case.last.step is not None]
    return Study(
        name=name,
        parameter=columns.lr,
        group=columns.rank,
        cases=known,
        base=base,
        budget=max(steps, default=None),
        chance=columns.chance,
        unmeasured=tuple(("failed", case.x) for case in cases if not math.isfinite(case.last.capability)),
        notes=notes,
    )


def _one_base(bases: Sequence[Case], name: str) -> Measured:
    """The row of the base model; of several that agree the first."""
    first, *others = bases
    for other in others:
        if (other.last.capability, other.last.n) != (first.last.capability, first.last.n):
            raise InputError(
                f"{name}: {listed([base.label for base in bases])} are rows of the base model and differ in "
                "capability or in the number of items.",
                hint="Leave one of them, or name their model with --model COLUMN.",
            )
    return first.last


def _given_base(columns: Columns, model: str, cases: Sequence[Case]) -> Measured | None:
    value = columns.base.get(model, columns.base.get(""))
    if value is None:
        return None
    sizes = [case.last.n for case in cases if case.last.n is not None]
    # The base model was evaluated on all items: the most that any row was.
    return Measured(0, math.nan, value, max(sizes, default=None))


def _items(table: TableFile, items: int | str | None) -> list[int | None]:
    if isinstance(items, str):
        return [n if n is not None and n >= 1 else None for n in _counts(table, items, "--items")]
    return [items] * table.rows


def _counts(table: TableFile, column: str, option: str) -> list[int | None]:
    """A column of whole numbers; None for empty cells."""
    values = table.numbers(column, option)
    for value, line in zip(values, table.lines, strict=True):
        if not math.isnan(value) and (math.isinf(value) or value != int(value)):
            raise InputError(f"{option} {column}: {value:g} in row {line} is not a whole number.")
    return [None if math.isnan(value) else int(value) for value in values]


def _base_rows(table: TableFile, base_row: tuple[str, str] | None) -> list[bool]:
    if base_row is None:
        return [False] * table.rows
    name, value = base_row
    is_base = [_same(table, cell, value) for cell in table.column(name, "--base-row")]
    if not any(is_base):
        raise InputError(f"--base-row {name}={value}: no row of {table.path} has that value.")
    return is_base


def _same(table: TableFile, cell: Cell, value: str) -> bool:
    if str(cell).strip() == value.strip():
        return True
    try:
        return cell is not None and table.value(cell) == read_number(value, "," if "," in value else ".")
    except (ValueError, TypeError, OverflowError):
        return False


def _refuse_unplaced(rows: Sequence[_Row], columns: Columns, table: TableFile) -> None:
    for row in rows:
        if not row.is_base and not math.isfinite(row.case.x):
            raise InputError(
                f"{table.path}: {row.case.label} has no finite value of {columns.lr!r}.",
                hint="Name the row of the base model with --base-row COLUMN=VALUE.",
            )


def _groups(table: TableFile, column: str) -> list[float | str | None]:
    """The values of the grouping parameter, numbers where they are; None for empty cells."""
    groups: list[float | str | None] = []
    for cell, line in zip(table.column(column, "--rank"), table.lines, strict=True):
        try:
            value = table.value(cell)
        except ValueError:
            groups.append(str(cell).strip())
        except (TypeError, OverflowError):
            message = f"--rank {column}: {cell!r} in row {line} is neither a number nor text."
            raise InputError(message) from None
        else:
            groups.append(None if math.isnan(value) else value)
    return groups
