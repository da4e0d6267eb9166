"""The command line: `python -m search.simulate search=SEARCH [key=value ...] [--json]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from search.config.overrides import place
from search.console import SafeConsole
from search.errors import Problem
from search.output import say_json
from search.simulate.compare import compare
from search.simulate.options import read_options
from search.simulate.view import print_comparison
from search.verb import run_verb
from trainables.nearest import did_you_mean

HELP = """\
usage: python -m search.simulate search=SEARCH [key=value ...] [--json]

Shows what a recorded search would have cost and achieved with another scheduler or searcher. Nothing is
trained: trials follow their recorded learning curves, with their recorded times.

  search=SEARCH                the recorded search: search=runs/demo, or search=demo
  scheduler=NAME               what stops trials early; its options: scheduler.KEY=VALUE
  searcher=NAME                what proposes trials; each proposal becomes the nearest recorded configuration
                               that is not used yet. Without it, configurations come in the recorded order
  workers=N                    simulated workers, each like a worker group; by default as many as there were
  seeds=N                      simulate N times, with other seeds of the searcher, or other orders of the
                               recorded configurations
  budget.rungs=N budget.eta=N  other rungs, at recorded steps
  guards.KEY=VALUE objectives.N.KEY=VALUE limits.KEY=VALUE trials=N seed=N
                               as for python -m search.run

  --json                       print the answer as one line of JSON
  --help                       show this text

Examples:
  python -m search.simulate search=runs/demo scheduler=asha
  python -m search.simulate search=runs/demo scheduler=moasha scheduler.variant=promotion seeds=10
  python -m search.simulate search=runs/demo searcher=random trials=8 workers=4

Exit codes: 0 done, 1 failed, 2 wrong command line.
"""
_FLAGS = ("--json", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulates one command line's search, and prints the answer.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong command line.
    """
    return run_verb(arguments, HELP, _simulate, bare=False)


def _simulate(words: list[str]) -> int:
    flags = [word for word in words if word.startswith("-")]
    options = read_options([word for word in words if word not in flags], _unknown(flags))
    answer = compare(options)
    if "--json" in flags:
        say_json(asdict(answer))
    else:
        print_comparison(SafeConsole(), options, answer)
    return 0


def _unknown(flags: Sequence[str]) -> list[Problem]:
    return [
        Problem(flag, "is not an option", place(flag), did_you_mean(flag, _FLAGS))
        for flag in flags
        if flag not in _FLAGS
    ]


if __name__ == "__main__":
    sys.exit(main())
