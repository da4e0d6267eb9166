"""What the audit says of spaces that need no files of a user. Each finding was checked by hand."""

from __future__ import annotations

import pytest

from search.audit.check import audit_search
from search.config.load import load_config
from search.epochs import in_steps

FINDINGS = {
    "demo": {"lora-lr-high"},
    # Its highest learning rate is there to show the damage, and its guards are off to show all of it.
    "alignment": {"capacity-exceeded", "lora-lr-high", "spike-guard-off"},
    "routing": set(),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_shipped_space_has_these_findings_and_they_are_minor(name: str) -> None:
    resolved = load_config([f"space={name}"])
    audit = audit_search(resolved, in_steps(resolved.config))
    assert {finding.id for finding in audit.problems} == FINDINGS[name]
    assert {str(finding.severity) for finding in audit.problems} <= {"low"}
    assert len(audit.undecided) < 20, [each.id for each in audit.undecided]
