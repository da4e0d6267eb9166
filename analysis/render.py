"""A summary on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from analysis.costs import used_lines
from analysis.hypotheses import STYLES, answer_lines
from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.extending import extend_command
from search.record.events import INTERVAL
from search.table import Kind, Row, choose_columns, legend, make_columns, make_table
from trainables.interval import Interval

MOST_ROWS = 20
WORD_STYLES = {"kept": "bold green", "not shown to be kept": "bold yellow", "broken": "bold red"}


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
        f"Pareto-optimal trials{_with_candidates(summary)} beside the base model"
        if summary["pareto"]
        else "No trial has completed with every objective measured; the trials that came furthest"
    )
    console.print()
    console.print(Text(headline(summary), style="bold"))
    if rows:
        _print_table(console, rows, objectives, summary["metrics"], title)
    _print_choice(console, summary)
    _print_hypotheses(console, summary)
    for label, line in used_lines(summary):
        console.print(Text(f"{label}: {line}"))
    steps = _next_steps(summary, ui, command or summary["search"]["command"])
    width = max([7, *(len(label) for label, _ in steps)]) + 2
    for label, line in steps:
        console.print(Text.assemble((f"{label:<{width}}", "bold"), line), soft_wrap=True)


def held_line(held: Mapping[str, Any]) -> Text:
    """A floor or ceiling with its word in colour."""
    word = held["word"], WORD_STYLES[held["word"]]
    return Text.assemble(f"{held['constraint']}: ", word, rest_of(held))


def rest_of(held: Mapping[str, Any]) -> str:
    """What follows the word on a floor or ceiling: the numbers, and what would decide it."""
    decide = "" if held["decide"] is None else f". {held['decide']}"
    return f", {held['measured']}{decide}"


def deciding_command(summary: Mapping[str, Any], command: str | None = None) -> str | None:
    """The search's own command with what would decide its floors and ceilings; None where nothing is open."""
    command = command or summary["search"]["command"]
    if not command or summary["deciding"] is None or summary["search"]["ended"] == "running":
        return None
    wanted = summary["deciding"]
    for key, value in wanted["also"].items():
        command = extend_command(command, key, value)
    return extend_command(command, wanted["key"], wanted["value"])


def _with_candidates(summary: Mapping[str, Any]) -> str:
    """Said where candidates that are not on the front are shown too."""
    return " and candidates" if {t["trial"] for t in summary["trials"]} - set(summary["pareto"]) else ""


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
        notes.append(f"Not shown for lack of width: {', '.join(left_out)}.")
    for note in notes:
        console.print(Text(note, style="dim"))


def _print_choice(console: Console, summary: Mapping[str, Any]) -> None:
    best = summary["recommended"]
    console.print()
    if best is None:
        console.print(Text("Recommended: none", style="bold yellow"))
    else:
        console.print(Text(f"Recommended: trial {best['trial']}", style="bold green"))
    for held in summary["constraints"]:
        console.print(Padding(held_line(held), (0, 0, 0, 2)))
    for line in (summary["settings"], summary["reason"]):
        if line:
            console.print(Padding(Text(line), (0, 0, 0, 2)))
    for caveat in summary["caveats"]:
        console.print(Padding(Text(caveat, style="dim"), (0, 0, 0, 2)))
    console.print()


def _print_hypotheses(console: Console, summary: Mapping[str, Any]) -> None:
    for answer in summary["hypotheses"]:
        style = STYLES[answer["verdict"]]
        console.print(Text.assemble((f"{answer['name']} {answer['verdict']}", style), f": {answer['claim']}"))
        for line in answer_lines(answer):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 2)))
    if summary["hypotheses"]:
        console.print()


def summary_rows(summary: Mapping[str, Any]) -> list[Row]:
    """The baselines, the base model first, then the trials, below a candidate the mean of its repetitions."""
    best = summary["recommended"]
    rows = [
        Row(name, "baseline", {}, *_measurement(item), kind="base")
        for name, item in sorted(summary["baselines"].items(), key=lambda pair: pair[0] != "base")
    ]
    confirmed = summary["confirmation"] or {"candidates": ()}
    candidates = {candidate["trial"]: candidate for candidate in confirmed["candidates"]}
    for trial in summary["trials"]:
        kind: Kind = "plain" if trial["feasible"] else "broken"
        if best is not None and trial["trial"] == best["trial"]:
            kind = "recommended"
        rows.append(
            Row(str(trial["trial"]), status(trial), trial["sampled"], *_measurement(trial), kind=kind)
        )
        candidate = candidates.get(trial["trial"])
        if candidate is not None and candidate["n"]:
            rows.append(mean_row(candidate))
    return rows


def status(trial: Mapping[str, Any]) -> str:
    """How a trial ended; of one that a guard or a limit stopped, what it was."""
    ended: str = trial["status"]
    cause: str | None = trial["cause"]
    return ended if cause is None or cause == "scheduler" else cause


def mean_row(candidate: Mapping[str, Any]) -> Row:
    """The mean of a candidate's repetitions, with the word on its floors and ceilings."""
    means = candidate["means"]
    intervals = {
        name: interval
        for name, mean in means.items()
        if (interval := wording.around(mean["low"], mean["high"], candidate["n"])) is not None
    }
    metrics = {name: mean["mean"] for name, mean in means.items()}
    progress = "ruled out" if candidate["broken"] else (candidate["word"] or "repeated")
    progress = progress.replace("shown to", "shown\nto")  # a column of its whole length costs others
    return Row(f"  mean, n={candidate['n']}", progress, {}, metrics, intervals, "mean")


def setting(summary: Mapping[str, Any]) -> str:
    """What was searched on what, in a sentence."""
    search = summary["search"]
    task = "" if search["task"] is None else f", task {search['task']}"
    return (
        f"Space {search['space']}, trainable {search['trainable']}, model {search['model']}{task}, "
        f"seed {search['seed']}."
    )


def artifact_name(summary: Mapping[str, Any]) -> str:
    """What a trial leaves behind, with the form of its files: `adapter (PEFT format)`."""
    made = summary["artifact"]
    return f"{made['name']} ({made['form']})" if made["form"] else str(made["name"])


def headline(summary: Mapping[str, Any]) -> str:
    """Name, end and trials by status, in a line."""
    search, counts = summary["search"], summary["counts"]
    ended = search["ended"] or "did not end cleanly"
    message = f" ({search['message']})" if search["message"] else ""
    trials = wording.plural(sum(counts.values()), "trial")
    line = f"Search {search['name']}: {ended}{message}; {trials}: {wording.counted(counts) or 'none begun'}"
    repeated = summary["budget"]["phases"]["confirmation"]["trials"]
    return f"{line}; {wording.plural(repeated, 'repetition')} of candidates" if repeated else line


def artifact_folder(summary: Mapping[str, Any]) -> str | None:
    """Path of what the recommended trial has left behind, from the search's folder."""
    best = summary["recommended"]
    return None if best is None else best[summary["artifact"]["name"]]


def report_path(summary: Mapping[str, Any]) -> str | None:
    """The page of the report as the summary's folder is named, where there is one."""
    page = Path(summary["search"]["folder"], "report", "report.html")
    return str(page) if page.is_file() else None


def _next_steps(summary: Mapping[str, Any], ui: str | None, command: str | None) -> list[tuple[str, str]]:
    steps = []
    if (left := artifact_folder(summary)) is not None:
        name = summary["artifact"]["name"]
        steps.append((f"{name[:1].upper()}{name[1:]}", f"{summary['search']['folder']}/{left}"))
    if (page := report_path(summary)) is not None:
        steps.append(("Report", page))
    if ui is not None:
        steps.append(("MLflow", ui))
    if command is not None and summary["search"]["ended"] != "running":
        if summary["search"]["ended"] != "finished" and not summary["all_failed"]:
            steps.append(("Resume", command))
        if (deciding := deciding_command(summary, command)) is not None:
            steps.append(("Decide", deciding))
        more = summary["extension"]
        if more["key"] is not None and not summary["all_failed"]:
            steps.append(("Extend", extend_command(command, more["key"], more["value"])))
    return steps


def _measurement(item: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Interval]]:
    """Metrics and intervals, with NaN and Inf as numbers again."""
    intervals = {name: INTERVAL.validate_python(value) for name, value in item["intervals"].items()}
    return {name: float(value) for name, value in item["metrics"].items()}, intervals
