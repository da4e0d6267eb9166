"""A search whose trials all failed says so first, exits with 1, and is not to be extended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.config.load import load_config
from search.record import (
    BaselineMeasured,
    Event,
    RecordWriter,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    TrialFinished,
    TrialProposed,
    read_events,
)
from search.resume import fingerprint
from search.run import main

REASON = "no layer of the model is adapted by target_modules conv\n  hint: There are q_proj and v_proj."


def begun(words: list[str]) -> list[Event]:
    """The record of a search that was killed just before its end, with every trial failed."""
    config = load_config(words).config
    data = config.model_dump(mode="json")
    events: list[Event] = [
        SearchStarted(search_id="s", config=data, fingerprints={"space": fingerprint(config)}, versions={}),
        SessionStarted(session=0, trials=2, command="python -m search.run", host="here", pid=1),
        BaselineMeasured(name="base", metrics={"capability": 0.9, "train_loss": 4.0}, seconds=1.0),
    ]
    for trial in range(2):
        sampled = {"lr": 1e-3, "rank": 8, "alpha_per_rank": 2}
        events.append(TrialProposed(trial=trial, sampled=sampled, params=sampled))
        events.append(TrialFinished(trial=trial, status="failed", reason=REASON, failure_class="user"))
    return events


def test_it_exits_with_1_says_why_at_the_top_and_does_not_suggest_more_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["space=demo", "trials=2", f"out={tmp_path}", "tracking.enabled=false"]
    folder = tmp_path / "demo"
    with RecordWriter(folder) as record:
        for event in begun(words):
            record.append(event)
    assert main(words) == 1
    output = " ".join(capsys.readouterr().out.split())
    why = "All 2 trials failed (2 user, such as trial 0: no layer of the model is adapted by "
    why += "target_modules conv)"
    assert f"Search demo: failed ({why}" in output
    assert "begin a new search with name=<other name>" in output
    ended = read_events(folder)[-1]
    assert isinstance(ended, SearchEnded)
    assert ended.reason == "failed"
    assert why in ended.message
    for file in ("summary.md", "report/report.html"):
        text = (folder / file).read_text()
        assert why in text.replace("\\", "")
        assert "larger trials=" not in text
        assert "Extend" not in text
    assert "Extend" not in output
    before = read_events(folder)
    assert main([*words, "--json"]) == 1, "nothing is left to do, and it has still failed"
    assert read_events(folder) == before
    assert json.loads(capsys.readouterr().out)["all_failed"] is True
