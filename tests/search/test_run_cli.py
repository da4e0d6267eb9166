"""The command line as a process: exit codes, streams, and what is imported on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from search.run import main
from tests.search.config_files import write_space

pytestmark = pytest.mark.integration

HEAVY = ("ray", "torch", "mlflow", "transformers", "optuna", "datasets", "deepspeed")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "search.run", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "", "HOME": str(Path.cwd())},
    )


def imported_after(words: list[str]) -> tuple[int, set[str]]:
    """Exit code of a command line, and the heavy packages that it imported."""
    code = (
        "import sys; from search.run import main; code = main(sys.argv[1:]); "
        f"print('imported', code, *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "", "HOME": str(Path.cwd())},
    )
    _, exit_code, *names = done.stderr.splitlines()[-1].split()
    return int(exit_code), set(names)


@pytest.mark.parametrize(
    ("words", "code", "allowed"),
    [
        (["space=space.yaml", "trials=many", "model=smolm2"], 2, set()),
        (["space=space.yaml", "--config"], 0, set()),
        (["--list"], 0, set()),
        (["--help"], 0, set()),
        (["space=space.yaml", "--plan"], 0, {"optuna", "transformers"}),
    ],
)
def test_nothing_heavy_is_imported_before_a_search_starts(
    words: list[str], code: int, allowed: set[str]
) -> None:
    exit_code, imported = imported_after(words)
    assert exit_code == code
    assert imported <= allowed


def test_a_wrong_configuration_ends_with_2_and_says_why_on_stderr() -> None:
    done = run("space=space.yaml", "trals=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "trals: is not a known key (command line: trals=3)" in done.stderr
    assert "did you mean trials?" in done.stderr


def test_without_words_the_help_is_shown_and_the_exit_code_is_2() -> None:
    done = run()
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=demo", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(
        flag in text for flag in ("--plan", "--config", "--list", "--json", "space=demo", "Exit codes")
    )


@pytest.mark.parametrize(
    ("flag", "hint"),
    [("--paln", "--plan"), ("--trials=30", "trials=30"), ("-j", "--json"), ("--jsn", "--json")],
)
def test_unknown_options_are_refused(flag: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=space.yaml", flag, "trials=many"]) == 2
    error = capsys.readouterr().err
    assert f"{flag}: is not an option" in error
    assert hint in error
    assert "trials: 'many' is not a whole number" in error


def test_options_that_exclude_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan", "space=space.yaml", "--config"]) == 2
    assert "cannot be given with" in capsys.readouterr().err


def test_problems_are_also_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "space=space.yaml", "seed=-1"]) == 2
    captured = capsys.readouterr()
    (problem,) = json.loads(captured.out)["problems"]
    assert problem["key"] == "seed"
    assert "seed" in captured.err


def test_config_as_json_says_where_every_value_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=space.yaml", "--config", "--json", "trials=7"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["config"]["trials"] == 7
    assert data["origins"]["trials"] == "command line: trials=7"
    assert data["origins"]["parameters.lr.low"].startswith("space.yaml:")
    assert data["origins"]["workers.groups"] == "default"
    assert data["defaults"]["dropout"] == 0
    assert not data["defaults"].keys() & {*data["config"]["parameters"], *data["config"]["fixed"]}
    assert main(["space=space.yaml", "--config"]) == 0
    assert "\n#   dropout: 0.0\n" in capsys.readouterr().out


def test_the_list_has_a_line_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"demo"} <= found["space"].keys()
    assert {"embedded", "smollm2"} <= found["model"].keys()
    assert {"tpe", "random", "grid", "listed"} <= found["searcher"].keys()
    assert {"asha", "none"} <= found["scheduler"].keys()
    assert all(line for lines in found.values() for line in lines.values())
    assert main(["--list"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\n  lr +0.0002 +Peak learning rate of AdamW \(>= 1e-12, <= 10\)\n", text)
    assert all(f"  {name} " in text for lines in found.values() for name in lines)
