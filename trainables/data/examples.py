"""Tokenised examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Example:
    """One training sequence.

    Attributes:
        input_ids: Token ids, shape (length,), int32.
        loss_mask: Which tokens are targets of the loss, shape (length,). The first never is, for
            nothing predicts it.
        target: What it teaches, where the task teaches several things; examples are then limited per target.
    """

    input_ids: NDArray[np.int32]
    loss_mask: NDArray[np.bool_]
    target: str = ""

    @property
    def targets(self) -> int:
        """Number of tokens that the loss is over."""
        return int(self.loss_mask[1:].sum())


@dataclass(frozen=True, eq=False)
class TokenisedData:
    """Examples in a fixed order.

    Attributes:
        fingerprint: SHA-256 over all ids and masks, 64 hexadecimal digits.
    """

    examples: list[Example]
    fingerprint: str

    @classmethod
    def of(cls, examples: Sequence[Example]) -> TokenisedData:
        """Puts examples together with their fingerprint."""
        digest = hashlib.sha256()
        for example in examples:
            digest.update(len(example.input_ids).to_bytes(8, "little"))
            digest.update(example.input_ids.astype("<i4").tobytes())
            digest.update(example.loss_mask.astype(np.uint8).tobytes())
        return cls(list(examples), digest.hexdigest())
