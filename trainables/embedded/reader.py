"""Makes the embedded model that can read from the one that cannot.

`python -m trainables.embedded.reader` continues the training of `model/`, on passages with questions and
a little of everything that it was trained on before, and writes `reader/` of this package: the same
architecture and tokenizer, with weights in 16 bits. As in `pretrain`, weights differ between machines.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainables.embedded import model_dir, reader_dir
from trainables.embedded.corpus import Skills
from trainables.embedded.pretrain import Mixture, Recipe, train

# A little of everything that the model knows, so that it is not forgotten.
_BEFORE = {"choice": 2, "open": 2, "statement": 1, "arithmetic": 4, "format": 3, "note": 1}
# Questions alone teach to guess among the spans of the right kind. Reading begins with copying what followed
# the same words before (induction: Olsson et al., 2022, arXiv:2209.11895): first any words, then whole facts,
# then the word that belongs to another, with a verb between them; last come mostly questions.
STAGES: tuple[tuple[Recipe, Mixture], ...] = (
    (
        Recipe(steps=250, lr=4e-3, warmup=20, decay_share=0.1),
        {"copying": {"repeated": 64}, "before": _BEFORE},
    ),
    (
        Recipe(steps=700, lr=3e-3, warmup=20, decay_share=0.5),
        {"reading": {"reading": 12}, "copying": {"restated": 8, "repeated": 4}, "before": _BEFORE},
    ),
    (
        Recipe(steps=500, lr=3e-3, warmup=20, decay_share=0.3),
        {"reading": {"reading": 10}, "pairs": {"pairs": 40}, "before": _BEFORE},
    ),
    (
        Recipe(steps=400, lr=3e-3, warmup=20, decay_share=0.5),
        {"reading": {"reading": 20}, "pairs": {"pairs": 12}, "before": _BEFORE},
    ),
)
_SHOWN = 25


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, default=model_dir(), help="where to begin (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=reader_dir(), help="folder to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    skills = Skills.from_seed(arguments.seed)
    for recipe, mixture in STAGES:
        losses: list[dict[str, float]] = []
        steps = train(model, tokenizer, skills, arguments.seed, recipe, mixture)
        for step, loss in enumerate(steps, start=1):
            losses.append(loss)
            if step % _SHOWN == 0:
                means = {name: sum(each[name] for each in losses) / len(losses) for name in loss}
                shown = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
                print(f"step {step} {time.process_time():.0f} s of CPU time, loss: {shown}", flush=True)
                losses.clear()
    model.to(torch.float16).save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
