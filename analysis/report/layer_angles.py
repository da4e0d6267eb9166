"""Angles between two adapters' updates layer by layer, read from a trial's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.errors import RecordError
from search.record import TrialState

FILE = "angles.json"
"""Of a trial's folder: by layer the cosine of the updates, and the principal angles of their subspaces."""


@dataclass(frozen=True)
class LayerAngles:
    """The two updates of a layer; NaN is what is not known.

    Attributes:
        layer: Its name in the model.
        cosine: Of the updates.
        columns: Smallest angle between the column spaces, in degrees.
        columns_chance: That of random subspaces.
        rows: Smallest angle between the row spaces, in degrees.
        rows_chance: That of random subspaces.
    """

    layer: str
    cosine: float
    columns: float
    columns_chance: float
    rows: float
    rows_chance: float


def angles_of(folder: Path, trial: TrialState) -> list[LayerAngles]:
    """Of the trial's last rung; empty where none were kept.

    Args:
        folder: The search's folder.
        trial: The trial.

    Raises:
        RecordError: The file is damaged, or lies outside the search's folder.
    """
    place = None if trial.last is None else trial.last.checkpoint
    if place is None or not (folder / place / FILE).is_file():
        return []
    path = folder / place / FILE
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"{path} lies outside the search's folder.")
    try:
        layers = json.loads(path.read_text())
        return [_layer(name, layer) for name, layer in layers.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} cannot be read as angles by layer ({type(error).__name__}).") from error


def _layer(name: str, layer: Mapping[str, Any]) -> LayerAngles:
    columns, rows = layer["columns"], layer["rows"]
    return LayerAngles(
        name,
        _number(layer["cosine"]),
        _number(min(columns["degrees"], default=None)),
        _number(columns["chance"]["smallest"]),
        _number(min(rows["degrees"], default=None)),
        _number(rows["chance"]["smallest"]),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
