"""What a LoRA trial and its search are configured by. Light: no torch."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from trainables.parameters import TrainingParameters
from trainables.settings import LARGEST, CapabilityConfig, ModelConfig, Positive, Section, TaskConfig

Rank: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Alpha: TypeAlias = Annotated[float, Field(gt=0, le=1e6)] | None
AlphaPerRank: TypeAlias = Annotated[float, Field(gt=0, le=1e4)] | None
Start = Literal["default", "gaussian", "orthogonal", "olora", "pissa", "pissa_niter_4", "pissa_niter_16"]


class AdapterParameters(TrainingParameters):
    """Base of the parameters of trainables with LoRA adapters.

    Attributes:
        rank: Rank of A and B.
        alpha: Numerator of the scale. Give it or `alpha_per_rank`, not both.
        alpha_per_rank: alpha / rank, whose best value depends less on the rank than that of alpha; 2 where
            neither form is given.
        target_modules: Linear layers that get an adapter.
        layers: Number of layers that get adapters, counted from the first; None is all of them.
    """

    alphas: ClassVar[tuple[tuple[str, str], ...]] = (("alpha", "alpha_per_rank"),)
    """Names of both forms of the scale, of each adapter."""

    rank: Rank = 16
    alpha: Alpha = None
    alpha_per_rank: AlphaPerRank = None
    target_modules: Literal["attention", "mlp", "all"] = "all"
    layers: Positive | None = None

    @model_validator(mode="after")
    def _one_alpha(self) -> Self:
        for alpha, ratio in self.alphas:
            if getattr(self, alpha) is not None and getattr(self, ratio) is not None:
                raise ValueError(f"{alpha} and {ratio} are both given; give one of them")
        return self


class LoraParameters(AdapterParameters):
    """What a space may search or fix for the trainable `lora`.

    The update of a weight is `scale * B @ A`, with A of shape (rank, in) and B of shape (out, rank);
    `scale` is alpha / rank (Hu et al., 2021, arXiv:2106.09685), or alpha / sqrt(rank) with `rslora`
    (Kalajdzievski, 2023, arXiv:2312.03732).

    Attributes:
        dropout: Dropout on the adapter's input.
        rslora: Whether to divide alpha by sqrt(rank) instead of rank.
        init_lora_weights: What A and B begin as. With `default` (A random and B zero), `gaussian` and
            `orthogonal` (an even rank only) the model is at first what it was. The others begin as a part of
            the weight, which is subtracted from the weight for good, and need dropout 0: `pissa` (Meng et
            al., 2024, arXiv:2404.02948) as the largest singular values, which `pissa_niter_N` computes by N
            subspace iterations, and `olora` (Büyükakyüz, 2024, arXiv:2406.01775) as part of a QR
            decomposition.
        loraplus_lr_ratio: The learning rate of B as a multiple of `lr`, which is then that of A (LoRA+, Hayou
            et al., 2024, arXiv:2402.12354, who use 16 with an `lr` somewhat below the usual).
        use_dora: Whether each output of a layer gets a trained magnitude, and W + scale * B @ A gives the
            direction alone (DoRA, Liu et al., 2024, arXiv:2402.09353). It needs dropout 0.
        examples: Number of training examples that are used, counted from the first (of each target, where
            the task has several); None is all of them.
        epochs: Passes over the examples that are used. The number of steps follows from them, and
            `budget.steps` must be "trial"; None leaves the length to the budget.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rslora: bool = False
    init_lora_weights: Start = "default"
    loraplus_lr_ratio: Annotated[float, Field(ge=1, le=1e4)] = 1.0
    use_dora: bool = False
    examples: Positive | None = None
    epochs: Annotated[float, Field(gt=0, le=LARGEST)] | None = None

    @model_validator(mode="after")
    def _start(self) -> LoraParameters:
        if self.init_lora_weights == "orthogonal" and self.rank % 2:
            raise ValueError("init_lora_weights=orthogonal needs an even rank")
        if self.subtracts_start and self.dropout:
            raise ValueError(
                f"init_lora_weights={self.init_lora_weights} needs dropout=0: what is subtracted from the "
                "weight sees all of its input"
            )
        return self

    @model_validator(mode="after")
    def _no_dropout(self) -> LoraParameters:
        if self.use_dora and self.dropout:
            raise ValueError("use_dora needs dropout=0: with dropout every layer would run twice")
        return self

    @property
    def effective_alpha(self) -> float:
        """alpha as PEFT takes it; 2 * rank where neither form is given."""
        if self.alpha is not None:
            return self.alpha
        return (2.0 if self.alpha_per_rank is None else self.alpha_per_rank) * self.rank

    @property
    def peft_start(self) -> bool | str:
        """`init_lora_weights` as PEFT takes it."""
        return True if self.init_lora_weights == "default" else self.init_lora_weights

    @property
    def subtracts_start(self) -> bool:
        """Whether what the adapter begins as is subtracted from the weight."""
        return self.init_lora_weights.startswith(("pissa", "olora"))

    @property
    def width(self) -> int:
        """Rank of the update to the weight as it was loaded: twice the rank where a start is subtracted.

        The update is then scale * (B @ A - B0 @ A0), the product of [B, -B0] and [A; A0], whose second halves
        are not trained.
        """
        return self.rank * (1 + self.subtracts_start)

    @property
    def scale(self) -> float:
        """Factor on B @ A."""
        return self.effective_alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


class LoraOptions(Section):
    """What adapters are trained on, for and against.

    Attributes:
        model: The base model.
        task: What it is tuned to.
        capability: What it must not lose.
    """

    model: ModelConfig
    task: TaskConfig
    capability: CapabilityConfig
