"""README's commands, in its order and in one folder, as somebody types them who has just run `make demo`.

What would train is planned instead, and leaves the record of a search that has begun, so that a later command
meets what an earlier one has left. Searches that train are in `tests/search/test_whole_search.py`, and what
`tightrope doctor` says of this machine in `test_doctor.py`. The hub is not reached.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from search.config.load import load_config
from tests.analysis import investigate_records as scenes
from tests.records import make_events
from tests.search.test_resume import record
from tests.tightrope.exports import write_search
from tests.tightrope.script import ROOT, run, write_script
from tightrope.cli import main
from tightrope.verbs import VERBS

README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = r"^    (?P<block>(?:tightrope|source|make) .*)$"
_INLINE = r"`(?P<inline>tightrope (?:--help|[a-z-]+ [a-z]+[= ][^`]*))`"
COMMANDS = [match["block"] or match["inline"] for match in re.finditer(f"(?m){_BLOCK}|{_INLINE}", README)]
STUDIES = re.findall(r"(?m)^\| `([a-z]+)` \|", README)
NAMED = "init plan config list run audit show compare export rm doctor simulate report investigate"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `make demo` and another search have run, with data and questions of the user's."""
    monkeypatch.chdir(tmp_path)
    config = load_config(["space=demo"]).config
    for seed, name in enumerate(("demo", "other")):
        named = config.model_copy(update={"name": name})
        write_search(tmp_path / "runs" / name, make_events(16, seed, named))
    pairs = [{"prompt": f"How far is rock {n}?", "completion": f"{n} miles."} for n in range(40)]
    questions = [{"question": f"{n}+1?", "options": [str(n), str(n + 1)], "answer": 1} for n in range(160)]
    for file, rows in (("my.jsonl", pairs), ("questions.jsonl", questions)):
        Path(file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = [f"{lr},{2 - lr * 300},{0.27 - 200 * lr}" for lr in (1e-5, 1e-4, 3e-4, 1e-3)]
    Path("results.csv").write_text("\n".join(["lr,loss,accuracy", *table]) + "\n")
    return tmp_path


def train(words: list[str]) -> int:
    """Plans a search, and leaves it begun unless it is there already."""
    code = main(["plan", *words])
    config = load_config(words).config
    if not Path(config.out, config.name).exists():
        record(config)
    return code


def investigate(words: list[str]) -> int:
    """Investigates; of a study's search that has begun, the finished one is made first."""
    if words == ["runs/alignment"]:
        shutil.rmtree("runs/alignment")
        scenes.record(scenes.make_scene(scenes.knowledge_lost), Path("runs/alignment"), "alignment")
    return main(["investigate", *words])


INSTEAD: dict[str, Callable[[list[str]], int]] = {
    "run": train,
    "investigate": investigate,
    "rm": lambda words: main(["rm", *words, "--yes"]),  # there is no terminal to ask on
}


def test_readme_has_the_commands_that_are_tried() -> None:
    verbs = {command.split()[1] for command in COMMANDS if command.startswith("tightrope")}
    assert set(NAMED.split()) <= verbs <= {*VERBS, "--help"}
    assert len(COMMANDS) >= 20
    assert len(STUDIES) >= 5


def test_every_command_works_after_those_before_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        words = shlex.split(command, comments=True)
        if words[0] != "tightrope" or words[1:] == ["doctor"]:
            continue
        verb, *rest = words[1:]
        code = INSTEAD[verb](rest) if verb in INSTEAD else main([verb, *rest])
        said = capsys.readouterr()
        assert code == 0, f"{command}\n{said.out}\n{said.err}"
    assert Path("my.yaml").is_file()
    assert {"demo", "demo-name-my", "my", "alignment"} <= {path.name for path in Path("runs").iterdir()}
    assert not Path("runs/other").exists()
    assert [path.name for path in Path("exported").iterdir()]


def test_make_demo_is_the_search_that_the_rest_of_readme_speaks_of(folder: Path) -> None:
    assert "make demo" in COMMANDS
    # Under `make test`, make is one of several and says which folder it enters and leaves.
    command = ["make", "-n", "-B", "--no-print-directory", "demo"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    words = made.stdout.splitlines()[-1].partition("-m search.run ")[2].split()
    assert train(words) == 0, "the same command said again resumes runs/demo"


@pytest.mark.parametrize("space", STUDIES)
def test_every_study_can_be_planned(
    space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", f"space={space}"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_line_for_completion_works_in_the_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    (line,) = (shlex.split(c, comments=True) for c in COMMANDS if c.startswith("source"))
    script = write_script(tmp_path / "bin")
    path = f"export PATH={shlex.quote(f'{script.parent}{os.pathsep}')}$PATH"
    load = " ".join(line).replace("bash", shell)
    ready = "autoload -U compinit && compinit -u; " if shell == "zsh" else ""
    check = "complete -p tightrope" if shell == "bash" else "print $_comps[tightrope]"
    done = run(shell, "-c", f"{path}; {ready}{load}; {check}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_tightrope" in done.stdout
