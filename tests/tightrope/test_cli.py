"""The console script: its verbs, and files of the working directory that have the names of packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search.dialect import VERBS as DIALECT
from search.dialect import as_typed
from tests.tightrope.script import run, write_script
from tightrope.cli import help_text, main
from tightrope.verbs import VERBS

SHADOWS = ("analysis.py", "ray.py", "spaces.py", "torch.py", "trainables.py", "yaml.py")
RAISES = "raise SystemExit('the wrong file was imported')\n"


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_and_refuses_what_it_does_not_know(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([name, "--help"])
    except SystemExit as ended:  # argparse
        code = int(ended.code or 0)
    assert code == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("usage:") or "\nusage:" in captured.out
    assert captured.err == ""
    try:
        code = main([name, "--no-such-option"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert capsys.readouterr().err


def test_the_help_has_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == help_text()
    assert all(f"\n  {verb.name} " in help_text() and verb.line in help_text() for verb in VERBS.values())


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["pln"], "did you mean plan?"), (["space=demo"], "run space="), (["--versoin"], "--version"), ([], "")],
)
def test_a_wrong_verb_ends_with_2_and_the_nearest_right_one(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert hint in captured.err


def test_messages_name_commands_as_they_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "python -m search.run space=demo; python -m search.running; python -m analysis.report runs/x"
    assert as_typed(text) == text
    monkeypatch.setattr(sys, "argv", ["/some/where/tightrope", "run"])
    assert as_typed(text) == "tightrope run space=demo; python -m search.running; tightrope report runs/x"
    assert set(DIALECT.values()) <= VERBS.keys()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write_script(tmp_path / "bin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory in which files have the names of packages."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in SHADOWS:
        (folder / name).write_text(RAISES)
    return folder


def test_the_script_ignores_what_lies_in_the_working_directory(script: Path, folder: Path) -> None:
    (folder / "search.py").write_text(RAISES)
    (folder / "tightrope.py").write_text(RAISES)
    done = run(script, "config", "space=demo", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# space=demo")
    wrong = run(script, "plan", "space=demo", "trials=many", cwd=folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_so_does_a_module_unless_the_file_hides_its_own_package(script: Path, folder: Path) -> None:
    done = run(sys.executable, "-m", "search.run", "space=demo", "--config", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "search.py").write_text("")
    hidden = run(sys.executable, "-m", "search.run", "space=demo", "--config", cwd=folder)
    assert hidden.returncode != 0
    assert "search" in hidden.stderr
    assert "search.py, trainables.py, analysis.py" in run(script, "doctor", cwd=folder).stdout


def test_workers_and_helpers_do_not_look_there_either(folder: Path) -> None:
    code = (
        "import sys; from search.shadows import module_command, worker_path; "
        "print(worker_path() is None, module_command('x')[1:]); "
        "del sys.path[0]; print(worker_path() is None)"
    )
    for name in SHADOWS:
        (folder / name).unlink()
    done = run(sys.executable, "-c", code, cwd=folder)
    # A program of the user's own that has its folder on the path has it on the workers' too.
    assert done.stdout.splitlines() == ["True ['-P', '-m', 'x']", "False"]
