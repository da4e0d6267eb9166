"""Where a configured model lies. Light: neither torch nor transformers is imported."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from trainables import embedded
from trainables.errors import UserError
from trainables.models import smollm2 as _smollm2  # noqa: F401  # registers its preparer
from trainables.models.fingerprint import folder_fingerprint
from trainables.models.folder.check import check_folder
from trainables.models.preparers import cache_dir, prepared_folder
from trainables.settings import ModelConfig

_SMALL = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class ResolvedModel:
    """A model that transformers can load.

    Attributes:
        path_or_id: Absolute folder, or hub id.
        revision: Hub revision asked for; None for folders.
        fingerprint: SHA-256 of a folder's files; of a hub model its id and commit, or the revision
            asked for where the commit is not known yet. Of a quantised model followed by how it is.
    """

    path_or_id: str
    revision: str | None
    fingerprint: str


def resolve(config: ModelConfig) -> ResolvedModel:
    """Finds the configured model; a model with a preparer is prepared on first use.

    Raises:
        UserError: `model.source` is neither a folder nor a hub id, `check_folder` refuses it, or it could not
            be prepared.
    """
    if config.prepare is not None:
        return _local(prepared_folder(config.prepare), config)
    shipped = embedded.embedded_folder(config.source)
    if shipped is not None:
        return ResolvedModel(str(shipped), None, folder_fingerprint(shipped) + _kept(config))
    folder = Path(config.source).expanduser()
    if folder.is_dir():
        return _local(folder.resolve(), config)
    if not is_hub_id(config):
        raise UserError(
            f"model.source: there is no folder {config.source!r}, and it is not a hub id.",
            hint=f"Give {', '.join(embedded.SOURCES)}, an existing folder, or a hub id such as org/name.",
        )
    commit = _cached_commit(config.source, config.revision)
    return ResolvedModel(config.source, config.revision, f"{config.source}@{commit}{_kept(config)}")


def is_hub_id(config: ModelConfig) -> bool:
    """Whether `model.source` is the hub id of a model, for lack of a folder of that name."""
    source = config.source
    if source.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(source):
        return False
    return embedded.embedded_folder(source) is None and not Path(source).is_dir()


def fetched(resolved: ResolvedModel, config: ModelConfig) -> ResolvedModel:
    """The same model, checked, and of a hub model the commit that is loaded.

    Of a hub model the small files are downloaded, which say what else would be read; weights are not.

    Args:
        resolved: What `resolve` returned for `config`.
        config: The same model's settings.

    Raises:
        UserError: A hub model is one that `check_folder` refuses.
        Exception: What the hub's client raises where a model cannot be had.
    """
    if Path(resolved.path_or_id).is_absolute():
        return resolved
    from huggingface_hub import snapshot_download

    code = config.trust_remote_code
    files = [*_SMALL, "*.py"] if code else list(_SMALL)
    folder = Path(
        snapshot_download(
            resolved.path_or_id, revision=resolved.revision, allow_patterns=files, ignore_patterns=["*/*"]
        )
    )
    quantise = config.quantization is not None
    check_folder(folder, code=code, weights=False, hub_id=resolved.path_or_id, quantise=quantise)
    fingerprint = f"{resolved.path_or_id}@{folder.name}{_kept(config)}"
    return ResolvedModel(resolved.path_or_id, folder.name, fingerprint)


def local_folder(config: ModelConfig) -> Path | None:
    """The configured model's folder, where it lies on this machine; nothing is prepared or downloaded."""
    if config.prepare is not None:
        folder = cache_dir() / "models" / config.prepare
    else:
        folder = embedded.embedded_folder(config.source) or Path(os.path.expanduser(config.source))
    try:
        return folder if folder.is_dir() else cached_folder(config.source, config.revision)
    except OSError:
        return None  # A name that no file of this machine can have.


def cached_folder(model_id: str, revision: str | None) -> Path | None:
    """The snapshot of a hub model in this machine's cache, where it was downloaded before."""
    from huggingface_hub.constants import HF_HUB_CACHE

    stored = Path(HF_HUB_CACHE) / f"models--{model_id.replace('/', '--')}"
    snapshot = stored / "snapshots" / _cached_commit(model_id, revision)
    return snapshot if snapshot.is_dir() else None


def _local(folder: Path, config: ModelConfig) -> ResolvedModel:
    # The code of a prepared folder is never run.
    code = config.trust_remote_code and config.prepare is None
    check_folder(folder, code=code, quantise=config.quantization is not None)
    return ResolvedModel(str(folder), None, folder_fingerprint(folder, code=code) + _kept(config))


def _kept(config: ModelConfig) -> str:
    """What sets a quantised model apart from that of its files."""
    if config.quantization is None:
        return ""
    return f" {config.quantization}{'' if config.double_quant else ' with scales in float32'}"


def _cached_commit(model_id: str, revision: str | None) -> str:
    """The commit that the hub's cache holds for a revision, or the revision where it holds none."""
    from huggingface_hub.constants import HF_HUB_CACHE

    name = revision or "main"
    reference = Path(HF_HUB_CACHE) / f"models--{model_id.replace('/', '--')}" / "refs" / name
    return reference.read_text().strip() if reference.is_file() else name
