"""Where the time of a packed step goes, by kind of operation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.packing.meter import synchronise

BASE = "base products"
HEAD = "output head products"
ADAPTERS = "adapter products"
BESIDE = "adapters, beside their products"
ATTENTION = "attention"
SUMS = "sums of gradients"
OPTIMIZER = "optimizer"
LOSS = "loss"
OTHER = "other elementwise"
KINDS = (BASE, HEAD, ATTENTION, ADAPTERS, BESIDE, SUMS, OPTIMIZER, LOSS, OTHER)
"""Sums of gradients are autograd's, where an activation has several uses. The optimizer's part is all that is
done to the adapters' storage as a whole: also zeroing gradients, norms and low-precision copies."""

_NEEDED = frozenset({BASE, HEAD, ATTENTION})
"""What the base model takes in any case."""

_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
_ENGINE = "autograd::engine::evaluate_function"
_ADAPTER = "_Packed"


@dataclass(frozen=True)
class Sizes:
    """Sizes of dimensions that tell what a tensor is.

    Attributes:
        vocabulary: The last of logits.
        columns: Those of the adapters' storage; of gradients and of weights.
    """

    vocabulary: int
    columns: frozenset[int]


def kind_of(name: str, above: Sequence[str], shapes: Sequence[Sequence[int]], sizes: Sizes) -> str:
    """The kind of an operation.

    Args:
        name: Its own name.
        above: Names of the operations that called it, the nearest first.
        shapes: Of its inputs; empty for those that are not tensors.
        sizes: See `Sizes`.
    """
    names = (name, *above)
    in_adapter = any(each.startswith(_ADAPTER) for each in names)
    if any("scaled_dot_product" in each for each in names):
        return ATTENTION
    if any(each.startswith(_PRODUCTS) for each in names):
        if any(sizes.vocabulary in shape for shape in shapes):
            return HEAD
        batched = any(each.startswith(("aten::bmm", "aten::baddbmm")) for each in names)
        return ADAPTERS if batched and in_adapter else BASE
    last = {shape[-1] for shape in shapes if shape}
    if last & sizes.columns:
        return OPTIMIZER
    if sizes.vocabulary in last or any("nll_loss" in each or "log_softmax" in each for each in names):
        return LOSS
    if in_adapter:
        return BESIDE
    if name.startswith("aten::add") and above and above[0].startswith(_ENGINE):
        return SUMS
    return OTHER


@dataclass
class Spent:
    """Of operations of one kind or name."""

    seconds: float = 0.0
    launches: int = 0


@dataclass
class Account:
    """Of one step.

    Attributes:
        wall: Seconds of a step that nobody looked at.
        kinds: By kind.
        operators: By kind and name.
        launched: Whether the device runs kernels that are launched; a CPU runs each at once.
    """

    wall: float
    launched: bool
    kinds: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    operators: dict[tuple[str, str], Spent] = field(default_factory=lambda: defaultdict(Spent))

    @property
    def busy(self) -> float:
        """Seconds of all operations."""
        return sum(spent.seconds for spent in self.kinds.values())

    @property
    def launches(self) -> int:
        """Number of kernels; on a CPU of calls, and those that they make in turn."""
        return sum(spent.launches for spent in self.kinds.values())

    @property
    def gaps(self) -> float:
        """Share of the time without a kernel; one after another, for they are all on one stream."""
        return max(0.0, 1 - self.busy / self.wall)

    def add(self, kind: str, name: str, seconds: float, launches: int) -> None:
        """Counts an operation."""
        for spent in (self.kinds[kind], self.operators[kind, name]):
            spent.seconds += seconds
            spent.launches += launches

    def top(self, count: int) -> str:
        """The operators that take most, one a line."""
        most = sorted(self.operators.items(), key=lambda each: -each[1].seconds)[:count]
        width = max(len(kind) for kind in KINDS)
        lines = [f"{'ms':>9} {'share':>6} {'launches':>8}  {'kind':<{width}}  operator"]
        lines += [
            f"{1e3 * spent.seconds:9.2f} {spent.seconds / self.busy:6.1%} {spent.launches:8,}"
            f"  {kind:<{width}}  {name}"
            for (kind, name), spent in most
        ]
        return "\n".join(lines)

    def verdict(self) -> str:
        """In one sentence, what takes most after the base model's own work."""
        kind, spent = max(
            ((kind, spent) for kind, spent in self.kinds.items() if kind not in _NEEDED),
            key=lambda each: each[1].seconds,
        )
        needed = sum(self.kinds[each].seconds for each in _NEEDED) / self.busy
        text = f"The base model's own products and attention take {needed:.0%} of the operations' time"
        after = spent.seconds / self.busy
        if self.launched and self.gaps > after:
            return f"{text}; the device waits {self.gaps:.0%} of the step for {self.launches:,} launches."
        return f"{text}; most after them is: {kind}, {after:.0%} in {spent.launches:,} launches."


def account(step: Callable[[], object], device: torch.device, wall: float, sizes: Sizes) -> Account:
    """Profiles one step.

    Args:
        step: It has been warmed up.
        device: Where it computes; on a CPU the time is the processor's.
        wall: Seconds of a step that is not profiled.
        sizes: See `Sizes`.
    """
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    synchronise(device)
    with profile(activities=activities, record_shapes=True) as profiled:
        step()
        synchronise(device)
    return _counted(profiled.events() or (), cuda, wall, sizes)


def _counted(events: Iterable[Any], cuda: bool, wall: float, sizes: Sizes) -> Account:
    made = Account(wall, cuda)
    for event in events:
        if event.device_type.name != "CPU":
            continue  # kernels, which are listed with the operations that launched them too
        micros = event.self_device_time_total if cuda else event.self_cpu_time_total
        launches = len(event.kernels) if cuda else 1
        if micros or launches:
            above = _above(event)
            made.add(
                kind_of(event.name, above, event.input_shapes, sizes), event.name, micros / 1e6, launches
            )
    return made


def _above(event: Any) -> list[str]:
    names, parent = [], event.cpu_parent
    while parent is not None:
        names.append(parent.name)
        parent = parent.cpu_parent
    return names
