"""What is true of the items of a simulated shop, as columns by item row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, InvalidField, InvalidInput

TASTES = 8  # dimensions of taste
RELATED = 4  # complements and substitutes kept of an item

_VARIANTS = 3  # largest product of a synthetic catalogue
_FAR_US = 20_000 * DAY_US  # items older than any world are born here before its start


@dataclass(frozen=True, slots=True, eq=False)
class ItemTruth:
    """Items as parallel columns; row *i* of each speaks of item row *i*. Scenarios ``dataclasses.replace`` columns."""

    category: NDArray[np.int32]  # (I,) code, from 0
    brand: NDArray[np.int32]  # (I,) code
    group: NDArray[np.int32]  # (I,) product that variants share
    price_minor: NDArray[np.int64]  # (I,) asked now, per unit, above 0
    reference_minor: NDArray[np.int64]  # (I,) what shoppers hold for its usual price, above 0
    cost_minor: NDArray[np.int64]  # (I,)
    stock: NDArray[np.int64]  # (I,) units; -1 not tracked; 0 cannot be put into a cart
    popularity: NDArray[np.float64]  # (I,) weight in the shop's lists, heavy tailed; 0 never listed
    quality: NDArray[np.float64]  # (I,) appeal to everyone, log-odds
    season: NDArray[np.float64]  # (I,) day of the year (from 0) that it is wanted for; -1 the whole year
    born_us: NDArray[np.int64]  # (I,) first on sale
    life_days: NDArray[np.float64]  # (I,) days in which its odds halve, from birth on; inf never
    taste: NDArray[np.float64]  # (I, TASTES) what it is like; about 1 long
    complements: NDArray[np.int32]  # (I, RELATED) rows bought with it; -1 padding
    substitutes: NDArray[np.int32]  # (I, RELATED) rows bought in its place; -1 padding

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns().values()}
        if len(lengths) > 1:
            raise InvalidInput(f"item columns have lengths {sorted(lengths)}; expected one")
        if len(self) == 0:
            raise InvalidInput("no items; expected at least one")
        for name in ("price_minor", "reference_minor"):
            least = int(getattr(self, name).min())
            if least <= 0:
                raise InvalidField(name, least, "above 0 for every item")
        if self.category.min() < 0 or not self.popularity.sum() > 0 or self.popularity.min() < 0:
            raise InvalidInput("category codes start at 0; popularity is at least 0, somewhere above")

    def __len__(self) -> int:
        return len(self.category)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(
        cls,
        *,
        category: NDArray[np.int32],
        price_minor: NDArray[np.int64],
        popularity: NDArray[np.float64] | None = None,
        seed: int = 7,
        **known: NDArray[Any],
    ) -> ItemTruth:
        """Truth around a real catalogue: what is known stands, the rest is made up by the seed.

        Args:
            category: Codes ``(I,)``, from 0.
            price_minor: ``(I,)``, above 0.
            popularity: Weights ``(I,)``; by default of Zipf's law over a random order.
            seed: Of what is made up.
            known: Any other column of this class.
        """
        rng = np.random.default_rng([seed, len(category)])
        weights = zipf(rng, len(category)) if popularity is None else popularity
        made = _made_up(rng, category.astype(np.int32), price_minor.astype(np.int64), weights)
        strange = known.keys() - made.keys()
        if strange:
            raise InvalidField("column", min(strange), f"one of {', '.join(sorted(made))}")
        return cls(**{**made, **known})

    @classmethod
    def synthetic(
        cls,
        n_items: int,
        *,
        n_categories: int | None = None,
        zipf_exponent: float = 1.0,
        start_us: int = 1_704_067_200_000_000,
        new_per_year: float = 0.2,
        seed: int = 7,
    ) -> ItemTruth:
        """A made-up catalogue of any size.

        Args:
            n_items: How many.
            n_categories: About one per 50 items by default.
            zipf_exponent: Popularity falls as rank^-exponent.
            start_us: Items are as old as can be then, but for those that come later.
            new_per_year: Share of the items that are born in the first year after.
            seed: The same seed is the same catalogue.
        """
        rng = np.random.default_rng([seed, n_items])
        categories = n_categories or max(3, n_items // 50)
        share = 1.0 / np.sqrt(np.arange(1, categories + 1))
        category = rng.choice(categories, n_items, p=share / share.sum()).astype(np.int32)
        level = rng.normal(7.0, 0.7, categories)  # log of minor units: about 11 in the major one
        price = np.exp(level[category] + rng.normal(0.0, 0.4, n_items))
        price_minor = np.maximum(np.round(price / 50.0) * 50 - 1, 49).astype(np.int64)
        born = np.full(n_items, start_us - _FAR_US, np.int64)
        new = rng.random(n_items) < new_per_year
        born[new] = start_us + (rng.random(int(new.sum())) * 365 * DAY_US).astype(np.int64)
        life = np.where(new, np.exp(rng.normal(np.log(250.0), 0.5, n_items)), np.inf)
        return cls.of(
            category=category,
            price_minor=price_minor,
            popularity=zipf(rng, n_items, zipf_exponent),
            seed=seed,
            born_us=born,
            life_days=life,
        )


def zipf(rng: np.random.Generator, n_items: int, exponent: float = 1.0) -> NDArray[np.float64]:
    """``(n_items,)`` weights rank^-exponent, the ranks dealt at random."""
    rank = rng.permutation(n_items) + 1.0
    return np.asarray(rank**-exponent, np.float64)


def _made_up(
    rng: np.random.Generator,
    category: NDArray[np.int32],
    price_minor: NDArray[np.int64],
    popularity: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Every column, of nothing but category, price and popularity."""
    n_items = len(category)
    taste = _tastes(rng, category)
    brand = (category * 4 + rng.integers(0, 8, n_items)).astype(
        np.int32
    )  # neighbouring categories share some
    return {
        "category": category,
        "brand": brand,
        "group": _groups(rng, category),
        "price_minor": price_minor,
        "reference_minor": price_minor.copy(),
        "cost_minor": np.maximum((price_minor * rng.uniform(0.4, 0.7, n_items)).astype(np.int64), 1),
        "stock": np.full(n_items, -1, np.int64),
        "popularity": popularity.astype(np.float64),
        "quality": rng.normal(0.0, 0.5, n_items),
        "season": np.where(rng.random(n_items) < 0.2, rng.integers(0, 365, n_items), -1).astype(np.float64),
        "born_us": np.full(n_items, -_FAR_US, np.int64),
        "life_days": np.full(n_items, np.inf),
        "taste": taste,
        "complements": _related(rng, _shifted(category), category, popularity),
        "substitutes": _related(rng, category, category, popularity),
    }


def _tastes(rng: np.random.Generator, category: NDArray[np.int32]) -> NDArray[np.float64]:
    """Items of a category lie about its centre: half of the variance is the category's."""
    centre = rng.normal(0.0, 1.0, (int(category.max()) + 1, TASTES))
    own = rng.normal(0.0, 1.0, (len(category), TASTES))
    taste: NDArray[np.float64] = (centre[category] + own) / np.sqrt(2.0 * TASTES)
    return taste


def _groups(rng: np.random.Generator, category: NDArray[np.int32]) -> NDArray[np.int32]:
    """Products of one to three variants, within a category."""
    order = np.argsort(category, kind="stable")
    starts = rng.random(len(order)) < 2.0 / (_VARIANTS + 1)
    starts[0] = True
    starts[1:] |= np.diff(category[order]) != 0
    group = np.empty(len(order), np.int32)
    group[order] = np.cumsum(starts) - 1
    return group


def _shifted(category: NDArray[np.int32]) -> NDArray[np.int32]:
    """The category that goes with each item's own: the next one."""
    return ((category + 1) % (int(category.max()) + 1)).astype(np.int32)


def _related(
    rng: np.random.Generator,
    wanted: NDArray[np.int32],
    category: NDArray[np.int32],
    popularity: NDArray[np.float64],
) -> NDArray[np.int32]:
    """``(I, RELATED)`` other items of the category wanted by each, the popular ones more often, each once."""
    order = np.argsort(category, kind="stable")
    bounds = np.searchsorted(category[order], np.arange(int(category.max()) + 2))
    running = np.concatenate([[0.0], np.cumsum(popularity[order])])
    low, high = running[bounds[wanted]], running[bounds[wanted + 1]]
    chance = low[:, None] + rng.random((len(wanted), RELATED)) * (high - low)[:, None]
    rows = order[np.clip(np.searchsorted(running, chance, side="right") - 1, 0, len(order) - 1)].astype(
        np.int32
    )
    empty = (high <= low)[:, None] | (rows == np.arange(len(wanted))[:, None])
    for column in range(1, RELATED):
        empty[:, column] |= (rows[:, :column] == rows[:, column, None]).any(axis=1)
    return np.where(empty, -1, rows).astype(np.int32)
