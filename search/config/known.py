"""The schema's keys, and what an unknown key was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from search.config.foreign import SETTINGS, TRAINED, is_foreign, meant_parameter
from search.config.origins import Key, dotted
from search.config.schema import SearchConfig, config_model, trainable_of
from search.config.space import Parameter
from trainables.nearest import distance, nearest
from trainables.specs import TRAINABLES

_NAMED_BY_USER = ("parameters", "fixed", "hypotheses")
_PLUGINS = ("searcher", "scheduler")


def keys_at(key: Key, model: type[SearchConfig]) -> list[str]:
    """The keys that the section at `key` may have; empty for values and where users choose the names."""
    models: list[type[BaseModel]] = [model]
    free = False
    for part in key:
        if isinstance(part, int) or free:
            free = False
            continue
        annotations = [
            section.model_fields[part].annotation for section in models if part in section.model_fields
        ]
        free = part in _NAMED_BY_USER and models == [model]
        models = [inner for annotation in annotations for inner in model_types(annotation)]
    return [] if free else list(dict.fromkeys(name for inner in models for name in inner.model_fields))


def unknown_key(key: Key, data: Mapping[str, Any], trainable_parameters: Sequence[str]) -> tuple[str, str]:
    """Message and hint about a key that the schema does not have.

    Args:
        key: The unknown key.
        data: The configuration it is in.
        trainable_parameters: Names of the trainable's parameters.
    """
    if len(key) == 1 and (owners := _owners(str(key[0]))):
        kind = "the trainable" if len(owners) == 1 else "the trainables"
        return (
            f"belongs to {kind} {' and '.join(owners)}, and this search has trainable={trainable_of(data)}",
            f"remove it, or choose trainable={' or '.join(owners)}",
        )
    return "is not a known key", unknown_key_hint(key, data, trainable_parameters)


def _owners(section: str) -> list[str]:
    """The trainables that own a section of this name."""
    return [name for name in TRAINABLES if section in TRAINABLES[name].options.model_fields]


def unknown_key_hint(key: Key, data: Mapping[str, Any], trainable_parameters: Sequence[str]) -> str:
    """What was probably meant by an unknown key.

    A typing error in the same section comes first, then the same name in another section, then any
    similar name.

    Args:
        key: The unknown key.
        data: The configuration it is in.
        trainable_parameters: Names of the trainable's parameters.
    """
    model, word = config_model(trainable_of(data)), str(key[-1])
    name, colon, value = word.partition(":")
    if colon and name in keys_at(key[:-1], model):
        return f"write `{name}: {value}`: YAML needs a space after the colon"
    if word == "preset":
        return f"to choose a preset, write {dotted(key[:-1])}=NAME"
    if key[0] == "parameters" and len(key) == 3:
        if is_foreign(word) and (meant := meant_parameter(str(key[1]), data["parameters"][key[1]])):
            return meant
        return _member_hint(Parameter, "type", data["parameters"][key[1]]["type"], word)
    if key[0] in _PLUGINS and len(key) == 2:
        section = str(key[0])
        union = model.model_fields[section].annotation
        return _member_hint(union, "name", data[section]["name"], word, above=f"{section}.")
    siblings = [name for name in keys_at(key[:-1], model) if name != "space"]
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
    elsewhere = [known for known in all_keys(model) if known[-1] == word]
    if elsewhere:
        return _meant(elsewhere)
    near = [(*key[:-1], name) for name in nearest(word, siblings)]
    if not near:
        names = nearest(word, {str(known[-1]) for known in all_keys(model)})
        near = [known for known in all_keys(model) if known[-1] in names]
    if near:
        return _meant(near)
    return f"the keys here are {', '.join(siblings)}" if siblings else "leave it out"


def _member_hint(union: Any, tag: str, kind: str, word: str, above: str = "") -> str:
    """What an unknown key was probably meant to be, in a section that comes in several kinds."""
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
def all_keys(model: type[SearchConfig]) -> tuple[Key, ...]:
    """Every key of the schema whose name is fixed, of sections and of values."""
    return tuple(dict.fromkeys(_walk(model, ())))


def _walk(model: type[BaseModel], above: Key) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if not above and name == "space":
            continue
        yield (*above, name)
        # What lies in a list or under a name of the user's has no key that could be suggested.
        if name in ("parameters", "hypotheses") or get_origin(field.annotation) is tuple:
            continue
        for inner in model_types(field.annotation):
            yield from _walk(inner, (*above, name))


def model_types(annotation: Any) -> list[type[BaseModel]]:
    """The models of sections that a value of this type can hold."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in model_types(argument)]


def _meant(keys: Sequence[Key]) -> str:
    return f"did you mean {' or '.join(dotted(key) for key in keys[:3])}?"
