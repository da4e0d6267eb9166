"""How well trials have shared passes through the model."""

from __future__ import annotations

from dataclasses import dataclass

from search.record import SearchState


@dataclass(frozen=True)
class PackingUsed:
    """Packing over all rungs of a search.

    Attributes:
        tokens: Tokens trained, without padding; 0 where none were counted.
        padding: Share of padding among all tokens of the passes; rungs count by their tokens.
        trials_per_pass: Mean number of trials in a pass; 0 where no tokens were counted.
    """

    tokens: int
    padding: float
    trials_per_pass: float


def packing_used(state: SearchState) -> PackingUsed:
    """Adds up what was recorded with the rungs; those that count no tokens are left out.

    A trial with t tokens in passes with a share p of padding stands for t / (1 - p) of their tokens, and
    one that did s steps in passes of k trials for s / k passes: a pass of k trials is recorded k times.
    """
    tokens = steps = 0
    filled = passes = 0.0
    for trial in state.trials.values():
        before = 0
        for rung in trial.rungs:
            if rung.tokens:
                tokens += rung.tokens
                filled += rung.tokens / (1 - rung.padding)
                steps += rung.step - before
                passes += (rung.step - before) / rung.pack
            before = rung.step
    return PackingUsed(
        tokens=tokens,
        padding=1 - tokens / filled if filled else 0.0,
        trials_per_pass=steps / passes if passes else 0.0,
    )
