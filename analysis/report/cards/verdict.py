"""What to use, why, what it costs, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.costs import limits_spent, money, spared
from analysis.described import worth_showing
from analysis.render import artifact_folder, artifact_name, deciding_command
from analysis.report.base_comparison import mean_kept, metric_change
from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context, base_value, interval, value
from analysis.report.groups import by_lr
from analysis.report.words import bracketed, number, spoken, with_interval
from search import wording
from search.judging.causes import cause_counts
from search.judging.confirmation import confirmation
from search.judging.constraints import keeps_constraints
from search.judging.described import constraint_symbols
from search.judging.grades import grade, grade_labels
from search.judging.objectives import is_measured, metrics_of
from search.record import TrialState
from search.record.explained import ratios
from trainables.trainable import BASE


@card(
    "verdict",
    "Verdict and recommendation",
    0,
    read=(
        "Start here: which configuration to use, what it keeps and what it gives up. The points below the "
        "table say how certain that is."
    ),
)
class Verdict:
    """The recommendation in plain words, with its evidence."""

    def applies(self, context: Context) -> str | None:
        """Always."""
        return None

    def compute(self, context: Context) -> Findings:
        """The recommended trial beside the base model and beside the choice by loss alone."""
        summary, best = context.summary, context.recommended
        texts = list(_first(context))
        if best is not None and (plain := plainly(context, context.state.trials[best])):
            texts.append(plain)
        tempting = _by_first_objective(context)
        if tempting is not None:
            texts.append(_temptation(context, tempting))
        texts.append(_price(context))
        return Findings(
            data={
                "recommended": summary["recommended"],
                "constraints": summary["constraints"],
                "deciding": summary["deciding"],
                "settings": summary["settings"],
                "reason": summary["reason"],
                "caveats": summary["caveats"],
                "by_first_objective_alone": None if tempting is None else tempting.number,
                "counts": summary["counts"],
                "causes": cause_counts(context.state),
            },
            texts=tuple(texts),
            notes=(*_undecided(context), *_state(context), *summary["caveats"], *_neighbours(context)),
            tables=() if best is None else (_table(context, context.state.trials[best]),),
        )


def _first(context: Context) -> Iterator[str]:
    """The trial with the three words; then why it, its settings, and where it lies."""
    summary = context.summary
    best, reason = summary["recommended"], summary["reason"].rstrip(".")
    words = "; ".join(
        f"{held['constraint']} is {held['word']}, {held['measured']}" for held in summary["constraints"]
    )
    if best is None:
        yield f"No trial can be recommended. {reason}."
        if words:
            yield f"Of trial {summary['nearest']}, the nearest: {words}."
        return
    yield f"Use trial {best['trial']}: {words or reason}."
    text = f"{_capital(reason)}. " if words else ""
    text += f"Settings: {summary['settings']}."
    if folder := artifact_folder(summary):
        text += f" Its {artifact_name(summary)} is {folder} in the search's folder."
    yield text


def _capital(text: str) -> str:
    """As a sentence begins, but for what begins with a metric's name."""
    word = text.split(maxsplit=1)[0]
    return text[:1].upper() + text[1:] if word.isalpha() else text


def _undecided(context: Context) -> Iterator[str]:
    """What it would take to decide on a floor or ceiling, and the command."""
    summary = context.summary
    for held in summary["constraints"]:
        if held["decide"] is not None:
            yield f"{held['constraint']} is {held['word']}. {held['decide']}"
    if (command := deciding_command(summary)) is not None:
        yield f"The same search with more repetitions, which costs only these: {command}"


@dataclass(frozen=True)
class _Result:
    """What is kept and reached, and what that is the mean or the value of."""

    kept: float
    loss: float
    over: str


def _result(context: Context, best: TrialState) -> _Result:
    """By the repetitions, where the recommendation is; else by the trial's own run."""
    confirmed = confirmation(context.state)
    candidate = (
        next((c for c in confirmed.candidates if c.trial == best.number and c.runs), None)
        if confirmed
        else None
    )
    ratio = context.ratio or ""
    if candidate is not None and ratio in candidate.estimates:
        share, loss = candidate.estimates[ratio], candidate.estimates.get(context.loss)
        over = f"means of {wording.plural(len(candidate.runs), 'repetition')}"
        return _Result(share.mean, math.nan if loss is None else loss.mean, over)
    return _Result(value(best, ratio), value(best, context.loss), "its one run")


def plainly(context: Context, best: TrialState) -> str:
    """What a trial keeps and reaches, for somebody who does not know the metrics."""
    result = _result(context, best)
    if context.base is None or not context.keeps_ratio or not math.isfinite(result.kept):
        return _other_ratios(context, best).strip()
    share = f"{result.kept:.0%} of"
    does = f"its {context.terms['score']} is {share} the base model's"
    if context.skills:
        does = f"on held-out questions, it scores {share} what the base model scores"
    text = f"In plain words ({result.over}): {does}"
    before = base_value(context, context.loss)
    if math.isfinite(before) and math.isfinite(result.loss):
        way = "falls" if result.loss < before else "rises" if result.loss > before else "stays"
        text += f"; its {context.loss} (lower is better) {way} from {number(before)}"
        text += f" to {number(result.loss)}"
    return f"{text}.{_other_ratios(context, best)}"


def _other_ratios(context: Context, best: TrialState) -> str:
    """What else the trainable compares with the base model."""
    parts = [
        f"its {metric.name} is {value(best, name):.0%} of the base model's"
        for name, metric in ratios(context.trainable).items()
        if name != context.ratio and math.isfinite(value(best, name))
    ]
    return f" In its own run {', and '.join(parts)}." if parts else ""


def _neighbours(context: Context) -> list[str]:
    """Said where others with its learning rate keep much less: the recommended one may be the lucky one."""
    best = context.recommended
    if best is None or not context.keeps_ratio:
        return []
    judged = [trial for trial in context.judged if math.isfinite(context.left(trial))]
    peers = next((g for g in by_lr(judged, context.trials) if any(t.number == best for t in g.trials)), None)
    if peers is None or len(peers.trials) < 2:
        return []
    group, alone = mean_kept(context, peers.trials), grade(context.left(context.state.trials[best]))
    graded = grade(group.estimate.value)
    if alone is None or graded is None or alone.name == graded.name:
        return []
    if group.estimate.value >= context.left(context.state.trials[best]):
        return []
    ratio = str(context.ratio)
    text = (
        f"The {len(peers.trials)} trials at lr {peers.label}, this one among them, have a mean {ratio} of "
        f"{group}, which is {grade_labels(ratio)[graded.name]}: similar settings may keep less."
    )
    if context.summary["confirmation"] is None:
        text += " Train it again with new seeds before relying on it."
    return [text]


def _price(context: Context) -> str:
    """What the search took, in times and steps."""
    used = context.summary["budget"]
    parts = [f"{spoken(used['wall_seconds'])} of working time"]
    if used["device_hours"]:
        parts.append(f"{spoken(3600 * used['device_hours'])} of one device")
    if used["cost"] is not None:
        parts.append(money(context.summary))
    text = (
        f"What the search cost: {', '.join(parts)}. Its {wording.plural(used['trials'], 'trial')} did "
        f"{used['steps_trained']:,} of {used['steps_full']:,} optimizer steps"
    )
    if used["ended_early"]:
        ended = wording.plural(used["ended_early"], "trial")
        text += f" (ending {ended} early saved {used['share_saved']:.0%})"
    repeated = used["phases"]["confirmation"]
    if repeated["trials"]:
        again = wording.plural(repeated["trials"], "repetition")
        text += f"; {again} of the best did {repeated['steps']:,} more{spared(context.summary)}"
    text += (
        f". Summed over the workers, training took {spoken(used['train_seconds'])} and evaluation "
        f"{spoken(used['eval_seconds'])}, {used['eval_share']:.0%} of both."
    )
    if context.summary["limits"]["set"]:
        text += f" Limits: {limits_spent(context.summary)}."
    return text


def _by_first_objective(context: Context) -> TrialState | None:
    """The completed trial with the best first objective, where that is not the one to use."""
    if len(context.objectives) < 2 and context.kept is None:
        return None
    first = context.objectives[0]
    usable = [t for t in context.completed if is_measured((first,), metrics_of(t))]
    if not usable:
        return None
    best = min(usable, key=lambda trial: (first.cost(value(trial, first.metric)), trial.number))
    return None if best.number == context.recommended else best


def _temptation(context: Context, tempting: TrialState) -> str:
    first, kept = context.objectives[0], context.kept
    text = (
        f"By {first.metric} alone trial {tempting.number} ({wording.params(tempting.proposed.sampled)}) "
        f"would have been chosen, with {first.metric} {with_interval(value(tempting, first.metric), None)}"
    )
    if kept is not None and kept != first.metric:
        text += f" and {kept} {with_interval(value(tempting, kept), interval(tempting, kept))}"
    if not keeps_constraints(context.objectives, metrics_of(tempting)):
        text += f"; it breaks {constraint_symbols(context.objectives)}"
    if (number_ := context.recommended) is not None:
        chosen = context.state.trials[number_]
        given_up = first.cost(value(chosen, first.metric)) - first.cost(value(tempting, first.metric))
        if math.isfinite(given_up) and given_up > 0:
            text += (
                ". Between the two trials' own runs, the recommended one gives up "
                f"{wording.number(given_up)} of {first.metric}"
            )
    return text + "."


def _state(context: Context) -> list[str]:
    sentences = []
    if context.base is None:
        sentences.append("No base model was measured, so the trials cannot be compared with it.")
    ended = context.summary["search"]["ended"]
    if ended != "finished":
        how = f"was {ended}" if ended == "interrupted" else "failed" if ended else "did not end cleanly"
        sentences.append(f"The search {how}: these are its results so far.")
    return sentences


def _table(context: Context, best: TrialState) -> Table:
    known = metrics_of(best)
    beside = worth_showing(context.trainable).verdict
    names = [*context.shown_metrics, *(name for name in beside if name in known)]
    base = context.base
    others = [baseline for name, baseline in context.state.baselines.items() if name != BASE]
    rows = []
    for name in dict.fromkeys(names):
        before, after = base_value(context, name), value(best, name)
        around = None if base is None else base.intervals.get(name)
        change = _change(context, best, name, after - before)
        references = [
            with_interval(other.metrics.get(name, math.nan), other.intervals.get(name)) for other in others
        ]
        own_run = with_interval(after, interval(best, name))
        rows.append((name, with_interval(before, around), *references, own_run, change))
    return Table(
        (
            "metric",
            "base model",
            *(f"baseline {other.name}" for other in others),
            f"trial {best.number}, its own run",
            "change",
        ),
        tuple(rows),
        _caption(context),
        open=True,
    )


def _caption(context: Context) -> str:
    over = "; changes are paired question by question" if context.skills else ""
    return (
        f"The recommended trial beside the base model, with 95% intervals over n {_sampled(context)}{over}. "
        "The section What the words mean, at the end, explains each metric."
    )


def _sampled(context: Context) -> str:
    """What intervals are over, in the plural."""
    if context.skills:
        return "questions or texts"
    return " or ".join(context.samples(metric.name for metric in context.trainable.metrics))


def _change(context: Context, best: TrialState, name: str, change: float) -> str:
    if not math.isfinite(change):
        return "-"
    around = metric_change(context, best, name)
    return bracketed(change, None if around is None else (around.low, around.high))
