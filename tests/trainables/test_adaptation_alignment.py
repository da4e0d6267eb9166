"""Vectors of tokens, their similarities, and which token is most alike."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainables.adaptation.alignment import LEAST_ANCHORS, Alignment, align, nearest
from trainables.adaptation.coverage import coverage
from trainables.adaptation.quality import bleu1, heldout_top1
from trainables.adaptation.similarities import SIMILARITIES, Anchors, Features
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.vectors import TokenVectors, VectorSettings, ppmi_svd
from trainables.errors import UserError

seeds = st.integers(0, 2**32 - 1)
Ids = NDArray[np.int64]


def stream(documents: list[list[int]], size: int) -> TokenStream:
    ids = np.array([index for document in documents for index in document], dtype=np.int32)
    starts = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    return TokenStream(ids, starts, size)


def random_stream(seed: int, size: int = 12, documents: int = 8) -> TokenStream:
    draw = np.random.default_rng(seed)
    return stream([draw.integers(0, size, draw.integers(1, 30)).tolist() for _ in range(documents)], size)


def plain_ppmi(tokens: TokenStream, ids: list[int], window: int) -> NDArray[np.float64]:
    """By the definition, pair by pair."""
    counts = np.zeros((len(ids), len(ids)))
    for document in tokens.documents():
        for place, left in enumerate(document):
            for distance in range(1, window + 1):
                if place + distance < len(document) and {left, document[place + distance]} <= {*ids}:
                    a, b = ids.index(left), ids.index(document[place + distance])
                    counts[a, b] += 1 / distance
                    counts[b, a] += 1 / distance
    contexts = counts.sum(0) ** 0.75 / (counts.sum(0) ** 0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(counts / (counts.sum(1)[:, None] * contexts))
    return np.maximum(np.nan_to_num(information, nan=0, neginf=0), 0)


@given(seeds, st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_vectors_are_those_of_ppmi(seed: int, window: int) -> None:
    tokens = random_stream(seed)
    made = ppmi_svd(tokens, VectorSettings(dimensions=12, window=window, least=3))
    matrix = plain_ppmi(tokens, made.ids.tolist(), window)
    left, values, _ = np.linalg.svd(matrix)
    kept = made.values.shape[1]
    expected = left[:, :kept] * values[:kept] @ left[:, :kept].T
    assert made.values @ made.values.T == pytest.approx(expected, abs=1e-3)
    assert (tokens.counts[made.ids] >= 3).all()


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_ids_are_names_whose_digits_mean_nothing(seed: int) -> None:
    tokens = random_stream(seed)
    renamed = np.random.default_rng(seed).permutation(tokens.size)
    other = TokenStream(renamed[tokens.ids].astype(np.int32), tokens.starts, tokens.size)
    plain = VectorSettings(dimensions=12, least=3)
    first, second = ppmi_svd(tokens, plain), ppmi_svd(other, plain)
    rows = second.rows_of(renamed[first.ids])
    assert (rows >= 0).all()
    products = second.values[rows] @ second.values[rows].T
    assert products == pytest.approx(first.values @ first.values.T, abs=1e-3)


def test_a_corpus_of_two_documents_is_refused() -> None:
    with pytest.raises(UserError, match="nothing to align tokens by"):
        ppmi_svd(stream([[1, 2, 3], [4, 5]], 12), VectorSettings())
    few = TokenVectors(np.arange(10), np.eye(10, dtype=np.float32))
    with pytest.raises(UserError, match=f"only 10 tokens .* at least {LEAST_ANCHORS}"):
        align(few, few, np.arange(10), SIMILARITIES["relative"])


def spaces(seed: int, count: int = 60, width: int = 6) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same points in two spaces, one of them turned and shuffled."""
    draw = np.random.default_rng(seed)
    points = draw.standard_normal((count, width)).astype(np.float32)
    turned, _ = np.linalg.qr(draw.standard_normal((width, width)))
    return points, (points @ turned).astype(np.float32)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_relative_similarity_is_the_cosine_of_all_similarities_to_the_anchors(seed: int) -> None:
    draw = np.random.default_rng(seed)
    target, source = (draw.standard_normal((count, 5)).astype(np.float32) for count in (30, 40))
    anchors = Anchors(draw.permutation(30)[:12], draw.permutation(40)[:12])
    features = SIMILARITIES["relative"](target, source, anchors)

    def plain(vectors: NDArray[np.float32], rows: Ids) -> NDArray[np.float32]:
        centred = vectors - vectors.mean(0)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        similar = unit @ unit[rows].T
        similar = similar - similar.mean(0)
        result: NDArray[np.float32] = similar / np.linalg.norm(similar, axis=1, keepdims=True)
        return result

    expected = plain(target, anchors.target) @ plain(source, anchors.source).T
    assert features.target @ features.source.T == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", list(SIMILARITIES))
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_tokens_of_two_spaces_are_aligned_by_a_part_of_them(name: str, seed: int) -> None:
    points, turned = spaces(seed)
    order = np.random.default_rng(seed).permutation(len(points))
    target, source = TokenVectors(np.arange(60), points[order]), TokenVectors(np.arange(60), turned)
    alignment = align(target, source, order, SIMILARITIES[name], np.arange(LEAST_ANCHORS))
    assert (alignment.nearest == order).mean() > 0.9
    assert (np.abs(alignment.similarities) <= 1).all()
    hits = heldout_top1(TokenVectors(np.arange(60), points), source, np.arange(60), SIMILARITIES[name], seed)
    assert hits.right > 0.9 * hits.n == pytest.approx(0.9 * 15)
    # What needs no anchors compares spaces that have nothing to do with each other.
    assert (nearest(Features(points[order], turned)).rows == order).mean() < 0.5


@given(seeds, st.integers(1, 20), st.integers(1, 20), st.tuples(st.integers(1, 7), st.integers(1, 7)))
@settings(max_examples=50, deadline=None)
def test_blocks_find_what_the_whole_matrix_has(
    seed: int, targets: int, sources: int, block: tuple[int, int]
) -> None:
    draw = np.random.default_rng(seed)
    shapes = ((targets, 3), (sources, 3))
    features = Features(*(draw.integers(-2, 3, shape).astype(np.float32) / 16 for shape in shapes))
    whole = features.target @ features.source.T
    near = nearest(features, block)
    assert near.rows.tolist() == whole.argmax(1).tolist()
    assert near.similarities.tolist() == whole.max(1).tolist()


def test_fifty_thousand_tokens_never_have_a_whole_matrix() -> None:
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((50_000, 2)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    tracemalloc.start()
    near = nearest(Features(rows, rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26 < rows.shape[0] ** 2 * 4 / 100
    assert near.similarities == pytest.approx(1, abs=1e-5)


@given(seeds, st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=50, deadline=None)
def test_a_higher_threshold_aligns_no_more_and_parts_are_the_whole(
    seed: int, first: float, second: float
) -> None:
    draw = np.random.default_rng(seed)
    same = np.where(draw.random(30) < 0.3, draw.integers(0, 40, 30), -1)
    similarities = draw.uniform(-1, 1, 30).astype(np.float32)
    similarities[:3] = -np.inf
    alignment = Alignment(same, np.where(np.isfinite(similarities), 7, -1), similarities)
    counts = draw.integers(0, 5, 30)
    counts[0] = 1
    low, high = sorted((first, second))
    for weights in (None, counts):
        some, fewer = (coverage(alignment, threshold, weights) for threshold in (low, high))
        assert sum(some) == pytest.approx(1)
        assert some.same == fewer.same
        assert some.aligned > fewer.aligned - 1e-9
    assert coverage(alignment, 1.01).aligned == 0, "a cosine is never above 1: a threshold can leave all out"
    assert coverage(alignment, -1).fallback == pytest.approx((same[:3] < 0).mean() * 3 / 30)
    assert (alignment.sources(low)[same >= 0] == same[same >= 0]).all()


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_bleu_is_that_of_each_document(seed: int) -> None:
    draw = np.random.default_rng(seed)
    target, source = random_stream(seed), random_stream(seed + 1)
    sources = draw.integers(-1, source.size, target.size)
    right = total = 0
    for document, reference in zip(target.documents(), source.documents(), strict=True):
        mapped = Counter(sources[document].tolist())
        total += sum(mapped.values())
        del mapped[-1]
        right += sum((mapped & Counter(reference.tolist())).values())
    expected = right / total * min(1.0, math.exp(1 - len(source.ids) / total))
    assert bleu1(target, source, sources) == pytest.approx(expected)
    assert bleu1(target, target, np.arange(target.size)) == 1
