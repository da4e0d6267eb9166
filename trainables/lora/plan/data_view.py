"""The training data of a plan, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainables.data.fields import names_shown
from trainables.lora.plan.model import DataLengths, DataPlan
from trainables.planning import DataText
from trainables.text import printable

BEGIN, END = "⟦", "⟧"
"""Marks around what is learned, in an example as the model sees it."""

SEEN = f"as the model sees it; the model learns what is between {BEGIN} and {END}:"

_PART = 480


def data_text(data: DataPlan) -> DataText:
    """The data for people: what is learned of the example is between the marks."""
    return DataText(
        lines=tuple(data_lines(data)),
        heading=f"an example {SEEN}",
        example=tuple(tuple(parts) for parts in example_lines(data.example)),
    )


def data_lines(data: DataPlan) -> Iterator[str]:
    """Form, numbers and lengths."""
    read = "" if data.records is None else f": {data.records:,} record{'' if data.records == 1 else 's'}"
    yield f"{data.format}{read}{'' if data.whole else ', and more that were not looked at'}"
    if data.also:
        yield f"it also has the fields of {', '.join(data.also)}; task.format={data.also[0]} trains on these"
    if data.unused:
        yield f"not used: {names_shown(data.unused)}"
    if data.lengths is None:
        yield "lengths and an example are missing: the model's tokenizer is not on this machine yet"
        yield from (f"warning: {text}" for text in data.warnings)
        return
    yield from _lengths(data.lengths, data.records)
    yield from (f"warning: {text}" for text in data.warnings)


def _lengths(lengths: DataLengths, records: int | None) -> Iterator[str]:
    sampled = (
        "" if records is None or lengths.sampled >= records else f" (of {lengths.sampled:,} of the records)"
    )
    if records is None:
        yield f"tokens read: {lengths.longest:,}"
    else:
        yield f"tokens of a record{sampled}: median {lengths.median:,}, longest {lengths.longest:,}"
    context = "" if lengths.context is None else f", the model takes {lengths.context:,}"
    why = "chosen by the data" if lengths.chosen else "as configured"
    yield f"task.max_length={lengths.max_length} ({why}{context}): {_cut(lengths)}"
    chosen = "chosen by the accepted answers" if lengths.replies_chosen else "as configured"
    yield f"capability.max_new_tokens={lengths.replies} ({chosen})"


def _cut(lengths: DataLengths) -> str:
    if lengths.texts:
        pieces = " into pieces, and all pieces are used" if lengths.cut else ""
        return f"{_share(lengths.cut, 'text')} cut{pieces}"
    lost = ""
    if lengths.no_room:
        lost = f"; {_share(lengths.no_room, 'example')} left out: the prompt leaves no room for a reply"
    return f"{_share(lengths.cut, 'reply', 'replies')} cut at that length{lost}"


def _share(share: float, singular: str, plural: str | None = None) -> str:
    plural = plural or f"{singular}s"
    if share == 0:
        return f"no {singular} is"
    if share == 1:
        return f"all {plural} are"
    return f"{max(share, 0.001):.1%} of the {plural} are"


def example_lines(example: Sequence[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    """One example as the model sees it, line by line, in parts, each with whether it is learned."""
    line: list[tuple[str, bool]] = []
    for text, learned in example:
        shown = _shortened(printable(text))
        first, *others = (f"{BEGIN}{shown}{END}" if learned else shown).split("\n")
        line.append((first, learned))
        for other in others:
            yield line
            line = [(other, learned)]
    if line:
        yield line


def _shortened(text: str) -> str:
    if len(text) <= _PART:
        return text
    left_out = len(text) - _PART
    return f"{text[: _PART // 2]} [... {left_out} characters ...] {text[-_PART // 2 :]}"
