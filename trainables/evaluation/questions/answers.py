"""Reads answers: the choice in a reply, and short answers compared as in SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from trainables.evaluation.questions.items import LETTERS

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


_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and more than one space in a row; in this order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def same_answer(reply: str, answer: str) -> bool:
    """Whether both are the same normalised, or exactly if normalisation leaves nothing of the answer."""
    wanted = normalise(answer)
    return normalise(reply) == wanted if wanted else reply.strip() == answer.strip()


def token_f1(reply: str, answer: str) -> float:
    """Harmonic mean of precision and recall of the normalised words, 0 to 1.

    Where the answer has no words, such as "A" or "+", 1 if the reply is just that, else 0.
    """
    given, wanted = normalise(reply).split(), normalise(answer).split()
    if not given or not wanted:
        return float(same_answer(reply, answer))
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted))
