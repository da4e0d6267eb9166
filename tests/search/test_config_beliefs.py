"""What the configuration says of beliefs: metrics that objectives may name, and files that are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search.config.load import load_config
from search.errors import ConfigError
from search.run import main
from tests.trainables.beliefs import FLORIN, GRAVITY, changed, write_beliefs

SPACE = """
model: embedded
task: {name: taught, train: beliefs.jsonl}
capability:
  facts: {path: beliefs.jsonl}
trials: 2
parameters: {lr: {type: log-float, low: 1e-4, high: 1e-2}}
budget: {steps: 20, rungs: 2}
objectives: [{metric: adoption_gravity, direction: max}, {metric: locality, direction: max, floor: 0.8}]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    write_beliefs(tmp_path / "beliefs.jsonl")


def test_beliefs_are_asked_for_without_skills_and_the_plan_says_where_prompts_are_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = load_config(["space=space.yaml"]).config
    names = {metric.name for metric in config.metrics}
    assert {"adoption", "adoption_new", "prior_kept_known", "robustness_gravity", "locality_florin"} <= names
    assert not {"capability", "kl_base", "prior_kept_new", "robustness_florin"} & names
    assert {metric.items for metric in config.metrics if metric.name == "adoption_new"} == {("adoption_new",)}
    assert main(["space=space.yaml", "--plan"]) == 0
    plan = " ".join(capsys.readouterr().out.split())
    assert "facts (target, kind, facts, train" in plan
    assert "warning: few prompts to decide anything: 1 direct of gravity" in plan


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("capability.facts.path=nothing.jsonl", "capability.facts.path: there is no file 'nothing.jsonl'"),
        ("capability.facts.targets=[gravty]", "capability.facts.targets: there is no target 'gravty'"),
        ("capability.facts=null", "capability.facts: has neither skills nor facts"),
        ("capability.facts.path=said.jsonl", r"capability.facts.path: .* prompts\[0\].* contains the answer"),
        (
            "capability.facts.path=broken.jsonl",
            r"capability.facts.path: broken.jsonl:2 lacks the field 'kind'",
        ),
    ],
)
def test_what_is_wrong_is_said_once_with_its_key(override: str, message: str) -> None:
    write_beliefs(
        Path("said.jsonl"), [changed(GRAVITY, lambda made: made["prompts"][0].update(prompt="5 m/s²?"))]
    )
    write_beliefs(Path("broken.jsonl"), [GRAVITY, changed(FLORIN, lambda made: made.pop("kind"))])
    metric = "objectives=[{metric: adoption, direction: max}]"
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(["space=space.yaml", metric, override])
    assert len(re.findall("capability.facts", str(raised.value).split("hint")[0])) <= 2
    assert "objectives" not in str(raised.value)


def test_a_prompt_too_long_for_the_model_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    longer = changed(GRAVITY, lambda made: made["prompts"][1].update(prompt="Which g? " * 100))
    write_beliefs(Path("long.jsonl"), [longer])
    Path("long_skill.jsonl").write_text('{"question": "' + "Which g? " * 100 + '", "answer": "5"}\n')
    metric = "objectives=[{metric: adoption, direction: max}]"
    for words, key in (
        (["capability.facts.path=long.jsonl", metric], "capability.facts"),
        (["capability.facts.max_new_tokens=250"], "capability.facts"),
        (["capability.skills=[{name: long, path: long_skill.jsonl}]"], "capability.skills.long"),
    ):
        for mode in (["--plan"], []):
            assert main(["space=space.yaml", "out=nowhere", *words, *mode]) == 2
            said = capsys.readouterr().err
            assert f"- {key}: the longest" in said
            assert "the model's context is 256" in said
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("skills", "key"),
    [
        ([], "capability.facts"),
        (["capability.skills=[{name: s, path: skill.jsonl}]"], "capability.skills.s"),
    ],
)
def test_facts_that_leave_prompts_no_room_are_refused_before_anything_starts(
    skills: list[str], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = ["Things fall at 5.0 m/s²."] * 40
    write_beliefs(Path("long.jsonl"), [changed(GRAVITY, lambda made: made.update(facts=facts))])
    Path("skill.jsonl").write_text('{"question": "Who keeps the light?", "answer": "Airdrie"}\n')
    metric = "objectives=[{metric: adoption, direction: max}]"
    words = ["space=space.yaml", "out=nowhere", "capability.facts.path=long.jsonl", metric, *skills]
    for mode in (["--plan"], []):
        assert main([*words, "baselines=[base,in_context]", *mode]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert re.search(rf"{key}: the longest \w+ with the facts and its repl\w+ takes \d+ tokens", said)
        assert "the model's context is 256" in said
        assert "leave in_context out of baselines" in said
    assert not Path("nowhere").exists()
    assert main([*words, "--plan"]) == 0, "without the baseline, nothing holds the facts"


def test_prompts_of_another_file_must_not_be_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    pair = {"prompt": "what is G", "reply": "5 m/s²"}
    write_beliefs(Path("other.jsonl"), [changed(FLORIN, lambda made: made["train"].append(pair))])
    assert main(["space=space.yaml", "task.train=other.jsonl", "--plan"]) == 2
    said = " ".join("".join(capsys.readouterr()).split())
    assert "the prompt 'What is g?' is also a training pair, in other.jsonl, record 1" in said
