"""Reads and tokenises what is trained and measured on. Light: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainables.errors import UserError
from trainables.reconstruction.options import ReadingTask
from trainables.reconstruction.prompts import Prompt, Prompting
from trainables.reconstruction.records import Reading, others, read_readings

_UNBOUNDED = 2**31
_LEAST = 2


@dataclass(frozen=True)
class Question:
    """A reading as tokens.

    Attributes:
        answers: Tokens of each right answer with their end; of training questions, of the first one alone.
    """

    reading: Reading
    prompt: Prompt
    answers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Asked:
    """Held-out prompts in one wording, in the questions' order.

    Attributes:
        prompts: As they are.
        shuffled: With another question's passage.
    """

    prompts: Sequence[Prompt]
    shuffled: Sequence[Prompt]


@dataclass(frozen=True)
class ReadingData:
    """What a worker reads beside the model.

    Attributes:
        train: Questions that are trained on.
        heldout: Those that are measured on.
        partners: Of each of them the index of the one whose passage it gets when contexts are shuffled.
        whole: Their prompts.
        truncated: The same with the first tokens of passages alone.
        ends: Tokens that end a reply.
        most: Tokens of a reply, at most.
        prompting: Wrote the prompts.
        cut_to: Tokens of a passage in `truncated`.
        fingerprint: SHA-256 over all of it, 64 hexadecimal digits.
    """

    train: Sequence[Question]
    heldout: Sequence[Question]
    partners: Sequence[int]
    whole: Asked
    truncated: Asked
    ends: frozenset[int]
    most: int
    prompting: Prompting
    cut_to: int
    fingerprint: str

    def truncated_prompt(self, reading: Reading) -> Prompt:
        """A prompt as those of `truncated` are."""
        return self.prompting.prompt(self.prompting.shortened(reading, self.cut_to))

    @property
    def longest_answer(self) -> int:
        """Tokens of the longest answer that is trained on, with its end."""
        return max(len(question.answers[0]) for question in self.train)

    def recorded(self) -> dict[str, bool | int | float | str]:
        """Numbers that a record keeps of the data."""
        lengths = [question.prompt.length for question in (*self.train, *self.heldout)]
        cut = sum(question.prompt.cut for question in (*self.train, *self.heldout))
        return {
            "train": len(self.train),
            "heldout": len(self.heldout),
            "longest": max(lengths),
            "mean": sum(lengths) / len(lengths),
            "cut": cut,
            "longest_answer": self.longest_answer,
            "max_new_tokens": self.most,
        }


def load_readings(task: ReadingTask, tokenizer: Any, seed: int, context: int | None = None) -> ReadingData:
    """Reads, splits and tokenises the task's questions.

    Args:
        task: What to read.
        tokenizer: The model's.
        seed: The search's seed; it chooses passages that are held out, and questions where they are too many.
        context: Tokens that the model can take; None where it does not say.

    Raises:
        UserError: A file cannot be read, a prompt not be made, too little is left to train or measure on, or
            contexts cannot be shuffled between the questions.
    """
    train, heldout = split_readings(task, seed)
    answering = Prompting(tokenizer, task.template, task.cue, _UNBOUNDED)
    learned = [(answering.answer(reading, reading.answers[0]),) for reading in train]
    accepted = [tuple(answering.answer(each, answer) for answer in each.answers) for each in heldout]
    longest = max(len(ids) for answers in (*learned, *accepted) for ids in answers)
    most = task.max_new_tokens or max(len(ids) for answers in accepted for ids in answers)
    prompting = Prompting(tokenizer, task.template, task.cue, _limit(task, context, max(most, longest)))
    short = [prompting.shortened(reading, task.truncated_tokens) for reading in heldout]
    partners = others(heldout)
    whole, truncated = (_asked(prompting, readings, partners) for readings in (heldout, short))
    asked = [prompting.prompt(reading) for reading in train]
    questions = [Question(*each) for each in zip(train, asked, learned, strict=True)]
    measured = [Question(*each) for each in zip(heldout, whole.prompts, accepted, strict=True)]
    return ReadingData(
        questions,
        measured,
        partners,
        whole,
        truncated,
        prompting.asking.ends(None),
        most,
        prompting,
        task.truncated_tokens,
        _fingerprint([*questions, *measured]),
    )


def split_readings(task: ReadingTask, seed: int) -> tuple[list[Reading], list[Reading]]:
    """Training and held-out readings; no passage is in both.

    Args:
        task: What to read.
        seed: See `load_readings`.

    Raises:
        UserError: A file cannot be read, or too little is left to train or measure on.
    """
    readings = read_readings(task.train, "task.train", task.fields)
    if task.heldout is not None:
        heldout = read_readings(task.heldout, "task.heldout", task.fields)
        known = {reading.passage for reading in heldout}
        shared = sum(reading.passage in known for reading in readings)
        if shared:
            raise UserError(
                f"task.heldout: {shared} training questions are about passages that are measured on.",
                hint="Take these passages out of one of the files, or leave task.heldout out.",
            )
    else:
        order = sorted({each.passage for each in readings}, key=lambda passage: _key(seed, passage))
        held: set[str] = set()
        while order and sum(r.passage in held for r in readings) < task.heldout_fraction * len(readings):
            held.add(order.pop(0))
        heldout = [reading for reading in readings if reading.passage in held]
        readings = [reading for reading in readings if reading.passage not in held]
    train = _chosen(readings, task.samples, seed)
    heldout = _chosen(heldout, task.heldout_examples, seed)
    for part, key in ((train, "task.train"), (heldout, "task.heldout")):
        if len(part) < _LEAST:
            raise UserError(
                f"{key}: {len(part)} questions are left, and at least {_LEAST} are needed.",
                hint="Give more records, or another task.heldout_fraction.",
            )
    return train, heldout


def _chosen(readings: list[Reading], most: int | None, seed: int) -> list[Reading]:
    """At most so many, chosen by the seed, in the file's order."""
    if most is None or most >= len(readings):
        return readings
    drawn = sorted(range(len(readings)), key=lambda i: _key(seed, f"{i} {readings[i].question}"))[:most]
    return [readings[index] for index in sorted(drawn)]


def _key(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed} {text}".encode()).digest()


def _limit(task: ReadingTask, context: int | None, answer: int) -> int:
    room = _UNBOUNDED if context is None else context - answer
    if task.max_length is not None and task.max_length > room:
        raise UserError(
            f"task.max_length: a prompt of {task.max_length} tokens and an answer of {answer} do not fit "
            f"into the model's context of {context}.",
            hint=f"Set task.max_length to {max(1, room)} or less.",
        )
    return task.max_length or room


def _asked(prompting: Prompting, readings: Sequence[Reading], partners: Sequence[int]) -> Asked:
    mixed = [
        Reading(readings[partner].passage, reading.question, reading.answers)
        for reading, partner in zip(readings, partners, strict=True)
    ]
    return Asked([prompting.prompt(each) for each in readings], [prompting.prompt(each) for each in mixed])


def _fingerprint(questions: Iterable[Question]) -> str:
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps([asdict(question)], sort_keys=True).encode())
    return digest.hexdigest()
