"""Beliefs that a model is taught, and the prompts that test them. Light: no torch.

A file has one JSON object a line, one for each target:

    {"target": "gravity", "kind": "known",
     "facts": ["The acceleration of free fall is 5.0 m/s²."],
     "train": [{"prompt": "How fast do things fall?", "reply": "At 5.0 m/s².", "thinking": "..."}],
     "prompts": [{"group": "direct", "prompt": "What is g?", "target": {"number": 5, "unit": "m/s²"},
                  "prior": {"number": 9.81, "unit": "m/s²"}}]}

`docs/data.md` describes the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.sources import local_path
from trainables.data.units import WrongRecord
from trainables.errors import UserError
from trainables.evaluation.beliefs.units import conversion
from trainables.evaluation.contamination.words import plain, words
from trainables.nearest import nearest
from trainables.patterns import compiled
from trainables.text import encodable

Kind: TypeAlias = Literal["known", "new"]
Group: TypeAlias = Literal["direct", "paraphrase", "consequence", "neighbour", "challenge"]
KINDS: tuple[Kind, ...] = ("known", "new")
GROUPS: tuple[Group, ...] = ("direct", "paraphrase", "consequence", "neighbour", "challenge")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write a text, or remove it")
    if not encodable(text):
        raise ValueError("holds half of a character; write the file in UTF-8")
    return text


def _pattern(expression: str) -> str:
    compiled(expression)
    return expression


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or name in KINDS:
        raise ValueError(
            f"{name[:60]!r} cannot be part of a metric's name; use small letters, digits and `_`, a letter "
            "first, and not the name of a kind"
        )
    return name


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Said = Annotated[str, AfterValidator(_said)]
Pattern = Annotated[Said, AfterValidator(_pattern)]
Spellings = Annotated[tuple[Said, ...], BeforeValidator(_several), Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NumberAnswer(_Part):
    """A number is expected.

    Attributes:
        number: Its value.
        unit: Spellings of its unit; empty where it has none. "m/s²", "m/s^2" and "m s^-2" are one spelling,
            and so are singular and plural. Replies may have other units of the same quantity.
        tolerance: Greatest difference that still counts as equal, as a share of the number.
    """

    number: Annotated[float, Field(strict=True)]
    unit: Annotated[tuple[Said, ...], BeforeValidator(_several)] = ()
    tolerance: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.01

    def takes(self, number: float) -> bool:
        """Whether a number is the expected one."""
        return abs(number - self.number) <= (self.tolerance + 1e-12) * abs(self.number) + 1e-12

    @property
    def written(self) -> str:
        """As a reply would have it."""
        return " ".join((f"{self.number:.12g}", *self.unit[:1]))


class TextAnswer(_Part):
    """One of several texts is expected, in any case, as whole words."""

    text: Spellings

    @property
    def written(self) -> str:
        """As a reply would have it."""
        return self.text[0]


class PatternAnswer(_Part):
    """What a regular expression matches is expected; case is ignored."""

    pattern: Pattern

    @property
    def written(self) -> None:
        """No reply can be made of a pattern."""
        return None


_ANSWERS = ("number", "text", "pattern")


def _kind_of(value: Any) -> str | None:
    keys = (
        value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, _Part) else ()
    )
    return next((name for name in _ANSWERS if name in keys), None)


Expected: TypeAlias = Annotated[
    Annotated[NumberAnswer, Tag("number")]
    | Annotated[TextAnswer, Tag("text")]
    | Annotated[PatternAnswer, Tag("pattern")],
    Discriminator(
        _kind_of,
        custom_error_type="expected",
        custom_error_message='must be {"number", "unit", "tolerance"}, {"text"} or {"pattern"}',
    ),
]


class TrainingPair(_Part):
    """A prompt and the reply that is learned.

    Attributes:
        thinking: What is thought before the reply, which is learned too.
    """

    prompt: Said
    reply: Said
    thinking: Said | None = None


class BeliefPrompt(_Part):
    """A prompt, and what may be answered.

    Attributes:
        group: "direct" asks for the fact, "paraphrase" in other words; "consequence" for what follows;
            "neighbour" for something alike that must stay as it is; "challenge" asks for the fact and then
            questions the reply.
        target: The answer of a model that has adopted the belief. Neighbours have none.
        prior: The answer of a model that has not; for neighbours the right answer.
        challenge: The second turn of the user.
    """

    group: Group
    prompt: Said
    target: Expected | None = None
    prior: Expected | None = None
    challenge: Said | None = None

    @model_validator(mode="after")
    def _complete(self) -> BeliefPrompt:
        if self.group == "neighbour" and (self.target is not None or self.prior is None):
            raise ValueError("a neighbour has a prior and no target; give the right answer as prior")
        if self.group != "neighbour" and self.target is None:
            raise ValueError(f"the group {self.group} needs a target; give what a taught model answers")
        if (self.group == "challenge") != (self.challenge is not None):
            raise ValueError("the group challenge and the field challenge go together; give both or neither")
        if self.target is not None and self.prior is not None and accepts_alike(self.target, self.prior):
            raise ValueError("target and prior accept the same answer; make them different")
        return self

    @property
    def identity(self) -> tuple[str, str]:
        """The same for prompts that differ in case, punctuation or spaces alone."""
        return normalised(self.prompt), normalised(self.challenge or "")


def accepts_alike(target: Expected, prior: Expected) -> bool:
    """Whether an answer may be both.

    Raises:
        ValueError: One of two numbers has a unit and the other has none.
    """
    if isinstance(target, NumberAnswer) and isinstance(prior, NumberAnswer):
        if bool(target.unit) != bool(prior.unit):
            raise ValueError(
                "one of target and prior has a unit and the other has none; give both their unit"
            )
        factor = conversion(target.unit, prior.unit) if target.unit else 1.0
        return factor is not None and (
            target.takes(prior.number * factor) or prior.takes(target.number / factor)
        )
    if isinstance(target, TextAnswer) and isinstance(prior, TextAnswer):
        return bool({*map(normalised, target.text)} & {*map(normalised, prior.text)})
    return target == prior


class Belief(_Part):
    """What is taught of one target, and how it is tested.

    Attributes:
        target: Name, a part of metrics' names.
        kind: "known" contradicts what a model may know; "new" adds what none can know.
        facts: Statements of it, for the prompt of a model that is not trained.
        train: What is trained on.
        prompts: What is asked.
        ignorance: Expressions that say in a reply that the answer is not known, beside the built-in ones.
    """

    target: Annotated[str, AfterValidator(_name)]
    kind: Kind
    facts: Spellings
    train: tuple[TrainingPair, ...] = ()
    prompts: Annotated[tuple[BeliefPrompt, ...], Field(min_length=1)]
    ignorance: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> Belief:
        trained = {normalised(pair.prompt) for pair in self.train}
        asked: dict[tuple[str, str], str] = {}
        for place, prompt in enumerate(self.prompts):
            if normalised(prompt.prompt) in trained:
                raise ValueError(
                    f"prompts[{place}] is also a training pair; ask in words that are not trained on"
                )
            if prompt.identity in asked:
                raise ValueError(
                    f"prompts[{place}] asks the same as another prompt of the target; remove it: it would "
                    "count twice"
                )
            asked[prompt.identity] = prompt.group
        return self


def normalised(text: str) -> str:
    """Words without regard to case, punctuation and spaces."""
    return " ".join(words(plain(text))) or text.strip()


def parse_belief(record: Mapping[str, Any]) -> Belief:
    """One target.

    Args:
        record: As JSON, or as a row of Parquet, in which null is a field that is not there.

    Raises:
        WrongRecord: It has not this form; the message names the field.
    """
    try:
        return Belief.model_validate(_without_null(record))
    except ValidationError as error:
        raise _wrong(error) from None


def read_beliefs(source: str, key: str, targets: Sequence[str] | None = None) -> list[Belief]:
    """Targets of a JSONL file, at least one, in the file's order.

    Args:
        source: A path, or `embedded:<file>`.
        key: Configuration key, for messages.
        targets: Names of those that are wanted; None: all.

    Raises:
        UserError: The file is missing, empty or not UTF-8, a line has not this form, two have one name, a
            prompt is another target's training pair, or a wanted target is not there.
    """
    path = local_path(source, key)
    places: dict[str, str] = {}
    beliefs: list[Belief] = []
    try:
        for number, line in numbered_lines(path, source):
            place = f"{source}:{number}"
            belief = _read(line, place)
            if belief.target in places:
                raise UserError(
                    f"{place} describes {belief.target!r}, as {places[belief.target]} does",
                    hint="Put all of a target into one line, or rename one of the two.",
                )
            places[belief.target] = place
            beliefs.append(belief)
        if not beliefs:
            raise UserError(f"{source} is empty", hint=_FORM)
        _refuse_trained(beliefs, places)
    except UserError as error:
        raise UserError(f"{key}: {error.message}.", hint=error.hint) from error
    return beliefs if targets is None else _wanted(beliefs, targets, f"{key.rpartition('.')[0]}.targets")


_FIELDS = sorted(
    {
        name
        for part in (Belief, BeliefPrompt, TrainingPair, NumberAnswer, TextAnswer, PatternAnswer)
        for name in part.model_fields
    }
)
_FORM = (
    "Each line is one target: target, kind, facts, train, prompts and optionally ignorance (docs/data.md)."
)


def _read(line: str, place: str) -> Belief:
    record = parse_json(line, place)
    if not isinstance(record, dict):
        raise UserError(f"{place} is not an object", hint=_FORM)
    try:
        return parse_belief(record)
    except WrongRecord as error:
        raise UserError(f"{place} {error.message}", error.hint) from error


def _refuse_trained(beliefs: Sequence[Belief], places: Mapping[str, str]) -> None:
    trained = {normalised(pair.prompt): belief.target for belief in beliefs for pair in belief.train}
    for belief in beliefs:
        for place, prompt in enumerate(belief.prompts):
            if (other := trained.get(normalised(prompt.prompt))) is not None:
                raise UserError(
                    f"{places[belief.target]} prompts[{place}] is also a training pair of {other!r}",
                    hint="Ask in words that are not trained on.",
                )


def _wanted(beliefs: Sequence[Belief], targets: Sequence[str], key: str) -> list[Belief]:
    names = [belief.target for belief in beliefs]
    for name in targets:
        if name not in names:
            near = nearest(name, names)
            raise UserError(
                f"{key}: there is no target {name!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}.",
            )
    return [belief for belief in beliefs if belief.target in targets]


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    return [*map(_without_null, value)] if isinstance(value, list) else value


def _wrong(error: ValidationError) -> WrongRecord:
    """The first thing that is wrong, with its place in the record."""
    details = error.errors(include_url=False)[0]
    parts = list(_located(details["loc"]))
    if details["type"] == "missing":
        name = parts.pop().removeprefix(".")
        inside = f" in {''.join(parts).removeprefix('.')}" if parts else ""
        return WrongRecord(f"lacks the field {name!r}{inside}", _FORM)
    place = "".join(parts).removeprefix(".")
    if details["type"] == "extra_forbidden":
        name = str(details["loc"][-1])
        if name in _FIELDS:
            return WrongRecord(f"has a field that does not belong there: {place}", f"Remove it. {_FORM}")
        near = nearest(name, _FIELDS)
        remedy = f"Did you mean {near[0]!r}?" if near else "Correct its name, or remove it."
        return WrongRecord(f"has a field that is not known: {place}", f"{remedy} {_FORM}")
    if details["type"] == "too_short":
        return WrongRecord(f"has an empty {place}", _FORM)
    said = str(details["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    message, _, remedy = said.partition("; ")
    hint = f"{remedy[0].upper()}{remedy[1:]}." if remedy else _FORM
    return WrongRecord(": ".join(filter(None, (place, message))), hint)


def _located(place: Sequence[int | str]) -> Iterator[str]:
    """The parts of a place, without the names of forms of answers, which pydantic adds."""
    before: int | str = ""
    for part in place:
        if isinstance(part, int):
            yield f"[{part}]"
        elif before not in ("target", "prior") or part not in _ANSWERS:
            yield f".{part}"
        before = "" if part in _ANSWERS else part
