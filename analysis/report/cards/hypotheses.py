"""The hypotheses of the space's file, each with its answer."""

from __future__ import annotations

from typing import Any

from analysis.hypotheses import answer_lines, counted, interval, p_value
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.look import BLUE, FLOOR, GREY, VERMILION, Look
from search import wording

_NOTE = (
    "A claim is supported where the whole interval of its left side minus its right side lies on the claimed "
    "side of 0, not supported where it lies on the other side, and undecided otherwise. The levels of the "
    "intervals are those of Holm's procedure: with a probability of 95%, none of the decisions is wrong. "
    "Intervals count the noise of the items and that between trials or seeds."
)

_LOOKS = {
    "supported": Look(BLUE, "circle", size=9),
    "not supported": Look(VERMILION, "square", size=9),
    "undecided": Look(GREY, "diamond", size=9, hollow=True),
}


@card(
    "hypotheses",
    "Hypotheses",
    3,
    read=(
        "What the search was meant to find out: each claim with its answer. Undecided does not mean wrong: "
        "the data are too few, and the text says how many would do."
    ),
)
class Hypotheses:
    """Verdicts with their intervals."""

    def applies(self, context: Context) -> str | None:
        """Where the space states any."""
        return None if context.summary["hypotheses"] else "The space states no hypotheses."

    def compute(self, context: Context) -> Findings:
        """The answers, and a plot of the differences."""
        answers: list[dict[str, Any]] = context.summary["hypotheses"]
        texts = [f"Hypotheses: {counted(answers)}."]
        texts += [
            f"{answer['name']} is {answer['verdict']} ({answer['claim']}). {' '.join(answer_lines(answer))}"
            for answer in answers
        ]
        return Findings(
            data={"hypotheses": answers},
            texts=tuple(texts),
            notes=(_NOTE,),
            plots=_plots(answers),
            tables=(_table(answers),),
        )


def _table(answers: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            answer["name"],
            answer["claim"],
            answer["verdict"],
            "-" if answer["estimate"] is None else wording.number(answer["estimate"]),
            interval(answer),
            p_value(answer),
            " and ".join(map(str, dict.fromkeys((answer["counts"] or {}).values()))) or "-",
            " and ".join(str(len(group)) for group in answer["trials"]) or "-",
        )
        for answer in answers
    )
    columns = ("name", "claim", "answer", "left minus right", "interval", "adjusted p", "items", "trials")
    return Table(columns, rows, "All hypotheses, with the interval that decides each.", open=True)


def _plots(answers: list[dict[str, Any]]) -> tuple[Plot, ...]:
    """A line per hypothesis that has an interval, each in its own unit."""
    known = [a for a in answers if a["adjusted_low"] is not None and a["adjusted_high"] is not None]
    known = [answer for answer in known if answer["adjusted_high"] > answer["adjusted_low"]]
    if not known:
        return ()
    chart = XYChart(
        Axis("left minus right, in half the width of its interval"),
        Axis("", "category", reverse=True, categories=tuple(answer["name"] for answer in known)),
        tuple(_series(verdict, known) for verdict in _LOOKS),
        (Rule("no difference", 0.0, "x", FLOOR),),
        height=min(1.5, 0.35 + 0.1 * len(known)),
    )
    alt = "; ".join(f"{a['name']} {wording.number(a['estimate'])} {interval(a)}" for a in known)
    title = "Difference between the sides of each claim"
    return (Plot("differences", title, f"Intervals by hypothesis: {alt}.", (chart,)),)


def _series(verdict: str, answers: list[dict[str, Any]]) -> Series:
    """Metrics have different units, so that every difference is divided by half the width of its interval."""
    chosen = [answer for answer in answers if answer["verdict"] == verdict]
    scales = [(answer["adjusted_high"] - answer["adjusted_low"]) / 2 for answer in chosen]
    low, middle, high = (
        [answer[name] / scale for answer, scale in zip(chosen, scales, strict=True)]
        for name in ("adjusted_low", "estimate", "adjusted_high")
    )
    return Series(
        verdict,
        middle,
        [answer["name"] for answer in chosen],
        _LOOKS[verdict],
        x_low=low,
        x_high=high,
        text=[f"{a['claim']}: {wording.number(a['estimate'])} {interval(a)}" for a in chosen],
        quiet=not chosen,
    )
