"""The investigation: faults first, then the checks, the verdict, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.investigate.checks import CHECKS, Context
from analysis.investigate.conclusion import needed, recommended, winner
from analysis.investigate.errors import InputError
from analysis.investigate.faults import find_faults
from analysis.investigate.from_search import from_search
from analysis.investigate.knowledge import knowledge_or_format
from analysis.investigate.levels import bins, graded
from analysis.investigate.results import Investigation
from analysis.investigate.study import Study
from analysis.investigate.verdict import decide
from search.record import SearchState


def investigate(
    states: Sequence[SearchState],
    folders: Sequence[Path | None],
    parameter: str = "lr",
    group: str | None = "rank",
) -> Investigation:
    """Whether a search's loss of capability is real.

    Args:
        states: The search in question first, then others that may confirm it.
        folders: Their folders, where per-item files lie; None for one that is not to be read from.
        parameter: A numeric parameter.
        group: The parameter whose values are looked at one by one.

    Raises:
        InputError: There is nothing to investigate.
    """
    return investigate_studies(
        [from_search(state, folder, parameter, group) for state, folder in zip(states, folders, strict=True)]
    )


def investigate_studies(studies: Sequence[Study]) -> Investigation:
    """As `investigate`, for searches or tables that were read already.

    Raises:
        InputError: There is no study, or the first has no trial with a capability.
    """
    if not studies or not studies[0].cases:
        name = studies[0].name if studies else "The input"
        raise InputError(f"{name} has no trial with a measured capability.", hint="Resume the search first.")
    studies = _named_apart(studies)
    study = studies[0]
    faults = tuple(fault for study in studies for fault in find_faults(study))
    context = Context(study, tuple(studies[1:]), faults)
    checks = {key: CHECKS[key](context) for key in CHECKS}
    study_faults = [fault for fault in faults if fault.study == study.name]
    decision = decide(study, checks, study_faults)
    faulty = {label for fault in study_faults if fault.certain for label in fault.cases}
    levels = bins(study)
    grades = graded(study, levels)
    return Investigation(
        studies=tuple(study.name for study in studies),
        parameter=study.parameter,
        group=study.group,
        verdict=decision.verdict,
        headline=decision.headline,
        reasons=decision.reasons,
        checks=tuple(checks.values()),
        faults=faults,
        finding=knowledge_or_format(study.without(faulty)),
        levels=grades,
        winner=winner(study, levels, grades),
        recommended=recommended(study, faulty),
        needed=needed(study) if decision.verdict == "undecided" else (),
        notes=(*dict.fromkeys(note for study in studies for note in study.notes), *_of_steps(study)),
    )


def _of_steps(study: Study) -> tuple[str, ...]:
    if len({case.last.step for case in study.cases}) < 2:
        return ()
    return (
        "Tables and levels show each trial at its last evaluation, including trials that were stopped "
        "early; the tests compare trials at equal steps.",
    )


def _named_apart(studies: Sequence[Study]) -> list[Study]:
    """The studies under names that differ."""
    seen: dict[str, int] = {}
    renamed = []
    for study in studies:
        seen[study.name] = seen.get(study.name, 0) + 1
        again = seen[study.name] > 1
        renamed.append(replace(study, name=f"{study.name}, {seen[study.name]}") if again else study)
    return renamed
