"""Packed training and evaluation are right on every family of models: each is compared with plain PEFT.

With WRITE_DOCS=1 in the environment the table in docs/models.md is written anew.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.trainables.families import FAMILIES, OF_EACH_KIND, VOCABULARY, tiny
from tests.trainables.family_training import Trained, alone, distance, flat, train
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.lora.plan.shapes import model_shapes
from trainables.lora.targets import routed_layer
from trainables.models.folder.weights import in_text_blocks
from trainables.models.linear import linear_layers
from trainables.models.rows import where_rows_meet
from trainables.models.skeleton import quiet_libraries
from trainables.models.soundness import refuse_not_causal, refuse_not_finite
from trainables.settings import ModelConfig

pytestmark = pytest.mark.integration

IN_PLACE = ("llama", "llama-bias", "gpt2", "phi3", "bloom", "gemma3n_text", "mamba2", "falcon_h1")
"""Families whose layers differ in what the products of alike adapters are added to in place."""
STARTED = ("llama-bias", "gpt2", "phi3", "mixtral")
"""Families whose weights differ in what a start is taken from."""
LONGEST = 6
"""Tokens of a reply."""
PROMPTS = [
    [*range(3, first), *np.random.default_rng(seed).integers(3, VOCABULARY, size=3 + 2 * seed)]
    for seed, first in enumerate((3, 3, 3, 73, 3, 73))
]
"""Short ones beside some that are longer than the chunks in which families read."""
ENDS = {2, *range(5, VOCABULARY, 10)}


@pytest.fixture(scope="module", autouse=True)
def quiet(group_of_one: None) -> None:
    quiet_libraries()


@cache
def trained(
    family: str, kind: str = "unequal", dtype: torch.dtype = torch.float64, stage: int = 0
) -> Trained:
    return train(tiny(family, dtype), kind, stage)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *((family, "unequal") for family in FAMILIES),
        *((family, "equal") for family in IN_PLACE),
        *((family, "started") for family in STARTED),
    ],
)
def test_trials_in_a_pack_train_as_plain_peft_does_alone(family: str, kind: str) -> None:
    found = trained(family, kind)
    loss, rest = (1e-10, 1e-9) if FAMILIES[family].exact else (1e-6, 2e-5)
    for trial, grads in zip(found.trials, found.grads, strict=True):
        losses, weights, expected = alone(tiny(family, torch.float64), trial.params)
        assert trial.slice.losses == pytest.approx(losses, rel=loss)
        ours = found.weights(trial)
        assert ours.keys() == weights.keys()
        assert distance(torch.cat([ours[k].flatten() for k in weights]), flat(weights)) <= rest
        assert len(grads) == len(expected)
        assert abs(grads.norm() - expected.norm()) <= rest * expected.norm()
        assert distance(grads, expected) <= rest


@pytest.mark.parametrize("family", OF_EACH_KIND)
def test_sharded_weights_in_float32_train_as_those_in_float64(family: str) -> None:
    kind = "started" if family in STARTED else "equal" if family in IN_PLACE else "unequal"
    whole, sharded = trained(family, kind), trained(family, kind, torch.float32, 3)
    for expected, trial in zip(whole.trials, sharded.trials, strict=True):
        assert trial.slice.losses == pytest.approx(expected.slice.losses, rel=1e-4)


@pytest.mark.parametrize("family", OF_EACH_KIND)
def test_saved_adapters_load_into_the_saved_model_with_plain_peft(family: str, tmp_path: Path) -> None:
    found = trained(family, "started" if family in STARTED else "unequal")
    tiny(family, torch.float64, whole=True).save_pretrained(tmp_path / "model")
    options = {"experts_implementation": "eager"}
    base: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float64, **options)
    ids = torch.arange(3, 15)[None]
    for trial in (found.trials[0], found.trials[-1]):
        found.adapters.save(trial.name, tmp_path / trial.name)
        with torch.no_grad():
            found.adapters.arrange([trial.name])
            with found.adapters.active(1):
                found.adapters.lay_out_active([1])
                ours: Tensor = found.adapters.base(input_ids=ids, use_cache=False).logits
            peft = PeftModel.from_pretrained(base, str(tmp_path / trial.name)).eval()
            theirs: Tensor = peft(input_ids=ids, use_cache=False).logits
            base = peft.unload()
        assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_knows_the_sizes_that_training_has(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    tiny(family, whole=True).save_pretrained(tmp_path)
    shapes = model_shapes(ModelConfig(name=family, source=str(tmp_path)))
    assert shapes is not None
    assert shapes.parameters == sum(value.numel() for value in model.parameters())
    assert set(shapes.linear) == set(linear_layers(model))
    found = trained(family)
    for trial in found.trials:
        assert shapes.trainable_parameters(trial.params) == len(flat(found.weights(trial)))


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_and_positions_are_treated_as_packing_assumes(family: str) -> None:
    model = tiny(family)
    layers = {name: model.get_submodule(name) for name in linear_layers(model)}
    refuse_not_finite(model, family)
    refuse_not_causal(model, family)
    assert where_rows_meet(model, layers, VOCABULARY) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_replies_and_likelihoods_are_those_of_whole_passes(family: str) -> None:
    model = tiny(family)
    options = [[[7, 8], [9], [7, 10, 11]]] * 2
    scored = PROMPTS[2:4]
    forward = Forward(model)
    with forward.evaluating():
        replies = generate(
            forward, PROMPTS, copies=1, ends=ENDS, pad_id=0, max_new_tokens=LONGEST, batch_size=3
        )[0]
        scores = score_continuations(forward, scored, options, copies=1, pad_id=0, batch_size=4)[0]
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        assert_likeliest(model, prompt, reply)
    for prompt, texts, values in zip(scored, options, scores, strict=True):
        expected = [whole_likelihood(model, prompt, text) for text in texts]
        assert [value.value for value in values] == pytest.approx(expected, abs=1e-3)


def assert_likeliest(model: Any, prompt: list[int], reply: list[int]) -> None:
    """Each token of the reply is the likeliest after those before it, and it ends where it should.

    The model is causal: one pass over all of it gives what a pass for each token would.
    """
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *reply]]), use_cache=False).logits[0, len(prompt) - 1 :]
    likeliest: list[int] = logits.argmax(-1).tolist()
    assert reply == likeliest[: len(reply)]
    assert not ENDS & {*reply}
    assert len(reply) == LONGEST or likeliest[len(reply)] in ENDS


def whole_likelihood(model: Any, prompt: list[int], text: list[int]) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *text]]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return float(logits.log_softmax(-1)[torch.arange(len(text)), torch.tensor(text)].sum())


PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.S)


def test_the_table_of_models_says_what_is_tested() -> None:
    lines = [
        "| family | for example | what is special | adapters on | none on | packs | attention | replies |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, family in FAMILIES.items():
        model = tiny(name)
        linear = linear_layers(model)
        others = {
            key.rpartition(".")[2]
            for key, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and in_text_blocks(key) and key not in linear
        }
        cells = [
            f"`{family.type or name}`",
            family.models,
            family.kind,
            ", ".join(sorted({key.rpartition(".")[2] for key in linear})),
            ", ".join(sorted(others)) or "-",
            "yes" if routed_layer(linear) is None else "one at a time",
            model.config.get_text_config()._attn_implementation,
            "cached" if Forward(model).caches else "whole passes",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("WRITE_DOCS") == "1":
        PAGE.write_text(TABLE.sub(lambda _: table, page), encoding="utf-8")
        return
    found = TABLE.search(page)
    assert found is not None
    assert found[0] == table
