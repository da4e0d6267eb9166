"""What plug-ins of the search add to the configuration: the options of searchers and schedulers, and guards.

Each is registered beside its plug-in. `search.config.schema` makes the sections `searcher`, `scheduler` and
`guards` of what is registered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from trainables.registry import Registry
from trainables.settings import Section


class Choice(Section):
    """A plug-in chosen by name, with its options beside the name; those with options derive from it.

    Attributes:
        name: Of the plug-in.
    """

    name: str


@dataclass(frozen=True)
class Setting:
    """A setting of the section `guards`, named after its guard; None switches the guard off.

    Attributes:
        kind: Type of the value, None left out.
        default: Its default.
        accept: How to accept more, where the guard ended every trial.
    """

    kind: Any
    default: Any
    accept: str


SEARCHERS: Registry[type[Choice]] = Registry("searcher", home="search.searchers")
SCHEDULERS: Registry[type[Choice]] = Registry("scheduler", home="search.schedulers")
GUARDS: Registry[Setting] = Registry("guard", home="search.guards")


def choice(name: str, options: type[Choice]) -> type[Choice]:
    """The options with `name` as the only name."""
    only: Any = (Literal[name], ...)
    return create_model(options.__name__, __base__=options, name=only)


def section(registry: Registry[type[Choice]], default: str) -> tuple[Any, Choice]:
    """Type and default of the section that takes any of these plug-ins."""
    members: Any = reduce(or_, [registry[name] for name in registry])
    kind = Annotated[members, Field(discriminator="name")] if len(registry) > 1 else members
    return kind, registry[default](name=default)


def guards_section(base: type[Section]) -> tuple[Any, Section]:
    """Type and default of the section `guards`: `base`, and a setting for each guard."""
    lines = GUARDS.lines()
    settings: Any = {
        name: (
            GUARDS[name].kind | None,
            Field(GUARDS[name].default, description=f"Looks for: {lines[name]}; {GUARDS[name].accept}."),
        )
        for name in GUARDS
    }
    model = create_model("Guards", __base__=base, **settings)
    return model, model()
