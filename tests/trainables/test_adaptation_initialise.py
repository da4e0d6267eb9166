"""Tables for another vocabulary, and bits per byte, by which models of any vocabulary are compared."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from tests.trainables.chat_tokenizers import TEXT, tokenizer
from trainables.adaptation.bits import bits_per_byte, document_bits, windows
from trainables.adaptation.fallbacks import FALLBACKS
from trainables.adaptation.initialise import Initialisation, Tables
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.strings import Vocabulary, shared_tokens
from trainables.data.encode import start_ids

SPARE = 5
"""Rows of the table that no token has."""


@cache
def model(tied: bool) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer("bytes")) + SPARE,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=tied,
    )
    made = LlamaForCausalLM(config).eval().requires_grad_(False)
    if not tied:
        made.lm_head.bias = nn.Parameter(torch.randn(config.vocab_size), requires_grad=False)
    return made


def initialisation(kind: str, fallback: str, sources: np.ndarray[Any, Any] | None = None) -> Initialisation:
    base = tokenizer("bytes")
    target, source = Vocabulary.of(tokenizer(kind)), Vocabulary.of(base)
    shared = shared_tokens(target, source) if sources is None else sources
    return Initialisation(shared, target, source, base, FALLBACKS[fallback])


def logits_with(tables: Tables) -> Any:
    made = model(tables.head is None)

    def run(ids: Tensor) -> Tensor:
        hidden = made.model(inputs_embeds=tables.embeddings[ids], use_cache=False).last_hidden_state
        head = tables.embeddings if tables.head is None else tables.head
        return nn.functional.linear(hidden, head, tables.bias)

    return run


def bits(kind: str, logits: Any, vocabulary: int, most: int = 24) -> list[float]:
    made = tokenizer(kind)
    pieces = windows(TokenStream.of(made, TEXT, len(made)), start_ids(made), most)
    return document_bits(logits, pieces, vocabulary, torch.device("cpu"))


@pytest.mark.parametrize("fallback", list(FALLBACKS))
@pytest.mark.parametrize("tied", [True, False])
def test_the_bases_own_tokenizer_gives_the_base_back_exactly(tied: bool, fallback: str) -> None:
    base = Tables.of(model(tied))
    tables = initialisation("bytes", fallback).tables(base)
    assert (tables.head is None, tables.bias is None) == (tied, tied)
    assert torch.equal(tables.embeddings, base.embeddings)
    if tables.head is not None and tables.bias is not None:
        assert torch.equal(tables.head, base.head)
        assert torch.equal(tables.bias, base.bias)
    assert tables.embeddings.data_ptr() != base.embeddings.data_ptr(), "training it leaves the base alone"
    rows = len(base.embeddings)
    own = bits("bytes", lambda ids: model(tied)(input_ids=ids, use_cache=False).logits, rows)
    adapted = bits("bytes", logits_with(tables), rows)
    assert bits_per_byte(adapted, TEXT) == bits_per_byte(own, TEXT)


@pytest.mark.parametrize("kind", ["words", "unigram", "pieces"])
@pytest.mark.parametrize("tied", [True, False])
def test_tokens_begin_with_a_source_tokens_row_or_with_the_fallback(kind: str, tied: bool) -> None:
    base, given_sources = Tables.of(model(tied)), initialisation(kind, "zero")
    source = tokenizer("bytes")
    used = base.embeddings[: len(source)]
    for name in FALLBACKS:
        made = initialisation(kind, name)
        rows = made.tables(base).embeddings
        assert rows.shape == (len(tokenizer(kind)), base.embeddings.shape[1])
        for index, row in enumerate(given_sources.sources):
            key = made.target.keys[index]
            if row >= 0:
                assert torch.equal(rows[index], base.embeddings[row])
            elif name == "zero":
                assert not rows[index].any()
            elif name == "mean" or key is None or key.kind == "special":
                torch.testing.assert_close(rows[index], used.mean(0))
            else:
                pieces = source(key.text.decode(), add_special_tokens=False)["input_ids"]
                torch.testing.assert_close(rows[index], base.embeddings[pieces].mean(0))
    unmatched = int((given_sources.sources < 0).sum())
    assert 0 < unmatched < len(given_sources.sources)


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=10, deadline=None)
def test_embeddings_head_and_bias_get_rows_of_the_same_tokens(seed: int, tied: bool) -> None:
    base = Tables.of(model(tied))
    size = len(tokenizer("words"))
    sources = np.random.default_rng(seed).integers(0, len(base.embeddings), size)
    tables = initialisation("words", "zero", sources).tables(base)
    chosen = torch.from_numpy(sources)
    assert torch.equal(tables.embeddings, base.embeddings[chosen])
    if base.head is not None and base.bias is not None:
        assert tables.head is not None
        assert tables.bias is not None
        assert torch.equal(tables.head, base.head[chosen])
        assert torch.equal(tables.bias, base.bias[chosen])


@given(st.integers(3, 60))
@settings(max_examples=20, deadline=None)
def test_all_of_the_text_is_predicted_whatever_the_window(most: int) -> None:
    made = tokenizer("bytes")
    stream = TokenStream.of(made, TEXT, len(made))
    start = start_ids(made)
    for document, pieces in zip(stream.documents(), windows(stream, start, most), strict=True):
        predicted = [index for piece in pieces for index in piece.input_ids[piece.loss_mask].tolist()]
        assert predicted == document.tolist()
        assert all(len(piece.input_ids) <= most for piece in pieces)
        assert all(tuple(piece.input_ids[: len(start)]) == start for piece in pieces)


def test_bits_are_those_of_each_document_alone() -> None:
    made = tokenizer("bytes")
    rows = len(made) + SPARE

    def run(ids: Tensor) -> Tensor:
        logits: Tensor = model(True)(input_ids=ids, use_cache=False).logits
        return logits

    together = bits("bytes", run, rows)
    pieces = windows(TokenStream.of(made, TEXT, len(made)), start_ids(made), 24)
    for value, document in zip(together, pieces, strict=True):
        nats = 0.0
        for piece in document:
            ids = torch.from_numpy(piece.input_ids).long()[None]
            scores = run(ids).log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])
            nats -= float(scores.sum())
        assert value == pytest.approx(nats / math.log(2), rel=1e-5)
    uniform = bits("bytes", lambda ids: torch.zeros(*ids.shape, 512), 512)
    tokens = sum(len(made(text, add_special_tokens=False)["input_ids"]) for text in TEXT)
    size = sum(len(text.encode()) for text in TEXT)
    assert bits_per_byte(uniform, TEXT) == pytest.approx(9 * tokens / size), "log2 of 512 for each token"
