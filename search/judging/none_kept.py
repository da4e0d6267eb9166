"""Why no trial can be recommended, which came nearest, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Confirmation
from search.judging.constraints import constraint_violations, constraints_of, total_violation
from search.judging.described import constraint_symbols, free, mean_of, value_of
from search.judging.objectives import costs_of, is_measured, metrics_of
from search.record import TrialState


def nearest_run(objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState]) -> TrialState | None:
    """The trial that came nearest to keeping the constraints; None where none was measured."""

    def distance(trial: TrialState) -> tuple[float, tuple[float, ...], int]:
        metrics = metrics_of(trial)
        return _violation(objectives, metrics), costs_of(objectives, metrics), trial.number

    measured = [trial for trial in completed if is_measured(objectives, metrics_of(trial))]
    return min(measured, key=distance, default=None)


def why_no_run(
    objectives: Sequence[ObjectiveConfig],
    completed: Sequence[TrialState],
    nearest: TrialState | None,
    advice: str,
) -> str:
    """Where nothing was repeated: no run keeps the constraints."""
    if nearest is None:
        names = " and ".join(objective.metric for objective in objectives)
        return (
            f"None of the {len(completed)} completed trials has a finite value of {names}. "
            "Look at the trials' metrics in the record, and begin a new search with the fault corrected."
        )
    constraints = constraints_of(objectives)
    values = "; ".join(
        f"{objective.metric} {value_of(objective, nearest)}"
        for objective in [*constraints, *free(objectives)]
    )
    floors = all(objective.floor is not None for objective in constraints)
    less = "a lower floor" if floors else "other bounds"
    many = len(completed) > 1
    subject = (
        f"None of the {len(completed)} completed trials keeps" if many else "The one completed trial breaks"
    )
    return (
        f"{subject} {constraint_symbols(objectives)}. "
        f"Trial {nearest.number} came nearest ({wording.params(nearest.proposed.sampled)}): {values}. "
        f"{advice}{_with_lower_lr(nearest, ', ')}, or accept {less}."
    )


def nearest_candidate(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> int | None:
    """The candidate whose means came nearest; None where none has any."""
    judged = [candidate for candidate in confirmed.candidates if candidate.runs]
    nearest = min(
        judged,
        key=lambda candidate: (_violation(objectives, candidate.means), candidate.trial),
        default=None,
    )
    return None if nearest is None else nearest.trial


def why_no_candidate(
    objectives: Sequence[ObjectiveConfig],
    confirmed: Confirmation,
    nearest: TrialState | None,
    advice: str,
) -> str:
    """Where candidates were repeated: none of them holds up."""
    out = " ".join(ruled_out(objectives, confirmed))
    lower = "" if nearest is None else _with_lower_lr(nearest, ", or ")
    what = f"{advice}{lower}."
    if any(not candidate.runs and not candidate.broken for candidate in confirmed.candidates):
        what = "Resume the search."
    subject = "No candidate holds up" if len(confirmed.candidates) > 1 else "The candidate does not hold up"
    return (
        f"{subject} when trained again with new seeds, although their search runs kept every constraint: "
        f"those were lucky. {out} {what}"
    )


def ruled_out(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> Iterator[str]:
    """One sentence per candidate that its repetitions have ruled out, and per candidate not judged."""
    for candidate in confirmed.candidates:
        number = candidate.trial
        if candidate.broken:
            count = wording.plural(len(candidate.broken), "repetition")
            yield f"Trial {number} is ruled out: {count} of it diverged or did not fit in memory."
        elif not candidate.runs:
            yield f"Trial {number} is not judged: no repetition of it has completed."
        elif not candidate.keeps:
            values = ", ".join(
                f"{objective.metric} {mean_of(objective, candidate)}"
                for objective in constraints_of(objectives)
            )
            yield (
                f"Trial {number} is ruled out: its repetitions break {constraint_symbols(objectives)} "
                f"({values})."
            )


def _violation(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> float:
    return total_violation(objectives, constraint_violations(objectives, metrics))


def _with_lower_lr(trial: TrialState, conjunction: str) -> str:
    """The advice to search below a trial's learning rate, or nothing where it was not searched."""
    lr = trial.proposed.sampled.get("lr")
    return f"{conjunction}begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""
