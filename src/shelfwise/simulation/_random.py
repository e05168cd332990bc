"""Chance as a pure function: a draw is told by the seed, a stream, a shopper and a counter, never by what went before.

So adding a shopper changes nobody else, and chunks, order and threads do not matter. SplitMix64 (Steele, Lea and
Flood, OOPSLA 2014) read at a counter; keys are folded by the same mixer. Compiled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numba as nb
import numpy as np

Key = np.uint64


def codes(numbers: Iterable[int]) -> Any:
    """Numbers that are handed to compiled functions: of a plain int the compiler makes a version for each value."""
    return np.array(list(numbers), np.int64)


# Streams: what is drawn. Append only, or worlds change.
PERSON, TASTE, DRIFTED, VISITS, SESSION, BRAND, REACTION, STAPLE, LIFETIME = codes(range(1, 10))
FIRST, SECOND = codes(range(2))

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_GRAIN = 2.0**-53
_BOOST = np.int64(2_000)


@nb.njit(cache=True)
def _mixed(x: Key) -> Key:
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


@nb.njit(cache=True)
def fold(key: Key, number: int) -> Key:
    """The key of a thing within another."""
    return _mixed(key ^ _mixed(np.uint64(number) + _GOLDEN))


@nb.njit(cache=True)
def stream(seed: int, name: int, number: int) -> Key:
    """The key of a stream of a shopper, or of a visit."""
    return fold(fold(np.uint64(seed), name), number)


@nb.njit(cache=True)
def uniform(key: Key, counter: int) -> float:
    """In (0, 1), both ends excluded."""
    bits = _mixed(key + np.uint64(counter + 1) * _GOLDEN) >> _11
    return (float(bits) + 0.5) * _GRAIN


@nb.njit(cache=True)
def exponential(key: Key, counter: int) -> float:
    """Mean 1."""
    return -math.log(uniform(key, counter))


@nb.njit(cache=True)
def gumbel(key: Key, counter: int) -> float:
    """Standard: the largest of utilities plus these is a draw of the multinomial logit."""
    return -math.log(exponential(key, counter))


@nb.njit(cache=True)
def normal(key: Key, counter: int) -> float:
    """Standard, by Box and Muller; reads counters 2n and 2n + 1."""
    radius = math.sqrt(2.0 * exponential(key, 2 * counter))
    return radius * math.cos(2.0 * math.pi * uniform(key, 2 * counter + 1))


@nb.njit(cache=True)
def gamma(key: Key, shape: float) -> float:
    """Of this shape, scale 1. Marsaglia and Tsang, ACM TOMS 2000; below shape 1 by their power of a uniform."""
    boosted = shape if shape >= 1.0 else shape + 1.0
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    value, trial = d, 0
    while trial < 64:  # accepted at once in more than 95 %
        x = normal(key, trial)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(uniform(key, 1_000 + trial)) < 0.5 * x * x + d - d * v + d * math.log(v):
            value = d * v
            break
        trial += 1
    return value if shape >= 1.0 else value * uniform(key, _BOOST) ** (1.0 / shape)


@nb.njit(cache=True)
def poisson(chance: float, mean: float, limit: int) -> int:
    """The count whose distribution function first reaches ``chance``, at most ``limit``."""
    if chance < 1.0 - mean:  # P(0) = exp(-mean) is above it: nearly always, and without an exponential
        return 0
    term = math.exp(-mean)
    total, count = term, 0
    while chance > total and count < limit:
        count += 1
        term *= mean / count
        total += term
    return count


@nb.njit(cache=True)
def place(chance: float, cumulative: np.ndarray, start: int, end: int) -> int:
    """Row in ``[start, end)`` drawn by running sums of weights; the sums start anew at ``start``."""
    wanted = chance * cumulative[end - 1]
    while start < end - 1:
        middle = (start + end - 1) >> 1
        if cumulative[middle] > wanted:
            end = middle + 1
        else:
            start = middle + 1
    return start


@nb.njit(cache=True)
def chance_of(seed: int, name: int, number: int) -> float:
    """The first uniform of a stream, for callers outside compiled code, which keys do not survive."""
    return uniform(stream(seed, name, number), FIRST)
