"""`tightrope compare SEARCH SEARCH ...`: what several searches recommend, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.padding import Padding
from rich.text import Text

from analysis.render import headline, held_line, mean_row, setting
from analysis.summary import summarise
from search import wording
from search.config.schema import ObjectiveConfig
from search.console import SafeConsole
from search.errors import TightropeError
from search.judging.constraints import keeps_constraints
from search.judging.objectives import metrics_of, objectives_of
from search.output import say_json
from search.record import SearchState
from search.recorded import open_search
from search.table import Row, choose_columns, legend, make_columns, make_table
from search.verb import run_verb
from tightrope.words import parse

USAGE = """\
usage: tightrope compare SEARCH SEARCH [SEARCH ...] [out=FOLDER] [--json]

Shows what several searches recommend, side by side. They must have the same objectives.

  SEARCH        a folder, or a name: runs/demo, or demo
  out=FOLDER    where searches are looked for by name; without it, runs
  --json        one line of JSON
"""
_MOST = 20


class IncomparableError(TightropeError):
    """The searches have different objectives."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares the searches of a command line; returns the exit code."""
    return run_verb(arguments, USAGE, _compare)


def _compare(words: list[str]) -> int:
    asked = parse(words, ("out",), ("--json",), least=2, most=_MOST)
    opened = [open_search(word, asked.out) for word in asked.searches]
    states = {str(folder): state for folder, state in opened}
    _refuse_other_objectives(states)
    summaries = {str(folder): summarise(state, folder) for folder, state in opened}
    if "--json" in asked.flags:
        say_json({"searches": [_plain(summary) for summary in summaries.values()]})
    else:
        _print(states, summaries)
    return 0


def _refuse_other_objectives(states: Mapping[str, SearchState]) -> None:
    """Refuses searches that were judged by something else.

    Raises:
        IncomparableError: There are such.
    """
    (first, wanted), *others = [(name, objectives_of(state)) for name, state in states.items()]
    for name, objectives in others:
        if objectives != wanted:
            raise IncomparableError(
                f"{first} and {name} have different objectives: {_shown(wanted)}, and {_shown(objectives)}.",
                hint="Compare searches with the same metrics, directions, floors and ceilings.",
            )


def _shown(objectives: Sequence[ObjectiveConfig]) -> str:
    """For example `train_loss (min) and retention (max, >= 0.95)`."""
    return " and ".join(map(wording.objective, objectives))


def _plain(summary: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("search", "objectives", "recommended", "constraints", "reason", "confirmation", "baselines")
    return {key: summary[key] for key in keys}


def _print(states: Mapping[str, SearchState], summaries: Mapping[str, Mapping[str, Any]]) -> None:
    console = SafeConsole()
    labels = _labels(summaries)
    for name, summary in summaries.items():
        console.print(Text.assemble((labels[name], "bold"), f"  {headline(summary)}"))
        console.print(Text(f"  {setting(summary)}", style="dim"))
        if summary["recommended"] is None:
            console.print(Text(f"  It recommends none: {summary['reason']}", style="yellow"))
        else:
            for held in summary["constraints"]:
                console.print(Padding(held_line(held), (0, 0, 0, 2)))
    rows = [row for name, summary in summaries.items() for row in _rows(labels[name], states[name], summary)]
    if not rows:
        return
    objectives = objectives_of(next(iter(states.values())))
    extra = list(dict.fromkeys(name for summary in summaries.values() for name in summary["metrics"]))
    columns = make_columns(rows, objectives, extra, progress="trial", keep_progress=True)
    columns = [replace(columns[0], name="search", header=("search",)), *columns[1:]]
    kept, left_out = choose_columns(columns, console.width)
    console.print()
    console.print(make_table(kept, rows, "Recommended trials"))
    if text := legend(rows):
        console.print(Text(text, style="dim"))
    if left_out:
        console.print(Text(f"Not shown for lack of width: {', '.join(left_out)}.", style="dim"))


def _labels(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The names of the searches; their folders where names come twice."""
    names = [summary["search"]["name"] for summary in summaries.values()]
    unique = len(set(names)) == len(names)
    return {
        folder: name if unique else str(summary["search"]["folder"])
        for (folder, summary), name in zip(summaries.items(), names, strict=True)
    }


def _rows(label: str, state: SearchState, summary: Mapping[str, Any]) -> Iterator[Row]:
    """The recommended trial, if any, and below it the mean of its repetitions."""
    if summary["recommended"] is None:
        return
    number = summary["recommended"]["trial"]
    trial = state.trials[number]
    assert trial.last is not None
    yield Row(
        label,
        str(number),
        trial.proposed.sampled,
        trial.last.metrics,
        trial.last.intervals,
        "plain" if keeps_constraints(objectives_of(state), metrics_of(trial)) else "broken",
    )
    for candidate in () if summary["confirmation"] is None else summary["confirmation"]["candidates"]:
        if candidate["trial"] == number and candidate["n"]:
            yield replace(mean_row(candidate), progress=str(number))
