"""What the live view draws."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search import wording
from search.judging.pareto import ParetoTrial
from search.record import TrialState
from search.table import Kind, Row, choose_columns, legend, make_columns, make_table
from search.view.progress import Progress

_MOST_ROWS = 8
_MOST_MESSAGES = 4
# Lines beside rows and messages: 4 of head, 2 tables with 5 and 4 of their own, 3 blanks, 1 for the cursor.
_OTHER_LINES = 17
_STYLES = {
    "running": "cyan",
    "paused": "blue",
    "completed": "green",
    "stopped": "",
    "cancelled": "",
    "diverged": "red",
    "failed": "red",
}


def draw(progress: Progress, messages: Sequence[str], width: int, height: int) -> RenderableType:
    """The whole view.

    Args:
        progress: Follows the search.
        messages: The latest events and notes, oldest first.
        width: Columns of the terminal.
        height: Its lines; tables are cut so that the view fits.
    """
    messages = messages[-_MOST_MESSAGES if height >= 30 else -2 :]
    further = _further(progress, width)
    room = max(height - _OTHER_LINES - len(further) - len(messages) - len(progress.state.baselines), 2)
    running = min(len(progress.running), max(room // 2, room - len(progress.front)), _MOST_ROWS)
    parts: list[RenderableType] = [_header(progress), _bars(progress, width), _counts(progress)]
    parts += [*further, Text()]
    parts += _front(progress, min(room - running, _MOST_ROWS), width)
    parts += _running_rows(progress, running, width)
    parts += [Text(message, style="dim", no_wrap=True, overflow="ellipsis") for message in messages]
    return Group(*parts)


def _header(progress: Progress) -> Text:
    left = progress.seconds_left()
    text = Text.assemble(
        ("Tightrope ", "bold"),
        (progress.config.name, "bold cyan"),
        f"   {wording.duration(progress.elapsed, 0)} elapsed",
        no_wrap=True,
        overflow="ellipsis",
    )
    if left is not None and progress.running:
        text.append(f"   ~{wording.duration(left, 0)} left", style="bold")
    return text


def _bars(progress: Progress, width: int) -> RenderableType:
    bar = _bar(width)
    grid = Table.grid(padding=(0, 1))
    trials, steps = f"{progress.finished}/{progress.trials} finished", f"{progress.steps:,}"
    grid.add_row("Trials", ProgressBar(progress.trials, progress.finished, width=bar), trials)
    grid.add_row(
        "Steps",
        ProgressBar(progress.most_steps, progress.steps, width=bar),
        f"{steps} of at most {progress.most_steps:,}",
    )
    return grid


def _bar(width: int) -> int:
    return max(min(width - 46, 50), 8)


def _further(progress: Progress, width: int) -> list[RenderableType]:
    """Lines that only some searches need: confirmation, what limits leave, and which was reached."""
    parts: list[RenderableType] = []
    if progress.confirming:
        done, most = progress.repetitions_finished, progress.repetitions
        grid = Table.grid(padding=(0, 1))
        repeated = ", ".join(map(str, progress.repeated))
        what = Text(f"{done}/{most} of trials {repeated}", no_wrap=True, overflow="ellipsis")
        grid.add_row("Confirm", ProgressBar(most, done, width=_bar(width)), what)
        parts.append(grid)
    if (on_front := progress.on_front)[1]:
        grid = Table.grid(padding=(0, 1))
        what = Text(f"{on_front[0]}/{on_front[1]} evaluated", no_wrap=True, overflow="ellipsis")
        grid.add_row("Front  ", ProgressBar(on_front[1], on_front[0], width=_bar(width)), what)
        parts.append(grid)
    if spent := progress.spent:
        each = ", ".join(f"{used:.3g} of {limit:g} {name}" for name, used, limit in spent)
        text = Text(f"Spent  {each}", no_wrap=True, overflow="ellipsis")
        if progress.limit is not None:
            text.append("   limit reached", style="bold yellow")
        parts.append(text)
    return parts


def _counts(progress: Progress) -> Text:
    text = Text("Now    ", no_wrap=True, overflow="ellipsis")
    counts = {status: count for status, count in progress.counts.items() if count}
    for index, (status, count) in enumerate(counts.items()):
        text.append(", " if index else "").append(f"{count} {status}", style=_STYLES.get(status, ""))
    train, evaluation = (
        wording.duration(progress.train_seconds, 0),
        wording.duration(progress.eval_seconds, 0),
    )
    return text.append(f"   train {train}, eval {evaluation}", "dim")


def _front(progress: Progress, room: int, width: int) -> list[RenderableType]:
    """The base model and the Pareto-optimal trials so far."""
    front = progress.front
    rows = [
        Row(name, "baseline", {}, base.metrics, base.intervals, "base")
        for name, base in progress.state.baselines.items()
    ]
    for member in front[:room]:
        best = member.feasible and member == front[0]
        rows.append(_completed_row(progress.state.trials[member.number], member, best))
    if not rows:
        return []
    title = "Pareto-optimal so far" if front else "Base model; no trial has completed yet"
    hidden = len(front) - room
    title = "   ".join(
        text for text in (f"{title} ({hidden} more)" if hidden > 0 else title, legend(rows)) if text
    )
    return [_table(progress, rows, width, title), Text()]


def _completed_row(trial: TrialState, member: ParetoTrial, best: bool) -> Row:
    assert trial.last is not None
    kind: Kind = "recommended" if best else "plain" if member.feasible else "broken"
    label = str(trial.number)
    return Row(label, trial.status, trial.proposed.sampled, trial.last.metrics, trial.last.intervals, kind)


def _running_rows(progress: Progress, room: int, width: int) -> list[RenderableType]:
    running = progress.running
    rungs = progress.config.budget.rungs
    rows = [
        Row(
            str(trial.number),
            f"rung {len(trial.rungs)}/{rungs}"
            + (f" repeats {trial.confirms}" if trial.confirms is not None else ""),
            trial.proposed.sampled,
            trial.measured.metrics if trial.measured else {},
            trial.measured.intervals if trial.measured else {},
        )
        for trial in running[:room]
    ]
    if not rows:
        return []
    hidden = len(running) - room
    title = f"Running ({hidden} more)" if hidden > 0 else "Running"
    return [_table(progress, rows, width, title, keep_progress=True), Text()]


def _table(progress: Progress, rows: list[Row], width: int, title: str, keep_progress: bool = False) -> Table:
    header = "reached" if keep_progress else "status"
    columns = make_columns(rows, progress.config.objectives, progress.shown, header, keep_progress)
    kept, _ = choose_columns(columns, width)
    return make_table(kept, rows, title)
