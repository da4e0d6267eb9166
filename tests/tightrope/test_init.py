"""`tightrope init`: the file that it writes is planned as it is, and fits the model and the data."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from search.config.load import load_config
from search.config.schema import default_objectives
from tightrope.cli import main

QUESTIONS = [{"question": f"{n}+1?", "answer": str(n + 1)} for n in range(90)]
PAIRS = [{"prompt": f"say {n}", "completion": f"it is {n}"} for n in range(40)]
TEXTS = [{"text": f"Page {n} tells of the lighthouse."} for n in range(6)]
CHATS = [
    {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"It is {n}."}]}
    for n in range(400)
]


def write_lines(name: str, records: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_lines("questions.jsonl", QUESTIONS)
    return tmp_path


@pytest.mark.parametrize(
    ("task", "records", "form", "batch"),
    [
        ("pairs.jsonl", PAIRS, "completion", 4),
        ("a page: #1.jsonl", TEXTS, "text", 1),
        ("chats.jsonl", CHATS, "messages", 8),
    ],
)
def test_what_is_written_can_be_planned(
    task: str, records: list[dict[str, Any]], form: str, batch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(task, records)
    words = ("model=embedded", f"task={task}", "capability=questions.jsonl")
    assert main(["init", *words, "name=mine", "trials=5"]) == 0
    text = Path("mine.yaml").read_text()
    assert f"# Records of the form {form};" in text
    config = load_config(["space=mine.yaml"]).config
    assert (config.name, config.trials, config.options.task.train) == ("mine", 5, task)
    assert config.fixed["batch_size"] == batch
    assert f"# at steps {', '.join(map(str, config.budget.rung_steps[:2]))} and " in text
    capsys.readouterr()
    assert main(["plan", "space=mine.yaml", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert f"up to {plan['data']['lengths']['max_length']} tokens" in text


def test_without_questions_general_text_must_not_be_lost() -> None:
    assert main(["init", "model=embedded", "task=lighthouse", "mine.yaml"]) == 0
    config = load_config(["space=mine.yaml"]).config
    assert config.objectives == default_objectives(config.metrics)
    assert config.options.capability.skills == ()


def test_an_existing_file_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("mine")
    words = ("model=embedded", "task=lighthouse", "capability=embedded", "mine.yaml")
    assert main(["init", *words]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert Path("mine.yaml").read_text() == "mine"


def test_a_model_of_the_hub_needs_not_be_here() -> None:
    write_lines("pairs.jsonl", PAIRS)
    assert main(["init", "model=org/name", "task=pairs.jsonl", "capability=questions.jsonl"]) == 0
    assert load_config(["space=pairs.yaml"]).config.options.model.source == "org/name"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["model=embeded", "task=lighthouse", "capability=embedded"], "did you mean embedded?"),
        (["model=embedded", "task=nothing.jsonl", "capability=embedded"], "there is no file"),
        (["model=embedded", "capability=embedded"], "add task="),
        (["model=embedded", "task=lighthouse", "capability=embedded", "mine"], "mine.yaml"),
        (["model=embedded", "task=lighthouse", "trials=many"], "trials=16"),
        (["model=embedded", "task=lighthouse", "trials=1e2"], "trials=16"),
        (["model=embedded", "task=lighthouse", "no/mine.yaml"], "there is no folder no"),
        (["model=embedded", "task=lighthouse", f"{'n' * 300}.yaml"], "name that is too long"),
        (["model=embedded", "task=lighthouse", "my space.yaml"], "cannot be a folder's name (my space.yaml)"),
        (["model=embedded", "task=mine.py:thanks"], "mine.py cannot be read"),
    ],
)
def test_what_cannot_be_used_leaves_no_file(
    words: list[str], hint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *words]) == 2
    assert hint in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["questions.jsonl"]


@pytest.mark.parametrize(("task", "name"), [("my data.jsonl", "my-data"), (".hidden.jsonl", "hidden")])
def test_a_file_is_named_after_data_of_any_name(
    task: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(task, PAIRS)
    assert main(["init", "model=embedded", f"task={task}"]) == 0
    assert f"tightrope run space={name}.yaml" in capsys.readouterr().out
    assert load_config([f"space={name}.yaml"]).config.name == name


def test_a_task_of_one_s_own_is_planned_and_the_commands_allow_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my own.py").write_text(f"def thanks():\n    yield from {PAIRS!r}\n")
    words = ["init", "model=embedded", "task=my own.py:thanks", "own.yaml"]
    assert main(words) == 2
    assert "--allow-code my own.py" in capsys.readouterr().err
    assert main([*words, "--allow-code", "my own.py"]) == 0
    said = capsys.readouterr().out.splitlines()[-1].split(maxsplit=2)[2]
    assert load_config(shlex.split(said)).config.options.task.train == "my own.py:thanks"
