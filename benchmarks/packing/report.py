"""The table, a line at a time, and the conditions under which it was measured."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

import torch

from benchmarks.packing.cells import MODES, PLAIN
from trainables.machine import cores

_WIDTH = 24


def conditions(device: torch.device) -> dict[str, Any]:
    """The machine and the libraries; the load average is that before anything was measured."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        **{name: version(name) for name in ("torch", "transformers", "peft")},
    }


def heading(modes: tuple[str, ...]) -> str:
    """The table's first line, and what its entries are."""
    first = f"{'length':>9} {'batch':>5} {'K':>3} {'steps':>5}"
    columns = " ".join(f"{mode:>{_WIDTH}}" for mode in MODES if mode in modes)
    return f"tokens/s (median ratio to plain, least to most; share of padding)\n{first} {columns}  auto"


def line(row: dict[str, Any]) -> str:
    """One row of the table, or why it was left out."""
    first = f"{row['length']:>9} {row['batch_size']:>5} {row['slots']:>3}"
    if "skipped" in row:
        return f"{first} skipped: {row['skipped']}"
    ways = row["ways"]
    columns = " ".join(f"{_entry(mode, ways[mode]):>{_WIDTH}}" for mode in MODES if mode in ways)
    slots = ",".join(str(each) for each in row.get("auto_slots", []))
    return f"{first} {row['steps']:>5} {columns}  {slots}"


def _entry(mode: str, way: dict[str, Any]) -> str:
    speed, padding = f"{way['tokens_per_second']:,.0f}", f"{way['padding']:.0%}"
    if mode == PLAIN:
        return f"{speed} ({padding})"
    ratio = way["ratio"]
    return f"{speed} ({ratio['median']:.2f}, {ratio['min']:.2f}-{ratio['max']:.2f}; {padding})"


def rounded(value: Any) -> Any:
    """The same with four significant digits in every real number."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value
