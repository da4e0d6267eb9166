"""Principal components and the network that rebuilds embeddings from them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.errors import UserError
from trainables.reconstruction.components import Components, fit
from trainables.reconstruction.network import Rebuilder


def _drawn(count: int, width: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=draw, dtype=torch.float64)
    return torch.randn(count, width, generator=draw, dtype=torch.float64) @ mix + shift


def _whole(vectors: torch.Tensor) -> Components:
    return fit([(vectors, torch.ones(len(vectors)))])


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    vectors = _drawn(200, 9, shift=50.0)
    fitted = _whole(vectors)
    centred = vectors - vectors.mean(0)
    _, singular, right = torch.linalg.svd(centred, full_matrices=False)
    assert torch.allclose(fitted.mean, vectors.mean(0), rtol=1e-12)
    assert torch.allclose(fitted.variances, singular.square() / len(vectors), rtol=1e-9)
    assert torch.allclose((fitted.basis @ right.T).abs(), torch.eye(9, dtype=torch.float64), atol=1e-8)
    assert fitted.mean_square == pytest.approx(float(vectors.square().mean()), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=6), st.sampled_from([float("nan"), 1e9, -3.0, 0.0]))
def test_padding_never_enters_on_whichever_side_it_is_and_however_blocks_are_cut(
    lengths: list[int], filler: float
) -> None:
    vectors = _drawn(sum(lengths), 4, seed=sum(lengths))
    fitted = _whole(vectors) if len(vectors) > 1 else None
    blocks = []
    for side in (0, 1):
        padded = torch.full((len(lengths), max(lengths), 4), filler, dtype=torch.float64)
        mask = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
        for row, part in enumerate(vectors.split(lengths)):
            place = slice(max(lengths) - len(part), None) if side else slice(0, len(part))
            padded[row, place], mask[row, place] = part, 1
        blocks.append(list(zip(padded, mask, strict=True)))
    for given_blocks in blocks:
        again = fit(given_blocks)
        assert fitted is not None
        assert torch.allclose(again.mean, fitted.mean, rtol=1e-9, atol=1e-9)
        assert torch.allclose(again.variances, fitted.variances, rtol=1e-7, atol=1e-8)
        assert again.count == fitted.count


def test_a_count_weighs_as_much_as_that_many_copies() -> None:
    vectors, counts = _drawn(20, 5), torch.arange(20)
    copies = vectors.repeat_interleave(counts, dim=0)
    weighted, repeated = fit([(vectors, counts)]), _whole(copies)
    assert torch.allclose(weighted.variances, repeated.variances, rtol=1e-9)
    assert weighted.count == repeated.count == int(counts.sum())


def test_at_full_dimension_nothing_is_lost_and_below_it_no_other_projection_loses_less() -> None:
    vectors = _drawn(300, 8)
    fitted = _whole(vectors)
    errors = []
    for dimension in range(1, 9):
        projection = fitted.projection(dimension, torch.float64, "cpu")
        lost = vectors - projection.decode(projection.encode(vectors))
        errors.append(float(lost.square().sum(1).mean()))
        assert errors[-1] == pytest.approx(float(fitted.variances[dimension:].sum()), rel=1e-8, abs=1e-12)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-20
    assert fitted.explained(8) == pytest.approx(1.0)


def test_a_fingerprint_tells_dimensions_and_data_apart() -> None:
    fitted, other = _whole(_drawn(50, 6)), _whole(_drawn(50, 6, seed=1))
    prints = [fitted.fingerprint(4), fitted.fingerprint(5), other.fingerprint(4)]
    assert len(set(prints)) == 3
    assert _whole(_drawn(50, 6)).fingerprint(4) == prints[0]


@pytest.mark.parametrize("dimension", [0, 7])
def test_a_latent_larger_than_the_embeddings_is_refused(dimension: int) -> None:
    with pytest.raises(UserError, match=f"latent: {dimension} dimensions.*have 6"):
        _whole(_drawn(50, 6)).projection(dimension, torch.float32, "cpu")


def test_one_token_has_no_components() -> None:
    with pytest.raises(UserError, match="two tokens"):
        fit([(torch.ones(3, 4), torch.tensor([1, 0, 0]))])


@pytest.mark.parametrize("rms", [0.0087, 1.0, 40.0])
def test_what_is_rebuilt_is_as_large_as_real_embeddings_from_the_first_step_on(rms: float) -> None:
    """Unmatched, a LayerNorm's output is 115 times as large as embeddings of 0.0087."""
    vectors = _drawn(100, 16)
    vectors = vectors * (rms / vectors.square().mean().sqrt())
    fitted = _whole(vectors)
    projection = fitted.projection(8, torch.float64, "cpu")
    rebuilt = Rebuilder(projection, 32, fitted.rms)(projection.encode(vectors))
    assert float(rebuilt.detach().square().mean().sqrt()) == pytest.approx(rms, rel=1e-3)
    decoded = projection.decode(projection.encode(vectors))
    centred = decoded - decoded.mean(-1, keepdim=True)
    assert torch.nn.functional.cosine_similarity(rebuilt, centred).min() > 1 - 1e-6, (
        "it begins as the inverse"
    )
