"""What trials are compared with, and takes no training: the text, and the inverse projection."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

from trainables.errors import UserError
from trainables.lora.held_pack import valid_parameters
from trainables.messages import GroupSettings
from trainables.reconstruction.components import Projection
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.reconstruction.trained import Trained

TRUNCATED, INVERSE, NO_LORA = "truncated", "pca", "no_lora"


class Untrained(nn.Module):
    """Stands where a trial's network does.

    Args:
        params: Whose weights of the loss' terms are used.
        projection: Through whose latents embeddings go; None leaves them as they are.
        truncated: Whether passages are cut.
    """

    lora = None

    def __init__(
        self,
        params: ReconstructionParameters,
        projection: Projection | None = None,
        *,
        truncated: bool = False,
    ) -> None:
        super().__init__()
        self.params, self.projection, self.truncated = params, projection, truncated

    def forward(self, embeddings: Tensor) -> Tensor:
        """What the model reads in place of real embeddings, (tokens, width)."""
        if self.projection is None:
            return embeddings
        return self.projection.decode(self.projection.encode(embeddings))


Way: TypeAlias = Trained | Untrained


def typical(settings: GroupSettings) -> ReconstructionParameters:
    """The parameters of references: of trials like those of the search, that with the median learning rate.

    Raises:
        UserError: No such trial has valid parameters.
    """
    probes = valid_parameters(ReconstructionParameters, settings.probes)
    probes.sort(key=lambda params: (params.lr, params.latent or 0, params.rank, params.seed))
    if not probes:
        raise UserError("the baselines have no parameters: those of the search's trials are invalid")
    return probes[len(probes) // 2]
