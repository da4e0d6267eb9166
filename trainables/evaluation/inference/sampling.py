"""Sampled generation, whose every draw has a place of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import Choose, Owner, Tokens, generate, most_likely
from trainables.settings import Decoding

_REFUSALS = 8
"""Draws outside the nucleus after which it is worth sorting the vocabulary."""

_BLOCK = 256
"""Tokens whose probabilities are added up first."""

_AT_ONCE = 2**24
"""Probabilities that are added up at once, at most."""


def sampled(
    forward: Forward,
    prompts: Sequence[Tokens],
    *,
    copies: int,
    ends: Collection[int],
    pad_id: int,
    max_new_tokens: int,
    batch_size: int,
    decoding: Decoding,
    seed: int,
    places: Sequence[int] | None = None,
    ended: Callable[[list[int]], bool] | None = None,
) -> list[list[list[list[int]]]]:
    """Replies to each prompt by each adapter, as `decoding` says.

    The draw of a token is a function of (seed, the prompt's place, sample, position in the reply) alone. So a
    reply does not depend on the batch, on the adapters beside it or on the worker, but for rounding; and
    adapters are compared under the same draws.

    Args:
        forward: As in `generate`, like all that is not explained here.
        decoding: Replies per prompt, and how each is decoded.
        seed: Of the draws.
        places: The place of each prompt among those of all workers; None is its index.

    Returns:
        For each adapter and each prompt its replies' token ids, without the token that ended each.
    """
    places = range(len(prompts)) if places is None else places
    keys = [(place, sample) for place in places for sample in range(decoding.samples)]
    replies = generate(
        forward,
        [prompt for prompt in prompts for _ in range(decoding.samples)],
        copies=copies,
        ends=ends,
        pad_id=pad_id,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        ended=ended,
        choose=chooser(decoding, seed, keys),
    )
    starts = range(0, len(keys), decoding.samples)
    return [[adapter[start : start + decoding.samples] for start in starts] for adapter in replies]


def chooser(decoding: Decoding, seed: int, keys: Sequence[tuple[int, int]]) -> Choose:
    """Chooses tokens as `decoding` says; see `Sampler`."""
    return Sampler(decoding, seed, keys) if decoding.method == "sample" else most_likely


class Sampler:
    """Draws tokens; see `generate.Choose`.

    Args:
        decoding: Temperature and nucleus.
        seed: Of the draws.
        keys: For each prompt what its draws are a function of, beside the seed and the position.
    """

    def __init__(self, decoding: Decoding, seed: int, keys: Sequence[tuple[int, int]]) -> None:
        self._decoding = decoding
        self._seed = seed
        self._keys = np.array(keys, np.int64).reshape(-1, 2)

    def __call__(self, logits: Tensor, owners: Sequence[Owner], firsts: Sequence[int]) -> list[list[int]]:
        """See `generate.Choose`."""
        rows, width, vocabulary = logits.shape
        places, samples = self._keys[[prompt for _, prompt in owners]].T.repeat(width, axis=1)
        positions = (np.array(firsts)[:, None] + np.arange(width)).ravel()
        chosen: list[int] = []
        step = max(1, _AT_ONCE // vocabulary)
        flat = logits.flatten(0, 1)
        for start in range(0, rows * width, step):
            part = slice(start, start + step)
            keys = places[part], samples[part], positions[part]
            probabilities = (flat[part].float() / self._decoding.temperature).softmax(-1)
            chosen += self._draw(probabilities, keys).tolist()
        return [chosen[start : start + width] for start in range(0, rows * width, width)]

    def _draw(self, probabilities: Tensor, keys: Sequence[NDArray[np.int64]]) -> Tensor:
        """Draws a token of each row's nucleus, shape (rows,).

        A token of the whole vocabulary is drawn until it is in the nucleus, which needs no sorting and gives
        the same distribution.
        """
        top_p = self._decoding.top_p
        chosen = inverse(probabilities, self._uniforms(keys, 0))
        if top_p == 1:
            return chosen
        refused = (~in_nucleus(probabilities, chosen, top_p)).nonzero()[:, 0]
        for attempt in range(1, _REFUSALS):
            if not len(refused):
                return chosen
            rest, picked = probabilities[refused], [key[refused.cpu().numpy()] for key in keys]
            tokens = inverse(rest, self._uniforms(picked, attempt))
            chosen[refused] = tokens
            refused = refused[~in_nucleus(rest, tokens, top_p)]
        kept, order = nucleus(probabilities[refused], top_p)
        picked = [key[refused.cpu().numpy()] for key in keys]
        places = inverse(kept, self._uniforms(picked, _REFUSALS))
        chosen[refused] = order.gather(-1, places[:, None])[:, 0]
        return chosen

    def _uniforms(self, keys: Sequence[NDArray[np.int64]], attempt: int) -> NDArray[np.float64]:
        return uniforms(self._seed, *keys, np.array([attempt]))


def in_nucleus(probabilities: Tensor, tokens: Tensor, top_p: float) -> Tensor:
    """Whether each token is in its row's nucleus: those before it add up to less than `top_p`.

    Args:
        probabilities: Shape (rows, vocabulary).
        tokens: Shape (rows,). Of equally probable tokens the one with the lower id comes first.
        top_p: Of `Decoding`.
    """
    own = probabilities.gather(-1, tokens[:, None])
    ids = torch.arange(probabilities.shape[1], device=probabilities.device)
    before = (probabilities > own) | ((probabilities == own) & (ids < tokens[:, None]))
    return (probabilities * before).sum(-1) < top_p * probabilities.sum(-1)


def nucleus(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Probabilities in descending order, with 0 for tokens outside the nucleus, and the order of the ids.

    Args:
        probabilities: Shape (rows, vocabulary); they need not add up to 1.
        top_p: Of `Decoding`.

    Returns:
        Both of shape (rows, vocabulary).
    """
    ordered, order = probabilities.sort(stable=True, dim=-1, descending=True)
    cumulative = ordered.cumsum(-1, dtype=torch.float64)
    kept = cumulative - ordered < top_p * cumulative[:, -1:]
    return ordered * kept, order


def inverse(probabilities: Tensor, uniform: NDArray[np.float64]) -> Tensor:
    """The first token at which the sum passes `uniform` times the whole, shape (rows,).

    It is sought among blocks of tokens, and then within one: adding up a whole vocabulary in order is slow.

    Args:
        probabilities: Shape (rows, vocabulary); they need not add up to 1.
        uniform: From 0 up to 1, shape (rows,).
    """
    vocabulary, device = probabilities.shape[1], probabilities.device
    whole = vocabulary // _BLOCK * _BLOCK
    full = torch.unflatten(probabilities[:, :whole], -1, (vocabulary // _BLOCK, _BLOCK)).sum(-1)
    sums = [full, probabilities[:, whole:].sum(-1, keepdim=True)]
    blocks = torch.cat(sums, dim=-1).cumsum(-1, dtype=torch.float64)
    sought = torch.from_numpy(uniform)[:, None].to(device) * blocks[:, -1:]
    block = _passed(blocks, sought)
    columns = block * _BLOCK + torch.arange(_BLOCK, device=device)
    within = probabilities.gather(-1, columns.clamp(max=vocabulary - 1)) * (columns < vocabulary)
    before = functional.pad(blocks, (1, 0)).gather(-1, block)
    return (block * _BLOCK + _passed(within.cumsum(-1, dtype=torch.float64), sought - before))[:, 0]


def _passed(cumulative: Tensor, sought: Tensor) -> Tensor:
    """Where a sum first passes what is sought, but no further than where it is whole."""
    most = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(cumulative, sought, right=True), most)


def uniforms(seed: int, *keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Numbers from 0 up to 1, each a function of the seed and its keys alone.

    Hashes with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014, doi:10.1145/2660193.2660195).

    Args:
        seed: Any integer; its lowest 64 bits count.
        keys: Arrays that broadcast to one shape.
    """
    state = _mixed(np.array([seed % 2**64], np.uint64))
    for key in keys:
        state = _mixed(state ^ _mixed(key.astype(np.uint64) + _GOLDEN))
    return np.asarray((state >> np.uint64(11)) * 2.0**-53, np.float64)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
