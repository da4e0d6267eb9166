"""Composition: the space's file, then chosen sections, then single values from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel

from search.config.composed import Composed
from search.config.left_out import refit_objectives, take_left_out
from search.config.library import PRESET_GROUPS, find_space, shown, space_files
from search.config.names import derived_name
from search.config.options import known_metrics
from search.config.origins import COMMAND_LINE, DEFAULT, Key, dotted, everywhere
from search.config.overrides import GROUPS, Override, entry, parse_words
from search.config.prior import prior_problem
from search.config.schema import (
    DEFAULT_TRAINABLE,
    config_model,
    default_objectives,
    trainable_of,
)
from search.config.sections import Section, choose
from search.config.yaml_source import read_file
from trainables.nearest import did_you_mean
from trainables.specs import TRAINABLES

_REMOVABLE = ("parameters", "fixed", "hypotheses")
_BUDGETS = ("steps", "epochs")
MISSING = "???"
"""A value that a space leaves to the user."""


def compose(words: Sequence[str], *, resume: bool = True) -> Composed:
    """Composes the configuration that the words of a command line ask for.

    Args:
        words: `key=value` words.
        resume: See `take_left_out`.
    """
    overrides, problems = parse_words(words)
    composed = Composed(problems=problems)
    space = next((override for override in overrides if override.key == ("space",)), None)
    _take_space(composed, space)
    _take_trainable(composed, overrides)
    if composed.is_broken(("trainable",)):
        return composed  # nothing of the rest can be judged
    _derive_name(composed, overrides)
    chosen = {override.key[0]: override for override in overrides if override.chooses}
    space_data = dict(composed.data)
    for group in GROUPS:
        _take_section(composed, group, chosen.get(group))
    take_left_out(composed, overrides, resume=resume)
    refit_objectives(composed, space_data, overrides)
    config = OmegaConf.create(_without_interpolation(composed, composed.data, (), None))
    for override in overrides:
        if override is not space and not override.chooses:
            _apply(composed, config, override)
    composed.data = OmegaConf.to_container(config)
    _one_budget(composed)
    _name_defaults(composed)
    _choose_prior(composed)
    _refuse_missing(composed, composed.data, ())
    return composed


def _one_budget(composed: Composed) -> None:
    """Steps or epochs on the command line replace whichever of the two the space's file has."""
    section = composed.data.get("budget")
    if not isinstance(section, dict) or any(section.get(name) is None for name in _BUDGETS):
        return
    said = [name for name in _BUDGETS if composed.origins.of(("budget", name)).startswith(COMMAND_LINE)]
    if len(said) == 1:
        (name,) = said
        other = _BUDGETS[1 - _BUDGETS.index(name)]
        where, value = composed.origins.of(("budget", other)), section.pop(other)
        composed.origins.replace(("budget", other), {(): f"{COMMAND_LINE}: budget.{name} replaces it"})
        composed.notes.append(f"budget.{name}={section[name]} replaces budget.{other}={value} ({where}).")
        return
    hint = "remove one of them: a trial's length is set by steps or by epochs"
    composed.complain(("budget", "epochs"), "is given together with budget.steps", hint)


def _name_defaults(composed: Composed) -> None:
    """Fills in the default searcher or scheduler where only its options are given."""
    for group in ("searcher", "scheduler"):
        section = composed.data.get(group)
        if isinstance(section, dict) and "name" not in section:
            composed.data[group] = {"name": composed.model.model_fields[group].default.name, **section}
            composed.origins.replace((group, "name"), {(): DEFAULT})


def _choose_prior(composed: Composed) -> None:
    """Takes the trainable's prior where nothing is said and it applies."""
    if "prior" not in composed.data and prior_problem(composed.trainable, composed.data) is None:
        prior = TRAINABLES[composed.trainable].prior
        assert prior is not None
        composed.data["prior"] = prior.name
        composed.origins.replace(("prior",), {(): DEFAULT})


def _take_space(composed: Composed, space: Override | None) -> None:
    """Reads the space's file; without one, missing keys are not reported."""
    if space is None or not isinstance(space.value, str):
        hint = f"add space=NAME or space=FILE.yaml; {did_you_mean('', space_files())}"
        message, where = ("is not a name", space.where) if space else ("is missing", "command line")
        composed.complain(("space",), message, hint, where)
        composed.incomplete = True
        return
    path = find_space(space.value)
    if not isinstance(path, Path):
        composed.complain(("space",), path[0], path[1], space.where)
        composed.incomplete = True
        return
    source = read_file(path, shown(path), "space")
    composed.problems += source.problems
    if not isinstance(source.data, dict):
        composed.incomplete = True
        return
    composed.origins.replace((), source.places)
    if "space" in source.data:
        hint = "a space is named after its file; remove the key"
        composed.complain(("space",), "does not belong in a space file", hint)
    composed.data = {"name": path.stem, **source.data, "space": space.value}
    for key in ("space", *(("name",) if "name" not in source.data else ())):
        composed.origins.replace((key,), {(): space.where})


def _derive_name(composed: Composed, overrides: Sequence[Override]) -> None:
    name = composed.data.get("name")
    if not isinstance(name, str) or any(override.key == ("name",) for override in overrides):
        return
    composed.space_name = name
    derived = derived_name(name, composed.data, overrides)
    if derived != name:
        composed.data["name"] = derived
        composed.origins.replace(("name",), {(): f"{composed.origins.of(('name',))}, and the command line"})


def _take_trainable(composed: Composed, overrides: Sequence[Override]) -> None:
    word = next((override for override in overrides if override.key == ("trainable",)), None)
    if word is None:
        take_trainable(composed, composed.data.get("trainable"))
    else:
        take_trainable(composed, word.value, word.where)


def take_trainable(composed: Composed, name: object, where: str | None = None) -> None:
    """Takes the trainable, which decides which sections and parameters exist.

    Args:
        composed: Gets it, or a problem where it cannot be used.
        name: As it was given; the schema refuses what is no name.
        where: Where it comes from, if that is not known from its key.
    """
    composed.trainable = trainable_of({"trainable": name})
    if not isinstance(name, str) or not name:
        return
    repair = "repair or update the package that provides it"
    if name in TRAINABLES:
        try:
            config_model(name)
        except ValueError as error:
            composed.trainable = DEFAULT_TRAINABLE
            composed.complain(("trainable",), str(error), repair, where)
    elif reason := TRAINABLES.broken().get(name):
        message = f"{name!r} is installed and cannot be imported: {reason}"
        composed.complain(("trainable",), message, repair, where)
    else:
        hint = f"{did_you_mean(name, list(TRAINABLES))} (packages can add others)"
        composed.complain(("trainable",), f"there is no trainable {name!r}", hint, where)


def _take_section(composed: Composed, group: str, override: Override | None) -> None:
    value: Any
    places: dict[Key, str]
    if override is not None:
        value, places = override.value, everywhere(override.value, override.where)
    elif group in composed.data:
        value, places = composed.data[group], composed.origins.below((group,))
    else:
        return
    if group in PRESET_GROUPS and group not in composed.model.model_fields:
        section = Section(value, dict(places))  # refused by the schema, with what it belongs to
    else:
        section = choose(group, value, places)
    composed.problems += section.problems
    composed.origins.replace((group,), {(): places[()], **section.places})
    if section.data is None and section.problems:
        composed.broken.add((group,))
        composed.data.pop(group, None)
    else:
        composed.data[group] = section.data


def _apply(composed: Composed, config: DictConfig, override: Override) -> None:
    """Sets, merges or removes the value at a dotted key."""
    _fill_list(composed, config, override.key)
    key = _resolve_indices(composed, config, override)
    if key is None:
        return
    if override.value is None and len(key) == 2 and key[0] in _REMOVABLE:
        _remove(composed, config, key, override.where)
        return
    value = _without_interpolation(composed, override.value, key, override.where)
    # A parameter with a type of its own is another parameter: nothing of the old one stays.
    replaces = key[0] == "parameters" and len(key) == 2 and isinstance(value, dict) and "type" in value
    merges = isinstance(value, dict) and isinstance(OmegaConf.select(config, dotted(key)), DictConfig)
    merges = merges and not replaces
    OmegaConf.update(config, dotted(key), value, merge=merges)
    places = everywhere(value, override.where)
    if merges:
        # The section keeps its place in the file, for what is said of the section as a whole.
        composed.origins.update(key, {below: place for below, place in places.items() if below})
    else:
        composed.origins.replace(key, places)


def _fill_list(composed: Composed, config: DictConfig, key: Key) -> None:
    """Writes out a list's default, so that the command line can change one entry."""
    name = str(key[0])
    if len(key) == 1 or name in config:
        return
    field = composed.model.model_fields.get(name)
    default: Any = None if field is None else field.default
    if name == "objectives":
        known = known_metrics(composed.trainable, OmegaConf.to_container(config))
        default = default_objectives(known.metrics)
    if isinstance(default, tuple):
        entries = [entry.model_dump(exclude_none=True) for entry in default if isinstance(entry, BaseModel)]
        if entries:
            config[name] = entries
            composed.origins.replace((name,), everywhere(entries, DEFAULT))


def _resolve_indices(composed: Composed, config: DictConfig, override: Override) -> Key | None:
    """The key with indices of lists as numbers, or None where it leads nowhere."""
    node: Any = OmegaConf.to_container(config)
    key: list[str | int] = []
    made: list[Key] = []
    for part in override.key:
        if isinstance(node, list):
            if (index := entry(part, len(node))) is None:
                whole = f"give the whole list: {dotted(tuple(key))}=[...]"
                hint = f"its entries are 0 to {len(node) - 1}; or {whole}" if node else whole
                composed.complain((*key, part), "is not an entry of this list", hint, override.where)
                return None
            part = index
        elif node is not None and not isinstance(node, dict):
            hint = f"{dotted(tuple(key))} is a single value"
            composed.complain((*key, part), "is not a known key", hint, override.where)
            return None
        key.append(part)
        node = node[part] if isinstance(part, int) else (node or {}).get(part)
        if node is None:
            made.append(tuple(key))
    for section in made:
        # Sections that only this word brings about have it for their place.
        composed.origins.replace(section, {(): override.where})
    return tuple(key)


def _remove(composed: Composed, config: DictConfig, key: Key, where: str) -> None:
    section = config.get(str(key[0])) or {}
    if key[1] not in section:
        composed.complain(
            key,
            ("cannot be removed, because it does not exist"),
            did_you_mean(str(key[1]), map(str, section)),
            where,
        )
        return
    del section[key[1]]
    composed.origins.forget(key)


def _without_interpolation(composed: Composed, value: Any, key: Key, where: str | None) -> Any:
    """A copy without `${...}`, which is refused: OmegaConf would let it read the environment."""
    if isinstance(value, dict):
        return {
            name: _without_interpolation(composed, inner, (*key, name), where)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_interpolation(composed, inner, (*key, i), where) for i, inner in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        hint = "write the value itself, or a parameter of type expression"
        composed.complain(key, "contains ${...}, which is not interpolated here", hint, where)
        return MISSING
    return value


def _refuse_missing(composed: Composed, value: Any, key: Key) -> None:
    """Refuses values that the space leaves to the user and that the user has not given."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _refuse_missing(composed, inner, (*key, name))
    elif value == MISSING and not composed.is_broken(key):
        composed.complain(key, "has no value: this space requires you to set it", f"add {dotted(key)}=VALUE")
