"""What `slots=auto` chooses, against every number of slots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.gpu.shapes import model, started, work
from benchmarks.packing.loops import fitting, in_turn
from benchmarks.packing.meter import release
from benchmarks.packing.packs import choose
from benchmarks.packing.work import Work
from trainables.lora.pack import PassLimits

NEAR = 0.9
"""Aim: the chosen number of slots has this share of the best throughput, and no less than plain PEFT's."""

RANK = 16
SLOTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
CELLS = ((1, 256), (4, 256), (1, 1024), (16, 256), (4, 1024), (16, 1024))
"""Batch size and length, the most telling first."""

_SECONDS = 0.4
"""Of the steps by which a number of slots is measured, at least."""


def run(stage: Stage) -> Iterator[Row]:
    """A row for each batch size and length."""
    base = model(stage, "1.5b")
    cells = ((4, 16),) if stage.rehearse else CELLS
    slots = (1, 2, 4) if stage.rehearse else SLOTS
    for index, (batch_size, length) in enumerate(cells):
        row: Row = {"batch_size": batch_size, "length": length, "rank": RANK}
        room = stage.remaining() / (len(cells) - index)
        if room < 0:
            yield row | {"skipped": "no time left"}
            continue
        given = work(base, slots[-1], batch_size, length, RANK)
        yield row | _chosen(given, slots, time.monotonic() + room)


def _chosen(given: Work, slots: tuple[int, ...], until: float) -> Row:
    single = replace(given, trials=given.trials[:1], steps=4)
    plain = single.tokens / fitting(in_turn, single, None).seconds
    began = time.monotonic()
    choice = choose(given)
    seconds = time.monotonic() - began
    rates: dict[int, float] = {}
    # What was chosen first: it must be known whatever time is left.
    for count in sorted(slots, key=lambda count: (count != choice.slots, count)):
        if rates and (time.monotonic() > until or _past_the_best(rates, count)):
            break
        rate = _rate(replace(given, trials=given.trials[:count]), choice.limits)
        if rate is not None:
            rates[count] = rate
    best = max(rates, key=lambda count: rates[count], default=choice.slots)
    share = rates.get(choice.slots, 0.0) / rates.get(best, 1.0)
    gain = rates.get(choice.slots, 0.0) / plain
    return {
        "chosen": choice.slots,
        "chosen_in_seconds": seconds,
        "best": best,
        "share_of_best": share,
        "to_plain": gain,
        "plain_tokens_per_second": plain,
        "tokens_per_second": {str(count): rates[count] for count in sorted(rates)},
        "why": choice.reason,
        "aim": f"share >= {NEAR}, to plain >= 1",
        "met": share >= NEAR and gain >= 1,
    }


def _past_the_best(rates: dict[int, float], count: int) -> bool:
    """Whether the two largest numbers of slots so far were both clearly slower than the best."""
    smaller = sorted(each for each in rates if each < count)[-2:]
    return len(smaller) == 2 and all(rates[each] < 0.8 * max(rates.values()) for each in smaller)


def _rate(given: Work, limits: PassLimits) -> float | None:
    """Tokens per second of the fastest step of a pack; None where there is no room for it."""
    release(given.device)
    try:
        pack, _ = started(given, limits=limits)
    except torch.OutOfMemoryError:
        return None
    tokens = sum(params.batch_size for params in given.trials) * pack.longest
    pack.step()
    fastest, spent = float("inf"), 0.0
    while spent < _SECONDS:
        began = time.perf_counter()
        pack.step()
        _synchronise(given.device)
        seconds = time.perf_counter() - began
        fastest, spent = min(fastest, seconds), spent + seconds
    return tokens / fastest


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


PART = Part(
    "slots", "slots=auto chooses nearly the fastest number of slots, and none slower than plain PEFT", 80, run
)
