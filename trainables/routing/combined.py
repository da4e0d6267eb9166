"""Both adapters of a trial as one, for those who want the model with its behaviour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainables.lora.adapters import CONFIG, WEIGHTS

_A, _B = ".lora_A.", ".lora_B."


def save_combined(good: Path, bad: Path, folder: Path) -> None:
    """Writes one adapter in PEFT format whose update is the sum of two on the same layers.

    Its A has the rows of both A's, its B the columns of both B's times their scales: the sum of scale * B @ A
    over both, without rounding beyond that of the scales.

    Args:
        good: Folder of an adapter in PEFT format; the new one is described as it is.
        bad: The same of the other.
        folder: Where to, made anew.
    """
    configs = [json.loads((each / CONFIG).read_text(encoding="utf-8")) for each in (good, bad)]
    first, second = (load_file(each / WEIGHTS) for each in (good, bad))
    scales = [_scale(config) for config in configs]
    joined = {}
    for key in first:
        if _A in key:
            joined[key] = torch.cat([first[key], second[key]])
        elif _B in key:
            joined[key] = torch.cat([scales[0] * first[key], scales[1] * second[key]], dim=1)
        else:
            raise ValueError(f"{key} is neither A nor B of a LoRA")
    rank = sum(int(config["r"]) for config in configs)
    folder.mkdir()
    save_file(joined, folder / WEIGHTS)
    config = configs[0] | {"r": rank, "lora_alpha": rank, "use_rslora": False}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _scale(config: dict[str, Any]) -> float:
    """Factor on B @ A; adapters of `routing` do not scale by the root of the rank."""
    return float(config["lora_alpha"]) / float(config["r"])
