"""What the configuration says of capability: metrics that objectives may name, rungs, general text."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.config.load import load_config
from search.errors import ConfigError
from search.run import main
from tests.search.config_files import SPACE, write_space

LATE = SPACE.replace("path: sums.jsonl", "path: sums.jsonl\n      at: last")
GENERAL = SPACE.replace("capability:\n", "capability:\n  general_text: general.txt\n")
NAMES = [
    "heldout_loss",
    "facts_generation",
    "facts_likelihood",
    "facts_likelihood_norm",
    "facts_wrong",
    "facts_unparseable",
    "facts_leaking",
    "sums_generation",
    "sums_f1",
    "sums_leaking",
    "right",
    "wrong",
    "unparseable",
    "leaking",
    "looping",
    "length_exhausted",
    "empty",
    "distinct_2",
    "repeated_4",
    "kl_base",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "general.txt").write_text("The sea is calm.\n\nAll is well.\n")


def objective(metric: str, space: str = SPACE) -> str:
    write_space(Path(), f"{space}\nobjectives: [{{metric: {metric}, direction: max}}]\n")
    return load_config(["space=space.yaml"]).config.objectives[0].metric


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_can_be_an_objective(name: str) -> None:
    assert objective(name) == name


@pytest.mark.parametrize("name", ["general_loss", "general_bits_per_byte", "general_loss_change"])
def test_general_text_is_measured_where_there_is_some(name: str) -> None:
    assert objective(name, GENERAL) == name
    with pytest.raises(ConfigError, match=f"'{name}' is not measured in this search"):
        objective(name)


@pytest.mark.parametrize("name", ["sums_likelihood", "sums_likelihood_norm", "facts_f1", "think_missing"])
def test_what_no_item_gives_is_no_objective(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is not measured in this search"):
        objective(name)


def test_no_divergence_without_prompts() -> None:
    with pytest.raises(ConfigError, match="'kl_base' is not measured"):
        objective("kl_base", SPACE.replace("capability:\n", "capability:\n  kl_prompts: 0\n"))


def test_think_sections_are_counted_where_they_are_asked_for() -> None:
    thinking = SPACE.replace("capability:\n", "capability:\n  think_section: true\n")
    assert objective("think_missing", thinking) == "think_missing"


@pytest.mark.parametrize("name", ["sums_generation", "sums_f1", "sums_wrong"])
def test_what_is_measured_at_the_last_rung_only_is_no_objective(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ConfigError, match=rf"{name}' is not measured at every rung, because of `at` in its skill"
    ):
        objective(name, LATE)
    assert main(["space=space.yaml", "--plan"]) == 2
    assert "at: every" in capsys.readouterr().err
    assert objective("facts_generation", LATE) == "facts_generation"


def test_some_skill_is_asked_at_every_rung(capsys: pytest.CaptureFixture[str]) -> None:
    write_space(Path(), LATE.replace("path: facts.jsonl", "path: facts.jsonl\n      at: last"))
    assert main(["space=space.yaml", "--plan"]) == 2
    assert "no skill has `at: every`" in capsys.readouterr().err


def test_either_likelihood_needs_options() -> None:
    write_space(
        Path(), SPACE.replace("path: sums.jsonl", "path: sums.jsonl\n      scoring: [likelihood_norm]")
    )
    with pytest.raises(ConfigError, match="have no options to score by likelihood"):
        load_config(["space=space.yaml"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("train.jsonl", "is the same as task.train"),
        ("./train.jsonl", "is the same as task.train"),
        ("none.txt", "there is no file 'none.txt'"),
        ("other.jsonl", "lacks the field 'text'"),
        ("empty.txt", "is empty"),
    ],
)
def test_general_text_must_be_there(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "other.jsonl").write_text('{"body": "x"}\n')
    (tmp_path / "empty.txt").write_text("")
    write_space(Path(), GENERAL.replace("general.txt", source))
    with pytest.raises(ConfigError, match=message):
        load_config(["space=space.yaml"])


@pytest.mark.parametrize(
    ("name", "metric"), [("train", "train_loss"), ("heldout", "heldout_loss"), ("length", "length_exhausted")]
)
def test_a_skill_is_not_named_like_the_beginning_of_another_metric(
    name: str, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_space(Path(), SPACE.replace("name: facts", f"name: {name}"))
    assert main(["space=space.yaml", "--plan"]) == 2
    assert f"the metric '{metric}' would look like a metric of the skill '{name}'" in capsys.readouterr().err


def test_another_model_is_not_asked_about_the_embedded_model_s_world() -> None:
    write_space(Path())
    words = ["space=demo", "model=org/name", "task=train.jsonl"]
    resolved = load_config(words)
    assert [objective.metric for objective in resolved.config.objectives] == [
        "train_loss",
        "general_loss_change",
    ]
    assert resolved.config.objectives[1].ceiling == 0.05
    assert not resolved.config.options.capability.skills
    assert any("capability=general" in note and "org/name" in note for note in resolved.notes)
    faster = load_config([*words, "capability.batch_size=8"]).config.options.capability
    assert (faster.batch_size, faster.skills) == (8, ()), "what gives no files leaves that as it is"
    assert load_config([*words, "capability.general_text=general.txt"]).config.options.capability.skills
    asked = load_config([*words, "capability=facts.jsonl"])
    assert [objective.metric for objective in asked.config.objectives] == ["train_loss", "retention"]
    assert [skill.name for skill in asked.config.options.capability.skills] == ["facts"]
    for own in (["model=reader"], ["task=train.jsonl"], ["model=org/name", "capability=embedded"]):
        assert load_config(["space=demo", *own]).config.options.capability.skills


def test_a_study_of_the_embedded_model_s_questions_needs_others_for_another_model() -> None:
    with pytest.raises(ConfigError, match=r"capability: .* not for org/name"):
        load_config(["space=alignment", "model=org/name"])


def test_a_space_without_questions_has_general_text_and_one_with_a_wrong_objective_is_refused() -> None:
    text = SPACE[: SPACE.index("capability:")] + SPACE[SPACE.index("trials:") :]
    write_space(Path(), text)
    config = load_config(["space=space.yaml"]).config
    assert [objective.metric for objective in config.objectives] == ["train_loss", "general_loss_change"]
    with pytest.raises(ConfigError, match="'retension' is not measured"):
        objective("retension", text)
