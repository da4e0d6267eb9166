"""How far the updates of two adapters are from orthogonal, from their factors alone.

An update is scale * B @ A, with B of shape (out, rank) and A of shape (rank, in). Nothing of the size of the
update itself is ever formed: inner products come from matrices of (rank, rank), since
<dW1, dW2> = tr((B1'B2)(A2A1')), and principal angles from thin bases of the factors (Björck and Golub, 1973,
doi:10.1090/S0025-5718-1973-0348991-3).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

_TRACY_WIDOM_MEAN = -1.2065335745820
"""Of the Tracy-Widom distribution of order 1."""


class Factors(NamedTuple):
    """The factors of two adapters at one layer.

    Attributes:
        a1: Of shape (rank 1, in).
        b1: Of shape (out, rank 1).
        scale1: Factor on B1 @ A1.
        a2: Of shape (rank 2, in).
        b2: Of shape (out, rank 2).
        scale2: Factor on B2 @ A2.
    """

    a1: Tensor
    b1: Tensor
    scale1: float
    a2: Tensor
    b2: Tensor
    scale2: float


@dataclass(frozen=True)
class Chance:
    """What two random subspaces of the same ranks give in as many dimensions.

    Attributes:
        cosine2: Expected mean squared cosine of the principal angles.
        smallest: Smallest principal angle in degrees, at the mean of its distribution.
    """

    cosine2: float
    smallest: float


@dataclass(frozen=True)
class Between:
    """Principal angles between two subspaces.

    Attributes:
        degrees: Ascending, as many as the smaller of the ranks; empty where either is the zero space.
        chance: What random subspaces of these ranks give.
    """

    degrees: tuple[float, ...]
    chance: Chance

    @property
    def cosine2(self) -> float:
        """Mean squared cosine; NaN where there is no angle."""
        if not self.degrees:
            return math.nan
        return math.fsum(math.cos(math.radians(angle)) ** 2 for angle in self.degrees) / len(self.degrees)

    @property
    def smallest(self) -> float:
        """Smallest angle in degrees; NaN where there is no angle."""
        return self.degrees[0] if self.degrees else math.nan


@dataclass(frozen=True)
class LayerAngles:
    """The two updates of one layer.

    Attributes:
        cosine: Cosine between the updates as vectors; NaN where either is zero, as before any step.
        cosine_chance: Its root mean square for random updates, 1 / sqrt(in * out).
        columns: Between the column spaces of B1 and B2.
        rows: Between the row spaces of A1 and A2.
        initial: Between the row spaces as they were initialised; None where they are not known. B begins at
            zero, so that column spaces have nothing to begin with.
    """

    cosine: float
    cosine_chance: float
    columns: Between
    rows: Between
    initial: Between | None = None


def angles(
    factors: Mapping[str, Factors], initial: Mapping[str, tuple[Tensor, Tensor]] | None = None
) -> dict[str, LayerAngles]:
    """Cosine and principal angles of two adapters' updates, layer by layer.

    Needs memory of the order of the factors themselves, whatever their type.

    Args:
        factors: By layer; those that one of the adapters does not have are left out.
        initial: A1, shape (rank 1, in), and A2, shape (rank 2, in), as they were initialised, by layer.

    Returns:
        By layer; cosines from -1 to 1, and angles in degrees.
    """
    before = initial or {}
    return {layer: _of_layer(each, before.get(layer)) for layer, each in factors.items()}


def _of_layer(each: Factors, initial: tuple[Tensor, Tensor] | None) -> LayerAngles:
    a1, b1, a2, b2 = (matrix.detach().double() for matrix in (each.a1, each.b1, each.a2, each.b2))
    inner = _inner(a1, b1, a2, b2)
    norms = math.sqrt(_inner(a1, b1, a1, b1) * _inner(a2, b2, a2, b2))
    sign = math.copysign(1.0, each.scale1) * math.copysign(1.0, each.scale2)
    cosine = sign * max(-1.0, min(1.0, inner / norms)) if norms > 0 else math.nan
    return LayerAngles(
        cosine if each.scale1 and each.scale2 else math.nan,
        1 / math.sqrt(a1.shape[1] * b1.shape[0]),
        between(each.b1, each.b2),
        between(each.a1.t(), each.a2.t()),
        None if initial is None else between(initial[0].t(), initial[1].t()),
    )


def _inner(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> float:
    """<B1 A1, B2 A2> = tr((B1'B2)(A2A1')); both factors are of (rank 1, rank 2)."""
    return float(((b1.t() @ b2) * (a1 @ a2.t())).sum())


def between(first: Tensor, second: Tensor) -> Between:
    """Principal angles between the column spaces of two matrices, of shapes (d, r1) and (d, r2).

    A rank is that of the matrix, not its number of columns: linearly dependent columns count once.
    """
    wide, thin = sorted((_basis(first), _basis(second)), key=lambda basis: -basis.shape[1])
    ranks = wide.shape[1], thin.shape[1]
    if not min(ranks):
        return Between((), chance(*ranks, first.shape[0]))
    across = wide.t() @ thin
    cosines = torch.linalg.svdvals(across).clamp(0, 1)
    sines = torch.linalg.svdvals(thin - wide @ across).flip(0).clamp(0, 1)
    # Each is exact where the other says little: a cosine near 90 degrees, a sine near 0.
    radians = torch.where(cosines**2 > 0.5, torch.asin(sines), torch.acos(cosines))
    return Between(tuple(torch.rad2deg(radians).tolist()), chance(*ranks, first.shape[0]))


def _basis(matrix: Tensor) -> Tensor:
    """Orthonormal basis of the column space, of shape (d, rank), in 64 bits.

    Directions below the rounding of 32 bits count as none. Of a type with fewer bits the numbers are taken as
    they are.
    """
    columns, rest = torch.linalg.qr(matrix.detach().double())
    left, sizes, _ = torch.linalg.svd(rest, full_matrices=False)
    least = float(sizes.max()) * torch.finfo(torch.float32).eps if len(sizes) else 0.0
    basis: Tensor = columns @ left[:, sizes > least]
    return basis


def chance(rank1: int, rank2: int, dimensions: int) -> Chance:
    """What two independent, uniformly random subspaces give.

    The squared cosines have the mean max(r1, r2) / d. For large d the largest is
    (sqrt(a (1 - b)) + sqrt(b (1 - a)))^2 with a = r1 / d and b = r2 / d; at small ranks it lies below that by
    an amount that Johnstone (2008, doi:10.1214/08-AOS605, theorem 1) gives. Of a line, the squared cosine
    itself is the largest. Subspaces that fill the dimensions or share a direction have an angle of 0.
    """
    low, high = sorted((rank1, rank2))
    if low == 0:
        return Chance(math.nan, math.nan)
    mean = high / dimensions
    if low + high >= dimensions:
        return Chance(mean, 0.0)
    largest = mean if low == 1 else _largest_cosine2(low, high, dimensions)
    return Chance(mean, math.degrees(math.acos(math.sqrt(largest))))


def _largest_cosine2(low: int, high: int, dimensions: int) -> float:
    gamma, phi = (2 * math.asin(math.sqrt((rank - 0.5) / (dimensions - 1))) for rank in (low, high))
    centre = 2 * math.log(math.tan((phi + gamma) / 2))
    spread = 16 / (dimensions - 1) ** 2 / (math.sin(phi + gamma) ** 2 * math.sin(phi) * math.sin(gamma))
    logit = centre + _TRACY_WIDOM_MEAN * spread ** (1 / 3)
    return 1 / (1 + math.exp(-logit))


def summary(layers: Mapping[str, LayerAngles]) -> dict[str, float]:
    """The metrics of `trainables.routing.angle_metrics`: means over layers, NaN where none has it."""
    every = list(layers.values())
    initial = [each.initial for each in every if each.initial is not None]
    return {
        "update_cosine": _mean(abs(each.cosine) for each in every),
        "update_cosine_floor": _mean(each.cosine_chance for each in every),
        **_of_space("column", [each.columns for each in every]),
        **_of_space("row", [each.rows for each in every]),
        "row_cosine2_initial": _mean(each.cosine2 for each in initial),
        "row_smallest_angle_initial": _mean(each.smallest for each in initial),
    }


def _of_space(space: str, every: Sequence[Between]) -> dict[str, float]:
    return {
        f"{space}_cosine2": _mean(each.cosine2 for each in every),
        f"{space}_cosine2_floor": _mean(each.chance.cosine2 for each in every),
        f"{space}_smallest_angle": _mean(each.smallest for each in every),
        f"{space}_smallest_angle_floor": _mean(each.chance.smallest for each in every),
    }


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def to_json(layers: Mapping[str, LayerAngles]) -> str:
    """The angles as JSON, by layer; what is not known is null."""
    return json.dumps({layer: _plain(asdict(each)) for layer, each in layers.items()}, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
