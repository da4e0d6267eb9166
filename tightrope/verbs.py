"""The verbs of the console script, each with the module that does it, which is imported only then."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        name: As it is typed.
        module: Has `main`, which takes the words after the verb and returns the exit code.
        line: What it does.
        words: Words that it adds.
    """

    name: str
    module: str
    line: str
    words: tuple[str, ...] = ()


_ALL = (
    Verb("run", "search.run", "run, resume or extend a search"),
    Verb("plan", "search.run", "what a search would run, how long it takes and what it needs", ("--plan",)),
    Verb("config", "search.run", "every value of a search, and where it came from", ("--config",)),
    Verb("list", "search.run", "everything that can be chosen by name", ("--list",)),
    Verb("init", "tightrope.init", "write a space file that fits a model and data"),
    Verb("audit", "search.audit.__main__", "what would spoil the results of a search"),
    Verb("show", "tightrope.show", "the summary of a search, finished or running"),
    Verb("stop", "tightrope.control", "end a running search, or one of its trials", ("stop",)),
    Verb("pause", "tightrope.control", "have a trial of a running search wait", ("pause",)),
    Verb("resume", "tightrope.control", "continue a trial that was paused", ("resume",)),
    Verb("clone", "tightrope.control", "train a trial once more, with other values", ("clone",)),
    Verb("compare", "tightrope.compare", "what several searches recommend, side by side"),
    Verb("export", "tightrope.export.command", "a trial as a folder to load and serve, with its model card"),
    Verb("report", "analysis.report.command", "write the report of a search"),
    Verb("checklist", "analysis.checklist.__main__", "how the training of a search's trials went"),
    Verb("investigate", "analysis.investigate.__main__", "is a loss of capability real?"),
    Verb("simulate", "search.simulate.__main__", "a recorded search with another scheduler or searcher"),
    Verb("export-optuna", "search.optuna_export", "a search as a study for optuna-dashboard"),
    Verb("track", "search.tracking.__main__", "bring MLflow up to date with a search"),
    Verb("rm", "tightrope.remove", "remove the folder of a search"),
    Verb("doctor", "tightrope.doctor", "check whether this machine can run a search"),
    Verb("check-cluster", "search.clustercheck.__main__", "check a cluster file before `ray up`"),
    Verb("completion", "tightrope.completion", "completion for bash or zsh"),
)
VERBS = {verb.name: verb for verb in _ALL}
"""By name, in the order in which the help shows them."""
