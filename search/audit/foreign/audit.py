"""The audit of a configuration of another tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from search.audit.engine import evaluate
from search.audit.finding import Audit, Finding
from search.audit.foreign.file import read_foreign
from search.audit.foreign.tools import detect, load_tool
from search.audit.foreign.translate import ASSUMED, DEFAULT, ForeignFact, Translation, line_for, translate
from search.audit.names import NAMES
from search.audit.rule import Rule
from search.audit.subject import Subject
from search.audit.words import shown_value
from search.errors import ConfigError, Problem
from search.record.events import Scalar
from trainables.nearest import did_you_mean

ALL_STAGES = "all stages"
_PARTS = ("findings", "undecided", "inapplicable")


@dataclass(frozen=True)
class ForeignAudit:
    """What an audit says of a file.

    Attributes:
        file: As messages name it.
        tool: The tool's own name.
        known_by: Keys by which the tool was recognised; empty where it was named.
        stages: What is found in each stage of the training, and before them what is the same in all; one
            stage named "" where there is one.
        translation: The facts, and what in the file has no meaning here.
    """

    file: str
    tool: str
    known_by: tuple[str, ...]
    stages: Mapping[str, Audit]
    translation: Translation

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read, and what of it was not, a line each."""
        known = f"known by {', '.join(self.known_by)}" if self.known_by else "as named"
        lines = [f"{self.file} is read as a configuration of {self.tool} ({known})."]
        lines += [f"unknown key, not used: {place}" for place in self.translation.unknown]
        lines += [
            f"not understood, not used: {each.value} at {each.place}, for {each.fact}"
            for each in self.translation.not_understood
        ]
        return (*lines, *self._taken(DEFAULT), *self._taken(ASSUMED))

    def _taken(self, source: str) -> tuple[str, ...]:
        """Facts that the file does not say and that are taken from elsewhere, each once."""
        facts = (each for stage in self.translation.stages.values() for each in stage.items())
        lines = (
            f"{name} {shown_value(fact.value)}: {fact.place.source} ({fact.place.key} is not given)"
            for name, fact in facts
            if fact.place is not None and fact.place.file is None and fact.place.source.startswith(source)
        )
        return tuple(dict.fromkeys(lines))

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Critical findings of all stages that are not accepted."""
        return tuple(finding for audit in self.stages.values() for finding in audit.refused)

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "file": self.file,
            "tool": self.tool,
            "known_by": list(self.known_by),
            "notes": list(self.notes),
            "stages": {name: audit.plain() for name, audit in self.stages.items()},
            "facts": {
                name: {fact: _plain(each) for fact, each in facts.items()}
                for name, facts in self.translation.stages.items()
            },
            "unknown_keys": [asdict(place) for place in self.translation.unknown],
            "not_understood": [
                {"place": asdict(each.place), "value": each.value, "fact": each.fact}
                for each in self.translation.not_understood
            ],
        }


def audit_file(
    name: str,
    tool: str | None,
    rules: Iterable[Rule],
    given: Mapping[str, Scalar] | None = None,
    allow: Iterable[str] = (),
) -> ForeignAudit:
    """Audits a file.

    Args:
        name: Path of the file.
        tool: Name of the tool, or path of a file of keys; None recognises the tool by its keys.
        rules: What to look for.
        given: Facts that the file does not say, by neutral name; they count before those of the file.
        allow: Ids of critical findings that are accepted.

    Raises:
        ConfigError: The file or the keys cannot be read, or the tool is not clear.
    """
    given = given or {}
    problems = [
        Problem(fact, "is not a fact of an audit", "command line", did_you_mean(fact, NAMES))
        for fact in given
        if fact not in NAMES
    ]
    if problems:
        raise ConfigError(problems)
    file = read_foreign(name)
    keys, known_by = detect(file) if tool is None else (load_tool(tool), [])
    translation = translate(file, keys, given)
    rules, allow = tuple(rules), tuple(allow)
    audits = {stage: evaluate(_subject(facts), rules, allow) for stage, facts in translation.stages.items()}
    return ForeignAudit(file.shown, keys.title, tuple(known_by), _shared_once(audits), translation)


def _shared_once(audits: Mapping[str, Audit]) -> dict[str, Audit]:
    """What is the same in all stages by itself, then the rest of each."""
    if len(audits) == 1:
        return dict(audits)
    first, *others = audits.values()

    def everywhere(name: str) -> tuple[Any, ...]:
        return tuple(
            each for each in getattr(first, name) if all(each in getattr(one, name) for one in others)
        )

    shared = {name: everywhere(name) for name in _PARTS}
    rest = {
        stage: replace(
            audit,
            **{name: tuple(x for x in getattr(audit, name) if x not in shared[name]) for name in _PARTS},
        )
        for stage, audit in audits.items()
    }
    return {ALL_STAGES: replace(first, **shared), **rest}


def _subject(facts: Mapping[str, ForeignFact]) -> Subject:
    return Subject(facts=facts, line=lambda fact, value, region: line_for(fact, value))


def _plain(fact: ForeignFact) -> dict[str, Any]:
    place = None if fact.place is None else asdict(fact.place)
    return {"value": fact.value, "place": place}
