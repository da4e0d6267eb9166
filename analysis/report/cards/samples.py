"""What the base model and the tuned one wrote, side by side."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.items import Item, generated
from analysis.report.words import no_questions
from search import wording
from search.errors import RecordError
from search.record import TrialState
from trainables.text import map_text

_SHOWN, _LONGEST = 6, 500
_EMPTY_LINES = re.compile(r"\n\s*\n")
_SEVERITY = {"leaking": 0, "unparseable": 1, "wrong": 2, "right": 3}


@card(
    "samples",
    "What the models wrote",
    36,
    read="Each row shows the same question, the base model's reply, and the tuned model's reply.",
)
class Samples:
    """Replies of the recommended trial and of the most broken one, beside the base model's."""

    def applies(self, context: Context) -> str | None:
        """Where items were kept of the base model and of a trial."""
        if (none := no_questions(context)) is not None:
            return none
        if context.base is None or context.base.items_file is None:
            return "The base model's replies were not kept."
        return None if _chosen(context) else "The trials' replies were not kept."

    def compute(self, context: Context) -> Findings:
        """Items that the base model got right and the tuned one did not come first."""
        assert context.base is not None and context.base.items_file is not None  # noqa: PT018
        base = _replies(context, context.base.items_file)
        texts, notes, tables, data = [], [], [], {}
        for why, trial in _chosen(context).items():
            assert trial.measured is not None and trial.measured.items_file is not None  # noqa: PT018
            try:
                tuned = _replies(context, trial.measured.items_file)
            except RecordError as error:
                notes.append(f"Trial {trial.number}: {error.message}")
                continue
            pairs = _pairs(base, tuned)
            tables.append(_table(why, trial, pairs))
            data[why] = _data(trial, pairs)
            texts.append(_sentence(why, trial, pairs))
        notes.append(
            "Trials and items are chosen by rule. The trials are the recommended one and the one that "
            "keeps least. The items are those that the base model got right and the tuned model did not, "
            "the worst outcomes first, in turn from each skill."
        )
        return Findings(data=data, texts=tuple(texts), notes=tuple(notes), tables=tuple(tables))


def _chosen(context: Context) -> dict[str, TrialState]:
    kept = [t for t in context.judged if t.measured is not None and t.measured.items_file is not None]
    chosen = {}
    best = context.recommended
    if best is not None and any(trial.number == best for trial in kept):
        chosen["recommended"] = context.state.trials[best]
    others = [trial for trial in kept if trial.number != best and math.isfinite(context.left(trial))]
    if others:
        chosen["most broken"] = min(others, key=lambda trial: (context.left(trial), trial.number))
    return chosen


def _replies(context: Context, name: str) -> dict[tuple[str, int], Item]:
    return map_text(generated(context.folder, name), context.redact)


def _pairs(base: dict[tuple[str, int], Item], tuned: dict[tuple[str, int], Item]) -> list[tuple[Item, Item]]:
    """Replies to the same questions, those worth reading first."""
    pairs = [(base[key], tuned[key]) for key in sorted(base.keys() & tuned.keys())]
    turn: Counter[tuple[str, bool]] = Counter()
    order: dict[tuple[str, int], tuple[bool, int, int]] = {}
    for before, after in sorted(pairs, key=lambda pair: (_SEVERITY.get(pair[1].outcome, 4), pair[1].item)):
        lost = before.outcome == "right" != after.outcome
        turn[before.skill, lost] += 1
        severity = _SEVERITY.get(after.outcome, 4)
        order[before.skill, before.item] = (not lost, turn[before.skill, lost], severity)
    return sorted(pairs, key=lambda pair: (order[pair[0].skill, pair[0].item], pair[0].skill, pair[0].item))


def _lost(pairs: list[tuple[Item, Item]]) -> tuple[int, int]:
    """Items that only the base model, and that only the tuned one got right."""
    worse = sum(a.outcome == "right" != b.outcome for a, b in pairs)
    return worse, sum(b.outcome == "right" != a.outcome for a, b in pairs)


def _sentence(why: str, trial: TrialState, pairs: list[tuple[Item, Item]]) -> str:
    worse, better = _lost(pairs)
    return (
        f"Trial {trial.number}, {why} ({wording.params(trial.proposed.sampled)}): of {len(pairs):,} "
        f"questions, the base model alone answered {worse:,} right, and the tuned model alone {better:,}."
    )


def _data(trial: TrialState, pairs: list[tuple[Item, Item]]) -> dict[str, Any]:
    worse, better = _lost(pairs)
    return {
        "trial": trial.number,
        "n": len(pairs),
        "only_base_right": worse,
        "only_tuned_right": better,
        "shown": [[a.skill, a.item] for a, _ in pairs[:_SHOWN]],
    }


def _table(why: str, trial: TrialState, pairs: list[tuple[Item, Item]]) -> Table:
    rows = tuple(
        (
            f"{a.skill} {a.item}",
            _cut(a.question),
            _cut(a.answer),
            f"{_cut(a.reply)}\n[{a.outcome}]",
            f"{_cut(b.reply)}\n[{b.outcome}{', degenerate' if b.degenerate else ''}]",
        )
        for a, b in pairs[:_SHOWN]
    )
    columns = ("item", "question", "right answer", "base model wrote", f"trial {trial.number} wrote")
    return Table(columns, rows, f"Trial {trial.number}, {why}.", wide=True, open=True)


def _cut(text: str) -> str:
    """As it was written, but for empty lines."""
    text = _EMPTY_LINES.sub("\n", text).rstrip()
    return (
        text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [... {len(text) - _LONGEST:,} characters more]"
    )
