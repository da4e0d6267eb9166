"""The prompts of beliefs as tokens, and how replies to them are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainables.data.asking import Asking, InContext
from trainables.data.beliefs import Belief, BeliefPrompt, accepts_alike
from trainables.errors import UserError
from trainables.evaluation.beliefs.answers import AnswerReader, Outcome
from trainables.evaluation.beliefs.outcomes import JudgedReply
from trainables.evaluation.contamination.words import grams
from trainables.evaluation.questions.replies import GRAM, ends_in_loop
from trainables.evaluation.questions.skills import SHORTER_FACTS, THOUGHT
from trainables.evaluation.questions.thoughts import Parts
from trainables.settings import CapabilityConfig

_LEAST = 32
_STEP = 8


def facts_in_context(beliefs: Sequence[Belief], capability: CapabilityConfig) -> InContext:
    """The statements of all targets, for a model that is not taught them."""
    assert capability.facts is not None
    facts = "\n".join(fact for belief in beliefs for fact in belief.facts)
    return InContext(facts, capability.facts.in_context)


def facts_length(tokenizer: Any, beliefs: Sequence[Belief], capability: CapabilityConfig) -> int:
    """Tokens of a reply, at most: as configured, or half as many again as the longest that is trained on."""
    assert capability.facts is not None
    if capability.facts.max_new_tokens is not None:
        return capability.facts.max_new_tokens
    replies = [pair.reply for belief in beliefs for pair in belief.train]
    thoughts = [pair.thinking for belief in beliefs for pair in belief.train if pair.thinking]
    longest, thought = (
        max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"])) if texts else 0
        for texts in (replies, thoughts)
    )
    thinks = max(THOUGHT * capability.think_section, 2 * thought)
    return -(-max(_LEAST, longest + longest // 2) // _STEP) * _STEP + thinks


@dataclass(frozen=True)
class AskedPrompt:
    """A prompt of a target."""

    belief: Belief
    prompt: BeliefPrompt

    @cached_property
    def reader(self) -> AnswerReader:
        """Reads replies to it. What a neighbour must not be answered with is what was taught."""
        prompt = self.prompt
        priors = [] if prompt.prior is None else [prompt.prior]
        targets = [] if prompt.target is None else [prompt.target]
        if prompt.group == "neighbour":
            taught = [other.target for other in self.belief.prompts if other.group == "direct"]
            targets = [
                each
                for each in taught
                if each is not None and not any(accepts_alike(each, p) for p in priors)
            ]
        return AnswerReader(dict.fromkeys(targets), priors, self.belief.ignorance)

    @property
    def expected(self) -> str | None:
        """The answer of the target, or a neighbour's right one."""
        expected = self.prompt.target or self.prompt.prior
        return None if expected is None else expected.written or getattr(expected, "pattern", None)


class AskedBeliefs:
    """All prompts of some targets, in their order.

    Args:
        tokenizer: The model's.
        beliefs: The targets.
        capability: Says how replies are decoded.
        in_context: Is put before each prompt.
        context: Tokens that the model can take; None where it does not say.

    Raises:
        UserError: A prompt with its reply is longer than the model's context, or cannot be put to the model.
    """

    def __init__(
        self,
        tokenizer: Any,
        beliefs: Sequence[Belief],
        capability: CapabilityConfig,
        in_context: InContext | None = None,
        context: int | None = None,
    ) -> None:
        self.prompts = [AskedPrompt(belief, prompt) for belief in beliefs for prompt in belief.prompts]
        self.length = facts_length(tokenizer, beliefs, capability)
        # Where a thought is taught, replies are to begin with it.
        thinks = capability.think_section or any(p.thinking for belief in beliefs for p in belief.train)
        self._asking = Asking(tokenizer, in_context, thinks=thinks)
        self._parts = Parts(tokenizer, thinks=thinks, opened=self._asking.opens_thought)
        self.ids = [self._asking.turns([asked.prompt.prompt]) for asked in self.prompts]
        self._refuse_long(context)

    def _refuse_long(self, context: int | None) -> None:
        lengths = [
            len(self.ids[index]) + self.length
            if asked.prompt.challenge is None
            else len(self._asking.turns([asked.prompt.prompt, "a", asked.prompt.challenge])) + 2 * self.length
            for index, asked in enumerate(self.prompts)
        ]
        if context is not None and max(lengths) > context:
            facts = self._asking.has_facts
            also = "the facts and " if facts else ""
            raise UserError(
                f"capability.facts: the longest prompt with {also}its replies takes {max(lengths)} tokens, "
                f"and the model's context is {context}.",
                hint=SHORTER_FACTS
                if facts
                else "Shorten the prompts, or lower capability.facts.max_new_tokens.",
            )

    def challenge(self, index: int, first: Sequence[int]) -> list[int]:
        """Tokens of the second turn of a challenge, after a first reply; thoughts are not said again."""
        prompt = self.prompts[index].prompt
        assert prompt.challenge is not None
        _, answer = self._parts.of(first)
        return self._asking.turns([prompt.prompt, answer.strip(), prompt.challenge])

    def judge(self, index: int, ids: Sequence[int], first: Sequence[int] | None = None) -> JudgedReply:
        """What a reply is; of a challenge with the first one."""
        thought, answer = self._parts.of(ids)
        reader = self.prompts[index].reader
        outcome: Outcome = reader.outcome(answer)
        if first is not None and outcome == "target" and reader.outcome(self._parts.of(first)[1]) != "target":
            outcome = "other"
        text = self._parts.text(ids)
        phrases = list(grams(ids, GRAM))
        looping, exhausted = ends_in_loop(ids), len(ids) >= self.length
        return JudgedReply(
            outcome,
            text,
            first=None if first is None else self._parts.text(first),
            tokens=len(ids),
            degenerate=looping or exhausted,
            looping=looping,
            exhausted=exhausted,
            empty=not text.strip(),
            thought=bool(thought),
            grams=len(phrases),
            repeats=len(phrases) - len(set(phrases)),
        )
