"""The base with what a trial left behind in its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from tightrope.export.base import Base, located
from tightrope.export.choice import Chosen
from tightrope.export.refused import ExportRefusedError
from trainables.errors import HintedError
from trainables.specs import TRAINABLES
from trainables.trainable import Part, TrainableSpec


def spec_of(chosen: Chosen) -> TrainableSpec:
    """The trainable of a search, which must be installed here.

    Raises:
        ExportRefusedError: It is not.
    """
    name = str(chosen.config.get("trainable"))
    if name not in TRAINABLES:
        raise ExportRefusedError(
            f"The trainable {name} is not installed here.", hint="Install the package that brings it."
        )
    return TRAINABLES[name]


def parts_of(chosen: Chosen) -> Mapping[str, Part]:
    """What the folders of the artifact hold; empty where it is one thing, or its trainable is not here."""
    name = str(chosen.config.get("trainable"))
    return TRAINABLES[name].artifact.parts if name in TRAINABLES else {}


def options_of(chosen: Chosen) -> BaseModel:
    """The sections of the configuration that the trainable owns.

    Raises:
        ExportRefusedError: They are those of another version.
    """
    spec = spec_of(chosen)
    assert chosen.recorded.started is not None
    recorded = chosen.recorded.started.config
    sections = {name: recorded[name] for name in spec.options.model_fields if name in recorded}
    try:
        return spec.options.model_validate(sections)
    except ValidationError as error:
        raise ExportRefusedError(
            "This version does not read the configuration of the search.",
            hint="Export it with the version that ran it, which its record names.",
        ) from error


def refuse_unmergeable(chosen: Chosen, base: Base | None) -> None:
    """Some artifacts are no change of the base's weights.

    Raises:
        ExportRefusedError: That of the search is none.
    """
    spec = spec_of(chosen)
    if spec.merge is None or base is None:
        why = spec.unmerged or "it is no change of the base's weights"
        raise ExportRefusedError(
            f"The {spec.artifact.name} cannot be merged: {why}.", hint="Export it without --merged."
        )


def write_merged(chosen: Chosen, base: Base, to: Path) -> str | None:
    """Writes the merged model into a folder that is there; returns what must be known of it, in words.

    Raises:
        ExportRefusedError: The base is not what was trained on, or does not take the adapter.
    """
    spec, options = spec_of(chosen), options_of(chosen)
    assert spec.merge is not None
    resolved = located(base)
    local = Path(resolved.path_or_id).is_absolute()
    if local and base.fingerprint not in (None, resolved.fingerprint):
        raise ExportRefusedError(
            f"The base {base.name} is not what the search trained on: its files have changed.",
            hint="Restore them, or export the adapter without --merged.",
        )
    pinned = base.config if local else base.config.model_copy(update={"revision": resolved.revision})
    try:
        return spec.merge(options.model_copy(update={"model": pinned}), chosen.checkpoint, to)
    except HintedError as error:
        raise ExportRefusedError(error.message, error.hint) from error
