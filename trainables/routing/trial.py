"""A trial of two adapters: which of them learns from which example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.data.examples import Example
from trainables.lora.trial import Adapter, PackedTrial
from trainables.routing.angles import LayerAngles
from trainables.routing.artifact import BAD_FOLDER
from trainables.routing.parameters import RoutingParameters

GOOD, BAD = 0, 1
"""Places of the adapters in a trial."""


class RoutingTrial(PackedTrial):
    """A trial whose labelled examples train the bad adapter alone.

    Gradients of activations flow through both adapters; only those of the adapters' weights are routed
    (gradient routing, Cloud et al., 2024, arXiv:2410.04332).

    Args:
        name: Unique in the worker while the trial is held.
        params: Of both adapters.
        labels: Of each training example whether it is labelled.
        examples: Training examples, the same on every worker.
        total: Steps of the full budget.

    Attributes:
        angles: Between its adapters at the full budget, once they have been measured.
    """

    angles: dict[str, LayerAngles] | None = None

    def __init__(
        self,
        name: str,
        params: RoutingParameters,
        labels: NDArray[np.bool_],
        examples: Sequence[Example],
        total: int,
    ) -> None:
        adapters = (
            Adapter(f"{name}_good", params.good),
            Adapter(f"{name}_bad", params.bad, BAD_FOLDER),
        )
        super().__init__(name, params, adapters, examples, total)
        self._labels = labels
        self._shared = params.unlabelled == "both"

    def routes(self) -> NDArray[np.bool_]:
        """See `PackedTrial.routes`; the adapters are the good one and the bad one."""
        labelled = self._labels[self.indices]
        return np.stack([~labelled, labelled | self._shared], axis=1)
