"""Under what conditions a trial is measured. Light: no torch."""

from __future__ import annotations

from typing import Literal, TypeAlias

Ablation: TypeAlias = Literal["both", "bad_off", "good_off"]
ABLATIONS: tuple[Ablation, ...] = ("both", "bad_off", "good_off")
"""Both adapters act; or one of them is switched off."""

Kind: TypeAlias = Literal["start", "clean", "behaving"]
KINDS: tuple[Kind, ...] = ("start", "clean", "behaving")
"""What a sample continues: nothing, or the first words of text without or with the behaviour."""
