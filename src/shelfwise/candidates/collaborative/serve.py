"""Folds a person in from their history and scores all items: two factorisations and the votes of neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import Remembered, history_of, open_to
from shelfwise.candidates._kernels import Floats, Rows, add_votes, anchors, best_of, reads
from shelfwise.candidates._neighbours import Neighbours
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates._select import score_of
from shelfwise.candidates.collaborative.settings import CollaborativeSettings, MemorySettings
from shelfwise.domain import BadRelease, LiveItems, PersonState, Query

NAME = "collaborative"
REASSOCIATE = {"reassoc", "contract", "nsz"}  # lets sums be vectorised; NaN and infinity keep their meaning


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One factorisation: everything that folding in a person needs, and no person."""

    factors: Floats  # (I, D)
    by_factor: Floats  # (D, I) the same, laid out for scoring all items
    gram: Floats  # (D, D) factors' factors + regularization
    settings: MemorySettings

    @classmethod
    def of(cls, factors: Floats, settings: MemorySettings) -> Memory:
        """With what follows from the factors."""
        gram = gram_of(factors) + np.float32(settings.regularization) * np.eye(
            factors.shape[1], dtype=np.float32
        )
        return cls(factors, np.ascontiguousarray(factors.T), gram, settings)

    def fold(self, rows: Rows, weight: Floats, *, steps: int) -> Floats:
        """The vector of a person who did ``weight`` with items ``rows``, ``(D,)``."""
        s = self.settings
        return fold(rows, weight, np.float32(s.alpha), np.float32(s.base), self.factors, self.gram, steps)


class CollaborativeSource:
    """A ``CandidateSource`` and ``Reasoner``: what people with a like history went on to want."""

    name = NAME
    signals = (f"{NAME}__score", f"{NAME}__short", f"{NAME}__long", f"{NAME}__neighbours")

    def __init__(
        self,
        short: Memory,
        long: Memory,
        near: Neighbours,
        known: NDArray[np.uint8],
        settings: CollaborativeSettings,
    ) -> None:
        self.short, self.long, self.near, self.known, self.settings = short, long, near, known, settings
        lives = (settings.query_half_life_days, settings.short.half_life_days, settings.long.half_life_days)
        self._half_lives = np.array([np.inf if life is None else life for life in lives])
        self._by_event = settings.by_event()
        self._blend = np.array(settings.blend, np.float32)
        self._confidence = np.array(
            [(memory.settings.alpha, memory.settings.base) for memory in (short, long)], np.float32
        )
        self._asked: Remembered[tuple[Rows, Floats]] = Remembered()
        self._unknown = np.flatnonzero(known == 0).astype(np.int32)

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The items with the highest blend of both memories and the neighbours' votes."""
        rows, weight = self._asked.of(query, person, self._ask)
        if len(rows) == 0:
            return Proposal.nothing(len(self.signals))
        short, long, near = self.short, self.long, self.near
        table, item, score = _judge(
            rows, weight, short.factors, short.gram, short.by_factor, long.factors, long.gram, long.by_factor,
            near.start, near.item, near.similarity, self._confidence, self._blend, self._unknown,
            self.settings.fold_steps, open_to(query, person, live, len(self.known)), limit,
        )  # fmt: skip
        return Proposal(item, score, reads(table), table)

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``others_also_bought``, and the item of the history whose neighbours' vote weighs most."""
        rows, weight = self._asked.of(query, person, self._ask)
        near = self.near
        return "others_also_bought", anchors(rows, weight[0], near.start, near.item, near.similarity, item)

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        arrays = {
            "known": self.known, **self.near.arrays(),
            "short_factors": self.short.factors, "short_by_factor": self.short.by_factor,
            "long_factors": self.long.factors, "long_by_factor": self.long.by_factor,
        }  # fmt: skip
        _files.save(folder, arrays, {"settings": self.settings.model_dump()})

    def _ask(self, query: Query, person: PersonState) -> tuple[Rows, Floats]:
        """What was done lately and the seeds ``(M,)``; weights for neighbours, short and long ``(3, M)``."""
        return history_of(person).recent(
            query,
            half_lives=self._half_lives,
            by_event=self._by_event,
            n_items=len(self.known),
            limit=self.settings.history,
            seed_weight=self.settings.seed_weight,
        )


def load(folder: Path) -> CollaborativeSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    settings = _files.settings(folder, _files.about(folder).get("settings"), CollaborativeSettings)
    kinds = {"known": (np.uint8, 1), **_files.NEIGHBOURS}
    factors = {
        f"{memory}_{part}": (np.float32, 2)
        for memory in ("short", "long")
        for part in ("factors", "by_factor")
    }
    arrays = _files.load(folder, kinds | factors)
    near = _files.neighbours(arrays, n_items=len(arrays["known"]), folder=folder)
    short, long = (_memory(arrays, memory, getattr(settings, memory), folder) for memory in ("short", "long"))
    return CollaborativeSource(short, long, near, arrays["known"], settings)


def _memory(
    arrays: dict[str, NDArray[np.float32]], name: str, settings: MemorySettings, folder: Path
) -> Memory:
    factors, by_factor = arrays[f"{name}_factors"], arrays[f"{name}_by_factor"]
    shape = (len(arrays["known"]), settings.factors)
    if factors.shape != shape or by_factor.shape != shape[::-1]:
        raise BadRelease(f"{folder}/{name}_factors.npy is {factors.shape}; expected {shape}")
    memory = Memory.of(factors, settings)
    return Memory(factors, by_factor, memory.gram, settings)


@nb.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def gram_of(factors: Floats) -> Floats:
    """``factors' factors``, ``(I, D) -> (D, D)``, four items at a time, on this thread alone.

    A BLAS would ask all cores, and wait for them without resting: beside requests a release then takes a tenth of a
    second of every core to open, in place of a millisecond.
    """
    n, width = factors.shape
    whole = n // 4 * 4
    gram = np.zeros((width, width), np.float32)
    for i in range(0, whole, 4):
        for a in range(width):
            y0, y1, y2, y3 = factors[i, a], factors[i + 1, a], factors[i + 2, a], factors[i + 3, a]
            for b in range(width):
                gram[a, b] += (
                    y0 * factors[i, b]
                    + y1 * factors[i + 1, b]
                    + y2 * factors[i + 2, b]
                    + y3 * factors[i + 3, b]
                )
    for i in range(whole, n):
        for a in range(width):
            for b in range(width):
                gram[a, b] += factors[i, a] * factors[i, b]
    return gram


@nb.njit(cache=True)
def _judge(
    rows: Rows,
    weight: Floats,
    short_factors: Floats,
    short_gram: Floats,
    short_by_factor: Floats,
    long_factors: Floats,
    long_gram: Floats,
    long_by_factor: Floats,
    start: NDArray[np.int64],
    neighbour: Rows,
    similarity: Floats,
    confidence: Floats,
    blend: Floats,
    unknown: Rows,
    steps: int,
    blocked: NDArray[np.uint8],
    limit: int,
) -> tuple[Floats, Rows, Floats]:
    """``(4, I)``: score, short, long, neighbours; NaN for items nobody touched. And the best of them.

    ``confidence`` holds alpha and base of the short memory, then of the long one.
    """
    table = np.zeros((4, len(start) - 1), np.float32)
    x = fold(rows, weight[1], confidence[0, 0], confidence[0, 1], short_factors, short_gram, steps)
    score_all(short_by_factor, x, table[1])
    x = fold(rows, weight[2], confidence[1, 0], confidence[1, 1], long_factors, long_gram, steps)
    score_all(long_by_factor, x, table[2])
    add_votes(rows, weight[0], start, neighbour, similarity, table[3])
    _blend(table, blend)
    _silence(table, unknown)
    item, score = best_of(table[0], blocked, limit, np.float32(0))
    return table, item, score


@nb.njit(cache=True, fastmath=REASSOCIATE)
def fold(
    rows: Rows, weight: Floats, alpha: np.float32, base: np.float32, factors: Floats, gram: Floats, steps: int
) -> Floats:
    """The vector of one person, from nothing."""
    confidence = np.empty(len(rows), np.float32)
    for k in range(len(rows)):
        confidence[k] = base + alpha * weight[k]
    width = factors.shape[1]
    x = np.zeros(width, np.float32)
    solve(x, rows, confidence, factors, gram, steps, workspace(len(rows), width))
    return x


@nb.njit(cache=True, nogil=True)
def workspace(longest: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Scratch memory of ``solve`` for rows of up to ``longest`` values."""
    padded = (longest + 3) // 4 * 4
    return (
        np.empty((padded, width), np.float32),
        np.empty((2, padded), np.float32),
        np.empty((3, width), np.float32),
    )


@nb.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def solve(
    x: Floats,
    rows: Rows,
    confidence: Floats,
    factors: Floats,
    gram: Floats,
    steps: int,
    space: tuple[Floats, Floats, Floats],
) -> None:
    """Some conjugate gradient steps on ``(gram + sum (c - 1) y y') x = sum c y``, in place.

    Stops when the residual has fallen to a millionth, whatever its size was: of someone who was away for long
    all confidences are tiny, and the direction is still worth knowing.

    Source: Takács, Pilászy, Tikk, "Applications of the conjugate gradient method for implicit feedback
    collaborative filtering", RecSys 2011.
    """
    near, more, vectors = space
    r, p, q = vectors[0], vectors[1], vectors[2]
    n = _gather(rows, confidence, factors, near, more)
    add, times = more[0, :n], more[1, :n]
    _matvec(gram, x, q)
    for a in range(len(x)):
        r[a] = -q[a]
    _add_products(near, add, times, x, r)
    for k in range(n):  # from here on only the curvature: (c - 1) y y'
        add[k], times[k] = 0, -times[k]
    residual = np.float32(0)
    for a in range(len(x)):
        p[a] = r[a]
        residual += r[a] * r[a]
    enough = residual * np.float32(1e-12)
    for _ in range(steps):
        if residual <= enough:
            return
        _matvec(gram, p, q)
        _add_products(near, add, times, p, q)
        curvature = np.float32(0)
        for a in range(len(x)):
            curvature += p[a] * q[a]
        step = residual / curvature
        left = np.float32(0)
        for a in range(len(x)):
            x[a] += step * p[a]
            r[a] -= step * q[a]
            left += r[a] * r[a]
        turn = left / residual
        residual = left
        for a in range(len(x)):
            p[a] = r[a] + turn * p[a]


@nb.njit(cache=True, nogil=True)
def _gather(rows: Rows, confidence: Floats, factors: Floats, near: Floats, more: Floats) -> int:
    """Copy the vectors side by side, padded to fours, for every step reads them; c and 1 - c beside them."""
    n = len(rows)
    padded = (n + 3) // 4 * 4
    for k in range(n):
        for a in range(factors.shape[1]):
            near[k, a] = factors[rows[k], a]
        more[0, k], more[1, k] = confidence[k], np.float32(1) - confidence[k]
    for k in range(n, padded):
        near[k] = 0
        more[0, k], more[1, k] = 0, 0
    return padded


@nb.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _matvec(gram: Floats, x: Floats, out: Floats) -> None:
    for a in range(len(x)):
        total = np.float32(0)
        for b in range(len(x)):
            total += gram[a, b] * x[b]
        out[a] = total


@nb.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _add_products(near: Floats, add: Floats, times: Floats, x: Floats, out: Floats) -> None:
    """``out += sum (add + times (y x)) y`` over the rows y of ``near``, four at a time: half the cost of one."""
    width = len(x)
    for k in range(0, len(add), 4):
        y0, y1, y2, y3 = near[k], near[k + 1], near[k + 2], near[k + 3]
        d0, d1, d2, d3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for a in range(width):
            d0 += y0[a] * x[a]
            d1 += y1[a] * x[a]
            d2 += y2[a] * x[a]
            d3 += y3[a] * x[a]
        d0 = add[k] + times[k] * d0
        d1 = add[k + 1] + times[k + 1] * d1
        d2 = add[k + 2] + times[k + 2] * d2
        d3 = add[k + 3] + times[k + 3] * d3
        for a in range(width):
            out[a] += d0 * y0[a] + d1 * y1[a] + d2 * y2[a] + d3 * y3[a]


@nb.njit(cache=True, fastmath=REASSOCIATE)
def score_all(by_factor: Floats, x: Floats, out: Floats) -> None:
    """``out = x @ by_factor``, ``(D,) @ (D, I) -> (I,)``, four factors at a time."""
    width, n = by_factor.shape
    for i in range(n):
        out[i] = 0
    whole = width // 4 * 4
    for a in range(0, whole, 4):
        x0, x1, x2, x3 = x[a], x[a + 1], x[a + 2], x[a + 3]
        for i in range(n):
            out[i] += (
                by_factor[a, i] * x0
                + by_factor[a + 1, i] * x1
                + by_factor[a + 2, i] * x2
                + by_factor[a + 3, i] * x3
            )
    for a in range(whole, width):
        for i in range(n):
            out[i] += by_factor[a, i] * x[a]


@nb.njit(cache=True)
def _blend(table: Floats, blend: Floats) -> None:
    """Row 0: the three others relative to their largest, weighted; what is below 0 counts as 0."""
    none = np.float32(0)
    short, long = blend[0] / _largest(table[1]), blend[1] / _largest(table[2])
    near = blend[2] / _largest(table[3])
    for i in range(table.shape[1]):
        s, t, v = table[1, i], table[2, i], table[3, i]
        table[0, i] = (
            short * (s if s > none else none)
            + long * (t if t > none else none)
            + near * (v if v > none else none)
        )


@nb.njit(cache=True)
def _largest(part: Floats) -> np.float32:
    """The largest value, infinity if none is above 0. Those above 0 are ordered as their bits are: eight at once."""
    bits, largest = part.view(np.int32), np.int32(0)
    for i in range(len(bits)):
        largest = np.int32(max(largest, bits[i]))
    found = score_of(largest)
    return found if found > 0 else np.float32(np.inf)


@nb.njit(cache=True)
def _silence(table: Floats, unknown: Rows) -> None:
    for i in unknown:
        for g in range(len(table)):
            table[g, i] = np.nan
