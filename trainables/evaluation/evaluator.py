"""Measures held-out loss and held-out capability."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from trainables.data.examples import Example
from trainables.evaluation.degenerate import is_degenerate
from trainables.evaluation.forward import AnyWorking, Forward, Rows
from trainables.evaluation.generate import greedy
from trainables.evaluation.heldout import example_losses
from trainables.evaluation.items import ChoiceItem, items_fingerprint, load_items
from trainables.evaluation.likelihood import log_likelihoods
from trainables.evaluation.outcomes import UNPARSEABLE, Measurement, Outcomes, Score, combine
from trainables.evaluation.parse import parse_choice
from trainables.evaluation.skills import Skill, tokenise_skill
from trainables.settings import CapabilityConfig, Way


@dataclass(frozen=True)
class _Questions:
    """The items of a skill that one worker asks in one way; one score per adapter."""

    skill: Skill
    indices: range
    scores: list[Score]


class Evaluator:
    """Evaluates a model with whatever adapters are active in it, and leaves its training state alone.

    By generation a question is put with its lettered options, and the greedy reply is parsed; open items
    need the exact reply. By likelihood the bare question is put, and the option that is most probable as
    the whole reply, its end included, is the model's choice.

    Several adapters are evaluated together: every batch has the same items for each of them, the rows of
    the first adapter first, and `rows` is told how many rows are whose.

    Args:
        model: A `transformers` causal language model, bare or wrapped.
        tokenizer: The model's.
        capability: Skills and how they are scored.
        heldout: Examples for the held-out loss; may be empty.
        seed: The search's seed, which chooses the items of skills with a limit.
        any_working: See `Forward`; for models whose forward pass is collective.
        rows: Is called before every forward pass with the number of rows of each adapter, some of which
            may be 0. Nobody is told where it is None.

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
    ) -> None:
        self._forward = Forward(model, any_working, rows)
        self._tokenizer = tokenizer
        self._capability = capability
        self._heldout = list(heldout)
        self._pad = int(tokenizer.pad_token_id)
        self._ends = _ends(tokenizer, self._forward.ends)
        context = getattr(self._forward.config, "max_position_embeddings", None)
        self._skills = [
            tokenise_skill(tokenizer, skill, load_items(skill, seed), capability.max_new_tokens, context)
            for skill in capability.skills
        ]
        self.fingerprint = items_fingerprint(skill.items for skill in self._skills)

    def measure(self) -> Measurement:
        """Evaluates all items here, with one adapter or none."""
        return combine(self.outcomes())

    def outcomes(self, shard: tuple[int, int] = (0, 1), copies: int = 1) -> list[Outcomes]:
        """Evaluates one worker's share: every item whose index is `rank` modulo `world`.

        Args:
            shard: (rank, world). One adapter's outcomes of all ranks go into `combine`.
            copies: Number of adapters that are evaluated together; all workers must say the same.

        Returns:
            What each adapter's own evaluation would return, except that `seconds` are the time of all
            together divided by `copies`, so that the adapters' times add up to the time spent.
        """
        outcomes = [Outcomes() for _ in range(copies)]
        seconds: dict[str, float] = {}
        with _timed(seconds, "total"), self._forward.evaluating():
            with _timed(seconds, "heldout"):
                self._losses(outcomes, self._heldout, range(shard[0], len(self._heldout), shard[1]))
            questions = self._questions(outcomes, shard)
            with _timed(seconds, "generation"):
                self._generation(questions["generation"], copies)
            with _timed(seconds, "likelihood"):
                self._likelihood(questions["likelihood"], copies)
            self._forward.wait(copies)
        for one in outcomes:
            one.seconds = {part: value / copies for part, value in seconds.items()}
        return outcomes

    def mean_loss(self, examples: Sequence[Example]) -> float:
        """Mean loss per target token of other examples, in nats; every worker computes all of it."""
        found = Outcomes()
        with self._forward.evaluating():
            self._losses([found], examples, range(len(examples)))
        return sum(found.losses) / sum(found.tokens)

    def _rows(self, copies: int) -> int:
        """Rows of a pass, at most: a GPU is far from full with one adapter's, a CPU is not."""
        shared = self._forward.device.type == "cuda" and not self._forward.collective
        return self._capability.batch_size * (copies if shared else 1)

    def _losses(self, outcomes: list[Outcomes], examples: Sequence[Example], indices: range) -> None:
        order, losses = example_losses(
            self._forward,
            [examples[index] for index in indices],
            copies=len(outcomes),
            pad_id=self._pad,
            batch_size=self._rows(len(outcomes)),
        )
        chosen = [indices[place] for place in order]
        for one, values in zip(outcomes, losses, strict=True):
            one.examples += chosen
            one.losses += values
            one.tokens += [examples[index].targets for index in chosen]

    def _questions(self, outcomes: list[Outcomes], shard: tuple[int, int]) -> dict[Way, list[_Questions]]:
        """The share's items by way of scoring, with their scores, which are entered in the outcomes."""
        questions: dict[Way, list[_Questions]] = {"generation": [], "likelihood": []}
        for skill in self._skills:
            choice = isinstance(skill.items[0], ChoiceItem)
            indices = range(shard[0], len(skill.items), shard[1])
            for scoring in skill.config.scoring:
                primary = scoring == skill.config.scoring[0]
                scores = [Score(skill.config.name, scoring, primary, choice) for _ in outcomes]
                questions[scoring].append(_Questions(skill, indices, scores))
                for one, score in zip(outcomes, scores, strict=True):
                    one.scores.append(score)
        return questions

    def _generation(self, questions: list[_Questions], copies: int) -> None:
        replies = greedy(
            self._forward,
            [part.skill.asked[index] for part in questions for index in part.indices],
            copies=copies,
            ends=self._ends,
            pad_id=self._pad,
            max_new_tokens=self._capability.max_new_tokens,
            batch_size=self._rows(copies),
        )

        @cache  # adapters often give the same replies
        def read(ids: tuple[int, ...]) -> tuple[str, bool]:
            text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            return str(text), is_degenerate(ids, self._capability.max_new_tokens)

        for adapter, own in enumerate(replies):
            remaining = iter(own)
            for part in questions:
                for index in part.indices:
                    _score_reply(part.scores[adapter], part.skill, index, *read(tuple(next(remaining))))

    def _likelihood(self, questions: list[_Questions], copies: int) -> None:
        values = log_likelihoods(
            self._forward,
            [part.skill.bare[index] for part in questions for index in part.indices],
            [part.skill.options[index] for part in questions for index in part.indices],
            copies=copies,
            pad_id=self._pad,
            batch_size=self._rows(copies),
        )
        for adapter, own in enumerate(values):
            remaining = iter(own)
            for part in questions:
                for index in part.indices:
                    _score_options(part.scores[adapter], part.skill, index, next(remaining))


def _score_reply(score: Score, skill: Skill, index: int, reply: str, degenerate: bool) -> None:
    item = skill.items[index]
    if isinstance(item, ChoiceItem):
        choice = parse_choice(reply, item.options)
        prediction = UNPARSEABLE if choice is None else choice
        correct = choice == item.answer
    else:
        prediction, correct = UNPARSEABLE, reply.strip() == item.answer.strip()
    score.add(index, correct=correct, prediction=prediction, reply=reply, degenerate=degenerate)


def _score_options(score: Score, skill: Skill, index: int, values: list[float]) -> None:
    # A model that has diverged prefers nothing.
    finite = all(math.isfinite(value) for value in values)
    choice = values.index(max(values)) if finite else UNPARSEABLE
    score.add(index, correct=choice == skill.items[index].answer, prediction=choice)


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - started


def _ends(tokenizer: Any, configured: Any) -> frozenset[int]:
    """Tokens that end a reply: the tokenizer's, and those of the model's generation settings."""
    more = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [tokenizer.eos_token_id, *more] if token is not None)
