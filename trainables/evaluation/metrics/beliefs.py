"""Metrics of taught beliefs: were they adopted, do they carry over, and what moved beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from trainables.evaluation.beliefs.answers import Outcome
from trainables.evaluation.beliefs.outcomes import BeliefOutcome, JudgedReply
from trainables.evaluation.beliefs.targets import AskedTarget
from trainables.evaluation.intervals import clustered, paired_change, token_mean
from trainables.evaluation.metrics.base import METRICS, Asked, Metric, MetricEstimate
from trainables.evaluation.outcomes import Outcomes
from trainables.interval import Interval

Values = list[tuple[BeliefOutcome, float]]
"""Prompts, each with the share of its replies that count."""


def _share(group: str, outcome: Outcome, prompts: Sequence[BeliefOutcome]) -> Values:
    return [(each, each.share(outcome)) for each in prompts if each.group == group]


def _prior_kept(prompts: Sequence[BeliefOutcome]) -> Values:
    return _share("direct", "prior", [each for each in prompts if each.prior])


def _locality(prompts: Sequence[BeliefOutcome]) -> Values:
    """Neighbours the base model answers correctly; if there are none, all that lack the taught answer."""
    neighbours = [each for each in prompts if each.group == "neighbour"]
    if known := [each for each in neighbours if each.base_knows]:
        return _share("neighbour", "prior", known)
    return [(each, 1 - each.share("target")) for each in neighbours]


_SHARES: dict[str, tuple[str, Callable[[Sequence[BeliefOutcome]], Values], Literal["min", "max"], str]] = {
    "adoption": (
        "direct",
        lambda prompts: _share("direct", "target", prompts),
        "max",
        "Share of replies to direct prompts that answer what was taught",
    ),
    "prior_kept": (
        "prior",
        _prior_kept,
        "min",
        "Share of replies to direct prompts that answer what was known before",
    ),
    "ignorance": (
        "direct",
        lambda prompts: _share("direct", "ignorance", prompts),
        "min",
        "Share of replies to direct prompts that say that the answer is not known",
    ),
    "generalisation": (
        "paraphrase",
        lambda prompts: _share("paraphrase", "target", prompts),
        "max",
        "Share of replies to paraphrases that answer what was taught",
    ),
    "portability": (
        "consequence",
        lambda prompts: _share("consequence", "target", prompts),
        "max",
        "Share of replies to questions about consequences that answer what follows from what was taught",
    ),
    "robustness": (
        "challenge",
        lambda prompts: _share("challenge", "target", prompts),
        "max",
        "Share of conversations that answer what was taught, and still do so when the reply is questioned",
    ),
    "locality": (
        "neighbour",
        _locality,
        "max",
        "Share of questions about neighbours of what was taught that are still answered correctly, of those "
        "that the base model answers correctly; if it answers none correctly, share of all that are not "
        "answered with what was taught",
    ),
    "neighbours_right": (
        "neighbour",
        lambda prompts: _share("neighbour", "prior", prompts),
        "max",
        "Share of all questions about neighbours of what was taught that are answered correctly",
    ),
}
"""Name to what it needs, its values, its direction and its description."""

BELIEF_SHARES = tuple(_SHARES)
"""Metrics that are shares of prompts, also of a kind or a target: `adoption_new`."""


def asked_prompts(name: str) -> str:
    """The group of prompts that a share is over; two of the same over as many are over the same prompts."""
    needs = _SHARES[name][0]
    return "direct" if needs == "prior" else needs


def prompt_counts(targets: Sequence[AskedTarget]) -> dict[str, int]:
    """Prompts of each share by its full name, as far as they are known before the base model is asked."""
    counts: dict[str, int] = {}
    for name, (needs, *_) in _SHARES.items():
        if name == "locality":
            continue
        counts[name] = sum(_count(target, needs) for target in targets)
        for group in _groups(targets, needs):
            of_group = [target for target in targets if group in (target.kind, target.target)]
            counts[f"{name}_{group}"] = sum(_count(target, needs) for target in of_group)
    return {name: count for name, count in counts.items() if count}


def _count(asked: AskedTarget, needs: str) -> int:
    return asked.priors if needs == "prior" else asked.prompts.get(needs, 0)


def _groups(targets: Sequence[AskedTarget], needs: str) -> Iterator[str]:
    """The kinds, and the targets where there are several."""
    having = [target for target in targets if _count(target, needs)]
    yield from dict.fromkeys(target.kind for target in having)
    if len(targets) > 1:
        yield from (target.target for target in having)


def _of_group(prompts: Sequence[BeliefOutcome]) -> dict[str, list[BeliefOutcome]]:
    """The prompts of each kind, and of each target where there are several; all under the empty name."""
    groups: dict[str, list[BeliefOutcome]] = {"": [*prompts]}
    several = len({each.target for each in prompts}) > 1
    for each in prompts:
        groups.setdefault(each.kind, []).append(each)
    for each in prompts if several else ():
        groups.setdefault(each.target, []).append(each)
    return groups


def values_of(outcomes: Outcomes, name: str) -> dict[str, Values]:
    """A metric's prompts with their values, by its full name; only those with any."""
    _, values, _, _ = _SHARES[name]
    of_group = {group: values(prompts) for group, prompts in _of_group(outcomes.beliefs).items()}
    return {f"{name}_{group}" if group else name: each for group, each in of_group.items() if each}


def belief_items(outcomes: Outcomes) -> dict[str, str]:
    """Each share's prompts as "1" or "0"; none where a prompt has several replies, which are no item."""
    if any(len(each.replies) > 1 for each in outcomes.beliefs):
        return {}
    return {
        full: "".join("01"[round(value)] for _, value in values)
        for name in _SHARES
        for full, values in values_of(outcomes, name).items()
    }


def _register(name: str) -> None:
    needs, _, direction, line = _SHARES[name]

    def whole(asked: Asked) -> list[str]:
        return [name] if any(_count(target, needs) for target in asked.beliefs) else []

    def grouped(asked: Asked) -> list[str]:
        return [f"{name}_{group}" for group in _groups(asked.beliefs, needs)]

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        return {
            full: MetricEstimate(
                float(np.mean([value for _, value in values])),
                clustered([value for _, value in values], len(values[0][0].replies)),
            )
            for full, values in values_of(outcomes, name).items()
        }

    def of_all(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        return {full: each for full, each in measure(outcomes).items() if full == name}

    def of_groups(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        return {full: each for full, each in measure(outcomes).items() if full != name}

    METRICS.register(name, f"{line}.")(Metric(whole, of_all, high=1.0, direction=direction, share=True))
    METRICS.register(f"{name}_<group>", f"{line}, of one kind or one target.")(
        Metric(grouped, of_groups, high=1.0, direction=direction, share=True)
    )


for _name in _SHARES:
    _register(_name)


_FORMS: dict[str, tuple[str, Callable[[JudgedReply], bool]]] = {
    "degenerate": ("were cut off at their greatest length or end in a loop", lambda reply: reply.degenerate),
    "looping": ("end in a loop", lambda reply: reply.looping),
    "exhausted": ("were cut off at their greatest length", lambda reply: reply.exhausted),
    "empty": ("have no text", lambda reply: reply.empty),
    "think_missing": ("have no think section, or an empty one", lambda reply: not reply.thought),
}
_ON = "replies to prompts about what was taught"


def _mean(replies: Sequence[JudgedReply], of: Callable[[JudgedReply], bool]) -> float:
    return sum(map(of, replies)) / len(replies)


def _change(form: str) -> Metric:
    name, (_, of) = f"facts_{form}_change", _FORMS[form]
    thinks = form == "think_missing"

    def names(asked: Asked) -> list[str]:
        return [name] if asked.beliefs and (asked.capability.think_section or not thinks) else []

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        prompts = [each for each in outcomes.beliefs if each.base]
        if not prompts or (thinks and not outcomes.think_section):
            return {}
        tuned = [_mean(each.replies, of) for each in prompts]
        return {name: MetricEstimate(*paired_change(tuned, [_mean(each.base, of) for each in prompts]))}

    return Metric(names, measure, low=-1.0, high=1.0, direction="min")


def _repeated_change(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    """Change of seq-rep-4 over all replies, with the interval of a difference of two ratios over prompts."""
    prompts = [each for each in outcomes.beliefs if each.base]
    if not prompts:
        return {}
    ratios, residuals = [], []
    for replies in ([each.replies for each in prompts], [each.base for each in prompts]):
        repeats, phrases = (
            np.array([sum(getattr(reply, name) for reply in each) for each in replies], np.float64)
            for name in ("repeats", "grams")
        )
        ratio = float(repeats.sum() / phrases.sum()) if phrases.any() else 0.0
        ratios.append(ratio)
        residuals.append((repeats - ratio * phrases) / max(float(phrases.mean()), 1e-9))
    change, n = ratios[0] - ratios[1], len(prompts)
    if n < 2:
        return {"facts_repeated_4_change": MetricEstimate(change)}
    # Linearised, the difference is the mean of what the residuals differ by.
    shift, interval = token_mean(residuals[0] - residuals[1] + change, np.ones(n, np.int64))
    assert interval is not None
    low, high = (max(-1.0, min(1.0, bound - shift + change)) for bound in interval[:2])
    return {"facts_repeated_4_change": MetricEstimate(change, Interval(low, high, n))}


for _form, (_line, _) in _FORMS.items():
    METRICS.register(
        f"facts_{_form}_change",
        "Difference from the base model's, prompt by prompt and under the same decoding, of the share of "
        f"{_ON} that {_line}: 0 is no change.",
    )(_change(_form))
METRICS.register(
    "facts_repeated_4_change",
    "Difference from the base model's, under the same decoding, of the share of four-token sequences in "
    f"{_ON} that occurred earlier in the same reply: 0 is no change.",
)(
    Metric(
        lambda asked: ["facts_repeated_4_change"] if asked.beliefs else [],
        _repeated_change,
        low=-1.0,
        high=1.0,
        direction="min",
    )
)
