"""Finds wanted questions in training data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple, TypeAlias

from trainables.evaluation.contamination.json_text import legible
from trainables.evaluation.contamination.phrases import (
    announces,
    diverts,
    follows,
    lists,
    spaced,
    tokens,
    wraps,
)
from trainables.evaluation.contamination.wanted import SHORT, Wanted

_INDEXED = 3


How: TypeAlias = Literal["with a right answer", "with another answer", "without an answer"]


class Sighting(NamedTuple):
    """Where a question was found.

    Attributes:
        record: Number of the record, from 0.
        how: What comes with it.
    """

    record: int
    how: How


Found: TypeAlias = dict[Wanted, Sighting]


def in_texts(questions: Sequence[Wanted], texts: Sequence[tuple[int, str]]) -> Found:
    """Those that stand in texts with an answer.

    A text that is nothing but a question answers none. It counts where the next text has the answer, and
    where more of the skill's questions are found: these are then its questions, and no coincidence.

    Args:
        questions: What is looked for.
        texts: Number of the record, and its text.
    """
    index = _Index(questions)
    whole = _by_text(one for one in questions if one.telling)
    found: Found = {}
    alone: Found = {}
    waiting: Sequence[Wanted] = ()
    before = 0
    for record, given in texts:
        text = legible(given)
        parts = tokens(text)
        for one in waiting:
            if one.answered(parts):
                found.setdefault(one, Sighting(before, "with a right answer"))
        _note(found, record, index.answered(text, parts))
        _note(found, record, ((one, False) for one in index.worked(text, parts)))
        waiting, before = whole.get(" ".join(parts), ()), record
        for one in waiting:
            alone.setdefault(one, Sighting(record, "without an answer"))
    different = {(one.skill, tuple(one.question)) for one in found.keys() | alone.keys()}
    together = Counter(skill for skill, _ in different)
    return {one: seen for one, seen in alone.items() if together[one.skill] > 1} | found


def in_completions(questions: Sequence[Wanted], pairs: Sequence[tuple[int, str, str]]) -> Found:
    """Those that stand in prompts and are answered, in whatever words if they are all that is asked.

    Args:
        questions: What is looked for.
        pairs: Number of the record, its prompt and its completion.
    """
    index = _Index(questions)
    bare = _by_text(questions)
    lettered: dict[str, list[Wanted]] = defaultdict(list)
    for one in questions:
        if one.lettered is not None:
            lettered[one.lettered].append(one)
    found: Found = {}
    for record, prompt, completion in pairs:
        asked, reply = tokens(prompt), tokens(completion)
        text = " ".join(asked)
        _note(found, record, index.answered(f"{prompt}\n{completion}", asked + reply))
        _note(found, record, ((one, one.answered(reply)) for one in lettered.get(text, ())))
        _note(found, record, ((one, True) for one in bare.get(text, ()) if one.answered(reply)))
        for one, place in index.places(asked):
            outside = asked[:place] + asked[place + len(one.question) :]
            if one.replied(reply):
                _note(found, record, [(one, True)])
            elif reply and one.telling and wraps(outside):
                _note(found, record, [(one, False)])
    return found


class _Index:
    """Questions by their first words."""

    def __init__(self, questions: Sequence[Wanted]) -> None:
        self._lines: dict[str, list[Wanted]] = defaultdict(list)
        self._begins: dict[tuple[str, ...], dict[Wanted, None]] = defaultdict(dict)
        for one in questions:
            if one.short and one.options and len(one.question) >= _INDEXED:
                self._begins[tuple(one.question[:_INDEXED])][one] = None
            for sought in _sought(one):
                if len(sought) < SHORT:  # so little that it means something only as a line of its own
                    self._lines[" ".join(sought)].append(one)
                else:
                    self._begins[tuple(sought[:_INDEXED])][one] = None

    def answered(self, text: str, parts: Sequence[str]) -> Iterator[tuple[Wanted, bool]]:
        """Questions of a text, whose words these are, and whether a right answer comes after them.

        Where only another answer is announced the question must be telling.
        """
        for line in text.splitlines() if self._lines else ():
            for one in self._lines.get(spaced(line), ()):
                yield one, True
        for one, place in self.places(parts):
            after = parts[place + len(one.question) :]
            if one.answered(after) if not one.short else _answered_shortly(one, after):
                yield one, True
            elif one.telling and announces(after[: one.reach]) and not diverts(parts[:place]):
                yield one, False

    def worked(self, text: str, parts: Sequence[str]) -> Iterator[Wanted]:
        """Long questions that are lines of their own with something on the next line that asks nothing."""
        places = [found for found in self.places(parts) if found[0].telling and found[0].long]
        if not places:
            return
        lines = [line for line in map(tokens, text.splitlines()) if line]
        starts = [0, *accumulate(map(len, lines))]
        for one, place in places:
            end = place + len(one.question)
            first = max(start for start in starts if start <= place)
            if end in starts[:-1] and wraps(parts[first:place]) and not diverts(parts[:place]):
                following = lines[starts.index(end)]
                if following[-1] != "?" and any(token.isalnum() for token in following):
                    yield one

    def places(self, parts: Sequence[str]) -> Iterator[tuple[Wanted, int]]:
        """Questions, and where they begin."""
        for place, key in enumerate(zip(parts, parts[1:], parts[2:], strict=False)):
            for one in self._begins.get(key, ()):
                if parts[place : place + len(one.question)] == one.question:
                    yield one, place


def _answered_shortly(one: Wanted, after: Sequence[str]) -> bool:
    """Whether a short question's options or answer come next, such that both together say enough."""
    return lists(after, one.options) or any(
        follows(after, answer) for answer in one.answers if len(one.question) + len(answer) >= SHORT
    )


def _sought(one: Wanted) -> list[list[str]]:
    """The words by which it is found: its question, with each of its answers where that is short."""
    return [one.question + answer for answer in one.answers] if one.short else [one.question]


def _by_text(questions: Iterable[Wanted]) -> dict[str, list[Wanted]]:
    found: dict[str, list[Wanted]] = defaultdict(list)
    for one in questions:
        found[" ".join(one.question)].append(one)
    return found


def _note(found: Found, record: int, seen: Iterable[tuple[Wanted, bool]]) -> None:
    for one, answered in seen:
        how: How = "with a right answer" if answered else "with another answer"
        found.setdefault(one, Sighting(record, how))
