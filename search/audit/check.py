"""The audit of a search: before it starts, and beside its plan."""

from __future__ import annotations

from dataclasses import replace

from search.audit.engine import evaluate
from search.audit.facts import subject_of
from search.audit.finding import Audit
from search.audit.library import rules_with
from search.audit.subject import Fact
from search.audit.view import finding_lines
from search.cluster import cluster_address
from search.config.load import Resolved
from search.config.schema import SearchConfig
from search.config.wording import config_error
from search.epochs import Counted
from search.errors import TightropeError
from search.plan.model import Plan
from search.wording import plural
from trainables.machine import memory_available


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
        message = "\n".join(
            [f"the audit found {plural(len(refused), 'critical problem')}; nothing was started", *lines]
        )
        accepted = ",".join([*audit.allowed, *refused])
        super().__init__(message, hint=f"correct it, or run anyway with audit.allow=[{accepted}]")


def audit_search(resolved: Resolved, counted: Counted, plan: Plan | None = None) -> Audit:
    """Audits a search.

    Args:
        resolved: Its configuration, and where its values are from.
        counted: The same with its budget in steps.
        plan: Its plan, where there is one, for what it says of memory.

    Raises:
        ConfigError: The file that `audit.rules` names has changed, and is wrong now.
    """
    settings = counted.config.audit
    rules, problems = rules_with(settings.rules)
    if problems:
        raise config_error(problems)
    subject = subject_of(counted.config, resolved.origins, counted.trials)
    subject = replace(subject, facts={**subject.facts, **_memory(counted.config, plan)})
    return evaluate(subject, rules.values(), settings.allow)


def _memory(config: SearchConfig, plan: Plan | None) -> dict[str, Fact]:
    """What all workers need and this machine has; empty where a GPU's memory or another machine's counts."""
    if plan is None or plan.estimate is None or plan.slots.gpus or plan.slots.groups is None:
        return {}
    if cluster_address(config.workers)[1] is not None:
        return {}
    needed = plan.estimate.worker_bytes * plan.slots.workers_per_group * plan.slots.groups
    return {"needed_memory": Fact(needed, key="workers.groups"), "device_memory": Fact(memory_available())}


def refuse_critical(audit: Audit) -> None:
    """Raises where a search must not start.

    Raises:
        AuditError: Something critical was found and is not allowed.
    """
    if audit.refused:
        raise AuditError(audit)
