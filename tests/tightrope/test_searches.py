"""The verbs that take recorded searches: show, compare and rm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.record import RecordWriter
from tests.records import make_config, make_events, opening_events, trial_events, write_record
from tests.tightrope.exports import write_search
from tightrope.cli import main
from trainables.interval import Interval


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two finished searches, below the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    for seed, name in enumerate(("first", "second")):
        config = make_config(8, name=name)
        write_record(tmp_path / "runs" / name, make_events(8, seed, config))
    return tmp_path / "runs"


def test_show_takes_a_name_or_a_folder(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "first"]) == 0
    by_name = capsys.readouterr().out
    assert "Search first: finished" in by_name
    assert "Recommended:" in by_name
    assert main(["show", "search=runs/first"]) == 0
    assert capsys.readouterr().out == by_name
    assert main(["show", "frist"]) == 2
    assert "did you mean first?" in capsys.readouterr().err
    assert main(["show", "first", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["search"]["name"] == "first"


def test_show_says_that_a_search_is_running(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(runs / "third", opening_events(make_config(name="third")))
    assert main(["show", "third"]) == 0
    assert "did not end cleanly" in capsys.readouterr().out
    with RecordWriter(runs / "third"):
        assert main(["show", "third"]) == 0
    output = capsys.readouterr().out
    assert "Search third: running" in output
    assert "Resume" not in output


def test_compare_shows_recommended_trials_side_by_side(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "first", "runs/second", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)["searches"]
    assert main(["compare", "first", "second"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[next(n for n, line in enumerate(lines) if "Recommended trials" in line) :]
    for search in both:
        (row,) = [line for line in table if line.startswith(search["search"]["name"])]
        assert row.split()[1] == str(search["recommended"]["trial"])
        assert f"{search['recommended']['metrics']['train_loss']:.3f}" in row


def test_compare_shows_means_and_words_beside_the_lucky_runs(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, losses in (("lucky", (2.1, 2.3)), ("steady", (1.5, 1.6))):
        events = opening_events(make_config(1, name=name))
        events += trial_events(0, {"train_loss": 1.0, "retention": 0.99})
        for number, loss in enumerate(losses, 1):
            around = {"retention": Interval(0.98, 1.0, 2000)}
            metrics = {"train_loss": loss, "retention": 0.99 + number / 1000}
            events += trial_events(number, metrics, around, repeats=0)
        write_record(runs / name, events)
    assert main(["compare", "lucky", "steady"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("  retention >= 0.95: kept, 0.99") == 2
    means = [line for line in shown.splitlines() if line.startswith("  mean, n=2")]
    assert [("2.20" in line, "1.55" in line) for line in means] == [(True, False), (False, True)]
    assert main(["compare", "lucky", "steady", "--json"]) == 0
    for search in json.loads(capsys.readouterr().out)["searches"]:
        assert [held["word"] for held in search["constraints"]] == ["kept"]
        assert search["confirmation"]["candidates"][0]["n"] == 2


def test_compare_refuses_other_objectives(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objectives = [
        {"metric": "train_loss", "direction": "min"},
        {"metric": "retention", "direction": "max", "floor": 0.5},
    ]
    config = make_config(8, name="other", objectives=objectives)
    write_record(runs / "other", make_events(8, 0, config))
    assert main(["compare", "first", "other"]) == 2
    error = capsys.readouterr().err
    assert "retention (max, >= 0.95)" in error
    assert "retention (max, >= 0.5)" in error


def test_rm_removes_what_it_names_and_nothing_else(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "first" / "outside").symlink_to(runs / "second")
    assert main(["rm", "first"]) == 2  # no terminal to ask on
    assert (runs / "first").is_dir()
    capsys.readouterr()
    assert main(["rm", "first", "--yes"]) == 0
    assert "runs/first: 2 files" in capsys.readouterr().out
    assert sorted(path.name for path in runs.iterdir()) == ["second"]
    assert (runs / "second" / "events.jsonl").is_file()


def test_rm_refuses_what_is_written_or_lies_elsewhere(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RecordWriter(runs / "first"):
        assert main(["rm", "first", "--yes"]) == 1
    refused = capsys.readouterr().err
    assert "Another process is running" in refused
    assert "tightrope stop runs/first" in refused
    assert "name=" not in refused
    (runs.parent / "elsewhere").mkdir()
    (runs.parent / "elsewhere" / "link").symlink_to(runs / "second")
    assert main(["rm", "elsewhere/link", "out=elsewhere", "--yes"]) == 2
    assert main(["rm", "runs/second", "out=elsewhere", "--yes"]) == 2
    assert "add out=" in capsys.readouterr().err
    assert sorted(path.name for path in runs.iterdir()) == ["first", "second"]


VERBS = (
    "show {}", "compare {} second", "export {} to=out", "report {}", "checklist {}", "investigate {}",
    "simulate search={}", "export-optuna search={} out=study.db", "clone {} 0", "rm {} --yes",
)  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_a_name_and_says_alike_that_there_is_no_such_search(
    verb: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(verb.format("frist").split()) == 2
    refused = capsys.readouterr().err
    assert "There is no search frist." in refused
    assert "did you mean first?" in refused
    write_search(runs / "third", make_events(8, config=make_config(8, name="third")))
    assert main(verb.format("third").split()) == 0, capsys.readouterr().err
    (runs / "empty").mkdir()
    (runs / "empty" / "events.jsonl").touch()
    if not verb.startswith("rm"):
        assert main(verb.format("empty").split()) == 2
        assert "contains no search that has started" in capsys.readouterr().err


def test_a_folder_of_the_name_comes_before_the_name_and_may_have_an_equals_sign(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(runs.parent / "first", make_events(4, config=make_config(4, name="other")))
    assert main(["show", "first"]) == 0
    assert "Search other" in capsys.readouterr().out
    (runs / "first").rename(runs / "a=b")
    assert main(["clone", "runs/a=b", "0", "rank=8"]) == 0
    assert "waits in its folder" in capsys.readouterr().out
    assert main(["clone", "runs/a=b", "0", "dropout=8"]) == 2
