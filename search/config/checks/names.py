"""Names that must be registered."""

from __future__ import annotations

from collections.abc import Collection

from search.config.checks import parts
from search.config.composed import Composed
from search.schedulers import SCHEDULERS
from search.searchers import SEARCHERS
from trainables.data.formats import AUTO, FORMATS
from trainables.models import smollm2  # noqa: F401  (registers its preparer)
from trainables.models.preparers import PREPARERS
from trainables.nearest import did_you_mean
from trainables.settings import ModelConfig, TaskConfig
from trainables.specs import TRAINABLES


def check_names(composed: Composed) -> None:
    """Searcher, scheduler, baselines, preparer and form of data."""
    _check_registered(composed, ("searcher", "name"), "searcher", SEARCHERS)
    _check_registered(composed, ("scheduler", "name"), "scheduler", SCHEDULERS)
    _check_baselines(composed)
    if parts.has(composed, "model", ModelConfig):
        _check_registered(composed, ("model", "prepare"), "preparer of models", PREPARERS)
        _source_with_preparer(composed)
    if parts.has(composed, "task", TaskConfig):
        _check_registered(composed, ("task", "format"), "form of data", (AUTO, *FORMATS))


def _check_registered(composed: Composed, key: tuple[str, ...], kind: str, names: Collection[str]) -> None:
    name = parts.text(composed, *key)
    if name and name not in names and not composed.is_broken(key):
        composed.complain(key, f"there is no {kind} {name!r}", did_you_mean(name, list(names)))


def _check_baselines(composed: Composed) -> None:
    """References that the trainable can measure, each once."""
    known = TRAINABLES[composed.trainable].baselines
    given = composed.data.get("baselines")
    names = given if isinstance(given, list) else []
    for index, name in enumerate(names):
        if not isinstance(name, str):
            continue
        if name not in known:
            message = f"{composed.trainable} has no baseline {name!r}"
            composed.complain(("baselines", index), message, did_you_mean(name, known))
        elif name in names[:index]:
            composed.complain(("baselines", index), f"{name} is named twice", "keep one of them")


def _source_with_preparer(composed: Composed) -> None:
    """Refuses a source from the command line that the preset's preparer would override."""
    source, prepare = composed.origins.of(("model", "source")), composed.origins.of(("model", "prepare"))
    given_alone = source.startswith("command line: model.source=")
    if given_alone and parts.text(composed, "model", "prepare") and not prepare.startswith("command line"):
        given = parts.text(composed, "model", "source")
        preparer = parts.text(composed, "model", "prepare")
        message = f"is not used: model.prepare={preparer} ({prepare}) provides the model"
        composed.complain(("model", "source"), message, f"choose the whole model: model={given}")
