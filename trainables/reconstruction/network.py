"""The network that rebuilds token embeddings from their latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.reconstruction.components import Projection


class Rebuilder(nn.Module):
    """Latents to embeddings: LayerNorm(skip(z) + MLP(LayerNorm(z))) times a learned scale.

    It begins as the inverse of the projection, normalised: `skip` decodes, and the MLP's last layer is 0. Its
    output has the root mean square of real embeddings from the first step on. The scale is learned as its
    logarithm, since a step of AdamW is of the same size for a scale of 0.01 as for one of 1.

    Args:
        projection: What the latents are coordinates of.
        hidden: Width of the MLP.
        rms: Root mean square of real embeddings.
    """

    def __init__(self, projection: Projection, hidden: int, rms: float) -> None:
        super().__init__()
        dimension, width = projection.basis.shape
        self.norm = nn.LayerNorm(dimension)
        self.up = nn.Linear(dimension, hidden)
        self.down = nn.Linear(hidden, width)
        self.skip = nn.Linear(dimension, width)
        self.output = nn.LayerNorm(width, eps=1e-12)  # embeddings may be tiny
        self.log_scale = nn.Parameter(torch.tensor(math.log(max(rms, 1e-12))))
        self.to(projection.basis.dtype)
        with torch.no_grad():
            self.down.weight.zero_()
            self.down.bias.zero_()
            self.skip.weight.copy_(projection.basis.T)
            self.skip.bias.copy_(projection.mean)

    def forward(self, latents: Tensor) -> Tensor:
        """Embeddings, shape (..., width), of latents of shape (..., dimension)."""
        mixed = self.skip(latents) + self.down(functional.gelu(self.up(self.norm(latents))))
        rebuilt: Tensor = self.output(mixed) * self.log_scale.exp()
        return rebuilt
