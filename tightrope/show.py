"""`tightrope show SEARCH`: the summary of a search, as the terminal shows it at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.render import render_summary
from analysis.summary import summarise
from search.config.schema import TrackingConfig
from search.console import SafeConsole
from search.output import say_json
from search.record import SearchState
from search.record.files import is_being_written
from search.recorded import open_search
from search.tracking.ui import ui_command
from search.verb import run_verb
from tightrope.words import parse

RUNNING = "running"
USAGE = """\
usage: tightrope show SEARCH [out=FOLDER] [--json]

Shows the summary of a search, finished or running.

  SEARCH        its folder, or its name: runs/demo, or demo
  out=FOLDER    where searches are looked for by name; without it, runs
  --json        the summary as one line of JSON
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Shows one search; returns the exit code."""
    return run_verb(arguments, USAGE, _show)


def _show(words: list[str]) -> int:
    asked = parse(words, ("out",), ("--json",), least=1, most=1)
    folder, state = open_search(asked.searches[0], asked.out)
    summary = summarise(state, folder)
    if summary["search"]["ended"] is None and is_being_written(folder):
        summary["search"]["ended"] = RUNNING
    if "--json" in asked.flags:
        say_json(summary)
    else:
        render_summary(SafeConsole(), summary, ui=ui_command(folder, _tracking(state)))
    return 0


def _tracking(state: SearchState) -> TrackingConfig:
    assert state.started is not None
    recorded: Any = state.started.config.get("tracking", {})
    return TrackingConfig.model_validate(recorded)
