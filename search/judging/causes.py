"""Why trials ended before their full budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from search import wording
from search.config.choices import GUARDS
from search.judging.extending import extension
from search.judging.objectives import search_trials
from search.record import SearchState, TrialState
from search.record.explained import trainable_of

_SPIKE = "allow a steeper rise with a larger guards.spike"
_SIZES = {"rank": "ranks", "batch_size": "batch sizes"}
"""Parameters that memory grows with, in the plural."""
_FAILED = ("failed", "infeasible", "diverged")
_ANEW = "begin a new search with name=<other name>"
_REMEDY = "Correct that"


def guard_of(trial: TrialState) -> str | None:
    """Name of the guard that ended the trial; None where none did."""
    ended = trial.finished
    if ended is None or ended.status not in ("stopped", "diverged"):
        return None
    # A worker that sees NaN reports no guard, but that the trial diverged.
    return None if ended.failure_class == "diverged" else ended.failure_class


def cause_of(trial: TrialState) -> str | None:
    """What ended the trial early, in a word or two; None where it completed or still runs."""
    ended = trial.finished
    if ended is None or ended.status == "completed":
        return None
    if (guard := guard_of(trial)) is not None:
        return f"guard {guard}"
    if ended.status != "stopped":
        return ended.failure_class or ended.status
    last = trial.decisions[max(trial.decisions)] if trial.decisions else None
    if last is None or last.by == "scheduler":
        return "not promoted" if last is not None and last.decision == "pause" else "scheduler"
    return last.by


def cause_counts(state: SearchState) -> dict[str, int]:
    """Number of trials of the search phase by what ended them early, the most frequent cause first."""
    causes = (cause_of(trial) for trial in search_trials(state))
    return dict(Counter(cause for cause in causes if cause is not None).most_common())


def guard_counts(state: SearchState) -> dict[str, int]:
    """Number of trials that each guard ended, by its name."""
    return dict(sorted(Counter(name for t in state.trials.values() if (name := guard_of(t))).items()))


def why_all_failed(state: SearchState) -> str | None:
    """Why every trial of a search failed, and what to do; None where any did not fail or still runs."""
    trials = search_trials(state)
    if not trials or any(trial.finished is None or trial.status not in _FAILED for trial in trials):
        return None
    subject = "The only trial" if len(trials) == 1 else f"All {len(trials):,} trials"
    remedies = dict.fromkeys(_remedy(state, cause) for cause in _by_cause(trials))
    return (
        f"{subject} failed ({causes_in_words(trials)}). "
        f"{' '.join(f'{remedy}, and {_ANEW}.' for remedy in remedies)}"
    )


def causes_in_words(trials: Sequence[TrialState]) -> str:
    """Why trials that have ended did so, for example `2 crashed, such as trial 3: <first line of why>`."""
    return "; ".join(
        f"{len(alike):,} {cause}, such as trial {alike[0].number}: {_first_line(alike[0])}"
        for cause, alike in _by_cause(trials).items()
    )


def _by_cause(trials: Sequence[TrialState]) -> dict[str, list[TrialState]]:
    """The trials by what ended them, the most frequent cause first."""
    causes: dict[str, list[TrialState]] = {}
    for trial in trials:
        assert trial.finished is not None
        ended = trial.finished.failure_class or trial.finished.status
        causes.setdefault("not measured" if ended == "completed" else ended, []).append(trial)
    return dict(sorted(causes.items(), key=lambda each: -len(each[1])))


def _remedy(state: SearchState, cause: str) -> str:
    """What to do against a cause, by the parameters and settings that the trainable has."""
    assert state.started is not None
    parameters, config = trainable_of(state).parameters, state.started.config
    if cause == "worker_lost":
        return "Find out why the machines or their processes were lost; check their memory first"
    if cause == "out_of_memory":
        smaller = [word for name, word in _SIZES.items() if name in parameters]
        ways = [f"search smaller {' and '.join(smaller)}"] if smaller else []
        ways += ["lower task.max_length"] if "task" in config else []
    else:
        ways = (
            ["lower the upper bound of lr"] if "lr" in parameters and cause in ("diverged", "spike") else []
        )
        ways += ["raise guards.spike"] if cause == "spike" else []
    text = ", or ".join(ways)
    return f"{text[:1].upper()}{text[1:]}" if text else _REMEDY


def _first_line(trial: TrialState) -> str:
    """The first line of why a trial ended."""
    assert trial.finished is not None
    lines = trial.finished.reason.splitlines()
    return lines[0].rstrip(".") if lines else trial.finished.status


def why_none_completed(state: SearchState) -> str:
    """Why no trial reached the full budget, and what to do about it."""
    trials = search_trials(state)
    if not trials:
        return "No trial has begun yet: run the search."
    if all(guard_of(trial) for trial in trials):
        return _why_all_guarded(state)
    if (failed := why_all_failed(state)) is not None:
        return failed
    counts = Counter(trial.status if trial.finished else "unfinished" for trial in trials)
    if counts["unfinished"]:
        what, advice = "No trial has reached the full budget yet", "Resume the search."
    else:
        what, advice = "No trial reached the full budget", f"{extension(state).advice}."
        if counts["diverged"] and any("lr" in trial.proposed.sampled for trial in trials):
            advice = f"Begin a new search with a lower upper bound of lr. Or: {advice}"
    ended = wording.counted(dict(sorted(counts.items())))
    if guarded := guard_counts(state):
        ended += f"; ended by guards: {wording.counted(guarded)}"
    return f"{what} ({ended}). {advice}"


def _why_all_guarded(state: SearchState) -> str:
    counts = guard_counts(state)
    count = sum(counts.values())
    subject = "The only trial was" if count == 1 else f"All {count:,} trials were"
    last = max(state.trials.values(), key=lambda trial: trial.number)
    assert last.finished is not None
    advice = " ".join(_instead(state, name) for name in counts)
    return (
        f"{subject} ended by guards before the full budget ({wording.counted(counts)}), for example trial "
        f"{last.number}: {last.finished.reason.rstrip('.')}. Begin a new search. {advice}"
    )


def _instead(state: SearchState, guard: str) -> str:
    """What to search or to accept, where a guard has ended every trial."""
    if guard != "spike" and guard not in GUARDS:
        return f"Search settings that guard {guard} does not object to."
    accept = _SPIKE if guard == "spike" else GUARDS[guard].accept
    parameters = trainable_of(state).parameters
    ways = ["lower learning rates"] if "lr" in parameters else []
    ways += ["smaller ranks"] if guard == "retention" and "rank" in parameters else []
    text = f"search {' or '.join(ways)}, or {accept}" if ways else accept
    return f"{text[:1].upper()}{text[1:]}; guards.{guard}=null switches it off."
