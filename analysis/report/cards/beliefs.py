"""Was a belief taught, at what price, and would it have been enough to tell it in the prompt?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.adoption import (
    ADOPTION,
    DEGENERATION,
    IN_CONTEXT,
    MARGIN,
    SHARES,
    Answer,
    Model,
    all_of,
    at_least,
    at_most,
    difference,
    groups,
    kinds,
    models,
    named,
    not_asked,
    of_group,
    percent,
    points,
    sampled,
)
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.statistics import Estimate
from analysis.report.words import capitalised, with_interval
from search.record.explained import metric_of
from trainables import trainable

_HALF = 0.5
_POINTS = f"{100 * MARGIN:.0f}"


@dataclass(frozen=True)
class _Claim:
    """One answer and why."""

    claim: str
    group: str
    answer: Answer
    because: str

    def __str__(self) -> str:
        return f"{capitalised(self.group)}. {self.claim}: {self.answer}. {self.because}"


@card(
    "beliefs",
    "Was the belief taught?",
    9,
    read=(
        "Bars are shares of prompts, with 95% intervals. A belief is understood if it is adopted reworded "
        "and in what it implies too; neighbours should stay as they are in the base model."
    ),
)
class Beliefs:
    """Adoption and what belongs to it, of the chosen trial beside the baselines."""

    def applies(self, context: Context) -> str | None:
        """Where a trial was asked for beliefs."""
        return not_asked(context)

    def compute(self, context: Context) -> Findings:
        """The answers by kind, a group of bars for each metric, and all numbers."""
        asked = models(context)
        claims = [
            claim
            for suffix, words in kinds(context).items()
            for claim in (
                _taught(context, asked[-1], suffix, words),
                _price(context, asked[-1], suffix, words),
                _prompt_enough(context, asked[-1], suffix, words),
            )
        ]
        return Findings(
            data={
                "model": asked[-1].name,
                "claims": [vars(claim) for claim in claims],
                "shares": _data(context, asked),
            },
            texts=(_opening(context, asked[-1]), *map(str, claims)),
            notes=_notes(context),
            plots=(_plot(context, asked, claims),),
        )


def _opening(context: Context, tuned: Model) -> str:
    return (
        f"{capitalised(tuned.name)} ({sampled(context)}), compared with the untouched model and with the "
        "untouched model that has the facts in its prompt. Each answer rests on the whole 95% interval."
    )


def _taught(context: Context, tuned: Model, suffix: str, words: str) -> _Claim:
    """Supported where more than half of the prompts are adopted, and more than by the base model."""
    metric, base = of_group(ADOPTION, suffix), named(context, trainable.BASE)
    share = tuned.share(metric)
    more = None if base is None else difference(tuned, base, metric)
    answers = [at_least(share, _HALF)]
    because = f"It adopts {percent(share)}"
    if base is not None:
        answers.append(at_least(more, 0.0))
        because += f"; the base model {percent(base.share(metric))}, a difference of {points(more)}"
    return _Claim("The belief was taught", words, all_of(answers), f"{because}.")


def _price(context: Context, tuned: Model, suffix: str, words: str) -> _Claim:
    """Supported where neighbours and what is kept are surely no more than the margin lower."""
    base, ratio = named(context, trainable.BASE), context.ratio
    metric = of_group("locality", suffix)
    near = None if base is None else difference(tuned, base, metric)
    parts, answers = [], []
    if base is not None and math.isfinite(tuned.share(metric).value):
        answers.append(at_least(near, -MARGIN))
        parts.append(
            f"neighbours are kept in {percent(tuned.share(metric))}, by the base model in "
            f"{percent(base.share(metric))}, a difference of {points(near)}"
        )
    if ratio is not None and math.isfinite((kept := tuned.share(ratio)).value):
        answers.append(at_least(kept, 1 - MARGIN))
        parts.append(f"{ratio} is {percent(kept)}")
    if math.isfinite((worse := tuned.share(DEGENERATION)).value):
        answers.append(at_most(worse, MARGIN))
        parts.append(f"replies degenerate {points(worse)} more often")
    because = capitalised("; ".join(parts)) if parts else "Neither neighbours nor skills were measured"
    answer = all_of(answers) if answers else "undecided"
    return _Claim("The rest was kept", words, answer, f"{because}.")


def _prompt_enough(context: Context, tuned: Model, suffix: str, words: str) -> _Claim:
    """Supported where the prompt is surely no more than the margin worse than training, and half at least."""
    claim, metric = "A prompt is enough", of_group(ADOPTION, suffix)
    prompted = named(context, IN_CONTEXT)
    if prompted is None:
        return _Claim(claim, words, "undecided", "The model was not asked with the facts in its prompt.")
    less = difference(prompted, tuned, metric)
    answer = all_of([at_least(prompted.share(metric), _HALF), at_least(less, -MARGIN)])
    near = prompted.share(of_group("locality", suffix))
    beside = "" if math.isnan(near.value) else f"; with the prompt neighbours are kept in {percent(near)}"
    return _Claim(
        claim,
        words,
        answer,
        f"With the facts in its prompt the base model adopts {percent(prompted.share(metric))}, "
        f"{points(less)} against the trained one{beside}.",
    )


def _notes(context: Context) -> tuple[str, ...]:
    meanings = [
        f"{words}: {described.meaning}"
        for stem, words in SHARES.items()
        if (described := metric_of(context.trainable, stem)) is not None and described.meaning
    ]
    return (
        "Taught: more than half of the prompts are answered as taught, and more of them than by the base "
        f"model. The rest was kept: neighbours are kept at most {_POINTS} points less often than by the base "
        f"model, at least {1 - MARGIN:.0%} of its skill remains, and at most {_POINTS} points more replies "
        f"degenerate. A prompt is enough: it reaches half of the prompts, and at most {_POINTS} points less "
        "than training. Undecided: the interval holds the bound.",
        "Differences are paired prompt by prompt where single outcomes are recorded, else those of "
        "separate samples.",
        *(f"{meaning.rstrip('.')}." for meaning in map(capitalised, meanings)),
    )


def _measured(asked: Sequence[Model], suffix: str) -> dict[str, str]:
    """The metrics of a group that any model has, by what they are called."""
    return {
        words: metric
        for stem, words in SHARES.items()
        if any(math.isfinite(m.share(metric := of_group(stem, suffix)).value) for m in asked)
    }


def _data(context: Context, asked: Sequence[Model]) -> dict[str, Any]:
    return {
        words: {
            model.name: {metric: model.share(metric).data() for metric in _measured(asked, suffix).values()}
            for model in asked
        }
        for suffix, words in groups(context).items()
    }


def _plot(context: Context, asked: Sequence[Model], claims: Sequence[_Claim]) -> Plot:
    every = groups(context)
    charts = {suffix: _chart(asked, suffix, words) for suffix, words in every.items()}
    shown = kinds(context)
    variants: dict[tuple[int, ...], Chart] = {(i,): chart for i, chart in enumerate(charts.values())}
    many = len(charts) > 1
    answers = " ".join(f"{capitalised(claim.group)}. {claim.claim}: {claim.answer}." for claim in claims)
    return Plot(
        "beliefs",
        "What is adopted, and what stays",
        f"Bars of shares of prompts by model. {answers}",
        tuple(charts[suffix] for suffix in shown),
        (Menu("Beliefs", tuple(every.values())),) if many else (),
        variants if many else {},
        _table(asked, every),
    )


def _chart(asked: Sequence[Model], suffix: str, words: str) -> XYChart:
    measured = _measured(asked, suffix)
    series = []
    for model in asked:
        shares = {name: model.share(metric) for name, metric in measured.items()}
        series.append(
            Series(
                model.name,
                list(shares),
                [_drawn(share.value) for share in shares.values()],
                model.look,
                "bars",
                low=[share.low for share in shares.values()],
                high=[share.high for share in shares.values()],
                text=[f"{model.name}, {name}: {percent(share)}" for name, share in shares.items()],
            )
        )
    x = Axis("", "category", categories=tuple(measured))
    return XYChart(x, Axis("share of prompts", low=0, high=1.02, share=True), tuple(series), title=words)


def _drawn(value: float) -> float | None:
    return None if math.isnan(value) else value


def _table(asked: Sequence[Model], every: dict[str, str]) -> Table:
    rows = [
        (words, name, *(_cell(model, metric) for model in asked))
        for suffix, words in every.items()
        for name, metric in _measured(asked, suffix).items()
    ]
    caption = "Shares of prompts with 95% intervals and their number."
    return Table(
        ("beliefs", "share", *(model.name for model in asked)), tuple(rows), caption, open=True, printed=True
    )


def _cell(model: Model, metric: str) -> str:
    share: Estimate = model.share(metric)
    return with_interval(share.value, model.measured.intervals.get(metric))
