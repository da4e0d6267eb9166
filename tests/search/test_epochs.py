"""A budget in epochs is one in steps, counted before anything is recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from search.config.load import Resolved, load_config
from search.config.show import config_yaml
from search.epochs import in_steps
from search.errors import ConfigError, SpaceChangedError
from search.resume import refuse_changes
from search.run import main
from tests.search.config_files import SPACE, line_of, write_space
from trainables import embedded


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    (tmp_path / "heldout.jsonl").write_text('{"text": "held out"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(*words: str) -> Resolved:
    """Six examples to train on, in batches of four."""
    return load_config(["space=space.yaml", "task.heldout=heldout.jsonl", *words])


def problem(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        in_steps(load(*words).config)
    (found,) = caught.value.problems
    assert found.key == "budget.epochs"
    return f"{found.message}; {found.hint}"


@pytest.mark.parametrize(("epochs", "batch_size", "steps"), [("6", 4, 9), ("6.1", 4, 10), ("10", 5, 12)])
def test_steps_are_those_that_visit_every_example_so_often(epochs: str, batch_size: int, steps: int) -> None:
    counted = in_steps(load(f"budget.epochs={epochs}", f"fixed.batch_size={batch_size}").config)
    assert counted.config.budget.full_steps == counted.config.budget.rung_steps[-1] == steps
    assert counted.sentence == f"{epochs} epochs of 6 examples, {batch_size} a step: {steps} steps"


def test_a_parameter_with_one_choice_is_one_batch_size() -> None:
    one = ["parameters.batch_size={type: categorical, choices: [2]}", "fixed.batch_size=null"]
    assert in_steps(load("budget.epochs=4", *one).config).config.budget.full_steps == 12
    default = in_steps(load("budget.epochs=12", "fixed.batch_size=null").config)
    assert default.config.budget.full_steps == 9


def test_on_the_command_line_one_replaces_the_other_of_the_space(folder: Path) -> None:
    resolved = load("budget.epochs=6")
    assert resolved.notes == (
        f"budget.epochs=6 replaces budget.steps=9 (space.yaml:{line_of(SPACE, 'steps')}).",
    )
    shown = config_yaml(resolved)
    write_space(folder, shown)
    again = load()
    assert (again.config.budget, again.notes) == (resolved.config.budget, ())
    back = load("budget={steps: 27}")
    assert (back.config.budget.steps, back.config.budget.epochs) == (27, None)
    assert [note.split(" (")[0] for note in back.notes] == ["budget.steps=27 replaces budget.epochs=6.0"]


def test_both_at_one_place_or_neither_are_refused(folder: Path) -> None:
    assert "remove one of them" in problem("budget.epochs=6", "budget.steps=9")
    write_space(folder, SPACE.replace("  steps: 9\n", "  steps: 9\n  epochs: 2\n"))
    assert "remove one of them" in problem()
    write_space(folder, SPACE.replace("  steps: 9\n", "  rungs: 2\n"))
    with pytest.raises(ConfigError, match="neither steps nor epochs"):
        load()


@pytest.mark.parametrize(
    "parameter", ["{type: categorical, choices: [2, 4]}", "{type: int, low: 1, high: 8}"]
)
def test_unequal_batch_sizes_are_refused_with_what_would_be_right(parameter: str) -> None:
    said = problem("budget.epochs=6", f"parameters.batch_size={parameter}", "fixed.batch_size=null")
    assert "trials are compared at the same step" in said
    assert "fixed.batch_size=8" in said
    assert "budget.steps=N" in said


def test_epochs_without_room_for_the_rungs_or_that_cannot_be_counted_are_refused(folder: Path) -> None:
    assert "are 2 steps; 3 rungs with eta 3 need at least 9" in problem("budget.epochs=1")
    assert "maximum" in problem("budget.epochs=2147483647")
    shutil.copytree(embedded.model_dir(), folder / "endless")
    settings = folder / "endless" / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token": None}))
    said = problem("budget.epochs=6", "model.source=endless")
    assert "cannot be counted: The tokenizer of 'small' has no end-of-sequence token" in said


def test_the_plan_says_how_steps_were_counted(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["space=space.yaml", "task.heldout=heldout.jsonl", "budget.epochs=6", "--plan", "--json"]
    assert main(words) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["rungs"] == [1, 3, 9]
    assert plan["budget"][0] == "6 epochs of 6 examples, 4 a step: 9 steps"
    assert "a step is 4 examples (batch_size, the effective batch)" in plan["budget"][1]
    assert "replaces budget.steps=9" in plan["notes"][0]


def test_a_search_resumes_where_the_steps_are_the_same_however_they_are_said() -> None:
    in_epochs, as_steps = in_steps(load("budget.epochs=6").config).config, load().config
    recorded = as_steps.model_dump(mode="json")
    del recorded["budget"]["epochs"]  # as it was before there were any
    refuse_changes(recorded, as_steps)
    refuse_changes(recorded, in_epochs)
    refuse_changes(in_epochs.model_dump(mode="json"), as_steps)
    longer = in_steps(load("budget.epochs=8").config).config
    with pytest.raises(SpaceChangedError, match=r"budget\.steps: recorded 9, now 12"):
        refuse_changes(recorded, longer)
