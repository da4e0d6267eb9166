"""Skills with their items as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.asking import Asking
from trainables.errors import UserError
from trainables.evaluation.questions.items import ChoiceItem, Item
from trainables.evaluation.questions.prompts import choice_prompt
from trainables.settings import SkillConfig


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
    tokenizer: Any, config: SkillConfig, items: Sequence[Item], max_new_tokens: int, context: int | None
) -> Skill:
    """Makes the tokens of a skill's items.

    Args:
        tokenizer: The model's.
        config: The skill.
        items: At least one.
        max_new_tokens: Length of a reply, at most.
        context: Tokens that the model can take; None where it does not say.

    Raises:
        UserError: A question with its reply would be longer than the model's context.
    """
    skill, asking = Skill(config, items, [], [], []), Asking(tokenizer)
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
        raise UserError(
            f"capability.skills.{config.name}: the longest question with its reply takes {longest} "
            f"tokens, and the model's context is {context}.",
            hint="Leave out long questions, or lower capability.max_new_tokens.",
        )
    return skill
