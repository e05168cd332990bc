"""What a rule would change: the same question answered by two books."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Candidates, LiveItems, PersonState, Query, Shelf, Slate
from shelfwise.reranking._book import RuleBook


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Two slates for one question, and the difference."""

    before: Slate
    after: Slate
    gone: NDArray[np.int32]  # item rows shown before and no more
    new: NDArray[np.int32]  # item rows shown only after
    moved: tuple[tuple[int, int, int], ...]  # (item row, position before, position after), from 1


def preview(
    before: RuleBook,
    after: RuleBook,
    query: Query,
    person: PersonState,
    found: Candidates,
    live: LiveItems,
    shelf: Shelf,
) -> Preview:
    """Permit and arrange the same judged candidates by both books. ``found`` are candidates before permission."""
    slates = [_slate(book, query, person, found, live, shelf) for book in (before, after)]
    return compare(*slates)


def compare(before: Slate, after: Slate) -> Preview:
    """What went, what came, what moved."""
    was = {row: position for position, row in enumerate(before.item.tolist(), 1)}
    now = {row: position for position, row in enumerate(after.item.tolist(), 1)}
    moved = tuple((row, was[row], now[row]) for row in now if row in was and was[row] != now[row])
    gone = np.array([row for row in was if row not in now], np.int32)
    new = np.array([row for row in now if row not in was], np.int32)
    return Preview(before, after, gone, new, moved)


def _slate(
    book: RuleBook, query: Query, person: PersonState, found: Candidates, live: LiveItems, shelf: Shelf
) -> Slate:
    permitted = found.take(book.permit(query, person, live, shelf, found.item))
    return book.arrange(query, permitted, live, shelf, size=query.size, person=person)
