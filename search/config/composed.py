"""A configuration while it is composed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search.config.origins import Key, Origins, dotted
from search.config.schema import DEFAULT_TRAINABLE, SearchConfig, config_model
from search.errors import Problem


@dataclass
class Composed:
    """What was given, before the schema's defaults.

    Attributes:
        data: Nested plain data.
        origins: Where it came from.
        problems: What is wrong with it.
        broken: Keys that already have a problem; missing parts of theirs are not reported as well.
        incomplete: The space's file could not be read, so missing keys are not reported.
        notes: What the user should know about how it was composed.
        trainable: The trainable asked for, or the default where no trainable has that name.
        space_name: The search's name without what the command line adds to it.
        as_recorded: Whether it has sections that only a search which has begun with them still takes.
    """

    data: dict[str, Any] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Key] = field(default_factory=set)
    incomplete: bool = False
    notes: list[str] = field(default_factory=list)
    trainable: str = DEFAULT_TRAINABLE
    space_name: str | None = None
    as_recorded: bool = False

    @property
    def model(self) -> type[SearchConfig]:
        """The schema, with the sections of the trainable."""
        return config_model(self.trainable)

    def complain(self, key: Key, message: str, hint: str | None = None, where: str | None = None) -> None:
        """Adds a problem with the value at `key`, and marks it as broken."""
        self.problems.append(Problem(dotted(key), message, where or self.origins.of(key), hint))
        self.broken.add(key)

    def is_broken(self, key: Key) -> bool:
        """Whether `key`, or a section around it, already has a problem."""
        return any(key[:length] in self.broken for length in range(len(key) + 1))
