"""Rules of the audit that the user brings or allows."""

from __future__ import annotations

from search.audit.library import rules_with
from search.config.checks import parts
from search.config.composed import Composed
from trainables.nearest import did_you_mean


def check_audit(composed: Composed) -> None:
    """Refuses a file of rules with mistakes, each by its line, and allowed ids that no rule has."""
    section = composed.data.get("audit")
    if not isinstance(section, dict) or composed.is_broken(("audit",)):
        return
    file = parts.text(composed, "audit", "rules") or None
    if composed.is_broken(("audit", "rules")):
        return
    rules, problems = rules_with(file)
    composed.problems += problems
    allowed = section.get("allow")
    if problems or not isinstance(allowed, list):
        return
    for index, name in enumerate(allowed):
        if isinstance(name, str) and name not in rules:
            key = ("audit", "allow", index)
            composed.complain(key, f"there is no rule {name!r}", did_you_mean(name, rules))
