"""The audit of a search: before it starts, and beside its plan."""

from __future__ import annotations

from search.audit.engine import evaluate
from search.audit.facts import subject_of
from search.audit.finding import Audit
from search.audit.library import rules_with
from search.audit.view import finding_lines
from search.config.load import Resolved
from search.config.wording import config_error
from search.epochs import Counted
from search.errors import TightropeError


class AuditError(TightropeError):
    """A search is not started, because the audit found something critical that is not allowed.

    Args:
        audit: What it found.
    """

    exit_code = 2

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        refused = [each.id for each in audit.refused]
        lines = [line for each in audit.refused for line in finding_lines(each)]
        message = "\n".join([f"the audit found {len(refused)} critical; nothing was started", *lines])
        accepted = ",".join([*audit.allowed, *refused])
        super().__init__(message, hint=f"correct it, or run it all the same with audit.allow=[{accepted}]")


def audit_search(resolved: Resolved, counted: Counted) -> Audit:
    """Audits a search.

    Args:
        resolved: Its configuration, and where its values are from.
        counted: The same with its budget in steps.

    Raises:
        ConfigError: The file that `audit.rules` names has changed, and is wrong now.
    """
    settings = counted.config.audit
    rules, problems = rules_with(settings.rules)
    if problems:
        raise config_error(problems)
    subject = subject_of(counted.config, resolved.origins, counted.trials)
    return evaluate(subject, rules.values(), settings.allow)


def refuse_critical(audit: Audit) -> None:
    """Raises where a search must not start.

    Raises:
        AuditError: Something critical was found and is not allowed.
    """
    if audit.refused:
        raise AuditError(audit)
