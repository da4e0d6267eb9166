"""The tokenizer of a model's folder."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from trainables.errors import UserError
from trainables.models.folder.reading import damaged, optional_object, read_object
from trainables.models.folder.template import check_template, special_token

FILE = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
# What tokenizers without a tokenizer.json are made of.
_VOCABULARIES = ("*.model", "*.tiktoken", "vocab.*", "tekken.json", "tokenizer.*.json", "byte_maps.json")

_READERS = ("sentencepiece", "tiktoken")  # packages, of what such a .model file may be


def check_tokenizer(folder: Path, rows: int | None) -> None:
    """Its files are there, can be read, and are of the model's vocabulary; its chat template works.

    Args:
        folder: Model folder.
        rows: Rows of the model's token embedding, None where they are not known.

    Raises:
        UserError: They are not.
    """
    settings = optional_object(folder / SETTINGS)
    path = folder / FILE
    if path.is_file():
        _check_vocabulary(path, settings, rows)
    elif not any(any(folder.glob(pattern)) for pattern in _VOCABULARIES):
        raise UserError(
            f"{folder} has no tokenizer: there is no {FILE}.",
            hint="Save the model's tokenizer into the same folder: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder).",
        )
    elif any(folder.glob("*.model")) and not any(map(importlib.util.find_spec, _READERS)):
        raise UserError(
            (
                f"{folder} has no {FILE}, and its tokenizer cannot be built from the other files with the "
                "installed packages."
            ),
            hint=f"pip install {' '.join(_READERS)}, or save it with a machine that has them: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder).",
        )
    check_template(folder, settings)


def _check_vocabulary(path: Path, settings: Mapping[str, Any], rows: int | None) -> None:
    content = read_object(path)
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocabulary, dict | list) or not vocabulary:
        raise damaged(path, "it has no vocabulary")
    added = content.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise damaged(path, "its added_tokens are not a list of tokens")
    _check_parts(path, content, model)
    if rows is None:
        return
    if len(vocabulary) > rows:
        raise damaged(
            path,
            (
                f"its vocabulary has {len(vocabulary):,} tokens, but the model's embedding has only "
                f"{rows:,} rows"
            ),
            "The tokenizer belongs to another model: save the model's own tokenizer into its folder.",
        )
    eos = special_token(settings, "eos_token")
    known = vocabulary if isinstance(vocabulary, dict) else {}
    number = {token.get("content"): token.get("id") for token in added}.get(eos, known.get(eos))
    if isinstance(number, int) and number >= rows:
        raise beyond_embedding(str(eos), number, rows, path.with_name(SETTINGS))


def _check_parts(path: Path, content: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """The installed library knows the tokenizer's parts; words are left out, many of which take a second."""
    lists = [key for key in ("vocab", "merges") if isinstance(model.get(key), dict | list)]
    empty = {key: type(model[key])() for key in lists}
    bare = {**content, "added_tokens": [], "model": {**model, **empty}}
    if "unk_id" in model:
        bare["model"]["unk_id"] = None
    try:
        tokenizers.Tokenizer.from_str(json.dumps(bare))
    except Exception as error:  # the library raises nothing more particular
        version = importlib.metadata.version("tokenizers")
        raise damaged(
            path,
            f"it cannot be read by tokenizers {version} ({str(error).splitlines()[0][:200]})",
            "If a newer version wrote it: pip install -U transformers tokenizers. Otherwise fetch it again.",
        ) from error


def beyond_embedding(token: str, number: int, rows: int, settings: Path | str) -> UserError:
    """The error of an end-of-sequence token that the model does not have."""
    return UserError(
        f"{settings}: the end-of-sequence token {token!r} has the id {number}, beyond the model's embedding "
        f"of {rows:,} rows.",
        hint="Set eos_token to a token of the model, or enlarge the embedding (resize_token_embeddings) "
        "and save the model again.",
    )
