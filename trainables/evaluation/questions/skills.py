"""Skills with their items as tokens, and how long a reply to them may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.asking import Asking
from trainables.errors import UserError
from trainables.evaluation.questions.items import ChoiceItem, Item, choice_prompt
from trainables.settings import CapabilityConfig, SkillConfig


@dataclass(frozen=True)
class Skill:
    """A skill's items with their tokens, made once.

    Attributes:
        asked: For each item the prompt for generation, with the lettered options if it has any.
        bare: For each item with options the question alone.
        options: For each item with options its options as whole replies, their end included.
    """

    config: SkillConfig
    items: Sequence[Item]
    asked: list[list[int]]
    bare: list[list[int]]
    options: list[list[list[int]]]

    @property
    def prompts(self) -> list[list[int]]:
        """Each item's prompt as its first way of scoring puts it."""
        return self.asked if self.config.scoring[0] == "generation" else self.bare


def tokenise_skill(
    asking: Asking, config: SkillConfig, items: Sequence[Item], max_new_tokens: int, context: int | None
) -> Skill:
    """Makes the tokens of a skill's items.

    Args:
        asking: How the model is asked.
        config: The skill.
        items: At least one.
        max_new_tokens: Length of a reply, at most.
        context: Tokens that the model can take; None where it does not say.

    Raises:
        UserError: A question with its reply would be longer than the model's context.
    """
    skill = Skill(config, items, [], [], [])
    for item in items:
        if isinstance(item, ChoiceItem):
            skill.asked.append(asking.prompt(choice_prompt(item.question, item.options)))
            bare, options = asking.replies(item.question, item.options)
            skill.bare.append(bare)
            skill.options.append(options)
        else:
            skill.asked.append(asking.prompt(item.question))
    longest = max(len(ids) for ids in skill.asked) + max_new_tokens
    if context is not None and longest > context:
        also = "the facts and " if asking.has_facts else ""
        shorter = "Remove long questions, or lower capability.max_new_tokens."
        raise UserError(
            f"capability.skills.{config.name}: the longest question with {also}its reply takes {longest} "
            f"tokens, and the model's context is {context}.",
            hint=SHORTER_FACTS if asking.has_facts else shorter,
        )
    return skill


SHORTER_FACTS = (
    "The baseline in_context has the facts of capability.facts.path before it: shorten them, choose fewer "
    "with capability.facts.targets, or leave in_context out of baselines."
)
"""What to do where the facts do not fit into the context of a model."""

THOUGHT = 512
"""Tokens of a think section, where replies begin with one."""

_ROOM = 8
_STEP = 4
_LEAST = 12
_TEMPLATE = 1024


def with_reply_length(
    capability: CapabilityConfig, tokenizer: Any, items: Iterable[Sequence[Item]], context: int | None
) -> CapabilityConfig:
    """The settings with a length of replies: as configured, or as `reply_length` says.

    Args:
        capability: The settings.
        tokenizer: The model's.
        items: Of the skills that are not tasks of lm-evaluation-harness.
        context: Tokens that the model can take; None where it does not say.
    """
    if capability.max_new_tokens is not None:
        return capability
    length = reply_length(tokenizer, items, context, think=capability.think_section)
    return capability.model_copy(update={"max_new_tokens": length})


def reply_length(tokenizer: Any, items: Iterable[Sequence[Item]], context: int | None, *, think: bool) -> int:
    """One and a half times the longest accepted answer, at least 8 tokens more, plus room for a thought.

    It leaves the longest question its place in the model's context, where a shorter reply will do.
    """
    answers: dict[str, None] = {}
    questions: dict[str, None] = {}
    for skill in items:
        for item in skill:
            questions[item.question] = None
            texts = item.options if isinstance(item, ChoiceItem) else item.accepted
            answers.update(dict.fromkeys(texts))
    batch = tokenizer(list(answers), add_special_tokens=False)["input_ids"] if answers else []
    longest = max(map(len, batch), default=0)
    wanted = max(_LEAST, longest + max(_ROOM, longest // 2))
    length = -(-wanted // _STEP) * _STEP + (THOUGHT if think else 0)
    # A token is a byte of text at least, and a template writes no more than so much.
    most = max((len(text.encode()) for text in questions), default=0) + _TEMPLATE
    if context is None or most + length <= context:
        return length
    asking = Asking(tokenizer, thinks=think)
    asked = max((len(asking.prompt(text)) for text in questions), default=0)
    return max(longest + 1, min(length, context - asked))
