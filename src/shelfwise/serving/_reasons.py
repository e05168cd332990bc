"""Why an item is shown, in a sentence that a shopper understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, Reasoner
from shelfwise.domain import SOURCES, PersonState, Query, Shelf, Slate

Reason = dict[str, str | None]

# Which source speaks for an item that several proposed: the one whose reason says most about this shopper.
VOICES = ("complements", "buy_again", "session", "similar", "collaborative", "trending")

TEXTS: Mapping[str, str] = {
    "bought_together": "Often bought with {title}",
    "others_also_bought": "Shoppers who bought {title} also chose this",
    "same_session": "Goes with what you looked at: {title}",
    "similar_to": "Similar to {title}",
    "buy_again": "You buy this now and then",
    "trending": "Popular right now",
    "trending_in_country": "Popular in your country",
    "trending_in_category": "Popular in its category",
    "best_seller": "Popular in this shop",
    "pinned": "Picked by the shop",
}
WITHOUT_ANCHOR: Mapping[str, str] = {
    "bought_together": "Often bought with what is in your cart",
    "others_also_bought": "Liked by shoppers like you",
    "same_session": "Goes with what you looked at",
    "similar_to": "Similar to what you looked at",
}


def reasons(
    slate: Slate, query: Query, person: PersonState, shelf: Shelf, sources: Mapping[str, CandidateSource]
) -> list[list[Reason]]:
    """One reason per position: the code, the item it hangs on if any, the sentence."""
    told: list[list[Reason]] = [[_plain(int(bits))] for bits in slate.proposed]
    voice = _voices(slate.proposed)
    for bit in np.unique(voice[voice >= 0]):
        name = SOURCES[bit]
        source = sources.get(name)
        if source is None or not hasattr(source, "because"):
            continue
        positions = np.flatnonzero(voice == bit)
        code, anchor = cast(Reasoner, source).because(query, person, slate.item[positions])
        for position, row in zip(positions.tolist(), anchor.tolist(), strict=True):
            told[position] = [sentence(code, row, shelf)]
    return told


def sentence(code: str, row: int, shelf: Shelf) -> Reason:
    """The reason of a code and the item row it hangs on, -1 for none."""
    if 0 <= row < len(shelf):
        text = TEXTS.get(code, code)
        return {"code": code, "item_id": shelf.item_id[row], "text": text.format(title=shelf.title[row])}
    text = WITHOUT_ANCHOR.get(code) or TEXTS.get(code, code)
    return {"code": code, "item_id": None, "text": text}


def _plain(bits: int) -> Reason:
    """Of an item that no source proposed: a rule or the last resort brought it."""
    code = "best_seller" if bits == 0 else "trending"
    return {"code": code, "item_id": None, "text": TEXTS[code]}


def _voices(proposed: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Per position the bit of the source that speaks, -1 for none."""
    voice = np.full(len(proposed), -1, np.int64)
    for name in reversed(VOICES):
        bit = SOURCES.index(name)
        voice[(proposed >> bit) & 1 == 1] = bit
    return voice
