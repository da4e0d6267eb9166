"""The token that texts begin with, so that a model learns to write from nothing. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trainables.data.encode import OwnSpecials
from trainables.data.examples import Example


def start_ids(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer itself puts before a text; else the token that begins or ends texts."""
    special = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return OwnSpecials.of(tokenizer).before or (int(special),)


def begun(examples: Sequence[Example], tokenizer: Any, most: int) -> list[Example]:
    """Texts that begin with `start_ids`, which then predict their first token, cut to `most` tokens.

    As they are where the tokenizer has put these there.
    """
    if OwnSpecials.of(tokenizer).before:
        return list(examples)
    start = start_ids(tokenizer)
    return [_begun(example, start, most) for example in examples]


def _begun(example: Example, start: Sequence[int], most: int) -> Example:
    ids = np.concatenate([np.array(start, np.int32), example.input_ids])
    mask = np.concatenate([np.zeros(len(start), np.bool_), [True], example.loss_mask[1:]])
    return replace(example, input_ids=ids[:most], loss_mask=mask[:most])
