"""A task's records in numbers. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class DataFacts:
    """Numbers about the training data, held-out examples split off from them included.

    Attributes:
        format: Name of the records' form (`trainables.data.formats`).
        records: Number of records.
        examples: Number of examples that they gave.
        train: Examples that are trained on.
        heldout: Examples that are held out.
        gap: Examples left out between the two parts of one document, or with the rest of it.
        max_length: Tokens of an example, at most.
        chosen: Whether that was chosen by the data; else the configuration says it.
        longest: Tokens of the longest record, before it was cut.
        tokens: Mean tokens of an example, as trained on.
        cut: Examples of replies that lost targets to `max_length`.
        no_room: Examples of replies left out, whose prompts leave no room for a target.
        no_reply: Conversations left out, in which there is nothing to learn.
        blank: Records with a blank reply, of which the end alone is learned.
        rejected: Records left out, as they say that their replies are bad ones.
        copied: Examples left out of training, as `task.heldout` has them too.
        copied_first: Where the first of these is.
        unused: Fields that hold something which is not trained on.
        overlap: In a sentence, which questions of the evaluation overlap with the records; empty for none.
    """

    format: str
    records: int
    examples: int
    train: int
    heldout: int
    gap: int
    max_length: int
    chosen: bool
    longest: int
    tokens: float
    cut: int
    no_room: int
    no_reply: int
    blank: int
    rejected: int = 0
    copied: int = 0
    copied_first: str = ""
    unused: str = ""
    overlap: str = ""

    def recorded(self) -> dict[str, Any]:
        """As a record holds them."""
        return asdict(self)


def data_lines(recorded: Mapping[str, Any]) -> Iterator[str]:
    """The data in a sentence; nothing is said of records that do not have these numbers.

    Args:
        recorded: As `DataFacts.recorded` gives them.
    """
    if (facts := _facts(recorded)) is not None:
        yield (
            f"data: {facts.records} records of the form {facts.format}; {facts.train} examples to train on, "
            f"{facts.heldout} held out; {facts.tokens:.0f} tokens on average, at most {facts.max_length}"
            + (f" ({facts.cut} cut)" if facts.cut else "")
            + (f"; not used: {facts.unused}" if facts.unused else "")
        )


def data_warnings(recorded: Mapping[str, Any], *, lengths: bool = True) -> Iterator[str]:
    """Warnings about data that are not trained on as they are, in sentences.

    Args:
        recorded: As `DataFacts.recorded` gives them.
        lengths: Whether to say what `task.max_length` cuts off. A plan leaves that to the audit.
    """
    if (facts := _facts(recorded)) is None:
        return
    if lengths:
        yield from _cut_off(facts)
    if facts.rejected:
        yield rejected_line(facts.rejected)
    if facts.no_reply:
        yield f"{facts.no_reply} of {facts.records} records have no assistant turn, and are left out"
    if facts.blank:
        yield f"{facts.blank} of {facts.records} records have a blank reply; only its end token is learned"
    if facts.gap:
        yield (
            f"{facts.gap} pieces of a long document are neither trained on nor held out, to keep the two "
            "parts separate"
        )
    if facts.copied:
        yield copies_line(facts.copied, facts.copied_first)
    if facts.overlap:
        yield facts.overlap


def copies_line(count: int, first: str, read: int | None = None) -> str:
    """A warning of training data that are held out too.

    Args:
        count: Examples.
        first: Where one is.
        read: Examples in which they were looked for, where these are not all.
    """
    whose = "of task.train" if read is None else f"of the first {read} of task.train"
    if count == 1:
        return f"1 example {whose} is in task.heldout too, and is left out of training ({first})"
    where = f"such as {first}"
    return f"{count} examples {whose} are in task.heldout too, and are left out of training ({where})"


def rejected_line(count: int) -> str:
    """A warning of records that say that their replies are bad ones."""
    whose = "1 record says that its reply is a bad one" if count == 1 else ""
    whose = whose or f"{count} records say that their replies are bad ones"
    return f"{whose} (label: false), and {'is' if count == 1 else 'are'} left out"


def _cut_off(facts: DataFacts) -> Iterator[str]:
    replies = facts.examples + facts.no_room
    # A length that was chosen cuts 1% of the examples, by design.
    if facts.cut * 100 > (replies if facts.chosen else 0):
        yield (
            f"{facts.cut} of {replies} replies are cut at task.max_length={facts.max_length}, so their ends "
            f"are not learned (the longest record has {facts.longest} tokens)"
        )
    if facts.no_room:
        yield (
            f"{facts.no_room} of {replies} prompts leave no room for a reply within "
            f"task.max_length={facts.max_length}, and are left out"
        )


def _facts(recorded: Mapping[str, Any]) -> DataFacts | None:
    """None where a record does not have them; those with defaults came later than the others."""
    known = {field.name: recorded[field.name] for field in fields(DataFacts) if field.name in recorded}
    needed = {field.name for field in fields(DataFacts) if field.default is MISSING}
    return DataFacts(**known) if needed <= known.keys() else None
