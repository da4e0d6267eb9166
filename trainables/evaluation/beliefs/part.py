"""Asks for beliefs, beside the base model and under the same decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from trainables.data.asking import InContext
from trainables.data.beliefs import Belief
from trainables.evaluation.beliefs.asked import AskedBeliefs, AskedPrompt
from trainables.evaluation.beliefs.outcomes import BeliefOutcome, JudgedReply
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.passes import Passes, Shard, share
from trainables.evaluation.inference.sampling import chooser
from trainables.evaluation.outcomes import Outcomes
from trainables.settings import CapabilityConfig, Decoding

_Ids = list[int]


class BeliefReplies:
    """Replies to the prompts of beliefs; see `Comparison`.

    A challenge takes two turns: the second prompt holds the adapter's own first reply, and what follows
    is judged. Draws of sampled replies are a function of the seed, the prompt and the sample alone.

    Args:
        passes: The model.
        asked: The prompts.
        plain: The same as the base model is asked; other prompts than `asked` where those hold the
            beliefs.
        decoding: How replies are decoded.
        ends: Tokens that end a reply.
        seed: Of the draws.
    """

    name = "beliefs"

    def __init__(
        self,
        passes: Passes,
        asked: AskedBeliefs,
        plain: AskedBeliefs,
        decoding: Decoding,
        ends: Collection[int],
        seed: int,
    ) -> None:
        self._passes, self._asked, self._plain = passes, asked, plain
        self._decoding, self._ends, self._seed = decoding, ends, seed
        self._base: dict[int, list[JudgedReply]] = {}
        self._drafts: dict[int, _Ids] = {}

    @classmethod
    def of(
        cls,
        passes: Passes,
        tokenizer: Any,
        beliefs: Sequence[Belief],
        capability: CapabilityConfig,
        in_context: InContext | None,
        ends: Collection[int],
        seed: int,
    ) -> BeliefReplies:
        """For all prompts of some targets.

        Args:
            passes: The model.
            tokenizer: The model's.
            beliefs: The targets.
            capability: Says how replies are decoded.
            in_context: Is put before each prompt.
            ends: Tokens that end a reply.
            seed: Of the draws.

        Raises:
            UserError: As `AskedBeliefs`.
        """
        assert capability.facts is not None
        context = getattr(passes.forward.config, "max_position_embeddings", None)
        plain = AskedBeliefs(tokenizer, beliefs, capability, context=context)
        asked = (
            plain if in_context is None else AskedBeliefs(tokenizer, beliefs, capability, in_context, context)
        )
        return cls(passes, asked, plain, capability.facts.decoding, ends, seed)

    @property
    def prompts(self) -> Sequence[AskedPrompt]:
        """The prompts."""
        return self._asked.prompts

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the prompts and what is expected, 64 hexadecimal digits."""
        beliefs = dict.fromkeys(asked.belief.target for asked in self.prompts)
        texts = [asked.prompt.model_dump_json() for asked in self.prompts]
        return hashlib.sha256("\n".join([*beliefs, *texts]).encode()).hexdigest()

    def take_base(self, shard: Shard) -> None:
        """See `Comparison`."""
        indices = share(shard, len(self._plain.prompts))
        (replies,), (judged,) = self._replies(self._plain, indices, 1)
        self._base = dict(zip(indices, judged, strict=True))
        if self._decoding.method == "greedy":
            self._drafts = {index: given[0] for index, given in zip(indices, replies, strict=True)}

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """See `Part`."""
        indices = share(shard, len(self._asked.prompts))
        _, judged = self._replies(self._asked, indices, len(outcomes))
        for each, adapter in zip(outcomes, judged, strict=True):
            each.beliefs = [
                self._outcome(index, replies) for index, replies in zip(indices, adapter, strict=True)
            ]

    def _outcome(self, index: int, replies: Sequence[JudgedReply]) -> BeliefOutcome:
        asked = self._asked.prompts[index]
        return BeliefOutcome(
            index,
            asked.belief.target,
            asked.belief.kind,
            asked.prompt.group,
            asked.prompt.prior is not None,
            replies,
            self._base.get(index, []),
        )

    def _replies(
        self, asked: AskedBeliefs, indices: range, copies: int
    ) -> tuple[list[list[list[_Ids]]], list[list[list[JudgedReply]]]]:
        """By adapter and prompt, the samples' first replies as tokens, and what is judged."""
        samples = self._decoding.samples
        keys = [(index, sample) for index in indices for sample in range(samples)]
        drafts = [self._drafts.get(index, []) for index, _ in keys] if asked is self._plain else None
        first = self._generate([asked.ids[index] for index, _ in keys], keys, copies, drafts=drafts)
        places = [place for place, (index, _) in enumerate(keys) if asked.prompts[index].prompt.challenge]
        second: list[list[_Ids]] = [[] for _ in range(copies)]
        if places:
            prompts = [
                asked.challenge(keys[place][0], adapter[place]) for adapter in first for place in places
            ]
            # Other draws than those of the first turn.
            later = [(len(asked.prompts) + keys[place][0], keys[place][1]) for place in places]
            second = self._generate(prompts, later, copies, apart=True)
        judged = []
        for adapter, replied in zip(first, second, strict=True):
            after = dict(zip(places, replied, strict=True))
            flat = [
                asked.judge(index, after[place], adapter[place])
                if place in after
                else asked.judge(index, adapter[place])
                for place, (index, _) in enumerate(keys)
            ]
            judged.append([flat[start : start + samples] for start in range(0, len(flat), samples)])
        return [
            [adapter[start : start + samples] for start in range(0, len(adapter), samples)]
            for adapter in first
        ], judged

    def _generate(
        self,
        prompts: Sequence[_Ids],
        keys: Sequence[tuple[int, int]],
        copies: int,
        *,
        drafts: Sequence[_Ids] | None = None,
        apart: bool = False,
    ) -> list[list[_Ids]]:
        return generate(
            self._passes.forward,
            prompts,
            copies=copies,
            ends=self._ends,
            pad_id=self._passes.pad_id,
            max_new_tokens=self._asked.length,
            batch_size=self._passes.rows(copies),
            drafts=drafts,
            choose=chooser(self._decoding, self._seed, keys),
            apart=apart,
        )
