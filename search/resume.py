"""Whether a configuration may resume a recorded search, and what differs if it may not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.origins import Key, dotted
from search.config.schema import NO_PRIOR, SearchConfig, trainable_of
from search.effects import SOMETIMES, leaves, pattern
from search.errors import SpaceChangedError
from search.provenance import PREFIX, changed, contents
from search.record import Event, RecordReader, SearchState
from search.redact import redacted
from trainables.specs import TRAINABLES


@dataclass(frozen=True)
class Recorded:
    """The record that a search begins or resumes with; empty before its first session.

    Attributes:
        config: The configuration to resume with.
        size: Length of the record, in bytes.
    """

    config: SearchConfig
    folder: Path
    events: Sequence[Event]
    state: SearchState
    size: int


def open_record(config: SearchConfig) -> Recorded:
    """Reads the record in the search's folder, for a plan as for a run.

    Raises:
        SpaceChangedError: It is that of another search, or of another model or other data.
        RecordError: It is damaged, or cannot be read.
    """
    folder = Path(config.out).resolve() / config.name
    reader = RecordReader(folder)
    events = list(reader.read_new())
    state = SearchState.from_events(events)
    if state.started is not None:
        config = with_recorded_choices(state.started.config, config)
        refuse_changes(state.started.config, config)
        _refuse_other_contents(state, config)
    return Recorded(config, folder, events, state, reader.offset)


def comparable(config: Mapping[str, Any]) -> dict[Key, Any]:
    """The part of a resolved configuration that trials depend on, but for what its paths lead to."""
    # Values are drawn, and conditions applied, in the declared order.
    order = list(config.get("parameters", {}))
    return leaves(config, ["search"]) | {("order of parameters",): order}


def fingerprint(config: SearchConfig) -> str:
    """SHA-256 of what trials depend on, in hexadecimal."""
    known = {dotted(key): value for key, value in comparable(config.model_dump(mode="json")).items()}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def refuse_changes(recorded: Mapping[str, Any], config: SearchConfig) -> None:
    """Compares a recorded configuration with the one asked for.

    Raises:
        SpaceChangedError: They differ in what trials depend on; the message lists each key.
    """
    # A record has no credentials. What differs in them alone is no change.
    asked = redacted(config.model_dump(mode="json"))
    if lines := sorted(_differences(redacted(_completed(recorded)), asked)):
        raise SpaceChangedError(
            f"Search {config.name!r} was started with another configuration:\n" + "\n".join(lines),
            hint=f"Resume with the recorded values, or start a new search with name={free_name(config)}.",
        )


def free_name(config: SearchConfig) -> str:
    """The search's name with the first number that no folder beside the search's has."""
    numbered = (f"{config.name}-{number}" for number in count(2))
    return next(name for name in numbered if not (Path(config.out) / name).exists())


def _differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    yield from _lengths(("objectives",), recorded.get("objectives"), asked.get("objectives"))
    for section in TRAINABLES[trainable_of(asked)].options.model_fields:
        then, now = recorded.get(section) or {}, asked.get(section) or {}
        if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
            continue  # compared as a value
        for name, entries in now.items():
            if _has_sections(entries) or _has_sections(then.get(name)):
                yield from _lengths((section, name), then.get(name), entries)
    before, now = comparable(recorded), comparable(asked)
    for key in before.keys() | now.keys():
        one_sided = key not in before or key not in now
        if one_sided and (pattern(key) in SOMETIMES or any(isinstance(part, int) for part in key)):
            continue  # what makes it unread was said, or that there is an entry more or less
        if before.get(key) != now.get(key):
            yield f"  {dotted(key)}: recorded {_show(before, key)}, now {_show(now, key)}"
    # Paths may lead elsewhere, but not be there for one session and not for another.
    here, there = (leaves(config, ["content"]) for config in (recorded, asked))
    for key in here.keys() & there.keys():
        if key[0] != "model" and key[-1] != "subset" and (here[key] is None) != (there[key] is None):
            yield f"  {dotted(key)}: recorded {_show(here, key)}, now {_show(there, key)}"


def _has_sections(value: Any) -> bool:
    """Whether it is a list whose entries are sections."""
    return isinstance(value, list | tuple) and any(isinstance(entry, Mapping) for entry in value)


def _lengths(key: Key, before: Any, now: Any) -> Iterator[str]:
    numbers = [len(entries) if isinstance(entries, list | tuple) else 0 for entries in (before, now)]
    if numbers[0] != numbers[1]:
        yield f"  {dotted(key)}: recorded {numbers[0]} entries, now {numbers[1]}"


def _completed(recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recorded configuration with the defaults of what could not yet be said when it was recorded."""
    try:
        return SearchConfig.model_validate(recorded).model_dump(mode="json")
    except ValidationError:
        return recorded


def _show(values: Mapping[Key, Any], key: Key) -> str:
    return json.dumps(values[key]) if key in values else "absent"


def _refuse_other_contents(state: SearchState, config: SearchConfig) -> None:
    """Compares what the model's and the data's paths lead to, as far as a quick look tells."""
    assert state.started is not None
    prints = state.started.fingerprints.items()
    recorded = {key.removeprefix(PREFIX): value for key, value in prints if key.startswith(PREFIX)}
    if not recorded:
        return  # an older record: the workers compare
    now = contents(config)
    if keys := sorted(changed(recorded, now)):
        asked = config.model_dump(mode="json")
        lines = [
            f"  {key}: {_at(asked, key)} has changed ({_short(recorded[key])} then, {_short(now[key])} now)"
            for key in keys
        ]
        raise SpaceChangedError(
            f"Search {config.name!r} was started with other content:\n" + "\n".join(lines),
            hint="Restore the recorded files, at any path, or start a new search with "
            f"name={free_name(config)}.",
        )


def _at(config: Any, key: str) -> str:
    for part in key.split("."):
        config = config[int(part)] if isinstance(config, list) else config[part]
    return str(config)


def _short(content: str) -> str:
    kind, _, rest = content.partition(":")
    return f"{kind} {rest[:12]}" if kind == "sha256" else rest


_CHOSEN: dict[tuple[str, str], object] = {
    ("task", "format"): "auto",
    ("task", "max_length"): None,
    ("capability", "max_new_tokens"): None,
}
"""Settings that may be left to the search, and the value that leaves them."""


def with_recorded_choices(recorded: Mapping[str, Any], config: SearchConfig) -> SearchConfig:
    """The configuration with what the record says for settings that are left to the search.

    Args:
        recorded: The configuration in the record.
        config: The one asked for.
    """
    if "prior" not in recorded:  # it began before there were any
        config = config.model_copy(update={"prior": NO_PRIOR})
    if "early_ratio" not in recorded.get("budget", {}):  # likewise
        config = config.model_copy(update={"budget": config.budget.model_copy(update={"early_ratio": 0.0})})
    for (section, name), left in _CHOSEN.items():
        before = recorded.get(section, {}).get(name, left)
        part = getattr(config, section, None)
        if getattr(part, name, None) == left and before != left and part is not None:
            config = config.model_copy(update={section: part.model_copy(update={name: before})})
    return config
