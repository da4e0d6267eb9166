"""The answers to a search's hypotheses: as data that JSON can hold, and in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from analysis.blocks import plain
from search import wording
from search.judging.hypotheses import Answer

STYLES = {"supported": "bold green", "not supported": "bold red", "undecided": "bold yellow"}


def hypotheses_block(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Each answer as data; what is not known is null."""
    return [{name: plain(value) for name, value in asdict(answer).items()} for answer in answers]


def answer_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on an answer of the block, the numbers first."""
    if answer["meaning"]:
        yield str(answer["meaning"])
    if answer["estimate"] is not None:
        yield f"{numbers(answer)}; over {answer['basis']}."
    if answer["needed"]:
        yield str(answer["needed"])
    yield from answer["caveats"]


def numbers(answer: Mapping[str, Any]) -> str:
    """The difference with the interval that decides, and the p-value."""
    values = ", ".join(
        f"{name} {wording.number(value)}{_sample(answer, name)}"
        for name, value in (answer["values"] or {}).items()
    )
    text = f"{values}; left minus right {wording.number(answer['estimate'])}"
    if interval(answer) == "-":
        return text
    paired = ", paired item by item" if answer["paired"] else ""
    return f"{text} {interval(answer)}{paired}, adjusted p {p_value(answer)}"


def interval(answer: Mapping[str, Any]) -> str:
    """The interval that decides, with its level; a dash where there is none."""
    if answer["adjusted_low"] is None and answer["adjusted_high"] is None:
        return "-"
    ends = ", ".join(
        "unbounded" if end is None else wording.number(end)
        for end in (answer["adjusted_low"], answer["adjusted_high"])
    )
    return f"[{ends}] ({100 * (1 - answer['level']):.4g}%)"


def p_value(answer: Mapping[str, Any]) -> str:
    """The p-value after Holm's adjustment."""
    p = answer["p_adjusted"]
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def _sample(answer: Mapping[str, Any], quantity: str) -> str:
    n = (answer["counts"] or {}).get(quantity)
    return f" (n={n})" if n else ""


def counted(answers: Sequence[Mapping[str, Any]]) -> str:
    """How many have which answer, for example `1 supported, 2 undecided`."""
    verdicts = [answer["verdict"] for answer in answers]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in STYLES if verdict in verdicts)
