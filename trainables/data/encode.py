"""Text to tokens, exactly where each part begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PROBE = "a"


@dataclass(frozen=True)
class OwnSpecials:
    """Special tokens that a tokenizer puts around a text by itself.

    Attributes:
        before: Such as a beginning-of-sequence token.
        after: Such as an end-of-sequence token, which is wrong at the end of a prompt.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any) -> OwnSpecials:
        """Those of a tokenizer."""
        whole = list(tokenizer(_PROBE)["input_ids"])
        plain = plain_ids(tokenizer, _PROBE)
        for start in range(len(whole) - len(plain) + 1):
            if whole[start : start + len(plain)] == plain:
                return cls(tuple(whole[:start]), tuple(whole[start + len(plain) :]))
        return cls((), ())


def start_ids(tokenizer: Any) -> tuple[int, ...]:
    """What a text begins with: what the tokenizer puts before it by itself, or one token.

    That is its beginning-of-sequence token, or where it has none its end-of-sequence token.
    """
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return OwnSpecials.of(tokenizer).before or (int(start),)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Tokens of text without the special tokens that a tokenizer adds at its ends."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def begun_with(before: Sequence[int], ids: Sequence[int]) -> list[int]:
    """Tokens of a text after the special tokens that texts begin with, which it may have already."""
    return list(ids) if tuple(ids[: len(before)]) == tuple(before) else [*before, *ids]


def special_ids(tokenizer: Any) -> dict[int, str]:
    """The tokens that are marks rather than text, and how each is written."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=False)
    return {int(token): str(text) for token, text in named} | {
        int(token): str(getattr(text, "content", text)) for token, text in added.items()
    }


def encode_all(
    tokenizer: Any, texts: Sequence[tuple[str, Sequence[int]]]
) -> list[tuple[list[int], list[int]]]:
    """Tokens of each text, and how many of them stand before each of its cuts.

    They are those of the whole text, as `apply_chat_template` gives them, wherever its tokens end at the
    cuts. Where one would reach across, the text is tokenised in two parts: a model that is given what stands
    before the cut does not see tokens that hold a part of what comes after.

    Args:
        tokenizer: The model's.
        texts: Each without the special tokens that the tokenizer would add by itself, and with its cuts:
            places in the text, ascending.
    """
    wholes = encode_batch(tokenizer, [text for text, _ in texts])
    pieces = [
        text[start:end]
        for text, cuts in texts
        for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True)
    ]
    parts = iter(encode_batch(tokenizer, pieces))
    encoded = []
    for (text, cuts), whole in zip(texts, wholes, strict=True):
        tokens = [next(parts) for _ in range(len(cuts) + 1)]
        if [token for part in tokens for token in part] == whole:
            counts, total = [], 0
            for part in tokens[:-1]:
                total += len(part)
                counts.append(total)
            encoded.append((whole, counts))
        else:
            # Tokenizers that mark the beginning of words mark that of each piece as well.
            encoded.append(_one_by_one(tokenizer, text, whole, cuts))
    return encoded


def _one_by_one(
    tokenizer: Any, text: str, whole: list[int], cuts: Sequence[int]
) -> tuple[list[int], list[int]]:
    ids: list[int] = []
    counts: list[int] = []
    base = 0
    for cut in cuts:
        begun = plain_ids(tokenizer, text[base:cut])
        if whole[: len(begun)] == begun:
            counts.append(len(ids) + len(begun))
        else:
            ids += begun
            counts.append(len(ids))
            base, whole = cut, plain_ids(tokenizer, text[cut:])
    return ids + whole, counts


def encode_batch(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each text, as `plain_ids` gives them."""
    if not texts:
        return []
    return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
