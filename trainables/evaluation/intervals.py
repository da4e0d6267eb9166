"""Confidence intervals of 95% for what evaluation measures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.interval import Interval, Z, t_quantile


def wilson(successes: float, n: int) -> Interval:
    """Score interval for a share (Wilson, 1927, doi:10.1080/01621459.1927.10502953).

    With p = successes / n: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). For the mean of n
    values between 0 and 1, whose sum is `successes`, it is wider than need be: they vary less.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} is not a share")
    return Interval(*_wilson(successes / n, n), n)


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
    """Mean loss per token over examples of different lengths, with Student's interval.

    A ratio estimate (Cochran, 1977, Sampling Techniques, section 2.11): R = sum(s_i) / sum(t_i), with
    standard error sqrt(sum (s_i - R t_i)^2 / (n (n - 1))) / mean(t), and n - 1 degrees of freedom. Examples,
    not tokens, are the independent units.

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
    half = t_quantile(0.975, n - 1) * error
    return ratio, Interval(ratio - half, ratio + half, n)


def token_values(sums: NDArray[np.float64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each example gives to the mean loss per token, to compare models example by example.

    With R and t as in `token_mean`, R + (s_i - R t_i) / mean(t): the mean is R, and its standard error that
    of `token_mean` (linearisation: Cochran, 1977, section 2.11). Both have shape (n,).
    """
    ratio = sums.sum() / tokens.sum()
    values: NDArray[np.float64] = ratio + (sums - ratio * tokens) / tokens.mean()
    return values


def clustered(means: Sequence[float], samples: int) -> Interval:
    """Interval for a share over prompts, of each of which there are several samples.

    Samples of one prompt are alike, so that they count for fewer than they are: the effective sample size is
    p (1 - p) / v with p the mean of the prompts' shares and v the variance of that mean over prompts (Korn
    and Graubard, 1998, Survey Methodology 24, 193-201), here at least the number of prompts and at most that
    of samples. The interval is Wilson's of p with that size, and its `n` the number of prompts.

    Args:
        means: Share of each prompt's samples, at least one prompt.
        samples: Of each prompt.
    """
    n = len(means)
    values = np.asarray(means, np.float64)
    share = float(values.mean())
    variance = float(values.var(ddof=1)) / n if n > 1 else 0.0
    size = min(max(share * (1 - share) / variance, n), n * samples) if variance > 0 else n
    return Interval(*_wilson(share, size), n)


def paired_change(tuned: Sequence[float], base: Sequence[float]) -> tuple[float, Interval]:
    """Change of a share over prompts from the base model's, each prompt with itself, and its interval.

    The hybrid score interval for paired shares (Newcombe, 1998, Statistics in Medicine 17, 2635-2650, method
    10 without continuity correction): with the Wilson intervals (l, u) of both shares p and their correlation
    r over prompts, the difference d has the bounds d - sqrt(a^2 - 2 r a b + b^2) with a = p - l of the tuned
    and b = u - p of the base share, and likewise above. It is never of zero width, and samples of one prompt
    count as one.

    Args:
        tuned: Share of each prompt's samples, at least one prompt.
        base: The same prompts' with the base model.
    """
    n = len(tuned)
    values, others = np.asarray(tuned, np.float64), np.asarray(base, np.float64)
    share, other = float(values.mean()), float(others.mean())
    varies = values.std() > 0 and others.std() > 0
    correlation = float(np.corrcoef(values, others)[0, 1]) if varies else 0.0
    (low, high), (other_low, other_high) = _wilson(share, n), _wilson(other, n)

    def reach(first: float, second: float) -> float:
        return math.sqrt(max(0.0, first**2 - 2 * correlation * first * second + second**2))

    change = share - other
    below, above = reach(share - low, other_high - other), reach(high - share, other - other_low)
    return change, Interval(change - below, change + above, n)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's bounds of a share of n, which need not be whole; at 0 and 1 they are exact."""
    shrink = 1 + Z**2 / n
    centre = (share + Z**2 / (2 * n)) / shrink
    half = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / shrink
    return (0.0 if share <= 0 else centre - half, 1.0 if share >= 1 else centre + half)
