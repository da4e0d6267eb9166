"""Logits of the last positions of a batch: ours against the model's own call with `logits_to_keep`."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from trainables.evaluation.inference.forward import Forward

ROWS, LENGTH = 10, 60
LASTS = (1, 31)
"""Of a prompt, and of a prompt with a draft."""


def measure(model: Any, repeats: int) -> list[dict[str, Any]]:
    """Speed as a multiple of the model's own; the two take turns within each repeat.

    Args:
        model: A frozen causal language model on the CPU.
        repeats: Measurements of each.

    Raises:
        RuntimeError: The logits differ by more than rounding.
    """
    forward = Forward(model.eval().requires_grad_(False))
    ids = torch.randint(int(forward.config.vocab_size), (ROWS, LENGTH))
    rows = []
    for last in LASTS:
        ratios, seconds = [], []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            with torch.no_grad():
                theirs = model(input_ids=ids, use_cache=False, logits_to_keep=last).logits
            between = time.perf_counter()
            with forward.evaluating():
                ours = forward.logits(ids, [ROWS], last)
            seconds.append(time.perf_counter() - between)
            ratios.append((between - began) / seconds[-1])
        if not torch.allclose(ours, theirs, rtol=1e-2, atol=1e-1):
            raise RuntimeError("the logits differ")
        # The first of each is slower: memory is taken up.
        spread = {"median": median(ratios[1:]), "min": min(ratios[1:]), "max": max(ratios[1:])}
        rows.append({"last": last, "seconds": median(seconds[1:]), "ratio": spread})
    return rows
