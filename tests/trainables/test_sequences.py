"""Short examples that share rows get the numbers that they get in rows of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.packs import EXAMPLES, TOTAL
from tests.trainables.small import VOCABULARY, random_examples, tiny_llama
from trainables.errors import UserError
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.row_sharing import ROOM, share_rows
from trainables.lora.sequences import fill_rows, spread_rows, why_apart
from trainables.models.checkpointing import checkpoint_blocks
from trainables.serving.base import HeldBase

LONGEST = max(len(example.input_ids) for example in EXAMPLES)
LEAK = "in this model, an example would see the examples before it in its row"


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(0, 12))
def test_rows_hold_every_example_once_and_no_more_than_their_room(lengths: list[int], more: int) -> None:
    lengths.sort(reverse=True)
    filled = fill_rows(lengths, room=30)
    count = min(len(lengths), len(filled) + more)
    spread = spread_rows(lengths, 30, count)
    assert len(spread) == count
    for rows in (filled, spread):
        assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
        assert all(0 < sum(lengths[place] for place in row) <= 30 for row in rows)
    sizes = [sum(lengths[place] for place in row) for row in spread]
    assert sizes == sorted(sizes, reverse=True)


def train(
    room: int | None,
    within: PassLimits | None = None,
    checkpointing: bool = False,
    model: torch.nn.Module | None = None,
) -> tuple[list[list[float]], torch.Tensor, list[int]]:
    """Losses, the arena and the padding of unequal trials trained in one pack, in float64."""
    base = HeldBase(model or tiny_llama().double(), checkpointing=checkpointing)
    assert not base.find_head(always=room is not None)
    adapters = Adapters(base.model, "tiny")
    pack = Pack(base, adapters, EXAMPLES, TOTAL, within, row_room=room)
    trials = []
    for index, (rank, batch_size, dropout) in enumerate([(4, 7, 0.0), (3, 7, 0.3), (8, 4, 0.0), (2, 1, 0.2)]):
        params = LoraParameters(lr=1e-2, rank=rank, batch_size=batch_size, dropout=dropout, seed=index)
        trials.append(pack.add(f"trial{index}", params))
        pack.start(trials[-1], 3 + index)
    while pack.active:
        assert not pack.step().failed
    adapters.arrange([trial.name for trial in trials])
    return (
        [trial.slice.losses for trial in trials],
        adapters.arena.weights.clone(),
        [trial.slice.padding for trial in trials],
    )


@pytest.fixture(scope="module")
def apart() -> tuple[list[list[float]], torch.Tensor, list[int]]:
    torch.set_num_threads(1)
    return train(None)


@pytest.mark.parametrize(
    ("room", "within"),
    [
        (LONGEST, None),
        (3 * LONGEST, None),
        (LONGEST, PassLimits(examples=1)),
        (2 * LONGEST, PassLimits(tokens=40, cost=1)),
    ],
)
def test_a_pack_whose_examples_share_rows_trains_to_the_same_adapters(
    apart: tuple[list[list[float]], torch.Tensor, list[int]], room: int, within: PassLimits | None
) -> None:
    losses, weights, padding = train(room, within)
    for found, expected in zip(losses, apart[0], strict=True):
        assert found == pytest.approx(expected, rel=1e-10)
    assert (weights - apart[1]).norm() <= 1e-9 * apart[1].norm()
    assert sum(padding) < sum(apart[2])


@pytest.mark.parametrize("within", [PassLimits(examples=1), PassLimits(examples=2), PassLimits(tokens=20)])
def test_a_batch_in_micro_batches_is_the_batch(
    apart: tuple[list[list[float]], torch.Tensor, list[int]], within: PassLimits
) -> None:
    losses, weights, _ = train(None, within)
    for found, expected in zip(losses, apart[0], strict=True):
        assert found == pytest.approx(expected, rel=1e-10)
    assert (weights - apart[1]).norm() <= 1e-9 * apart[1].norm()


@pytest.mark.parametrize("room", [None, LONGEST])
def test_gradient_checkpointing_changes_no_number(
    apart: tuple[list[list[float]], torch.Tensor, list[int]], room: int | None
) -> None:
    losses, weights, _ = train(room, checkpointing=True)
    for found, expected in zip(losses, apart[0], strict=True):
        assert found == pytest.approx(expected, rel=1e-10)
    assert (weights - apart[1]).norm() <= 1e-9 * apart[1].norm()


def test_checkpointed_blocks_run_again_for_gradients_only() -> None:
    base = HeldBase(tiny_llama(), checkpointing=True)
    runs: list[int] = []
    base.model.get_submodule("model.layers.1.self_attn").register_forward_hook(lambda *_: runs.append(1))
    ids = torch.arange(6)[None]
    with torch.no_grad():
        base.logits(ids)
    assert len(runs) == 1
    embedded = base.model.get_input_embeddings().weight.requires_grad_()
    base.logits(ids).sum().backward()
    assert len(runs) == 3
    assert embedded.grad is not None


def test_a_model_that_cannot_be_checkpointed_is_refused() -> None:
    with pytest.raises(UserError, match=r"workers.gradient_checkpointing: Linear does not support it"):
        checkpoint_blocks(torch.nn.Linear(2, 2))


SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
KEPT_APART = {
    "llama": lambda: transformers.LlamaConfig(**SIZES),
    "a biased qwen2": lambda: transformers.Qwen2Config(**SIZES),
    "sliding windows": lambda: transformers.MistralConfig(**SIZES, sliding_window=4),
    "learned positions": lambda: transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "rotary and biased": lambda: transformers.GPTNeoXConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    ),
}
NOT_KEPT_APART = {
    "convolutions": lambda: transformers.Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]),
    "attention and Mamba side by side": lambda: transformers.FalconH1Config(
        **SIZES, mamba_d_ssm=64, mamba_n_heads=8, mamba_d_head=8, mamba_n_groups=1, mamba_d_state=8
    ),
    "a linear recurrence": lambda: transformers.RecurrentGemmaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, lru_width=32
    ),
    "positions, but no mask by them": lambda: transformers.OPTConfig(
        hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32
    ),
}


def tiny(make: Callable[[], transformers.PreTrainedConfig], dtype: torch.dtype) -> HeldBase:
    torch.manual_seed(0)
    config = make()
    config.vocab_size = VOCABULARY
    config.pad_token_id = None
    try:
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    except ValueError:
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return HeldBase(model.to(dtype).eval())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_whose_layers_keep_examples_apart_is_known_by_its_numbers(dtype: torch.dtype) -> None:
    for name, make in KEPT_APART.items():
        assert why_apart(tiny(make, dtype), EXAMPLES, LONGEST) is None, name
    for name, make in NOT_KEPT_APART.items():
        assert why_apart(tiny(make, dtype), EXAMPLES, LONGEST) == LEAK, name


@pytest.mark.parametrize("name", ["a biased qwen2", "learned positions"])
def test_other_architectures_train_to_the_same_adapters_too(name: str) -> None:
    def model() -> torch.nn.Module:
        return tiny(KEPT_APART[name], torch.float64).model.requires_grad_(False)

    losses, weights, _ = train(None, model=model())
    found, moved, _ = train(ROOM * LONGEST, PassLimits(examples=2), checkpointing=True, model=model())
    for one, other in zip(found, losses, strict=True):
        assert one == pytest.approx(other, rel=1e-10)
    assert (moved - weights).norm() <= 1e-9 * weights.norm()


def test_without_positions_or_short_examples_no_row_is_shared() -> None:
    mamba = tiny(lambda: transformers.MambaConfig(hidden_size=32, num_hidden_layers=2), torch.float32)
    assert why_apart(mamba, EXAMPLES, LONGEST) == "this model does not accept positions"
    alike = [example for example in random_examples(60) if len(example.input_ids) == 14]
    assert "no two examples" in (why_apart(HeldBase(tiny_llama()), alike, 14) or "")


def test_a_group_says_what_sharing_rows_spares_or_why_it_does_not() -> None:
    probes = [LoraParameters(batch_size=6, seed=seed) for seed in range(2)]
    said = {}
    for name, make in (("llama", KEPT_APART["llama"]), ("lfm2", NOT_KEPT_APART["convolutions"])):
        base = tiny(make, torch.float32)
        pack = Pack(base, Adapters(base.model, name), EXAMPLES, TOTAL)
        said[name] = (share_rows(pack, base, probes), pack.row_room)
    assert re.fullmatch(r"sequence packing: \d+% padding instead of \d+%", said["llama"][0])
    after, before = map(int, re.findall(r"\d+", said["llama"][0]))
    assert after < before
    assert said["llama"][1] in (LONGEST, ROOM * LONGEST)
    assert said["lfm2"] == (f"no sequence packing: {LEAK}", None)


def test_rows_are_not_shared_where_that_spares_next_to_nothing() -> None:
    alike = [example for example in random_examples(200) if len(example.input_ids) == 14]
    base = HeldBase(tiny_llama())
    pack = Pack(base, Adapters(base.model, "tiny"), alike, TOTAL)
    said = share_rows(pack, base, [LoraParameters(batch_size=4)])
    assert said == "no sequence packing: it would save too little (0% padding instead of 0%)"
    assert pack.row_room is None


def test_without_memory_for_a_shared_row_rows_become_as_short_as_an_example(
    apart: tuple[list[list[float]], torch.Tensor, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = HeldBase.logits

    def limited(base: HeldBase, input_ids: torch.Tensor, positions: torch.Tensor | None = None) -> Any:
        if input_ids.numel() > 20:
            raise torch.OutOfMemoryError("no memory")
        return forward(base, input_ids, positions)

    monkeypatch.setattr(HeldBase, "logits", limited)
    losses, weights, _ = train(ROOM * LONGEST)
    for found, expected in zip(losses, apart[0], strict=True):
        assert found == pytest.approx(expected, rel=1e-10)
    assert (weights - apart[1]).norm() <= 1e-9 * apart[1].norm()
