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


def same_answer(reply: str, answer: str) -> bool:
    """Whether both are the same, normalised; exactly so where that leaves nothing of the answer."""
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
