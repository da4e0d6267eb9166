"""Measure on the embedded model how training loss and retained capability move with the learning rate.

``python -m benchmarks.embedded_tradeoff`` tunes the model to the narrow domain with plain PEFT, once per
learning rate and rank, on one thread, and prints a table and, as its last line, JSON. Retention is the mean
accuracy over the skills, by greedy generation on held-out items, divided by that of the base model.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.embedded import data_dir, model_dir
from trainables.embedded.scoring import Item, read_items, score

LRS = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2)
RANKS = (4, 16)
STEPS = 80
BATCH_SIZE = 8
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def _read_texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def _loss(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> torch.Tensor:
    batch = tokenizer([text + tokenizer.eos_token for text in texts], return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    loss: torch.Tensor = model(**batch, labels=labels).loss
    return loss


def _train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], lr: float, steps: int
) -> float:
    """Train the adapter in place and return the mean training loss over the last third of the steps."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0)
    warmup = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup))
    order = Random(0)
    losses = []
    model.train()
    for _ in range(steps):
        loss = _loss(model, tokenizer, order.sample(texts, BATCH_SIZE))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    last = losses[-max(1, steps // 3) :]
    return sum(last) / len(last)


def measure(lr: float, rank: int, steps: int, model_path: Path, data: Path) -> dict[str, float]:
    """Run one trial and return its losses, accuracies and seconds."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    base = AutoModelForCausalLM.from_pretrained(model_path)
    model = get_peft_model(base, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=MODULES))
    items: dict[str, list[Item]] = read_items(data)
    heldout = _read_texts(data / "domain_heldout.jsonl")
    start = time.perf_counter()
    train_loss = (
        _train(model, tokenizer, _read_texts(data / "domain_train.jsonl"), lr, steps)
        if steps
        else float("nan")
    )
    trained = time.perf_counter()
    model.eval()
    skills = score(model, tokenizer, items)
    scored = time.perf_counter()
    with torch.no_grad():
        heldout_loss = _loss(model, tokenizer, heldout).item()
    return {
        "lr": lr,
        "rank": rank,
        "train_loss": train_loss,
        "heldout_loss": heldout_loss,
        **skills,
        "capability": sum(skills.values()) / len(skills),
        "train_s": trained - start,
        "score_s": scored - trained,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=model_dir())
    parser.add_argument("--data", type=Path, default=data_dir())
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--lr", type=float, nargs="+", default=LRS)
    parser.add_argument("--rank", type=int, nargs="+", default=RANKS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    base = measure(0.0, 1, 0, arguments.model, arguments.data)
    columns = ("facts", "arithmetic", "format", "retention")
    print("| lr | r | training loss | held-out loss | " + " | ".join(columns) + " | train s | score s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    trials = []
    settings = [(0.0, 1, 0), *((lr, rank, arguments.steps) for rank in arguments.rank for lr in arguments.lr)]
    for lr, rank, steps in settings:
        row = measure(lr, rank, steps, arguments.model, arguments.data) if steps else base
        row["retention"] = row["capability"] / base["capability"]
        name = f"{lr:g} | {rank} | {row['train_loss']:.3f}" if steps else "base | | "
        shares = " | ".join(f"{100 * row[column]:.1f}%" for column in columns)
        times = f"{row['train_s']:.1f} | {row['score_s']:.2f}"
        print(f"| {name} | {row['heldout_loss']:.3f} | {shares} | {times} |", flush=True)
        trials.append({key: value for key, value in row.items() if value == value})
    print(json.dumps({"steps": arguments.steps, "base": trials[0], "trials": trials[1:]}))


if __name__ == "__main__":
    main()
