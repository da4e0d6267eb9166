"""Where the best learning rate of LoRA lies, by published runs. Light: no torch."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from trainables.embedded import embedded_folder
from trainables.lora.parameters import LoraParameters
from trainables.prior import Belief, Prior
from trainables.settings import ModelConfig

PUBLISHED = Path(__file__).with_name("published.json")

_SMALLEST, _LARGEST = 1e9, 1e12
"""Models that were published, by parameters; smaller and larger ones are taken for the nearest of them."""

_TYPICAL = 3e10
"""The size that is taken for models of which none is known, by parameters."""

_ASSUMED = (
    "the model's size is in neither its name nor files on this machine, and is taken for "
    f"{_TYPICAL / 1e9:.0f} billion parameters: a smaller model wants a higher rate; model.name=NAME-3B "
    "gives its size"
)

SIZE_EXPONENT = -0.23
_HORIZON_EXPONENT = -0.32
"""Of parameters and of training tokens (Bjorck et al., 2024, arXiv:2409.19913, their joint law)."""

_BATCH_EXPONENT = 0.5
"""At equal training tokens, for Adam (Malladi et al., 2022, arXiv:2205.10287)."""

_ALPHA_EXPONENT = -0.65
"""Of alpha, whatever the rank: what makes training losses of `benchmarks.search_quality`'s recorded grid one
function of lr * alpha^0.65; published runs at equal alpha show no dependence on rank (Schulman, 2025, LoRA
Without Regret, doi:10.64434/tml.20250929)."""

_FRONT_FACTOR = 1.5
"""How much wider the belief is with several objectives: their front spans learning rates."""

_SIZE = re.compile(
    r"(?<![a-z0-9.])e?(?:(?P<experts>\d+)x)?"
    r"(?:(?P<whole>\d+)b(?P<tenths>\d)|(?P<number>(?<=-)\d_\d(?=b)|\d+(?:\.\d+)?)(?P<unit>[bm]))"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
"""Forms: 8B, 1.5b, 135M, 8x7B, 7b1 and -1_6b for 7.1 and 1.6 billion, E4B for what counts of more."""
_UNITS = {"b": 1e9, "m": 1e6}
_STORED = 2  # bytes of a parameter on disk


class PublishedRates(BaseModel):
    """What `benchmarks.lora_sweep.fit` finds in published runs.

    Attributes:
        source: Where the runs are from.
        licence: Theirs.
        models: Number of models.
        runs: Number of runs.
        lr: Best learning rate of a model of a billion parameters.
        deviation: Standard deviation of the logarithm of models' best learning rates around the law.
        alpha: Of all runs.
        batch_size: Of all runs.
        steps: Of all runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    licence: str
    models: int
    runs: int
    lr: float = Field(gt=0)
    deviation: float = Field(gt=0)
    alpha: float = Field(gt=0)
    batch_size: int = Field(gt=0)
    steps: int = Field(gt=0)


@cache
def published() -> PublishedRates:
    """The fitted numbers that ship with the package."""
    return PublishedRates.model_validate(json.loads(PUBLISHED.read_text()))


def size_factor(parameters: float) -> float:
    """By how much the best learning rate differs from that of a model of a billion parameters."""
    return float((min(max(parameters, _SMALLEST), _LARGEST) / 1e9) ** SIZE_EXPONENT)


def lora_prior(rates: PublishedRates, adapter: str = "") -> Prior:
    """The prior over `lr` by published rates.

    Args:
        rates: As fitted.
        adapter: The attribute of a trial's parameters that holds those of the adapter; empty where they are
            its own.
    """

    def believe(options: object, params: object, steps: int | None, objectives: int) -> Belief:
        lora = getattr(params, adapter) if adapter else params
        assert isinstance(lora, LoraParameters)
        model = getattr(options, "model", None)
        size = model_size(model) if isinstance(model, ModelConfig) else None
        wider = _FRONT_FACTOR if objectives > 1 else 1.0
        assumed = "" if size is not None else _ASSUMED
        return Belief(_centre(rates, lora, size, steps), rates.deviation * wider, assumed)

    return Prior(
        name="lora",
        parameter="lr",
        believe=believe,
        factors=(1.0, 3.0, 1 / 3),
        largest=("rank",),
        sources=(
            f"{rates.runs} runs of {rates.models} models ({rates.source})",
            "Bjorck et al., 2024, arXiv:2409.19913: model size and training length",
            "Malladi et al., 2022, arXiv:2205.10287: batch size",
        ),
    )


def _centre(rates: PublishedRates, lora: LoraParameters, size: float | None, steps: int | None) -> float:
    batch = lora.batch_size / rates.batch_size
    length = 1.0 if steps is None else steps / rates.steps
    # What acts on the weights is scale * rank * lr: alpha, or with rslora alpha * sqrt(rank).
    alpha = lora.scale * lora.rank / rates.alpha
    # With LoRA+ the law is about the geometric mean of A's and B's rates.
    return float(
        rates.lr
        / math.sqrt(lora.loraplus_lr_ratio)
        * size_factor(_TYPICAL if size is None else size)
        * alpha**_ALPHA_EXPONENT
        * batch**_BATCH_EXPONENT
        * (batch * length) ** _HORIZON_EXPONENT
    )


def model_size(model: ModelConfig) -> float | None:
    """Number of parameters, roughly: as its name has it, or by the size of its weights on this machine.

    Args:
        model: As configured; a hub model's files are not looked for, since they come and go.
    """
    for text in (model.source, model.name):
        if match := _SIZE.search(text.rpartition("/")[2]):
            experts, whole, tenths, number, unit = match.groups()
            if whole is not None:
                number, unit = f"{whole}.{tenths}", "b"
            read = float(number.replace("_", ".")) * _UNITS[unit.lower()] * int(experts or 1)
            # Llama-2_7b is no model of 2.7 billion parameters.
            return _stored_size(model) or read if "_" in number else read
    return _stored_size(model)


def _stored_size(model: ModelConfig) -> float | None:
    folder = embedded_folder(model.source) or Path(model.source).expanduser()
    try:
        stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except OSError:
        return None
    return stored / _STORED or None
