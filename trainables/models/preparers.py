"""Preparers make a model's folder from a source that is not one, once per machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from trainables.errors import UserError
from trainables.progress import doing
from trainables.registry import Registry
from trainables.replacement import replacement

Preparer = Callable[[Path], None]
"""Fills the empty folder that it is given with a model in Hugging Face format (safetensors)."""

PREPARERS: Registry[Preparer] = Registry("preparer")

PREPARED_CONFIGS: dict[str, Mapping[str, Any]] = {}
"""By preparer what of the config.json that it makes gives the sizes of the model, known before it has run."""


def prepared_folder(name: str) -> Path:
    """The prepared model's folder in the cache, made by the preparer `name` where it is not there yet.

    The folder appears whole or not at all: it is filled under another name and then renamed, under a
    file lock, so that of several processes one does the work and the others wait for it.

    Raises:
        UserError: There is no such preparer, it failed, or the cache cannot be written.
    """
    try:
        preparer = PREPARERS[name]
    except KeyError as error:
        raise UserError(f"model.prepare: {error.args[0]}") from None
    models = cache_dir() / "models"
    folder = models / name
    if folder.is_dir():
        return folder
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / f".{name}.lock"):
            if not folder.is_dir():
                doing(f"preparing the model {name}")
                with replacement(folder) as fresh:
                    fresh.mkdir()
                    preparer(fresh)
    except OSError as error:
        raise UserError(
            f"The model {name!r} could not be stored in {models}: {error.strerror or error}.",
            hint="Set TIGHTROPE_CACHE to a writable folder with free space.",
        ) from error
    return folder


def cache_dir() -> Path:
    """`$TIGHTROPE_CACHE`, or `~/.cache/tightrope`. It need not exist yet."""
    chosen = os.environ.get("TIGHTROPE_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "tightrope"
