"""Short answers compared as in SQuAD (Rajpurkar et al., 2016, arXiv:1606.05250)."""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and more than one space in a row; in this order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(reply: str, answer: str) -> float:
    """Harmonic mean of precision and recall of the normalised words, 0 to 1.

    Where either has no words, 1 if neither has any, else 0.
    """
    given, wanted = normalise(reply).split(), normalise(answer).split()
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted))
