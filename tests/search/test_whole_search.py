"""Whole searches on the embedded model, as a user runs them."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from pathlib import Path

import pytest
import ray
import torch

from search.errors import ClusterError
from search.reach import check_address
from search.record import RungReached, SearchEnded, SearchState, read_events
from tests.ray_cluster import SharedCluster
from tests.search.conftest import CANARY, Watched
from tests.searches import assert_every_trial_finished_once, finish, start
from tests.watched import files_with
from trainables import embedded

pytestmark = [pytest.mark.integration, pytest.mark.alone]

SPAM = re.compile(r"warn|error|traceback|deprecat|\(raylet\)|INFO|\*\*\*", re.IGNORECASE)


def test_it_finishes_every_trial_and_says_nothing_needless(finished: tuple[Path, str]) -> None:
    out, output = finished
    assert_every_trial_finished_once(read_events(out / "demo"), 4)
    assert not SPAM.search(output), output
    assert "mlflow ui" in output or "mlflow server" in output
    assert "base" in output


def test_other_hypotheses_of_a_finished_search_are_answered_without_training(
    finished: tuple[Path, str], data: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished[0] / "demo", tmp_path / "demo")
    words = ("trials=4", "budget.steps=27", f"task.train={data}", f"out={tmp_path}", "tracking.enabled=false")
    claim = "hypotheses.H1.claim=capability > base.capability - 0.5"
    code, output = finish(start("space=demo", *words, claim))
    assert code == 0, output
    assert re.search(r"^H1 (un)?(supported|decided)", output, re.MULTILINE)
    events = read_events(tmp_path / "demo")
    before = read_events(finished[0] / "demo")
    assert [event.event for event in events[len(before) :]] == ["session_started", "search_ended"]
    assert isinstance(events[-1], SearchEnded)
    assert list(events[-1].hypotheses) == ["H1"]


def test_nothing_is_left_but_the_record_the_summary_and_adapters(finished: tuple[Path, str]) -> None:
    out, _ = finished
    assert {path.name for path in (out / "demo").iterdir()} <= {
        "events.jsonl", "summary.json", "summary.md", "trials", "tracking.log", "tracking.lock",
        "tracking.json", "baselines", "report",
    }  # fmt: skip


def test_no_secret_of_the_environment_or_of_the_data_is_written_or_printed(watched: Watched) -> None:
    written = files_with(watched.out, CANARY.encode())
    assert {"events.jsonl", "mlflow.db", "report.html", "tracking.log"} <= {path.name for path in written}
    assert not [path for path, leaks in written.items() if leaks]
    assert CANARY not in watched.output
    names = {path.name for path in watched.watch.files}
    assert {"raylet.out", "gcs_server.out", "runtime_env_agent.log"} <= names, "Ray's logs were looked at"
    assert not watched.watch.leaks


def test_ray_leaves_no_files_behind(watched: Watched) -> None:
    assert [path for path in watched.ray.rglob("*") if path.name != "ray"] == []


def test_a_search_on_this_machine_is_out_of_reach_of_others(watched: Watched) -> None:
    watch = watched.watch
    assert {"gcs_server", "raylet"} <= {name for names in watch.names.values() for name in names}
    # Torch gives the store at which the workers of a group meet no address; SECURITY.md says so.
    workers = {
        pid for pid, names in watch.names.items() if any(name.startswith("ray::RayTrainWo") for name in names)
    }
    far = [watch.names[each.pid] for each in watch.listeners if not each.is_local and each.pid not in workers]
    assert not far


def test_the_report_is_made_and_mlflow_has_it(finished: tuple[Path, str]) -> None:
    from mlflow import MlflowClient

    out, _ = finished
    page = (out / "demo" / "report" / "report.html").read_text()
    assert "Verdict and recommendation" in page
    cards = json.loads((out / "demo" / "report" / "report.json").read_text())["cards"]
    broken = {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    assert not broken
    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    files = {file.path for file in client.list_artifacts(parents[0].info.run_id, "report")}
    assert {"report/report.html", "report/trials.csv"} <= files


def test_a_saved_adapter_loads_with_plain_peft_and_scores_the_recorded_heldout_loss(
    finished: tuple[Path, str],
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from trainables.data.batches import collate, token_losses
    from trainables.data.task import load_task
    from trainables.settings import TaskConfig

    out, _ = finished
    state = SearchState.from_events(read_events(out / "demo"))
    last = next(trial.last for trial in state.trials.values() if trial.status == "completed")
    assert isinstance(last, RungReached)
    assert last.checkpoint is not None
    base = AutoModelForCausalLM.from_pretrained(embedded.model_dir(), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(out / "demo" / last.checkpoint)).eval()
    tokenizer = AutoTokenizer.from_pretrained(embedded.model_dir())
    assert state.started is not None
    task = TaskConfig.model_validate(state.started.config["task"])
    examples = load_task(task, tokenizer, seed=0).heldout.examples
    batch = collate(examples, pad_id=0)
    labels = batch.pop("labels")
    with torch.no_grad():
        total = float(token_losses(model(**batch).logits, labels).sum())
    tokens = sum(example.targets for example in examples)
    assert total / tokens == pytest.approx(last.metrics["heldout_loss"], rel=1e-4)


def test_the_same_command_again_trains_nothing_and_more_trials_extend(
    finished: tuple[Path, str], data: Path, cluster: SharedCluster
) -> None:
    out, _ = finished
    before = read_events(out / "demo")
    words = ["space=demo", "trials=4", "budget.steps=27", f"task.train={data}", f"out={out}"]
    code, output = finish(start(*words))
    assert code == 0, output
    assert read_events(out / "demo") == before
    # The same model and data at other paths, and what changes no trial: it is the same search.
    model, moved_data = out / "moved", out / "moved.jsonl"
    shutil.copytree(embedded.model_dir(), model)
    shutil.copy(data, moved_data)
    moved = [
        f"model={{name: moved, source: {model}}}",
        f"task.train={moved_data}",
        "name=demo",
        "capability=embedded",
        "capability.batch_size=16",
    ]
    moved += ["workers.groups=1", "workers.slots=2"]
    words = ["space=demo", "trials=5", "budget.steps=27", f"out={out}", *moved]
    code, output = finish(start(*words, "--json", cluster=cluster))
    assert code == 0, output
    events = read_events(out / "demo")
    assert events[: len(before)] == before
    assert_every_trial_finished_once(events, 5)
    assert sum(json.loads(output.splitlines()[-1])["counts"].values()) == 5


def test_a_cluster_is_refused_at_once_without_its_token_or_with_another_version_of_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SharedCluster
) -> None:
    address, token = cluster.word.partition("=")[2], cluster.environment["RAY_AUTH_TOKEN"]
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def refusal() -> str:
        with pytest.raises(ClusterError) as refused:
            check_address(address, "workers.address")
        assert str(refused.value).startswith(f"The Ray cluster at {address}, from workers.address, ")
        return str(refused.value)

    assert "this shell has none: RAY_AUTH_TOKEN_PATH is not set" in refusal()
    assert "Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file" in refusal()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert f"there is none in {tmp_path / 'token'}" in refusal()
    (tmp_path / "token").write_text("of another cluster\n")
    assert "does not accept the token of this shell" in refusal()
    (tmp_path / "token").write_text(f"{token}\n")
    check_address(address, "workers.address")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert "RAY_AUTH_MODE=disabled in this shell sends none" in refusal()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.9.3")
    assert f"runs Ray {ray.__version__}, and 2.9.3 is installed here" in refusal()


def test_workers_that_crash_in_the_same_way_end_the_search_with_the_error_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SharedCluster
) -> None:
    # DeepSpeed refuses it, in every worker and every time. It reaches the workers as with `ray job submit`.
    environment = {"runtime_env": {"env_vars": {"DS_ACCELERATOR": "abacus"}}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(environment))
    words = ["space=demo", "trials=2", "budget.steps=9", f"out={tmp_path}", "tracking.enabled=false"]
    code, output = finish(start(*words, "workers.groups=1", "workers.zero_stage=3", cluster=cluster))
    assert code == 1, output
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "The workers of group-0 crashed 2 times in the same way: ValueError: " in error
    assert "deepspeed/accelerator/real_accelerator.py:" in error
    assert "from trainables/serving/base.py:" in error
    assert "while starting DeepSpeed" in error
    assert "Traceback" not in output
    assert ".cc:" not in output, "what Ray's core says of its own end"
    assert "hint: The traceback is in crash.log" in output
    assert (tmp_path / "demo" / "crash.log").read_text().count("Traceback (most recent call last)") == 2
    ended = read_events(tmp_path / "demo")[-1]
    assert isinstance(ended, SearchEnded)
    assert ended.reason == "failed"
    assert "abacus" in ended.message or "DS_ACCELERATOR" in ended.message
