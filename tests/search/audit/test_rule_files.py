"""A user's rules: added, changed and switched off, and everything that is wrong with them by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.audit.library import rules_with, shipped_rules
from search.config.load import load_config
from search.errors import ConfigError
from tests.search.config_files import write_space

SHIPPED, SECOND, *_ = sorted(shipped_rules())
RULE = """\
my-rule:
  title: Rank
  when: rank > 2
  severity: low
  evidence: "rank {rank}"
  impact: none
  recommended: rank 2
  fix: {rank: 2}
  source: ours
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_adds_changes_extends_and_switches_off(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        f"{RULE}\nstricter: {{extends: my-rule, when: rank > 1}}\n"
        f"{SHIPPED}: {{override: true, severity: low}}\n{SECOND}: {{off: true}}\n"
    )
    rules, problems = rules_with("mine.yaml")
    assert problems == []
    assert rules.keys() ^ shipped_rules().keys() == {"my-rule", "stricter", SECOND}
    assert (rules["stricter"].when.text, rules["stricter"].text("impact")) == ("rank > 1", "none")
    assert (rules[SHIPPED].severity.text, rules[SHIPPED].origin) == ("low", "mine.yaml")
    assert rules[SHIPPED].text("title") == shipped_rules()[SHIPPED].text("title")
    assert rules[SHIPPED].places["severity"] == "mine.yaml:12"


def test_everything_wrong_is_said_at_once_with_its_line(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        f"""\
{SHIPPED}: {{severity: low}}
gone-rule: {{off: true}}
Bad Id: {{off: true}}
wrong:
  title: "{{lr"
  whem: lr > 1
  when: lr >
  severity: hihg
  evidence: "{{lrr}}"
  impact: 3
  fix: {{rnak: 2}}
  place: lr2
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", "audit.rules=mine.yaml", "trials=none"])
    said = {(problem.where, problem.key.partition(": ")[2]): problem for problem in caught.value.problems}
    lines = {place.rpartition(":")[2] for place, _ in said if place.startswith("mine.yaml")}
    assert {"1", "2", "3", "6"} <= lines
    assert said["mine.yaml:6", "wrong.whem"].hint == "did you mean when?"
    assert any("trials" in problem.key for problem in caught.value.problems)


def test_values_that_are_wrong_are_said_with_the_right_names(folder: Path) -> None:
    bad = RULE.replace("rank > 2", "rnak > 2").replace("severity: low", "severity: hihg")
    (folder / "mine.yaml").write_text(bad.replace("{rank}", "{lrr}").replace("{rank: 2}", "{lr: 2 +}"))
    _, problems = rules_with("mine.yaml")
    assert [(each.where, each.hint) for each in problems[:3]] == [
        ("mine.yaml:3", "did you mean rank?"),
        ("mine.yaml:4", "did you mean high?"),
        ("mine.yaml:5", "did you mean lr?"),
    ]
    assert problems[3].where == "mine.yaml:8"


def test_allowed_ids_must_be_rules() -> None:
    with pytest.raises(ConfigError, match=f"did you mean {SHIPPED}"):
        load_config(["space=space.yaml", f"audit.allow=[{SHIPPED}x]"])
    assert load_config(["space=space.yaml", f"audit.allow=[{SHIPPED}]"]).config.audit.allow == (SHIPPED,)
