"""Builds the index of sessions. Source: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", 2018."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._matrix import Groups, Prepared, stable_order, starts
from shelfwise.candidates.session.serve import SessionIndex, SessionSource
from shelfwise.candidates.session.settings import SessionSettings
from shelfwise.domain import DAY_US, Shelf


def fit(
    prepared: Prepared,
    shelf: Shelf | None,
    *,
    settings: SessionSettings,
    warm: SessionSource | None = None,
) -> SessionSource:
    """Index the sessions of a history. Needs neither ``shelf`` nor ``warm``: building it is fast."""
    del shelf, warm
    return SessionSource(index(prepared.sessions, prepared.as_of_us, settings), settings)


def index(sessions: Groups, as_of_us: int, settings: SessionSettings) -> SessionIndex:
    """Sessions of at least two items, within the window."""
    age = (as_of_us - sessions.at_us) / DAY_US
    window = np.inf if settings.window_days is None else settings.window_days
    kept = sessions.take((age <= window) & (sessions.size >= 2))
    age = np.maximum((as_of_us - kept.at_us) / DAY_US, 0.0)
    half_life = np.inf if settings.half_life_days is None else settings.half_life_days
    slight = kept.size**-settings.size_power
    held = np.bincount(kept.item, minlength=kept.n_items)
    idf = np.log1p(len(kept) / (1.0 + held))
    posting_start, posting = _newest_postings(kept, settings.sessions_per_item)
    return SessionIndex(
        start=kept.start,
        item=kept.item,
        posting_start=posting_start,
        posting=posting,
        match=(slight * np.exp2(-age / half_life)).astype(np.float32),
        vote=slight.astype(np.float32),
        rarity=(idf**settings.rarity).astype(np.float32),
        gain=((1.0 + idf) ** settings.vote_rarity).astype(np.float32),
    )


def _newest_postings(sessions: Groups, limit: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    owner = np.repeat(np.arange(len(sessions), dtype=np.int32), sessions.size)
    newest_first = np.arange(len(owner))[::-1]
    order = stable_order(sessions.item, sessions.n_items, newest_first)
    begin = starts(sessions.item, sessions.n_items)
    rank = np.arange(len(order)) - np.repeat(begin[:-1], np.diff(begin))
    kept = rank < limit
    sizes = np.minimum(np.diff(begin), limit)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), owner[order][kept]
