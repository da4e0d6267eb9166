"""Trials on a shared base: saved and taken up again, out of memory, and nothing else touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from tests.trainables.packs import EXAMPLES, TOTAL, Bench
from tests.trainables.small import tiny_llama
from trainables.data.order import DataOrder
from trainables.errors import OutOfMemoryError
from trainables.lora.adapters import WEIGHTS
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial


@pytest.fixture(scope="module")
def bench(group_of_one: None) -> Bench:
    return Bench(torch.float32)


def train(pack: Pack, trial: LoraTrial, until: int) -> list[float]:
    pack.start(trial, until)
    while trial in pack.active:
        pack.step()
    return list(trial.slice.losses)


def logits(bench: Bench, trial: LoraTrial | None) -> torch.Tensor:
    tokens = torch.arange(10)[None]
    with torch.no_grad():
        if trial is None:
            return bench.base.model(input_ids=tokens).logits  # type: ignore[no-any-return]
        bench.adapters.arrange([trial.name])
        with bench.adapters.active(1):
            bench.adapters.lay_out_active([1])
            return bench.base.model(input_ids=tokens).logits  # type: ignore[no-any-return]


def test_a_saved_trial_goes_on_in_another_pack_as_if_it_had_not_stopped(bench: Bench, tmp_path: Path) -> None:
    params = LoraParameters(lr=5e-3, rank=4, dropout=0.2, batch_size=5, seed=11, weight_decay=0.1)
    pack = bench.pack()
    through = train(pack, pack.add("one", params), 9)
    pack = bench.pack()
    first = pack.add("b", params)
    train(pack, first, 4)
    pack.save(first, tmp_path)
    pack = bench.pack(PassLimits(examples=2))
    other = pack.add("c", LoraParameters(lr=1e-3, rank=9, batch_size=7, target_modules="mlp"))
    again = pack.add("d", params)
    pack.load(again, tmp_path, step=4)
    pack.start(other, TOTAL)
    assert train(pack, again, 9) == pytest.approx(through[4:], rel=1e-5)


def test_a_trial_that_waits_for_a_decision_neither_trains_nor_decays(bench: Bench) -> None:
    pack = bench.pack()
    waiting = pack.add("waiting", LoraParameters(lr=1e-2, rank=3, weight_decay=0.5, batch_size=7))
    train(pack, waiting, 3)
    held = bench.adapters.parameters("waiting") | bench.adapters.moments("waiting")
    before = {name: value.detach().clone() for name, value in held.items()}
    train(pack, pack.add("other", LoraParameters(lr=1e-2, rank=8, weight_decay=0.5)), 5)
    held = bench.adapters.parameters("waiting") | bench.adapters.moments("waiting")
    for name, value in held.items():
        assert torch.equal(value, before[name]), name


def test_saved_adapter_loads_with_plain_peft_and_gives_the_same_logits(bench: Bench, tmp_path: Path) -> None:
    pack = bench.pack()
    params = LoraParameters(lr=1e-2, rank=5, rslora=True, alpha=7, target_modules="mlp")
    trial = pack.add("one", params)
    pack.start(pack.add("wider", LoraParameters(rank=9)), 5)
    train(pack, trial, 5)
    pack.save(trial, tmp_path)
    with torch.no_grad():
        model = PeftModel.from_pretrained(tiny_llama(), str(tmp_path)).eval()
        plain = model(input_ids=torch.arange(10)[None]).logits
    torch.testing.assert_close(plain, logits(bench, trial), rtol=1e-5, atol=1e-6)
    assert all(".one." not in key for key in load_file(tmp_path / WEIGHTS))


def test_the_base_is_as_it_was(bench: Bench) -> None:
    pack = bench.pack()
    before = logits(bench, None)
    trial = pack.add("one", LoraParameters(lr=1e-2))
    train(pack, trial, 5)
    assert not torch.allclose(logits(bench, trial), before, atol=1e-3)
    assert torch.equal(logits(bench, None), before)
    pack.remove(trial)
    assert torch.equal(logits(bench, None), before)


@pytest.fixture
def small_device(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device that has memory for 60 tokens in a pass; the tokens of each pass that ran."""
    forward, ran = bench.base.model.forward, []

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.numel() > 60:
            raise torch.OutOfMemoryError("no memory")
        ran.append(input_ids.numel())
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(bench.base.model, "forward", limited)
    return ran


def test_out_of_memory_shrinks_the_passes_and_loses_no_trial(
    bench: Bench, small_device: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [LoraParameters(lr=5e-3, rank=rank, batch_size=rank, seed=rank) for rank in (2, 4, 7)]
    pack = bench.pack()
    trials = [pack.add(f"t{index}", params) for index, params in enumerate(wanted)]
    for trial in trials:
        pack.start(trial, 4)
    while pack.active:
        assert not pack.step().failed
    assert pack.limits.tokens is not None
    assert max(small_device) <= 60
    together = [list(trial.slice.losses) for trial in trials]
    monkeypatch.undo()
    for params, losses in zip(wanted, together, strict=True):
        pack = bench.pack()
        assert losses == pytest.approx(train(pack, pack.add("alone", params), 4), rel=1e-5)


def test_only_a_trial_whose_single_example_is_too_large_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max(len(example.input_ids) for example in EXAMPLES)
    forward = bench.base.model.forward

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.numel() >= longest:
            raise torch.OutOfMemoryError("no memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(bench.base.model, "forward", limited)
    pack = bench.pack()
    trials = [pack.add(f"t{seed}", LoraParameters(batch_size=1, seed=seed)) for seed in range(6)]
    meets = []
    for trial in trials:
        order = DataOrder(trial.params.seed, len(EXAMPLES), 1)
        meets.append(any(len(EXAMPLES[order.batch(step)[0]].input_ids) == longest for step in range(4)))
        pack.start(trial, 4)
    failed = []
    while pack.active:
        failed += pack.step().failed
    assert 0 < sum(meets) < len(trials)
    assert [any(trial is lost for lost, _ in failed) for trial in trials] == meets
    assert all(trial.step == 4 for trial, too_long in zip(trials, meets, strict=True) if not too_long)
    assert all(isinstance(error, OutOfMemoryError) for _, error in failed)
