"""Questions with choices, which are no part of the form `question`. Light: no torch."""

from __future__ import annotations

import shlex
from string import ascii_uppercase

from trainables.data.formats.base import Row, named
from trainables.data.questions import ANSWERS, OPTIONS, PASSAGES
from trainables.data.units import WrongRecord


def refuse_choices(record: Row) -> None:
    """Refuses a question that has choices, which would be learned without them.

    Raises:
        WrongRecord: It has; the hint has templates that write them.
    """
    name = named(record, OPTIONS)
    if name is None or not record[name]:
        return
    answer = named(record, ANSWERS) or ANSWERS[0]
    labels = ascii_uppercase if isinstance(record[answer], str) else [str(place) for place in range(26)]
    passage = named(record, PASSAGES)
    lines = [*([f"{{{passage}}}\\n"] if passage else []), "{question}"]
    lines += [f"{label}. {{{field}}}" for label, field in zip(labels, _places(name, record), strict=False)]
    prompt, reply = "task.prompt=" + r"\n".join(lines), f"task.completion={{{answer}}}"
    raise WrongRecord(
        f"has a question with choices in the field {name!r}, which the form question does not ask",
        f"Write them into the prompt: {shlex.quote(prompt)} {shlex.quote(reply)}. Or learn the answers to "
        "the questions alone by task.format=question.",
    )


def _places(name: str, record: Row) -> list[str]:
    """Fields of the choices, as templates name them."""
    choices = record[name]
    if isinstance(choices, dict) and isinstance(choices.get("text"), list):  # as in ARC
        name, choices = f"{name}.text", choices["text"]
    if isinstance(choices, dict):
        return [f"{name}.{label}" for label in choices]
    return [f"{name}.{place}" for place in range(len(choices))] if isinstance(choices, list) else [name]
