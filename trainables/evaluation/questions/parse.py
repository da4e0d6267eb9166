"""Reads the choice out of a generated reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainables.evaluation.questions.prompts import LETTERS

_LEAD = re.compile(
    r"(?:(?:the|my)\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[(\[*\"']*(?P<letter>[A-Z])(?P<tail>[)\]*\"'.:]*)(?=\s|$)")


def parse_choice(reply: str, options: Sequence[str]) -> int | None:
    """Index of the option that a reply chooses, or None where it cannot be parsed.

    Understood, with or without a lead such as "Answer:" or "The correct answer is": a capital letter
    that stands alone ("B", "B.", "(B)", "**B**", "B: text"), and the text of an option, in any case.
    A bare letter that goes on with words ("A dog") counts only if the words are that option's text.

    Args:
        reply: Generated text.
        options: The options' texts; the first has the letter A.
    """
    text = reply.strip()
    lead = _LEAD.match(text)
    for part in (text, text[lead.end() :] if lead else ""):
        choice = _letter(part, options)
        if choice is None:
            choice = _option_text(part, options)
        if choice is not None:
            return choice
    return None


def _letter(text: str, options: Sequence[str]) -> int | None:
    match = _LETTER.match(text)
    if match is None:
        return None
    index = LETTERS.index(match["letter"])
    if index >= len(options):
        return None
    rest = text[match.end() :]
    stands_alone = bool(match["tail"]) or not rest.strip() or rest.lstrip(" \t").startswith(("\n", "\r"))
    return index if stands_alone or _starts_with(rest.lstrip(), options[index]) else None


def _option_text(text: str, options: Sequence[str]) -> int | None:
    text = text.lstrip("*\"'([ ")
    matching = [index for index, option in enumerate(options) if _starts_with(text, option)]
    return max(matching, key=lambda index: len(options[index].strip()), default=None)


def _starts_with(text: str, option: str) -> bool:
    """Whether text starts with the option as whole words."""
    head, option = text.casefold(), option.strip().casefold()
    if not option or not head.startswith(option):
        return False
    rest = head[len(option) :]
    return not (rest[:1].isalnum() and option[-1].isalnum())
