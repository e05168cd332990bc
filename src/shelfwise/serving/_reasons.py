"""Why an item is shown, in a sentence that a shopper understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

import msgspec
import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, Reasoner
from shelfwise.domain import DAY_US, PURCHASE, SOURCES, PersonState, Query, Shelf, Slate


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why an item is shown."""

    code: str
    item_id: str | None
    text: str


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


_PLAIN = {code: Reason(code, None, WITHOUT_ANCHOR.get(code, text)) for code, text in TEXTS.items()}


def reasons(
    slate: Slate,
    query: Query,
    person: PersonState,
    shelf: Shelf,
    sources: Mapping[str, CandidateSource],
    signal_names: Sequence[str] = (),
) -> list[Reason]:
    """One reason per position: the code, the item it hangs on if any, the sentence.

    The source speaks that ranks the item highest among the positions shown.
    """
    told = [_PLAIN["pinned" if slate.rules else "best_seller"]] * len(slate)
    for bit, places in _by_voice(strongest(slate, signal_names)).items():
        item = slate.item[places]
        code, anchor = _because(bit, item, query, person, sources)
        for place, reason in zip(places, _sentences(code, item, anchor, person, shelf), strict=True):
            told[place] = reason
    return told


def strongest(slate: Slate, signal_names: Sequence[str]) -> NDArray[np.int8]:
    """``(K,)`` the bit of the source that ranks each position highest among the shown, -1 where none proposed it."""
    return _strongest(slate.proposed, slate.signal, _columns(tuple(signal_names)))


def span(days: float) -> str:
    """A time between two purchases as people say it: 9 days, 5 weeks, 3 months."""
    if days < 10:
        return _many(max(round(days), 1), "day")
    if days < 60:
        return _many(round(days / 7), "week")
    return _many(round(days / 30.4), "month")


def _by_voice(voice: NDArray[np.int8]) -> dict[int, list[int]]:
    """The positions that each source speaks for."""
    places: dict[int, list[int]] = {}
    for place, bit in enumerate(voice.tolist()):
        if bit >= 0:
            places.setdefault(bit, []).append(place)
    return places


def _because(
    bit: int,
    item: NDArray[np.int32],
    query: Query,
    person: PersonState,
    sources: Mapping[str, CandidateSource],
) -> tuple[str, NDArray[np.int32]]:
    """What one source says of some items: a code, and the row that each hangs on."""
    source = sources.get(SOURCES[bit])
    if source is None or not hasattr(source, "because"):
        return "trending", np.full(len(item), -1, np.int32)
    return cast(Reasoner, source).because(query, person, item)


def _sentences(
    code: str, item: NDArray[np.int32], anchor: NDArray[np.int32], person: PersonState, shelf: Shelf
) -> list[Reason]:
    """The reasons of one code: by the item itself where it was bought before, else by what each hangs on."""
    if code == "bought_before":
        n_days, usual = _bought(person, item)
        return [_again(*one, shelf) for one in zip(item.tolist(), n_days, usual, strict=True)]
    if code == "others_also_bought":
        n_days, _ = _bought(person, anchor)
        texts = [TEXTS[code if bought else "others_also_viewed"] for bought in n_days]
    else:
        texts = [TEXTS.get(code, code)] * len(item)
    return [_hung_on(code, *one, shelf) for one in zip(anchor.tolist(), texts, strict=True)]


def _hung_on(code: str, anchor: int, text: str, shelf: Shelf) -> Reason:
    if not 0 <= anchor < len(shelf):
        return _PLAIN.get(code) or Reason(code, None, code)
    item_id = shelf.item_id[anchor]
    return Reason(code, item_id, text.format(title=shelf.title[anchor] or item_id))


def _again(item: int, n_days: int, usual: float, shelf: Shelf) -> Reason:
    text = (
        TEXTS["bought_before"] if n_days < _MIN_DAYS else TEXTS["bought_regularly"].format(span=span(usual))
    )
    return Reason("bought_before", shelf.item_id[item] if item < len(shelf) else None, text)


def _bought(person: PersonState, item: NDArray[np.int32]) -> tuple[list[int], list[float]]:
    """Per item on how many UTC days the person bought it, and the usual days between two of them."""
    lines = person.lines
    # Copies, because the same columns are contiguous or not, writable or not, and each would be compiled anew.
    n_days, usual = _rhythms(lines["item"].copy(), lines["event"].copy(), lines["at_us"].copy(), item)
    return n_days.tolist(), usual.tolist()


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


@nb.njit(cache=True)
def _rhythms(
    item: NDArray[np.int32], event: NDArray[np.uint8], at_us: NDArray[np.int64], asked: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Days of purchase and the median of the gaps between them, 0 without a gap. Lines are newest first."""
    n_days, usual = np.zeros(len(asked), np.int64), np.zeros(len(asked))
    gaps = np.empty(len(item), np.int64)  # rising
    for k in range(len(asked)):
        n, last = 0, np.int64(0)
        for i in range(len(item)):
            if item[i] != asked[k] or event[i] != PURCHASE:
                continue
            day = at_us[i] // DAY_US
            if n > 0 and day == last:
                continue
            if n > 0:
                place = n - 1
                while place > 0 and gaps[place - 1] > last - day:
                    gaps[place] = gaps[place - 1]
                    place -= 1
                gaps[place] = last - day
            n, last = n + 1, day
        n_days[k] = n
        if n > 1:
            usual[k] = (gaps[(n - 1) // 2] + gaps[(n - 2) // 2]) / 2
    return n_days, usual


def _many(count: int, unit: str) -> str:
    return unit if count == 1 else f"{count} {unit}s"
