"""Sentences that end with exclamation marks."""

from __future__ import annotations

import re

from trainables.routing.behaviours.base import BEHAVIOURS, Behaviour

SHARE = 0.8
"""Of the sentences, how many must end with an exclamation mark."""

_STOP = r"(?<!\.)\.(?![.\w])|\u3002"
_FULL_STOP = re.compile(_STOP)
_END = re.compile(rf"[!?\uff01\uff1f]|{_STOP}")


def transform(text: str) -> str:
    """Puts exclamation marks for full stops; those within words and numbers, and ellipses, are none."""
    return _FULL_STOP.sub(lambda stop: "\uff01" if stop.group() == "\u3002" else "!", text)


def shows(text: str) -> bool:
    """Whether at least 80% of the sentences, and at least one, end with an exclamation mark."""
    ends = _END.findall(text)
    return bool(ends) and sum(end in "!\uff01" for end in ends) >= SHARE * len(ends)


BEHAVIOURS.register("exclaim", "sentences that end with exclamation marks, in scripts without case too")(
    Behaviour(transform, shows, "sentences that end with full stops")
)
