"""What every card offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from analysis.report.chart import Plot, Table
from analysis.report.context import Context
from trainables.registry import Registry


@dataclass(frozen=True)
class Findings:
    """What a card found.

    Attributes:
        data: Its numbers, for `report.json`.
        texts: Paragraphs above the plots; the first says what was found.
        notes: What is uncertain, or how the numbers were made; a list below the plots.
        plots: In order.
        tables: Tables that belong to no plot.
        listings: Text to copy, such as a command, each with its title.
    """

    data: dict[str, Any]
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()
    listings: tuple[tuple[str, str], ...] = ()


class Card(Protocol):
    """One part of the report, which stands alone: what it raises becomes its own error."""

    def applies(self, context: Context) -> str | None:
        """Why the card has nothing to say about this search, in a sentence; None where it has."""
        ...

    def compute(self, context: Context) -> Findings:
        """What the card says; called only where it applies."""
        ...


@dataclass(frozen=True)
class Registered:
    """A card with its place in the report.

    `title` and `read` may have names in braces, which stand for what the trainable calls it: {artifact} is
    what a trial leaves behind, {score} the metric that says what is kept (`Context.terms`).

    Attributes:
        order: Cards stand in ascending order.
        read: How to read it, for somebody who sees it for the first time.
    """

    name: str
    title: str
    order: int
    card: Card = field(repr=False)
    read: str = ""


CARDS: Registry[Registered] = Registry("card")


def card(name: str, title: str, order: int, *, read: str) -> Callable[[type[Card]], type[Card]]:
    """Registers the decorated card, whose constructor takes nothing."""

    def decorate(kind: type[Card]) -> type[Card]:
        CARDS.register(name, title)(Registered(name, title, order, kind(), read))
        return kind

    return decorate
