"""The summary of a search: as data, and as files in its folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.blocks import confirmation_block, held_block, limits_block, packing_used, warm_start_block
from analysis.described import section_name, worth_showing
from analysis.hypotheses import hypotheses_block
from analysis.markdown import to_markdown
from search import wording
from search.errors import RecordError
from search.judging.budget import budget_used
from search.judging.causes import cause_counts, cause_of, guard_counts, why_all_failed
from search.judging.confirmation import Confirmation, confirmation
from search.judging.constraints import keeps_constraints
from search.judging.extending import extension, needed_to_repeat
from search.judging.hypotheses import answers
from search.judging.objectives import metrics_of, objectives_of, search_trials
from search.judging.pareto import pareto_front
from search.judging.recommend import Recommendation, recommend
from search.record import SearchState, TrialState
from search.record.events import RecordedTrainable, SearchStarted
from search.record.explained import explained
from search.redact import redacted
from trainables.data.facts import data_warnings
from trainables.replacement import replacement

_FURTHEST = 5


def summarise(state: SearchState, folder: Path) -> dict[str, Any]:
    """The summary as data that JSON can hold; NaN and Inf are strings, as in the record.

    Args:
        state: A search that has begun.
        folder: Its folder. Paths in the summary are relative to the working directory where that is
            shorter, and those of what trials leave behind to this folder.

    Raises:
        RecordError: The search has not begun.
    """
    if state.started is None:
        raise RecordError(f"{folder} contains no search that has started.")
    known = explained(state.started)
    recommendation = recommend(state)
    front = pareto_front(state)
    confirmed = confirmation(state)
    data = state.baselines["base"].data if "base" in state.baselines else {}
    counts = Counter("paused" if each.number in state.held else each.status for each in search_trials(state))
    return {
        "search": _search(state, state.started, folder, known),
        "objectives": [objective.model_dump() for objective in objectives_of(state)],
        "metrics": list(worth_showing(known).summary),
        "artifact": {"name": known.artifact, "load": known.load, "form": known.form},
        "counts": dict(sorted(counts.items())),
        "baselines": {name: _measurement(base) for name, base in state.baselines.items()},
        "pareto": [trial.number for trial in front],
        "trials": [
            _trial(state, trial, known.artifact)
            for trial in _shown(state, [optimal.number for optimal in front], confirmed)
        ],
        "recommended": _recommended(state, recommendation.trial, known.artifact),
        "nearest": recommendation.nearest,
        "constraints": [held_block(held) for held in recommendation.constraints],
        "settings": recommendation.settings,
        "reason": recommendation.reason,
        "caveats": [*recommendation.caveats, *_of_data(data), *_paused(state, folder)],
        "deciding": _deciding(state, recommendation),
        "data": dict(data),
        "confirmation": None if confirmed is None else confirmation_block(state, confirmed),
        "hypotheses": hypotheses_block(answers(state)),
        "all_failed": why_all_failed(state) is not None,
        "causes": cause_counts(state),
        "guards": guard_counts(state),
        "audit": state.sessions[-1].audit if state.sessions else None,
        "limits": limits_block(state),
        "extension": extension(state)._asdict(),
        "warm_start": warm_start_block(state),
        "budget": asdict(budget_used(state)),
        "slots": state.slots and state.slots.model_dump(include={"groups", "slots", "reason"}),
        "packing": asdict(packing_used(state)),
    }


def _search(
    state: SearchState, started: SearchStarted, folder: Path, known: RecordedTrainable
) -> dict[str, Any]:
    """What was searched, where and how it ended."""
    config, last = started.config, state.sessions[-1] if state.sessions else None
    return {
        "name": config["name"],
        "id": started.search_id,
        "folder": min(os.path.relpath(folder), str(folder.resolve()), key=len),
        "space": config["space"],
        "trainable": config["trainable"],
        "model": section_name(config, "model") or known.subject,
        "task": section_name(config, "task"),
        "seed": config["seed"],
        "git_commit": started.git_commit,
        "ended": state.ended.reason if state.ended else None,
        "message": state.ended.message if state.ended else "",
        "trials": last.trials if last else config["trials"],
        "command": last.command if last else None,
    }


def write_summary(state: SearchState, folder: Path) -> dict[str, Any]:
    """Writes `summary.json` and `summary.md` into the search's folder, each whole or not at all.

    Returns:
        The summary, as `summarise` gives it, without credentials.

    Raises:
        RecordError: The search has not begun, or the folder cannot be written.
    """
    summary = redacted(summarise(state, folder))
    try:
        with replacement(folder / "summary.json") as part:
            part.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        with replacement(folder / "summary.md") as part:
            part.write_text(to_markdown(summary), encoding="utf-8")
    except OSError as error:
        raise RecordError(
            f"The summary in {folder} cannot be written ({error.strerror}).",
            hint=f"Nothing is lost: tightrope show {folder} shows it from the record.",
        ) from error
    return summary


def _shown(state: SearchState, front: Sequence[int], confirmed: Confirmation | None) -> list[TrialState]:
    """Trials to show in full: the front and the candidates, or without a front those that got furthest."""
    if front:
        candidates = [candidate.trial for candidate in confirmed.candidates] if confirmed else []
        return [state.trials[number] for number in dict.fromkeys([*front, *candidates])]
    reached = [trial for trial in search_trials(state) if trial.last is not None]
    reached.sort(key=lambda trial: (-len(trial.rungs), trial.number))
    return reached[:_FURTHEST]


def _trial(state: SearchState, trial: TrialState, artifact: str) -> dict[str, Any]:
    """A trial in full; under the name of its artifact stands where that lies."""
    last = trial.last
    return {
        "trial": trial.number,
        "status": trial.status,
        "cause": cause_of(trial),
        "reason": trial.finished.reason if trial.finished else "",
        "sampled": dict(trial.proposed.sampled),
        "params": dict(trial.params),
        "rung": last.rung if last else None,
        "step": last.step if last else 0,
        **(_measurement(trial.measured) if trial.measured else {"metrics": {}, "intervals": {}}),
        "feasible": keeps_constraints(objectives_of(state), metrics_of(trial)),
        artifact: last.checkpoint if last else None,
    }


def _recommended(state: SearchState, number: int | None, artifact: str) -> dict[str, Any] | None:
    return None if number is None else _trial(state, state.trials[number], artifact)


def _deciding(state: SearchState, recommendation: Recommendation) -> dict[str, Any] | None:
    """The setting that would decide what is open, and what it needs beside it."""
    if recommendation.deciding is None:
        return None
    key, value = recommendation.deciding
    return {"key": key, "value": value, "also": needed_to_repeat(state)}


def _of_data(data: Mapping[str, Any]) -> list[str]:
    """What is wrong with the training data."""
    return [f"Of the data, {text}." for text in data_warnings(data)]


def _paused(state: SearchState, folder: Path) -> list[str]:
    """What to do about trials that a user has paused, once the session has ended."""
    if not state.held or state.ended is None:
        return []
    first, place = min(state.held), os.path.relpath(folder)
    waits = f"{wording.names(sorted(state.held))} {'waits' if len(state.held) == 1 else 'wait'}"
    return [
        f"{waits[:1].upper()}{waits[1:]}, paused by hand: `tightrope resume {place} {first}` continues it."
    ]


def _measurement(event: Any) -> dict[str, Any]:
    """Metrics and intervals of a baseline or a rung, spelled as in the record."""
    data: dict[str, Any] = event.model_dump(mode="json", include={"metrics", "intervals"})
    return data
