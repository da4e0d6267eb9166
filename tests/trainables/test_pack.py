"""Trials on a shared base: saved and taken up again, out of memory, and nothing else touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from tests.trainables.packs import EXAMPLES, TOTAL, Bench
from tests.trainables.small import tiny_llama
from trainables.data.batches import DataOrder, collate, token_losses
from trainables.data.examples import Example
from trainables.errors import OutOfMemoryError
from trainables.lora.adapters import WEIGHTS, Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.slots import choose_slots
from trainables.lora.trial import LoraTrial
from trainables.serving.base import HeldBase

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize(
    "more", [{"dropout": 0.2}, {"init_lora_weights": "olora", "lr": 1e-3, "loraplus_lr_ratio": 3}]
)
def test_a_saved_trial_goes_on_in_another_pack_as_if_it_had_not_stopped(
    bench: Bench, tmp_path: Path, more: dict[str, Any]
) -> None:
    given = {"lr": 5e-3, "rank": 4, "batch_size": 5, "seed": 11, "weight_decay": 0.1}
    params = LoraParameters.model_validate(given | more)
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
    held = bench.parameters("waiting") | bench.adapters.moments("waiting")
    before = {name: value.detach().clone() for name, value in held.items()}
    train(pack, pack.add("other", LoraParameters(lr=1e-2, rank=8, weight_decay=0.5)), 5)
    held = bench.parameters("waiting") | bench.adapters.moments("waiting")
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
    trial = pack.add("one", LoraParameters(lr=1e-2, init_lora_weights="pissa"))
    train(pack, trial, 5)
    assert not torch.allclose(logits(bench, trial), before, atol=1e-3)
    assert torch.equal(logits(bench, None), before)
    pack.remove(trial)
    assert torch.equal(logits(bench, None), before)


def _scaled(model: Any) -> None:
    layer = model.model.layers[1].mlp.down_proj
    plain = layer.forward
    layer.forward = lambda x: 200 * plain(x)


def _in_bf16(model: Any) -> None:
    plain = model.forward
    model.forward = torch.autocast("cpu", dtype=torch.bfloat16)(plain)


@pytest.mark.parametrize("change", [_scaled, _in_bf16])
def test_what_a_model_does_around_its_layers_is_kept(change: Callable[[Any], None]) -> None:
    model: Any = tiny_llama()
    change(model)
    base = HeldBase(model)
    batch = collate(EXAMPLES[:1], pad_id=0)
    with torch.no_grad():
        losses = token_losses(base.logits(batch["input_ids"]), batch["labels"])
    pack = Pack(base, Adapters(model, "tiny"), EXAMPLES[:1], TOTAL)
    trial = pack.add("new", LoraParameters(rank=2, batch_size=1))  # of which B is 0 at first
    assert train(pack, trial, 1) == [pytest.approx(float(losses.sum()) / EXAMPLES[0].targets, abs=1e-5)]


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


def test_an_adapter_without_room_leaves_the_others_as_they_were(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = bench.pack()
    expected = train(alone, alone.add("one", LoraParameters(lr=1e-2, rank=3, seed=5)), 6)
    pack = bench.pack()
    trial = pack.add("one", LoraParameters(lr=1e-2, rank=3, seed=5))
    pack.start(trial, 6)
    pack.step()
    zeros, room = torch.Tensor.new_zeros, [3]

    def limited(self: torch.Tensor, *shape: Any, **options: Any) -> torch.Tensor:
        room[0] -= 1
        if room[0] < 0:
            raise torch.OutOfMemoryError("no memory")
        return zeros(self, *shape, **options)

    for rank in (3, 9):
        room[0] = 3  # of the four matrices
        monkeypatch.setattr(torch.Tensor, "new_zeros", limited)
        with pytest.raises(torch.OutOfMemoryError):
            pack.add("two", LoraParameters(rank=rank))
        monkeypatch.undo()
        pack.step()
    pack.start(pack.add("two", LoraParameters(rank=9)), 4)
    while trial in pack.active:
        pack.step()
    assert trial.slice.losses == pytest.approx(expected, rel=1e-5)


def test_a_trial_leaves_without_needing_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = bench.pack()
    trials = [pack.add(f"t{rank}", LoraParameters(rank=rank, lr=1e-2)) for rank in (9, 4, 2)]
    before = {name: value.detach().clone() for name, value in bench.parameters("t2").items()}

    def full(*_: Any, **__: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("no memory")

    for name in ("new_zeros", "new_empty", "clone"):
        monkeypatch.setattr(torch.Tensor, name, full)
    pack.remove(trials[0])
    monkeypatch.undo()
    assert bench.adapters.names == ["t2", "t4"]
    for name, value in bench.parameters("t2").items():
        assert torch.equal(value, before[name])


def test_nothing_is_measured_where_there_is_no_choice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(**_: Any) -> Any:
        raise AssertionError("a pass was made")

    monkeypatch.setattr(bench.base.model, "forward", unwanted)
    probes = [LoraParameters(seed=seed) for seed in range(4)]
    for asked, most, chosen, reason in (
        (None, 1, 1, "the search runs no more at once"),
        (3, 4, 3, "as configured"),
        (8, 4, 4, "8 asked for, and no group gets more trials"),
    ):
        choice = choose_slots(bench.pack(), bench.base, asked, most, probes)
        assert (choice.slots, choice.reason) == (chosen, reason)


@pytest.mark.parametrize("tokens", [120, 40], ids=["a whole batch", "some of a batch"])
def test_slots_are_chosen_within_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    forward = bench.base.model.forward

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.numel() > tokens:
            raise torch.OutOfMemoryError("no memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(bench.base.model, "forward", limited)
    pack = bench.pack()
    probes = [LoraParameters(batch_size=7, rank=4, seed=seed) for seed in range(8)]
    choice = choose_slots(pack, bench.base, None, 8, probes)
    assert choice.slots == 1
    assert bench.adapters.names == []
    pack.limits = choice.limits
    losses = train(pack, pack.add("one", probes[0]), TOTAL)
    assert len(losses) == TOTAL
    monkeypatch.undo()
    pack = bench.pack()
    assert losses == pytest.approx(train(pack, pack.add("one", probes[0]), TOTAL), rel=1e-5)


def test_a_long_example_without_room_is_given_up_beside_short_ones_that_run_together(
    monkeypatch: pytest.MonkeyPatch, bench: Bench
) -> None:
    tokens = np.arange(100, dtype=np.int32) % 97
    lengths = (100, 10, 10)
    examples = [Example(tokens[:length], np.arange(length) > 0) for length in lengths]
    forward = bench.base.model.forward

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.shape[1] > 50:
            raise torch.OutOfMemoryError("no memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(bench.base.model, "forward", limited)
    bench.pack()
    pack = Pack(bench.base, bench.adapters, examples, TOTAL, PassLimits(tokens=50))
    pack.start(pack.add("one", LoraParameters(batch_size=3)), 2)
    stepped = pack.step()
    assert [type(error) for _, error in stepped.failed] == [OutOfMemoryError]
