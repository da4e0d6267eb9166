"""Facts from a file of another tool: what it says, and what the tool does where it says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from search.audit.finding import Place
from search.audit.foreign.file import ForeignFile
from search.audit.foreign.key_map import VALUE, KeyMap, Source, as_text
from search.audit.lines import typed
from search.audit.names import NAMES
from search.audit.subject import Fact
from search.expressions import ExpressionError
from search.record.events import Scalar

ONE_RUN: Mapping[str, Scalar] = {
    "early_stopping": False,
    "objectives": 1,
    "searcher": "none",
    "searcher_learns": False,
}
"""What is so of a file of one run, which searches nothing."""

DEFAULT, ASSUMED = "default of", "assumed"
"""How sources begin of facts that a file does not say."""

_SEARCHED = ("lr", "rank", "batch")
"""Facts of which rules also ask for the least and the greatest value that a search may draw."""

_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
"""What YAML 1.1, which these tools read, takes for true and false."""


@dataclass(frozen=True)
class ForeignFact(Fact):
    """A fact with the source that it came from; None where it was given on the command line."""

    source: Source | None = None


class NotUnderstood(NamedTuple):
    """A value that the map of keys has no meaning for."""

    place: Place
    value: Any
    fact: str


@dataclass(frozen=True)
class Translation:
    """What a file says.

    Attributes:
        stages: Facts by name, by stage.
        unknown: Places of keys that the map does not have.
        not_understood: Values that it does not have.
    """

    stages: Mapping[str, Mapping[str, ForeignFact]]
    unknown: tuple[Place, ...]
    not_understood: tuple[NotUnderstood, ...]


def translate(file: ForeignFile, keys: KeyMap, given: Mapping[str, Scalar]) -> Translation:
    """Translates a file.

    Args:
        file: As read.
        keys: The tool's keys.
        given: Facts from the command line, which count before those of the file.
    """
    strange: dict[NotUnderstood, None] = {}
    stages = {}
    for stage, sources in keys.stages.items():
        facts: dict[str, ForeignFact] = {}
        for name, ways in sources.items():
            fact = _first(file, keys, name, ways, strange)
            if fact is not None:
                facts[name] = fact
        facts |= {
            name: ForeignFact(value, place=Place(name, source=f"command line: {name}={as_text(value)}"))
            for name, value in given.items()
        }
        _derive(keys, sources, facts)
        stages[stage] = {**_of_one_run(facts), **facts}
    unknown = (file.place(".".join(map(str, key))) for key in file.leaves() if not _is_known(keys, key))
    return Translation(stages, tuple(unknown), tuple(strange))


def line_for(fact: Fact, value: Scalar) -> str | None:
    """What to write into the file for a fact to have a value; None where no single line would do."""
    source = fact.source if isinstance(fact, ForeignFact) else None
    if source is None or source.key is None or source.groups is not None or source.expression is not None:
        return None
    if source.values is None:
        return f"{source.key}: {typed(value)}"
    theirs = [text for text, ours in source.values.items() if ours == value and type(ours) is type(value)]
    return f"{source.key}: {theirs[0]}" if theirs else None


def _first(
    file: ForeignFile,
    keys: KeyMap,
    name: str,
    ways: tuple[Source, ...],
    strange: dict[NotUnderstood, None],
) -> ForeignFact | None:
    """The fact from the first source that gives a value."""
    for source in ways:
        if not all(as_text(file.get(key)) in wanted for key, wanted in source.needed.items()):
            continue
        if source.fixed:
            place = Place(name, source=f"fixed by {keys.title}, {source.because}")
            return ForeignFact(source.fixed[0], place=place, source=source)
        assert source.key is not None
        raw = file.get(source.key)
        if raw is None:
            if source.default:
                return ForeignFact(
                    source.default[0], place=_default(keys, source), key=source.key, source=source
                )
            continue
        place = file.place(source.key)
        try:
            value = _converted(source, raw, NAMES[name].unit)
        except LookupError:
            strange[NotUnderstood(place, _hashable(raw), name)] = None
            continue
        if value is not _SKIPPED:
            return ForeignFact(value, place=place, key=source.key, source=source)
    return None


class _Skipped:
    """Says that a source gives no value here."""


_SKIPPED: Any = _Skipped()


def _converted(source: Source, raw: Any, unit: str) -> Any:
    """The neutral value, or `_SKIPPED` where the condition of the source does not hold.

    Raises:
        LookupError: It is not understood.
    """
    if source.present:
        return source.present[0]
    if isinstance(raw, list):
        return _grouped(source, [str(each) for each in raw])
    if source.groups is not None and isinstance(raw, str) and as_text(raw) not in (source.values or {}):
        return _grouped(source, [each.strip() for each in raw.split(",")])
    if isinstance(raw, Mapping):
        raise LookupError(source.key)
    value = raw if unit == "word" else _number(raw)
    try:
        if source.when is not None and not source.when.evaluate({VALUE: value}):
            return _SKIPPED
        if source.values is not None:
            return _listed_value(source.values, value)
        if source.expression is not None:
            return source.expression.evaluate({VALUE: value})
    except ExpressionError as error:
        raise LookupError(source.key) from error
    if isinstance(value, str) != (unit == "word") or isinstance(value, bool) != (unit == "yes or no"):
        raise LookupError(source.key)
    return value


def _number(value: Scalar) -> Scalar:
    """A number that stands in quotes as a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _listed_value(values: Mapping[str, Scalar], value: Scalar) -> Scalar:
    text = as_text(value)
    for each in (text, text.lower(), _BOOLEANS.get(text.lower(), text)):
        if each in values:
            return values[each]
    raise LookupError(text)


def _grouped(source: Source, members: list[str]) -> Scalar:
    """The group that holds all members, or `all` where several do together."""
    if source.groups is None or not members:
        raise LookupError(source.key)
    last = [member.rpartition(".")[2] for member in members]
    groups = {name for member in last for name, group in source.groups.items() if member in group}
    if not all(any(member in group for group in source.groups.values()) for member in last):
        raise LookupError(source.key)
    return groups.pop() if len(groups) == 1 else "all"


def _default(keys: KeyMap, source: Source) -> Place:
    taken = ASSUMED if source.assumed else f"{DEFAULT} {keys.title}"
    return Place(source.key or "", source=f"{taken}, {source.because}" if source.because else taken)


def _derive(keys: KeyMap, sources: Mapping[str, tuple[Source, ...]], facts: dict[str, ForeignFact]) -> None:
    """Fills in defaults that follow from other facts."""
    for name, ways in sources.items():
        for source in ways:
            if name in facts or source.default_from is None:
                continue
            try:
                value = source.default_from.evaluate({each: fact.value for each, fact in facts.items()})
            except ExpressionError:
                continue
            facts[name] = ForeignFact(value, place=_default(keys, source), key=source.key, source=source)


def _of_one_run(facts: Mapping[str, ForeignFact]) -> dict[str, ForeignFact]:
    place = Place("", source="one run, which searches nothing")
    fixed = {name: ForeignFact(value, place=place) for name, value in ONE_RUN.items()}
    ends = {f"{name}_{end}": facts[name] for name in _SEARCHED if name in facts for end in ("low", "high")}
    return fixed | ends


def _is_known(keys: KeyMap, key: tuple[str | int, ...]) -> bool:
    dotted = ".".join(map(str, key))
    used = {name for sources in keys.stages.values() for ways in sources.values() for name in _keys_of(ways)}
    if any(_contains(dotted, name) or _contains(name, dotted) for name in used):
        return True
    return any(fnmatchcase(dotted, pattern) or _contains(pattern, dotted) for pattern in keys.ignored)


def _keys_of(ways: tuple[Source, ...]) -> Iterator[str]:
    for source in ways:
        yield from ([source.key] if source.key else [])
        yield from source.needed


def _contains(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}.")


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else str(value)
