"""Implicit ALS over a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from shelfwise.candidates._kernels import Floats, Rows
from shelfwise.candidates._matrix import Csr
from shelfwise.candidates.collaborative.serve import Memory, score_all
from shelfwise.candidates.collaborative.settings import MemorySettings
from shelfwise.candidates.collaborative.train import confidence, factorize
from shelfwise.candidates.estimators._base import ItemToItem
from shelfwise.candidates.estimators._frames import Log
from shelfwise.domain import BadRelease


class ImplicitALS(ItemToItem):
    """Factorisation of implicit feedback; users are folded in from their rows when they are asked about.

    Source: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; Takács, Pilászy,
    Tikk, RecSys 2011. A pair's confidence is ``base + alpha * weight``: 1 is the paper's base, 0 that of the library
    ``implicit``.
    """

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {"factors_": (np.float32, 2)}

    factors: int = Field(64, ge=1, le=512)
    """Width of the vectors."""

    regularization: float = Field(10.0, gt=0.0)
    """Pulls vectors towards 0."""

    alpha: float = Field(3.0, gt=0.0)
    """How much more a pair with weight 1 counts than one without."""

    base: float = Field(0.0, ge=0.0, le=1.0)
    """Confidence of a pair however small its weight."""

    half_life_days: float | None = Field(None, gt=0.0)
    """Ageing of weights; None keeps them."""

    iterations: int = Field(15, ge=1, le=1_000)
    """Sweeps over users and items."""

    steps: int = Field(3, ge=1, le=100)
    """Conjugate gradient steps per row and sweep."""

    fold_steps: int = Field(10, ge=1, le=100)
    """Conjugate gradient steps when a user is folded in."""

    seed: int = Field(0, ge=0)
    """Makes a fit repeatable."""

    _memory: Memory | None = PrivateAttr(None)

    @property
    def item_factors(self) -> Floats:
        """``(I, D)`` in the order in which items were first seen."""
        return self._fitted().factors

    def _holding(self, log: Log) -> Csr:
        return log.matrix(self.half_life_days)

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        held = self._held
        assert held is not None
        _, items = factorize(
            confidence(held, self._settings()),
            factors=self.factors,
            regularization=self.regularization,
            iterations=self.iterations,
            steps=self.steps,
            seed=self.seed,
        )
        return {"factors_": items}

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        shape, expected = arrays["factors_"].shape, (len(self._known(self._items)), self.factors)
        if shape != expected:
            raise BadRelease(f"{folder}/factors_.npy is {shape}; expected {expected}")

    def _take(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._memory = Memory.of(arrays["factors_"], self._settings())

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        memory = self._fitted()
        out = np.empty(len(memory.factors), np.float32)
        score_all(memory.by_factor, memory.fold(items, weight, steps=self.fold_steps), out)
        return out

    def _settings(self) -> MemorySettings:
        return MemorySettings(
            half_life_days=self.half_life_days, factors=self.factors,
            regularization=self.regularization, alpha=self.alpha, base=self.base,
        )  # fmt: skip

    def _fitted(self) -> Memory:
        self._known(self._items)
        assert self._memory is not None
        return self._memory
