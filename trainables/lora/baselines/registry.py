"""What a baseline is, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from trainables.registry import Registry

if TYPE_CHECKING:
    from trainables.lora.parameters import LoraOptions
    from trainables.serving.held import Evaluation


class Base(Protocol):
    """The base model in a worker, without any adapter."""

    def evaluate(
        self, wording: Callable[[str], str] | None = None, *, in_context: bool = False
    ) -> Evaluation:
        """Evaluates it as trials are, with its loss on training examples; a collective call.

        Args:
            wording: Changes the text of each question of a skill; tasks of lm-evaluation-harness keep theirs.
            in_context: Puts the facts of `capability.facts` before every question of a skill and
                every prompt, where `capability.facts.in_context` says: in-context learning.

        Raises:
            UserError: It cannot be evaluated, or there are no beliefs to tell; on every worker alike.
        """


Baseline: TypeAlias = "Callable[[Base], Evaluation]"
"""Measures a reference with the base model; a collective call."""

Needs: TypeAlias = "Callable[[LoraOptions], str | None]"

BASELINES: Registry[Baseline] = Registry("baseline")
"""By name; the line of each describes it."""

NEEDS: dict[str, Needs] = {}
"""Of baselines that cannot always be measured what is missing in these options, or None."""
