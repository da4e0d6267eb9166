"""Detectors of faults in an evaluation; importing this registers them."""

from analysis.investigate.faults import (
    conditions,
    constant,
    identical,
    irreproducible,
    miskeyed,
    missing,
    parser,
    truncated,
    unmoved,
)
from analysis.investigate.faults.base import DATA, DETECTORS
from analysis.investigate.results import Fault
from analysis.investigate.study import Study

__all__ = [
    "DATA",
    "DETECTORS",
    "conditions",
    "constant",
    "find_faults",
    "identical",
    "irreproducible",
    "looked_for",
    "miskeyed",
    "missing",
    "parser",
    "truncated",
    "unmoved",
]


def looked_for(study: Study) -> tuple[str, ...]:
    """The classes for which the study has what their detectors look at."""
    return tuple(kind for kind in DETECTORS if DATA[kind](study))


def find_faults(study: Study) -> tuple[Fault, ...]:
    """What the detectors find, the certain faults first."""
    faults = [fault for name in DETECTORS for fault in DETECTORS[name](study)]
    return tuple(sorted(faults, key=lambda fault: not fault.certain))
