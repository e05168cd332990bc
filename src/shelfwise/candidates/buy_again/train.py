"""Learns how a person's own rhythm tells what they buy again: a small logistic regression over past instants.

Source: Bhagat et al., "Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018, whose hazards of popularity,
gaps and recency are here columns of one linear model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._history import History
from shelfwise.candidates._matrix import PairDays, Prepared, starts
from shelfwise.candidates.buy_again.serve import RHYTHM, BuyAgainSource, rhythm
from shelfwise.candidates.buy_again.settings import BuyAgainSettings
from shelfwise.candidates.trending.train import aged_counts
from shelfwise.domain import DAY_US, PURCHASE, Shelf

# What a shop starts from, and is pulled to: bought often and lately comes again. Rounded from a fit on two years of
# a gift wholesaler (Online Retail II); only the order it gives matters.
PRIOR = {
    "one": -1.0,
    "aged_14": 0.2,
    "aged_90": 0.2,
    "aged_365": 0.5,
    "share": 0.7,
    "skipped": -0.2,
    "item_now": 0.4,
    "visit": 0.15,
}
POPULARITY_HALF_LIFE_DAYS = 14.0
_SMALLEST_SHARE = 2.0**-30  # of a Newton step: below it, rounding is all that is left to win
USUAL_GAP_DAYS = 30.0  # of an item nobody has bought twice yet


def fit(
    prepared: Prepared, shelf: Shelf | None, *, settings: BuyAgainSettings, warm: BuyAgainSource | None = None
) -> BuyAgainSource:
    """Learn as of the instant, from people who shopped in the horizons before it. Needs no ``shelf``."""
    del shelf, warm
    bought = prepared.pairs.purchases()
    facts, label = _examples(bought, prepared.as_of_us, settings)
    coefficient = logistic(facts, label, prior=_prior(), ridge=settings.ridge)
    return BuyAgainSource(coefficient, *item_facts(bought, prepared.as_of_us), settings)


def item_facts(
    bought: PairDays, as_of_us: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Per item: typical gap in days, log-odds of a repeat, log of aged popularity; as known before the instant."""
    again = np.zeros(len(bought), np.bool_)
    again[1:] = (bought.user[1:] == bought.user[:-1]) & (bought.item[1:] == bought.item[:-1])
    gap = np.diff(bought.at_us, prepend=bought.at_us[:1])[again] / DAY_US
    n_again = np.bincount(bought.item[again], minlength=bought.n_items)
    n = np.bincount(bought.item, minlength=bought.n_items)
    log_gap = np.bincount(bought.item[again], weights=np.log1p(gap), minlength=bought.n_items)
    typical = np.expm1((log_gap + np.log1p(USUAL_GAP_DAYS)) / (n_again + 1))
    rate = np.log((n_again + 1.0) / (n - n_again + 3.0))
    now = aged_counts(bought, as_of_us, POPULARITY_HALF_LIFE_DAYS)
    now = np.log(now / max(now.sum(), 1e-30) * 1_000 + 0.01)
    return typical.astype(np.float32), rate.astype(np.float32), now.astype(np.float32)


def logistic(
    facts: NDArray[np.float32], label: NDArray[np.bool_], *, prior: NDArray[np.float64], ridge: float
) -> NDArray[np.float32]:
    """Coefficients ``(F,)`` by damped Newton, pulled to ``prior`` with strength ``ridge``, the constant hardly.

    A full step may overshoot to where all chances are 0 or 1 and the curve is flat, and the next one then leaps off to
    nowhere. So a step is halved until it lowers the loss, which has one lowest point.
    """
    x, y = facts.astype(np.float64), label.astype(np.float64)
    pull = np.full(x.shape[1], ridge)
    pull[0] = 1e-3
    beta = prior.copy()

    def loss(at: NDArray[np.float64]) -> float:
        margin = x @ at
        return float((np.logaddexp(0.0, margin) - y * margin).sum() + 0.5 * pull @ (at - prior) ** 2)

    now = loss(beta)
    for _ in range(50):  # seven do as a rule
        chance = 0.5 * (1.0 + np.tanh(0.5 * (x @ beta)))
        slope = x.T @ (y - chance) - pull * (beta - prior)
        curve = (x * (chance * (1.0 - chance))[:, None]).T @ x + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        gain = float(slope @ step)  # what the loss would fall by, twice, were it a parabola
        if gain < 1e-9 * (1.0 + abs(now)):
            break
        share = 1.0
        while loss(beta + share * step) > now - 1e-4 * share * gain and share > _SMALLEST_SHARE:
            share /= 2
        beta = beta + share * step
        now = loss(beta)
    return beta.astype(np.float32)


def _prior() -> NDArray[np.float64]:
    return np.array([PRIOR.get(name, 0.0) for name in RHYTHM])


def _examples(
    bought: PairDays, as_of_us: int, settings: BuyAgainSettings
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Facts of what people had bought at past instants, and whether they bought it in the horizon after."""
    horizon_us = int(settings.horizon_days * DAY_US)
    facts, labels = [np.empty((0, len(RHYTHM)), np.float32)], [np.empty(0, np.bool_)]
    then = np.zeros(bought.n_items, np.bool_)
    for step in range(1, settings.instants + 1):
        cut = as_of_us - step * horizon_us
        known = item_facts(bought.take(bought.at_us < cut), cut)
        for history, later in _shoppers(bought, cut, cut + horizon_us):
            rows, fact = rhythm(history.item, history.place, history.at_us, history.event, cut, *known)
            facts.append(fact)
            then[later] = True
            labels.append(then[rows])
            then[later] = False
    all_facts, label = np.concatenate(facts), np.concatenate(labels)
    if len(label) > settings.sample:
        kept = np.random.default_rng(settings.seed).choice(len(label), settings.sample, replace=False)
        return all_facts[kept], label[kept]
    return all_facts, label


def _shoppers(bought: PairDays, cut: int, end: int) -> Iterator[tuple[History, NDArray[np.int32]]]:
    """Each person who bought in ``[cut, end)``: their history before, and what they bought then."""
    begin = starts(bought.user, bought.n_users)
    then = (bought.at_us >= cut) & (bought.at_us < end)
    for user in np.unique(bought.user[then]):
        own = slice(begin[user], begin[user + 1])
        before = bought.at_us[own] < cut
        if before.any():
            yield (
                history_of_days(bought.item[own][before], bought.at_us[own][before]),
                bought.item[own][then[own]],
            )


def history_of_days(item: NDArray[np.int32], at_us: NDArray[np.int64]) -> History:
    """From days of purchase sorted by item and day."""
    new = np.ones(len(item), np.bool_)
    new[1:] = item[1:] != item[:-1]
    place = (np.cumsum(new) - 1).astype(np.int32)
    newest = np.argsort(-at_us, kind="stable")
    event = np.full(len(item), PURCHASE, np.uint8)
    bought = np.ones(int(new.sum()), np.bool_)
    return History(item[new], bought, place[newest], at_us[newest], event)
