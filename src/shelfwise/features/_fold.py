"""One batch of events folded into the states of all its people at once: what the stream reader runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import LINE, MAX_HISTORY, Event
from shelfwise.features._effects import EFFECT, note_effects
from shelfwise.features._history import Head, pack_head, unpack_head
from shelfwise.features._merging import Lines, interleave, keep_fresh


def fold_people(
    blobs: Sequence[bytes | None],
    events: Sequence[Event],
    person: NDArray[np.int64],
    lines: NDArray[np.void],
    owner: NDArray[np.int64],
) -> tuple[list[bytes | None], NDArray[np.void]]:
    """Merge a batch into packed states; the same as ``unpack_state``, ``merge_state``, ``pack_state`` for each.

    Args:
        blobs: The packed state of each person of the batch, ``P``; None for one not seen before.
        events: The batch, ``E``.
        person: Index into ``blobs`` of each event's person, ``(E,)``.
        lines: All lines of the batch, ``(N,)``, and
        owner: the event of each line, ``(N,)``: both as ``history_lines`` gives them.

    Returns:
        The new blob of each person, None where nothing changed; and the changes of item counters, as
        ``line_effects`` would find them, ``(<= 3 N,)`` of dtype ``EFFECT``.
    """
    heads = [unpack_head(blob) for blob in blobs]
    held, held_at = _joined(blobs, heads)
    whose = person[owner]
    order = np.argsort(whose, kind="stable")
    given_at = np.searchsorted(whose[order], np.arange(len(blobs) + 1))
    room = np.minimum(np.diff(held_at) + np.diff(given_at), MAX_HISTORY)
    out_at = np.concatenate([[0], np.cumsum(room)])
    out, effects = np.empty(out_at[-1], LINE), np.zeros(3 * len(lines), EFFECT)
    n_fresh, size = np.zeros(len(blobs), np.int64), np.zeros(len(blobs), np.int64)
    count = _fold(held, held_at, lines[order], given_at, out, out_at, n_fresh, size, effects)
    bodies = out.view(np.uint8).data
    seen = _seen(events, person.tolist(), heads)
    packed: list[bytes | None] = []
    for index, (head, fresh) in enumerate(zip(heads, n_fresh.tolist(), strict=True)):
        if not fresh and seen[index] == head:
            packed.append(None)
            continue
        start = int(out_at[index]) * LINE.itemsize
        body = bodies[start : start + int(size[index]) * LINE.itemsize]
        packed.append(b"".join((pack_head(seen[index]._replace(version=head.version + 1)), body)))
    return packed, effects[:count]


def _joined(blobs: Sequence[bytes | None], heads: list[Head]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The lines of all states in one array, and where each begins."""
    bodies = [memoryview(blob)[head.size :] if blob else b"" for blob, head in zip(blobs, heads, strict=True)]
    at = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(body) // LINE.itemsize for body in bodies], out=at[1:])
    return np.frombuffer(b"".join(bodies), LINE), at


def _seen(events: Sequence[Event], person: list[int], heads: list[Head]) -> list[Head]:
    """Heads with first sight and country brought up to date."""
    seen = list(heads)
    for event, index in zip(events, person, strict=True):
        seen[index] = seen[index].after(event.occurred_us, event.context.country)
    return seen


@njit(cache=True)
def _fold(
    held: Lines,
    held_at: NDArray[np.int64],
    given: Lines,
    given_at: NDArray[np.int64],
    out: Lines,
    out_at: NDArray[np.int64],
    n_fresh: NDArray[np.int64],
    size: NDArray[np.int64],
    effects: Any,
) -> int:
    """Per person: which lines are fresh, what they change, and the merged history; the number of effects."""
    count = 0
    fresh = np.empty(len(given), LINE)
    for one in range(len(size)):
        mine = held[held_at[one] : held_at[one + 1]]
        n_fresh[one] = keep_fresh(mine, given[given_at[one] : given_at[one + 1]], fresh)
        new = fresh[: n_fresh[one]]
        count += note_effects(mine, new, effects[count:])
        size[one] = interleave(mine, new, out[out_at[one] : out_at[one + 1]])
    return count
