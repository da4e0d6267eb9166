"""Outcomes of an evaluation, item by item; workers can exchange their shares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from trainables.evaluation.beliefs.outcomes import BeliefOutcome

UNPARSEABLE = -1
"""Prediction of an item whose reply named no option."""

ItemOutcome: TypeAlias = Literal["right", "wrong", "unparseable", "leaking"]
"""The result of an item.

"wrong": an answer was read, and is not right. "leaking": no answer could be read, and the reply has words of
the training data. "unparseable": no answer could be read, for any other reason.
"""


@dataclass(frozen=True)
class Result:
    """One item.

    Attributes:
        item: Its index within the skill.
        outcome: What came of it; None where nothing is right or wrong.
        prediction: Index of the option chosen, or `UNPARSEABLE`; for open items always the latter.
        reply: Generated text; empty where nothing is generated.
        answer: The part of the reply that was read as the answer to an open item; None where none was.
        tokens: Length of the reply.
        degenerate: Whether the reply is degenerate; see `is_degenerate`.
        looping: Whether it ends in a loop.
        exhausted: Whether it was cut off at its greatest length.
        thought: Whether it has a think section that is not empty; True where none is asked for.
        grams: Number of 4-grams of its tokens.
        repeats: How many of them stood in the reply before.
        f1: Token F1 of an open item's reply (SQuAD).
        values: Log-likelihoods of the options, in nats; per byte where the scoring is so.
        part: What it gives to a figure that only all items together make; None for none.
        base: What it gives with the base model; None where that is not known.
    """

    item: int
    outcome: ItemOutcome | None
    prediction: int = UNPARSEABLE
    reply: str = ""
    answer: str | None = None
    tokens: int = 0
    degenerate: bool = False
    looping: bool = False
    exhausted: bool = False
    thought: bool = True
    grams: int = 0
    repeats: int = 0
    f1: float = 0.0
    values: Sequence[float] = field(default=(), compare=False)
    part: Any = None
    base: Any = None

    @property
    def correct(self) -> bool:
        """Whether it was answered rightly."""
        return self.outcome == "right"


@dataclass
class Score:
    """One skill under one scoring.

    Attributes:
        primary: Whether it counts for capability.
        choice: Whether the items have options.
        last: Whether the skill is evaluated only at the full budget; it then counts for no shared metric.
        results: One for each item.
        generated: Whether they are replies to a task of lm-evaluation-harness.
        aggregation: Its name for how the results' parts become a figure; empty where items are right or
            wrong.
    """

    skill: str
    scoring: str
    primary: bool
    choice: bool
    last: bool = False
    results: list[Result] = field(default_factory=list)
    generated: bool = False
    aggregation: str = ""

    @property
    def right(self) -> int:
        """Number of items that were answered rightly."""
        return sum(result.correct for result in self.results)

    def bits(self, name: str) -> str:
        """ "1" or "0" for each item, by an attribute of its result."""
        return "".join("01"[value] for value in map(attrgetter(name), self.results))


@dataclass
class Sums:
    """Sums over the tokens of examples; all lists are parallel.

    Attributes:
        examples: Index of each example.
        sums: What is summed, such as its loss in nats.
        tokens: Number of tokens that the sum is over.
        sizes: Bytes of UTF-8 of these tokens' text; empty where that is not of use.
        base: The base model's sums; empty where they are not known.
    """

    examples: list[int] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    base: list[float] = field(default_factory=list)

    @classmethod
    def merged(cls, parts: Iterable[Sums]) -> Sums:
        """The examples of several in one, by index."""
        rows: list[tuple[Any, ...]] = []
        for part in parts:
            count = len(part.examples)
            optional = ([*column] or [None] * count for column in (part.sizes, part.base))
            rows += zip(part.examples, part.sums, part.tokens, *optional, strict=True)
        columns = [list(column) for column in zip(*sorted(rows, key=lambda row: row[0]), strict=True)]
        if not columns:
            return cls()
        sizes, base = ([] if None in column else column for column in columns[3:])
        return cls(columns[0], columns[1], columns[2], sizes, base)


@dataclass
class Outcomes:
    """Per-item outcomes of all items or of one worker's share of them.

    Attributes:
        heldout: Loss on held-out examples in nats.
        scores: One entry per skill and scoring, in the configuration's order, also where it is empty.
        seconds: Time by part: "heldout", "general", "kl", "generation", "likelihood", and "total". Of
            adapters that were evaluated together, each has its equal share of the time.
        general: Loss on general text in nats, and the base model's.
        divergence: Divergence from the base model on prompts, in nats.
        think_section: Whether replies were asked for with a think section.
        beliefs: Replies to the prompts that ask for beliefs.
        own: By metric of a user, what it gives each question.
    """

    heldout: Sums = field(default_factory=Sums)
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    general: Sums = field(default_factory=Sums)
    divergence: Sums = field(default_factory=Sums)
    think_section: bool = False
    beliefs: list[BeliefOutcome] = field(default_factory=list)
    own: dict[str, Sums] = field(default_factory=dict)

    @property
    def replies(self) -> list[Result]:
        """All generated replies of the skills that are evaluated at every rung, in order of skill."""
        generated = (score for score in self.scores if score.scoring == "generation" and not score.last)
        return [result for score in generated for result in score.results]

    @property
    def generated(self) -> list[Result]:
        """`replies`, and the replies to tasks of lm-evaluation-harness."""
        return [result for score in self.generating for result in score.results]

    @property
    def generating(self) -> list[Score]:
        """The scores that have them, in order of skill."""
        return [
            score
            for score in self.scores
            if not score.last and (score.generated or score.scoring == "generation")
        ]

    def to_bytes(self) -> bytes:
        """JSON in UTF-8, for sending to another worker."""
        return json.dumps(self, default=vars).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcomes:
        """Reads what `to_bytes` wrote."""
        values = json.loads(data)
        scores = [
            Score(**{**score, "results": [Result(**result) for result in score["results"]]})
            for score in values["scores"]
        ]
        sums = {name: Sums(**values[name]) for name in ("heldout", "general", "divergence")}
        beliefs = [BeliefOutcome.of(each) for each in values["beliefs"]]
        by_metric = {name: Sums(**given) for name, given in values["own"].items()}
        return cls(**{**values, "scores": scores, "beliefs": beliefs, "own": by_metric, **sums})


def merge(parts: Sequence[Outcomes]) -> Outcomes:
    """All workers' shares in one, items in their own order, however they were shared out."""
    scores = []
    for position, head in enumerate(parts[0].scores):
        results = [result for part in parts for result in part.scores[position].results]
        scores.append(replace(head, results=sorted(results, key=attrgetter("item"))))
    return Outcomes(
        Sums.merged(part.heldout for part in parts),
        scores,
        {name: max(part.seconds[name] for part in parts) for name in parts[0].seconds},
        Sums.merged(part.general for part in parts),
        Sums.merged(part.divergence for part in parts),
        parts[0].think_section,
        sorted((each for part in parts for each in part.beliefs), key=attrgetter("prompt")),
        {
            name: Sums.merged(part.own[name] for part in parts if name in part.own)
            for name in dict.fromkeys(name for part in parts for name in part.own)
        },
    )
