"""The command line: `python -m analysis.checklist SEARCH [--trial NUMBER]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from analysis.checklist.check import CHECKS
from analysis.checklist.run import Checklist, count, examine
from analysis.investigate.errors import InputError
from analysis.report.context import Context
from analysis.report.text import plain
from search import wording
from search.output import Parser, say, say_json
from search.record import TrialState
from search.recorded import open_search
from search.redact import redact
from search.verb import carry_out

_MARKS = {"pass": "pass", "fail": "FAIL", "cannot tell": "?"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0 done, 1 the record cannot be read, 2 wrong input or command line.
    """
    options = _parser().parse_args(arguments)
    return carry_out(lambda: _show(options), options.json)


def _show(options: argparse.Namespace) -> int:
    folder, state = open_search(options.search)
    context = Context(state, folder, redact=redact)
    checklists = {trial.number: examine(context, trial) for trial in context.trials}
    chosen = _chosen(context, checklists, options.trial)
    if options.json:
        data = {
            "trial": None if chosen is None else chosen.plain(),
            "counts": count(checklists.values()),
            "trials": [checklist.plain() for checklist in checklists.values()],
        }
        say_json(plain(data))
    else:
        say("\n".join(_lines(context, chosen, checklists)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m analysis.checklist",
        description="How the training of a search's trials went, from their curves and measurements.",
    )
    parser.add_argument("search", metavar="SEARCH", help="its folder, or its name in runs")
    parser.add_argument("--trial", type=int, metavar="NUMBER", help="default: the recommended trial")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _chosen(context: Context, checklists: dict[int, Checklist], number: int | None) -> Checklist | None:
    if number is None:
        best = context.recommended
        return None if best is None else checklists.get(best)
    if number in checklists:
        return checklists[number]
    if (trial := context.state.trials.get(number)) is not None:
        return examine(context, trial)  # a repetition, which counts nowhere
    hint = f"Its trials are 0 to {max(context.state.trials)}." if context.state.trials else "It has none yet."
    raise InputError(f"There is no trial {number}.", hint=hint)


def _lines(context: Context, chosen: Checklist | None, checklists: dict[int, Checklist]) -> list[str]:
    lines = []
    if chosen is not None:
        lines.append(f"Trial {chosen.trial}{_which(context, context.state.trials[chosen.trial])}")
        for name, answer in chosen.answers.items():
            lines.append(f"  {_MARKS[answer.verdict]:<5} {CHECKS[name].question}")
            lines.append(f"        {answer.text}")
        lines.append("")
    lines.append(f"Over {wording.plural(len(checklists), 'trial')}: pass, fail, cannot tell")
    for name, counts in count(checklists.values()).items():
        numbers = ", ".join(str(number) for number in counts.values())
        lines.append(f"  {CHECKS[name].question} {numbers}")
    return lines


def _which(context: Context, trial: TrialState) -> str:
    names = ["recommended"] if trial.number == context.recommended else []
    return f" ({', '.join([*names, trial.status])})"


if __name__ == "__main__":
    sys.exit(main())
