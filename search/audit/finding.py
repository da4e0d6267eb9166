"""What an audit finds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    PASSED = "passed"

    @property
    def milder(self) -> Severity:
        """The next one that is less bad; `low` stays."""
        order = list(Severity)
        return order[min(order.index(self) + 1, order.index(Severity.LOW))]


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Attributes:
        key: Its key as the file has it, for example `parameters.lr.high`.
        file: The file; None on a command line, and where a default was filled in.
        line: In the file, from 1.
        source: In words, where there is no file: "default", or the word of the command line.
    """

    key: str
    file: str | None = None
    line: int | None = None
    source: str = "default"

    def __str__(self) -> str:
        where = self.source if self.file is None else f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.key} ({where})"


@dataclass(frozen=True)
class Finding:
    """What a rule says of a configuration.

    Attributes:
        id: Of the rule.
        severity: "passed" where the rule applies and nothing is wrong.
        place: Of the value that the rule is about; None where it is about none in particular.
        title: What is wrong, in a few words; of a rule that passed, what it looks for.
        evidence: The numbers, and what they come from.
        impact: What it does to the result.
        recommended: What would be right.
        fix: The line to type; None where no single line would do.
        source: Paper, documentation or measurement that the rule rests on.
        share: Share of the searched space that is affected; None where nothing that matters is searched.
        method: How the share was computed: "exact", "counted" or "sampled".
        trials: Numbers of the affected trials, where they are known beforehand.
    """

    id: str
    severity: Severity
    place: Place | None
    title: str
    evidence: str = ""
    impact: str = ""
    recommended: str = ""
    fix: str | None = None
    source: str = ""
    share: float | None = None
    method: str | None = None
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Undecided:
    """A rule that cannot be decided.

    Attributes:
        id: Of the rule.
        title: What it looks for.
        missing: Names of the facts that are not known.
        reason: The same in words, or what could not be computed.
    """

    id: str
    title: str
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Audit:
    """Everything that an audit says.

    Attributes:
        findings: The worst first; rules that passed come last.
        undecided: Rules that cannot tell.
        inapplicable: Ids of rules that are about something else.
        allowed: Ids of critical findings that are accepted.
    """

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...] = ()
    inapplicable: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings of rules that did not pass."""
        return tuple(each for each in self.findings if each.severity is not Severity.PASSED)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Critical findings that are not accepted: a search with these does not start."""
        return tuple(
            each
            for each in self.findings
            if each.severity is Severity.CRITICAL and each.id not in self.allowed
        )

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by severity."""
        return {
            str(severity): sum(each.severity is severity for each in self.findings) for severity in Severity
        }

    def plain(self) -> dict[str, Any]:
        """The audit as plain data."""
        return {
            "counts": self.counts,
            "refused": [each.id for each in self.refused],
            "allowed": list(self.allowed),
            "findings": [asdict(each) for each in self.findings],
            "cannot_tell": [asdict(each) for each in self.undecided],
            "does_not_apply": list(self.inapplicable),
        }

    def recorded(self) -> dict[str, Any]:
        """The same as a record keeps it: of what passed only the ids."""
        passed = [each.id for each in self.findings if each.severity is Severity.PASSED]
        plain = self.plain() | {"findings": [asdict(each) for each in self.problems], "passed": passed}
        return _as_json(plain)


def _as_json(data: dict[str, Any]) -> dict[str, Any]:
    """Plain data as they are read again from JSON."""
    read: dict[str, Any] = json.loads(json.dumps(data))
    return read


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, then by id."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda each: (order.index(each.severity), each.id)))
