"""How many logits are there at once."""

from __future__ import annotations

_CHUNK_LOGITS = {"cpu": 2**22, "cuda": 2**27}
"""Logits of a chunk by the kind of device: 16 MiB in fp32, and 512 MiB."""

_CHUNK_TOKENS = 96
"""Fewer tokens at once would take as long: the head's weights are read for each chunk."""

_SMALL = {"cpu": 2**19, "cuda": 2**24}
"""Logits of a pass, by the kind of device, that take no longer whole than in chunks."""

LOGIT_BYTES = 8
"""Memory of a logit of a chunk: in half precision itself, its probability in fp32, and its gradient; in fp32
itself and its probability, which becomes the gradient."""


def chunk_tokens(vocabulary: int, device: str) -> int:
    """Tokens of a chunk on a kind of device."""
    return max(_CHUNK_TOKENS, _CHUNK_LOGITS[device] // vocabulary)


def small(places: int, wanted: int, vocabulary: int, device: str) -> bool:
    """Whether a pass may as well make logits of all its places: there are few, and most are wanted."""
    return places * vocabulary <= _SMALL[device] and 2 * wanted > places
