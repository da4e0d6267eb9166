"""What the keys of another tool mean: one YAML file per tool, and everything that is wrong with it.

A file says under `facts`, by neutral name (`search.audit.names`), from which key a fact comes:

    lr: learning_rate
    loss_on: {key: train_on_inputs, values: {true: all, false: completion}, default: completion}
    warmup_share:
      - {key: warmup_ratio, when: value > 0}
      - {key: warmup_steps, when: value < 1, default: 0}

Of several sources, the first that gives a value counts. `docs/audit.md` has all keys of the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search.audit.names import NAMES
from search.config.origins import Key, dotted
from search.config.yaml_source import YamlSource
from search.errors import Problem
from search.expressions import Expression, ExpressionError, compile_expression
from search.record.events import Scalar
from trainables.nearest import did_you_mean

VALUE = "value"
"""Name of the key's value in the expressions of a source."""

_TOP = ("title", "extends", "detect", "facts", "stages", "ignored")
_SOURCE = (
    "key", "values", "groups", "present", "expression", "when", "with",
    "default", "default_from", "fixed", "because", "assumed",
)  # fmt: skip
_STAGE = ("facts",)
_EXPRESSIONS = ("expression", "when", "default_from")


@dataclass(frozen=True)
class Source:
    """One way in which a fact follows from a file.

    Attributes:
        key: Dotted key of the file; None for what the tool itself fixes.
        values: Neutral value by the key's value, as text; a value that is not among them is not understood.
        groups: Members by neutral value, for a list of names; names of several groups are `all`.
        present: In a tuple of one, the value where the key is given at all, whatever it says.
        expression: Of `value`.
        when: Condition on `value`; where it does not hold, the next source counts.
        needed: Values that other keys must have, as text, "null" where they are not given.
        default: In a tuple of one, what the tool takes where the key is not given.
        default_from: The same as an expression of other facts.
        fixed: In a tuple of one, what the tool's own code fixes.
        because: Why, in words: where the default or the fixed value is from.
        assumed: Whether the default is an assumption of the audit, and not the tool's.
    """

    key: str | None = None
    values: Mapping[str, Scalar] | None = None
    groups: Mapping[str, frozenset[str]] | None = None
    present: tuple[Scalar] | tuple[()] = ()
    expression: Expression | None = None
    when: Expression | None = None
    needed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    default: tuple[Scalar] | tuple[()] = ()
    default_from: Expression | None = None
    fixed: tuple[Scalar] | tuple[()] = ()
    because: str = ""
    assumed: bool = False


@dataclass(frozen=True)
class KeyMap:
    """The keys of one tool.

    Attributes:
        name: As `--as` takes it.
        title: The tool's own name.
        extends: Name of a tool whose keys count too.
        detect: Keys by which a file of the tool is known.
        stages: Sources by fact, by stage; one stage named "" where the tool trains once.
        ignored: Keys that say nothing about the training, or patterns of such keys.
    """

    name: str
    title: str
    extends: str | None
    detect: frozenset[str]
    stages: Mapping[str, Mapping[str, tuple[Source, ...]]]
    ignored: tuple[str, ...]

    def over(self, base: KeyMap) -> KeyMap:
        """This one, with what the tool that it extends says where it says nothing itself."""
        (shared,) = base.stages.values()
        stages = {name: {**shared, **facts} for name, facts in self.stages.items()}
        return KeyMap(
            self.name, self.title, self.extends, self.detect, stages, (*self.ignored, *base.ignored)
        )


class KeyMapFile:
    """A file of keys as it was read.

    Args:
        source: The file.
        name: What the tool is called.
        shown: How messages name the file.

    Attributes:
        problems: Everything that is wrong, by line.
    """

    def __init__(self, source: YamlSource, name: str, shown: str) -> None:
        self.problems: list[Problem] = list(source.problems)
        self._places, self._name, self._shown = source.places, name, shown
        self._data: dict[str, Any] = source.data if isinstance(source.data, dict) else {}

    def read(self) -> KeyMap:
        """The map; what is wrong is left out of it, and in `problems`."""
        data = self._data
        self._check_keys(data, (), _TOP)
        facts = self._facts(data.get("facts"), ("facts",))
        stages = self._stages(data.get("stages"))
        if not self.problems and not facts and not any(stages.values()):
            self._complain((), "names no facts", "add facts:, with lines such as `lr: learning_rate`")
        return KeyMap(
            self._name,
            str(data.get("title") or self._name),
            data.get("extends"),
            frozenset(self._texts(data, ("detect",))),
            {name: {**facts, **own} for name, own in stages.items()} or {"": facts},
            self._texts(data, ("ignored",)),
        )

    def _complain(self, key: Key, message: str, hint: str | None = None) -> None:
        where = next((self._places[key[:n]] for n in range(len(key), -1, -1) if key[:n] in self._places), "")
        self.problems.append(Problem(dotted(key) or self._name, message, where or self._shown, hint))

    def _check_keys(self, data: Mapping[str, Any], key: Key, known: tuple[str, ...]) -> None:
        for name in data:
            if name not in known:
                self._complain((*key, name), "is not a key of this file", did_you_mean(name, known))

    def _texts(self, data: Mapping[str, Any], key: Key) -> tuple[str, ...]:
        value = data.get(str(key[-1])) or []
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        self._complain(key, "is not a list of keys", "write [first, second]")
        return ()

    def _stages(self, data: Any) -> dict[str, dict[str, tuple[Source, ...]]]:
        if data is None:
            return {}
        if not isinstance(data, dict):
            self._complain(("stages",), "does not name stages", "write their names below it, indented")
            return {}
        stages = {}
        for name, body in data.items():
            if not isinstance(body, dict):
                self._complain(("stages", name), "is not a stage", "write facts: below it, indented")
                continue
            self._check_keys(body, ("stages", name), _STAGE)
            stages[name] = self._facts(body.get("facts"), ("stages", name, "facts"))
        return stages

    def _facts(self, data: Any, key: Key) -> dict[str, tuple[Source, ...]]:
        if data is None:
            return {}
        if not isinstance(data, dict):
            self._complain(key, "does not name facts", "write lines such as `lr: learning_rate`")
            return {}
        for name in data:
            if name not in NAMES:
                self._complain((*key, name), "is not a fact of an audit", did_you_mean(name, NAMES))
        return {
            name: tuple(
                source
                for place, each in _listed(body, (*key, name))
                if (source := self._source(each, place)) is not None
            )
            for name, body in data.items()
        }

    def _source(self, body: Any, key: Key) -> Source | None:
        if isinstance(body, str):
            return Source(body)
        if not isinstance(body, dict):
            self._complain(key, "says no key", "write the tool's key, or {key: ..., values: {...}}")
            return None
        before = len(self.problems)
        self._check_keys(body, key, _SOURCE)
        if ("key" in body) == ("fixed" in body):
            self._complain(key, "has to have either a key, or what the tool fixes", "add key: or fixed:")
        for name in ("values", "groups", "with"):
            if not isinstance(body.get(name, {}), dict):
                self._complain((*key, name), "is not a mapping", "write {theirs: ours}")
        made = {name: self._expression(body, key, name) for name in _EXPRESSIONS}
        if len(self.problems) > before:
            return None
        return Source(
            body.get("key"),
            body.get("values"),
            {name: frozenset(members) for name, members in body["groups"].items()}
            if "groups" in body
            else None,
            (body["present"],) if "present" in body else (),
            made["expression"],
            made["when"],
            {name: frozenset(map(as_text, _each(value))) for name, value in body.get("with", {}).items()},
            (body["default"],) if "default" in body else (),
            made["default_from"],
            (body["fixed"],) if "fixed" in body else (),
            str(body.get("because", "")),
            body.get("assumed") is True,
        )

    def _expression(self, body: Mapping[str, Any], key: Key, name: str) -> Expression | None:
        if body.get(name) is None:
            return None
        try:
            expression = compile_expression(str(body[name]))
        except ExpressionError as error:
            self._complain((*key, name), error.message, error.hint)
            return None
        known = {*NAMES} if name == "default_from" else {VALUE}
        for unknown in sorted(expression.names - known):
            hint = did_you_mean(unknown, known) if name == "default_from" else f"the key's value is `{VALUE}`"
            self._complain((*key, name), f"{unknown} is not known here", hint)
        return expression


def as_text(value: Any) -> str:
    """A value as files of keys write it: true, null, 4."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(body: Any, key: Key) -> list[tuple[Key, Any]]:
    return (
        [((*key, place), each) for place, each in enumerate(body)]
        if isinstance(body, list)
        else [(key, body)]
    )


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
