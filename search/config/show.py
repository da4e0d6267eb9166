"""The resolved configuration as YAML, each value with where it came from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from search.config.load import Resolved
from search.config.origins import Key, dotted
from search.config.yaml_source import read_text
from search.redact import redact
from trainables.specs import TRAINABLES

_COLUMN = 44


def config_yaml(resolved: Resolved) -> str:
    """The configuration as a space file: saved and given as `space=FILE`, it asks for the same search.

    What code may run only a command line says.

    Passwords appear as `***`.
    """
    data = _redact(_plain(resolved))
    space = data.pop("space")
    data.pop("allow_code")  # only the command line allows code
    lines = [(f"# space={space}, resolved: every value, and where it came from", "")]
    for name, value in data.items():
        lines += _entry(resolved, (name,), value, "")
    text = [f"{line:<{_COLUMN}}  # {comment}" if comment else line for line, comment in lines]
    return "\n".join([*text, *_default_lines(resolved)]) + "\n"


def _default_lines(resolved: Resolved) -> list[str]:
    """Comments with the defaults of the trainable's parameters that are neither searched nor fixed."""
    head = (
        f"# Parameters of {resolved.config.trainable} that are neither searched nor fixed, at their defaults:"
    )
    lines = [f"#   {name}: {_flow(value)}" for name, value in _defaults(resolved).items()]
    return [head, *lines] if lines else []


def _defaults(resolved: Resolved) -> dict[str, Any]:
    config = resolved.config
    fields = TRAINABLES[config.trainable].parameters.model_fields
    # A trial's seed is derived from the search's.
    given = {*config.parameters, *config.fixed, "seed"}
    return {name: field.default for name, field in fields.items() if name not in given}


def config_data(resolved: Resolved) -> dict[str, Any]:
    """The same for programs: `config`, `origins` by dotted key, and `defaults` of parameters not in it."""
    data = _redact(_plain(resolved))
    return {
        "config": data,
        "defaults": _defaults(resolved),
        "origins": {dotted(key): resolved.origins.of_value(key) for key in _leaves(data, ())},
    }


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _redact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner) for inner in value]
    return redact(value) if isinstance(value, str) else value


def _plain(resolved: Resolved) -> dict[str, Any]:
    data = resolved.config.model_dump(mode="json")
    # A parameter's unused condition says nothing.
    data["parameters"] = {
        name: parameter.model_dump(mode="json", exclude_none=True)
        for name, parameter in resolved.config.parameters.items()
    }
    return data


def _entry(resolved: Resolved, key: Key, value: Any, indent: str) -> Iterator[tuple[str, str]]:
    """Lines of one `key: value`, each with its comment."""
    name = scalar(str(key[-1]))
    if isinstance(value, dict) and value:
        yield f"{indent}{name}:", ""
        for inner, below in value.items():
            yield from _entry(resolved, (*key, inner), below, f"{indent}  ")
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield f"{indent}{name}:", ""
        for index, item in enumerate(value):
            yield from _item(resolved, (*key, index), item, f"{indent}  ")
    else:
        yield f"{indent}{name}: {_flow(value)}", resolved.origins.of_value(key)


def _item(resolved: Resolved, key: Key, item: dict[str, Any], indent: str) -> Iterator[tuple[str, str]]:
    """Lines of a mapping in a list."""
    lines = [
        line for name, value in item.items() for line in _entry(resolved, (*key, name), value, f"{indent}  ")
    ]
    for number, (line, comment) in enumerate(lines):
        yield (f"{indent}- {line[len(indent) + 2 :]}" if number == 0 else line), comment
    if not lines:
        yield f"{indent}- {{}}", ""


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return "{}" if isinstance(value, dict) else scalar(value)


def scalar(value: object) -> str:
    """A scalar that `yaml_source` reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    as_read = read_text(f"[{text}]", "", str).data if text.isprintable() else None
    return text if as_read == [text] else _quote(text)


def _quote(text: str) -> str:
    escaped = "".join(
        char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text
    )
    return f'"{escaped}"'


def _leaves(value: Any, key: Key) -> Iterator[Key]:
    """Keys of single values and of lists of them."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        inner = list(enumerate(value))
    if not inner:
        yield key
    for name, below in inner:
        yield from _leaves(below, (*key, name))
