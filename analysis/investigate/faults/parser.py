"""A parser that cannot read the base model's answers either."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from analysis.investigate.faults.base import DATA, DETECTORS
from analysis.investigate.results import Fault
from analysis.investigate.study import Measured, Share, Study
from analysis.investigate.words import percent
from trainables.evaluation.intervals import wilson

KIND = "parser fails on the base model"
MOST_UNREADABLE = 0.2
"""Share of the base model's replies that may be unreadable."""


@DATA.register(KIND, "the share of the base model's replies that could not be parsed")
def can_look_at_parser(study: Study) -> bool:
    """With the base model's share of unparseable replies and the number of items."""
    base = study.base
    return base is not None and any(share.n or base.n for share in _unreadable(base).values())


@DETECTORS.register(KIND, "more than 20% of the base model's own replies cannot be parsed")
def failing_parser(study: Study) -> list[Fault]:
    """The lower bound of the base model's unparseable share, of any skill, lies above 20%.

    The study is repaired with accuracy by likelihood where every model has it, else with accuracy among
    the replies that could be read.
    """
    if study.base is None:
        return []
    for skill, share in _unreadable(study.base).items():
        n = share.n or study.base.n
        if not n:
            continue
        interval = wilson(round(share.value * n), n)
        if interval.low > MOST_UNREADABLE:
            where = "" if skill == "unparseable" else f" in {skill}"
            sentence = (
                f"{percent(share.value)} [{percent(interval.low)}, {percent(interval.high)}] of the base "
                f"model's own replies{where} could not be parsed (n = {n}): accuracy measures the parser."
            )
            fix = "Fix the parser or the prompt until the base model's replies can be parsed."
            return [Fault(KIND, study.name, (), True, sentence, fix, whole=True, repaired=repair(study))]
    return []


def _unreadable(base: Measured) -> Mapping[str, Share]:
    """Unparseable shares by skill; of all under "unparseable" where skills are not known."""
    return base.unparseable or {k: share for k, share in base.shares.items() if k == "unparseable"}


def repair(study: Study) -> Study | None:
    """The study by likelihood, or by replies that could be read; None where neither is known of the base."""
    assert study.base is not None
    models = [study.base, *(case.last for case in study.cases)]
    change = _by_likelihood if all("likelihood" in model.shares for model in models) else _by_what_was_read
    base = change(study.base)
    if math.isnan(base.capability):
        return None
    cases = [replace(case, measured=tuple(map(change, case.measured))) for case in study.cases]
    return replace(study, base=base, cases=tuple(c for c in cases if math.isfinite(c.last.capability)))


def _by_likelihood(measured: Measured) -> Measured:
    share = measured.shares.get("likelihood", Share(math.nan))
    bits = {
        skill: "".join("01"[bool(right)] for right in answer.right)
        for (skill, scoring), answer in measured.answers.items()
        if scoring == "likelihood"
    }
    return replace(measured, capability=share.value, n=share.n, bits=bits)


def _by_what_was_read(measured: Measured) -> Measured:
    """Right answers as a share of those that were read: p / (1 - unparseable - leaking), skill by skill."""
    parts = []
    for skill, unparseable in measured.unparseable.items():
        right = measured.metrics.get(f"{skill}_generation", math.nan)
        lost = unparseable.value + measured.metrics.get(f"{skill}_leaking", 0.0)
        parts.append(_among_read(right, lost, unparseable.n))
    if not parts and "unparseable" in measured.shares:
        lost = measured.shares["unparseable"].value
        parts.append(_among_read(measured.capability, lost, measured.n))
    known = [part for part in parts if math.isfinite(part.value)]
    if not known:
        return replace(measured, capability=math.nan, n=None, bits={})
    value = sum(part.value for part in known) / len(known)
    n = sum(part.n for part in known if part.n is not None)
    return replace(measured, capability=value, n=n or None, bits={})


def _among_read(right: float, lost: float, n: int | None) -> Share:
    read = 1 - lost
    if read < 1e-9:
        return Share(math.nan)
    return Share(min(1.0, right / read), None if n is None else round(n * read))
