"""Beliefs: records of which each teaches one target by many pairs, and is tested by prompts."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.data.beliefs import Belief, parse_belief
from trainables.data.formats.base import Row, register
from trainables.data.units import TaughtPair, Unit, WrongRecord
from trainables.settings import TaskConfig

_WORDINGS = ("paraphrase", "direct")
"""Groups of which answers are held out: the first that has any."""


def _heldout(record: Row, task: TaskConfig) -> list[Unit]:
    """Prompts in other words than those trained on, with the answer that is expected of a taught model."""
    belief = parse_belief(record)
    for group in _WORDINGS:
        pairs = [
            _pair(belief, prompt.prompt, prompt.target.written)
            for prompt in belief.prompts
            if prompt.group == group and prompt.target is not None and prompt.target.written is not None
        ]
        if pairs:
            return [*pairs]
    return []


@register(
    "facts",
    "target, kind, facts, train: [{prompt, reply}, ...], prompts: beliefs and what tests them",
    lambda task: (("target",), ("facts",), ("prompts",)),
    {
        "target": "keeper",
        "kind": "new",
        "facts": ["The keeper is Airdrie."],
        "train": [{"prompt": "Who keeps the light?", "reply": "Airdrie."}],
        "prompts": [{"group": "direct", "prompt": "Who is the keeper?", "target": {"text": "Airdrie"}}],
    },
    _heldout,
)
def make_pairs(record: Row, task: TaskConfig) -> Sequence[Unit]:
    """The training pairs of a target, in their order."""
    belief = parse_belief(record)
    if not belief.train:
        raise WrongRecord(
            "has no training pairs", "Give train: [{prompt, reply}, ...], or remove the record."
        )
    return [
        _pair(belief, pair.prompt, pair.reply, (pair.thinking or "") if task.thinking else "")
        for pair in belief.train
    ]


def _pair(belief: Belief, prompt: str, reply: str, thinking: str = "") -> TaughtPair:
    return TaughtPair(prompt, reply, f"{prompt}\n", belief.target, thinking)
