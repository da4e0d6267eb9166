"""What tokens stand for, and the tokenizer that a model is adapted to."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers
from transformers import PreTrainedTokenizerFast

from tests.trainables.chat_tokenizers import KINDS, TEXT, tokenizer
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.strings import TokenKey, Vocabulary, shared_tokens
from trainables.adaptation.target import load_target, refuse_lossy, train_target
from trainables.errors import UserError

WORDS = sorted({word for text in TEXT[:2] for word in text.replace(",", " ,").split() if word.isalpha()})
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


@cache
def read(kind: str) -> tuple[Any, Vocabulary]:
    made = tokenizer(kind)
    return made, Vocabulary.of(made)


def spelled(kind: str, text: str) -> bytes:
    """What the tokens of a text stand for, one after another."""
    made, vocabulary = read(kind)
    keys = vocabulary.keys
    chosen = [keys[index] for index in made(text, add_special_tokens=False)["input_ids"]]
    return b"".join(key.text for key in chosen if key is not None)


@pytest.mark.parametrize("kind", KINDS)
@given(text=words)
@settings(max_examples=25, deadline=None)
def test_tokens_of_every_kind_spell_the_text(kind: str, text: str) -> None:
    assert spelled(kind, text).removeprefix(b" ").decode() == text


@given(st.text(max_size=20))
@settings(max_examples=50, deadline=None)
def test_byte_level_tokens_spell_any_text(text: str) -> None:
    made = tokenizer("bytes")
    for mark in made.all_special_tokens:
        text = text.replace(mark, "")
    if not any(token in text for token in made.get_added_vocab()):
        assert spelled("bytes", text) == text.encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_shared_tokens_stand_for_the_same_text_in_all_kinds(kind: str, other: str) -> None:
    (left, target), (right, source) = read(kind), read(other)
    same = shared_tokens(target, source)
    for role in ("bos", "eos", "pad", "unk"):
        assert same[getattr(left, f"{role}_token_id")] == getattr(right, f"{role}_token_id")
    texts = {key.text for key in source.keys if key is not None and key.kind == "text"}
    for key, index in zip(target.keys, same, strict=True):
        if key is not None and key.kind == "text":
            assert (index >= 0) == (key.text in texts)
            assert index < 0 or getattr(source.keys[index], "text", None) == key.text
    words = [source.keys[index] for index in same if index >= 0]
    if {kind, other} != {"words", "unigram"}:  # which have learned sentences, and parts of words
        assert any(key is not None and len(key.text) > 2 and key.text[:1] == b" " for key in words)
    if kind == other:
        assert same.tolist() == list(range(len(target)))


def test_bytes_that_a_tokenizer_falls_back_to_are_those_of_the_text() -> None:
    made = tokenizer("words")
    described = json.loads(made.backend_tokenizer.to_str())
    described["decoder"]["decoders"].insert(1, {"type": "ByteFallback"})
    described["model"]["vocab"]["<0x0A>"] = len(described["model"]["vocab"])
    fallback = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(described)), eos_token="</s>"
    )
    newline = fallback.convert_tokens_to_ids("<0x0A>")
    source = Vocabulary.of(tokenizer("bytes"))
    assert Vocabulary.of(fallback).keys[newline] == TokenKey("byte", b"\n")
    shared = shared_tokens(Vocabulary.of(fallback), source)[newline]
    assert source.keys[shared] == TokenKey("text", b"\n")


def test_a_stream_has_each_documents_tokens_alone() -> None:
    made = tokenizer("bytes")
    stream = TokenStream.of(made, TEXT, len(made))
    documents = [document.tolist() for document in stream.documents()]
    assert documents == [made(text, add_special_tokens=False)["input_ids"] for text in TEXT]
    assert stream.counts.sum() == sum(map(len, documents))


def test_training_gives_the_same_tokens_again_and_keeps_marks_and_template() -> None:
    base = tokenizer("bytes", "{{ messages }}")
    first, second = (train_target(base, TEXT, 330) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert len(first) <= 330
    assert (first.eos_token, first.bos_token, first.chat_template) == ("</s>", "<s>", "{{ messages }}")
    refuse_lossy(first, TEXT)
    with pytest.raises(UserError, match="100 tokens have no room"):
        train_target(base, TEXT, 100)


def test_a_file_has_the_special_tokens_that_it_shares_with_the_base(tmp_path: Path) -> None:
    base = tokenizer("bytes")
    base.save_pretrained(tmp_path)
    loaded = load_target(str(tmp_path / "tokenizer.json"), base)
    assert (loaded.eos_token_id, loaded.bos_token_id) == (base.eos_token_id, base.bos_token_id)
    assert load_target(str(tmp_path), base).get_vocab() == base.get_vocab()
    base.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        load_target(str(tmp_path / "tokenizer.json"), base)
    with pytest.raises(UserError, match=r"cannot be read"):
        load_target(str(tmp_path / "nothing.json"), base)


def test_a_tokenizer_that_changes_the_text_is_refused_with_the_place() -> None:
    lower = tokenizer("bytes")
    refuse_lossy(lower, TEXT)
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(UserError, match="'What is the watch"):
        refuse_lossy(lower, TEXT)
