"""`tightrope export`: the folder, its model card, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.judging.recommend import recommend
from search.record import BaselineMeasured, RungReached, SearchStarted, SearchState, read_events
from search.wording import measured
from tests.records import (
    guarded_events,
    make_config,
    make_events,
    make_reading_config,
    opening_events,
    trial_events,
    write_record,
)
from tests.tightrope.exports import write_search
from tightrope.cli import main
from tightrope.export.findings import VERDICTS
from trainables import embedded
from trainables.interval import Interval
from trainables.routing.artifact import BAD_FOLDER
from trainables.serving.checkpoints import seal


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished search, and a working directory without exports."""
    monkeypatch.chdir(tmp_path)
    return write_search(tmp_path / "runs" / "demo", make_events(8))


def state_of(folder: Path) -> SearchState:
    return SearchState.from_events(read_events(folder))


def front_matter(folder: Path) -> dict[str, Any]:
    _, matter, _ = (folder / "README.md").read_text().split("---\n", 2)
    loaded: dict[str, Any] = yaml.safe_load(matter)
    return loaded


def test_the_recommended_trial_is_a_folder_that_peft_reads(search: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    before = os.umask(0o077)
    try:
        assert main(["export", "demo"]) == 0
    finally:
        os.umask(before)
    best = recommend(state_of(search)).trial
    folder = tmp_path / "exported" / f"demo-{best}"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)] == [0o755] * 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert not {"SHA256SUMS", "optimizer.safetensors"} & {path.name for path in folder.iterdir()}
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(embedded.model_dir()), str(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template
    ids = tokenizer("The lighthouse", return_tensors="pt")["input_ids"]
    with model.disable_adapter():
        plain = model(input_ids=ids).logits
    assert not model(input_ids=ids).logits.equal(plain)


def test_the_card_has_the_numbers_of_the_record_and_no_path_of_the_machine(
    search: Path, tmp_path: Path
) -> None:
    assert main(["export", "demo", "--to", "out/folder"]) == 0
    folder, state = tmp_path / "out" / "folder", state_of(search)
    best = recommend(state).trial
    assert best is not None
    last = state.trials[best].last
    assert last is not None
    card = (folder / "README.md").read_text()
    for name in ("retention", "capability"):
        assert measured(last.metrics[name], last.intervals[name]).replace("[", "\\[") in card
    for name, value in state.trials[best].proposed.sampled.items():
        assert f"| {name} | {value:.1e} |" in card or f"| {name} | {value} |" in card
    matter = front_matter(folder)
    assert (matter["base_model"], matter["library_name"]) == ("embedded", "peft")
    assert "lora" in matter["tags"]
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "embedded"
    for file in ("README.md", "adapter_config.json"):
        assert str(tmp_path) not in (folder / file).read_text()
        assert "site-packages" not in (folder / file).read_text()


def test_a_model_of_the_hub_is_named_by_id_and_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789" * 4
    started, session, base, *rest = make_events(
        8,
        config=make_config(
            8,
            model={"name": "small", "source": "org/small", "revision": commit, "trust_remote_code": True},
        ),
    )
    assert isinstance(base, BaselineMeasured)
    base = base.model_copy(update={"fingerprints": {"model": f"org/small@{commit}"}})
    search = write_search(tmp_path / "runs" / "demo", [started, session, base, *rest])
    snapshot = tmp_path / "cache" / "models--org--small" / "snapshots" / commit
    shutil.copytree(embedded.model_dir(), snapshot, ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["export", str(search), f"to={tmp_path / 'out'}"]) == 0
    matter = front_matter(tmp_path / "out")
    assert (matter["base_model"], matter["base_model_revision"]) == ("org/small", commit)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"from_pretrained('org/small', revision='{commit}', trust_remote_code=True)" in card
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/small", commit)
    template = (tmp_path / "out" / "chat_template.jinja").read_text()
    assert template == (snapshot / "chat_template.jinja").read_text()


def test_a_trial_that_breaks_a_floor_is_exported_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [*opening_events(), *trial_events(0, {"train_loss": 1.0, "retention": 0.4})]
    search = write_search(tmp_path / "demo", events)
    assert main(["export", str(search), f"to={tmp_path / 'none'}"]) == 2
    assert "recommends no trial" in capsys.readouterr().err
    assert main(["export", str(search), "0", f"to={tmp_path / 'out'}"]) == 0
    sentence = "breaks a constraint: retention is 0.400, and must be >= 0.95"
    assert sentence in capsys.readouterr().err
    assert sentence in (tmp_path / "out" / "README.md").read_text().replace("\\", "")


@pytest.mark.parametrize("measured_before", [True, False])
def test_weights_that_were_not_measured_are_exported_with_a_warning(
    measured_before: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their numbers are of an earlier step, or there are none."""
    proposed, reached, decided, finished = guarded_events(0, "limits", "limits.hours: 2 of 2 is spent")
    assert isinstance(reached, RungReached)
    reached = reached.model_copy(update={"measured": measured_before})
    further = {"rung": 1, "step": 30, "checkpoint": "trials/0000/rung-1"}
    later = reached.model_copy(update=further | {"metrics": {"train_loss": 1.5}, "measured": False})
    search = write_search(tmp_path / "demo", [*opening_events(), proposed, reached, later, decided, finished])
    assert main(["export", str(search), "0", f"to={tmp_path / 'out'}"]) == 0
    before = "last measured at step 10" if measured_before else "never measured"
    sentence = f"was {before}, and these are its weights of step 30"
    assert sentence in capsys.readouterr().err
    assert sentence in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("kept", "word", "warning"),
    [
        ((0.990, 0.991), "kept", None),
        ((0.940, 0.972), "not shown to be kept", "Trial 0 is not shown to keep retention >= 0.95: 0.96 ["),
        ((0.900, 0.901), "broken", "Trained again, trial 0 breaks retention >= 0.95: 0.90 ["),
    ],
)
def test_the_words_of_the_repetitions_come_before_the_lucky_run(
    kept: tuple[float, float],
    word: str,
    warning: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    events = [*opening_events(), *trial_events(0, {"train_loss": 1.0, "retention": 0.99})]
    for number, value in enumerate(kept, 1):
        around = {"retention": Interval(value - 0.01, value + 0.01, 2000)}
        events += trial_events(number, {"train_loss": 1.1, "retention": value}, around, repeats=0)
    search = write_search(tmp_path / "demo", events)
    assert main(["export", str(search), "0", f"to={tmp_path / 'out'}"]) == 0
    card = (tmp_path / "out" / "README.md").read_text().replace("\\", "")
    certainty = card.partition("## How sure the choice is\n\n")[2]
    assert certainty.startswith(f"- retention >= 0.95: **{word}**, 0.9")
    shown = capsys.readouterr().err
    for text in (shown, card):
        assert ("not shown to keep" in text or "Trained again, trial" in text) == (warning is not None)
        assert warning is None or warning in text


def test_a_folder_of_several_adapters_says_which_is_which(tmp_path: Path) -> None:
    started, *rest = make_events(8)
    assert isinstance(started, SearchStarted)
    started = started.model_copy(update={"config": started.config | {"trainable": "routing"}})
    search = write_search(tmp_path / "demo", [started, *rest])
    last = state_of(search).trials[0].last
    assert last is not None
    checkpoint = search / str(last.checkpoint)
    shutil.copytree(checkpoint, checkpoint / BAD_FOLDER, ignore=shutil.ignore_patterns("SHA256SUMS"))
    (checkpoint / "SHA256SUMS").unlink()
    seal(checkpoint)
    assert main(["export", str(search), "0", f"to={tmp_path / 'out'}"]) == 0
    assert (tmp_path / "out" / BAD_FOLDER / "adapter_config.json").is_file()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "> **Warning:** do not load `bad/` unless you want what it does" in card
    assert "- This folder itself: the good adapter" in card
    assert "subfolder='bad'" in card
    assert "`combined/`" not in card, "it is not there"


def test_every_verdict_in_the_card_is_explained(search: Path, tmp_path: Path) -> None:
    assert main(["export", "demo", "0", f"to={tmp_path / 'out'}"]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    table = card[card.index("| metric | base model") : card.index("Brackets are 95%")]
    verdicts = {line.split("|")[-2].strip() for line in table.splitlines()[2:] if line}
    assert verdicts
    assert verdicts <= set(VERDICTS)
    assert all(f"- {verdict}: {VERDICTS[verdict]}" in card for verdict in verdicts)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = recommend(state_of(search)).trial
    assert best is not None
    last = state_of(search).trials[best].last
    assert last is not None
    weights = search / str(last.checkpoint) / "adapter_model.safetensors"

    def refused(*words: str) -> str:
        assert main(["export", *words]) == 2
        assert not (tmp_path / "exported").exists()
        return capsys.readouterr().err

    assert "no trial 77" in refused("demo", "77")
    assert "not the number of a trial" in refused("demo", "last")
    assert "exists" in refused("demo", "--to=runs")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"x")
    assert "is damaged" in refused("demo")
    weights.unlink()
    assert "is damaged" in refused("demo")
    shutil.rmtree(weights.parent)
    assert "is missing" in refused("demo")


def test_an_unfinished_trial_and_a_path_out_of_the_search_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposed, reached, finished = trial_events(0, {"train_loss": 1.0, "retention": 1.0})
    search = write_search(tmp_path / "unfinished", [*opening_events(), proposed, reached])
    assert main(["export", str(search), "0", f"to={tmp_path / 'out'}"]) == 2
    assert "Trial 0 is unfinished" in capsys.readouterr().err
    assert isinstance(reached, RungReached)
    astray = reached.model_copy(update={"checkpoint": "../unfinished/trials/0000/rung-2"})
    write_record(tmp_path / "astray", [*opening_events(), proposed, astray, finished])
    assert main(["export", str(tmp_path / "astray"), "0", f"to={tmp_path / 'out'}"]) == 2
    assert "out of the search's folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_hostile_names_stay_text_and_secrets_and_paths_stay_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "hf_abcdefghijklmnopqrstuvwxyzABCDEF01"
    task = {"name": f"<script>{secret}", "train": [f"/home/somebody/{secret}/mine.jsonl", "org/data"]}
    config = make_config(8, name="../demo", task=task)
    started, *rest = make_events(8, config=config)
    assert isinstance(started, SearchStarted)
    names = {
        "name": "../../\x1b[31mdemo",
        "task": {**started.config["task"], "name": f"a\n# b<script>{secret}"},
    }
    started = started.model_copy(update={"config": started.config | names})
    search = write_search(tmp_path / "demo", [started, *rest])
    assert main(["export", str(search), f"to={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    card = (tmp_path / "out" / "README.md").read_text()
    for text in (card, printed.out, printed.err):
        assert secret not in text
        assert "\x1b" not in text
    assert "/home/somebody" not in card
    assert "mine.jsonl, org/data" in card
    assert "\n# b" not in card
    assert "\\<script>" in card


def test_merged_is_a_whole_model_without_the_adapter(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM

    assert main(["export", "demo", "0", "--merged"]) == 0
    folder = tmp_path / "exported" / "demo-0-merged"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert "adapter_config.json" not in names
    merged = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    base = AutoModelForCausalLM.from_pretrained(embedded.model_dir()).state_dict()
    assert merged.keys() == base.keys()
    assert any(not merged[name].equal(base[name]) for name in base)
    assert front_matter(folder)["library_name"] == "transformers"


def test_what_cannot_be_merged_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_reading_config()
    events = [*opening_events(config), *trial_events(0, {"f1": 0.5})]
    search = write_search(tmp_path / "reading", events)
    assert main(["export", str(search), "0", "--merged", f"to={tmp_path / 'out'}"]) == 2
    assert "cannot be merged: it rebuilds prompts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
