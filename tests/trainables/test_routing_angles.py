"""Angles between updates from their factors, against dense matrices, random subspaces and their memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.routing.angle_metrics import ANGLE_METRICS
from trainables.routing.angles import Factors, LayerAngles, angles, between, chance, summary, to_json

SIDES = st.integers(1, 14)


@st.composite
def pairs(draw: st.DrawFn) -> Factors:
    """Two adapters of one layer: ranks up to above the dimensions, of several types, some rank-deficient."""
    inner, outer, rank1, rank2 = (draw(SIDES) for _ in range(4))
    dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def matrix(rows: int, columns: int) -> Tensor:
        # Small whole numbers: what depends linearly does so exactly in every type.
        true = draw(st.integers(1, min(rows, columns)))
        left = torch.randint(-2, 3, (rows, true), generator=generator)
        return (left @ torch.randint(-2, 3, (true, columns), generator=generator)).to(dtype)

    scales = draw(st.tuples(*[st.sampled_from([0.5, 2.0, 16.0])] * 2))
    a1, b1, a2, b2 = matrix(rank1, inner), matrix(outer, rank1), matrix(rank2, inner), matrix(outer, rank2)
    return Factors(a1, b1, scales[0], a2, b2, scales[1])


def dense_cosine(each: Factors) -> float:
    """From both updates in full."""
    first = (each.scale1 * each.b1.double() @ each.a1.double()).flatten()
    second = (each.scale2 * each.b2.double() @ each.a2.double()).flatten()
    size = float(first.norm() * second.norm())
    return float(first @ second) / size if size else math.nan


def dense_degrees(first: Tensor, second: Tensor) -> list[float]:
    """Principal angles by SciPy, between bases by singular vectors."""
    bases = []
    for matrix in (first.double().numpy(), second.double().numpy()):
        left, sizes, _ = np.linalg.svd(matrix)
        bases.append(left[:, : int((sizes > 1e-9).sum())])
    if not all(basis.shape[1] for basis in bases):
        return []
    return sorted(np.degrees(subspace_angles(*bases)).tolist())


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_factors_give_what_the_dense_updates_give(each: Factors) -> None:
    layer = angles({"q": each}, {"q": (each.a1, each.a1)})["q"]
    assert layer.cosine == pytest.approx(dense_cosine(each), abs=1e-9, nan_ok=True)
    assert list(layer.columns.degrees) == pytest.approx(dense_degrees(each.b1, each.b2), abs=1e-5)
    assert list(layer.rows.degrees) == pytest.approx(dense_degrees(each.a1.t(), each.a2.t()), abs=1e-5)
    assert layer.initial is not None
    assert all(angle == pytest.approx(0, abs=1e-5) for angle in layer.initial.degrees)
    turned = angles({"q": Factors(*each[3:], *each[:3])})["q"]
    assert turned.cosine == pytest.approx(layer.cosine, nan_ok=True)
    assert turned.columns.degrees == pytest.approx(layer.columns.degrees, abs=1e-5)


def test_an_adapter_without_an_update_has_no_angle_to_the_other() -> None:
    b, zero, a = torch.randn(8, 2), torch.zeros(8, 2), torch.randn(2, 6)
    layers = angles({"still": Factors(a, b, 2.0, a, zero, 2.0), "moved": Factors(a, b, 2.0, a, -b, 2.0)})
    assert math.isnan(layers["still"].cosine)
    assert layers["still"].columns.degrees == ()
    assert layers["moved"].cosine == pytest.approx(-1)
    measured = summary(layers)
    assert measured.keys() == {spec.name for spec in ANGLE_METRICS}
    assert measured["update_cosine"] == pytest.approx(1), "the mean over layers that have both updates"
    assert measured["column_smallest_angle"] == pytest.approx(0, abs=1e-5)
    assert math.isnan(measured["row_cosine2_initial"])
    assert json.loads(to_json(layers))["still"]["cosine"] is None
    none = summary(angles({"still": Factors(a, zero, 2.0, a, zero, 2.0)}))
    assert math.isnan(none["update_cosine"])
    assert none["update_cosine_floor"] == pytest.approx(1 / math.sqrt(48))


def test_a_direction_that_is_only_rounding_does_not_count() -> None:
    low = torch.randn(64, 2) @ torch.randn(2, 6)
    assert len(between(low, torch.randn(64, 6)).degrees) == 2
    assert len(between(torch.randn(64, 3), torch.randn(64, 6)).degrees) == 3


RANDOM = [(1, 5, 32), (2, 2, 32), (3, 12, 16), (4, 4, 48), (8, 16, 48), (32, 32, 576)]


@pytest.mark.parametrize(("rank1", "rank2", "dimensions"), RANDOM)
def test_chance_is_what_random_subspaces_give(rank1: int, rank2: int, dimensions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    count = 12 if dimensions > 100 else 250
    drawn = [
        between(*(torch.randn(dimensions, rank, generator=generator) for rank in (rank1, rank2)))
        for _ in range(count)
    ]
    expected = chance(rank1, rank2, dimensions)
    assert np.mean([each.cosine2 for each in drawn]) == pytest.approx(expected.cosine2, rel=0.05)
    assert np.mean([each.smallest for each in drawn]) == pytest.approx(expected.smallest, abs=1.0)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 5000))
def test_chance_is_an_angle_at_any_ranks(rank1: int, rank2: int, dimensions: int) -> None:
    ranks = min(rank1, dimensions), min(rank2, dimensions)
    given_chance = chance(*ranks, dimensions)
    assert 0 <= given_chance.smallest <= 90
    assert 0 < given_chance.cosine2 <= 1
    assert given_chance == chance(*ranks[::-1], dimensions)
    a, b = (rank / dimensions for rank in ranks)
    if a + b < 1:
        edge = (math.sqrt(a * (1 - b)) + math.sqrt(b * (1 - a))) ** 2
        assert math.cos(math.radians(given_chance.smallest)) ** 2 <= edge * (1 + 1e-9)


class _Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for part in _tensors(result):
            self.elements = max(self.elements, part.numel())
        return result


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_matrix_of_the_size_of_the_weight_is_formed(dtype: torch.dtype) -> None:
    d, rank = 4096, 32
    a1, a2 = (torch.randn(rank, d, dtype=dtype) for _ in range(2))
    b1, b2 = (torch.randn(d, rank, dtype=dtype) for _ in range(2))
    with _Largest() as largest:
        layers: dict[str, LayerAngles] = angles({"q": Factors(a1, b1, 2.0, a2, b2, 2.0)}, {"q": (a1, a2)})
    assert largest.elements == d * rank, "the factors themselves, and no more"
    measured = summary(layers)
    assert measured["column_smallest_angle"] == pytest.approx(measured["column_smallest_angle_floor"], abs=1)
    assert measured["row_cosine2"] == pytest.approx(measured["row_cosine2_initial"])
