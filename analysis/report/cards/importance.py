"""Which parameters mattered for which objective."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.groups import MOST, is_number
from analysis.report.look import nth
from analysis.report.statistics import Estimate
from analysis.report.words import number
from search import wording
from search.judging.rungs import is_by_trial
from search.record import TrialState
from trainables.interval import Z

_LEAST, _FEW = 10, 50
_BEST = 0.5
"""The better half against all: of a few dozen trials a tenth would be noise, and blind to what breaks."""
_RESAMPLES, _MOST_DRAWN = 25, 100


@card(
    "importance",
    "Parameter importance",
    80,
    read=(
        "The taller the bar, the more the parameter matters. If the thin line, a 95% interval, reaches 0, "
        "the parameter may not matter at all."
    ),
)
class Importance:
    """PED-ANOVA (Watanabe et al., 2023, doi:10.24963/ijcai.2023/488) as Optuna computes it."""

    def applies(self, context: Context) -> str | None:
        """With two parameters that vary and enough trials measured at one rung."""
        names, trials, _ = _pool(context)
        if len(names) < 2:
            return "Fewer than two parameters vary in every trial."
        if len(trials) < _LEAST:
            return (
                f"Only {wording.plural(len(trials), 'trial')} can be compared; at least {_LEAST} are needed."
            )
        return None

    def compute(self, context: Context) -> Findings:
        """Importance of each parameter for each objective, with bootstrap intervals."""
        names, trials, rung = _pool(context)
        importances = {
            objective.metric: _importances(
                names, trials, rung, objective.metric, objective.direction == "max"
            )
            for objective in context.objectives
        }
        importances = {metric: shares for metric, shares in importances.items() if shares}
        order = sorted(names, key=lambda name: -sum(shares[name].value for shares in importances.values()))
        series = tuple(
            Series(
                metric,
                order,
                [shares[name].value for name in order],
                nth(index),
                "bars",
                low=[shares[name].low for name in order],
                high=[shares[name].high for name in order],
                text=[f"{name}: {_text(shares[name])} of {metric}" for name in order],
            )
            for index, (metric, shares) in enumerate(importances.items())
        )
        by_trial, step = is_by_trial(context.state), trials[0].rungs[rung].step
        where = f"rung {rung + 1}" if by_trial else f"step {step:,}"
        leading = [
            f"{max(shares, key=lambda n: shares[n].value)} for {metric}"
            for metric, shares in importances.items()
        ]
        plot = Plot(
            "importance",
            "Importance of each parameter",
            f"Bars of importance by parameter and objective; the largest: {', '.join(leading)}.",
            (XYChart(Axis("parameter", "category"), Axis("importance", low=0, share=True), series),),
            table=Table(
                ("parameter", *importances),
                tuple((name, *(_text(shares[name]) for shares in importances.values())) for name in order),
                f"Importance with 95% bootstrap intervals, n={len(trials)} trials.",
            ),
        )
        first = f"What mattered most: {', '.join(leading)}, by {len(trials)} trials at {where}."
        return Findings(
            data={
                "step": None if by_trial else step,
                "n": len(trials),
                "importances": {
                    m: {n: e.data() for n, e in shares.items()} for m, shares in importances.items()
                },
            },
            texts=(first if leading else "No objective varies enough between trials to measure importance.",),
            notes=tuple(_notes(len(trials), len(names))),
            plots=(plot,) if importances else (),
        )


def _notes(trials: int, parameters: int) -> list[str]:
    notes = [
        "The rung is the last that at least half of the measured trials reached: trials at different "
        "budgets cannot be compared, and those that were trained further were selected for being good. "
        "PED-ANOVA compares the distribution of a parameter among the better half of the trials with that "
        "among all trials. It considers each parameter separately and ignores interactions.",
    ]
    if trials < max(_FEW, 10 * parameters):
        notes.append(
            f"With {trials} trials this is a hint at most: {max(_FEW, 10 * parameters)} or more are needed "
            "for numbers that another search would reproduce."
        )
    return notes


def _pool(context: Context) -> tuple[list[str], list[TrialState], int]:
    """Parameters that every trial has, the trials to compare, and the rung to compare them at."""
    metrics = [objective.metric for objective in context.objectives]
    measured: dict[int, list[TrialState]] = {}
    for trial in context.trials:
        for index, reached in enumerate(trial.rungs):
            values = [reached.metrics.get(name, math.nan) for name in metrics]
            if reached.measured and any(map(math.isfinite, values)):
                measured.setdefault(index, []).append(trial)
    if not measured:
        return [], [], 0
    most = max(map(len, measured.values()))
    rung = max(index for index, trials in measured.items() if 2 * len(trials) >= most)
    trials = measured[rung]
    names = [name for name in context.parameters if all(name in t.proposed.sampled for t in trials)]
    names = [name for name in names if len({t.proposed.sampled[name] for t in trials}) > 1]
    return names, trials, rung


def _importances(
    names: Sequence[str], trials: Sequence[TrialState], rung: int, metric: str, more: bool
) -> dict[str, Estimate]:
    """Share of each parameter, with normal intervals whose deviation is bootstrapped; empty without any."""
    usable = [t for t in trials if math.isfinite(t.rungs[rung].metrics.get(metric, math.nan))]
    values = [t.rungs[rung].metrics[metric] * (-1 if more else 1) for t in usable]
    if len(usable) < _LEAST or len(set(values)) < 2:
        return {}
    rows = [{name: t.proposed.sampled[name] for name in names} for t in usable]
    whole = _ped_anova(names, rows, values)
    generator = np.random.default_rng(0)
    # m of n: with many trials smaller samples are drawn, whose spread is larger by the root of n / m.
    drawn = min(len(rows), _MOST_DRAWN)
    samples = []
    for _ in range(_RESAMPLES):
        picked = generator.integers(0, len(rows), drawn)
        samples.append(_ped_anova(names, [rows[i] for i in picked], [values[i] for i in picked]))
    importances = {}
    for name in names:
        spread = float(np.std([sample[name] for sample in samples], ddof=1)) * math.sqrt(drawn / len(rows))
        low, high = max(0.0, whole[name] - Z * spread), min(1.0, whole[name] + Z * spread)
        importances[name] = Estimate(whole[name], low, high, len(rows))
    return importances


def _ped_anova(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], values: Sequence[float]
) -> dict[str, float]:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        kinds = {name: _distribution([row[name] for row in rows]) for name in names}
        study = optuna.create_study()
        study.add_trials(
            [
                optuna.trial.create_trial(params=_spelled(row, kinds), distributions=kinds, value=value)
                for row, value in zip(rows, values, strict=True)
            ]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_BEST)
            importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(before)
    return {name: _finite(importances.get(name, 0.0)) for name in names}


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _distribution(values: Sequence[Any]) -> Any:
    import optuna

    distinct = list(dict.fromkeys(values))
    if len(distinct) > MOST and all(map(is_number, distinct)):
        low, high = min(distinct), max(distinct)
        return optuna.distributions.FloatDistribution(
            float(low), float(high), log=low > 0 and high / low >= 10
        )
    return optuna.distributions.CategoricalDistribution(sorted(map(repr, distinct)))


def _spelled(row: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Categories go by their text: choices must be hashable, and 1 and 1.0 and True are not the same."""
    return {
        name: repr(value) if hasattr(kinds[name], "choices") else float(value) for name, value in row.items()
    }


def _text(share: Estimate) -> str:
    if share.low is None or share.high is None:
        return number(share.value)
    middle, low, high = map(wording.percent, (share.value, share.low, share.high))
    return f"{middle} [{low}, {high}]"
