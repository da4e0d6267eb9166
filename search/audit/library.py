"""The rules that there are: shipped ones, and a user's over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from search.audit.rule import Rule, RuleFile
from search.config.library import shown
from search.config.yaml_source import BoundedLoader, ConfigLoader, read_file, read_mapping, read_small
from search.errors import Problem
from trainables.data.sources import user_path

_SETTING = "audit.rules"


def _loader() -> type[BoundedLoader]:
    """The same YAML, read by libyaml where there is one: many times as fast."""
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]
    except ImportError:
        return ConfigLoader

    class Compiled(CParser, ConfigLoader):
        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return Compiled


def shipped_files() -> list[Path]:
    """The shipped files of rules, by name."""
    return sorted((Path(__file__).parent / "rules").glob("*.yaml"))


@cache
def shipped_rules() -> Mapping[str, Rule]:
    """The shipped rules, by id.

    They are right: a test reads them as a user's are read.
    """
    rules: dict[str, Rule] = {}
    loader = _loader()
    for path in shipped_files():
        source = read_mapping(read_small(path), path.name, path.name, loader=loader)
        for name, body in source.data.items():
            places = {key: source.places[name, key] for key in body}
            rules[name] = Rule(name, body, places, path.name)
    return rules


def rules_with(file: str | None) -> tuple[dict[str, Rule], Sequence[Problem]]:
    """The rules with those of a user's file over them, and everything that is wrong with it.

    Args:
        file: As `audit.rules` names it; None for the shipped rules alone.
    """
    if file is None:
        return dict(shipped_rules()), ()
    path = user_path(file)
    source = read_file(path, shown(path), _SETTING)
    if not isinstance(source.data, dict):
        return dict(shipped_rules()), source.problems
    read = RuleFile(source, shown(path), _SETTING, shipped_rules())
    return read.rules, read.problems
