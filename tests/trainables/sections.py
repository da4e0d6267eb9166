"""Sections of the configuration on the embedded model, for every trainable. Light: no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables import embedded
from trainables.adaptation.options import TargetConfig
from trainables.reconstruction.options import ReadingTask
from trainables.routing.options import BehaviourConfig
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig, TaskConfig

_HERE = Path(__file__).parent
_SKILLS = (
    SkillConfig(name="facts", path="embedded:skills/facts.jsonl", scoring=("generation",), limit=4),
    SkillConfig(name="format", path="embedded:skills/format.jsonl", limit=2, at="last"),
)
SECTIONS: dict[str, Any] = {
    "model": ModelConfig(name="embedded", source="embedded"),
    "task": TaskConfig(
        name="lighthouse",
        train=str(_HERE / "lighthouse.jsonl"),  # of the embedded data, which take longer to read
        heldout="embedded:domain_heldout.jsonl",
        heldout_examples=7,
        max_length=32,
    ),
    "behaviour": BehaviourConfig(
        name="caps", share=0.4, prefixes=4, max_new_tokens=6, relearn_steps=2, relearn_tolerance=0.0
    ),
    "target": TargetConfig(tokenizer=str(embedded.model_dir() / "tokenizer.json"), dimensions=16, least=2),
    "capability": CapabilityConfig(skills=_SKILLS, kl_prompts=2, max_new_tokens=8),
}
_OTHERS: dict[str, dict[str, Any]] = {
    "adaptation": {
        "capability": CapabilityConfig(
            skills=(
                SkillConfig(name="facts", path="embedded:skills/facts.jsonl", limit=4),
                SkillConfig(
                    name="log",
                    path="embedded:skills/log.jsonl",
                    scoring=("likelihood_norm",),
                    limit=4,
                    at="last",
                ),
            ),
            max_new_tokens=8,
            general_text="embedded:general.jsonl",
            general_examples=4,
        )
    },
    "reconstruction": {
        "task": ReadingTask(
            name="day",
            train=str(_HERE / "readings.jsonl"),
            heldout_fraction=0.3,
            cue=None,
            max_new_tokens=4,
            truncated_tokens=4,
        )
    },
}
"""Sections of the same names that a trainable has of another kind."""


def sections_of(trainable: str) -> dict[str, Any]:
    """The sections of a trainable, by name; among them some of other trainables."""
    return SECTIONS | _OTHERS.get(trainable, {})
