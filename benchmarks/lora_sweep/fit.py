"""Fits the numbers of the prior over learning rates to published runs.

    python -m benchmarks.lora_sweep.fit [CSV] [--write]

The law has the exponent of model size from the literature, and two numbers of its own: the learning rate of a
model of a billion parameters, and the deviation of models around the law. The first has the least mean regret
over all models at their largest rank, where the learning rate is uncertain by the second. With --write they
replace those that ship with the package.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lora_sweep.published import SHARED, Model, read_models
from trainables.lora.prior import PUBLISHED, SIZE_EXPONENT, PublishedRates, size_factor

_RATES = np.log(np.geomspace(1e-4, 1e-2, 93))
_QUANTILES = np.linspace(-1.5, 1.5, 7)
_BEYOND = math.log(2.0)
"""How far outside the published learning rates a model's best one may be taken to lie."""


def fit(models: Sequence[Model]) -> PublishedRates:
    """Fits the law to models, at least three."""
    deviation = _deviation(models)
    regrets = np.mean([_mean_regrets(model, deviation) for model in models], axis=0)
    return PublishedRates(
        source="results of tinker-cookbook, Tulu-3",
        licence="Apache-2.0",
        models=len(models),
        runs=sum(model.runs for model in models),
        lr=float(f"{math.exp(_RATES[int(np.argmin(regrets))]):.3g}"),
        deviation=float(f"{deviation:.2g}"),
        alpha=32,
        batch_size=128,
        steps=780,
    )


def _mean_regrets(model: Model, deviation: float) -> NDArray[np.float64]:
    """Mean regret at the law's learning rate and around it, by `_RATES`.

    It is linear between runs, and beyond the largest learning rate.
    """
    rates, regrets = model.at_largest_rank()
    centres = _RATES + math.log(size_factor(model.billions * 1e9))
    points = centres[:, None] + deviation * _QUANTILES
    slope = max(0.0, float((regrets[-1] - regrets[-2]) / (rates[-1] - rates[-2])))
    beyond = slope * np.maximum(points - rates[-1], 0.0)
    means: NDArray[np.float64] = (np.interp(points, rates, regrets) + beyond).mean(axis=1)
    return means


def _deviation(models: Sequence[Model]) -> float:
    """Standard deviation of the models' best learning rates around a law with the same exponent."""
    residuals = np.array([_vertex(model) - math.log(size_factor(model.billions * 1e9)) for model in models])
    return float(residuals.std(ddof=1))


def _vertex(model: Model) -> float:
    """Logarithm of the best learning rate: the lowest point of a parabola through the best three runs."""
    rates, regrets = model.at_largest_rank()
    middle = min(max(int(np.argmin(regrets)), 1), len(rates) - 2)
    around = slice(middle - 1, middle + 2)
    curvature, slope, _ = np.polyfit(rates[around], regrets[around], 2)
    lowest = -slope / (2 * curvature) if curvature > 0 else float(rates[int(np.argmin(regrets))])
    return float(np.clip(lowest, rates[0] - _BEYOND, rates[-1] + _BEYOND))


def main() -> None:
    """Prints the fitted numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, nargs="?", default=SHARED)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    models = read_models(options.csv)
    sizes = [math.log(model.billions) for model in models]
    exponent = np.polyfit(sizes, [_vertex(model) for model in models], 1)[0]
    print(f"The exponent of size that fits best is {exponent:.3f}; the law has {SIZE_EXPONENT}.")
    text = json.dumps(fit(models).model_dump(), indent=2)
    if options.write:
        PUBLISHED.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
