"""What is wrong is said: all of it, with its place and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.config.load import load_config
from search.errors import ConfigError, Problem
from tests.search.config_files import SPACE, alone, line_of, respecified, write_space


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(*words: str, space: str = "space=space.yaml") -> dict[str, Problem]:
    """The problems by key; each key has one."""
    with pytest.raises(ConfigError) as caught:
        load_config([*([space] if space else []), *words])
    found = {problem.key: problem for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), caught.value
    return found


def test_all_problems_are_reported_at_once_each_with_its_line(folder: Path) -> None:
    text = """\
model: smolm2
task: {name: letters, train: train.jsonl, max_lenght: 32}
capability: {skills: [{name: facts, path: facts.jsonl}]}
budget: {steps: ninety}
parameters:
  lr: {type: log-float, low: 1e-2, high: 1e-4, hgh: 1}
  rank: {type: int, low: 0, high: 8}
  alpha: {type: expression, value: 2 * rnk}
  drop: {type: float, low: 0, high: 0.5}
  dropout:
    type: float
    low: 0
    high: 0.5
    when: rank >
fixed: {rank: 8, schedule: cosin}
objectives: [{metric: train_los, direction: min}]
searcher: tp
"""
    write_space(folder, text)
    found = problems("trials=many", "workers.zero_stage=4", "sed=3", "oops")
    expected = {
        "model": ("space.yaml:1", "smollm2"),
        "task.max_lenght": ("space.yaml:2", "task.max_length"),
        "budget.steps": ("space.yaml:4", None),
        "parameters.lr.hgh": ("space.yaml:6", "high"),
        "parameters.lr.low": ("space.yaml:6", "swap"),
        "parameters.rank.low": ("space.yaml:7", None),
        "parameters.alpha.value": ("space.yaml:8", None),
        "parameters.drop": ("space.yaml:9", "dropout"),
        "parameters.dropout.when": ("space.yaml:14", "comparisons"),
        "fixed.rank": ("space.yaml:15", "parameters.rank=null"),
        "fixed.schedule": ("space.yaml:15", "cosine"),
        "objectives.0.metric": ("space.yaml:16", "train_loss"),
        "searcher.name": ("space.yaml:17", "tpe"),
        "trials": ("command line: trials=many", None),
        "workers.zero_stage": ("command line: workers.zero_stage=4", None),
        "sed": ("command line: sed=3", "seed"),
        "oops": ("command line: oops", "space=oops"),
    }
    assert found.keys() == expected.keys()
    for key, (where, hint) in expected.items():
        assert found[key].where == where
        assert hint is None or hint in (found[key].hint or ""), found[key]


@pytest.mark.parametrize(
    ("word", "key", "part"),
    [
        ("trials=true", "trials", "true is not a whole number"),
        ("trials=2.5", "trials", "not a whole number"),
        ("trials='3'", "trials", "not a whole number"),
        ("trials=0", "trials", "at least 1"),
        ("name=3", "name", "not text"),
        ("name=../up", "name", "folder"),
        ("tracking.enabled=yes", "tracking.enabled", "not true or false"),
        ("workers.groups=some", "workers.groups", "a whole number or auto"),
        ("workers.slots=some", "workers.slots", "a whole number or auto"),
        ("workers.slots=0", "workers.slots", "at least 1"),
        ("workers.slots=true", "workers.slots", "a whole number or auto"),
        ("model.dtype=float16", "model.dtype", "float32"),
        ("budget=3", "budget", "write budget.KEY=VALUE"),
        ("guards=null", "guards", "write guards.KEY=VALUE"),
        ("objectives=3", "objectives", "list"),
        ("objectives=[]", "objectives", "empty"),
        ("trials.more=3", "trials.more", "not a known key"),
        ("parameters.lr.type=flot", "parameters.lr.type", "not a type of parameter"),
        ("parameters.lr={low: 1, high: 2, type: }", "parameters.lr.type", "type"),
        ("parameters.lr.low=.nan", "parameters.lr.low", "finite"),
        ("parameters.lr.low=0", "parameters.lr.low", "above 0"),
        ("parameters.rank.choices=[4, 4]", "parameters.rank.choices", "twice"),
        ("parameters.rank.choices=[4, eight]", "parameters.rank.choices.1", "whole number"),
        ("parameters.rank={type: float, low: 2, high: 8}", "parameters.rank.type", "whole number"),
        ("parameters.rang=null", "parameters.rang", "does not exist"),
        ("fixed.lr=1e-3", "fixed.lr", "searched"),
        ("fixed.target_modules=attn", "fixed.target_modules", "attention"),
        ("objectives.0.metric=facts_unparseble", "objectives.0.metric", "not measured"),
        ("objectives.9.floor=1", "objectives.9", "not an entry"),
        ("objectives.0.floor=1", "objectives.0.floor", "maximised"),
        ("trainable=lara", "trainable", "no trainable"),
        ("scheduler=ahsa", "scheduler.name", "no scheduler"),
        ("searcher=listed", "points", "empty"),
        ("points=[{lr: 1, rank: 2}]", "points.0", "outside"),
        ("model=./nowhere", "model.source", "no folder"),
        ("model.source=./nowhere", "model.source", "no folder"),
        ("task.train=nowhere.jsonl", "task.train", "no file"),
        ("task.text_field=body", "task.text_field", "lacks the field 'body'"),
        ("capability.skills.1.path=nowhere.jsonl", "capability.skills.1.path", "no file"),
        ("capability.skills.1.scoring=[likelihood]", "capability.skills.1.scoring", "no options"),
        ("capability.skills.1.name=facts", "capability.skills.1.name", "two skills"),
        ("seed=", "seed", "no value"),
        ("seed=[1", "seed", "not YAML"),
        ("seed=!!python/object:os.system 1", "seed", "not allowed"),
        ("a b=1", "a b", "not a key"),
        (".=1", ".", "not a key"),
        ("steps=60", "steps", "not a known key"),
        ("budget.steps=2", "budget.steps", "no room"),
    ],
)
def test_one_wrong_word_is_one_problem(word: str, key: str, part: str) -> None:
    found = problems(word)
    assert found.keys() == {key}, found
    assert part in found[key].message or part in (found[key].hint or ""), found[key]
    assert found[key].where == f"command line: {word}"


def test_a_key_in_the_wrong_section_is_led_to_the_right_one() -> None:
    assert "budget.steps" in (problems("steps=60")["steps"].hint or "")
    assert "fixed.clip" in (problems("clip=1")["clip"].hint or "")
    assert "parameters.lr.low" in (problems("lr=1e-3")["lr"].hint or "")


def test_a_colon_without_a_space_is_explained() -> None:
    found = problems("capability.skills=[{name:facts,path:questions.jsonl}]")
    assert "`name: facts`" in (found["capability.skills.0.name:facts"].hint or "")


def test_a_word_given_twice_is_refused() -> None:
    assert "twice" in problems("trials=3", "trials=4")["trials"].message
    assert "twice" in problems("space=demo")["space"].message


def test_without_a_space_only_what_was_given_is_judged() -> None:
    found = problems("trials=many", "budget.steps=9", "parameters.lr.low=1e-5", space="")
    assert found.keys() == {"space", "trials"}
    assert "demo" in (found["space"].hint or "")


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: [1, 2\nb: 3\n", 2, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("- a\n- b\n", 1, "list"),
        ("just words\n", 1, "single value"),
        ("a: &a [*a]\n", 1, "nested too deeply"),
        ("a: !include other.yaml\n", 1, "not allowed"),
        ("---\na: 1\n---\nb: 2\n", 3, "not YAML"),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml(folder: Path, text: str, line: int, part: str) -> None:
    (folder / "bad.yaml").write_text(text)
    found = problems("trials=many", space="space=bad.yaml")
    assert found.keys() == {"space", "trials"}
    assert found["space"].where == f"bad.yaml:{line}"
    assert part in found["space"].message


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in problems(space="space=binary.yaml")["space"].message
    assert "space.yaml" in (problems(space="space=spase.yaml")["space"].hint or "")
    assert "space=demo" in (problems(space="space=demo.yaml")["space"].hint or "")
    assert "space=space.yaml" in (problems(space="space=space")["space"].hint or "")
    assert "demo" in (problems(space="space=dmeo")["space"].hint or "")
    assert "folder" in problems(space="space=.")["space"].message


def test_a_key_given_twice_in_a_file_names_both_lines(folder: Path) -> None:
    write_space(folder, SPACE + "trials: 7\n")
    found = problems()
    assert found["trials"].where == f"space.yaml:{len(SPACE.splitlines()) + 1}"
    assert f"space.yaml:{line_of(SPACE, 'trials')}" in (found["trials"].hint or "")


def test_values_left_to_the_user_are_asked_for_by_key(folder: Path) -> None:
    write_space(folder, SPACE.replace("train: train.jsonl", "train: ???"))
    assert "task.train=" in (problems()["task.train"].hint or "")
    assert load_config(["space=space.yaml", "task.train=train.jsonl"]).config.task.train == "train.jsonl"


def test_missing_keys_are_named_at_the_section_that_lacks_them(folder: Path) -> None:
    write_space(folder, SPACE.replace("budget:\n  steps: 9\n", "").replace("      path: sums.jsonl\n", ""))
    found = problems()
    assert found.keys() == {"budget", "capability.skills.1.path"}
    assert found["capability.skills.1.path"].where == f"space.yaml:{line_of(SPACE, 'name: sums')}"


def test_alpha_given_in_both_forms_is_found_before_a_trial_is(folder: Path) -> None:
    found = problems("fixed.alpha=16", "parameters.alpha_per_rank={type: categorical, choices: [1, 2]}")
    assert "both given" in found["fixed.alpha"].message
    found = problems("parameters.alpha={type: expression, value: 2 * rank}", "fixed.alpha_per_rank=2")
    assert "both given" in found["parameters.alpha.value"].message
    conditional = "parameters.alpha={type: float, low: 1, high: 2, when: rank > 4}"
    assert load_config(["space=space.yaml", conditional, "fixed.alpha_per_rank=2"]).config.trials == 6


def test_an_expression_that_leaves_the_range_is_found_with_an_example() -> None:
    found = problems("parameters.dropout={type: expression, value: rank / 4}")
    assert "below 1" in found["parameters.dropout.value"].message
    assert "rank 4" in found["parameters.dropout.value"].message
    found = problems("parameters.dropout={type: expression, value: 1 / (rank - 2)}")
    assert "divides by zero" in found["parameters.dropout.value"].message


def test_the_grid_needs_points_of_every_range() -> None:
    assert load_config(["space=space.yaml", "searcher=grid"]).config.searcher.name == "grid"
    found = problems("searcher=grid", "parameters.lr.points=null", "trials=no")
    assert found.keys() == {"parameters.lr.points", "trials"}


def test_several_slots_are_refused_where_trials_run_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, "they change the base's weights")
    found = problems("workers.slots=4", "trials=no")
    assert found.keys() == {"workers.slots", "trials"}
    assert found["workers.slots"].message == (
        "is 4, and trials of lora run one at a time: they change the base's weights"
    )
    assert found["workers.slots"].hint == "write 1, or auto"
    assert found["workers.slots"].where == "command line: workers.slots=4"
    for slots in ("1", "auto"):
        assert load_config(["space=space.yaml", f"workers.slots={slots}"])
    assert problems("workers.slots=true")["workers.slots"].message == "true is not a whole number or auto"


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_shards_are_refused_where_weights_must_be_whole(stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    word = f"workers.zero_stage={stage}"
    assert load_config(["space=space.yaml", word])
    respecified(monkeypatch, unsharded="they change the base's weights")
    if stage < 3:
        assert load_config(["space=space.yaml", word])
        return
    problem = problems(word)["workers.zero_stage"]
    assert "lora needs them whole: they change the base's weights" in problem.message
    assert problem.hint == "write 0"


@pytest.mark.parametrize("word", ["model.dtype=float32", "workers.gpus=0"])
def test_flash_attention_is_refused_where_it_cannot_compute(word: str) -> None:
    found = problems("model.attention=flash_attention_2", word)["model.attention"]
    assert word.replace("=", " is ") in found.message
    assert load_config(["space=space.yaml", "model.attention=flash_attention_2"])
    assert load_config(["space=space.yaml", word])


def test_another_source_for_a_prepared_model_is_not_passed_over() -> None:
    found = problems("model=smollm2", "model.source=org/other")
    assert "model=org/other" in (found["model.source"].hint or "")


def test_the_same_data_set_of_the_hub_is_not_held_out_under_another_spelling() -> None:
    words = ("task.train=org/name", "task.subset=a", "task.heldout=org/name:a")
    found = problems(*words)["task.heldout"]
    assert "task.train" in found.message
    assert "task.heldout" not in problems(*words[:2], "task.heldout=org/name:b", "seed=x")
