"""Parameters of the training of a trial, whatever is trained. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from trainables.settings import Positive

Schedule = Literal["wsd", "constant", "linear", "cosine"]


class TrainingParameters(BaseModel):
    """Base of the parameters of trainables that are trained by AdamW.

    Attributes:
        lr: Peak learning rate of AdamW.
        weight_decay: Decoupled weight decay of AdamW, on everything that is trained.
        warmup: Length of the linear warm-up: a share of the budget if below 1, else a number of steps.
        schedule: Shape of the learning rate after the warm-up. `wsd` (warmup-stable-decay, Hu et al.,
            2024, arXiv:2404.06395) is constant and decays linearly to 0 (Hägele et al., 2024,
            arXiv:2405.18392) over the last `decay` of the budget, so that rungs before that are comparable;
            `linear` and `cosine` decay over the whole budget.
        decay: Share of the budget over which `wsd` decays.
        batch_size: Effective batch size: examples per optimizer step, over all workers of the group and all
            passes that the step is divided into.
        clip: Largest norm of the gradient of this trial alone; 0 switches clipping off.
        seed: Seed of the initialisation, the data order and the dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lr: Annotated[float, Field(ge=1e-12, le=10)] = 2e-4
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    warmup: Annotated[float, Field(ge=0)] = 0.1
    schedule: Schedule = "wsd"
    decay: Annotated[float, Field(ge=0, le=1)] = 0.2
    batch_size: Positive = 8
    clip: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def at_rate(self, lr: float) -> Self:
        """The same with this learning rate for all that is trained."""
        return self.model_copy(update={"lr": lr})
