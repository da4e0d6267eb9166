"""The text that each token stands for, in one form for all kinds of tokenizers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainables.errors import UserError

Kind: TypeAlias = Literal["text", "byte", "added", "special"]

_ROLES = ("bos", "eos", "pad", "unk", "cls", "sep", "mask")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_IDEOGRAPHS = range(0x3400, 0xA000)
"""BERT's pre-tokenizer makes words of single ones."""


class TokenKey(NamedTuple):
    """What a token stands for.

    Attributes:
        kind: "text", a single "byte" of byte fallback, an "added" token of text, or a "special" token.
        text: UTF-8 bytes of the text, a leading space included; a special token's role, or else its name.
    """

    kind: Kind
    text: bytes


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of a tokenizer in a form that is the same for all kinds of tokenizers.

    Attributes:
        keys: By token id; None where no token has that id.
    """

    keys: tuple[TokenKey | None, ...]
    _by_text: Mapping[bytes, int] = field(init=False, repr=False, compare=False)
    _by_key: Mapping[TokenKey, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key: dict[TokenKey, int] = {}
        by_text: dict[bytes, int] = {}
        # Of tokens with the same text the one that encoding makes counts, and bytes are the last resort.
        for kind in ("text", "added", "byte", "special"):
            for index, key in enumerate(self.keys):
                if key is not None and key.kind == kind:
                    by_key.setdefault(key, index)
                    if key.kind != "special":
                        by_text.setdefault(key.text, index)
        object.__setattr__(self, "_by_key", by_key)
        object.__setattr__(self, "_by_text", by_text)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def special(self) -> NDArray[np.bool_]:
        """Whether each id is of a special token, or of none, shape (tokens,)."""
        return np.array([key is None or key.kind == "special" for key in self.keys], dtype=np.bool_)

    def find(self, key: TokenKey | None) -> int:
        """The id of the token for the same text, or of the special token of the same role; -1 for none."""
        if key is None:
            return -1
        index = self._by_key.get(key, -1)
        return index if index >= 0 or key.kind == "special" else self._by_text.get(key.text, -1)

    @classmethod
    def of(cls, tokenizer: Any) -> Vocabulary:
        """Reads the vocabulary of a tokenizer of `transformers`.

        Byte-level tokens (Radford et al., 2019) are mapped back to bytes; a metaspace (SentencePiece) is a
        space, and its `<0x0A>` that byte; a word of WordPiece (Devlin et al., 2019, arXiv:1810.04805) begins
        with a space, and what follows `##` does not. Special tokens are the same where their role is.

        Raises:
            UserError: It is not a fast tokenizer, which alone says how its tokens are to be read.
        """
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise UserError(
                f"{type(tokenizer).__name__} has no fast implementation, so its tokens cannot be compared.",
                hint="Save it in the form of tokenizer.json.",
            )
        read = _reader(backend)
        keys: list[TokenKey | None] = [None] * (max(tokenizer.get_vocab().values(), default=-1) + 1)
        for token, index in tokenizer.get_vocab().items():
            keys[index] = read(token)
        for index, added in tokenizer.added_tokens_decoder.items():
            kind: Kind = "special" if added.special else "added"
            keys[index] = TokenKey(kind, added.content.encode())
        for role in reversed(_ROLES):
            index = getattr(tokenizer, f"{role}_token_id", None)
            if index is not None:
                keys[index] = TokenKey("special", role.encode())
        return cls(tuple(keys))


def shared_tokens(target: Vocabulary, source: Vocabulary) -> NDArray[np.int64]:
    """Of each target token the source token for the same text or role, or -1, shape (target tokens,).

    Of one and the same vocabulary each token is its own, even where several stand for the same text.
    """
    if target == source:
        return np.array(
            [-1 if key is None else index for index, key in enumerate(target.keys)], dtype=np.int64
        )
    return np.array([source.find(key) for key in target.keys], dtype=np.int64)


def _reader(backend: Any) -> Callable[[str], TokenKey]:
    """How ordinary tokens are read, by what the tokenizer decodes them with."""
    steps = list(_steps(backend.decoder)) or list(_steps(backend.pre_tokenizer))
    types = {step["type"] for step in steps}
    if "ByteLevel" in types:
        return lambda token: TokenKey("text", _bytes_of(token))
    if "WordPiece" in types:
        prefix = next(step["prefix"] for step in steps if step["type"] == "WordPiece")
        return lambda token: TokenKey("text", _word_piece(token, prefix))
    spaces = [mark for step in steps if (mark := _mark_of_space(step))]
    fallback = "ByteFallback" in types
    return lambda token: _with_spaces(token, spaces, fallback)


def _steps(component: Any) -> Iterator[Mapping[str, Any]]:
    """A decoder or pre-tokenizer, or the parts of a sequence of them, as `tokenizers` describes them."""
    if component is None:
        return
    described = json.loads(component.__getstate__())
    yield from described.get("decoders") or described.get("pretokenizers") or [described]


def _mark_of_space(step: Mapping[str, Any]) -> str | None:
    """What a step replaces by a space."""
    if step["type"] == "Metaspace":
        return str(step["replacement"])
    if step["type"] == "Replace" and step["content"] == " ":
        return str(step["pattern"].get("String", "")) or None
    return None


def _with_spaces(token: str, marks: Sequence[str], fallback: bool) -> TokenKey:
    byte = _BYTE.fullmatch(token) if fallback else None
    if byte is not None:
        return TokenKey("byte", bytes([int(byte[1], 16)]))
    for mark in marks:
        token = token.replace(mark, " ")
    return TokenKey("text", token.encode())


def _word_piece(token: str, prefix: str) -> bytes:
    if token.startswith(prefix) and token != prefix:
        return token.removeprefix(prefix).encode()
    word = token[0].isalnum() and ord(token[0]) not in _IDEOGRAPHS
    return f" {token}".encode() if word else token.encode()


def _byte_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level token stands for (Radford et al., 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


_BYTES = _byte_alphabet()


def _bytes_of(token: str) -> bytes:
    if all(character in _BYTES for character in token):
        return bytes(_BYTES[character] for character in token)
    return token.encode()
