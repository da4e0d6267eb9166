"""Metrics of how far two updates are from orthogonal, beside what chance gives. Light: no torch."""

from __future__ import annotations

from trainables.trainable import MetricSpec

ANGLES = "angles.json"
"""File in a trial's folder: the angles layer by layer (`trainables.routing.angles.to_json`)."""

_CHANCE = "of random {what} of the same ranks in as many dimensions"
_SPACES = {"column": "column spaces (of B)", "row": "row spaces (of A)"}


def _of_space(space: str, words: str) -> list[MetricSpec]:
    what = f"the two adapters' {words}"
    chance = _CHANCE.format(what=words)
    cosines = [
        (f"{space}_cosine2", f"Mean squared cosine of the principal angles between {what}."),
        (f"{space}_cosine2_floor", f"The expected mean squared cosine {chance}."),
    ]
    angles = [
        (f"{space}_smallest_angle", f"Smallest principal angle between {what}, in degrees."),
        (f"{space}_smallest_angle_floor", f"The smallest principal angle, in degrees, {chance}."),
    ]
    if space == "row":
        before = "as they were initialised, before any training."
        cosines.append((f"{space}_cosine2_initial", f"Mean squared cosine between {what} {before}"))
        angles.append((f"{space}_smallest_angle_initial", f"Smallest angle between {what} {before}"))
    limits = [(cosines, 1.0), (angles, 90.0)]
    return [
        MetricSpec(name, f"{meaning} The mean over layers.", low=0.0, high=high, at="last")
        for group, high in limits
        for name, meaning in group
    ]


ANGLE_METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "update_cosine",
        "Absolute cosine between the two adapters' updates of a weight, 0 where they are orthogonal. The "
        "mean over layers.",
        low=0.0,
        high=1.0,
        at="last",
    ),
    MetricSpec(
        "update_cosine_floor",
        "The root mean square of that cosine for random updates of the same shape. The mean over layers.",
        low=0.0,
        high=1.0,
        at="last",
    ),
    *(spec for space, words in _SPACES.items() for spec in _of_space(space, words)),
)
"""Measured at the last rung. A layer that either adapter has not changed has no angles."""
