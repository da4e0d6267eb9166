"""What a form of data is, and how it is recognised by the fields of records. Light: no torch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from trainables.data.fields import Looked, fields_of, text_of
from trainables.data.messages import are_messages, is_message, messages_of
from trainables.data.units import Unit, WrongRecord
from trainables.registry import Registry
from trainables.settings import TaskConfig

Row: TypeAlias = Mapping[str, Any]
Needs: TypeAlias = tuple[tuple[str, ...], ...]
Make: TypeAlias = Callable[[Row, TaskConfig], Unit | Sequence[Unit]]

AUTO = "auto"
_LOOKED_AT = 100
_ID = re.compile(r"(?i:(?:^|[_. -])(?:id|idx|index|uuid|guid))$|[a-z]I[dD]$")
TEMPLATE = "template"

LABEL, KTO_TAG = JUDGEMENTS = "label", "kto_tag"
"""Fields that say whether the reply beside them is a good one: true or false, as text in tables."""


@dataclass(frozen=True)
class Format:
    """A form of records.

    Attributes:
        needs: The fields by which it is recognised, each under any of its names.
        make: Makes of a record what is trained on, one unit or several; raises `WrongRecord`.
        example: A record of this form, which no other form takes.
        heldout: Makes of a record what is held out, where that is no part of what is trained on; None where
            a part of the records is to be held out.
        judged: Those of `JUDGEMENTS` by which a record may say that its reply is a bad one, which is not
            learned then.
    """

    name: str
    needs: Callable[[TaskConfig], Needs]
    make: Make
    example: Row
    heldout: Callable[[Row, TaskConfig], Sequence[Unit]] | None = None
    judged: tuple[str, ...] = ()

    def judging(self, rows: Iterable[Row]) -> tuple[str, ...]:
        """The fields by which these records say whether their replies are good ones.

        Labels do where all of them are true or false; others are classes, or what is true of a text.
        """
        kept = LABEL not in self.judged or all(_judges(row.get(LABEL)) for row in rows)
        return tuple(name for name in self.judged if kept or name != LABEL)

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
    *,
    judged: tuple[str, ...] = (),
) -> Callable[[Make], Format]:
    """Registers the decorated function, which makes of a record what is trained on.

    Args:
        name: Name used in configuration.
        line: One line for `--list`.
        needs: See `Format`.
        example: See `Format`.
        heldout: See `Format`.
        judged: See `Format`.
    """
    return lambda make: FORMATS.register(name, line)(Format(name, needs, make, example, heldout, judged))


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
            f"Say what to train on: {to_type(rows[0])}.",
        )
    return form


def also_fitting(record: Row, task: TaskConfig, chosen: Format) -> list[str]:
    """Other forms that a record has the fields of."""
    return [name for name in FORMATS if name != chosen.name and FORMATS[name].fits(record, task)]


def rejects(record: Row, judging: Iterable[str]) -> bool:
    """Whether a record says that its reply is a bad one, in one of the fields `Format.judging`."""
    return any(str(record.get(name)).strip().lower() == "false" for name in judging)


def _judges(label: Any) -> bool:
    return label is None or str(label).strip().lower() in ("true", "false", "")


def unused_fields(
    rows: Sequence[Row], task: TaskConfig, form: Format, judging: Sequence[str] = ()
) -> tuple[str, ...]:
    """Fields of the first records that hold text, lists or objects, and that the form does not look at."""
    kept = [*islice((row for row in rows if not rejects(row, judging)), _LOOKED_AT)]
    used: set[str] = set()
    for row in kept:
        record = Looked(row)
        rejects(record, judging)
        form.make(record, task)
        used |= record.names
    names = (name for row in kept for name, value in row.items() if _says(value))
    return tuple(name for name in dict.fromkeys(names) if name not in used and not _ID.search(name))


def _says(value: Any) -> bool:
    return isinstance(value, str | list | dict) and bool(value.strip() if isinstance(value, str) else value)


def to_type(record: Row) -> str:
    """Settings to add to the command line for a record of an unknown form, or what else to do."""
    names = [name for name in record if name.isprintable() and not set("{}") & set(name)]
    names = [name for name in names if not _ID.search(name)] or names
    # Of preferences the better reply is learned, and not what was rejected.
    names = sorted((name for name in names if "reject" not in name.lower()), key="chosen".__eq__)
    talk = next((name for name in names if are_messages(record[name]) or is_message(record[name])), None)
    texts = [name for name in names if isinstance(record[name], str) and name != talk]
    if talk is not None:
        replies = texts and messages_of(record[talk], talk, "assistant")[0]["role"] == "assistant"
        if not replies:
            return f"rename the field {talk!r} to 'messages'"
        return " ".join(map(shlex.quote, (f"task.prompt_field={texts[0]}", f"task.completion_field={talk}")))
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
