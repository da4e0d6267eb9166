"""Values, and parts of a space, in words."""

from __future__ import annotations

from collections.abc import Sequence

from search.audit.region import Region, at_quantile
from search.audit.shares import SAMPLED
from search.config.space import CategoricalParameter
from search.record.events import Scalar
from search.wording import plural
from trainables.text import joined

_LISTED = 8


def shown_value(value: Scalar, form: str = "") -> str:
    """A value for people; `form` is a format as in Python, where it fits the value."""
    if form:
        try:
            return format(value, form)
        except (ValueError, TypeError):
            pass
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def affected(fires: Region, trials: int | None, known: Sequence[int] | None) -> str:
    """Which part of the space a rule fires in, and which trials."""
    share = shown_share(fires.share)
    if fires.share == 1:
        text = f"this holds for all of the space of {joined(fires.axes, 'and')}"
    elif len(fires.axes) == 1:
        text = _of_one(next(iter(fires.axes)), fires, share)
    else:
        text = f"this holds for {share} of the space of {joined(fires.axes, 'and')}"
    if fires.method == "sampled":
        text += f" (by a sample of {SAMPLED} points)"
    if known is not None:
        numbers = ", ".join(map(str, known[:_LISTED])) + (", ..." if len(known) > _LISTED else "")
        return f"{text}: trials {numbers}" if known else f"{text}, and for none of the trials"
    if trials is not None and fires.share < 1:
        text += f", so for about {round(fires.share * trials)} of {plural(trials, 'trial')}"
    return text


def shown_share(share: float) -> str:
    """A share in percent, never rounded to none or all."""
    if share < 0.005:
        return "less than 1%"
    return "more than 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _of_one(name: str, fires: Region, share: str) -> str:
    axis = fires.axes[name]
    if isinstance(axis, CategoricalParameter):
        listed = ", ".join(map(shown_value, fires.values(name)))
        return f"this holds for {name} {listed} ({len(fires.values(name))} of {len(axis.choices)} choices)"
    if fires.method == "counted":
        values = [str(value) for value in fires.values(name)]
        span = values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
    else:
        low, high = (at_quantile(axis, end) for end in fires.ends(name))
        span = f"{shown_value(low)} to {shown_value(high)}"
    return f"this holds for {share} of the range of {name}, {span}"
