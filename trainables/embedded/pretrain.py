"""Makes the embedded model and its data again from nothing.

`python -m trainables.embedded.pretrain` writes `model/` and `data/` of this package. The data and the
tokenizer are the same byte for byte for the same seed. The weights are not the same across machines, thread
counts or versions of torch: sums of floating-point numbers are taken in a different order, and the
differences grow over training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainables.embedded import data_dir, model_dir
from trainables.embedded.batches import Batch, make_batch
from trainables.embedded.corpus import Skills, conversations
from trainables.embedded.generate import generate
from trainables.embedded.scoring import likelihood_accuracy, read_items, score
from trainables.embedded.tokenizer import train_tokenizer

CONTEXT = 256

Mixture: TypeAlias = Mapping[str, Mapping[str, int]]
"""The batches of one step, by name: sequences of each kind of text; a loss is the mean over a batch."""

# Arithmetic is the slowest to learn.
_SEQUENCES = {"choice": 20, "open": 16, "statement": 8, "arithmetic": 64, "format": 24, "note": 8}
MIXTURE: Mixture = {kind: {kind: size} for kind, size in _SEQUENCES.items()}


@dataclass(frozen=True)
class Recipe:
    """Sizes, steps and learning rate of pretraining."""

    vocab_size: int = 1280
    hidden_size: int = 128
    layers: int = 5
    heads: int = 4
    intermediate_size: int = 384
    initializer_range: float = 0.04
    steps: int = 1000
    lr: float = 4e-3
    warmup: int = 50
    decay_share: float = 0.6
    weight_decay: float = 0.05


def make_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained model for the tokenizer."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        intermediate_size=recipe.intermediate_size,
        max_position_embeddings=CONTEXT,
        initializer_range=recipe.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def _optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers and AdamW for the rest (https://kellerjordan.github.io/posts/muon)."""
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    outer = [p for name, p in model.named_parameters() if not (p.ndim == 2 and "layers" in name)]
    return [
        torch.optim.Muon(
            inner, lr=recipe.lr, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(outer, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    # Logits only where there is a target: most positions are prompt.
    hidden = model.model(input_ids=batch.input_ids, use_cache=False).last_hidden_state[:, :-1]
    return cross_entropy(model.lm_head(hidden[batch.mask]), batch.input_ids[:, 1:][batch.mask])


def _lr_scale(step: int, recipe: Recipe) -> float:
    """The factor on the learning rate: linear warmup, constant, linear decay to zero."""
    return min(1.0, (step + 1) / recipe.warmup, (recipe.steps - step) / (recipe.steps * recipe.decay_share))


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    skills: Skills,
    seed: int,
    recipe: Recipe,
    mixture: Mixture = MIXTURE,
) -> Iterator[dict[str, float]]:
    """Trains the model in place, and yields after every step the loss of each batch."""
    optimizers = _optimizers(model, recipe)
    streams = {kind: conversations(kind, skills, seed) for sizes in mixture.values() for kind in sizes}
    for step in range(recipe.steps):
        model.train()
        losses = {}
        for name, sizes in mixture.items():
            drawn = (islice(streams[kind], size) for kind, size in sizes.items())
            loss = _loss(model, make_batch(tokenizer, chain.from_iterable(drawn)))
            torch.autograd.backward(loss)
            losses[name] = loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * _lr_scale(step, recipe)
            optimizer.step()
            optimizer.zero_grad()
        yield losses


def pretrain(model_out: Path, data_out: Path, seed: int, recipe: Recipe) -> None:
    """Writes the data, trains tokenizer and model, and saves both with progress on standard output."""
    torch.manual_seed(seed)
    generate(data_out, seed)
    items = read_items(data_out)
    skills = Skills.from_seed(seed)
    tokenizer = train_tokenizer(skills, seed, recipe.vocab_size, CONTEXT)
    model = make_model(recipe, tokenizer)
    print(f"parameters {model.num_parameters():,}", flush=True)
    start = time.perf_counter()
    for step, losses in enumerate(train(model, tokenizer, skills, seed, recipe), start=1):
        if step % 50 == 0:
            shown = " ".join(f"{kind} {loss:.3f}" for kind, loss in losses.items())
            print(f"step {step} {time.perf_counter() - start:.0f} s loss: {shown}", flush=True)
        if step % 200 == 0:
            shown = " ".join(
                f"{skill} {value:.3f}" for skill, value in score(model, tokenizer, items).items()
            )
            likelihood = likelihood_accuracy(model, tokenizer, items["facts"])
            print(f"  held out: {shown} facts by likelihood {likelihood:.3f}", flush=True)
    model.save_pretrained(model_out)
    tokenizer.save_pretrained(model_out)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, default=model_dir(), help="folder of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=data_dir(), help="folder of the data (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pretrain(arguments.model, arguments.data, arguments.seed, Recipe())


if __name__ == "__main__":
    main()
