"""Confidence intervals of 95% for what evaluation measures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.interval import Interval, Z


def wilson(successes: float, n: int) -> Interval:
    """Score interval for a share (Wilson, 1927, doi:10.1080/01621459.1927.10502953).

    With p = successes / n: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). For the mean of n
    values between 0 and 1, whose sum is `successes`, it is wider than need be: they vary less.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} is not a share")
    share = successes / n
    shrink = 1 + Z**2 / n
    centre = (share + Z**2 / (2 * n)) / shrink
    half = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / shrink
    # At the ends the bound is exact; rounding must not push it past the share.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(low, high, n)


def mean_of_shares(counts: Sequence[tuple[int, int]]) -> Interval:
    """Interval for the unweighted mean of K independent shares, each given as (successes, n).

    Combines the Wilson intervals (l_k, u_k) of the shares p_k by recovering their variances (MOVER:
    Newcombe, 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I; Zou and
    Donner, 2008, doi:10.1002/sim.3095). With p the mean of the p_k:
    p - sqrt(sum (p_k - l_k)^2) / K to p + sqrt(sum (u_k - p_k)^2) / K.
    It lies within 0 to 1, is never of zero width, and is Wilson's interval where K is 1.
    """
    shares = [successes / n for successes, n in counts]
    intervals = [wilson(successes, n) for successes, n in counts]
    mean = sum(shares) / len(shares)
    below = math.sqrt(sum((p - i.low) ** 2 for p, i in zip(shares, intervals, strict=True))) / len(shares)
    above = math.sqrt(sum((i.high - p) ** 2 for p, i in zip(shares, intervals, strict=True))) / len(shares)
    return Interval(mean - below, mean + above, sum(n for _, n in counts))


def token_mean(sums: NDArray[np.float64], tokens: NDArray[np.int64]) -> tuple[float, Interval | None]:
    """Mean loss per token over examples of different lengths, with its normal interval.

    A ratio estimate (Cochran, 1977, Sampling Techniques, section 2.11): R = sum(s_i) / sum(t_i), with
    standard error sqrt(sum (s_i - R t_i)^2 / (n (n - 1))) / mean(t). Examples, not tokens, are the
    independent units.

    Args:
        sums: Summed loss of each example, shape (n,).
        tokens: Target tokens of each example, shape (n,).

    Returns:
        The mean, and its interval; None for one example, which says nothing about the spread.
    """
    n = len(sums)
    ratio = float(sums.sum() / tokens.sum())
    if n < 2:
        return ratio, None
    error = math.sqrt(float(((sums - ratio * tokens) ** 2).sum()) / (n * (n - 1))) / float(tokens.mean())
    return ratio, Interval(ratio - Z * error, ratio + Z * error, n)
