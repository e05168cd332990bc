"""Why an item is shown, in a sentence that a shopper understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, Reasoner
from shelfwise.domain import DAY_US, PURCHASE, SOURCES, PersonState, Query, Shelf, Slate

Reason = dict[str, Any]  # code, item_id, text

# Whose word counts where several sources put an item equally high: the one that says most about this shopper.
VOICES = ("complements", "buy_again", "session", "similar", "collaborative", "trending")

TEXTS: Mapping[str, str] = {
    "bought_together": "Often bought with {title}",
    "others_also_bought": "Because you bought {title}",
    "others_also_viewed": "Because you looked at {title}",
    "seen_together": "Goes well with {title}",
    "similar_to": "Similar to {title}",
    "bought_before": "You bought this before",
    "bought_regularly": "You buy this about every {span}",
    "trending": "Popular right now",
    "trending_in_country": "Popular in your country",
    "best_seller": "Popular in this shop",
    "pinned": "Picked by the shop",
}
WITHOUT_ANCHOR: Mapping[str, str] = {
    "bought_together": "Often bought with what is in your basket",
    "others_also_bought": "Chosen by shoppers like you",
    "seen_together": "Goes well with what you looked at",
    "similar_to": "Similar to what you looked at",
}
_MIN_DAYS = 3  # purchase days that make a rhythm: two gaps at least


def reasons(
    slate: Slate,
    query: Query,
    person: PersonState,
    shelf: Shelf,
    sources: Mapping[str, CandidateSource],
    signal_names: Sequence[str] = (),
) -> list[list[Reason]]:
    """One reason per position: the code, the item it hangs on if any, the sentence.

    The source speaks that ranks the item highest among the positions shown.
    """
    voice = strongest(slate, signal_names).tolist()
    said = {bit: _because(bit, slate, query, person, sources) for bit in set(voice) - {-1}}
    unsaid = _plain("pinned" if slate.rules else "best_seller")
    bought = frozenset(person.lines["item"][person.lines["event"] == PURCHASE].tolist())
    told: list[list[Reason]] = []
    for position, (bit, item) in enumerate(zip(voice, slate.item.tolist(), strict=True)):
        if bit < 0:
            told.append([unsaid])
        else:
            code, anchors = said[bit]
            told.append([sentence(code, item, anchors[position], person, bought, shelf)])
    return told


def strongest(slate: Slate, signal_names: Sequence[str]) -> NDArray[np.int8]:
    """``(K,)`` the bit of the source that ranks each position highest among the shown, -1 where none proposed it."""
    return _strongest(slate.proposed, slate.signal, _columns(tuple(signal_names)))


def _because(
    bit: int, slate: Slate, query: Query, person: PersonState, sources: Mapping[str, CandidateSource]
) -> tuple[str, list[int]]:
    """What one source says of all positions."""
    source = sources.get(SOURCES[bit])
    if source is None or not hasattr(source, "because"):
        return "trending", [-1] * len(slate)
    code, anchor = cast(Reasoner, source).because(query, person, slate.item)
    return code, anchor.tolist()


def sentence(
    code: str, item: int, anchor: int, person: PersonState, bought: frozenset[int], shelf: Shelf
) -> Reason:
    """The reason of a code and the item row it hangs on, -1 for none; ``bought`` are rows the person bought."""
    if code == "bought_before":
        return _again(item, person, shelf)
    if not 0 <= anchor < len(shelf):
        return {"code": code, "item_id": None, "text": WITHOUT_ANCHOR.get(code) or TEXTS.get(code, code)}
    text = TEXTS.get(code, code)
    if code == "others_also_bought" and anchor not in bought:
        text = TEXTS["others_also_viewed"]
    return {"code": code, "item_id": shelf.item_id[anchor], "text": text.format(title=_title(anchor, shelf))}


def span(days: float) -> str:
    """A time between two purchases as people say it: 9 days, 5 weeks, 3 months."""
    if days < 10:
        return _many(max(round(days), 1), "day")
    if days < 60:
        return _many(round(days / 7), "week")
    return _many(round(days / 30.4), "month")


def _again(item: int, person: PersonState, shelf: Shelf) -> Reason:
    days = _days_bought(item, person)
    item_id = shelf.item_id[item] if item < len(shelf) else None
    if len(days) < _MIN_DAYS:
        return {"code": "bought_before", "item_id": item_id, "text": TEXTS["bought_before"]}
    usual = float(np.median(np.diff(days)))
    text = TEXTS["bought_regularly"].format(span=span(usual))
    return {"code": "bought_before", "item_id": item_id, "text": text}


def _days_bought(item: int, person: PersonState) -> NDArray[np.int64]:
    """UTC days on which the person bought the item, rising."""
    lines = person.lines
    bought = (lines["item"] == item) & (lines["event"] == PURCHASE)
    return np.unique(lines["at_us"][bought] // DAY_US)


@lru_cache(maxsize=8)  # one release or two at a time
def _columns(signal_names: tuple[str, ...]) -> NDArray[np.int64]:
    """``(len(VOICES), 2)`` bit of each source, in the order in which they speak, and the column of its own score."""
    place = {name: at for at, name in enumerate(signal_names)}
    return np.array([(SOURCES.index(name), place.get(f"{name}__score", -1)) for name in VOICES], np.int64)


@nb.njit(cache=True)
def _strongest(
    proposed: NDArray[np.uint16], signal: NDArray[np.float32], columns: NDArray[np.int64]
) -> NDArray[np.int8]:
    """A rank is the number of positions that the source scored higher; without scores all rank alike."""
    n = len(proposed)
    voice = np.full(n, -1, np.int8)
    lowest = np.full(n, n + 1)
    for v in range(len(columns)):
        bit, column = columns[v]
        for k in range(n):
            if (proposed[k] >> bit) & 1 == 0:
                continue
            rank = 0
            if column >= 0:
                for other in range(n):
                    rank += signal[other, column] > signal[k, column]
            if rank < lowest[k]:
                voice[k], lowest[k] = bit, rank
    return voice


def _plain(code: str) -> Reason:
    return {"code": code, "item_id": None, "text": TEXTS[code]}


def _title(row: int, shelf: Shelf) -> str:
    return shelf.title[row] or shelf.item_id[row]


def _many(count: int, unit: str) -> str:
    return unit if count == 1 else f"{count} {unit}s"
