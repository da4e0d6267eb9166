"""Rules over a subject: what each of them finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from search.audit.finding import Audit, Finding, Place, Severity, Undecided, ordered
from search.audit.region import Region
from search.audit.rule import GRADES, Rule, template_parts
from search.audit.shares import region
from search.audit.subject import Point, Subject
from search.audit.words import affected, shown_value
from search.expressions import Expression, ExpressionError
from search.record.events import Scalar
from search.searchers.draw import quantile


def evaluate(subject: Subject, rules: Iterable[Rule], allow: Iterable[str] = ()) -> Audit:
    """Evaluates all rules.

    Args:
        subject: What is audited.
        rules: In any order.
        allow: Ids of critical findings that are accepted.
    """
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    inapplicable: list[str] = []
    for rule in rules:
        match _Judged(subject, rule).result():
            case Finding() as finding:
                findings.append(finding)
            case Undecided() as unknown:
                undecided.append(unknown)
            case None:
                inapplicable.append(rule.id)
    return Audit(
        ordered(findings),
        tuple(sorted(undecided, key=lambda each: each.id)),
        tuple(sorted(inapplicable)),
        tuple(allow),
    )


class _Judged:
    """One rule over a subject."""

    def __init__(self, subject: Subject, rule: Rule) -> None:
        self._subject, self._rule = subject, rule
        self._missing: dict[str, None] = {}
        self._problems: list[str] = []

    def result(self) -> Finding | Undecided | None:
        """What it finds; None where it does not apply."""
        given, when = self._rule.given, self._rule.when
        try:
            if given is not None and not self._region(given).cells:
                return None
            fires = self._region(*(each for each in (given, when) if each is not None))
        except ExpressionError as error:
            return self._undecided(error)
        if not fires.cells:
            return self._passed()
        return self._finding(fires)

    def _region(self, *conditions: Expression) -> Region:
        """Where all of these hold."""

        def test(point: Point) -> bool:
            try:
                return all(condition.over(point) for condition in conditions)
            except ExpressionError:
                self._missing |= point.missing
                self._problems += point.problems
                raise

        names = frozenset().union(*(condition.names for condition in conditions))
        return region(test, self._subject.depends(names), self._subject)

    def _undecided(self, error: ExpressionError) -> Undecided:
        rule, missing = self._rule, tuple(self._missing)
        reason = f"{', '.join(missing)} not known" if missing else "; ".join(dict.fromkeys(self._problems))
        return Undecided(rule.id, self._middle(rule.text("title")), missing, reason or error.message)

    def _passed(self) -> Finding:
        rule = self._rule
        names = sorted(rule.when.names | (rule.given.names if rule.given else frozenset()))
        point = self._subject.at(self._centre())
        known = (f"{name} {_known(self._subject, point, name)}" for name in names if name in point)
        fact = self._subject.facts.get(rule.place or "")
        place = self._subject.places(fact, None) if fact else None
        title = self._filled(rule.text("title"), point)
        return Finding(rule.id, Severity.PASSED, place, title, ", ".join(known), source=rule.text("source"))

    def _finding(self, fires: Region) -> Finding:
        rule, subject = self._rule, self._subject
        point = subject.at({**self._centre(), **fires.extreme()})
        searched = bool(fires.axes)
        trials = self._trials() if searched else ()
        where = affected(fires, subject.trials, trials) if searched else ""
        evidence = self._filled(rule.text("evidence"), point)
        return Finding(
            id=rule.id,
            severity=self._severity(point, fires),
            place=self._place(fires),
            title=self._filled(rule.text("title"), point),
            evidence=f"{evidence}; {where}" if where else evidence,
            impact=self._filled(rule.text("impact"), point),
            recommended=self._filled(rule.text("recommended"), point),
            fix=self._fix(point, fires),
            source=rule.text("source"),
            share=fires.share if searched else None,
            method=fires.method if searched else None,
            trials=trials or (),
        )

    def _severity(self, point: Point, fires: Region) -> Severity:
        whole = self._grade(self._rule.severity, point)
        if fires.share == 1:
            return whole
        partly = self._rule.partly
        return whole.milder if partly is None else self._grade(partly, point)

    @staticmethod
    def _grade(expression: Expression, point: Point) -> Severity:
        try:
            return Severity(str(expression.over(_Graded(point))))
        except (ExpressionError, ValueError):
            return Severity.MEDIUM  # it rests on what is not known

    def _trials(self) -> tuple[int, ...] | None:
        """Numbers of the trials that are affected; None where trials are not known beforehand."""
        proposals = self._subject.proposals()
        if proposals is None:
            return None
        conditions = [each for each in (self._rule.given, self._rule.when) if each is not None]

        def fires(values: Mapping[str, Scalar]) -> bool:
            point = self._subject.at({**self._centre(), **values})
            try:
                return all(condition.over(point) for condition in conditions)
            except ExpressionError:
                return False

        return tuple(number for number, values in enumerate(proposals) if fires(values))

    def _place(self, fires: Region | None) -> Place | None:
        names = [self._rule.place] if self._rule.place else sorted(self._rule.when.names)
        facts = [fact for name in names if (fact := self._subject.facts.get(name)) is not None]
        return self._subject.places(facts[0], fires) if facts else None

    def _fix(self, point: Point, fires: Region) -> str | None:
        fix = self._rule.fix
        if not isinstance(fix, Mapping):
            return None if fix is None else self._filled(fix, point)
        lines = []
        for name, expression in fix.items():
            fact = self._subject.facts.get(name)
            try:
                value = expression.evaluate(point)
            except ExpressionError:
                return None
            line = None if fact is None else self._subject.line(fact, value, fires)
            if line is None:
                return None
            lines.append(line)
        return " ".join(lines)

    def _centre(self) -> dict[str, Scalar]:
        return {name: quantile(axis, 0.5) for name, axis in self._subject.axes.items()}

    def _middle(self, template: str) -> str:
        return self._filled(template, self._subject.at(self._centre()))

    @staticmethod
    def _filled(template: str, point: Point) -> str:
        parts = []
        for text, expression, form in template_parts(template):
            parts.append(text)
            if expression is None:
                continue
            try:
                parts.append(shown_value(expression.evaluate(point), form))
            except ExpressionError:
                parts.append("unknown")
        return "".join(parts)


class _Graded(Mapping[str, object]):
    """A point in which the names of severities stand for themselves."""

    def __init__(self, point: Point) -> None:
        self._point = point

    def __contains__(self, name: object) -> bool:
        return name in GRADES or name in self._point

    def __getitem__(self, name: str) -> object:
        return GRADES[name] if name in GRADES else self._point[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._point)

    def __len__(self) -> int:
        return len(self._point)


def _known(subject: Subject, point: Point, name: str) -> str:
    """A fact's value, or the range that is searched."""
    fact = subject.facts.get(name)
    axis = subject.axes.get(fact.parameter or "") if fact is not None else None
    low, high = getattr(axis, "low", None), getattr(axis, "high", None)
    if low is not None and high is not None:
        return f"{shown_value(low)} to {shown_value(high)}"
    if axis is not None:
        return " or ".join(map(shown_value, getattr(axis, "choices", ())))
    return shown_value(point[name])
