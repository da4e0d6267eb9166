"""How long a generated reply may be: chosen by the answers that are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trainables.data.asking import Asking
from trainables.evaluation.questions.items import ChoiceItem, Item
from trainables.settings import CapabilityConfig

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
    """Half as much again as the longest accepted answer, at least 8 tokens more, and room for a thought.

    It leaves the longest question its place in the model's context, where a shorter reply will do.
    """
    answers: dict[str, None] = {}
    questions: dict[str, None] = {}
    for skill in items:
        for item in skill:
            questions[item.question] = None
            texts = item.options if isinstance(item, ChoiceItem) else (item.answer,)
            answers.update(dict.fromkeys(texts))
    batch = tokenizer(list(answers), add_special_tokens=False)["input_ids"] if answers else []
    longest = max(map(len, batch), default=0)
    wanted = max(_LEAST, longest + max(_ROOM, longest // 2))
    length = -(-wanted // _STEP) * _STEP + (THOUGHT if think else 0)
    # A token is a byte of text at least, and a template writes no more than so much.
    most = max((len(text.encode()) for text in questions), default=0) + _TEMPLATE
    if context is None or most + length <= context:
        return length
    asking = Asking(tokenizer)
    asked = max((len(asking.prompt(text)) for text in questions), default=0)
    return max(longest + 1, min(length, context - asked))
