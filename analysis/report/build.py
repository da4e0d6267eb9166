"""Runs the cards: none can break another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from analysis.report.card import Findings, Registered
from analysis.report.context import Context
from analysis.report.interactive import figure
from analysis.report.static import picture
from analysis.report.text import plain
from trainables.text import map_text, printable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """A card as it came out.

    Attributes:
        state: "shown"; "absent" where it has nothing to say; "error" where it raised.
        message: Why it is absent, or what it raised.
        pictures: PNG of each plot by the plot's name.
        figures: Plotly figures of each plot by the plot's name, and by the options of its menus.
        data: Its numbers, as JSON can hold them.
    """

    card: Registered
    state: Literal["shown", "absent", "error"]
    message: str = ""
    findings: Findings | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: Any = None


def make(cards: Iterable[Registered], context: Context) -> list[Made]:
    """Each card in turn."""
    return [_guarded(_worded(card, context), context) for card in cards]


def _worded(card: Registered, context: Context) -> Registered:
    """The card with the trainable's words in its title and in how to read it."""
    title, read = (text.format_map(context.terms) for text in (card.title, card.read))
    return replace(card, title=title, read=read)


def _guarded(card: Registered, context: Context) -> Made:
    try:
        return _made(card, context)
    # A boundary: whatever is wrong in one card, the reader gets the others and the reason.
    except Exception as error:  # noqa: BLE001
        _LOG.debug("card %s", card.name, exc_info=True)
        return Made(card, "error", shown(context)(f"{type(error).__name__}: {error}"))


def shown(context: Context) -> Callable[[str], str]:
    """What every text goes through before a reader sees it."""
    return lambda text: printable(context.redact(text))


def _made(card: Registered, context: Context) -> Made:
    if (reason := card.card.applies(context)) is not None:
        return Made(card, "absent", shown(context)(reason))
    findings = map_text(card.card.compute(context), shown(context))
    pictures = {plot.name: picture(plot.charts) for plot in findings.plots}
    figures = {}
    for plot in findings.plots:
        variants = plot.variants or {(): plot.charts[0]}
        figures[plot.name] = {
            "menus": len(plot.menus),
            "figures": {"-".join(map(str, key)): figure(chart) for key, chart in variants.items()},
        }
    return Made(card, "shown", "", findings, pictures, figures, plain(findings.data))
