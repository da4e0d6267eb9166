"""The tokenizer that a model is adapted to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.adaptation.options import TargetConfig
from trainables.errors import UserError, first_line

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
_AT_ONCE = 1024
_SHOWN = 60


def make_target(config: TargetConfig, base: Any, documents: Sequence[str], size: int | None = None) -> Any:
    """Reads or trains the tokenizer that is configured, or trains one of another size.

    Without a padding token the end-of-sequence token pads; without a chat template it gets the base's.

    Raises:
        UserError: As `load_target` or `train_target`.
    """
    wanted = size or config.vocabulary
    if wanted is None:
        assert config.tokenizer is not None
        tokenizer = load_target(config.tokenizer, base)
    else:
        tokenizer = train_target(base, documents, wanted)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = base.chat_template
    return tokenizer


def load_target(source: str, base: Any) -> Any:
    """Reads a tokenizer.

    Args:
        source: A file tokenizer.json, which does not say its special tokens: those that it shares with the
            base's tokenizer have the same roles. Or a folder, or a hub id.
        base: The base model's tokenizer.

    Raises:
        UserError: It cannot be read, has no fast implementation, or no end-of-sequence token.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    path = Path(source).expanduser()
    try:
        if path.is_file():
            tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path))
            roles = {name: getattr(base, name, None) for name in _SPECIAL}
            known = tokenizer.get_vocab()
            tokenizer.add_special_tokens({name: token for name, token in roles.items() if token in known})
        else:
            tokenizer = AutoTokenizer.from_pretrained(str(path) if path.is_dir() else source)
    except Exception as error:
        raise UserError(
            f"The target tokenizer {source!r} cannot be read: {first_line(error)}",
            hint="Give a file tokenizer.json, a folder that AutoTokenizer reads, or a hub id.",
        ) from error
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"The target tokenizer {source!r} has no end-of-sequence token, so no text could end.",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    return tokenizer


def train_target(base: Any, documents: Sequence[str], size: int) -> Any:
    """Trains a tokenizer of the base's kind on a corpus.

    It has the base's normalisation, special tokens and chat template. The same corpus gives the same tokens.

    Args:
        base: The base model's tokenizer, a fast one.
        documents: The corpus.
        size: Tokens, at most: a small corpus gives fewer.

    Raises:
        UserError: There is no room for the special tokens and the bytes, or none of its kind can be trained.
    """
    if not getattr(base, "is_fast", False):
        raise UserError(
            f"{type(base).__name__} has no fast implementation, so no tokenizer of its kind can be trained.",
            hint="Give a target tokenizer.",
        )
    batches = (documents[first : first + _AT_ONCE] for first in range(0, len(documents), _AT_ONCE))
    try:
        trained = base.train_new_from_iterator(batches, size, show_progress=False)
    except (ValueError, KeyError) as error:
        raise UserError(
            f"no tokenizer can be trained like the base's: {first_line(error)}",
            hint="Give a target tokenizer.",
        ) from error
    if len(trained) > size:
        raise UserError(
            f"{size} tokens have no room for special tokens and single characters, {len(trained)} in all.",
            hint="Choose a larger vocabulary.",
        )
    trained.chat_template = base.chat_template
    return trained


def refuse_lossy(tokenizer: Any, documents: Sequence[str]) -> None:
    """Refuses a tokenizer that changes the text, of which bits per byte would say nothing.

    Args:
        tokenizer: The target's.
        documents: Some of the corpus.

    Raises:
        UserError: A document is not what its tokens are decoded to, but for a space before it.
    """
    for first in range(0, len(documents), _AT_ONCE):
        texts = list(documents[first : first + _AT_ONCE])
        encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
        decoded = tokenizer.batch_decode(encoded, clean_up_tokenization_spaces=False)
        for text, back in zip(texts, decoded, strict=True):
            if back.removeprefix(" ") != text.removeprefix(" "):
                place = _first_difference(text, back)
                raise UserError(
                    f"the target tokenizer changes the text: {text[place : place + _SHOWN]!r} comes back as "
                    f"{back[place : place + _SHOWN]!r}.",
                    hint="Choose one that keeps case, spaces and accents, or whose vocabulary has all "
                    "characters of the corpus.",
                )


def _first_difference(text: str, other: str) -> int:
    pairs = zip(text, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))
