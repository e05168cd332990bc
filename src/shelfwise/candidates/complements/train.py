"""Counts who bought what together, and tells complements from substitutes.

Source: Brin et al., "Dynamic itemset counting and implication rules for market basket data", 1997 (lift); McAuley,
Pandey, Leskovec, "Inferring networks of substitutable and complementary products", KDD 2015 (the distinction).
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._matrix import Csr, Groups, Prepared, csr
from shelfwise.candidates._neighbours import Neighbours, keep_strongest, packed
from shelfwise.candidates._threads import in_shares
from shelfwise.candidates.complements.serve import ComplementsSource
from shelfwise.candidates.complements.settings import ComplementsSettings
from shelfwise.candidates.similar._text import tfidf
from shelfwise.candidates.similar.settings import SimilarSettings
from shelfwise.domain import DAY_US, Shelf


def fit(
    prepared: Prepared,
    shelf: Shelf | None,
    *,
    settings: ComplementsSettings,
    warm: ComplementsSource | None = None,
) -> ComplementsSource:
    """Learn pairs from the baskets of a history. Without a ``shelf`` texts cannot tell substitutes."""
    del warm
    as_of_us = prepared.as_of_us
    kept = recent_baskets(prepared.baskets, as_of_us, settings)
    pairs, buyers = together(kept, as_of_us, settings, limit=_SPARE * settings.neighbours)
    if settings.apart_power > 0:
        ever = buyers_of(pairs, kept)
        pairs = reweighted(pairs, np.minimum(buyers / np.maximum(ever, 1), 1.0) ** settings.apart_power)
    if shelf is not None and settings.likeness_penalty > 0:
        tokens = tfidf(shelf, n_items=prepared.n_items, settings=SimilarSettings())
        pairs = reweighted(pairs, 1.0 - settings.likeness_penalty * likeness(pairs, tokens))
    return ComplementsSource(shortened(pairs, settings.neighbours), settings)


def recent_baskets(baskets: Groups, as_of_us: int, settings: ComplementsSettings) -> Groups:
    """Baskets within the window, ordered by person."""
    window_us = np.inf if settings.window_days is None else settings.window_days * DAY_US
    kept = baskets.take(as_of_us - baskets.at_us <= window_us)
    return by_person(kept)


def together(
    baskets: Groups, as_of_us: int, settings: ComplementsSettings, *, limit: int
) -> tuple[Neighbours, NDArray[np.int32]]:
    """Per item the strongest others of its baskets, pairs of too few buyers left out; and the buyers of each.

    With W the summed weight of baskets, the strength is::

        W_ij / (W_i W_j) ** power * W ** (2 power - 1) * n_ij / (n_ij + shrink)

    which at power 1 is the shrunk lift, at 0.5 the shrunk cosine; n_ij counts distinct buyers.

    Args:
        baskets: Those of one person stand together.
        as_of_us: Baskets age up to here.
        settings: Ageing, powers, floor.
        limit: Neighbours kept per item.
    """
    age = np.maximum((as_of_us - baskets.at_us) / DAY_US, 0.0)
    half_life = np.inf if settings.half_life_days is None else settings.half_life_days
    size = np.maximum(baskets.size, 1)
    weight = (np.exp2(-age / half_life) * size**-settings.size_power).astype(np.float32)
    by_basket = baskets.matrix()
    by_item = by_basket.transposed()
    held = np.bincount(baskets.item, weights=np.repeat(weight, baskets.size), minlength=baskets.n_items)
    power = settings.popularity_power
    # A floor of one thousandth of a basket: an item whose baskets are all but forgotten is nobody's complement.
    norm = np.maximum(held, 1e-3) ** power * max(weight.sum(), 1e-12) ** (0.5 - power)
    n = baskets.n_items
    item, value = np.zeros((n, limit), np.int32), np.zeros((n, limit), np.float32)
    people, count = np.zeros((n, limit), np.int32), np.zeros(n, np.int64)

    def share(first: int, step: int) -> None:
        _together(
            first, step, by_item.start, by_item.column, by_basket.start, by_basket.column, baskets.user, weight,
            norm.astype(np.float32), settings.min_buyers, np.float32(settings.shrink), item, value, people, count,
        )  # fmt: skip

    in_shares(share)
    return packed(item, value, count), people[np.arange(limit) < count[:, None]]


def buyers_of(pairs: Neighbours, baskets: Groups) -> NDArray[np.int32]:
    """Per pair: people who bought both within the window, in one basket or apart, ``(N,)``."""
    person = np.repeat(baskets.user, baskets.size)
    n_users = int(person.max(initial=-1)) + 1
    by_person = csr(person, baskets.item, np.ones(len(person), np.float32), shape=(n_users, baskets.n_items))
    by_item = by_person.transposed()
    out = np.zeros(len(pairs.item), np.int32)

    def share(first: int, step: int) -> None:
        _common(first, step, pairs.start, pairs.item, by_item.start, by_item.column, n_users, out)

    in_shares(share)
    return out


def likeness(pairs: Neighbours, tokens: Csr) -> NDArray[np.float32]:
    """Cosine of the texts of each pair, ``(N,)``."""
    out = np.zeros(len(pairs.item), np.float32)

    def share(first: int, step: int) -> None:
        _likeness(
            first,
            step,
            pairs.start,
            pairs.item,
            tokens.start,
            tokens.column,
            tokens.value,
            tokens.n_columns,
            out,
        )

    in_shares(share)
    return out


def reweighted(pairs: Neighbours, factor: NDArray[np.floating]) -> Neighbours:
    """Strengths multiplied; order as it was."""
    return Neighbours(pairs.start, pairs.item, (pairs.similarity * factor).astype(np.float32))


def shortened(pairs: Neighbours, limit: int) -> Neighbours:
    """The strongest ``limit`` per item, best first."""
    n = len(pairs)
    item, value = np.zeros((n, limit), np.int32), np.zeros((n, limit), np.float32)
    count = np.zeros(n, np.int64)
    _shorten(pairs.start, pairs.item, pairs.similarity, item, value, count)
    return packed(item, value, count)


def by_person(baskets: Groups) -> Groups:
    """The same baskets, those of one person side by side."""
    order = np.argsort(baskets.user, kind="stable")
    size = baskets.size[order]
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    lines = np.arange(len(baskets.item)) - np.repeat(start[:-1] - baskets.start[:-1][order], size)
    return Groups(start, baskets.item[lines], baskets.user[order], baskets.at_us[order], baskets.n_items)


_SPARE = 2  # lists are this much longer before substitutes are weighed down, so that others may rise


@nb.njit(cache=True, nogil=True)
def _together(
    first: int,
    step: int,
    item_start: NDArray[np.int64],
    item_basket: NDArray[np.int32],
    basket_start: NDArray[np.int64],
    basket_item: NDArray[np.int32],
    person: NDArray[np.int32],
    weight: NDArray[np.float32],
    norm: NDArray[np.float32],
    min_buyers: int,
    shrink: np.float32,
    item: NDArray[np.int32],
    value: NDArray[np.float32],
    people: NDArray[np.int32],
    count: NDArray[np.int64],
) -> None:
    n = len(norm)
    total, buyers = np.zeros(n, np.float32), np.zeros(n, np.int32)
    last = np.full(n, -1, np.int32)  # the person counted last: baskets of one stand together
    touched, shown = np.empty(n, np.int32), np.empty(n, np.int32)
    near, scratch = np.empty(n, np.float32), np.empty((2, n), np.int32)
    for i in range(first, n, step):
        n_touched = n_shown = np.int64(0)
        for a in range(item_start[i], item_start[i + 1]):
            basket = item_basket[a]
            for b in range(basket_start[basket], basket_start[basket + 1]):
                j = basket_item[b]
                if buyers[j] == 0:
                    touched[n_touched] = j
                    n_touched += 1
                if last[j] != person[basket]:
                    last[j] = person[basket]
                    buyers[j] += 1
                total[j] += weight[basket]
        for x in range(n_touched):
            j = touched[x]
            if j != i and buyers[j] >= min_buyers:
                shown[n_shown] = j
                near[n_shown] = total[j] / (norm[i] * norm[j]) * buyers[j] / (buyers[j] + shrink)
                n_shown += 1
        count[i] = keep_strongest(shown, near, np.int64(0), n_shown, scratch, item, value, i)
        for x in range(count[i]):
            people[i, x] = buyers[item[i, x]]
        for x in range(n_touched):
            j = touched[x]
            total[j], buyers[j], last[j] = 0, 0, -1


@nb.njit(cache=True, nogil=True)
def _common(
    first: int,
    step: int,
    pair_start: NDArray[np.int64],
    pair_item: NDArray[np.int32],
    buyer_start: NDArray[np.int64],
    buyer: NDArray[np.int32],
    n_users: int,
    out: NDArray[np.int32],
) -> None:
    mine = np.full(n_users, -1, np.int32)  # the item that this person was last marked as a buyer of
    for i in range(first, len(pair_start) - 1, step):
        for a in range(buyer_start[i], buyer_start[i + 1]):
            mine[buyer[a]] = i
        for p in range(pair_start[i], pair_start[i + 1]):
            for a in range(buyer_start[pair_item[p]], buyer_start[pair_item[p] + 1]):
                out[p] += mine[buyer[a]] == i


@nb.njit(cache=True, nogil=True)
def _likeness(
    first: int,
    step: int,
    pair_start: NDArray[np.int64],
    pair_item: NDArray[np.int32],
    token_start: NDArray[np.int64],
    token: NDArray[np.int32],
    value: NDArray[np.float32],
    n_tokens: int,
    out: NDArray[np.float32],
) -> None:
    mine = np.zeros(n_tokens, np.float32)
    for i in range(first, len(pair_start) - 1, step):
        for a in range(token_start[i], token_start[i + 1]):
            mine[token[a]] = value[a]
        for p in range(pair_start[i], pair_start[i + 1]):
            for a in range(token_start[pair_item[p]], token_start[pair_item[p] + 1]):
                out[p] += mine[token[a]] * value[a]
        for a in range(token_start[i], token_start[i + 1]):
            mine[token[a]] = 0


@nb.njit(cache=True, nogil=True)
def _shorten(
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    similarity: NDArray[np.float32],
    item: NDArray[np.int32],
    value: NDArray[np.float32],
    count: NDArray[np.int64],
) -> None:
    scratch = np.empty((2, len(start) - 1), np.int32)
    for i in range(len(start) - 1):
        count[i] = keep_strongest(neighbour, similarity, start[i], start[i + 1], scratch, item, value, i)
