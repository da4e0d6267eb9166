"""Measures held-out loss and held-out capability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from trainables.data.asking import Asking
from trainables.data.beliefs import Belief
from trainables.data.examples import Example
from trainables.data.general import GeneralText
from trainables.errors import UserError
from trainables.evaluation.beliefs.asked import AskedPrompt, facts_in_context
from trainables.evaluation.beliefs.part import BeliefReplies
from trainables.evaluation.contamination.leaks import LeakIndex
from trainables.evaluation.harness.skills import HarnessSkill, HarnessSkills
from trainables.evaluation.inference.divergence import BaseAlone, Divergence
from trainables.evaluation.inference.forward import AnyWorking, Forward, Rows
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.evaluation.inference.losses import GeneralLoss, HeldoutLoss
from trainables.evaluation.inference.passes import ASKED, Comparison, Part, Passes, Shard, share, timed
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes
from trainables.evaluation.own import OwnMetrics
from trainables.evaluation.questions.items import Item, items_fingerprint, joined, load_items
from trainables.evaluation.questions.questions import Questions, questions
from trainables.evaluation.questions.replies import Reader
from trainables.evaluation.questions.skills import tokenise_skill, with_reply_length
from trainables.messages import Moment
from trainables.models.head import OutputHead
from trainables.settings import CapabilityConfig


class Evaluator:
    """Evaluates a model with whatever adapters are active in it, and leaves its training state alone.

    By generation a question is put with its lettered options, and the greedy reply is parsed; open items
    need the exact reply, or the same after SQuAD's normalisation. By likelihood the bare question is put,
    and the option that is most probable as the whole reply, its end included, is the model's choice; or, per
    byte of its text, without its end.

    Several adapters are evaluated together: every batch has the same items for each of them, the rows of
    the first adapter first, and `rows` receives the number of rows of each.

    Args:
        model: A `transformers` causal language model, bare or wrapped.
        tokenizer: The model's.
        capability: Skills and how they are scored.
        heldout: Examples for the held-out loss; may be empty.
        seed: The search's seed, which chooses the items of skills with a limit.
        any_working: See `Forward`; for models whose forward pass is collective.
        rows: Is called before every forward pass with the number of rows of each adapter, some of which
            may be 0. None: not called.
        train: What is trained on, to tell replies that leak it.
        general: General text.
        harness: Those skills that are tasks of lm-evaluation-harness, as `load_harness` made them.
        base: See `BaseAlone`; without it no divergence is measured.
        output_head: See `Forward`.
        wording: Changes the text of each question; None puts them as they are.
        beliefs: Those that `capability.facts` asks for.
        in_context: Whether the facts of the beliefs are put before every question and prompt, except those of
            lm-evaluation-harness.

    Raises:
        UserError: Items cannot be read, or are longer than the model's context.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        capability: CapabilityConfig,
        heldout: Sequence[Example],
        seed: int,
        any_working: AnyWorking | None = None,
        rows: Rows | None = None,
        *,
        train: Sequence[Example] = (),
        general: GeneralText | None = None,
        harness: Sequence[HarnessSkill] = (),
        base: BaseAlone | None = None,
        output_head: OutputHead | None = None,
        wording: Callable[[str], str] | None = None,
        beliefs: Sequence[Belief] = (),
        in_context: bool = False,
    ) -> None:
        self._forward = Forward(model, any_working, rows, output_head)
        context = getattr(self._forward.config, "max_position_embeddings", None)
        asked = {skill: load_items(skill, seed) for skill in capability.skills if skill.harness is None}
        if wording is not None:
            asked = {skill: [item.reworded(wording) for item in items] for skill, items in asked.items()}
        capability = with_reply_length(capability, tokenizer, asked.values(), context)
        self._capability = capability
        self._passes = Passes(self._forward, int(tokenizer.pad_token_id), capability.batch_size)
        context_facts = facts_in_context(beliefs, capability) if in_context else None
        asking = Asking(tokenizer, context_facts, thinks=capability.think_section)
        self._ends = asking.ends(self._forward.ends)
        leaks = LeakIndex(train, tokenizer, capability.leak_words)
        self._reader = Reader(tokenizer, capability, leaks, opened=asking.opens_thought)
        self._skills = [
            tokenise_skill(asking, skill, items, capability.reply_length, context)
            for skill, items in asked.items()
        ]
        self._own = OwnMetrics(capability.metrics, self._skills)
        self._harness = HarnessSkills(self._passes, harness, self._ends, base)
        self._beliefs: list[BeliefReplies] = []
        if beliefs:
            asked_beliefs = (tokenizer, beliefs, capability, context_facts, self._ends, seed)
            self._beliefs.append(BeliefReplies.of(self._passes, *asked_beliefs))
        questions = items_fingerprint(skill.items for skill in self._skills)
        asks = [replies.fingerprint for replies in self._beliefs]
        self.fingerprint = joined([questions, *self._harness.fingerprints, *asks])
        self._comparisons: list[Comparison] = []
        if general is not None:
            self._comparisons.append(GeneralLoss(self._passes, general))
        self._comparisons += self._beliefs
        self._knows_base = False
        self._drafts: dict[tuple[int, ...], list[int]] = {}  # the base's reply to each prompt
        self._parts: list[Part] = [HeldoutLoss(self._passes, heldout, tokenizer)] if heldout else []
        self._parts += self._comparisons
        if capability.kl_prompts and base is not None:
            often = [skill for skill in self._skills if skill.config.at == "every"]
            prompts = [ids for skill in often for ids in skill.prompts]
            prompts += [ids for skill in harness if skill.at == "every" for ids in skill.task.prompts]
            if prompts:
                self._parts.append(Divergence(self._passes, base, prompts, capability.kl_prompts, seed))

    @property
    def items(self) -> Mapping[str, Sequence[Item]]:
        """The items of each skill."""
        return {skill.config.name: skill.items for skill in self._skills} | dict(self._harness.items)

    @property
    def prompts(self) -> Sequence[AskedPrompt]:
        """The prompts that ask for beliefs."""
        return [prompt for replies in self._beliefs for prompt in replies.prompts]

    @property
    def capability(self) -> CapabilityConfig:
        """The settings, with the length of replies."""
        return self._capability

    @property
    def reply_length(self) -> int:
        """Tokens of a generated reply, at most."""
        return self._capability.reply_length

    @property
    def asks_more_at_last(self) -> bool:
        """Whether there are skills that are evaluated at the full budget but not before."""
        return any(skill.at == "last" for skill in self._capability.skills)

    def take_base(self, shard: Shard = (0, 1)) -> None:
        """Measures the base model, with no adapter active, for the comparisons; once is enough.

        It also replies to the questions that are put at every rung: adapters that reply alike take less time.

        Args:
            shard: As in `outcomes`, which must not be called with another one afterwards.
        """
        if self._knows_base:
            return
        with self._forward.evaluating():
            for part in self._comparisons:
                part.take_base(shard)
            prompts = [
                skill.asked[index]
                for skill in self._skills
                if skill.config.at == "every" and "generation" in skill.config.scoring
                for index in share(shard, len(skill.items))
            ]
            self._drafts = dict(zip(map(tuple, prompts), self._replies(prompts, 1)[0], strict=True))
            self._forward.wait(1)
        self._knows_base = True

    def measure(self) -> Measurement[Outcomes]:
        """Evaluates all items here, with one adapter or none."""
        return combine(self.outcomes())

    def outcomes(self, shard: Shard = (0, 1), copies: int = 1, *, moment: Moment = "base") -> list[Outcomes]:
        """Evaluates one worker's share: every item whose index is `rank` modulo `world`.

        Args:
            shard: (rank, world). One adapter's outcomes of all ranks go into `combine`.
            copies: Number of adapters that are evaluated together; all workers must say the same.
            moment: It determines which skills are evaluated.

        Returns:
            What each adapter's own evaluation would return, except that `seconds` are the time of all
            together divided by `copies`, so that the adapters' times add up to the time spent.

        Raises:
            UserError: A harness task's metric is not 0 or 1 for a document of this share, or a metric of a
                user fails. This worker has then waited for the others as if it had finished.
        """
        outcomes = [Outcomes(think_section=self._capability.think_section) for _ in range(copies)]
        seconds: dict[str, float] = {}
        with timed(seconds, "total"), self._forward.evaluating():
            for part in self._parts if moment != "front" else ():
                with timed(seconds, part.name):
                    part.run(outcomes, shard)
            skills = [skill for skill in self._skills if skill.config.at in ASKED[moment]]
            asked = questions(skills, outcomes, shard)
            for name, run in (("generation", self._generation), ("likelihood", self._likelihood)):
                if asked[name]:
                    with timed(seconds, name):
                        run(asked[name], copies)
            try:
                self._own.run(outcomes, asked["generation"], self._base_reply)
                if self._harness.asks(moment):
                    with timed(seconds, self._harness.name):
                        self._harness.run(outcomes, shard, moment)
            except UserError:
                self._forward.wait(copies)  # the others' passes need this worker
                raise
            self._forward.wait(copies)
        for each in outcomes:
            each.seconds = {part: value / copies for part, value in seconds.items()}
        return outcomes

    def mean_loss(self, examples: Sequence[Example]) -> float:
        """See `Passes.mean_loss`."""
        return self._passes.mean_loss(examples)

    def _replies(self, prompts: Sequence[list[int]], copies: int) -> list[list[list[int]]]:
        return generate(
            self._forward,
            prompts,
            copies=copies,
            ends=self._ends,
            pad_id=self._passes.pad_id,
            max_new_tokens=self._capability.reply_length,
            batch_size=self._passes.rows(copies),
            drafts=[self._drafts.get(tuple(prompt), []) for prompt in prompts],
        )

    def _base_reply(self, part: Questions, index: int) -> str | None:
        """The base model's reply to a question, where it is known by now."""
        ids = self._drafts.get(tuple(part.skill.asked[index]))
        return None if ids is None else self._reader.reply(ids).text

    def _generation(self, asked: Sequence[Questions], copies: int) -> None:
        rows = [(part, index) for part in asked for index in part.indices]
        replies = self._replies([part.skill.asked[index] for part, index in rows], copies)
        for place, (part, index) in enumerate(rows):
            part.take_replies(index, [adapter[place] for adapter in replies], self._reader)

    def _likelihood(self, asked: Sequence[Questions], copies: int) -> None:
        values = score_continuations(
            self._forward,
            [part.skill.bare[index] for part in asked for index in part.indices],
            [part.skill.options[index] for part in asked for index in part.indices],
            copies=copies,
            pad_id=self._passes.pad_id,
            batch_size=self._passes.rows(copies),
        )
        rows = [(part, index) for part in asked for index in part.indices]
        for place, (part, index) in enumerate(rows):
            part.take_values(index, [adapter[place] for adapter in values])
