"""The base model that a trial belongs to: what it is called elsewhere, and its tokenizer's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from search.record import SearchState
from tightrope.export.refused import ExportRefusedError
from trainables import embedded
from trainables.errors import HintedError, first_line
from trainables.models.resolve import ResolvedModel, cached_folder, fetched, resolve
from trainables.settings import ModelConfig
from trainables.trainable import BASE

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json", "merges.txt", "vocab.*", "*.model", "*.tiktoken",
    "tekken.json", "byte_maps.json", "additional_chat_templates/*.jinja",
)  # fmt: skip


@dataclass(frozen=True)
class Base:
    """A base model as others know it.

    Attributes:
        name: Its hub id, or a plain name where it is no model of the hub; never a path.
        revision: The commit of the hub that was loaded, where it is known.
        hub: Whether `name` is a hub id.
        config: As the search was configured.
        fingerprint: Of what the workers loaded; None where that was not recorded.
    """

    name: str
    revision: str | None
    hub: bool
    config: ModelConfig
    fingerprint: str | None

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if self.config.prepare is not None:
            return f"weights prepared as `{self.config.prepare}`, not as the hub has them"
        if self.hub:
            return "on the Hugging Face hub"
        if embedded.embedded_folder(self.config.source) is not None:
            return "the small model that comes with Tightrope"
        return "a local folder of whoever ran the search"


def base_of(state: SearchState) -> Base | None:
    """The base of a search; None where its configuration has no model."""
    assert state.started is not None
    recorded: Any = state.started.config.get("model")
    if not isinstance(recorded, Mapping):
        return None
    known = {key: value for key, value in recorded.items() if key in ModelConfig.model_fields}
    try:
        config = ModelConfig.model_validate(known)
    except ValidationError:
        return None
    measured = state.baselines.get(BASE)
    fingerprint = None if measured is None else measured.fingerprints.get("model")
    if not _on_hub(config, fingerprint):
        return Base(_plain_name(config), None, False, config, fingerprint)
    _, _, commit = (fingerprint or "").partition("@")
    commit = commit.partition(" ")[0]
    revision = commit if _COMMIT.fullmatch(commit) else config.revision
    return Base(config.source, None if config.prepare else revision, True, config, fingerprint)


def _on_hub(config: ModelConfig, fingerprint: str | None) -> bool:
    """Whether the source is a model of the hub: by what the workers loaded, else by what it looks like."""
    if not _HUB_ID.fullmatch(config.source):
        return bool(fingerprint and fingerprint.startswith(f"{config.source}@"))
    if config.prepare is not None:
        return True
    return fingerprint is None or fingerprint.startswith(f"{config.source}@")


def _plain_name(config: ModelConfig) -> str:
    """The name, or where that is a path its last part."""
    return PurePath(config.name).name or PurePath(config.source).name or "base"


def tokenizer_files(base: Base) -> dict[str, Path]:
    """The files of the base's tokenizer, its chat template among them, by their names.

    Of a hub model that is not in this machine's cache the small files are downloaded.

    Raises:
        ExportRefusedError: The base cannot be read here.
    """
    folder = base_folder(base)
    return {
        path.relative_to(folder).as_posix(): path
        for pattern in _TOKENIZER
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def base_folder(base: Base) -> Path:
    """Where the base lies on this machine, with its small files at least.

    Raises:
        ExportRefusedError: It cannot be read here.
    """
    resolved = located(base)
    if Path(resolved.path_or_id).is_absolute():
        return Path(resolved.path_or_id)
    folder = cached_folder(resolved.path_or_id, resolved.revision)
    if folder is None:
        raise _unreadable(base, "it is not in the cache")
    return folder


def located(base: Base) -> ResolvedModel:
    """The base as the workers resolved it, at the commit that they loaded.

    Raises:
        ExportRefusedError: It cannot be read here.
    """
    config = base.config
    if base.hub and base.revision is not None:
        config = config.model_copy(update={"revision": base.revision})
    try:
        return fetched(resolve(config), config)
    except HintedError as error:
        raise _unreadable(base, error.message) from error
    except Exception as error:  # the hub's client raises errors of many libraries
        raise _unreadable(base, first_line(error)) from error


def _unreadable(base: Base, why: str) -> ExportRefusedError:
    return ExportRefusedError(
        f"The tokenizer and the weights of the base {base.name} cannot be read: {why}",
        hint="A folder must lie where it lay during the search; a model of the hub needs the network once.",
    )
