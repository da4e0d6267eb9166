"""Evaluation of several adapters together, against PEFT with one adapter after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from transformers import LlamaConfig, Qwen2Config

from benchmarks.evaluation.equal import judge
from benchmarks.evaluation.together import Ours, Questions, Theirs
from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.packing.bases import SHAPES, miniature, random_base, random_examples
from benchmarks.packing.meter import release, synchronise
from benchmarks.packing.work import Work, make_trials

T = TypeVar("T")

_RANKS = (16, 8)


@dataclass(frozen=True)
class Cell:
    """What is measured.

    Attributes:
        model: Name of its shape.
        dtype: Type of its weights.
        adapters: How many.
        prompts: How many.
        lengths: Shortest and longest prompt.
        new_tokens: Length of a reply.
        seconds: Without which it is not worth starting.
    """

    model: str
    dtype: torch.dtype
    adapters: int
    prompts: int
    lengths: tuple[int, int]
    new_tokens: int
    seconds: float


CELLS = (
    Cell("1.5b", torch.bfloat16, 8, 32, (32, 96), 32, 0.0),
    Cell("135m", torch.float32, 4, 16, (16, 64), 16, 8.0),
    Cell("8b", torch.bfloat16, 8, 16, (32, 96), 16, 20.0),
)
REHEARSED = (
    Cell("1.5b", torch.bfloat16, 2, 3, (3, 9), 4, 0.0),
    Cell("135m", torch.float32, 2, 3, (3, 9), 4, 0.0),
)


def run(stage: Stage) -> Iterator[Row]:
    """See `Part`."""
    for cell in REHEARSED if stage.rehearse else CELLS:
        if stage.remaining() < cell.seconds:
            yield {"model": cell.model, "skipped": "no time left"}
            continue
        yield from _rows(cell, stage)
        release(stage.device)


def _rows(cell: Cell, stage: Stage) -> Iterator[Row]:
    shape = _untied(miniature(SHAPES[cell.model]) if stage.rehearse else SHAPES[cell.model])
    model = random_base(shape, stage.device, cell.dtype)
    examples = random_examples("8", shape.vocab_size)
    work = Work(model, examples, make_trials(cell.adapters, 1, _RANKS), warm=0, steps=1)
    ours = Ours(work)
    theirs = Theirs(work, ours)
    questions = _questions(cell, shape.vocab_size)
    facts: Row = {
        "model": cell.model,
        "dtype": str(cell.dtype).removeprefix("torch."),
        "adapters": cell.adapters,
        "prompts": cell.prompts,
    }
    logit, value = theirs.rounding(questions)  # it also warms PEFT up
    yield facts | {"what": "generation"} | _generation(ours, theirs, questions, logit, stage.device)
    yield facts | {"what": "likelihood"} | _likelihood(ours, theirs, questions, value, stage.device)


def _generation(
    ours: Ours, theirs: Theirs, questions: Questions, rounding: float, device: torch.device
) -> Row:
    ours.generate(questions)  # warms up, as does the next
    theirs.generate(replace(questions, new_tokens=2))
    seconds, mine = timed(lambda: ours.generate(questions), device)
    plain, replies = timed(lambda: theirs.generate(questions), device)
    verdict = judge(
        mine,
        replies,
        lambda each: theirs.gap(each, questions, replies[each.adapter][each.prompt]),
        _LEEWAY * rounding,
    )
    return _speed(seconds, plain) | {
        "answers": verdict.replies,
        "differing": verdict.differing,
        "near_ties": verdict.ties,
        "largest_difference": verdict.largest_gap,
        "allowed": verdict.within,
        "aim": "replies differ only where rounding decides between two tokens",
        "met": verdict.equal,
    }


def _likelihood(
    ours: Ours, theirs: Theirs, questions: Questions, rounding: float, device: torch.device
) -> Row:
    ours.score(questions)  # warms up
    seconds, mine = timed(lambda: ours.score(questions), device)
    plain, values = timed(lambda: theirs.score(questions), device)
    pairs = list(zip(np.array(mine), np.array(values), strict=True))
    worst = max(float(abs(own - other).max()) for own, other in pairs)
    differing = sum(int((own.argmax(-1) != other.argmax(-1)).sum()) for own, other in pairs)
    ties = sum(_ties(own, other, 2 * worst) for own, other in pairs)
    allowed = _LEEWAY * rounding
    return _speed(seconds, plain) | {
        "answers": len(mine) * len(questions.prompts),
        "differing": differing,
        "near_ties": ties,
        "largest_difference": worst,
        "allowed": allowed,
        "aim": "log-probabilities differ by no more than rounding explains",
        "met": worst <= allowed and differing == ties,
    }


_LEEWAY = 4
"""Ours and PEFT's numbers have an error each, and the largest error of a few rows is not that of all."""


def _ties(own: np.ndarray, other: np.ndarray, within: float) -> int:
    """How many questions have another answer, where the two options are no further apart than `within`."""
    mine, theirs = own.argmax(-1), other.argmax(-1)
    rows = np.arange(len(own))
    close = other[rows, theirs] - other[rows, mine] <= within
    return int(((mine != theirs) & close).sum())


def _speed(seconds: float, plain: float) -> Row:
    return {"seconds": seconds, "plain_seconds": plain, "ratio": plain / seconds}


def timed(run: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Seconds of a call until the device has finished, and what it returned."""
    synchronise(device)
    began = time.perf_counter()
    returned = run()
    synchronise(device)
    return time.perf_counter() - began, returned


def _untied(shape: LlamaConfig | Qwen2Config) -> LlamaConfig | Qwen2Config:
    """With an output head of its own: where it is the embedding, random models repeat the last token."""
    return type(shape)(**{**shape.to_dict(), "tie_word_embeddings": False})


def _questions(cell: Cell, vocabulary: int) -> Questions:
    draw = np.random.default_rng(0)

    def text(low: int, high: int) -> list[int]:
        return [int(token) for token in draw.integers(1, vocabulary, size=draw.integers(low, high + 1))]

    prompts = [text(*cell.lengths) for _ in range(cell.prompts)]
    options = [[text(1, 6) for _ in range(4)] for _ in prompts]
    return Questions(prompts, options, cell.new_tokens, batch_size=32)


PART = Part(
    "evaluation",
    "adapters evaluated together, against PEFT with one after another: the same answers, and how fast",
    50.0,
    run,
)
