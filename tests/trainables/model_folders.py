"""Copies of the embedded model's folder, and ways to damage them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainables import embedded

WEIGHT = "model.layers.1.mlp.up_proj.weight"

Damage: TypeAlias = Callable[[Path], object]


@cache
def embedded_weights() -> Mapping[str, Tensor]:
    return load_file(embedded.model_dir() / "model.safetensors")


def with_weights(**changes: Tensor | None) -> Damage:
    """Other tensors; None takes one out. Dots of names are written as two underscores."""
    named = {name.replace("__", "."): tensor for name, tensor in changes.items()}

    def damage(folder: Path) -> None:
        every = {**embedded_weights(), **named}
        tensors = {name: tensor.clone() for name, tensor in every.items() if tensor is not None}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def edited(name: str, **changes: object) -> Damage:
    """Other values in a JSON file; None takes one out."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | changes
        content = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(content))

    return damage


def written(name: str, content: str) -> Damage:
    """A file with this text."""
    return lambda folder: (folder / name).write_text(content)


def resized(by: int) -> Damage:
    """Weights cut off, or with something after them."""

    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = path.read_bytes()
        path.write_bytes(content[:by] if by < 0 else content + bytes(by))

    return damage


def indexed(file: str, *more: str) -> Damage:
    """An index that names `file` for every tensor and for `more`; the weights are in shard.safetensors."""

    def damage(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "shard.safetensors")
        weights = dict.fromkeys((*embedded_weights(), *more), file)
        index = {"metadata": {"total_size": 0}, "weight_map": weights}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return damage


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = str(mark)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self._mark),)  # type: ignore[return-value]


def trapped(name: str, mark: Path) -> Damage:
    """A pickle that writes `mark` when it is read."""
    return lambda folder: torch.save({"x": Trap(mark)}, folder / name)
