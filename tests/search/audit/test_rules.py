"""The shipped rules: each fires where it should, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.audit.engine import evaluate
from search.audit.finding import Audit, Severity
from search.audit.library import shipped_files, shipped_rules
from search.audit.names import NAMES
from search.audit.quantity import QUANTITIES
from search.audit.rule import RuleFile, template_parts
from search.audit.subject import Fact, Subject
from search.config.yaml_source import read_file
from search.expressions import Expression

CASES: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("rule_cases.yaml").read_text("utf-8"))
RULES = shipped_rules()
MEASURED = {"completion_cut_share", "prompt_lost_share"}
"""Facts that follow from others by a measurement."""


def judged(rule: str, values: Mapping[str, Any]) -> Audit:
    """What one rule says of facts, each of which may be set by a key of its own name."""
    facts = {name: Fact(value, key=name) for name, value in values.items()}
    line = lambda fact, value, region: f"{fact.key}={value}"  # noqa: E731
    return evaluate(Subject(facts, line=line), [RULES[rule]])


def facts_behind(expression: Expression) -> set[str]:
    """The facts that an expression rests on, by way of quantities."""
    names, facts = set(expression.names), set[str]()
    while names:
        name = names.pop()
        if name in QUANTITIES:
            names |= {*QUANTITIES[name].needs, *QUANTITIES[name].uses}
        else:
            facts.add(name)
    return facts


def test_every_rule_has_two_cases_and_a_source() -> None:
    assert CASES.keys() == RULES.keys()
    assert len(RULES) >= 40
    for name, rule in RULES.items():
        assert {"fires", "passes"} == CASES[name].keys(), name
        assert rule.text("source"), name


def test_cases_speak_of_facts() -> None:
    for name, case in CASES.items():
        assert set(case["fires"][1]) | set(case["passes"]) <= NAMES.keys(), name


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_shipped_files_are_read_without_complaint(path: Path) -> None:
    source = read_file(path, path.name, "audit.rules")
    assert RuleFile(source, path.name, "audit.rules", {}).problems == []


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_with_its_numbers(rule: str) -> None:
    severity, values = CASES[rule]["fires"]
    (finding,) = judged(rule, values).findings
    assert finding.severity == Severity(severity)
    shown = f"{finding.title} {finding.evidence} {finding.impact} {finding.recommended} {finding.fix}"
    assert not {"unknown", "{"} & {*shown.split(), *shown}, shown
    assert "{" not in RULES[rule].text("evidence") or any(map(str.isdigit, finding.evidence)), (
        finding.evidence
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_fires_knows_all_that_it_says(rule: str) -> None:
    known = facts_behind(RULES[rule].when) | (facts_behind(given) if (given := RULES[rule].given) else set())
    for key in ("title", "evidence", "impact", "recommended"):
        for _, expression, _ in template_parts(RULES[rule].text(key)):
            assert expression is None or facts_behind(expression) <= known, key


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_passes_what_is_right(rule: str) -> None:
    audit = judged(rule, CASES[rule]["passes"])
    assert [each.severity for each in audit.findings] == [Severity.PASSED], audit


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_cannot_tell_without_facts(rule: str) -> None:
    audit = judged(rule, {})
    assert [each.id for each in audit.undecided] == [rule], audit


@pytest.mark.parametrize("rule", RULES)
def test_typing_the_fix_ends_the_finding(rule: str) -> None:
    values = dict(CASES[rule]["fires"][1])
    (finding,) = judged(rule, values).findings
    fix = RULES[rule].fix
    if not isinstance(fix, Mapping) or not set(fix) & values.keys() or RULES[rule].when.names <= MEASURED:
        return
    assert finding.fix is not None
    typed = (word.partition("=") for word in finding.fix.split())
    fixed = {name: yaml.safe_load(value) for name, _, value in typed}
    if "rank" in fixed and "trainable_parameters" in values:
        values["trainable_parameters"] *= fixed["rank"] / values["rank"]
    values |= fixed
    assert all(each.severity is Severity.PASSED for each in judged(rule, values).findings), finding.fix
