"""An audit on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.audit.finding import Audit, Finding, Severity
from search.audit.rule import KEYS, Rule

_WORDS = (("evidence", "evidence"), ("impact", "impact"), ("recommended", "recommended"), ("fix", "type"))


def finding_lines(finding: Finding) -> Iterator[str]:
    """One finding, with everything that is known of it."""
    yield f"{finding.severity.upper()} {finding.id}: {finding.title}"
    if finding.place is not None:
        yield f"  at: {finding.place}"
    for name, word in _WORDS:
        if text := getattr(finding, name):
            yield f"  {word}: {text}"
    if finding.source:
        yield f"  source: {finding.source}"


def tally(audit: Audit) -> str:
    """How many findings there are of each severity, and how many rules say nothing."""
    counts = [f"{count} {severity}" for severity, count in audit.counts.items() if count]
    rest = [(len(audit.undecided), "cannot tell"), (len(audit.inapplicable), "do not apply")]
    counts += [f"{count} {words}" for count, words in rest if count]
    return ", ".join(counts) or "no rules"


def audit_line(audit: Audit) -> str:
    """The audit in a line, with the ids of what it counts."""
    ids = ", ".join(f"{each.id} ({each.severity})" for each in audit.problems)
    return f"audit: {tally(audit)}" + (f": {ids}" if ids else "")


def audit_lines(audit: Audit, name: str) -> Iterator[str]:
    """All findings, the worst first, and what cannot be told."""
    yield f"Audit of {name}: {tally(audit)}."
    for finding in audit.problems:
        yield ""
        yield from finding_lines(finding)
        if finding.severity is Severity.CRITICAL:
            allowed = finding.id in audit.allowed
            yield "  allowed by audit.allow" if allowed else f"  allow: audit.allow=[{finding.id}]"
    if audit.undecided:
        yield ""
        yield "Cannot tell:"
        for reason in dict.fromkeys(each.reason for each in audit.undecided):
            yield f"  {reason}: {', '.join(each.id for each in audit.undecided if each.reason == reason)}"


def verdict_lines(audit: Audit) -> Iterator[str]:
    """Every rule in a line, with what it says of a configuration."""
    for finding in audit.findings:
        yield f"{finding.severity:<14}{finding.id}: {finding.title}"
    for unknown in audit.undecided:
        yield f"{'cannot tell':<14}{unknown.id}: {unknown.reason}"
    for name in audit.inapplicable:
        yield f"{'not for this':<14}{name}"


def rule_lines(rules: Mapping[str, Rule]) -> Iterator[str]:
    """Every rule in a line, by file."""
    for origin in dict.fromkeys(rule.origin for rule in rules.values()):
        yield f"{origin}:"
        for rule in rules.values():
            if rule.origin == origin:
                yield f"  {rule.id}: {rule.text('title')} ({rule.text('severity')})"


def explained_rule(rule: Rule) -> Iterator[str]:
    """A rule as its file says it."""
    yield f"{rule.id} ({rule.places.get('title', rule.origin)})"
    for key in KEYS:
        value = rule.body.get(key)
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} = {each}" for name, each in value.items())
        if value is not None:
            yield f"  {key}: {value}"
