"""The Parquet file of an evaluation's results, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.evaluation.beliefs.asked import AskedPrompt
from trainables.evaluation.beliefs.outcomes import BeliefOutcome
from trainables.evaluation.outcomes import UNPARSEABLE, Outcomes, Result, Score, Sums
from trainables.evaluation.questions.items import ChoiceItem, Item

SCHEMA = pa.schema(
    [
        pa.field("skill", pa.string(), nullable=False),
        pa.field("scoring", pa.string(), nullable=False),
        pa.field("item", pa.int32(), nullable=False),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("reply", pa.string()),
        ("prediction", pa.string()),
        ("outcome", pa.string()),
        ("degenerate", pa.bool_()),
        ("tokens", pa.int32()),
        ("values", pa.list_(pa.float64())),
    ]
)
"""One row per item and scoring; "heldout" and "general" have one per example, whose skill is empty.

Of beliefs there is one per reply: its skill is the target, its scoring "facts:" and the group, its question
of a challenge the conversation before it, and its outcome "target", "prior", "ignorance" or "other".
"""

FACTS = "facts:"
"""What the scoring of a prompt that asks for a belief begins with, before its group."""


def write_items(
    path: Path,
    outcomes: Outcomes,
    items: Mapping[str, Sequence[Item]],
    before: Path | None = None,
    prompts: Sequence[AskedPrompt] = (),
) -> None:
    """Writes Parquet, in the order of skills and items, and then the prompts that ask for beliefs.

    Args:
        path: The file.
        outcomes: Of all workers.
        items: The items of each skill; a skill that is not there has no texts of its own.
        before: Another such file, whose rows come first; one that is not there any more has none.
        prompts: Those of all outcomes of beliefs.
    """
    rows = [row for score in outcomes.scores for row in _score_rows(score, items.get(score.skill, ()))]
    for scoring, sums in (("heldout", outcomes.heldout), ("general", outcomes.general)):
        rows += _loss_rows(scoring, sums)
    rows += [row for each in outcomes.beliefs for row in _belief_rows(each, prompts[each.prompt])]
    write_rows(path, rows, before)


def write_rows(path: Path, rows: list[dict[str, Any]], before: Path | None = None) -> None:
    """Writes Parquet with the fields of `SCHEMA`.

    Args:
        path: The file.
        rows: Fields that may be missing are null where they are.
        before: See `write_items`.
    """
    # Python's own errors say why storage refuses, which decides what is done about it.
    buffer = pa.BufferOutputStream()
    tables = [pq.read_table(before, schema=SCHEMA)] if before is not None and before.is_file() else []
    pq.write_table(pa.concat_tables([*tables, pa.Table.from_pylist(rows, schema=SCHEMA)]), buffer)
    path.write_bytes(buffer.getvalue())


def _score_rows(score: Score, items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    for result in score.results:
        item = items[result.item] if items else None
        generated = score.scoring == "generation"
        yield {
            "skill": score.skill,
            "scoring": score.scoring,
            "item": result.item,
            "question": item.question if item else None,
            "answer": _answer(item),
            "reply": result.reply if generated or result.reply else None,
            "prediction": _prediction(item, result),
            "outcome": result.outcome,
            "degenerate": result.degenerate if generated else None,
            "tokens": result.tokens if generated else None,
            "values": result.values,
        }


def _belief_rows(outcome: BeliefOutcome, asked: AskedPrompt) -> Iterator[dict[str, Any]]:
    prompt = asked.prompt
    for reply in outcome.replies:
        turns = [prompt.prompt, *([] if reply.first is None else [reply.first, prompt.challenge or ""])]
        yield {
            "skill": outcome.target,
            "scoring": f"{FACTS}{outcome.group}",
            "item": outcome.prompt,
            "question": "\n\n".join(turns),
            "answer": asked.expected,
            "reply": reply.reply,
            "outcome": reply.outcome,
            "degenerate": reply.degenerate,
            "tokens": reply.tokens,
        }


def _answer(item: Item | None) -> str | None:
    if isinstance(item, ChoiceItem):
        return item.options[item.answer]
    return None if item is None else item.answer


def _prediction(item: Item | None, result: Result) -> str | None:
    if not isinstance(item, ChoiceItem):
        return result.answer
    return None if result.prediction == UNPARSEABLE else item.options[result.prediction]


def _loss_rows(scoring: str, sums: Sums) -> Iterator[dict[str, Any]]:
    for example, loss, tokens in zip(sums.examples, sums.sums, sums.tokens, strict=True):
        yield {"skill": "", "scoring": scoring, "item": example, "tokens": tokens, "values": [loss]}
