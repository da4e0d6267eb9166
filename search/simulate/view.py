"""The answer of a simulation on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from search.simulate.compare import Comparison, Cost, SimulatedRun, tally
from search.simulate.options import Options
from search.wording import plural

_MOST_NAMED = 12


def print_comparison(console: Console, options: Options, answer: Comparison) -> None:
    """Prints the costs as a table, and in sentences what was runs and how far that holds."""
    console.print()
    console.print(Text(_headline(options, answer), style="bold"))
    console.print()
    console.print(_table(options, answer))
    for line in [_best_line(answer), _front_line(answer), *_limits(options, answer)]:
        console.print(Text(f"- {line}"))


def _headline(options: Options, answer: Comparison) -> str:
    base = options.base
    slots = options.recorded.slots
    groups = f" on {plural(slots.groups, 'worker group')}" if slots else ""
    return (
        f"{base.name}: {plural(options.recorded.searched, 'trial')}, scheduler {base.scheduler.name}, "
        f"searcher {base.searcher.name}, recorded in {_duration(answer.wall_seconds)} with start-up{groups}"
    )


def _table(options: Options, answer: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for column in ("", "steps", "share", "training", "eval", "wall", "full", "front"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    table.add_row("as recorded", *_cells([answer.recorded], answer.recorded), "100%")
    table.add_row("without stopping", *_cells([answer.without_stopping], answer.recorded), "")
    costs = [run.cost for run in answer.runs]
    table.add_row(_name(options), *_cells(costs, answer.recorded), _shares(answer.runs))
    return table


def _name(options: Options) -> str:
    name = " ".join(options.changed) or f"scheduler={options.config.scheduler.name}"
    return name if len(name) <= 20 else "simulated"


def _cells(costs: Sequence[Cost], recorded: Cost) -> list[str]:
    bound = "> " if any(cost.at_least for cost in costs) else ""

    def mean(of: Callable[[Cost], float]) -> float:
        return fmean(of(cost) for cost in costs)

    steps = mean(lambda cost: cost.steps)
    # Without stopping, steps are known exactly; what is not recorded is how long they take.
    exact = all(cost.at_least and cost.train_seconds == recorded.train_seconds for cost in costs)
    return [
        f"{'' if exact else bound}{steps:,.0f}",
        f"{steps / recorded.steps:.0%}" if recorded.steps else "-",
        bound + _duration(mean(lambda cost: cost.train_seconds)),
        bound + _duration(mean(lambda cost: cost.eval_seconds)),
        bound + _duration(mean(lambda cost: cost.wall_seconds)),
        f"{mean(lambda cost: cost.completed):.4g}",
    ]


def _shares(runs: Sequence[SimulatedRun]) -> str:
    shares = [run.hypervolume for run in runs if run.hypervolume is not None]
    return f"{fmean(shares):.1%}" if shares else "-"


def _best_line(answer: Comparison) -> str:
    if answer.best is None:
        return "The recorded search recommends no trial."
    return f"The recommended trial {answer.best}: {_fate(answer.runs, answer.best)}."


def _front_line(answer: Comparison) -> str:
    if not answer.front:
        return "The recorded search has no Pareto-optimal trial."
    kept = fmean(
        sum(run.fates[trial] == "trained to the end" for trial in answer.front) for run in answer.runs
    )
    text = f"{kept:.3g} of the {plural(len(answer.front), 'Pareto-optimal trial')} trained to the end"
    times = {trial: tally(answer.runs, trial)["trained to the end"] for trial in answer.front}
    count = len(answer.runs)
    lost = [
        f"{trial} ({f'in {times[trial]} of {count}' if count > 1 else _fate(answer.runs, trial)})"
        for trial in answer.front
        if times[trial] < count
    ]
    if not lost:
        return f"{text}."
    more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    return f"{text}; {'not always' if count > 1 else 'not'}: {', '.join(lost[:_MOST_NAMED])}{more}."


def _fate(runs: Sequence[SimulatedRun], trial: int) -> str:
    counts = tally(runs, trial).most_common()
    if len(runs) == 1:
        return counts[0][0]
    return ", ".join(f"{fate} in {count} of {len(runs)}" for fate, count in counts)


def _limits(options: Options, answer: Comparison) -> list[str]:
    """How far the answers hold."""
    lines = []
    if any(run.censored for run in answer.runs):
        mean = fmean(run.censored for run in answer.runs)
        lines.append(
            f"{mean:.4g} trials would have been trained further than was recorded. They end at their last "
            "recorded rung, so actual costs would be higher."
        )
    if any(run.unmeasured for run in answer.runs):
        mean = fmean(run.unmeasured for run in answer.runs)
        lines.append(
            f"Trials would have been measured {mean:.4g} more times before their last rung, where the "
            "recorded ones were not (budget.early_ratio). They go on there: actual costs would differ."
        )
    if answer.cut_short:
        lines.append(
            f"The recorded search did not finish {plural(answer.cut_short, 'trial')}: the results cover "
            "only what was recorded."
        )
    if len(answer.runs) > 1:
        what = "seeds of the searcher" if options.own_searcher else "orders of the recorded configurations"
        shares = [run.hypervolume for run in answer.runs if run.hypervolume is not None]
        front = f"; the front is from {min(shares):.1%} to {max(shares):.1%}" if shares else ""
        lines.append(f"Means of {len(answer.runs)} simulated searches with different {what}{front}.")
    workers = plural(options.workers, "simulated worker")
    lines.append(f"Wall: time on {workers}, each like a recorded worker group, without start-up.")
    lines.append("Share: of the recorded steps. Full: trials trained to the end.")
    lines.append("Front: hypervolume of the full trials, as a share of the recorded search's.")
    return lines


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
