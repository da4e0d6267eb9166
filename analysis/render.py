"""A summary on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from analysis import wording
from analysis.table import Row, choose_columns, legend, make_columns, make_table
from search.config.schema import ObjectiveConfig
from search.record.events import Interval

MOST_ROWS = 20


def render_summary(
    console: Console, summary: Mapping[str, Any], ui: str | None = None, command: str | None = None
) -> None:
    """Prints a summary: the table, what to use and why, and what to do next.

    Args:
        console: Where to; the table takes the columns that fit its width.
        summary: As `analysis.summary.summarise` gives it.
        ui: What opens MLflow on the search, or None to leave the line out.
        command: Command that resumes the search; None takes the recorded one.
    """
    rows = summary_rows(summary)
    objectives = [ObjectiveConfig.model_validate(item) for item in summary["objectives"]]
    title = (
        "Pareto-optimal trials beside the base model"
        if summary["pareto"]
        else "No trial has completed with every objective measured; those that got furthest"
    )
    console.print()
    console.print(Text(headline(summary), style="bold"))
    if rows:
        _print_table(console, rows, objectives, summary["metrics"], title)
    _print_choice(console, summary)
    for label, line in used_lines(summary):
        console.print(Text(f"{label}: {line}"))
    for label, line in _next_steps(summary, ui, command or summary["search"]["command"]):
        console.print(Text.assemble((f"{label:<9}", "bold"), line), soft_wrap=True)


def _print_table(
    console: Console, rows: list[Row], objectives: list[ObjectiveConfig], extra: list[str], title: str
) -> None:
    hidden = len(rows) - MOST_ROWS
    rows = rows[:MOST_ROWS]
    columns, left_out = choose_columns(make_columns(rows, objectives, extra), console.width)
    console.print()
    console.print(make_table(columns, rows, title))
    console.print()
    notes = [text for text in (legend(rows),) if text]
    if hidden > 0:
        notes.append(f"{wording.plural(hidden, 'more trial')} in summary.json.")
    if left_out:
        notes.append(f"For want of width, not shown: {', '.join(left_out)}.")
    for note in notes:
        console.print(Text(note, style="dim"))


def _print_choice(console: Console, summary: Mapping[str, Any]) -> None:
    best = summary["recommended"]
    console.print()
    if best is None:
        console.print(Text("Recommended: none", style="bold yellow"))
    else:
        console.print(Text(f"Recommended: trial {best['trial']}", style="bold green"))
    console.print(Padding(Text(summary["reason"]), (0, 0, 0, 2)))
    for caveat in summary["caveats"]:
        console.print(Padding(Text(caveat, style="dim"), (0, 0, 0, 2)))
    console.print()


def summary_rows(summary: Mapping[str, Any]) -> list[Row]:
    """The baselines, the base model first, then the trials."""
    best = summary["recommended"]
    rows = [
        Row(name, "baseline", {}, *_measurement(item), kind="base")
        for name, item in sorted(summary["baselines"].items(), key=lambda pair: pair[0] != "base")
    ]
    for trial in summary["trials"]:
        row = Row(str(trial["trial"]), trial["status"], trial["sampled"], *_measurement(trial))
        if best is not None and trial["trial"] == best["trial"]:
            row = Row(row.label, row.progress, row.params, row.metrics, row.intervals, "recommended")
        elif not trial["feasible"]:
            row = Row(row.label, row.progress, row.params, row.metrics, row.intervals, "broken")
        rows.append(row)
    return rows


def headline(summary: Mapping[str, Any]) -> str:
    """Name, end and trials by status, in a line."""
    search, counts = summary["search"], summary["counts"]
    ended = search["ended"] or "not ended in order"
    message = f" ({search['message']})" if search["message"] else ""
    trials = wording.plural(sum(counts.values()), "trial")
    return f"Search {search['name']}: {ended}{message}; {trials}: {wording.counted(counts) or 'none begun'}"


def used_lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the search has cost and how it was packed, as labels and lines."""
    lines = [("Cost", cost_line(summary))]
    if (chosen := summary["slots"]) is not None:
        lines.append(("Slots", slots_line(chosen)))
    if summary["packing"]["tokens"]:
        lines.append(("Packing", packing_line(summary)))
    return lines


def slots_line(chosen: Mapping[str, Any]) -> str:
    """Groups, slots, and why that many."""
    groups = wording.plural(chosen["groups"], "worker group")
    return f"{groups}, {wording.slots(chosen['slots'], chosen['reason'])}"


def packing_line(summary: Mapping[str, Any]) -> str:
    """Tokens trained, padding, and trials per pass."""
    used = summary["packing"]
    return (
        f"{used['tokens']:,} tokens trained, {used['padding']:.1%} padding, "
        f"{used['trials_per_pass']:.1f} trials per pass."
    )


def cost_line(summary: Mapping[str, Any]) -> str:
    """Steps, seconds and what stopping early saved."""
    used = summary["budget"]
    saved = (
        f" ({used['share_saved']:.0%} saved by ending {wording.plural(used['ended_early'], 'trial')} early)"
        if used["ended_early"]
        else ""
    )
    return (
        f"{used['steps_trained']:,} of {used['steps_full']:,} optimizer steps{saved}; "
        f"training {wording.duration(used['train_seconds'])}, "
        f"evaluation {wording.duration(used['eval_seconds'])} ({used['eval_share']:.0%} of both); "
        f"{wording.duration(used['wall_seconds'])} in {wording.plural(used['sessions'], 'session')}."
    )


def adapter_path(summary: Mapping[str, Any]) -> str | None:
    """Path of the recommended adapter from the working directory."""
    best = summary["recommended"]
    if best is None or best["adapter"] is None:
        return None
    return f"{summary['search']['folder']}/{best['adapter']}"


def extend_command(command: str, trials: int) -> str:
    """The command with twice as many trials."""
    return re.sub(r"\s+trials=\S+", "", command) + f" trials={2 * trials}"


def _next_steps(summary: Mapping[str, Any], ui: str | None, command: str | None) -> list[tuple[str, str]]:
    steps = []
    if path := adapter_path(summary):
        steps.append(("Adapter", path))
    if ui is not None:
        steps.append(("MLflow", ui))
    if command is not None:
        if summary["search"]["ended"] != "finished":
            steps.append(("Resume", command))
        steps.append(("Extend", extend_command(command, summary["search"]["trials"])))
    return steps


def _measurement(item: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Interval]]:
    """Metrics and intervals, with NaN and Inf as numbers again."""
    intervals = {name: Interval.model_validate(value) for name, value in item["intervals"].items()}
    return {name: float(value) for name, value in item["metrics"].items()}, intervals
