"""Where a configured model lies. Light: neither torch nor transformers is imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainables import embedded
from trainables.errors import UserError
from trainables.models import smollm2 as _smollm2  # noqa: F401  # registers its preparer
from trainables.models.fingerprint import folder_fingerprint
from trainables.models.preparers import prepared_folder
from trainables.settings import ModelConfig

EMBEDDED = "embedded"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class ResolvedModel:
    """A model that transformers can load.

    Attributes:
        path_or_id: Absolute folder, or hub id.
        revision: Hub revision asked for; None for folders.
        fingerprint: SHA-256 of a folder's files; of a hub model its id and commit, or the revision
            asked for where the commit is not known yet.
    """

    path_or_id: str
    revision: str | None
    fingerprint: str


def resolve(config: ModelConfig) -> ResolvedModel:
    """Finds the configured model; a model with a preparer is prepared on first use.

    Raises:
        UserError: `model.source` is neither a model folder nor a hub id, or preparing failed.
    """
    if config.prepare is not None:
        return _local(prepared_folder(config.prepare))
    if config.source == EMBEDDED:
        return _local(embedded.model_dir())
    folder = Path(config.source).expanduser()
    if folder.is_dir():
        return _local(folder.resolve())
    if config.source.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(config.source):
        raise UserError(
            f"model.source: there is no folder {config.source!r}, and it is no hub id.",
            hint='Give "embedded", an existing folder, or a hub id such as "org/name".',
        )
    commit = _cached_commit(config.source, config.revision)
    return ResolvedModel(config.source, config.revision, f"{config.source}@{commit}")


def _local(folder: Path) -> ResolvedModel:
    if not (folder / "config.json").is_file():
        raise UserError(
            f"model.source: {folder} is not a model folder, it has no config.json.",
            hint="Give a folder written by save_pretrained, with config.json, weights as safetensors "
            "and the tokenizer.",
        )
    return ResolvedModel(str(folder), None, folder_fingerprint(folder))


def _cached_commit(model_id: str, revision: str | None) -> str:
    """The commit that the hub's cache holds for a revision, or the revision where it holds none."""
    from huggingface_hub.constants import HF_HUB_CACHE

    name = revision or "main"
    reference = Path(HF_HUB_CACHE) / f"models--{model_id.replace('/', '--')}" / "refs" / name
    return reference.read_text().strip() if reference.is_file() else name
