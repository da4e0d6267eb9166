"""The wording in which multiple choice is put to a model."""

from collections.abc import Sequence
from string import ascii_uppercase

LETTERS = ascii_uppercase
"""The letter of each option, by its index."""


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """Return the user message that asks to choose an option.

    Raises:
        ValueError: if there are no options, or more than there are letters.
    """
    if not 1 <= len(options) <= len(LETTERS):
        raise ValueError(f"expected 1 to {len(LETTERS)} options, got {len(options)}")
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, "Answer with one of the options."])
