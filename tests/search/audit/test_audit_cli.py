"""The audit on the command line and before a search: exit codes, refusal, plan, record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.summary import summarise
from search.audit.__main__ import main as audit
from search.record import SearchState, SessionStarted
from search.run import main as run
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import SEARCH
from tests.records import opening_events
from tests.search.config_files import write_space

RULES = """\
my-critical:
  title: Rank of the adapter
  when: rank >= {least}
  severity: critical
  place: rank
  evidence: "rank {{rank}}"
  impact: it is too large
  recommended: rank 1
  fix: {{rank: 1}}
  source: ours
"""
WORDS = ["space=space.yaml", "audit.rules=mine.yaml"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    (tmp_path / "mine.yaml").write_text(RULES.format(least=2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_critical_finding_has_its_place_line_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit([*WORDS, "--json"]) == 1
    said = printed(capsys)
    assert said["refused"] == ["my-critical"]
    (finding,) = (each for each in said["findings"] if each["id"] == "my-critical")
    assert finding["place"] == {
        "key": "parameters.rank.choices",
        "file": "space.yaml",
        "line": 20,
        "source": "space.yaml:20",
    }
    assert finding["fix"] == "parameters.rank=null fixed.rank=1"
    assert (finding["share"], finding["method"]) == (1.0, "counted")
    assert audit([*WORDS, "audit.allow=[my-critical]"]) == 0
    assert "allowed by audit.allow" in capsys.readouterr().out


def test_the_line_to_type_repairs_what_was_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text(RULES.format(least=4))
    assert audit([*WORDS, "--json"]) == 0  # half of the choices: not critical
    (finding,) = (each for each in printed(capsys)["findings"] if each["id"] == "my-critical")
    assert (finding["severity"], finding["fix"]) == ("high", "parameters.rank.choices=[2]")
    assert audit([*WORDS, finding["fix"], "--json"]) == 0
    (finding,) = (each for each in printed(capsys)["findings"] if each["id"] == "my-critical")
    assert finding["severity"] == "passed"


@pytest.mark.parametrize(
    ("when", "value", "line"),
    [
        ("lr > 2e-3", "2e-3", "parameters.lr.high=0.002"),
        ("lr < 1e-3", "1e-3", "parameters.lr.low=0.001"),
        ("lr < 1", "1", "parameters.lr=null fixed.lr=1"),
    ],
)
def test_the_end_of_a_range_that_is_wrong_is_moved(
    when: str, value: str, line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.yaml").write_text(
        RULES.format(least=2).replace("rank >= 2", when).replace("rank: 1", f"lr: {value}")
    )
    audit([*WORDS, "--json"])
    (finding,) = (each for each in printed(capsys)["findings"] if each["id"] == "my-critical")
    assert finding["fix"] == line
    audit([*WORDS, *line.split(), "--json"])
    (finding,) = (each for each in printed(capsys)["findings"] if each["id"] == "my-critical")
    assert finding["severity"] == "passed"


def test_a_search_is_refused_before_anything_starts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    assert run([*WORDS, "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["audit"]["refused"] == ["my-critical"]
    assert "audit.allow=[my-critical]" in said.err
    assert sorted(folder.iterdir()) == before


def test_the_plan_shows_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*WORDS, "--plan", "--json"]) == 0
    said = printed(capsys)["audit"]
    assert said["refused"] == ["my-critical"]
    assert "memory-above-device" in {each["id"] for each in said["findings"]}
    assert run([*WORDS, "--plan"]) == 0
    assert "a run would be refused without audit.allow=[my-critical]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["--explain", "my-critcal", "audit.rules=mine.yaml"], 2, "did you mean my-critical?"),
        (["--explain", "my-critical", "audit.rules=mine.yaml"], 0, "source: ours"),
        (["--list", "audit.rules=mine.yaml"], 0, "my-critical: Rank of the adapter (critical)"),
        (["--list", *WORDS], 1, "critical      my-critical"),
        (["space=nothing"], 2, "there is no space 'nothing'"),
        (["--list", "audit.rules=none.yaml"], 2, "cannot be read"),
        ([], 2, "usage: python -m search.audit"),
    ],
)
def test_exit_codes_and_words(
    words: list[str], code: int, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(words) == code
    said = capsys.readouterr()
    assert part in said.out + said.err


def test_it_loads_no_framework() -> None:
    script = (
        "import sys; from search.audit.__main__ import main; main(sys.argv[1:]);"
        "assert not {'torch', 'ray', 'mlflow', 'optuna', 'transformers'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", script, *WORDS], capture_output=True, text=True)
    assert (done.returncode, "my-critical" in done.stdout) == (0, True), done.stderr


def test_the_audit_is_in_summary_and_tags() -> None:
    found = {
        "counts": {"critical": 1},
        "findings": [{"id": "a-b", "severity": "critical"}],
        "allowed": ["a-b"],
    }
    events = [
        event.model_copy(update={"audit": found}) if isinstance(event, SessionStarted) else event
        for event in opening_events()
    ]
    projection = Projection()
    for event in events:
        projection.apply(event)
    tags = projection.runs[SEARCH].tags
    shown = {key: value for key, value in tags.items() if "audit" in key}
    assert shown == {
        "tightrope.audit.critical": "1",
        "tightrope.audit.findings": "a-b (critical)",
        "tightrope.audit.allowed": "a-b",
    }
    assert summarise(SearchState.from_events(events), Path("runs/x"))["audit"] == found
