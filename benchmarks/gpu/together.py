"""The trials of a subject in packs, which they come to and leave in several ways."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import PeftModel

from benchmarks.gpu.alone import round_start
from benchmarks.gpu.errors import Numbers
from benchmarks.gpu.subjects import Subject
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import PackedTrial
from trainables.serving.base import HeldBase

BAD = LoraParameters(lr=10.0, rank=8, batch_size=2, clip=0.0, warmup=0, seed=99)
"""A trial whose weights soon are as large as can be; norms inside the model keep even that finite."""


class Bench:
    """A pack on a base model of its own."""

    def __init__(self, subject: Subject, dtype: torch.dtype) -> None:
        self.base = HeldBase(subject.base(dtype), checkpointing=subject.checkpointing)
        self.adapters = Adapters(self.base.model, subject.name)
        self.pack = Pack(self.base, self.adapters, subject.examples, subject.steps, PassLimits())
        self._losses: dict[str, list[float]] = {}

    def add(self, name: str, params: LoraParameters) -> PackedTrial:
        """Holds a trial that begins where it does alone."""
        trial = self.pack.add(name, params)
        self._losses[name] = []
        round_start(self.weights(trial).values())
        return trial

    def steps(self, count: int | None = None) -> list[PackedTrial]:
        """Trains until no trial is left, or for a number of steps; the trials that failed."""
        failed: list[PackedTrial] = []
        while self.pack.active and count != 0:
            stepped = self.pack.step()
            failed += [trial for trial, _ in stepped.failed]
            for trial in stepped.reached:
                self._losses[trial.name] += trial.slice.losses
            count = None if count is None else count - 1
        return failed

    def numbers(self, trial: PackedTrial) -> Numbers:
        """What a trial's training gave, which must have come to the step it was to reach."""
        weights = {
            key.replace(f".{trial.name}.", "."): value.detach().clone()
            for key, value in self.weights(trial).items()
        }
        return Numbers(self._losses[trial.name], weights)

    def weights(self, trial: PackedTrial) -> Mapping[str, torch.nn.Parameter]:
        """A trial's adapter by PEFT's names."""
        named = self.base.model.named_parameters()
        return {key: value for key, value in named if "lora_" in key and f".{trial.name}." in key}


def together(subject: Subject, dtype: torch.dtype) -> list[Numbers]:
    """All trials begin and end together."""
    bench = Bench(subject, dtype)
    return _train(bench, subject)


def _train(bench: Bench, subject: Subject) -> list[Numbers]:
    trials = [bench.add(f"t{index}", params) for index, params in enumerate(subject.trials)]
    for trial in trials:
        bench.pack.start(trial, subject.steps)
    assert not bench.steps()
    return [bench.numbers(trial) for trial in trials]


def waves(subject: Subject, dtype: torch.dtype) -> list[Numbers]:
    """Each trial joins three steps after the one before, rests half way, and is removed at its end."""
    bench = Bench(subject, dtype)
    numbers: dict[int, Numbers] = {}
    trials: dict[int, PackedTrial] = {}
    now = 0
    while len(numbers) < len(subject.trials):
        if now % 3 == 0 and (index := now // 3) < len(subject.trials):
            trials[index] = bench.add(f"t{index}", subject.trials[index])
            bench.pack.start(trials[index], subject.steps // 2)
        resting = [trial for trial in trials.values() if trial not in bench.pack.active]
        if now % 4 == 0:
            for trial in resting:
                bench.pack.start(trial, subject.steps)
        assert not bench.steps(1)
        for index, trial in list(trials.items()):
            if trial.step == subject.steps:
                numbers[index] = bench.numbers(trial)
                bench.pack.remove(trials.pop(index))
        now += 1
    return [numbers[index] for index in range(len(subject.trials))]


def diverging(subject: Subject, dtype: torch.dtype) -> list[Numbers]:
    """One trial more, in the midst of the others, computes with numbers that are none, and is dropped."""
    bench = Bench(subject, dtype)
    trials = [bench.add(f"t{index}", params) for index, params in enumerate(subject.trials)]
    for trial in trials:
        bench.pack.start(trial, subject.steps)
    assert not bench.steps(2)
    bad = bench.add("bad", BAD)
    bench.pack.start(bad, subject.steps)
    assert not bench.steps(2)
    for weight in bench.weights(bad).values():
        weight.data.mul_(1e30)
    failed = bench.steps()
    assert failed == [bad], "the trial that was to diverge did not"
    bench.pack.remove(bad)
    return [bench.numbers(trial) for trial in trials]


def resumed(subject: Subject, dtype: torch.dtype) -> list[Numbers]:
    """All stop half way, are saved, and go on in another pack, in another order."""
    first, second = Bench(subject, dtype), Bench(subject, dtype)
    numbers: dict[int, Numbers] = {}
    with TemporaryDirectory() as name:
        trials = [first.add(f"t{index}", params) for index, params in enumerate(subject.trials)]
        for trial in trials:
            first.pack.start(trial, subject.steps // 2)
        assert not first.steps()
        for trial in trials:
            (Path(name) / trial.name).mkdir()
            first.pack.save(trial, Path(name) / trial.name)
        halves = [first.numbers(trial).losses for trial in trials]
        later = {index: second.add(f"t{index}", subject.trials[index]) for index in _reversed(trials)}
        for trial in later.values():
            second.pack.load(trial, Path(name) / trial.name, subject.steps // 2)
            second.pack.start(trial, subject.steps)
        assert not second.steps()
        for index, trial in later.items():
            after = second.numbers(trial)
            numbers[index] = Numbers(halves[index] + after.losses, after.weights)
    return [numbers[index] for index in range(len(trials))]


def read_by_peft(subject: Subject, dtype: torch.dtype) -> float:
    """The largest difference of logits after training, between a pack and PEFT with what the pack saved.

    Returns:
        Relative to the largest logit, for the trial that differs most.
    """
    bench = Bench(subject, dtype)
    trials = [bench.add(f"t{index}", params) for index, params in enumerate(subject.trials)]
    for trial in trials:
        bench.pack.start(trial, subject.steps)
    assert not bench.steps()
    bench.adapters.arrange([trial.name for trial in trials])
    tokens = torch.arange(16, device=bench.base.device).repeat(len(trials), 1)
    with torch.no_grad(), bench.adapters.active(len(trials)), TemporaryDirectory() as name:
        bench.adapters.lay_out_active([1] * len(trials))
        packed = bench.base.logits(tokens)
        worst = 0.0
        for row, trial in enumerate(trials):
            bench.adapters.save(trial.name, Path(name))
            peft = PeftModel.from_pretrained(subject.base(dtype), name)
            with torch.autocast(tokens.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                alone = peft(input_ids=tokens[:1], use_cache=False).logits[0]
            difference = (packed[row].float() - alone.float()).abs().max() / alone.float().abs().max()
            worst = max(worst, float(difference))
    return worst


def _reversed(trials: Sequence[PackedTrial]) -> list[int]:
    return list(reversed(range(len(trials))))


def short_of_memory(subject: Subject, dtype: torch.dtype) -> tuple[list[Numbers], str]:
    """All together, where the device has too little memory for all of them in one pass.

    Returns:
        The numbers, and what a pass held.

    Raises:
        AssertionError: Memory did not run out.
    """
    device = next(subject.model.parameters()).device
    whole = Bench(subject, dtype)
    before, peak = _peak(whole, subject, device)
    del whole
    gc.collect()
    torch.cuda.empty_cache()
    bench = Bench(subject, dtype)
    _, total = torch.cuda.mem_get_info(device)
    room = torch.cuda.memory_reserved(device) + (peak - before) // 2
    torch.cuda.set_per_process_memory_fraction(room / total, device)
    try:
        numbers = _train(bench, subject)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    limit = bench.pack.limits.tokens
    assert limit is not None, "memory was to run out, and did not"
    return numbers, f"of {limit} tokens at most, for want of memory"


def _peak(bench: Bench, subject: Subject, device: torch.device) -> tuple[int, int]:
    """Bytes reserved before and at the most during training."""
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)
    _train(bench, subject)
    return before, torch.cuda.max_memory_reserved(device)
