"""Beliefs that cannot be tested as they are: refused before anything is started. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.data.beliefs import Belief, BeliefPrompt, normalised, read_beliefs
from trainables.data.reading import ReadUnits
from trainables.data.units import Pair
from trainables.errors import UserError
from trainables.evaluation.beliefs.answers import AnswerReader
from trainables.evaluation.intervals import wilson
from trainables.settings import CapabilityConfig

_KEY = "capability.facts.path"
_DECISIVE = 0.1
"""An outcome that never occurs should be known to be rarer than this, which takes 35 prompts."""


def load_beliefs(capability: CapabilityConfig, *, thinking: bool = True) -> list[Belief]:
    """The targets that are asked for; none without `capability.facts`.

    Args:
        capability: Names them.
        thinking: Whether the think sections of their training pairs are learned; else they have none.

    Raises:
        UserError: They cannot be read (`read_beliefs`), a prompt contains the answer that is expected, or an
            answer is accepted both as the target and as the prior.
    """
    facts = capability.facts
    if facts is None:
        return []
    beliefs = read_beliefs(facts.path, _KEY, facts.targets)
    for belief in beliefs:
        for place, prompt in enumerate(belief.prompts):
            said = next(
                (text for text in (prompt.prompt, prompt.challenge) if _gives_away(prompt, text)), None
            )
            at = f"{_KEY}: {facts.path}, target {belief.target!r}: prompts[{place}]"
            if said is not None:
                raise UserError(
                    f"{at}, {said[:60]!r}, contains the answer that is expected.",
                    hint="Ask without saying the answer, or offer the other answer as well, as in "
                    '"Is it A or B?".',
                )
            if (both := _accepted_as_both(prompt)) is not None:
                raise UserError(
                    f"{at}, {prompt.prompt[:60]!r}, accepts {both!r} both as its target and as its prior.",
                    hint="Make them different.",
                )
    return beliefs if thinking else [_unthinking(belief) for belief in beliefs]


def _unthinking(belief: Belief) -> Belief:
    train = tuple(pair.model_copy(update={"thinking": None}) for pair in belief.train)
    return belief.model_copy(update={"train": train})


def _gives_away(prompt: BeliefPrompt, said: str | None) -> bool:
    """Whether what a prompt says has the expected answer and not the other one too, as a choice does."""
    targets = [] if prompt.target is None else [prompt.target]
    priors = [] if prompt.prior is None else [prompt.prior]
    mentioned = AnswerReader(targets, priors).mentions(said or "")
    return mentioned == {"prior" if prompt.group == "neighbour" else "target"}


def _accepted_as_both(prompt: BeliefPrompt) -> str | None:
    """An answer that both target and prior would take, where one of them is of another form."""
    for mine, other in ((prompt.target, prompt.prior), (prompt.prior, prompt.target)):
        answer = None if mine is None or type(mine) is type(other) else mine.written
        if other is not None and answer is not None and AnswerReader([other], []).mentions(answer):
            return answer
    return None


def refuse_trained(beliefs: Sequence[Belief], read: ReadUnits) -> None:
    """Refuses prompts that are trained on; case, punctuation and spaces do not count.

    Args:
        beliefs: What is asked.
        read: The records of `task.train`.

    Raises:
        UserError: A training pair has the words of a prompt.
    """
    asked = {normalised(prompt.prompt): prompt.prompt for belief in beliefs for prompt in belief.prompts}
    for place, unit in enumerate(read.units if asked else ()):
        if isinstance(unit, Pair) and (prompt := asked.get(normalised(unit.prompt))) is not None:
            raise UserError(
                f"{_KEY}: the prompt {prompt[:60]!r} is also a training pair, in {read.place(place)}.",
                hint="Ask in words that are not trained on.",
            )


def few_prompts(beliefs: Sequence[Belief]) -> list[str]:
    """Warnings of groups with too few prompts to decide anything, in sentences."""
    counts: dict[tuple[str, str], int] = {}
    for belief in beliefs:
        for prompt in belief.prompts:
            key = belief.target, prompt.group
            counts[key] = counts.get(key, 0) + 1
    few = {key: n for key, n in counts.items() if wilson(0, n).high > _DECISIVE}
    if not few:
        return []
    said = ", ".join(f"{n} {group} of {target}" for (target, group), n in few.items())
    (_, n) = min(few.items(), key=lambda each: each[1])
    enough = next(n for n in range(1, 1000) if wilson(0, n).high <= _DECISIVE)
    return [
        f"few prompts to decide anything: {said}; of {n} prompts none adopted would mean 0% to "
        f"{wilson(0, n).high:.0%}, and {enough} would bound it below {_DECISIVE:.0%}"
    ]
