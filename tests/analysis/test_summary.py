from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.render import render_summary
from analysis.summary import summarise, write_summary
from search.errors import RecordError
from search.judging.recommend import recommend
from search.record import (
    BaselineMeasured,
    Event,
    SearchEnded,
    SearchState,
    SessionStarted,
    SlotsChosen,
    WarmStarted,
    read_events,
)
from search.record.events import PriorTrial
from tests.records import (
    BEGIN,
    guarded_events,
    make_config,
    make_events,
    opening_events,
    trial_events,
    write_record,
)
from tightrope.show import main
from trainables.data.facts import DataFacts
from trainables.interval import Interval

UI = "mlflow ui --backend-store-uri sqlite:///runs/mlflow.db --host 127.0.0.1"
COMMAND = "python -m search.run space=demo trials=24"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded")
    write_record(path, make_events(24, seed=4))
    return path


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "demo"))


def shown(summary: dict[str, Any], width: int, **commands: str) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    render_summary(console, summary, **commands)
    return console.export_text()


def test_round_trip_from_the_record_on_disk(folder: Path) -> None:
    state = SearchState.from_events(read_events(folder))
    summary = write_summary(state, folder)
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert sorted(path.name for path in folder.iterdir()) == ["events.jsonl", "summary.json", "summary.md"]
    best = summary["recommended"]
    assert best["trial"] == recommend(state).trial
    assert best["params"] == state.trials[best["trial"]].params
    assert best["adapter"] == f"trials/{best['trial']:04d}/rung-2"
    assert summary["pareto"][0] == best["trial"]
    assert sum(summary["counts"].values()) == 24
    assert summary["baselines"]["base"]["metrics"]["retention"] == 1.0


def test_the_markdown_page_has_the_table_and_the_reason(folder: Path) -> None:
    summary = write_summary(SearchState.from_events(read_events(folder)), folder)
    page = (folder / "summary.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + len(summary["trials"])
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert rows[2].startswith("| base |")
    assert f"## Recommended: trial {summary['recommended']['trial']}" in page


def confirmed_events() -> list[Event]:
    """Two candidates, the better one repeated twice, and a trial that a guard ended."""
    events: list[Event] = opening_events(make_config(3, limits={"hours": 2.0, "price": 3.0}))
    prior = [PriorTrial(trial=4, sampled={"lr": 1e-3}, values=[1.0, 1.0])]
    events.append(WarmStarted(search_id="fedcba9876543210", use="points", trials=prior, time=BEGIN))
    events += trial_events(0, {"train_loss": 1.0, "retention": 0.97})
    events += trial_events(1, {"train_loss": 1.5, "retention": 0.96})
    events += guarded_events(2, "retention", "retention is too low")
    for number, loss in ((3, 1.1), (4, 1.3)):
        events += trial_events(number, {"train_loss": loss, "retention": 0.99}, repeats=0)
    return [*events, SearchEnded(reason="finished", recommended=0, time=BEGIN + 1800)]


def test_the_summary_keeps_trials_and_repetitions_apart(tmp_path: Path) -> None:
    summary = summarise(SearchState.from_events(confirmed_events()), tmp_path)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["counts"] == {"completed": 2, "stopped": 1}
    assert summary["pareto"] == [0]
    assert [trial["trial"] for trial in summary["trials"]] == [0]
    block = summary["confirmation"]
    (candidate,) = block["candidates"]
    assert (block["begun"], block["budget"], block["tied"]) == (2, 4, [0])
    (held,) = summary["constraints"]
    assert (held["constraint"], held["word"]) == ("retention >= 0.95", "not shown to be kept")
    assert summary["settings"] == "lr 1.0e-03, rank 8; 90 steps"
    assert (candidate["trial"], candidate["runs"], candidate["n"]) == (0, [3, 4], 2)
    assert candidate["means"]["train_loss"]["mean"] == pytest.approx(1.2)
    assert candidate["means"]["train_loss"]["freedom"] == 1
    assert candidate["means"]["train_loss"]["high"] == pytest.approx(1.2 + 12.706 * 0.1, rel=1e-4)
    assert summary["guards"] == {"retention": 1}
    assert summary["causes"] == {"guard retention": 1}
    assert summary["warm_start"] == {"search": None, "id": "fedcba9876543210", "use": "points", "trials": 1}
    assert summary["limits"] == {
        "set": {"hours": {"limit": 2.0, "spent": 0.5}},
        "reached": None,
        "price": 3.0,
    }
    assert summary["budget"]["phases"]["confirmation"]["trials"] == 2
    assert summary["budget"]["cost"] == pytest.approx(1.5)


def test_repetitions_are_a_row_below_their_candidate_and_the_lines_say_the_rest(tmp_path: Path) -> None:
    summary = write_summary(SearchState.from_events(confirmed_events()), tmp_path)
    text = shown(summary, 120)
    rows = [line for line in text.splitlines() if re.match(r"0 \*|  mean", line)]
    assert re.match(r"0 \* +completed .* 1\.00 +0\.970", rows[0])
    assert re.match(r"  mean, n=2 +not shown .* 1\.20 \[0\.00, 2\.47\] +0\.990 ", rows[1])
    assert "3 trials: 2 completed, 1 stopped; 2 repetitions of candidates" in text
    for line in (
        "Warm start: 1 trial of search fedcba98, tried first.",
        "Ended early: 1 by guard retention.",
        "Spent: 0.5 h; at work: search 12.0 s, confirmation 8.0 s, baselines 1.2 s; cost 1.5 at 3 per "
        "node-hour (search 0.849, confirmation 0.566, baselines 0.0849); limits: 0.5 of 2 hours.",
    ):
        assert line in " ".join(text.split())
        assert f"- {line}" in (tmp_path / "summary.md").read_text()
    assert "confirmation 180 steps in 2 repetitions" in " ".join(text.split())
    assert "| mean, n=2 |" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("hours", "trials", "more"),
    [
        (0.5, 1, ""),
        (2.1, 1, " limits.hours=4"),
        (3.9, 1, " limits.hours=8"),
        (2.1, 9, " limits.hours=4 trials=1"),
    ],
)
def test_what_would_decide_has_room_in_the_limits_and_trains_repetitions_alone(
    hours: float, trials: int, more: str, tmp_path: Path
) -> None:
    config = make_config(trials, limits={"hours": 2.0}, confirm={"candidates": 1, "seeds": 2})
    events: list[Event] = [*opening_events(config), *trial_events(0, {"train_loss": 1.0, "retention": 0.99})]
    for number, retention in ((1, 0.970), (2, 0.980)):
        around = {"retention": Interval(0.969, 0.981, 4000)}
        metrics = {"train_loss": 1.0, "retention": retention}
        events += trial_events(number, metrics, around, repeats=0)
    events.append(SearchEnded(reason="finished", recommended=0, time=BEGIN + 3600 * hours))
    summary = write_summary(SearchState.from_events(events), tmp_path)
    (held,) = summary["constraints"]
    begun = f"python -m search.run space=demo{'' if more.endswith('trials=1') else f' trials={trials}'}"
    command = f"{begun}{more} confirm.seeds={held['repetitions']}"
    assert f"Decide   {command}\n" in shown(summary, 200)
    assert f"- To decide it: `{command}`" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("values", "around", "word"),
    [
        ((0.990, 0.991), 0.005, "kept"),
        ((0.940, 0.970), 0.030, "not shown"),
        ((0.930, 0.950), 0.030, "not shown"),
        ((0.900, 0.901), 0.005, "broken"),
    ],
)
def test_the_row_of_means_bears_the_word_on_its_floor(
    values: tuple[float, float], around: float, word: str, tmp_path: Path
) -> None:
    events = [*opening_events(make_config(1)), *trial_events(0, {"train_loss": 1.0, "retention": 0.97})]
    for number, value in enumerate(values, 1):
        interval = {"retention": Interval(value - around, value + around, 2000)}
        events += trial_events(number, {"train_loss": 1.0, "retention": value}, interval, repeats=0)
    summary = write_summary(SearchState.from_events(events), tmp_path)
    (row,) = [line for line in shown(summary, 120).splitlines() if line.startswith("  mean, n=2")]
    assert re.match(rf"  mean, n=2 +{word} ", row)
    assert (
        f"| mean, n=2 | {summary['confirmation']['candidates'][0]['word']} |"
        in (tmp_path / "summary.md").read_text()
    )


def test_what_ended_a_trial_is_shown_in_place_of_its_status(tmp_path: Path) -> None:
    events = [*opening_events(), *guarded_events(0, "retention", "retention is too low")]
    text = shown(summarise(SearchState.from_events(events), tmp_path), 120)
    assert re.search(r"^0 ! +guard retention ", text, re.MULTILINE)


def test_names_cannot_break_the_markdown_table(tmp_path: Path) -> None:
    sampled = {"target": "a|b\n<script>"}
    events = [*opening_events(), *trial_events(0, {"train_loss": 1.0, "retention": 1.0}, sampled=sampled)]
    write_summary(SearchState.from_events(events), tmp_path)
    page = (tmp_path / "summary.md").read_text()
    assert "| a\\|b \\<script> |" in page


def test_costs_add_up(tmp_path: Path) -> None:
    config = make_config(2)
    state = SearchState.from_events(
        [*opening_events(config), *trial_events(0, {"train_loss": 1.0, "retention": 1.0})]
    )
    used = summarise(state, tmp_path)["budget"]
    assert (used["steps_trained"], used["steps_full"], used["share_saved"]) == (90, 90, 0.0)
    assert (used["train_seconds"], used["eval_seconds"], used["eval_share"]) == (3.0, 1.0, 0.25)

    whole = SearchState.from_events(make_events(24, seed=4))
    used = summarise(whole, tmp_path)["budget"]
    assert used["steps_trained"] + used["steps_saved"] == used["steps_full"] == 24 * 90
    assert used["share_saved"] == pytest.approx(1 - used["steps_trained"] / used["steps_full"])


def packed(trial: int, *rungs: tuple[int, float, float], steps: int = 10) -> list[Event]:
    """A trial with rungs of (tokens, padding, pack), each `steps` after the last."""
    proposed, reached, _ = trial_events(trial, {"train_loss": 1.0})
    return [
        proposed,
        *(
            reached.model_copy(
                update={
                    "rung": rung,
                    "step": (rung + 1) * steps,
                    "tokens": tokens,
                    "padding": padding,
                    "pack": pack,
                }
            )
            for rung, (tokens, padding, pack) in enumerate(rungs)
        ),
    ]


def test_packing_is_that_of_the_passes(tmp_path: Path) -> None:
    # 10 passes of trials 0 and 1 together with 1,000 tokens, 200 of them padding; then 10 of trial 0 alone.
    together = (500, 0.2, 2.0), (300, 0.2, 2.0)
    events = [*packed(0, together[0], (500, 0.0, 1.0)), *packed(1, together[1])]
    state = SearchState.from_events([*opening_events(), *events])
    used = summarise(state, tmp_path)["packing"]
    assert used["tokens"] == 1300
    assert used["padding"] == pytest.approx(200 / 1500)
    assert used["trials_per_pass"] == pytest.approx(1.5)


def test_rungs_that_count_no_tokens_leave_packing_as_it_is(tmp_path: Path) -> None:
    counted = packed(0, (0, 0.0, 1.0), (600, 0.25, 3.0))
    state = SearchState.from_events([*opening_events(), *counted, *trial_events(1, {"train_loss": 1.0})])
    used = summarise(state, tmp_path)["packing"]
    assert (used["tokens"], used["padding"], used["trials_per_pass"]) == (600, pytest.approx(0.25), 3.0)


def test_slots_and_packing_are_a_line_each_where_they_are_known(tmp_path: Path) -> None:
    chosen = SlotsChosen(groups=2, slots=4, reason="4 at once train 2.1x the tokens", time=BEGIN + 1)
    state = SearchState.from_events([*opening_events(), chosen, *packed(0, (1200, 0.25, 3.0))])
    summary = write_summary(state, tmp_path)
    assert summary["slots"] == {"groups": 2, "slots": 4, "reason": "4 at once train 2.1x the tokens"}
    slots = "Slots: 2 worker groups, 4 trials at a time per group (4 at once train 2.1x the tokens)"
    packing = "Packing: 1,200 tokens trained, 25.0% padding, 3.0 trials per pass."
    page = (tmp_path / "summary.md").read_text().splitlines()
    lines = shown(summary, 120).splitlines()
    for line in (slots, packing):
        assert line in lines
        assert f"- {line}" in page
    before = shown(summarise(SearchState.from_events(opening_events()), tmp_path), 120)
    assert "Slots:" not in before
    assert "Packing:" not in before


def test_time_between_sessions_is_not_counted(tmp_path: Path) -> None:
    events: list[Event] = [
        *opening_events(),
        *trial_events(0, {"train_loss": 1.0, "retention": 1.0}, time=BEGIN + 10),
        SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 5000),
        *trial_events(1, {"train_loss": 1.0, "retention": 1.0}, time=BEGIN + 5010),
        SearchEnded(reason="finished", time=BEGIN + 5020),
    ]
    used = summarise(SearchState.from_events(events), tmp_path)["budget"]
    assert used["wall_seconds"] == 14 + 20
    assert used["sessions"] == 2


def test_a_search_that_was_killed_at_once_has_a_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path, opening_events()[:1])
    assert main([str(tmp_path)]) == 0
    assert "none begun" in capsys.readouterr().out
    assert main([str(tmp_path), "--json"]) == 0
    budget = json.loads(capsys.readouterr().out)["budget"]
    assert (budget["wall_seconds"], budget["sessions"], budget["trials"]) == (0, 0, 0)


def test_time_spent_before_anything_was_measured_is_start_up(tmp_path: Path) -> None:
    events: list[Event] = [
        *opening_events()[:2],
        SlotsChosen(slots=1, groups=2, devices=2, reason="measured", time=BEGIN + 10),
        SearchEnded(reason="failed", time=BEGIN + 20),
    ]
    text = shown(summarise(SearchState.from_events(events), tmp_path), 200)
    assert "device-hours (all of it start-up and waiting)." in text


def test_not_a_number_is_spelled_as_in_the_record(tmp_path: Path) -> None:
    metrics = {"train_loss": 1.0, "retention": 1.0, "heldout_loss": float("nan")}
    state = SearchState.from_events([*opening_events(), *trial_events(0, metrics)])
    summary = write_summary(state, tmp_path)
    assert summary["recommended"]["metrics"]["heldout_loss"] == "nan"
    assert "nan" in shown(summary, 120)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_table_fits_the_width(folder: Path, width: int) -> None:
    summary = summarise(SearchState.from_events(read_events(folder)), folder)
    text = shown(summary, width, ui=UI, command=COMMAND)
    lines = text.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("base"))
    table = lines[begin : lines.index("", begin + 2)]
    trials = [line for line in table if re.match(r"\d+", line)]
    assert len(trials) == len(summary["trials"])
    assert all(len(line.rstrip()) <= width for line in table)
    # Every objective is whole in every row, with its interval, whatever else had to be left out.
    assert all(re.search(r"\d\.\d{3}  \d\.\d{2} \[\d\.\d{2}, \d\.\d{2}\]", line) for line in trials)
    assert "…" not in text
    assert ("format_generation" in text) == (width < 120 or "Not shown" in text)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_many_objectives_and_baselines_fit_the_width(folder: Path, width: int) -> None:
    summary = summarise(SearchState.from_events(read_events(folder)), folder)
    base = summary["baselines"]["base"]
    summary["baselines"] |= dict.fromkeys(("in_context", "clean_data_only", "single_adapter"), base)
    metrics = ("train_loss", "retention", "heldout_loss", "capability")
    summary["objectives"] = [{"metric": name, "direction": "min"} for name in metrics]
    text = shown(summary, width)
    lines = text.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("base"))
    heading = lines[begin - 4 : begin]
    table = lines[begin : lines.index("", begin + 2)]
    assert all(len(line.rstrip()) <= width for line in (*heading, *table))
    assert "…" not in text
    left_out = re.findall(r"Not shown for lack of width: ([^.]*)", " ".join(text.split()))
    shown_whole = [name for name in metrics if not any(name in names for names in left_out)]
    assert len(shown_whole) == len(metrics) or width < 80
    interval = base["intervals"]["capability"]
    assert width < 80 or f"[{interval['low']:.2f}, {interval['high']:.2f}]" in text


def test_the_summary_says_what_to_do_next(folder: Path) -> None:
    summary = summarise(SearchState.from_events(read_events(folder)), folder)
    lines = shown(summary, 80, ui=UI, command=COMMAND).splitlines()
    best = summary["recommended"]
    adapter = next(line for line in lines if line.startswith("Adapter"))
    assert adapter.split(maxsplit=1)[1] == f"{summary['search']['folder']}/{best['adapter']}"
    assert f"MLflow   {UI}" in lines
    # Twice the trials, and words that a shell takes as they are.
    extend = next(line for line in lines if line.startswith("Extend"))
    assert shlex.split(extend)[1:] == shlex.split("python -m search.run space=demo trials=48")
    assert not any(line.startswith("Resume") for line in lines)


def test_an_interrupted_search_shows_how_to_resume_and_what_got_furthest(tmp_path: Path) -> None:
    events = make_events(24, seed=4)[:9]
    state = SearchState.from_events([*events, SearchEnded(reason="interrupted", time=events[-1].time)])
    summary = summarise(state, tmp_path)
    text = shown(summary, 100, command=COMMAND)
    assert summary["recommended"] is None
    assert "interrupted" in text
    assert "Recommended: none" in text
    assert f"Resume   {COMMAND}" in text
    assert [trial["status"] for trial in summary["trials"]] == ["running"] * len(summary["trials"])
    assert "the trials that came furthest" in text


def test_what_was_lost_of_the_data_is_said_wherever_the_result_is(tmp_path: Path) -> None:
    facts = DataFacts("completion", 40, 30, 27, 3, 0, 48, False, 90, 47.5, 30, 4, 6, 0).recorded()
    events = [
        event.model_copy(update={"data": facts}) if isinstance(event, BaselineMeasured) else event
        for event in make_events()
    ]
    write_record(tmp_path, events)
    summary = write_summary(SearchState.from_events(read_events(tmp_path)), tmp_path)
    assert summary["data"] == facts
    console = Console(file=io.StringIO(), width=400)
    render_summary(console, summary)
    assert isinstance(console.file, io.StringIO)
    for text in (console.file.getvalue(), (tmp_path / "summary.md").read_text()):
        assert "30 of 34 replies are cut at task.max_length=48" in text
        assert "4 of 34 prompts leave no room for a reply" in text
        assert "6 of 40 records have no assistant turn" in text
    plain = write_summary(SearchState.from_events(make_events()), tmp_path)
    assert plain["data"] == {}
    assert not any("Of the data" in caveat for caveat in plain["caveats"])


def test_a_long_front_is_cut(tmp_path: Path) -> None:
    events = opening_events(make_config(30))
    for number in range(30):
        events += trial_events(number, {"train_loss": 1.0 + number, "retention": 0.5 + 0.01 * number})
    summary = summarise(SearchState.from_events(events), tmp_path)
    assert len(summary["trials"]) == 30
    text = shown(summary, 80)
    assert "11 more trials in summary.json" in text


def test_a_summary_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    state = SearchState.from_events(make_events(3))
    with pytest.raises(RecordError, match="cannot be written"):
        write_summary(state, tmp_path / "absent")


def test_the_command_prints_the_table_from_the_record(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder)]) == 0
    assert "Recommended: trial" in capsys.readouterr().out
    assert main([str(folder), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0]) == summarise(SearchState.from_events(read_events(folder)), folder)


@pytest.mark.parametrize("content", [None, "", "not JSON\n", '{"event": "trial_finished"}\n'])
def test_a_bad_folder_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / "events.jsonl").write_text(content)
    assert main([str(tmp_path)]) == (1 if content else 2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert str(tmp_path) in printed.err


def test_a_record_that_contradicts_itself_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"train_loss": 1.0, "retention": 1.0}
    write_record(tmp_path, [*opening_events(), *trial_events(7, metrics)[1:]])
    assert main([str(tmp_path)]) == 1
    assert "trial 7" in capsys.readouterr().err


def test_the_command_imports_neither_ray_nor_torch_nor_mlflow(folder: Path) -> None:
    code = (
        "import sys; from tightrope.show import main; code = main(sys.argv[1:]);"
        "print(code, sorted({'ray', 'torch', 'mlflow'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout.splitlines()[-1] == "0 []"
    assert found.stderr == ""
