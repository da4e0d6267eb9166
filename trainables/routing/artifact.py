"""What a trial of two adapters leaves behind. Light: no torch."""

from __future__ import annotations

from trainables.trainable import Artifact, Part

BAD_FOLDER = "bad"
COMBINED_FOLDER = "combined"
"""Folders below that of the good adapter."""

ARTIFACT = Artifact(
    "adapter",
    'PeftModel.from_pretrained(base, "{folder}")',
    "PEFT format",
    {
        ".": Part("the good adapter, which is the result: the model without the bad one."),
        BAD_FOLDER: Part(
            "the bad adapter, which was trained to take up the unwanted behaviour. With it, alone or beside "
            "the good one, the model may show that behaviour.",
            harmful=True,
        ),
        COMBINED_FOLDER: Part(
            "both adapters as one, as they acted in training. With it the model may show the unwanted "
            "behaviour.",
            harmful=True,
        ),
    },
)
