"""Principal components of token embeddings: exact, and never of padding."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.errors import UserError


@dataclass(frozen=True)
class Components:
    """All principal components of a set of vectors, in float64.

    Attributes:
        mean: Shape (width,).
        basis: Orthonormal rows by decreasing variance, shape (width, width).
        variances: Along each of them, shape (width,).
        count: Vectors that they were fitted on, without padding.
    """

    mean: Tensor
    basis: Tensor
    variances: Tensor
    count: int

    @property
    def width(self) -> int:
        """Length of a vector."""
        return len(self.mean)

    @property
    def mean_square(self) -> float:
        """Mean square of the vectors' elements."""
        return float((self.variances.sum() + self.mean.square().sum()) / self.width)

    @property
    def rms(self) -> float:
        """Root mean square of the vectors' elements."""
        return math.sqrt(self.mean_square)

    def explained(self, dimension: int) -> float:
        """Share of the variance that the first components hold; 1 where nothing varies."""
        total = float(self.variances.sum())
        return float(self.variances[:dimension].sum()) / total if total > 0 else 1.0

    def fingerprint(self, dimension: int) -> str:
        """SHA-256 of the mean and the first components, 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self.count} {dimension} {self.width}".encode())
        for part in (self.mean, self.basis[:dimension]):
            digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def projection(self, dimension: int, dtype: torch.dtype, device: torch.device | str) -> Projection:
        """The projection onto the first components.

        Raises:
            UserError: There are fewer components.
        """
        if not 1 <= dimension <= self.width:
            raise UserError(
                f"latent: {dimension} dimensions, but the model's embeddings have {self.width}.",
                hint=f"Choose latent between 1 and {self.width}; at {self.width} nothing is lost.",
            )
        return Projection(self.mean, self.basis[:dimension]).to(device=device, dtype=dtype)


class Projection(nn.Module):
    """Vectors to their coordinates along the first components, and back.

    Args:
        mean: Shape (width,).
        basis: Orthonormal rows, shape (dimension, width).
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, mean: Tensor, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("basis", basis.clone())

    @property
    def dimension(self) -> int:
        """Number of components."""
        return len(self.basis)

    def encode(self, vectors: Tensor) -> Tensor:
        """Centred coordinates, shape (..., dimension), of vectors of shape (..., width)."""
        return (vectors.to(self.mean.dtype) - self.mean) @ self.basis.T

    def decode(self, latents: Tensor) -> Tensor:
        """Vectors, shape (..., width), of coordinates of shape (..., dimension).

        They are exact where the dimension is the width, else the nearest ones.
        """
        return latents @ self.basis + self.mean


def fit(blocks: Iterable[tuple[Tensor, Tensor]]) -> Components:
    """Principal components of the vectors in all blocks, from their covariance in float64.

    Blocks are merged by their means and scatters (Chan, Golub and LeVeque, 1983,
    doi:10.1080/00031305.1983.10483115), so that no more than one block and two square matrices are in memory
    and large means cost no digits. Each component's largest element is positive.

    Args:
        blocks: Vectors, shape (..., width), and how often each counts, shape (...): an attention mask, in
            which padding is 0, or numbers of occurrences.

    Raises:
        UserError: There are fewer than two vectors.
    """
    total, mean, scatter = 0, torch.zeros(0), torch.zeros(0)
    for vectors, weights in blocks:
        width = vectors.shape[-1]
        kept = weights.reshape(-1) > 0
        # Selected, not multiplied by 0: what stands in padding may be anything.
        rows = vectors.reshape(-1, width)[kept].to("cpu", torch.float64)
        counts = weights.reshape(-1)[kept].to("cpu", torch.float64)
        if total == 0:
            mean, scatter = rows.new_zeros(width), rows.new_zeros(width, width)
        added = int(counts.sum())
        if added == 0:
            continue
        block_mean = (counts[:, None] * rows).sum(0) / added
        centred = rows - block_mean
        shift = block_mean - mean
        scatter += centred.T @ (counts[:, None] * centred)
        scatter += torch.outer(shift, shift) * (total * added / (total + added))
        mean = mean + shift * (added / (total + added))
        total += added
    if total < 2:
        raise UserError(
            f"principal components need two tokens or more, and there are {total}.",
            hint="Give more training examples.",
        )
    values, vectors = torch.linalg.eigh(scatter / total)
    basis = vectors.T.flip(0)
    largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
    return Components(mean, basis * torch.where(largest < 0, -1.0, 1.0), values.flip(0).clamp(min=0), total)
