"""The command line: `python -m search.run space=NAME_OR_FILE [key=value ...]`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from search.audit.check import AuditError, audit_search, refuse_critical
from search.config.library import choices, listing_text
from search.config.load import Resolved, load_config
from search.config.overrides import FLAGS, place, with_allowed_code
from search.config.show import config_data, config_yaml
from search.config.wording import config_error
from search.epochs import in_steps
from search.errors import ConfigError, Problem, TightropeError
from search.output import complain, say, say_json
from search.verb import WRONG, run_verb
from trainables.nearest import did_you_mean

if TYPE_CHECKING:
    from search.view.callbacks import Callback

_MODES = ("--plan", "--config", "--list")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong configuration or command line, 128 + n stopped by signal n.
    """
    return run_verb(arguments, HELP, _run, _error_data, bare=False)


def _run(words: list[str]) -> int:
    as_json = "--json" in words
    words = with_allowed_code(words)
    flags = [word for word in words if word.startswith("-")]
    settings = [word for word in words if not word.startswith("-")]
    _refuse_flags(flags, settings)
    return _MODE[next((flag for flag in flags if flag in _MODES), "")](settings, as_json)


def _refuse_flags(flags: Sequence[str], settings: Sequence[str]) -> None:
    """Unknown flags, and flags that exclude each other; what is wrong beside them is said as well.

    Raises:
        ConfigError: There are such flags.
    """
    problems = [
        Problem(flag, "is not an option", place(flag), _flag_hint(flag))
        for flag in flags
        if flag not in FLAGS
    ]
    modes = sorted(set(flags) & set(_MODES))
    if len(modes) > 1:
        problems.append(
            Problem(modes[1], f"cannot be given with {modes[0]}", "command line", "keep one of them")
        )
    if not problems:
        return
    if settings:
        try:
            load_config(settings)
        except ConfigError as error:
            problems += error.problems
    raise config_error(problems)


def _flag_hint(flag: str) -> str:
    name, equals, _ = flag.lstrip("-").partition("=")
    if equals:
        return f"keys have no dashes: write {flag.lstrip('-')}"
    return did_you_mean(f"--{name}", FLAGS)


def _plan(words: Sequence[str], as_json: bool) -> int:
    from search.plan import make_plan

    resolved = load_config(words)
    counted = in_steps(resolved.config)
    plan = make_plan(counted.config, counted.sentence, counted.trials)
    audit = audit_search(resolved, counted, plan)
    plan = replace(plan, notes=(*resolved.notes, *plan.notes), audit=audit)
    if as_json:
        say_json(plan.plain())
    else:
        from search.plan.view import print_plan

        print_plan(plan)
    return WRONG if plan.problems else 0


def _config(words: Sequence[str], as_json: bool) -> int:
    resolved = load_config(words)
    if as_json:
        say_json(config_data(resolved))
    else:
        say(config_yaml(resolved))
    return 0


def _list(words: Sequence[str], as_json: bool) -> int:
    if as_json:
        say_json(choices())
    else:
        say(listing_text())
    return 0


def run_words(words: Sequence[str], as_json: bool = False, callbacks: Sequence[Callback] = ()) -> int:
    """Runs the search that `key=value` words ask for.

    Args:
        words: Of the command line.
        as_json: See `search.session.run_search`.
        callbacks: See `search.view.callbacks.CallingView`.

    Returns:
        Exit code, as that of `search.session.run_search`.

    Raises:
        TightropeError: The configuration is wrong, or the search cannot run.
    """
    resolved: Resolved = load_config(words)
    for note in resolved.notes:
        complain(f"note: {note}")
    counted = in_steps(resolved.config)
    if counted.sentence is not None:
        complain(f"budget: {counted.sentence}")
    audit = audit_search(resolved, counted)
    refuse_critical(audit)
    from search.plan import refuse_unplannable
    from search.plan.trainable import inspect_data

    refuse_unplannable(counted.config)
    inspect_data(counted.config)
    # Ray, MLflow and the rest are imported only now that the configuration is known to be right.
    from search.session import run_search

    command = shlex.join(["python", "-m", "search.run", *words])
    return run_search(counted.config, command, as_json, counted.trials, audit, callbacks)


_MODE: dict[str, Callable[[Sequence[str], bool], int]] = {
    "--plan": _plan,
    "--config": _config,
    "--list": _list,
    "": run_words,
}


def _error_data(error: TightropeError) -> dict[str, Any]:
    data: dict[str, Any] = {"error": error.message, "hint": error.hint}
    if isinstance(error, AuditError):
        data = {"error": "audit", "audit": error.audit.plain(), "hint": error.hint}
    if isinstance(error, ConfigError):
        data = {"error": "configuration", "problems": [asdict(problem) for problem in error.problems]}
    return data


HELP = """\
usage: python -m search.run space=NAME_OR_FILE [key=value ...] [--plan | --config | --list] [--json]

Searches LoRA hyperparameters for at least two objectives: the training loss, and what the model can
still do. Running the same command again resumes a search; a larger trials=N extends it.
A search is named after its space, and after the trainable, model and task chosen here in place of
the space's: space=demo model=smollm2 task=my.jsonl is demo-smollm2-my, in runs/demo-smollm2-my.

Choose:
  space=demo                   a shipped space (see --list), or a file: space=my.yaml
  model=NAME                   a preset, a hub id (org/name) or a folder
  task=NAME                    a preset, a file (.jsonl, .parquet, .txt) or a hub data set (org/name)
  capability=NAME              a preset, or a file of questions (.jsonl)
  searcher=NAME                what proposes trials: gp, tpe, nsga2, nsga3, qmc, random, grid, listed
  scheduler=NAME               what stops trials early: moasha, asha, none
  warm_start=SEARCH            start from the best of an earlier search: warm_start=runs/demo, or demo

Change any value by its dotted key; values are YAML:
  trials=30  limits.hours=2  budget.steps=60  fixed.batch_size=4  workers.zero_stage=3
  budget.epochs=3                                  passes over the data, in place of budget.steps
  budget.steps=trial                               by each trial's own parameters epochs and examples
  parameters.lr.high=1e-3                          one bound of a searched parameter
  parameters.lr='{type: log-float, low: 1e-5, high: 1e-3}'
                                                   another parameter in its place
  parameters.rank=null fixed.rank=8                fix a parameter instead of searching it
  audit.rules=mine.yaml audit.allow=[ID]           rules of your own, and critical findings that you accept

Options:
  --plan     show what would run: first configurations, rungs, slots, parameters, time, memory, the audit
  --config   show the resolved configuration, and where each value came from
  --list     show everything that you can choose
  --json     machine-readable output
  --allow-code FILE.py
             let the search run a Python file with metrics or tasks of your own (docs/own.md)
  --help     show this text

Examples:
  python -m search.run space=demo
  python -m search.run space=demo trials=24 scheduler=none --plan
  python -m search.run space=demo model=./my-model task=my.jsonl capability=questions.jsonl

Exit codes: 0 done, 1 failed, 2 wrong configuration or command line, 128 + n stopped by signal n
(130 Ctrl-C, 143 SIGTERM).
"""


if __name__ == "__main__":
    sys.exit(main())
