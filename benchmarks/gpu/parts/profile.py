"""What a packed step spends its time on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.gpu.operators import KINDS, Account, Sizes, account
from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.packing.bases import SHAPES, miniature, random_base, random_examples
from benchmarks.packing.meter import release
from benchmarks.packing.packs import ONE_PASS
from benchmarks.packing.standing import Repeats, StandingPack
from benchmarks.packing.work import Work, make_trials
from trainables.lora.arena import EXTRA

_TOP = 18
"""Operators that are listed."""


@dataclass(frozen=True)
class Cell:
    """A step of so many trials of one rank, each with one example of this length."""

    model: str
    length: int
    slots: int
    rank: int
    seconds: float
    """Without which it is not worth starting."""


CELLS = (Cell("1.5b", 256, 16, 16, 0.0), Cell("8b", 1024, 8, 32, 16.0))
REHEARSED = (Cell("1.5b", 8, 2, 4, 0.0),)


def run(stage: Stage) -> Iterator[Row]:
    """See `Part`."""
    for cell in REHEARSED if stage.rehearse else CELLS:
        if stage.remaining() < cell.seconds:
            yield {"model": cell.model, "skipped": "no time left"}
            continue
        yield from _rows(cell, _account(cell, stage))
        release(stage.device)


def _account(cell: Cell, stage: Stage) -> Account:
    shape = miniature(SHAPES[cell.model]) if stage.rehearse else SHAPES[cell.model]
    model = random_base(shape, stage.device)
    examples = random_examples(str(cell.length), shape.vocab_size)
    work = Work(model, examples, make_trials(cell.slots, 1, (cell.rank,)), warm=1, steps=1)
    standing = StandingPack(work)
    trials = standing.trials(work.trials, work.examples)
    wall = standing.measure(trials, ONE_PASS, Repeats(seconds=2.0)).seconds
    for trial in trials:
        standing.pack.start(trial, trial.step + 10)
    columns = standing.columns
    sizes = Sizes(shape.vocab_size, frozenset({columns, columns + EXTRA}))
    return account(standing.step, stage.device, wall, sizes)


def _rows(cell: Cell, made: Account) -> Iterator[Row]:
    named: Row = {"model": cell.model, "K": cell.slots, "length": cell.length, "rank": cell.rank}
    yield named | {
        "step_seconds": made.wall,
        "operations_seconds": made.busy,
        "gaps": made.gaps if made.launched else None,
        "launches": made.launches,
    }
    for kind in KINDS:
        spent = made.kinds[kind]
        yield {
            "model": cell.model,
            "work": kind,
            "milliseconds": 1e3 * spent.seconds,
            "share": spent.seconds / made.busy,
            "launches": spent.launches,
        }
    yield named | {"text": f"{made.verdict()}\n\n{made.top(_TOP)}"}


PART = Part("profile", "where the time of a packed step goes, and what should be next", 40.0, run)
