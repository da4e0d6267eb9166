"""A plan on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from search.audit.finding import Audit
from search.audit.view import tally
from search.console import SafeConsole
from search.plan.floors import floor_lines
from search.plan.hypotheses import hypothesis_lines
from search.plan.model import Plan, SearchEstimate, Slots
from search.record.events import Scalar
from search.wording import plural
from trainables.planning import DataText, SizeTable


def print_plan(plan: Plan, console: Console | None = None) -> None:
    """Prints a plan as tables."""
    out = console or SafeConsole(highlight=False)
    what = f": {plural(plan.trials, 'trial')} of {plan.model} by {plan.searcher}; nothing has been started."
    # Names are the user's: as Text, rich does not read their brackets as markup.
    out.print(Text.assemble((f"Plan of {plan.name}", "bold"), what))
    if plan.recorded is not None:
        known, finished = plan.recorded
        done = f"{plural(known, 'trial')} recorded, {finished:,} finished; the search resumes from there."
        out.print(f"{plan.folder}: {done}", markup=False)
    if plan.running:
        out.print("Another process is running this search; a run would be refused until it ends.")
    if plan.data_text is not None:
        _print_data(plan.data_text, out)
    out.print(_first(plan))
    out.print("[bold]Rungs[/]")
    for sentence in plan.budget:
        out.print(f"  {sentence}", markup=False)
    out.print(f"  rungs at {_rungs(plan)}")
    for sentence in plan.scheduler:
        out.print(f"  {sentence}", markup=False)
    for title, sentences in _chapters(plan):
        out.print(f"[bold]{title}[/]")
        for sentence in sentences:
            out.print(f"  {sentence}", markup=False)
    out.print("[bold]Slots[/]")
    for line in _slots(plan.slots):
        out.print(f"  {line}", markup=False)
    if plan.size_table is not None:
        out.print(_sizes(plan.size_table))
    if plan.estimate is not None:
        out.print("[bold]Estimate[/] (rough)")
        for line in _estimate(plan.estimate, plan):
            out.print(f"  {line}", markup=False)
    if plan.audit is not None:
        out.print("[bold]Audit[/]")
        for line in _audit(plan.audit):
            out.print(f"  {line}", markup=False, soft_wrap=True)
    for note in plan.notes:
        out.print(f"note: {note}", markup=False)
    for problem in plan.problems:
        out.print(f"problem: a run would be refused: {problem}", style="bold red", markup=False)


def _audit(audit: Audit) -> Iterable[str]:
    """What the audit found, one line each; `python -m search.audit` says the rest."""
    yield tally(audit)
    for each in audit.problems:
        yield f"{each.severity} {each.id}: {each.evidence}" + (f"; {each.fix}" if each.fix else "")
    if audit.refused:
        yield f"a run would be refused without audit.allow=[{','.join(each.id for each in audit.refused)}]"


def _rungs(plan: Plan) -> str:
    if plan.trial_steps is None:
        return f"steps {', '.join(map(str, plan.rungs))}"
    return f"{', '.join(f'{share:.0%}' for share in plan.shares)} of a trial's steps"


def _print_data(data: DataText, out: Console) -> None:
    out.print("[bold]Data[/]")
    for line in data.lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)
    if data.example:
        out.print(f"  {data.heading}", markup=False)
    for parts in data.example:
        shown = (("    ", ""), *((text, "bold green" if learned else "") for text, learned in parts))
        out.print(Text.assemble(*shown), soft_wrap=True)


def _chapters(plan: Plan) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What the plan says in sentences, by title."""
    if plan.prior:
        yield "Prior", plan.prior
    if plan.warm_start is not None:
        yield "Warm start", (plan.warm_start,)
    if plan.teaches is not None:
        yield "Searcher", (plan.teaches,)
    if plan.attention is not None:
        yield "Attention", (plan.attention,)
    yield "Guards", plan.guards or ("all are off",)
    yield "Confirmation", plan.confirmation
    if plan.floors:
        yield "Floors", tuple(line for each in plan.floors for line in floor_lines(each))
    if plan.hypotheses:
        yield "Hypotheses", tuple(line for each in plan.hypotheses for line in hypothesis_lines(each))
    yield "Limits", (*(f"{limit.name}: {limit.limit:g}" for limit in plan.limits), plan.ends_first)


def _first(plan: Plan) -> Table:
    names = list(dict.fromkeys(name for trial in plan.first for name in trial.sampled))
    table = Table(title=f"First {len(plan.first)} configurations", title_justify="left", title_style="bold")
    table.add_column("trial", justify="right")
    for name in names:
        table.add_column(Text(name), justify="right")
    if plan.trial_steps is not None:
        table.add_column("steps", justify="right")
    if plan.sized:
        table.add_column("trainable", justify="right")
    listed = any(trial.origin != "searcher" for trial in plan.first)
    if listed:
        table.add_column("origin")
    for trial in plan.first:
        cells = [_value(trial.sampled[name]) if name in trial.sampled else "-" for name in names]
        size = "unknown" if trial.trainable is None else f"{trial.trainable:,}"
        sizes, origins = [size] if plan.sized else [], [trial.origin] if listed else []
        steps = [] if plan.trial_steps is None else ["-" if trial.steps is None else f"{trial.steps:,}"]
        table.add_row(str(trial.trial), *map(Text, cells), *steps, *sizes, *origins)
    return table


def _value(value: Scalar) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def _slots(slots: Slots) -> Iterable[str]:
    each = f"{plural(slots.workers_per_group, 'worker')} with {slots.cpus:g} CPU"
    if slots.gpus:
        each += f" and {slots.gpus:g} GPU"
    if slots.slots_per_group is None:
        number = f"auto (measured at start, at most {slots.most_per_group} per group: {slots.reason})"
        at_once = f"up to {plural(slots.most, 'trial')} at once"
    else:
        number = f"{slots.slots_per_group} per group ({slots.reason})"
        at_once = f"{plural(slots.most, 'trial')} at once"
    if slots.groups is None:
        yield f"groups: {slots.source}; each of {each}"
        yield f"slots: {number}"
    else:
        yield f"groups: {slots.groups} ({slots.source}), each of {each}"
        yield f"slots: {number}; {at_once}"


def _sizes(sizes: SizeTable) -> Table:
    table = Table(title=sizes.title, title_justify="left", title_style="bold")
    for name, justify in sizes.columns:
        table.add_column(name, justify=justify)
    for row in sizes.rows:
        table.add_row(*row)
    return table


def _estimate(estimate: SearchEstimate, plan: Plan) -> Iterable[str]:
    yield (
        f"time: about {_duration(estimate.likely_seconds)} "
        f"({_duration(estimate.fewest_seconds)} if every trial ends where it is first measured, "
        f"{_duration(estimate.most_seconds)} if none ends early)"
        + (
            f", confirmation {_duration(estimate.confirmation_seconds)} of it"
            if estimate.confirmation_seconds
            else ""
        )
    )
    mean = "" if plan.trial_steps is None else " on average"
    yield (
        f"a trial to the end: {_duration(estimate.trial_seconds)}{mean}, "
        f"with {plural(estimate.evaluations, 'evaluation')} of {_duration(estimate.evaluation_seconds)}"
        + _left_out(len(plan.shares) - estimate.evaluations, len(plan.shares))
    )
    if estimate.preparation_seconds:
        yield f"once, before the first trial: {_duration(estimate.preparation_seconds)}"
    yield f"times from {estimate.time_basis}"
    if estimate.gpu_hours:
        yield f"GPU-hours: {estimate.gpu_hours:.2g}"
    workers = (plan.slots.groups or 1) * plan.slots.workers_per_group
    yield f"memory: {_memory(estimate.worker_bytes, plan.slots.least_per_group, workers)}"
    if plan.slots.slots_per_group is None and plan.slots.most_per_group > 1:
        most = _memory(estimate.most_worker_bytes, plan.slots.most_per_group, workers)
        yield f"memory at most: {most}; a group opens no more slots than fit"
    yield f"memory from a formula: {estimate.memory_basis}"


def _left_out(early: int, rungs: int) -> str:
    """What is said of rungs before the last at which trials are not measured; empty where there are none."""
    if not early:
        return ""
    why = "as that takes too long for what stopping could save"
    if early == rungs - 1:
        return f"; trials are measured at their end alone, {why}, and none is stopped before"
    return f"; {plural(early, 'rung')} before the last {'is' if early == 1 else 'are'} not measured, {why}"


def _memory(size: float, slots: int, workers: int) -> str:
    each = f"{size / 1e9:.1f} GB a worker with {plural(slots, 'slot')}"
    return f"{each}, {workers * size / 1e9:.1f} GB for {plural(workers, 'worker')}"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
