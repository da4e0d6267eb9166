from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from search.groups.host import due
from search.record import (
    Decided,
    Event,
    Failed,
    FrontMeasured,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
    WarmStarted,
)
from search.record.events import Origin, PriorTrial
from search.view import make_view
from search.view.callbacks import calling
from search.view.progress import Progress
from search.view.views import LiveView, PlainView
from tests.records import BEGIN, guarded_events, make_config, make_events, opening_events, trial_events
from trainables.interval import Interval

EVENTS = make_events(24, seed=4)


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


def plain(events: list[Event], trials: int = 24) -> list[str]:
    file = io.StringIO()
    view = make_view(Console(file=file), make_config(trials), trials, live=True, clock=Clock())
    view.start()
    for event in events:
        view(event)
    view.close()
    return file.getvalue().splitlines()


def terminal(width: int = 100, height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, record=True)


def live(monkeypatch: pytest.MonkeyPatch, console: Console, clock: Clock, trials: int = 24) -> LiveView:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    view = make_view(console, make_config(trials), trials, live=True, clock=clock)
    assert isinstance(view, LiveView)
    return view


def feed(view: LiveView, events: list[Event], clock: Clock) -> None:
    for event in events:
        clock.now = event.time
        view(event)


def test_plain_lines_where_there_is_no_terminal_or_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Console(file=io.StringIO())
    assert isinstance(make_view(pipe, make_config(), 16, live=True), PlainView)
    monkeypatch.setenv("CI", "true")
    assert isinstance(make_view(terminal(), make_config(), 16, live=True), PlainView)
    monkeypatch.delenv("CI")
    assert isinstance(make_view(terminal(), make_config(), 16, live=False), PlainView)


def test_a_rung_and_its_decision_are_one_line() -> None:
    reached = trial_events(4, {"train_loss": 2.113, "retention": 0.98})[1].model_copy(
        update={"rung": 0, "step": 30, "time": BEGIN + 12.3}
    )
    proposed = trial_events(4, {})[0]
    decided = Decided(
        trial=4, rung=0, decision="continue", reason="rank 2 of 5, top 2 go on", time=BEGIN + 12.34
    )
    assert plain([*opening_events(), proposed, reached, decided])[-1] == (
        "[  12.3 s] trial 4 rung 1/3 step 30: train_loss 2.113 retention 0.980 "
        "-> continue (rank 2 of 5, top 2 go on)"
    )


def test_every_trial_has_a_line_that_begins_it_and_one_that_ends_it() -> None:
    lines = plain(EVENTS)
    ends = {
        "completed": r"-> completed \(full budget\)$",
        "stopped": r"-> stop \(rank .*\)$",
        "diverged": r"diverged: the loss became NaN at step \d+",
    }
    for number, trial in SearchState.from_events(EVENTS).trials.items():
        own = [line for line in lines if re.search(rf"\] trial {number} ", line)]
        assert "begins: lr" in own[0]
        assert len(own) == 1 + len(trial.rungs) + (trial.status == "diverged")
        assert re.search(ends[trial.status], own[-1])
    assert all(re.match(r"\[ *\d+\.\d s\] \S", line) for line in lines)
    assert "baseline base: retention 1.000 heldout_loss 4.100 capability 0.95 [" in lines[2]
    assert lines[-1].endswith("search finished: 8 completed, 13 stopped, 3 diverged")


def test_a_rung_without_a_decision_is_not_lost() -> None:
    proposed, reached, _ = trial_events(0, {"train_loss": 2.0, "retention": 1.0})
    opening = [*opening_events(), proposed, reached]
    assert "rung 3/3 step 90" in plain(opening)[-1]
    *_, before, last = plain([*opening, SearchEnded(reason="interrupted", time=BEGIN + 9)])
    assert "rung 3/3 step 90" in before
    assert last == "[   9.0 s] search interrupted: no trial finished, 1 unfinished"
    failed = TrialFinished(trial=0, status="failed", reason="two\nlines", time=BEGIN + 9)
    assert plain([*opening, failed])[-1] == "[   9.0 s] trial 0 failed: two lines"


def test_failures_and_notes_are_lines() -> None:
    file = io.StringIO()
    view = make_view(Console(file=file), make_config(), 16, live=False, clock=Clock())
    view.note("starting Ray on 2 cores")
    view(Failed(trial=None, failure_class="worker_lost", message="the node is gone", time=BEGIN + 1))
    assert file.getvalue().splitlines() == [
        "[   0.0 s] starting Ray on 2 cores",
        "[   1.0 s] search worker_lost: the node is gone",
    ]


def test_the_number_of_slots_is_a_line_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = SlotsChosen(groups=2, slots=4, reason="4 trials at once train\n2.1x the tokens", time=BEGIN + 3)
    line = "4 trials at a time per group (4 trials at once train 2.1x the tokens)"
    assert plain([*opening_events(), chosen])[-1] == f"[   3.0 s] {line}"
    fewer = chosen.model_copy(update={"groups": 1, "nodes": 1, "time": BEGIN + 4})
    assert line in plain([*opening_events(), chosen, fewer])[-1], "said once, and not whenever a node goes"
    assert len(plain([*opening_events(), chosen, fewer])) == len(plain([*opening_events(), chosen]))
    console, clock = terminal(), Clock()
    view = live(monkeypatch, console, clock)
    feed(view, [*opening_events(), chosen], clock)
    console.print(view.render())
    assert line in console.export_text()


def test_a_resumed_search_is_one_line_and_goes_on() -> None:
    cut = next(i for i, event in enumerate(EVENTS) if i > 60 and isinstance(event, RungReached))
    file = io.StringIO()
    view = make_view(Console(file=file), make_config(24), 24, live=False, clock=Clock())
    before = SearchState.from_events(EVENTS[:cut])
    rungs = sum(len(trial.rungs) for trial in before.trials.values())
    view.restore(before)
    (line,) = file.getvalue().splitlines()
    assert re.search(r"recorded so far: \d+ of 24 trials finished \(.*\), \d unfinished, \d+ optimizer", line)
    for event in EVENTS[cut:]:
        view(event)
    assert file.getvalue().splitlines()[-1].endswith("8 completed, 13 stopped, 3 diverged")
    # The state was another's: the view must not have changed it.
    assert sum(len(trial.rungs) for trial in before.trials.values()) == rungs


def paused(trial: int, time: float = BEGIN + 8) -> list[Event]:
    """A trial that is paused at its first rung."""
    proposed, reached, decided, _ = guarded_events(trial, "scheduler", "rank 3 of 3", time)
    assert isinstance(decided, Decided)
    return [proposed, reached, decided.model_copy(update={"decision": "pause"})]


PROMOTED = Decided(trial=5, rung=0, decision="continue", reason="promoted: now rank 1 of 4", time=BEGIN + 20)


def test_a_trial_is_paused_and_goes_on_in_lines() -> None:
    *_, pause, goes_on = plain([*opening_events(), *paused(5), PROMOTED])
    assert pause.endswith("trial 5 rung 1/3 step 10: train_loss 2.000 retention 0.500 -> pause (rank 3 of 3)")
    assert goes_on == "[  20.0 s] trial 5 continues from rung 1/3 (promoted: now rank 1 of 4)"


def test_a_trial_paused_in_an_earlier_session_goes_on_in_the_same_words() -> None:
    file = io.StringIO()
    view = make_view(Console(file=file), make_config(24), 24, live=False, clock=Clock())
    view.restore(SearchState.from_events([*opening_events(), *paused(5)]))
    view(PROMOTED)
    restored, goes_on = file.getvalue().splitlines()
    assert "0 unfinished and 1 paused" in restored
    assert goes_on == "[  20.0 s] trial 5 continues from rung 1/3 (promoted: now rank 1 of 4)"


def test_guards_and_limits_are_named_where_they_stop_a_trial() -> None:
    events = [*guarded_events(0, "retention", "too low"), *guarded_events(1, "limits", "limits.hours: all")]
    lines = plain([*opening_events(), *events])
    assert lines[-3].endswith("-> stop by guard retention (too low)")
    assert lines[-1].endswith("-> stop by limits (limits.hours: all)")


def confirmed(trials: int = 2) -> list[Event]:
    """A search whose trial 0 is repeated twice."""
    points = {"train_loss": 1.0, "retention": 1.0}
    events = opening_events(make_config(trials))
    for number in range(trials):
        events += trial_events(number, points, time=BEGIN + 10 * number)
    for number in (trials, trials + 1):
        events += trial_events(number, points, repeats=0, time=BEGIN + 10 * number)
    return events


def test_repetitions_say_what_they_confirm_and_count_as_no_trials() -> None:
    lines = plain([*confirmed(), SearchEnded(reason="finished", recommended=0, time=BEGIN + 40)], trials=2)
    begun = [line for line in lines if "confirming" in line]
    assert len(begun) == 2
    assert "trial 2 begins, confirming trial 0 (seed 1 of 2): lr" in begun[0]
    assert "trial 3 begins, confirming trial 0 (seed 2 of 2): lr" in begun[1]
    assert lines[-1].endswith(
        "search finished: 2 completed; 2 repetitions of candidates; recommended trial 0"
    )


def test_the_live_view_shows_confirmation_pauses_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, console = Clock(), terminal()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    config = make_config(2, limits={"hours": 2.0})
    view = make_view(console, config, 2, live=True, clock=clock)
    assert isinstance(view, LiveView)
    feed(view, [*confirmed()[:-2], *paused(9)], clock)
    clock.now = BEGIN + 1800
    console.print(view.render())
    text = console.export_text()
    assert re.search(r"^Confirm .* 1/4 of trials 0$", text, re.MULTILINE), "both trials are candidates"
    assert "2/2 finished" in text
    assert "1 paused, 2 completed" in text
    assert re.search(r"^3 +rung 0/3 repeats 0", text, re.MULTILINE)
    assert "Spent  0.5 of 2 h" in text
    assert "limit reached" not in text
    stopped = guarded_events(4, "limits", "limits.hours: 1.99 of 2 is spent", BEGIN + 7000)
    feed(view, stopped, clock)
    console.print(view.render())
    assert re.search(r"Spent  1\.95 of 2 h +limit reached", console.export_text())


def asked(trial: int, time: float) -> FrontMeasured:
    metrics = {"dear_generation": 0.25, "dear_f1": 0.5}
    found = Interval(low=0.125, high=0.375, n=40)
    return FrontMeasured(
        trial=trial, metrics=metrics, intervals={"dear_generation": found}, eval_seconds=30.0, time=time
    )


def test_the_front_is_asked_in_lines_and_in_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    skills = [{"name": "s", "path": "s.jsonl"}, {"name": "costly", "path": "d.jsonl", "at": "front"}]
    config = make_config(2, capability={"skills": skills})
    clock, console = Clock(), terminal()
    view = make_view(console, config, 2, live=True, clock=clock)
    assert isinstance(view, LiveView)
    begun = opening_events(config)
    feed(view, [*begun, *trial_events(0, {"train_loss": 1.0, "retention": 1.0}, time=BEGIN + 10)], clock)
    console.print(view.render())
    assert "evaluated" not in console.export_text()
    feed(view, trial_events(1, {"train_loss": 0.5, "retention": 0.99}, time=BEGIN + 20), clock)
    console.print(view.render())
    assert re.search(r"^Front .* 0/2 evaluated$", console.export_text(), re.MULTILINE)
    feed(view, [asked(1, BEGIN + 70)], clock)
    console.print(view.render())
    text = console.export_text()
    assert re.search(r"^Front .* 1/2 evaluated$", text, re.MULTILINE)
    assert re.search(r"eval 3\d s", text)
    lines = plain([*confirmed(), asked(0, BEGIN + 70)], trials=2)
    assert lines[-1].endswith("trial 0, on the front: dear_generation 0.25 [0.12, 0.38] (measured in 30.0 s)")


@pytest.mark.parametrize(("use", "said"), [("points", "are tried first"), ("prior", "teach the searcher")])
def test_a_warm_start_is_a_line(use: str, said: str) -> None:
    begun = WarmStarted(
        search_id="0123456789abcdef",
        use=use,  # type: ignore[arg-type]
        trials=[PriorTrial(trial=7, sampled={"lr": 1e-3}), PriorTrial(trial=9, sampled={"lr": 1e-4})],
        time=BEGIN + 1,
    )
    line = plain([*opening_events(), begun])[-1]
    assert line == f"[   1.0 s] warm start from search 01234567: 2 trials {said}"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("searcher", ""),
        ("listed", " (listed)"),
        ("warm_start", " (from the earlier search)"),
        ("prior", " (from the prior)"),
        ("clone", " (a clone)"),
    ],
)
def test_a_trial_that_begins_says_where_it_is_from(origin: Origin, said: str) -> None:
    begun = TrialProposed(trial=0, sampled={"lr": 1e-3}, params={}, origin=origin, time=BEGIN + 3)
    assert plain([*opening_events(), begun])[-1].endswith(f"trial 0 begins{said}: lr 1.0e-03")


def test_a_search_that_begins_has_nothing_to_restore() -> None:
    file = io.StringIO()
    make_view(Console(file=file), make_config(), 16, live=False).restore(SearchState())
    assert file.getvalue() == ""


def test_restoring_is_the_same_as_having_seen_every_event() -> None:
    clock = Clock()
    seen, restored = (Progress(make_config(24), 24, clock) for _ in range(2))
    for event in EVENTS[:80]:
        seen.apply(event)
    restored.restore(SearchState.from_events(EVENTS[:80]))
    for event in EVENTS[80:-10]:
        seen.apply(event)
        restored.apply(event)
    for name in ("counts", "finished", "steps", "front", "state"):
        assert getattr(seen, name) == getattr(restored, name), name
    assert restored.train_seconds == pytest.approx(seen.train_seconds)
    assert restored.eval_seconds == pytest.approx(seen.eval_seconds)
    assert [trial.number for trial in seen.running] == [trial.number for trial in restored.running]


def test_time_left_follows_the_pace() -> None:
    clock = Clock()
    progress = Progress(make_config(4), 4, clock)
    assert progress.seconds_left() is None
    for event in opening_events() + trial_events(0, {"train_loss": 1.0, "retention": 1.0}, time=BEGIN + 6):
        progress.apply(event)
    clock.now = BEGIN + 10
    # 3 candidates are to be repeated twice.
    assert progress.seconds_left() == pytest.approx((3 + 6) * 4.0)


def test_the_most_steps_there_can_be_are_those_there_were_once_the_search_is_over() -> None:
    progress = Progress(make_config(24), 24, Clock())
    mosts = []
    for event in EVENTS:
        progress.apply(event)
        mosts.append(progress.most_steps)
    assert mosts == sorted(mosts, reverse=True), "a trial that is stopped early takes no more"
    assert progress.most_steps == progress.steps


def test_no_more_time_is_left_than_the_limits_allow() -> None:
    clock = Clock()
    config = make_config(1000, limits={"hours": 1.0, "device_hours": 1.0})
    progress = Progress(config, 1000, clock)
    events = [
        *opening_events(config),
        SlotsChosen(groups=1, slots=1, reason="", devices=4, time=BEGIN),
        *trial_events(0, {"train_loss": 1.0, "retention": 1.0}, time=BEGIN + 6),
    ]
    for event in events:
        progress.apply(event)
    clock.now = BEGIN + 600
    assert progress.seconds_left() == pytest.approx(300), "a quarter of an hour of 4 devices, 10 minutes gone"


def test_writing_to_what_is_gone_does_not_reach_the_search(tmp_path: Path) -> None:
    file = (tmp_path / "log").open("w", encoding="ascii")
    view = make_view(Console(file=file), make_config(), 16, live=False, clock=Clock())
    view.note("naïve")
    file.close()
    view.note("lost")
    view(EVENTS[0])
    view.close()
    assert (tmp_path / "log").read_text() == "[   0.0 s] na\\xefve\n"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 40), (160, 50)])
def test_the_live_view_fits_the_terminal_at_any_time(
    monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    clock = Clock()
    view = live(monkeypatch, terminal(width, height), clock)
    view.note("before")
    for count in range(0, len(EVENTS), 7):
        feed(view, EVENTS[count : count + 7], clock)
        console = terminal(width, height)
        console.print(view.render())
        lines = console.export_text().splitlines()
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
    assert any(re.match(r"Trials +\S+ +24/24 finished", line) for line in lines)


def test_an_amount_that_grows_takes_one_line_on_a_terminal_and_few_in_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, shown = Clock(), terminal()
    view = live(monkeypatch, terminal(), clock)
    view.start()
    first, second = (f"g is downloading org/name: {done} of 9.0 GB" for done in ("1.0", "1.3"))
    for text in (first, second, "g is setting up"):
        view.note(text)
    view.close()
    shown.print(view.render())
    drawn = shown.export_text()
    assert (first in drawn, second in drawn, "g is setting up" in drawn) == (False, True, True)
    log = make_view(Console(file=io.StringIO()), make_config(24), 24, live=True, clock=clock)
    for pace, seconds in ((view.pace, 4.0), (log.pace, 31.0), (calling(log, [print]).pace, 31.0)):
        assert not due(second, first, 2.0, pace)
        assert due(second, first, seconds, pace)
        assert due("g is setting up", first, 0.0, pace)
        assert not due(first, first, seconds, pace)
    assert not due(second, first, 4.0, log.pace)


def test_the_live_view_shows_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    console = terminal()
    view = live(monkeypatch, console, clock)
    feed(view, EVENTS[:80], clock)
    console.print(view.render())
    text = console.export_text(clear=False)
    state = SearchState.from_events(EVENTS[:80])
    assert re.search(r"Tightrope demo +\d+ s elapsed +~\d+ s left", text)
    done = sum(trial.finished is not None for trial in state.trials.values())
    assert f"{done}/24 finished" in text
    ended = sum(trial.last.step for trial in state.trials.values() if trial.finished and trial.last)
    most = ended + (24 - done + 6) * 90
    assert f"of at most {most:,}" in text, "those of ended trials, and 90 for each trial and repetition left"
    assert re.search(r"Pareto-optimal so far .*\* recommended", text)
    assert re.search(r"^base .* 1\.00", text, re.MULTILINE)
    assert "Running" in text
    for trial in state.unfinished.values():
        assert re.search(rf"^{trial.number} +rung {len(trial.rungs)}/3 ", text, re.MULTILINE)
    assert "<svg" in console.export_svg(title="search")


def test_the_live_view_runs_beside_a_search_and_leaves_the_terminal_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console, clock = terminal(), Clock()
    view = live(monkeypatch, console, clock)
    view.restore(SearchState.from_events(EVENTS[:40]))
    view.start()

    def take_notes() -> None:
        for number in range(50):
            view.note(f"note {number}")

    threads = [
        threading.Thread(target=take_notes),
        threading.Thread(target=feed, args=(view, EVENTS[40:], clock)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view.close()
    view.close()
    view.note("MLflow is not up to date yet")
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Tightrope" in output
    assert output.endswith("MLflow is not up to date yet\n")
    # The cursor was hidden while drawing, and is shown again.
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


def test_callbacks_get_every_event_and_end_no_search() -> None:
    seen: list[Event] = []

    def fails(event: Event) -> None:
        seen.append(event.model_copy(deep=True))
        if isinstance(event, SearchStarted):
            event.config.clear()
        raise ValueError("no such plot")

    text, events = io.StringIO(), opening_events()
    assert isinstance(events[0], SearchStarted)
    shown = make_view(Console(file=text), make_config(), 16, live=False)
    view = calling(shown, [fails, seen.append])
    view.start()
    for event in events:
        view(event)
    view.close()
    assert seen == [events[0], *events], "the one that failed is called once"
    said = "the callback fails failed and is not called again: ValueError: no such plot"
    assert text.getvalue().count(said) == 1
    assert len(text.getvalue().splitlines()) == len(events) + 1
