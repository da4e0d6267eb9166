"""A trial on the shared base gives what plain PEFT gives, and nothing else is touched."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

from tests.trainables.small import random_examples, tiny_llama
from trainables.data.batches import collate
from trainables.data.order import DataOrder
from trainables.errors import DivergedError, UserError
from trainables.lora.adapters import WEIGHTS, Adapters, linear_modules
from trainables.lora.base import HeldBase
from trainables.lora.parameters import LoraParameters
from trainables.lora.schedule import learning_rate, warmup_steps
from trainables.lora.targets import ATTENTION, select_modules
from trainables.lora.trial import LoraTrial

TOTAL = 12
EXAMPLES = random_examples()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldBase]:
    torch.set_num_threads(1)
    os.environ.setdefault("LOCAL_RANK", "0")  # torchrun and Ray Train set it, DeepSpeed asks for it
    store = dist.FileStore(str(tmp_path_factory.mktemp("group") / "store"), 1)
    dist.init_process_group("gloo", rank=0, world_size=1, store=store)
    yield HeldBase(tiny_llama(), zero_stage=0)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def adapters(base: HeldBase) -> Adapters:
    return Adapters(base.model, "tiny")


def begin(base: HeldBase, adapters: Adapters, params: LoraParameters, micro: int | None = None) -> LoraTrial:
    return LoraTrial("slot0", params, base, adapters, EXAMPLES, TOTAL, micro)


def plain_peft(params: LoraParameters, steps: int) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The same training written the textbook way, on a model of its own."""
    model = tiny_llama()
    torch.manual_seed(params.seed)
    peft = get_peft_model(
        model,
        LoraConfig(
            r=params.rank,
            lora_alpha=params.effective_alpha,  # type: ignore[arg-type]
            target_modules=select_modules(linear_modules(model), params),
            use_rslora=params.rslora,
            task_type="CAUSAL_LM",
        ),
    )
    weights = [value for value in peft.parameters() if value.requires_grad]
    adamw = torch.optim.AdamW(weights, lr=params.lr, weight_decay=params.weight_decay)
    order, losses = DataOrder(params.seed, len(EXAMPLES), params.batch_size), []
    peft.train()
    for step in range(steps):
        batch = collate([EXAMPLES[index] for index in order.batch(step)], pad_id=0)
        loss = peft(**batch).loss
        loss.backward()
        if params.clip:
            torch.nn.utils.clip_grad_norm_(weights, params.clip)
        for group in adamw.param_groups:
            group["lr"] = learning_rate(params, step, TOTAL)
        adamw.step()
        adamw.zero_grad()
        losses.append(loss.item())
    return losses, {
        key.replace(".default", ""): value.detach()
        for key, value in peft.named_parameters()
        if value.requires_grad
    }


@settings(max_examples=8, deadline=None)
@given(
    params=st.builds(
        LoraParameters,
        lr=st.floats(1e-4, 2e-2),
        rank=st.integers(1, 9),
        alpha_per_rank=st.sampled_from([0.5, 1.0, 2.0]),
        target_modules=st.sampled_from(["attention", "mlp", "all"]),
        layers=st.sampled_from([None, 1, 2]),
        rslora=st.booleans(),
        weight_decay=st.sampled_from([0.0, 0.1]),
        schedule=st.sampled_from(["wsd", "constant", "linear", "cosine"]),
        batch_size=st.integers(1, 7),
        clip=st.sampled_from([0.0, 0.3]),
        seed=st.integers(0, 2**40),
    ),
    micro=st.sampled_from([None, 1, 2]),
)
def test_equal_to_plain_peft(
    base: HeldBase, adapters: Adapters, params: LoraParameters, micro: int | None
) -> None:
    trial = begin(base, adapters, params, micro)
    trial.train(6)
    losses, weights = plain_peft(params, 6)
    assert trial.slice.losses == pytest.approx(losses, rel=1e-5)
    ours = adapters.parameters("slot0")
    assert len(ours) == len(weights)
    for (name, value), expected in zip(ours.items(), weights.values(), strict=True):
        torch.testing.assert_close(value.detach(), expected, rtol=1e-3, atol=1e-5, msg=name)
    trial.close()


def test_a_saved_trial_goes_on_as_if_it_had_not_stopped(
    base: HeldBase, adapters: Adapters, tmp_path: Path
) -> None:
    params = LoraParameters(lr=5e-3, rank=4, dropout=0.2, batch_size=5, seed=11)
    whole = begin(base, adapters, params)
    whole.train(9)
    through = list(whole.slice.losses)
    whole.close()
    first = begin(base, adapters, params)
    first.train(4)
    first.save(tmp_path)
    first.close()
    other = begin(base, adapters, LoraParameters(lr=1e-3, rank=2))
    other.train(2)
    other.close()
    again = begin(base, adapters, params)
    again.load(tmp_path, step=4)
    again.train(9)
    assert again.slice.losses == pytest.approx(through[4:], rel=1e-6)
    again.close()


def test_saved_adapter_loads_with_plain_peft_and_gives_the_same_logits(
    base: HeldBase, adapters: Adapters, tmp_path: Path
) -> None:
    trial = begin(base, adapters, LoraParameters(lr=1e-2, rank=5, rslora=True, alpha=7, target_modules="mlp"))
    trial.train(5)
    trial.save(tmp_path)
    tokens = torch.arange(10)[None]
    with torch.no_grad():
        ours = base.model(input_ids=tokens).logits
        plain = PeftModel.from_pretrained(tiny_llama(), str(tmp_path)).eval()(input_ids=tokens).logits
    torch.testing.assert_close(plain, ours, rtol=1e-5, atol=1e-6)
    assert all(".slot0." not in key for key in load_file(tmp_path / WEIGHTS))
    trial.close()


def test_a_diverged_trial_keeps_its_losses_and_leaves_the_slot_healthy(
    base: HeldBase, adapters: Adapters
) -> None:
    healthy = LoraParameters(lr=1e-3, rank=4, seed=3)
    before = begin(base, adapters, healthy)
    before.train(4)
    expected = list(before.slice.losses)
    before.close()
    bad = begin(base, adapters, LoraParameters(lr=1e-3, rank=4, clip=0))
    bad.train(2)
    kept = list(bad.slice.losses)
    for tensor in adapters.parameters("slot0").values():
        tensor.data *= 1e30
    with pytest.raises(DivergedError, match="step 3"):
        bad.train(TOTAL)
    assert kept
    assert all(math.isfinite(loss) for loss in bad.slice.losses)
    bad.close()
    after = begin(base, adapters, healthy)
    after.train(4)
    assert after.slice.losses == expected
    after.close()


def test_target_modules_and_first_layers_are_selected() -> None:
    linear = linear_modules(tiny_llama())
    assert not any("lm_head" in name for name in linear)
    attention = select_modules(linear, LoraParameters(target_modules="attention", layers=2))
    assert {name.rsplit(".", 1)[-1] for name in attention} <= ATTENTION
    assert {name.split(".")[2] for name in attention} == {"0", "1"}
    with pytest.raises(UserError, match="no linear layer"):
        select_modules([], LoraParameters())


@given(
    st.builds(
        LoraParameters,
        warmup=st.floats(0, 50),
        schedule=st.sampled_from(["wsd", "constant", "linear", "cosine"]),
        decay=st.floats(0, 1),
    ),
    st.integers(1, 200),
)
def test_schedules_stay_within_bounds_and_warm_up_first(params: LoraParameters, total: int) -> None:
    rates = [learning_rate(params, step, total) for step in range(total)]
    assert all(0 < rate <= params.lr * (1 + 1e-9) for rate in rates)
    warm = warmup_steps(params, total)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)


def test_wsd_rates_before_the_decay_do_not_depend_on_the_budget() -> None:
    short = LoraParameters(warmup=5, decay=0.2)
    assert [learning_rate(short, step, 50) for step in range(40)] == [
        learning_rate(short, step, 100) for step in range(40)
    ]
