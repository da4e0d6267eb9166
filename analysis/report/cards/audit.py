"""What the audit said before the search started, and what was allowed all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from search.wording import plural

_CRITICAL = "critical"


@card(
    "audit",
    "The audit before the start",
    4,
    read=(
        "Each row is a fault of the configuration that was known before anything was trained, the worst "
        "first. Read the results that it affects with what the row says in mind."
    ),
)
class AuditCard:
    """Findings of the last session's audit, with their evidence and what would be right."""

    def applies(self, context: Context) -> str | None:
        """Where the record has an audit."""
        return None if _audit(context) is not None else "The record has no audit of the configuration."

    def compute(self, context: Context) -> Findings:
        """A table of findings, and what the rules could not tell."""
        audit = _audit(context)
        assert audit is not None
        findings, unknown = audit.get("findings", []), audit.get("cannot_tell", [])
        rows = tuple(_row(each, audit) for each in findings)
        columns = ("finding", "evidence", "impact", "recommended")
        tables = [Table(columns, rows, "Findings.", wide=True, open=True)] if rows else []
        if unknown:
            cells = tuple((each["id"], each["reason"]) for each in unknown)
            tables.append(Table(("rule", "reason"), cells, "Rules that cannot tell."))
        fixes = "\n".join(each["fix"] for each in findings if each["fix"])
        return Findings(
            data=dict(audit),
            texts=(_sentence(audit),),
            notes=_notes(findings),
            tables=tuple(tables),
            listings=(("To type instead", fixes),) if fixes else (),
        )


def _audit(context: Context) -> Mapping[str, Any] | None:
    sessions = context.state.sessions
    return sessions[-1].audit if sessions else None


def _row(each: Mapping[str, Any], audit: Mapping[str, Any]) -> tuple[str, ...]:
    place = each.get("place")
    where = "" if place is None else f" at {place['key']} ({place['source']})"
    allowed = each["severity"] == _CRITICAL and each["id"] in audit.get("allowed", ())
    severity = f"{each['severity']}, allowed" if allowed else each["severity"]
    finding = f"{severity}: {each['title']} ({each['id']}){where}"
    return finding, each["evidence"], each["impact"], each["recommended"]


def _sentence(audit: Mapping[str, Any]) -> str:
    counts = [
        f"{count} {severity}"
        for severity, count in audit.get("counts", {}).items()
        if count and severity != "passed"
    ]
    passed, unknown = len(audit.get("passed", ())), len(audit.get("cannot_tell", ()))
    says = f"The audit's findings: {', '.join(counts)}" if counts else "The audit found nothing"
    rest = f"{plural(passed, 'rule')} passed" + (f", and {unknown} could not tell" if unknown else "")
    return f"{says}; {rest}."


def _notes(findings: list[Mapping[str, Any]]) -> tuple[str, ...]:
    sources = dict.fromkeys(f"{each['id']}: {each['source']}." for each in findings if each.get("source"))
    return tuple(sources)
