"""Tokens that a tokenizer gives and the model does not have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.errors import UserError

Ids = Sequence[int] | NDArray[np.int32]


def refuse_unknown(tokenizer: Any, rows: int | None, texts: Iterable[Ids], where: str) -> None:
    """Refuses texts with a token beyond the model's embedding, which no model could be run on.

    Args:
        tokenizer: The model's.
        rows: Of its token embedding; None where they are not known.
        texts: Token ids.
        where: What the texts are, for the message.

    Raises:
        UserError: Names the token.
    """
    if rows is None:
        return
    for ids in texts:
        if len(ids) and (largest := int(np.max(ids))) >= rows:
            token = tokenizer.convert_ids_to_tokens(largest)
            raise UserError(
                f"{where} contains the token {token!r} with the id {largest}, and the model's embedding has "
                f"only {rows:,} rows.",
                hint="The tokenizer has tokens that the model lacks: enlarge the embedding "
                "(resize_token_embeddings) and save the model again, or use its own tokenizer.",
            )
