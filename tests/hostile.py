"""Text that would steer whatever shows it, and records that are full of it."""

from __future__ import annotations

from search.record import (
    Decided,
    Event,
    Failed,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
)
from tests.records import BEGIN, make_config, make_events

MARK = "owned"
"""Is nowhere in a page's elements, their names or their attributes unless a text was obeyed."""
PIECES = {
    "HTML": f'"\'></td></script><script id={MARK}></script><img src=x {MARK} onerror="{MARK}()">',
    "template": "{{ 7 * 191 }} {% raw %} {0} {x!r} %(s)s ${HOME} $(id) `id` #{7 * 191}",
    "escape": "\x1b[31m\x1b]8;;http://x\x07\x9b2J\x00\x08",
    "bidi": "\u202eabc\u2066def\u2069\u200f",
    "lines": "one\ntwo\r\nthree\u2028four\n# heading\n| a | b |",
    "formula": '=HYPERLINK("http://x","y")',
    "formula of another kind": "@SUM(1)+cmd|' /C calc'!A0",
    "markup": "[bold red]x[/] **b** ![i](http://x/i.png) <b> &lt;b&gt; $\\frac{$",
}
TEXTS = [*PIECES.values(), " ".join(PIECES.values())]
HOSTILE = TEXTS[-1]


def hostile_events() -> list[Event]:
    """A whole search in which every free text is hostile, as of a record that others have written."""
    choices = TEXTS[:-1]
    config = make_config(
        12, parameters={"lr": {"type": "log-float", "low": 1e-5, "high": 1e-2}, "word": _choice(choices)}
    )
    events: list[Event] = []
    for event in make_events(12, config=config):
        match event:
            case SearchStarted():
                named = event.config | {"name": HOSTILE, "space": HOSTILE}
                for section in ("model", "task"):
                    named[section] = named[section] | {"name": HOSTILE}
                changed = {"config": named, "versions": {"torch": HOSTILE}, "git_commit": HOSTILE}
                event = event.model_copy(update=changed)
            case SessionStarted():
                event = event.model_copy(
                    update={"command": f"python -m search.run {HOSTILE}", "host": HOSTILE}
                )
                events.append(event)
                event = SlotsChosen(groups=1, slots=2, reason=HOSTILE, devices=1, nodes=1, time=event.time)
            case TrialProposed():
                word = {"word": choices[event.trial % len(choices)]}
                sampled, params = ({**each, **word} for each in (event.sampled, event.params))
                event = event.model_copy(update={"sampled": sampled, "params": params})
            case RungReached():
                event = event.model_copy(update={"group": HOSTILE})
                events.append(
                    Failed(trial=event.trial, failure_class="worker_lost", message=HOSTILE, time=event.time)
                )
            case Decided() | TrialFinished():
                event = event.model_copy(update={"reason": HOSTILE})
            case SearchEnded():
                event = event.model_copy(update={"message": HOSTILE})
        events.append(event)
    return [*events[:-1], Failed(trial=None, failure_class="user", message=HOSTILE, time=BEGIN), events[-1]]


def _choice(choices: list[str]) -> dict[str, object]:
    return {"type": "categorical", "choices": choices}
