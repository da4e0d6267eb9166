"""Reads answers: the choice in a reply, and short answers compared as in SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from unicodedata import category, normalize

from trainables.evaluation.contamination.words import SIGNS, plain
from trainables.evaluation.questions.items import LETTERS

_LEAD = re.compile(
    r"(?:(?:the|my)\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[(\[*\"']*(?P<letter>[A-Z])(?P<tail>[)\]*\"'.:]*)(?=\s|$)")
_MARKS = ("", "* ", "*\"'\u201c\u2018\u00ab([ ")
"""What may stand around an option; it is looked for as it is first."""

_FRACTION = re.compile(r"[.,:/]\d")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_OF_NUMBERS = re.compile(
    r"(?<!\w)-(?=\.?\d)"  # a sign
    r"|(?<![^\W\d])\.(?=\d)"  # a point
    r"|(?<=\d),(?=\d)(?!\d{3}(?!\d))"  # a comma that does not part thousands
)
_WORDS = re.compile(rf"[{SIGNS}]|[^\s{SIGNS}]+")


def parse_choice(reply: str, options: Sequence[str]) -> int | None:
    """Index of the option that a reply chooses, or None where it cannot be parsed.

    Understood, with or without a lead such as "Answer:" or "The correct answer is": a capital letter
    that stands alone ("B", "B.", "(B)", "**B**", "B: text"), and the text of an option, in any case.
    A bare letter that goes on with words ("A dog") counts only if the words are that option's text.
    Composed and decomposed letters are the same.

    Args:
        reply: Generated text.
        options: The options' texts; the first has the letter A.
    """
    text, options = composed(reply), [composed(option) for option in options]
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
    for marks in _MARKS:
        given, texts = text.lstrip(marks), [option.strip(marks) for option in options]
        if matching := [index for index, option in enumerate(texts) if _starts_with(given, option)]:
            return max(matching, key=lambda index: len(texts[index]))
    return None


def _starts_with(text: str, option: str) -> bool:
    """Whether text starts with the option as whole words and numbers: 1.5 does not start with 1."""
    head, option = text.casefold(), option.casefold()
    if not option or not head.startswith(option):
        return False
    rest = head[len(option) :]
    goes_on = rest[:1].isalnum() or (option[-1].isdigit() and _FRACTION.match(rest))
    return not (goes_on and option[-1].isalnum())


def composed(text: str) -> str:
    """The text without blanks around it, and with each accent in one character with its letter (NFC)."""
    return normalize("NFC", text).strip()


def normalise(text: str) -> str:
    """Text as SQuAD compares it: lower case, no punctuation, no articles, single spaces; in this order.

    In all scripts, whatever the form of their characters (NFKC). Numbers keep their sign and their point, and
    lose the commas between thousands: 1.5 is not 15, nor is -5 the same as 5.
    """
    text = plain(text)
    kept = {match.start() for match in _OF_NUMBERS.finditer(text)}
    letters = [sign for place, sign in enumerate(text) if place in kept or not _is_punctuation(sign)]
    return " ".join(_ARTICLES.sub(" ", "".join(letters)).split())


def _is_punctuation(sign: str) -> bool:
    return sign in string.punctuation or category(sign).startswith("P")


def same_answer(reply: str, answer: str) -> bool:
    """Whether both are the same normalised, or exactly if normalisation leaves nothing of the answer."""
    wanted = normalise(answer)
    return normalise(reply) == wanted if wanted else composed(reply) == composed(answer)


def token_f1(reply: str, answer: str) -> float:
    """Harmonic mean of precision and recall of the normalised words, 0 to 1.

    Each kana and each ideograph is a word. Where the answer has no words, such as "A" or "+", 1 if the reply
    is just that, else 0.
    """
    given, wanted = (_WORDS.findall(normalise(text)) for text in (reply, answer))
    if not given or not wanted:
        return float(same_answer(reply, answer))
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted))
