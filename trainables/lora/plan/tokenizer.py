"""A model's tokenizer, without torch: to show what the model will see before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length")
_TEXT_PARTS = ("text_config", "llm_config", "language_config")
_ALIBI = ("bloom", "mpt")


def light_tokenizer(folder: Path) -> Any | None:
    """The tokenizer of a model's folder; None where there is none, or it needs more than its files."""
    described = _read(folder / "tokenizer_config.json")
    if not (folder / "tokenizer.json").is_file() and not described:
        return None
    import transformers

    transformers.logging.set_verbosity_error()
    name = str(described.get("tokenizer_class") or "")
    kinds = [getattr(transformers, one, None) for one in (name, f"{name}Fast", "PreTrainedTokenizerFast")]
    for kind in kinds:
        try:
            tokenizer = None if kind is None else kind.from_pretrained(folder)
        except Exception:  # noqa: BLE001 - a named boundary: the search says what is wrong with it
            continue
        if tokenizer is not None and tokenizer.eos_token_id is not None:
            return tokenizer
    return None


def context_of(folder: Path) -> int | None:
    """Tokens that a model can take; None where its config.json does not say."""
    config = _read(folder / "config.json")
    nested = next((config[name] for name in _TEXT_PARTS if isinstance(config.get(name), dict)), config)
    if nested.get("model_type") in _ALIBI:
        return None
    found = (nested.get(name) for name in _LENGTHS)
    return next((length for length in found if type(length) is int and length > 0), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
