"""Rules: what a file of them says, and everything that is wrong with it."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from search.audit.finding import Severity
from search.audit.names import NAMES
from search.audit.quantity import QUANTITIES
from search.config.origins import Key, dotted
from search.config.yaml_source import YamlSource
from search.errors import Problem
from search.expressions import Expression, ExpressionError, compile_expression
from trainables.nearest import did_you_mean

KEYS = (
    "title", "given", "when", "severity", "partly", "place", "evidence", "impact", "recommended", "fix",
    "source",
)  # fmt: skip
_CONTROL = ("off", "override", "extends")
_NEEDED = ("title", "when", "severity", "evidence", "impact", "recommended", "source")
_EXPRESSIONS = ("given", "when", "severity", "partly")
_TEMPLATES = ("title", "evidence", "impact", "recommended")
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
GRADES = {str(severity): str(severity) for severity in Severity if severity is not Severity.PASSED}
"""Names that stand for themselves where a severity is an expression."""


@dataclass(frozen=True)
class Rule:
    """A rule; its fields are what its file says under its id (`docs/audit.md`).

    Attributes:
        id: Its name.
        body: Plain data by key, one of `KEYS`.
        places: Where each key stands.
        origin: File that it is from, or that changed it last.
    """

    id: str
    body: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    @cached_property
    def when(self) -> Expression:
        """What makes it fire."""
        return compile_expression(str(self.body["when"]))

    @cached_property
    def given(self) -> Expression | None:
        """Where it applies at all; None is everywhere."""
        return _expression(self.body.get("given"))

    @cached_property
    def severity(self) -> Expression:
        """Gives the severity of what it finds."""
        return compile_expression(str(self.body["severity"]))

    @cached_property
    def partly(self) -> Expression | None:
        """The same where only a part of the space is affected; None is one level lower."""
        return _expression(self.body.get("partly"))

    def text(self, key: str) -> str:
        """A text or template of the rule; empty where it has none."""
        return str(self.body.get(key) or "")

    @property
    def fix(self) -> Mapping[str, Expression] | str | None:
        """What to set: expressions by fact, or a template of the line to type."""
        fix = self.body.get("fix")
        if isinstance(fix, Mapping):
            return {str(name): compile_expression(str(value)) for name, value in fix.items()}
        return None if fix is None else str(fix)

    @property
    def place(self) -> str | None:
        """The fact whose place is shown."""
        return self.body.get("place")


def _expression(text: Any) -> Expression | None:
    return None if text is None else compile_expression(str(text))


def template_parts(text: str) -> list[tuple[str, Expression | None, str]]:
    """A template in parts: text, then an expression to fill in after it, or None, and its format.

    Raises:
        ExpressionError: What is in braces is no expression.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ExpressionError(f"`{text}`: {error}", hint="Write {{ and }} for braces.") from None
    return [
        (before, None if name is None else compile_expression(name), form or "")
        for before, name, form, _ in parts
    ]


class RuleFile:
    """The rules of one file, over those that there are already.

    Args:
        source: The file as it was read.
        shown: How messages name it.
        key: Setting that named it, for messages.
        known: Rules that there are, by id.

    Attributes:
        rules: Those that result, by id.
        problems: Everything that is wrong.
    """

    def __init__(self, source: YamlSource, shown: str, key: str, known: Mapping[str, Rule]) -> None:
        self.rules: dict[str, Rule] = dict(known)
        self.problems: list[Problem] = list(source.problems)
        self._places, self._shown, self._key = source.places, shown, key
        for name, body in (source.data or {}).items():
            self._take(str(name), body)

    def _complain(self, key: Key, message: str, hint: str | None = None) -> None:
        where = next((self._places[key[:n]] for n in range(len(key), -1, -1) if key[:n] in self._places), "")
        self.problems.append(Problem(f"{self._key}: {dotted(key)}", message, where or self._shown, hint))

    def _take(self, name: str, body: Any) -> None:
        if not isinstance(body, dict):
            self._complain((name,), "is not a rule", "write its keys below it, indented")
            return
        before = len(self.problems)
        self._check_keys(name, body)
        base = self._base(name, body)
        if len(self.problems) > before or base is None:
            return
        if body.get("off") is True:
            del self.rules[name]
            return
        own = {key: value for key, value in body.items() if key in KEYS}
        places = {key: self._places.get((name, key), self._shown) for key in own}
        rule = Rule(name, {**base.body, **own}, {**base.places, **places}, self._shown)
        for key in _NEEDED:
            if rule.body.get(key) is None:
                self._complain((name,), f"has no {key}", f"add {key}: ...")
        self._check_values(rule, own)
        if len(self.problems) == before:
            self.rules[name] = rule

    def _check_keys(self, name: str, body: Mapping[str, Any]) -> None:
        if not _ID.fullmatch(name):
            hint = "use small letters, digits and single dashes"
            self._complain((name,), "is not an id of a rule", hint)
        for key, value in body.items():
            if key not in (*KEYS, *_CONTROL):
                self._complain((name, key), "is not a key of a rule", did_you_mean(key, (*KEYS, *_CONTROL)))
            elif key in ("off", "override") and not isinstance(value, bool):
                self._complain((name, key), f"{value!r} is not true or false")
            elif key == "extends" and not isinstance(value, str):
                self._complain((name, key), "is not the id of a rule")

    def _base(self, name: str, body: Mapping[str, Any]) -> Rule | None:
        """The rule that this one begins as; None where what it says of it is wrong."""
        changes = body.get("override") is True or body.get("off") is True
        if changes and name not in self.rules:
            self._complain((name,), "there is no such rule to change", did_you_mean(name, self.rules))
            return None
        if not changes and name in self.rules:
            hint = f"to change that of {self.rules[name].origin}, add override: true; or choose another id"
            self._complain((name,), "is the id of another rule", hint)
            return None
        if changes:
            if "extends" in body:
                self._complain((name, "extends"), "does not go with override or off", "keep one of them")
            return self.rules[name]
        parent = body.get("extends")
        if parent is None:
            return Rule(name, {})
        if parent not in self.rules:
            hint = did_you_mean(str(parent), self.rules)
            self._complain((name, "extends"), f"there is no rule {parent!r}", hint)
            return None
        return self.rules[parent]

    def _check_values(self, rule: Rule, own: Mapping[str, Any]) -> None:
        for key in _EXPRESSIONS:
            if own.get(key) is not None:
                self._check_expression((rule.id, key), own[key], key in ("severity", "partly"))
        for key in (*_TEMPLATES, "source"):
            if own.get(key) is not None and not isinstance(own[key], str):
                self._complain((rule.id, key), "is not text", "put it in quotes")
            elif key in own and key != "source":
                self._check_template((rule.id, key), own[key])
        if own.get("place") is not None:
            self._check_names((rule.id, "place"), [str(own["place"])], NAMES)
        fix = own.get("fix")
        if isinstance(fix, dict):
            self._check_names((rule.id, "fix"), fix, NAMES)
            for name, value in fix.items():
                self._check_expression((rule.id, "fix", name), value)
        elif isinstance(fix, str):
            self._check_template((rule.id, "fix"), fix)
        elif fix is not None:
            self._complain((rule.id, "fix"), "is neither text nor values by fact", "write fix: {lr: 1e-4}")

    def _check_expression(self, key: Key, text: Any, grades: bool = False) -> None:
        if isinstance(text, dict | list):
            self._complain(key, "is not an expression", "put it in quotes where it has braces or brackets")
            return
        try:
            names = compile_expression(str(text)).names
        except ExpressionError as error:
            self._complain(key, error.message, error.hint)
            return
        self._check_names(key, names, (*NAMES, *QUANTITIES, *(GRADES if grades else ())))

    def _check_template(self, key: Key, text: str) -> None:
        try:
            parts = template_parts(text)
        except ExpressionError as error:
            self._complain(key, error.message, error.hint)
            return
        names = {name for _, expression, _ in parts if expression for name in expression.names}
        self._check_names(key, names, (*NAMES, *QUANTITIES))

    def _check_names(self, key: Key, names: Iterable[str], known: Iterable[str]) -> None:
        for name in sorted(set(names) - set(known)):
            self._complain(key, f"{name!r} is neither a fact nor a quantity", did_you_mean(name, known))
