"""What follows where a section is not given, or is made for another model than the one that is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.config.checks.objectives import metric_names
from search.config.composed import Composed
from search.config.library import first_comment, preset_files
from search.config.options import known_metrics
from search.config.origins import Key
from search.config.overrides import Override
from search.config.schema import SearchConfig
from search.config.sections import choose
from search.naming import begun_with
from trainables.data.sources import user_path
from trainables.embedded import SOURCES
from trainables.specs import TRAINABLES

_EMBEDDED = "embedded:"
"""What the path of a file begins with that comes with the embedded models."""


def take_left_out(composed: Composed, overrides: Sequence[Override], *, resume: bool = True) -> None:
    """Takes the trainable's presets for sections that are not given.

    A section of files about the embedded models' made-up world is not given where the command line chooses
    another model. A space that states hypotheses about such files is refused without others.

    Args:
        composed: With the sections that were chosen.
        overrides: The words of the command line.
        resume: Whether a search that has begun with another model and such files keeps them.
    """
    if composed.incomplete:
        return
    for group, preset in TRAINABLES[composed.trainable].presets.items():
        if composed.is_broken((group,)) or any(_gives(composed, group, word.key) for word in overrides):
            continue
        if group not in composed.data:
            _take(composed, group, preset, "none is given")
            continue
        model = _other_model(composed, overrides)
        if model is None or not _embedded_files(composed.data[group]):
            continue
        if resume and _begun_so(composed, overrides, group, model):
            composed.as_recorded = True
            continue
        why = f"the space's is about the embedded model's made-up world, not for {model}"
        if composed.data.get("hypotheses"):
            composed.complain((group,), why, f"add {group}=...; `--list` shows what it takes")
        else:
            _take(composed, group, preset, why)


def _gives(composed: Composed, group: str, key: Key) -> bool:
    """Whether a word of the command line with this key gives the section, or files for it."""
    if key[0] != group or len(key) == 1:
        return key[0] == group
    part = f"{group}.{key[1]}"
    effects = TRAINABLES[composed.trainable].effects.items()
    return any(effect == "content" and f"{name}.".startswith(f"{part}.") for name, effect in effects)


def _begun_so(composed: Composed, overrides: Sequence[Override], group: str, model: str) -> bool:
    """Whether the search that the words are about has begun with this model and the space's files."""
    words = {word.key: word.value for word in overrides}
    out = words.get(("out",), composed.data.get("out", SearchConfig.model_fields["out"].default))
    name = words.get(("name",), composed.data.get("name"))
    if not (isinstance(out, str) and isinstance(name, str)):
        return False
    recorded = begun_with(user_path(out), name, composed.space_name)
    section = recorded.get("model")
    source = section.get("source") if isinstance(section, Mapping) else None
    return source == model and _embedded_files(recorded.get(group)) == _embedded_files(composed.data[group])


def _embedded_files(section: Any) -> set[str]:
    return {text for text in _texts(section) if text.startswith(_EMBEDDED)}


def _take(composed: Composed, group: str, preset: str, why: str) -> None:
    section = choose(group, preset, {(): f"{group}={preset}, because {why}"})
    composed.data[group] = section.data
    composed.origins.replace((group,), section.places)
    what = first_comment(preset_files(group)[preset])
    composed.notes.append(f"{group}={preset}, because {why}. {what}.")


def _other_model(composed: Composed, overrides: Sequence[Override]) -> str | None:
    """The source of the model that the command line chooses, where that is none of the embedded ones."""
    words = [word for word in overrides if word.key in (("model",), ("model", "source"))]
    model = composed.data.get("model")
    if not words or not isinstance(model, dict):
        return None
    sources = [word.value for word in words if word.key != ("model",)]
    source = sources[-1] if sources else model.get("source")
    return source if isinstance(source, str) and source not in SOURCES else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def refit_objectives(composed: Composed, space: Mapping[str, Any], overrides: Sequence[Override]) -> None:
    """Drops a space's objectives for the default ones where other sections than its own do not measure them.

    Args:
        composed: With the sections that were chosen.
        space: What the space's file says.
        overrides: The words of the command line; objectives among them stay.
    """
    others = [g for g in TRAINABLES[composed.trainable].presets if composed.data.get(g) != space.get(g)]
    objectives = composed.data.get("objectives")
    if not others or not isinstance(objectives, list) or any(o.key[0] == "objectives" for o in overrides):
        return
    now = known_metrics(composed.trainable, composed.data)
    if not now.complete or composed.problems:
        return
    asked = [str(entry.get("metric")) for entry in objectives if isinstance(entry, dict)]
    gone = [metric for metric in asked if metric not in metric_names(now.metrics)]
    if not gone:
        return
    given = {group: choose(group, space[group], {(): ""}).data for group in others if group in space}
    before = metric_names(known_metrics(composed.trainable, {**composed.data, **given}).metrics)
    if all(metric in before for metric in gone):
        del composed.data["objectives"]
        composed.origins.forget(("objectives",))
        composed.notes.append(
            f"The objectives are the default ones: {' and '.join(others)} does not measure {', '.join(gone)}."
        )
