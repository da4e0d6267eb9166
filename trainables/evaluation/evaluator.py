"""Measures held-out loss and held-out capability."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from trainables.data.batches import collate
from trainables.data.chat import plain_ids, prompt_ids
from trainables.data.examples import Example
from trainables.data.loss import token_losses
from trainables.errors import UserError
from trainables.evaluation.batching import LOGITS, batches_by_length
from trainables.evaluation.forward import AnyWorking, Forward
from trainables.evaluation.generate import greedy
from trainables.evaluation.items import ChoiceItem, Item, items_fingerprint, load_items
from trainables.evaluation.likelihood import log_likelihoods
from trainables.evaluation.outcomes import UNPARSEABLE, Measurement, Outcomes, Score, combine
from trainables.evaluation.parse import parse_choice
from trainables.evaluation.prompts import choice_prompt
from trainables.settings import CapabilityConfig, SkillConfig


@dataclass(frozen=True)
class _Skill:
    """A skill's items with their tokens, made once."""

    config: SkillConfig
    items: list[Item]
    asked: list[list[int]]
    bare: list[list[int]]
    options: list[list[list[int]]]


class Evaluator:
    """Evaluates a model with whatever adapter is active in it, and leaves its training state alone.

    By generation a question is put with its lettered options, and the greedy reply is parsed; open items
    need the exact reply. By likelihood the bare question is put, and the option that is most probable as
    the whole reply, its end included, is the model's choice.

    Args:
        model: A `transformers` causal language model, bare or wrapped.
        tokenizer: The model's.
        capability: Skills and how they are scored.
        heldout: Examples for the held-out loss; may be empty.
        seed: The search's seed, which chooses the items of skills with a limit.
        any_working: See `Forward`; for models whose forward pass is collective.

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
    ) -> None:
        self._forward = Forward(model, any_working)
        self._tokenizer = tokenizer
        self._capability = capability
        self._heldout = list(heldout)
        self._pad = int(tokenizer.pad_token_id)
        self._ends = _ends(tokenizer, self._forward.ends)
        self._skills = [self._tokenise(skill, load_items(skill, seed)) for skill in capability.skills]
        self.fingerprint = items_fingerprint(skill.items for skill in self._skills)

    def measure(self) -> Measurement:
        """Evaluates all items here."""
        return combine([self.outcomes()])

    def outcomes(self, shard: tuple[int, int] = (0, 1)) -> Outcomes:
        """Evaluates one worker's share: every item whose index is `rank` modulo `world`.

        Args:
            shard: (rank, world). The outcomes of all ranks go into `combine`.
        """
        started = time.perf_counter()
        outcomes = Outcomes()
        with self._forward.evaluating():
            self._timed(outcomes, "heldout", partial(self._losses, outcomes, shard, self._heldout))
            for skill in self._skills:
                for scoring in skill.config.scoring:
                    primary = scoring == skill.config.scoring[0]
                    score = Score(skill.config.name, scoring, primary, isinstance(skill.items[0], ChoiceItem))
                    outcomes.scores.append(score)
                    run = self._generation if scoring == "generation" else self._likelihood
                    part = f"{score.skill}_{scoring}"
                    indices = list(range(shard[0], len(skill.items), shard[1]))
                    self._timed(outcomes, part, partial(run, skill, score, indices))
            self._forward.wait()
        outcomes.seconds["total"] = time.perf_counter() - started
        return outcomes

    @staticmethod
    def _timed(outcomes: Outcomes, part: str, run: Callable[[], None]) -> None:
        started = time.perf_counter()
        run()
        outcomes.seconds[part] = time.perf_counter() - started

    def mean_loss(self, examples: Sequence[Example]) -> float:
        """Mean loss per target token of other examples, in nats; every worker computes all of it."""
        found = Outcomes()
        with self._forward.evaluating():
            self._losses(found, (0, 1), examples)
        return sum(found.losses) / sum(found.tokens)

    def _losses(self, outcomes: Outcomes, shard: tuple[int, int], examples: Sequence[Example]) -> None:
        indices = range(shard[0], len(examples), shard[1])
        lengths = [len(examples[index].input_ids) for index in indices]
        most = LOGITS // int(self._forward.config.vocab_size)
        for batch in batches_by_length(lengths, self._capability.batch_size, most):
            chosen = [indices[row] for row in batch]
            tensors = collate([examples[index] for index in chosen], self._pad)
            tensors = {name: tensor.to(self._forward.device) for name, tensor in tensors.items()}
            logits = self._forward.logits(tensors["input_ids"])
            outcomes.examples += chosen
            outcomes.losses += token_losses(logits, tensors["labels"]).sum(-1).tolist()
            outcomes.tokens += [examples[index].targets for index in chosen]

    def _generation(self, skill: _Skill, score: Score, indices: list[int]) -> None:
        replies = greedy(
            self._forward,
            [skill.asked[index] for index in indices],
            ends=self._ends,
            pad_id=self._pad,
            max_new_tokens=self._capability.max_new_tokens,
            rows=self._capability.batch_size,
        )
        for index, ids in zip(indices, replies, strict=True):
            reply = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            item = skill.items[index]
            if isinstance(item, ChoiceItem):
                choice = parse_choice(reply, item.options)
                prediction = UNPARSEABLE if choice is None else choice
                score.add(index, correct=choice == item.answer, prediction=prediction, reply=reply)
            else:
                score.add(index, correct=reply.strip() == item.answer.strip(), reply=reply)

    def _likelihood(self, skill: _Skill, score: Score, indices: list[int]) -> None:
        values = log_likelihoods(
            self._forward,
            [skill.bare[index] for index in indices],
            [skill.options[index] for index in indices],
            pad_id=self._pad,
            rows=self._capability.batch_size,
        )
        for index, scores in zip(indices, values, strict=True):
            item = skill.items[index]
            # A model that has diverged prefers nothing.
            finite = all(math.isfinite(value) for value in scores)
            choice = scores.index(max(scores)) if finite else UNPARSEABLE
            score.add(index, correct=choice == item.answer, prediction=choice)

    def _tokenise(self, config: SkillConfig, items: list[Item]) -> _Skill:
        tokenizer = self._tokenizer
        asked: list[list[int]] = []
        bare: list[list[int]] = []
        options: list[list[list[int]]] = []
        for item in items:
            if isinstance(item, ChoiceItem):
                asked.append(prompt_ids(tokenizer, choice_prompt(item.question, item.options)))
                bare.append(prompt_ids(tokenizer, item.question))
                end = tokenizer.eos_token_id
                options.append([[*plain_ids(tokenizer, option), end] for option in item.options])
            else:
                asked.append(prompt_ids(tokenizer, item.question))
        self._check_length(config, asked)
        return _Skill(config, items, asked, bare, options)

    def _check_length(self, config: SkillConfig, asked: list[list[int]]) -> None:
        context = getattr(self._forward.config, "max_position_embeddings", None)
        longest = max(len(ids) for ids in asked) + self._capability.max_new_tokens
        if context is not None and longest > context:
            raise UserError(
                f"capability.skills.{config.name}: the longest question with its reply takes {longest} "
                f"tokens, and the model's context is {context}.",
                hint="Leave out long questions, or lower capability.max_new_tokens.",
            )


def _ends(tokenizer: Any, configured: Any) -> frozenset[int]:
    """Tokens that end a reply: the tokenizer's, and those of the model's generation settings."""
    more = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [tokenizer.eos_token_id, *more] if token is not None)
