"""What a search has cost, and what ended its trials, in lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search import wording

_LIMITS = {"hours": "{} hours", "device_hours": "{} device-hours", "cost": "cost {}"}
"""How what was spent of a limit is written."""


def used_lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ended trials and the search, what it has cost and how it was packed, as labels and lines."""
    lines = []
    if (begun := summary["warm_start"]) is not None:
        lines.append(("Warm start", warm_start_line(begun)))
    if summary["causes"]:
        lines.append(("Ended early", causes_line(summary)))
    if (limit := summary["limits"]["reached"]) is not None:
        lines.append(("Limit", f"the search was ended by {limit}."))
    lines.append(("Cost", cost_line(summary)))
    if (line := rungs_line(summary)) is not None:
        lines.append(("Rungs", line))
    lines.append(("Spent", spent_line(summary)))
    if (chosen := summary["slots"]) is not None:
        lines.append(("Slots", slots_line(chosen)))
    if summary["packing"]["tokens"]:
        lines.append(("Packing", packing_line(summary)))
    return lines


def slots_line(chosen: Mapping[str, Any]) -> str:
    """Groups, slots, and why that many."""
    groups = wording.plural(chosen["groups"], "worker group")
    return f"{groups}, {wording.slots(chosen['slots'], chosen['reason'])}"


def packing_line(summary: Mapping[str, Any]) -> str:
    """Tokens trained, padding, and trials per pass."""
    used = summary["packing"]
    return (
        f"{used['tokens']:,} tokens trained, {used['padding']:.1%} padding, "
        f"{used['trials_per_pass']:.1f} trials per pass."
    )


def cost_line(summary: Mapping[str, Any]) -> str:
    """Steps, seconds and what stopping early saved."""
    used = summary["budget"]
    saved = (
        f" ({used['share_saved']:.0%} saved by ending {wording.plural(used['ended_early'], 'trial')} early)"
        if used["ended_early"]
        else ""
    )
    repeated = used["phases"]["confirmation"]
    confirmed = (
        f"; confirmation {repeated['steps']:,} steps in {wording.plural(repeated['trials'], 'repetition')}"
        f"{spared(summary)}"
        if repeated["trials"]
        else ""
    )
    return (
        f"{used['steps_trained']:,} of {used['steps_full']:,} optimizer steps{saved}{confirmed}; "
        f"training {wording.duration(used['train_seconds'])}, "
        f"evaluation {wording.duration(used['eval_seconds'])} ({used['eval_share']:.0%} of both); "
        f"{wording.duration(used['wall_seconds'])} in {wording.plural(used['sessions'], 'session')}."
    )


def rungs_line(summary: Mapping[str, Any]) -> str | None:
    """What early measurements were left out, and whether the others cost more than they saved."""
    used = summary["budget"]
    parts = []
    if used["unmeasured"]:
        left = wording.plural(used["unmeasured"], "measurement")
        parts.append(
            f"{left} before the last rung left out: more than stopping there could have saved "
            "(budget.early_ratio=0 measures all)."
        )
    if used["stops"] and used["early_eval_seconds"] > used["seconds_saved"]:
        took, saved = (wording.duration(used[name]) for name in ("early_eval_seconds", "seconds_saved"))
        parts.append(
            f"Evaluation before the last rung took {took}, and ending trials early saved about {saved}: with "
            "fewer questions or budget.rungs=1 the search would have been faster. Without early rungs, "
            "trials that break the model are trained to the end."
        )
    return " ".join(parts) or None


def spared(summary: Mapping[str, Any]) -> str:
    """What racing has spared, in brackets; empty where that is nothing."""
    confirmed = summary["confirmation"]
    left = confirmed["budget"] - confirmed["begun"] if confirmed and confirmed["over"] else 0
    if left <= 0:
        return ""
    return f" (its candidates were decided after these; {left} more were planned)"


def causes_line(summary: Mapping[str, Any]) -> str:
    """Trials by what ended them."""
    words = {"scheduler": "by the scheduler", "limits": "by limits"}
    named = {
        words.get(cause, f"by {cause}" if cause.startswith("guard ") else cause): count
        for cause, count in summary["causes"].items()
    }
    return f"{wording.counted(named)}."


def warm_start_line(begun: Mapping[str, Any]) -> str:
    """What was taken over from an earlier search."""
    use = "tried first" if begun["use"] == "points" else "known to the searcher from the start"
    origin = begun["search"] or f"search {begun['id'][:8]}"
    return f"{wording.plural(begun['trials'], 'trial')} of {origin}, {use}."


def spent_line(summary: Mapping[str, Any]) -> str:
    """Hours, device-hours and money, by phase where they are known, and the limits."""
    used = summary["budget"]
    phases = {name: phase for name, phase in used["phases"].items() if phase["seconds"]}
    text = f"{used['hours']:.3g} h"
    if used["device_hours"]:
        each = ", ".join(f"{name} {phase['device_hours']:.3g}" for name, phase in phases.items())
        rest = f"{each}, the rest is start-up and waiting" if each else "all of it start-up and waiting"
        text += f"; {used['device_hours']:.3g} device-hours ({rest})"
        if used["device_hours_saved"]:
            text += f", about {used['device_hours_saved']:.3g} saved by early stopping"
    elif phases:
        each = ", ".join(f"{name} {wording.duration(phase['seconds'])}" for name, phase in phases.items())
        text += f"; at work: {each}"
    if used["cost"] is not None:
        each = ", ".join(f"{name} {phase['cost']:.3g}" for name, phase in phases.items())
        text += f"; {money(summary)}" + (f" ({each})" if each else "")
    if summary["limits"]["set"]:
        text += f"; limits: {limits_spent(summary)}"
    return f"{text}."


def money(summary: Mapping[str, Any]) -> str:
    """For example `cost 0.0716 at 2.5 per node-hour`."""
    price = summary["limits"]["price"]
    return f"cost {summary['budget']['cost']:.3g}" + (f" at {price:g} per node-hour" if price else "")


def limits_spent(summary: Mapping[str, Any]) -> str:
    """What was spent of each limit that is set, for example `0.5 of 2 hours, cost 3 of 10`."""
    limits = summary["limits"]["set"]
    spent = {name: f"{each['spent']:.3g} of {each['limit']:g}" for name, each in limits.items()}
    return ", ".join(_LIMITS[name].format(text) for name, text in spent.items())
