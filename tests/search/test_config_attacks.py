"""Input that is hostile or careless: refused with one clear problem, and no password is repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from search.config.load import load_config
from search.config.show import config_data, config_yaml
from search.errors import ConfigError, Problem
from search.run import main
from tests.search.config_files import write_space

SECRET = "SECRETPW"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def only_problem(*words: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", *words])
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "word",
    [
        f"tracking.uri=http://user:{SECRET}@host:5000",
        f"tracking.uri=postgresql://user:{SECRET}@host/db",
        f"tracking.uri=https://{SECRET}@host",
        f"tracking.uri=https://host/?token={SECRET}",
        f"workers.address=ray://user:{SECRET}@host",
    ],
)
def test_the_resolved_configuration_shows_no_password(word: str) -> None:
    resolved = load_config(["space=space.yaml", word])
    shown = config_yaml(resolved) + json.dumps(config_data(resolved))
    assert SECRET not in shown
    assert "***" in shown
    # What is run still has it.
    assert SECRET in resolved.config.model_dump_json()


@pytest.mark.parametrize(
    "words",
    [
        [f"tracking.ury=http://user:{SECRET}@host"],
        [f"tracking.uri=http://{one}:{SECRET}@host" for one in "ab"],
        [f"tracking=http://user:{SECRET}@host"],
        [f"--tracking.uri=http://user:{SECRET}@host"],
        [f"model=https://user:{SECRET}@hub/x"],
        [f"model.source=https://user:{SECRET}@hub/x"],
        [f"task.train=https://user:{SECRET}@hub/x"],
        [f"http://user:{SECRET}@host"],
        [f"tracking.a_key_so_long_that_the_url_is_cut_in_its_midst=http://user:{SECRET}@host"],
    ],
)
def test_no_message_repeats_a_password(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=space.yaml", "--config", "--json", *words]) == 2
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err


CHOICE = {"question": "Which?", "options": ["this", "that"], "answer": 0}


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([{**CHOICE, "answer": 2}], "facts.jsonl:2"),
        ([{**CHOICE, "answer": -1}], "index of an option"),
        ([{**CHOICE, "answer": True}], "index of an option"),
        ([{**CHOICE, "answer": 0.0}], "index of an option"),
        ([{**CHOICE, "answer": "0"}], "index of an option"),
        ([{**CHOICE, "options": ["this"]}], "1 options"),
        ([{**CHOICE, "options": ["this", "this"]}], "the same"),
        ([{**CHOICE, "question": 3}], "question is not text"),
        ([{"question": "1+1?", "answer": "2"}], "facts.jsonl:2 mixes"),
        (["oops"], "not an object"),
    ],
)
def test_every_line_of_a_capability_is_read(folder: Path, lines: list[object], part: str) -> None:
    text = "".join(json.dumps(line) + "\n" for line in [CHOICE, *lines])
    (folder / "facts.jsonl").write_text(text)
    problem = only_problem()
    assert problem.key == "capability.skills.0.path"
    assert part in problem.message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"\n  \n", "empty"),
        (b'{"text": "a"}\n', "1 record"),
        (b'{"text": "a"}\n{"text": "a"}\n', "are equal"),
        (b'{"text": "a"}\n{"text": 3}\n', "train.jsonl:2"),
        (b'{"text": "a"}\noops\n', "train.jsonl:2 is not JSON"),
        (b'{"text": "a"}\n\xff\xfe\n', "train.jsonl:2 is not text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_task_file_that_cannot_be_trained_on(folder: Path, content: bytes, part: str) -> None:
    (folder / "train.jsonl").write_bytes(content)
    problem = only_problem()
    assert problem.key == "task.train"
    assert part in problem.message


def test_files_of_other_kinds_are_looked_at(folder: Path) -> None:
    (folder / "short.txt").write_text("word")
    (folder / "table.parquet").write_bytes(b"no table")
    assert "too short" in only_problem("task.train=short.txt").message
    assert "Parquet" in only_problem("task.train=table.parquet").message
    assert "same" in only_problem("task.heldout=train.jsonl").message


def test_files_with_a_byte_order_mark_are_read(folder: Path) -> None:
    for name in ("facts.jsonl", "train.jsonl"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert load_config(["space=space.yaml"]).config.trials == 6


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("name=''", "name"),
        ("out=''", "out"),
        (f"name={'a' * 300}", "name"),
        (f"out={'a' * 300}", "out"),
        ('name="a\\0b"', "name"),
        ('out="a\\nb"', "out"),
        *((f"name={name}", "name") for name in ("..", ".", "../x", "a/../../x", "/x", "a/b", "a\\b", "~")),
        ("name=mlflow.db", "name"),
        ("name=mlartifacts", "name"),
        ("out=space.yaml", "out"),
        ("out=space.yaml/below", "out"),
        ("out=~no_such_user/runs", "out"),
        ("model=~no_such_user/x", "model.source"),
        ("task=~no_such_user/x.jsonl", "task.train"),
        ("capability=~no_such_user/x.jsonl", "capability.skills.0.path"),
        (f"task={'a' * 300}.jsonl", "task.train"),
        (f"model=./{'a' * 300}", "model.source"),
        ("model.source=''", "model.source"),
        ("searcher=''", "searcher.name"),
        ("task.train=embedded:../model/config.json", "task.train"),
        ("capability.skills.0.name=a-b", "capability.skills.0.name"),
        ("capability.skills.0.scoring=[generation, generation]", "capability.skills.0.scoring"),
        ("objectives.0={metric: train_loss, direction: min, ceiling: .inf}", "objectives.0.ceiling"),
        ("fixed.weight_decay=.inf", "fixed.weight_decay"),
        ("fixed.clip=.nan", "fixed.clip"),
        ("parameters.rank.choices=[2, .inf]", "parameters.rank.choices.1"),
        ("workers.cpus=.inf", "workers.cpus"),
        ("workers.gpus=.nan", "workers.gpus"),
        (f"trials={10**30}", "trials"),
        (f"budget.steps={2**31}", "budget.steps"),
        (f"fixed.batch_size={10**400}", "fixed.batch_size"),
        (f"parameters.rank={{type: int, low: 1, high: {10**400}}}", "parameters.rank.high"),
        ("objectives.1.floor=1.5", "objectives.1.floor"),
        ("objectives.1.floor=-0.1", "objectives.1.floor"),
        ("objectives.1.floor=95", "objectives.1.floor"),
        ("objectives.0.ceiling=-1", "objectives.0.ceiling"),
        ("objectives=[{metric: capability, direction: max, floor: 1.1}]", "objectives.0.floor"),
        ("objectives=[{metric: facts_generation, direction: max, floor: 2}]", "objectives.0.floor"),
        ("objectives=[{metric: degenerate, direction: min, ceiling: 1.5}]", "objectives.0.ceiling"),
        ("objectives=[{metric: kl_base, direction: min, ceiling: -0.5}]", "objectives.0.ceiling"),
        ("objectives=[{metric: heldout_perplexity, direction: min, ceiling: 0.9}]", "objectives.0.ceiling"),
        ("guards.retention=1.5", "guards.retention"),
        ("guards.degeneration=1", "guards.degeneration"),
        ("guards.spike=1", "guards.spike"),
        ("limits.hours=0", "limits.hours"),
        ("limits.price=-1", "limits.price"),
        ("parameters.lr.low=1e-300", "parameters.lr.low"),
        ("parameters.lr.high=1e3", "parameters.lr.high"),
        ("fixed.weight_decay=1e30", "fixed.weight_decay"),
        ("fixed.alpha_per_rank=1e30", "fixed.alpha_per_rank"),
        ("fixed.warmup=10", "fixed.warmup"),
        ("parameters.warmup={type: categorical, choices: [0.1, 10]}", "parameters.warmup"),
        ("parameters.rank={type: int, low: 2, high: 8, step: 7}", "parameters.rank.step"),
        ("scheduler={name: moasha, brackets: 4}", "scheduler.brackets"),
        ("tracking.uri=ftp://host", "tracking.uri"),
        ("tracking.uri=http://", "tracking.uri"),
        ("tracking.uri=http://host:99999", "tracking.uri"),
        ("tracking.uri=words", "tracking.uri"),
        ("tracking.experiment=''", "tracking.experiment"),
        ("trials=!!bool x", "trials"),
        ("trials=!!int ''", "trials"),
        (f"{'a' * 100_000}=3", f"{'a' * 97}..."),
    ],
)
def test_one_careless_word_is_one_problem(word: str, key: str) -> None:
    assert only_problem(word).key == key


@pytest.mark.parametrize(
    "word",
    [
        "objectives.1.floor=1",
        "objectives.1.floor=0",
        "objectives=[{metric: heldout_loss, direction: min, ceiling: 100}]",
        "objectives=[{metric: general_loss_change, direction: min, ceiling: -1}]",
        "objectives=[{metric: degenerate, direction: min, ceiling: 0}]",
        "fixed.warmup=9",
        "parameters.rank={type: int, low: 2, high: 8, step: 6}",
        "parameters.rank={type: int, low: 8, high: 8, step: 6}",
        "scheduler={name: moasha, brackets: 3}",
    ],
)
def test_the_ends_of_what_makes_sense_are_taken(word: str) -> None:
    load_config(["space=space.yaml", "capability.general_text=embedded:general.jsonl", word])


def test_a_space_that_no_path_can_have() -> None:
    for name in ("~no_such_user/space.yaml", f"./{'a' * 300}.yaml"):
        with pytest.raises(ConfigError, match="no file"):
            load_config([f"space={name}"])


def test_code_from_the_hub_is_pinned_to_a_commit() -> None:
    words = ["model={name: far, source: org/far, trust_remote_code: true}"]
    assert only_problem(*words, "model.revision=main").key == "model.revision"
    commit = "1" * 40
    assert load_config(["space=space.yaml", *words, f'model.revision="{commit}"'])


def test_the_home_folder_is_filled_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert load_config(["space=space.yaml", "out=~/searches"]).config.out == str(folder / "searches")


def test_a_file_of_questions_may_have_any_name(folder: Path) -> None:
    (folder / "1-my questions.jsonl").write_bytes((folder / "facts.jsonl").read_bytes())
    config = load_config(["space=space.yaml", "capability=1-my questions.jsonl"]).config
    assert config.capability.skills[0].name == "skill_1_my_questions"


@pytest.mark.parametrize("nested", ["[*{0}, *{0}]", "{{<<: [*{0}, *{0}]}}"])
def test_aliases_do_not_multiply_without_end(folder: Path, nested: str) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n + 1}: &a{n + 1} {nested.format(f'a{n}')}" for n in range(24)]
    (folder / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="more than 10,000 values"):
        load_config(["space=bomb.yaml"])


def test_a_place_that_cannot_be_written_is_refused_by_plan_and_run_alike(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = folder / "closed"
    record = closed / "mine" / "events.jsonl"
    record.parent.mkdir(parents=True)
    record.touch()
    words = ["space=space.yaml", "out=closed"]
    for place, mode in ((record, 0o444), (record.parent, 0o555), (closed, 0o555)):
        place.chmod(mode)
        if os.access(place, os.W_OK):
            pytest.skip("this user may write everywhere")
        for flags in (["--plan"], []):
            assert main([*words, "name=mine" if place != closed else "name=other", *flags]) == 2
            assert f"{place} cannot be written" in capsys.readouterr().err
        place.chmod(0o755)


def test_a_file_system_that_is_read_only_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    closed = [where for _, where, _, options, *_ in mounts if "ro" in options.split(",")]
    places = [where for where in closed if os.path.isdir(where) and os.access(where, os.X_OK)]
    if not places:
        pytest.skip("no file system is mounted read-only")
    assert main(["space=space.yaml", f"out={places[0]}/runs", "--plan"]) == 2
    assert f"{places[0]} cannot be written" in capsys.readouterr().err
