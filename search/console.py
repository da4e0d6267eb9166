"""Tables and colours on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from search.dialect import COMMAND, as_typed
from search.redact import redact
from trainables.text import printable


class SafeConsole(Console):
    """A console that spells out what a terminal would obey in the text that it is given, without credentials.

    Its own colours and cursor movements stay.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders an object to segments, as rich does."""
        for segment in super().render(_redacted(_as_typed(renderable)), options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def _redacted(renderable: RenderableType) -> RenderableType:
    """A text without credentials, before it is broken into lines."""
    if isinstance(renderable, str):
        return redact(renderable)
    if isinstance(renderable, Text) and (clean := redact(renderable.plain)) != renderable.plain:
        # The parts of it that have a style of their own are not where they were.
        return Text(clean, renderable.style, justify=renderable.justify, overflow=renderable.overflow)
    return renderable


def _as_typed(renderable: RenderableType) -> RenderableType:
    """A text with its commands in the form in which this process was started, in the styles that it has."""
    if isinstance(renderable, str):
        return as_typed(renderable)
    if isinstance(renderable, Text):
        for match in reversed(list(COMMAND.finditer(renderable.plain))):
            if (typed := as_typed(match[0])) != match[0]:
                renderable = renderable[: match.start()] + typed + renderable[match.end() :]
    return renderable
