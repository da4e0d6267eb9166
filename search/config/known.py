"""The keys that the schema knows, and the nearest to one that it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from search.config.nearest import distance, nearest
from search.config.origins import Key, dotted
from search.config.schema import SearchConfig
from search.config.space import Parameter

_NAMED_BY_USER = ("parameters", "fixed")


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
        models = [found for annotation in annotations for found in _models(annotation)]
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
        return _parameter_key_hint(word, data["parameters"][key[1]]["type"])
    siblings = [name for name in keys_at(key[:-1]) if name != "space"]
    slips = [name for name in nearest(word, siblings) if distance(word.lower(), name.lower()) <= 1]
    if slips:
        return _meant([(*key[:-1], name) for name in slips])
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


def _parameter_key_hint(word: str, kind: str) -> str:
    models = [
        model for model in _models(Parameter) if kind in get_args(model.model_fields["type"].annotation)
    ]
    names = [name for model in models for name in model.model_fields]
    near = nearest(word, names)
    return f"did you mean {' or '.join(near)}?" if near else f"type {kind} has the keys {', '.join(names)}"


@cache
def all_keys() -> tuple[Key, ...]:
    """Every key of the schema that has one name only, sections and values."""
    return tuple(_walk(SearchConfig, ()))


def _walk(model: type[BaseModel], above: Key) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if not above and name == "space":
            continue
        yield (*above, name)
        # What lies in a list or under a name of the user's has no key that could be suggested.
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _walk(inner, (*above, name))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _meant(keys: Sequence[Key]) -> str:
    return f"did you mean {' or '.join(dotted(key) for key in keys[:3])}?"
