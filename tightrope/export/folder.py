"""Writes the folder of an exported trial, whole or not at all, for everybody to read."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from tightrope.export.base import Base, base_folder, base_of, tokenizer_files
from tightrope.export.card import model_card
from tightrope.export.choice import Chosen
from tightrope.export.gguf import convert
from tightrope.export.merged import refuse_unmergeable, write_merged
from tightrope.export.refused import ExportRefusedError
from trainables.replacement import replacement

ADAPTER_CONFIG = "adapter_config.json"
EXPORTED = "exported"
"""The folder of exports, unless another is named."""
MERGED = "This is the whole model: the adapter is merged into the weights of the base."
_OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


def default_folder(chosen: Chosen, merged: bool = False) -> Path:
    """`exported/<search>-<trial>`, whatever the search is called; `-merged` after it where it is."""
    name = _OTHERS.sub("_", str(chosen.config["name"])).lstrip(".-") or "search"
    return Path(EXPORTED, f"{name}-{chosen.number}{'-merged' if merged else ''}")


def refuse_existing(to: Path) -> None:
    """Nothing is overwritten.

    Raises:
        ExportRefusedError: Something is there.
    """
    if os.path.lexists(to):
        raise ExportRefusedError(f"{to} exists.", hint="Give another folder with to=FOLDER, or remove it.")


def make_parents(path: Path) -> None:
    """Makes the folders above a path that are missing, for everybody to enter, whatever the umask.

    Raises:
        OSError: They cannot be made.
    """
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in missing:
        parent.chmod(0o755)


def write_folder(chosen: Chosen, to: Path, merged: bool = False, converter: Path | None = None) -> None:
    """Writes adapter, tokenizer and model card.

    Args:
        chosen: The trial.
        to: The folder; there is none yet.
        merged: Whether to write the base with the adapter in its weights, in the adapter's place.
        converter: llama.cpp's, for the adapter in its format too.

    Raises:
        ExportRefusedError: The folder exists or cannot be written, or the base cannot be read.
    """
    refuse_existing(to)
    base = base_of(chosen.recorded)
    if merged:
        refuse_unmergeable(chosen, base)
    tokenizer = {} if base is None or _has_tokenizer(chosen) else tokenizer_files(base)
    made_parents = [parent for parent in to.absolute().parents if not parent.exists()]
    try:
        make_parents(to)
        with replacement(to, sync=True) as part:
            part.mkdir()
            notes = _write_weights(chosen, base, part, merged)
            for name, source in tokenizer.items():
                _copy(source, part / name)
            if converter is not None and base is not None:
                convert(converter, part, base_folder(base))
            names = {path.name for path in part.iterdir()}
            (part / "README.md").write_text(model_card(chosen, base, names, notes), encoding="utf-8")
            _open_to_all(part)
            refuse_existing(to)
    except OSError as error:
        raise ExportRefusedError(
            f"{to} cannot be written ({error.strerror or error}).", hint="Give another folder with to=FOLDER."
        ) from error
    finally:
        if not to.exists():
            for parent in made_parents:
                with suppress(OSError):
                    parent.rmdir()


def _write_weights(chosen: Chosen, base: Base | None, part: Path, merged: bool) -> list[str]:
    """Returns what must be known of them, a sentence each."""
    if merged and base is not None:
        note = write_merged(chosen, base, part)
        return [MERGED, *([] if note is None else [note])]
    for file in chosen.files:
        _copy(chosen.checkpoint / file, part / file)
    for file in part.rglob(ADAPTER_CONFIG):
        _name_base(file, base)
    return []


def _has_tokenizer(chosen: Chosen) -> bool:
    """Whether the trial has a tokenizer of its own."""
    return any(file.name in ("tokenizer.json", "tokenizer_config.json") for file in chosen.files)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _name_base(file: Path, base: Base | None) -> None:
    """Writes what others know the base by into an adapter's configuration, in the place of a path.

    Raises:
        ExportRefusedError: The file is no configuration.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        config |= {"base_model_name_or_path": None if base is None else base.name}
    except (ValueError, TypeError) as error:
        raise ExportRefusedError(f"The adapter is damaged: its {ADAPTER_CONFIG} is not JSON.") from error
    config["revision"] = None if base is None else base.revision
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _open_to_all(folder: Path) -> None:
    """Everybody may read: what serves a model runs as another user than who has trained it."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
