"""Finds wanted questions in training data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Literal, NamedTuple, TypeAlias

from trainables.evaluation.wanted import SHORT, Wanted, announces, follows, spaced, tokens, wraps

TEMPLATE = 3
"""Prompts with the same words around what they ask, at least, for these to be a template."""

_INDEXED = 3

_Frame: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""What stands before a question in a prompt, and after it."""


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
    for record, text in texts:
        parts = tokens(text)
        for one in waiting:
            if one.answered(parts[: one.reach]):
                found.setdefault(one, Sighting(before, "with a right answer"))
        _note(found, record, index.answered(text, parts))
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
    framed: list[tuple[int, Wanted, _Frame]] = []
    for record, prompt, completion in pairs:
        asked, reply = tokens(prompt), tokens(completion)
        text = " ".join(asked)
        _note(found, record, index.answered(f"{prompt}\n{completion}", asked + reply))
        _note(found, record, ((one, one.answered(reply)) for one in lettered.get(text, ())))
        _note(found, record, ((one, True) for one in bare.get(text, ()) if one.answered(reply)))
        for one, place in index.asked(asked):
            framed.append((record, one, (tuple(asked[:place]), tuple(asked[place + len(one.question) :]))))
    templates = _templates({frame for _, one, frame in framed if one not in found}, pairs)
    for record, one, frame in framed:
        if frame in templates:
            found.setdefault(one, Sighting(record, "with another answer"))
    return found


class _Index:
    """Questions by their first words."""

    def __init__(self, questions: Sequence[Wanted]) -> None:
        self._lines: dict[str, list[Wanted]] = defaultdict(list)
        self._begins: dict[tuple[str, ...], dict[Wanted, None]] = defaultdict(dict)
        for one in questions:
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
        for one, place in self._places(parts):
            after = parts[place + len(one.question) :]
            near = after[: one.reach]
            if any(follows(near, answer) for answer in one.answers) if one.short else one.answered(near):
                yield one, True
            elif one.telling and announces(near):
                yield one, False

    def asked(self, parts: Sequence[str]) -> Iterator[tuple[Wanted, int]]:
        """The places of telling questions."""
        return (found for found in self._places(parts) if found[0].telling)

    def _places(self, parts: Sequence[str]) -> Iterator[tuple[Wanted, int]]:
        for place, key in enumerate(zip(parts, parts[1:], parts[2:], strict=False)):
            for one in self._begins.get(key, ()):
                if parts[place : place + len(one.question)] == one.question:
                    yield one, place


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


def _templates(frames: Set[_Frame], pairs: Iterable[tuple[int, str, str]]) -> set[_Frame]:
    """Those frames that are made of template words, or that enough of the prompts have."""
    known = {frame for frame in frames if wraps([*frame[0], *frame[1]])}
    counts = dict.fromkeys(frames - known, 0)
    sizes = {(len(before), len(after)) for before, after in counts}
    for _, prompt, _ in pairs if counts else ():
        parts = tuple(tokens(prompt))
        for before, after in sizes:
            frame = parts[:before], parts[len(parts) - after :]
            if before + after < len(parts) and frame in counts:
                counts[frame] += 1
    return known | {frame for frame, count in counts.items() if count >= TEMPLATE}
