"""Metrics and tasks of users: the page's example runs, and nothing runs that was not allowed."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import py_compile
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from search.audit.__main__ import main as audit
from search.config.load import load_config
from search.errors import ConfigError
from search.groups.settings import group_settings
from search.provenance import contents
from search.record import FrontMeasured, RungReached
from search.run import main
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import trial_key
from tests.records import BEGIN, opening_events, trial_events
from tests.trainables.test_server import finish, fresh, request, settings
from trainables.data.readers import read_file
from trainables.data.sources import LocalFiles, locate
from trainables.embedded import data_dir
from trainables.errors import UserError
from trainables.evaluation.metrics import METRICS
from trainables.evaluation.metrics.own import OWN
from trainables.evaluation.outcomes import Outcomes, Sums, merge
from trainables.evaluation.own import OwnMetrics
from trainables.lora.loading import load
from trainables.messages import BaselineRequest, Delivery
from trainables.own import code
from trainables.own.functions import METRIC_FUNCTIONS, TASK_FUNCTIONS, metric_function
from trainables.settings import CapabilityConfig

PAGE = Path(__file__).parents[2] / "docs/own.md"
REST = """
model: {name: small, source: embedded}
trials: 3
budget: {steps: 9}
objectives: [{metric: train_loss, direction: min}, {metric: polite, direction: max}]
parameters: {lr: {type: log-float, low: 1e-4, high: 1e-2}}
fixed: {batch_size: 2}
"""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's example in the working directory, where nothing is allowed; the text of its program."""
    program, space, _ = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(code, "_allowed", set())
    Path("mine.py").write_text(program)
    Path("my.yaml").write_text(space + REST)
    return str(program)


def change_space(**changes: Any) -> None:
    data = yaml.safe_load(Path("my.yaml").read_text())
    Path("my.yaml").write_text(yaml.safe_dump(data | changes))


def test_no_file_runs_that_the_command_line_does_not_allow(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.py").write_text(example + "\nopen('ran', 'w').close()\n")
    for words in (["--plan"], [], ["--allow-code", "other.py"]):
        assert main(["space=my.yaml", *words]) == 2
        refused = capsys.readouterr().err
        for key in ("task.train", "capability.metrics.0.source", "capability.metrics.1.source"):
            assert re.search(rf"{re.escape(key)}: mine\.py .*\n.*--allow-code mine\.py", refused), refused
    change_space(allow_code=["mine.py"])
    assert main(["space=my.yaml", "--plan"]) == 2
    assert "allow_code: can be given on the command line only" in capsys.readouterr().err
    assert not Path("ran").exists()
    change_space(allow_code=[])
    capsys.readouterr()
    assert main(["space=my.yaml", "--config", "--allow-code", "mine.py"]) == 0
    assert Path("ran").exists()
    Path("shown.yaml").write_text(capsys.readouterr().out)
    assert load_config(["space=shown.yaml", "allow_code=mine.py"]).config.allow_code == "mine.py"
    with pytest.raises(ConfigError, match="only if you allow it"):
        load_config(["space=my.yaml"])  # it was allowed to the search before


def test_only_the_text_of_an_allowed_file_runs(example: str) -> None:
    Path("other.py").write_text(f"open('ran', 'w').close()\n{example}")
    compiled = importlib.util.cache_from_source("mine.py")
    py_compile.compile("other.py", compiled, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for _ in range(2):
        assert main(["space=my.yaml", "--config", "--allow-code", "mine.py"]) == 0
        assert metric_function("mine.py:polite")([], ["Thanks."], [""]) == [True]
        assert not Path("ran").exists()
        shutil.rmtree("__pycache__", ignore_errors=True)
        shutil.rmtree("cache")
    metric_function("mine.py:polite")
    assert not Path("__pycache__").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text(f"x={'-' * 100_000}1"),
        lambda path: path.write_text(f"x = 1{' ' * 2**20}"),
        lambda path: path.symlink_to("/dev/zero"),
        os.mkfifo,
        os.mkdir,
    ],
    ids=["nested", "large", "endless", "pipe", "folder"],
)
def test_a_file_that_is_not_allowed_is_safe_to_look_at(make: Callable[[Path], Any], example: str) -> None:
    Path("mine.py").unlink()
    make(Path("mine.py"))
    with pytest.raises(ConfigError, match=r"task\.train: mine\.py (is not Python|cannot be read)"):
        load_config(["space=my.yaml"])


def test_an_audit_takes_the_flag_that_its_hint_names(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(["space=my.yaml"]) == 2
    assert "--allow-code mine.py" in capsys.readouterr().err
    assert audit(["space=my.yaml", "--allow-code", "mine.py"]) in (0, 1)
    assert audit(["space=my.yaml", "--allow-code"]) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"name": "t", "train": "mine.py:thank"}}, "did you mean thanks?"),
        ({"task": {"name": "t", "train": "mine.py"}}, "names no function"),
        ({"task": {"name": "t", "train": "none.py:thanks"}}, "cannot be read"),
        ({"task": {"name": "t", "train": "broken.py:thanks"}}, "is not Python"),
        ({"task": {"name": "t", "train": "mine.py:nothing"}}, "yields no records"),
        ({"task": {"name": "t", "train": "mine.py:fails"}}, "ZeroDivisionError"),
        ({"task": {"name": "t", "train": "task:absent"}}, "there is no installed task 'absent'"),
    ],
)
def test_what_is_wrong_with_a_task_is_said_before_anything_starts(
    changes: dict[str, Any], said: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "\ndef nothing():\n    return []\n\ndef fails():\n    yield 1 / 0\n"
    Path("mine.py").write_text(example + more)
    Path("broken.py").write_text("def thanks(:")
    change_space(**changes)
    assert main(["space=my.yaml", "--plan", "--allow-code=mine.py", "--allow-code=broken.py"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "capability", "source": "mine.py:polite"},
        {"name": "facts_wrong", "source": "mine.py:polite"},
        {"name": "kind_low", "source": "mine.py:polite"},
        {"name": "kind", "source": "absent"},
    ],
)
def test_a_metric_with_a_name_that_is_taken_or_that_is_not_installed_is_refused(
    metric: dict[str, str], example: str
) -> None:
    capability = yaml.safe_load(Path("my.yaml").read_text())["capability"]
    change_space(capability=capability | {"metrics": [metric, capability["metrics"][0]]})
    with pytest.raises(ConfigError, match=r"capability\.metrics\.0"):
        load_config(["space=my.yaml", "allow_code=mine.py"])


def test_a_metric_has_no_name_that_a_trials_run_has(example: str) -> None:
    projection = Projection()
    more = {"tokens": 9, "padding": 0.1, "pack": 2, "curve": [(1, 2.0)]}
    front = FrontMeasured(trial=0, metrics={}, intervals={}, eval_seconds=1.0, time=BEGIN + 9)
    for event in [*opening_events(), *trial_events(0, {"train_loss": 1.0, "retention": 1.0}), front]:
        projection.apply(event.model_copy(update=more) if isinstance(event, RungReached) else event)
    names = sorted({point.key for point in projection.runs[trial_key(0)].points})
    assert {"train_loss", "tokens", "front_eval_seconds"} < set(names)
    capability = yaml.safe_load(Path("my.yaml").read_text())["capability"]
    metrics = [{"name": name, "source": "mine.py:polite"} for name in names]
    change_space(capability=capability | {"metrics": metrics}, objectives=[])
    with pytest.raises(ConfigError) as refused:
        load_config(["space=my.yaml", "allow_code=mine.py"])
    keys = [problem.key for problem in refused.value.problems]
    assert [key for key in keys if key != "objectives"] == [
        f"capability.metrics.{index}.name" for index in range(len(names))
    ]


@pytest.mark.parametrize(
    "capability",
    [
        {"general_text": "embedded:general.jsonl"},
        {"skills": [{"name": "facts", "path": "embedded:skills/facts.jsonl", "scoring": ["likelihood"]}]},
    ],
)
def test_a_metric_is_no_objective_where_there_are_no_replies(
    capability: dict[str, Any], example: str
) -> None:
    metrics = yaml.safe_load(Path("my.yaml").read_text())["capability"]["metrics"]
    change_space(capability=capability | {"metrics": metrics})
    with pytest.raises(ConfigError, match=r"objectives\.1"):
        load_config(["space=my.yaml", "allow_code=mine.py"])


def test_general_text_comes_from_a_function_too(example: str, tmp_path: Path) -> None:
    Path("mine.py").write_text(f"{example}\n\ndef texts():\n    yield {{'text': 'Once upon a time.'}}\n")
    capability = yaml.safe_load(Path("my.yaml").read_text())["capability"]
    change_space(capability=capability | {"general_text": "mine.py:texts"})
    with pytest.raises(ConfigError, match=r"capability\.general_text: mine\.py .*only if you allow it"):
        load_config(["space=my.yaml"])
    config = load_config(["space=my.yaml", "allow_code=mine.py"]).config
    general = group_settings(config, tmp_path, 1.0, marker="m").options.capability.general_text
    assert json.loads(Path(general).read_text()) == {"text": "Once upon a time."}


def test_a_worker_that_starts_later_runs_no_other_metric(example: str, tmp_path: Path) -> None:
    config = load_config(["space=my.yaml", "allow_code=mine.py"]).config
    given = pickle.loads(pickle.dumps(group_settings(config, tmp_path, 1.0)))  # noqa: S301
    metrics = given.options.capability.metrics
    OwnMetrics(metrics, [])
    Path("mine.py").write_text(f"{example}\n")
    with pytest.raises(UserError, match="has changed since the search began"):
        OwnMetrics(metrics, [])


def test_workers_get_the_records_and_a_search_knows_both_by_content(example: str, tmp_path: Path) -> None:
    config = load_config(["space=my.yaml", "allow_code=mine.py"]).config
    assert [metric.direction for metric in config.metrics if metric.name in ("polite", "longer")] == [
        "max",
        None,
    ]
    given = group_settings(config, tmp_path, 1.0, marker="m").options
    records = [json.loads(line) for line in Path(given.task.train).read_text().splitlines()]
    assert records[0] == {"prompt": "Greet Ada.", "completion": "Hello Ada, thank you for coming."}
    assert given.capability.metrics[0].source == f"{tmp_path / 'mine.py'}:polite"
    before = contents(config)
    Path("mine.py").write_text(example.replace("Hello", "Hi"))
    after = contents(config)
    keys = {"task.train", "capability.metrics.0.source", "capability.metrics.1.source"}
    assert {key for key in before if before[key] != after[key]} == keys
    code._allowed.clear()
    with pytest.raises(UserError, match="only if you allow it"):
        locate("mine.py:thanks", "task.train", "train")


def test_packages_bring_metrics_and_tasks(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (METRIC_FUNCTIONS, TASK_FUNCTIONS):
        for kind in ("_entries", "_lines"):
            monkeypatch.setattr(registry, kind, {})
    METRIC_FUNCTIONS.register("polite", "share of replies that thank")(
        lambda questions, replies, base: ["thank" in reply for reply in replies]
    )
    TASK_FUNCTIONS.register("thanks", "greetings that thank")(
        partial(lambda word: [{"text": f"{word} you {n}"} for n in range(9)], "thank")
    )
    skills = [{"name": "facts", "path": "embedded:skills/facts.jsonl"}]
    change_space(
        task={"name": "thanks", "train": "task:thanks"},
        capability={"skills": skills, "metrics": [{"name": "polite", "source": "polite"}]},
    )
    load_config(["space=my.yaml"])
    source = locate("task:thanks", "task.train", "train")
    assert isinstance(source, LocalFiles)
    assert [record for _, record in read_file(source.files[0])] == [
        {"text": f"thank you {n}"} for n in range(9)
    ]


@pytest.mark.integration
def test_metrics_are_measured_of_the_base_and_of_trials(
    group_of_one: None, example: str, tmp_path: Path
) -> None:
    Path("mine.py").write_text(
        f"{example}\n\ndef same(questions, replies, base_replies):\n"
        "    assert all(question['question'] and question['skill'] for question in questions)\n"
        "    facts = [question for question in questions if question['skill'] == 'facts']\n"
        "    assert facts and all(question['topic'] == question['question'][::-1] for question in facts)\n"
        "    return [new == old for new, old in zip(replies, base_replies)]\n\n"
        "def short(questions, replies, base_replies):\n    return replies[1:]\n\n"
        "def quits(questions, replies, base_replies):\n    raise SystemExit\n\n"
        "def spoils(questions, replies, base_replies):\n    zeros = [0] * len(replies)\n"
        "    questions[0].clear()\n    questions.clear()\n    replies.clear()\n    base_replies.clear()\n"
        "    return zeros\n"
    )
    given = settings(tmp_path)
    named = [
        {"name": name, "source": f"{tmp_path / 'mine.py'}:{name}"}
        for name in ("spoils", "same", "longer", "polite")
    ]
    lines = (data_dir() / "skills" / "facts.jsonl").read_text().splitlines()
    facts = [json.loads(line) for line in lines]
    with_topics = [json.dumps(fact | {"topic": fact["question"][::-1], "skill": "other"}) for fact in facts]
    (tmp_path / "facts.jsonl").write_text("\n".join(with_topics))
    skills = [skill.model_dump() for skill in given.options.capability.skills]
    skills[0]["path"] = str(tmp_path / "facts.jsonl")
    capability = CapabilityConfig(skills=skills)
    measured = capability.model_validate(capability.model_dump() | {"metrics": named})
    server = fresh(load(given, torch.device("cpu")), settings(tmp_path, capability=measured))
    diverging = replace(request(1, 8), params=request(1, 8).params | {"lr": 0.2})
    replies = finish(server, [Delivery(0, 0, BaselineRequest()), Delivery(1, 1, diverging)])
    base, trial = replies[0], replies[1]
    assert base.outcome == trial.outcome == "ok", trial.message
    assert (base.metrics["same"], base.metrics["longer"]) == (1.0, 0.0)
    assert trial.metrics["same"] < 1, "it was trained"
    n = trial.intervals["same"].n
    assert trial.intervals["same"].low <= trial.metrics["same"] <= trial.intervals["same"].high
    assert len(trial.values["same"]) == n
    assert sum(trial.values["same"]) == pytest.approx(n * trial.metrics["same"])

    for name in ("short", "quits"):
        metric = {"name": name, "source": f"{tmp_path / 'mine.py'}:{name}"}
        broken = capability.model_validate(capability.model_dump() | {"metrics": [metric]})
        server = fresh(load(given, torch.device("cpu")), settings(tmp_path, capability=broken))
        (reply,) = finish(server, [Delivery(0, 0, BaselineRequest())]).values()
        assert reply.outcome == "user"
        assert f"The metric {name}" in reply.message


def test_shares_of_workers_give_what_one_gives() -> None:
    values = [0.5, 1.5, 0.0, 1.0, 2.0]
    whole = Outcomes(own={"m": Sums(list(range(5)), values, [1] * 5)})
    parts = [
        Outcomes(own={"m": Sums(list(range(rank, 5, 2)), values[rank::2], [1] * len(values[rank::2]))})
        for rank in (0, 1)
    ]
    exchanged = [Outcomes.from_bytes(part.to_bytes()) for part in parts]
    assert METRICS[OWN].measure(merge(exchanged)) == METRICS[OWN].measure(whole)
    share = METRICS[OWN].measure(Outcomes(own={"m": Sums([0, 1], [0.0, 1.0], [1, 1])}))["m"]
    assert share.value == 0.5
    assert share.interval is not None
    assert 0 < share.interval.low < share.interval.high < 1
