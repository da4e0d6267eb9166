"""The card of the audit: what was found, what was allowed, and what could not be told."""

from __future__ import annotations

from pathlib import Path

from analysis.report.cards.audit import AuditCard
from analysis.report.context import Context
from search.audit.finding import Audit, Finding, Place, Severity, Undecided
from search.record import SearchState, SessionStarted
from tests.records import opening_events

PLACE = Place("parameters.lr.high", "spaces/demo.yaml", 16, "spaces/demo.yaml:16")
AUDIT = Audit(
    (
        Finding(
            "too-high", Severity.CRITICAL, PLACE, "Rate", "lr 1", "breaks", "1e-3", "fixed.lr=1e-3", "a paper"
        ),
        Finding("fine", Severity.PASSED, None, "Order"),
    ),
    (Undecided("tokens", "Tokens", ("corpus_tokens",), "corpus_tokens not known"),),
    allowed=("too-high",),
)


def context_with(audit: Audit | None) -> Context:
    recorded = None if audit is None else audit.recorded()
    events = [
        event.model_copy(update={"audit": recorded}) if isinstance(event, SessionStarted) else event
        for event in opening_events()
    ]
    return Context(SearchState.from_events(events), Path("runs/demo"))


def test_a_record_without_an_audit_has_no_card() -> None:
    assert AuditCard().applies(context_with(None)) is not None


def test_the_card_has_every_finding_with_its_line() -> None:
    context = context_with(AUDIT)
    assert AuditCard().applies(context) is None
    found = AuditCard().compute(context)
    findings, unknown = found.tables
    assert findings.rows == (
        (
            "critical, allowed: Rate (too-high) at parameters.lr.high (spaces/demo.yaml:16)",
            "lr 1",
            "breaks",
            "1e-3",
        ),
    )
    assert unknown.rows == (("tokens", "corpus_tokens not known"),)
    assert found.texts == ("The audit's findings: 1 critical; 1 rule passed, and 1 could not tell.",)
    assert found.notes == ("too-high: a paper.",)
    assert found.listings == (("To type instead", "fixed.lr=1e-3"),)


def test_an_audit_without_findings_says_so() -> None:
    found = AuditCard().compute(context_with(Audit((AUDIT.findings[1],))))
    assert (found.texts, found.tables) == (("The audit found nothing; 1 rule passed.",), ())
