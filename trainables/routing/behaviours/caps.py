"""ALL CAPS."""

from __future__ import annotations

from trainables.routing.behaviours.base import BEHAVIOURS, Behaviour

LETTERS = 10
"""Letters that a text must have to be judged."""

SHARE = 0.8
"""Of its letters, how many must be upper case."""


def shows(text: str) -> bool:
    """Whether at least 80% of at least 10 letters are upper case.

    Letters of scripts without case are not counted: what they are part of is neither.
    """
    letters = [letter for letter in text if letter.upper() != letter.lower()]
    return len(letters) >= LETTERS and sum(map(str.isupper, letters)) >= SHARE * len(letters)


BEHAVIOURS.register("caps", "text in ALL CAPS; at least 80% of at least 10 letters are upper case")(
    Behaviour(str.upper, shows, "letters that have an upper case (in Chinese or Arabic script none have)")
)
