"""What a form of data is, and how it is recognised by the fields of records. Light: no torch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trainables.data.fields import fields_of, text_of
from trainables.data.units import Unit, WrongRecord
from trainables.registry import Registry
from trainables.settings import TaskConfig

Row: TypeAlias = Mapping[str, Any]
Needs: TypeAlias = tuple[tuple[str, ...], ...]
Make: TypeAlias = Callable[[Row, TaskConfig], Unit | Sequence[Unit]]

AUTO = "auto"
_LOOKED_AT = 100
TEMPLATE = "template"


@dataclass(frozen=True)
class Format:
    """A form of records.

    Attributes:
        needs: The fields by which it is recognised, each under any of its names.
        make: Makes of a record what is trained on, one unit or several; raises `WrongRecord`.
        example: A record of this form, which no other form takes.
        heldout: Makes of a record what is held out, where that is no part of what is trained on; None where
            a part of the records is to be held out.
    """

    name: str
    needs: Callable[[TaskConfig], Needs]
    make: Make
    example: Row
    heldout: Callable[[Row, TaskConfig], Sequence[Unit]] | None = None

    def fits(self, record: Row, task: TaskConfig) -> bool:
        """Whether a record has its fields."""
        needs = self.needs(task)
        return bool(needs) and all(named(record, names) is not None for names in needs)


FORMATS: Registry[Format] = Registry("format")
"""In the order in which they are tried."""


def register(
    name: str,
    line: str,
    needs: Callable[[TaskConfig], Needs],
    example: Row,
    heldout: Callable[[Row, TaskConfig], Sequence[Unit]] | None = None,
) -> Callable[[Make], Format]:
    """Registers the decorated function, which makes of a record what is trained on.

    Args:
        name: Name used in configuration.
        line: One line for `--list`.
        needs: See `Format`.
        example: See `Format`.
        heldout: See `Format`.
    """
    return lambda make: FORMATS.register(name, line)(Format(name, needs, make, example, heldout))


def recognise(rows: Sequence[Row], task: TaskConfig) -> Format:
    """The form of records: what `task.format` says, or what the fields of the first records do.

    Args:
        rows: Records, at least one.
        task: Says the form, or fields by which it is known.

    Raises:
        WrongRecord: No form has such fields.
    """
    if task.format != AUTO:
        return FORMATS[task.format]
    if task.completion is not None:
        return FORMATS[TEMPLATE]
    defaults = TaskConfig.model_fields
    for name, given in (("completion", ("prompt_field", "completion_field")), ("text", ("text_field",))):
        if any(getattr(task, field) != defaults[field].default for field in given):
            return FORMATS[name]
    # A field of the first record may be empty, which is then said of that record.
    fitting = (
        FORMATS[name] for row in rows[:_LOOKED_AT] for name in FORMATS if FORMATS[name].fits(row, task)
    )
    form = next(fitting, None)
    if form is None:
        raise WrongRecord(
            f"has fields that match no known form: {fields_of(rows[0])}",
            f"Say what to train on: {_line(rows[0])}.",
        )
    return form


def also_fitting(record: Row, task: TaskConfig, chosen: Format) -> list[str]:
    """Other forms that a record has the fields of."""
    return [name for name in FORMATS if name != chosen.name and FORMATS[name].fits(record, task)]


def _line(record: Row) -> str:
    """Settings to add to the command line for a record of an unknown form."""
    texts = [name for name, value in record.items() if isinstance(value, str)]
    texts = [name for name in texts if name.isprintable() and not set("{}") & set(name)]
    # Of preferences the better reply is learned, and not what was rejected.
    texts = sorted((name for name in texts if "reject" not in name.lower()), key="chosen".__eq__)
    if not texts:
        return 'a record needs a field with text, such as {"text": "..."}'
    if len(texts) == 1:
        return f"task.text_field={shlex.quote(texts[0])}"
    *before, last = texts[:4]
    prompt = r"\n".join(f"{{{name}}}" for name in before)
    return " ".join(map(shlex.quote, (f"task.prompt={prompt}", f"task.completion={{{last}}}")))


def named(record: Row, names: Sequence[str]) -> str | None:
    """The first of the names under which a record has a value; None where it has none."""
    return next((name for name in names if record.get(name) is not None), None)


def field(record: Row, *names: str) -> str:
    """The text of a field that goes by several names.

    Raises:
        WrongRecord: None of them has any.
    """
    return text_of(record, named(record, names) or names[0])
