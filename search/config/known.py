"""The keys that the schema knows, and the nearest to one that it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from search.config.foreign import SETTINGS, TRAINED, is_foreign, meant_parameter
from search.config.origins import Key, dotted
from search.config.schedulers import SchedulerConfig
from search.config.schema import SearchConfig
from search.config.searchers import SearcherConfig
from search.config.space import Parameter
from trainables.nearest import distance, nearest

_NAMED_BY_USER = ("parameters", "fixed")
_UNIONS: dict[str, Any] = {"searcher": SearcherConfig, "scheduler": SchedulerConfig}


def keys_at(key: Key) -> list[str]:
    """The keys that the section at `key` may have; empty where it names its own, or is no section."""
    models: list[type[BaseModel]] = [SearchConfig]
    free = False
    for part in key:
        if isinstance(part, int) or free:
            free = False
            continue
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        free = part in _NAMED_BY_USER and models == [SearchConfig]
        models = [found for annotation in annotations for found in model_types(annotation)]
    return [] if free else list(dict.fromkeys(name for model in models for name in model.model_fields))


def unknown_key_hint(key: Key, data: Mapping[str, Any], trainable_parameters: Sequence[str]) -> str:
    """What was probably meant by an unknown key.

    A slip of the pen in the same section comes first, then the same name in another section, then
    anything near.

    Args:
        key: The unknown key.
        data: The configuration it is in.
        trainable_parameters: Names of the trainable's parameters.
    """
    word = str(key[-1])
    name, colon, value = word.partition(":")
    if colon and name in keys_at(key[:-1]):
        return f"write `{name}: {value}`: YAML wants a space after the colon"
    if word == "preset":
        return f"to choose a preset write {dotted(key[:-1])}=NAME"
    if key[0] == "parameters" and len(key) == 3:
        if is_foreign(word) and (meant := meant_parameter(str(key[1]), data["parameters"][key[1]])):
            return meant
        return _member_hint(Parameter, "type", data["parameters"][key[1]]["type"], word)
    if key[0] in _UNIONS and len(key) == 2:
        section = str(key[0])
        return _member_hint(_UNIONS[section], "name", data[section]["name"], word, above=f"{section}.")
    siblings = [name for name in keys_at(key[:-1]) if name != "space"]
    slips = [name for name in nearest(word, siblings) if distance(word.lower(), name.lower()) <= 1]
    if slips:
        return _meant([(*key[:-1], name) for name in slips])
    if (setting := SETTINGS.get(word.lower())) is not None:
        return f"did you mean {setting}?"
    word = TRAINED.get(word.lower(), word)
    if word in trainable_parameters and word in (data.get("parameters") or ()):
        return (
            f"{word} is searched: parameters.{word}.low=... and the like change its range, "
            f"parameters.{word}=null fixed.{word}=... fixes it"
        )
    if word in trainable_parameters:
        return (
            f"{word} is a parameter of the trainable: fixed.{word}=... fixes it, "
            f"parameters.{word}={{type: ...}} searches it"
        )
    elsewhere = [known for known in all_keys() if known[-1] == word]
    if elsewhere:
        return _meant(elsewhere)
    near = [(*key[:-1], name) for name in nearest(word, siblings)]
    if not near:
        names = nearest(word, {str(known[-1]) for known in all_keys()})
        near = [known for known in all_keys() if known[-1] in names]
    if near:
        return _meant(near)
    return f"the keys here are {', '.join(siblings)}" if siblings else "leave it out"


def _member_hint(union: Any, tag: str, kind: str, word: str, above: str = "") -> str:
    """What a key of a section that comes in several kinds was probably meant to be."""
    members = [(get_args(model.model_fields[tag].annotation), model) for model in model_types(union)]
    names = [name for kinds, model in members if kind in kinds for name in model.model_fields]
    here = f"{tag} {kind} has the keys {', '.join(names)}"
    if near := nearest(word, names):
        return f"did you mean {' or '.join(above + name for name in near)}?"
    for name in nearest(word, {name for _, model in members for name in model.model_fields}):
        others = [other for kinds, model in members if name in model.model_fields for other in kinds]
        return f"{above}{name} is for {tag} {' and '.join(others)}; {here}"
    return here


@cache
def all_keys() -> tuple[Key, ...]:
    """Every key of the schema that has one name only, sections and values."""
    return tuple(dict.fromkeys(_walk(SearchConfig, ())))


def _walk(model: type[BaseModel], above: Key) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if not above and name == "space":
            continue
        yield (*above, name)
        # What lies in a list or under a name of the user's has no key that could be suggested.
        if name == "parameters" or get_origin(field.annotation) is tuple:
            continue
        for inner in model_types(field.annotation):
            yield from _walk(inner, (*above, name))


def model_types(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a value of this type may be, or be made of."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in model_types(argument)]


def _meant(keys: Sequence[Key]) -> str:
    return f"did you mean {' or '.join(dotted(key) for key in keys[:3])}?"
