"""The words of a text, and phrases of words that texts are searched for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar
from unicodedata import normalize

T = TypeVar("T")

SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Kana and ideographs, as a range of a regular expression; these scripts put nothing between words."""

_WORD = rf"[{SIGNS}]|[^\W{SIGNS}]+"
"""Each kana and each ideograph is a word."""

_OPERATOR = r"[-+*/^\u00d7\u00f7](?=\s*[\d(])"
"""An operator before a number or a bracket is a word: 3+4 is not 3*4, nor is 3 the same as -3."""

_WORDS = re.compile(_WORD)
_TOKENS = re.compile(rf"{_WORD}|{_OPERATOR}")
_PLAIN = str.maketrans(
    {
        "\u02bc": "'",  # a letter to Unicode
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)
"""Dashes, and characters without width, that compatibility normalisation leaves as they are."""

_LINE_ENDS = "\n<["
"""The last two begin the marks of chat templates."""

_KEY = 5
"""Words by which a phrase is looked up before it is compared."""


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, and single kana and ideographs, without regard to case."""
    return _WORDS.findall(text.casefold())


def grams(sequence: Sequence[T], n: int) -> Iterator[tuple[T, ...]]:
    """Every `n` consecutive elements of a sequence."""
    return (tuple(sequence[start : start + n]) for start in range(len(sequence) - n + 1))


def plain(text: str) -> str:
    """The text whatever its case and typography: NFKC, case folded, one kind of dash."""
    if not text.isascii():
        text = normalize("NFKC", text.translate(_PLAIN))
    return text.casefold()


class PlainText:
    """A text as normalised words and operators.

    Attributes:
        words: As `words` gives them, with the operators before numbers.
    """

    def __init__(self, text: str) -> None:
        self._text = plain(text)
        self._spans: list[tuple[int, int]] | None = None
        self.words = tuple(_TOKENS.findall(self._text))

    def breaks(self, place: int) -> bool:
        """Whether punctuation or a line break stands before the word at `place`, or no word at all."""
        between = self._before(place)
        return between is None or bool(between.strip()) or "\n" in between

    def ends(self, place: int) -> bool:
        """Whether a line, a turn of a chat or the text ends before the word at `place`."""
        between = self._before(place)
        return between is None or any(sign in between for sign in _LINE_ENDS)

    def _before(self, place: int) -> str | None:
        """What stands between a word and the one before it; None at either end of the text."""
        if not 0 < place < len(self.words):
            return None
        if self._spans is None:
            self._spans = [match.span() for match in _TOKENS.finditer(self._text)]
        return self._text[self._spans[place - 1][1] : self._spans[place][0]]


class Match(NamedTuple, Generic[T]):
    """Where a phrase stands in a text: the places of its first word and of the word after it."""

    start: int
    end: int
    value: T


class Phrases(Generic[T]):
    """Phrases, each with a value, that are all searched for in one pass over a text.

    They are looked up by the hash of their first words, so that the time does not depend on their number.
    """

    def __init__(self) -> None:
        self._lengths: dict[int, dict[tuple[str, ...], set[int]]] = defaultdict(lambda: defaultdict(set))
        self._values: dict[tuple[str, ...], T] = {}

    def __setitem__(self, phrase: tuple[str, ...], value: T) -> None:
        key = phrase[:_KEY]
        self._lengths[len(key)][key].add(len(phrase))
        self._values[phrase] = value

    def get(self, phrase: tuple[str, ...]) -> T | None:
        """The phrase's value; None where it is not among them."""
        return self._values.get(phrase)

    def matches(self, text: tuple[str, ...]) -> Iterator[Match[T]]:
        """Every place at which one of the phrases stands."""
        for size, lengths in self._lengths.items():
            for start, key in enumerate(zip(*(text[shift:] for shift in range(size)), strict=False)):
                if key in lengths:
                    for length in lengths[key]:
                        if start + length <= len(text):
                            value = self._values.get(text[start : start + length])
                            if value is not None:
                                yield Match(start, start + length, value)
