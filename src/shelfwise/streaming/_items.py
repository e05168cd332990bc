"""The fold of the log's ``items`` stream: the catalogue, the live columns, and the row of each item."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput, Item, ShelfwiseError
from shelfwise.features import EventColumns, item_rows
from shelfwise.stores import Board, Catalogue, EventLog, ItemChange, LiveColumns, Position, StoredItem

log = logging.getLogger("shelfwise.streaming")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ItemChange]).decode


class ItemsFold:
    """Applies changes in the order of the log."""

    def __init__(
        self,
        event_log: EventLog,
        catalogue: Catalogue,
        live: LiveColumns,
        board: Board,
        *,
        unknown_items: int,
    ) -> None:
        self._log, self._catalogue, self._live, self._board = event_log, catalogue, live, board
        known = catalogue.since(0)
        self.rows = {stored.item.item_id: stored.row for stored in known}
        self._unknown_left = unknown_items - sum(stored.retired and not stored.item.title for stored in known)

    def row_of(self, item_id: str) -> int:
        """The item's row; -1 if it has none."""
        return self.rows.get(item_id, -1)

    def apply(
        self, batches: Sequence[list[ItemChange]], position: Position
    ) -> list[list[list[Any] | None] | InvalidInput]:
        """Fold batches that the log now holds up to ``position``.

        Per batch: [etag, row] of each change, or None where the id is unknown; or why it could not be applied.
        """
        before = self._catalogue.position()
        outcomes: list[list[list[Any] | None] | InvalidInput] = []
        for number, changes in enumerate(batches, start=1):
            reached = position if number == len(batches) else before
            outcomes.append(self._apply_one(changes, reached))
        self._board.bump("catalogue")
        self._board.bump("live")
        return outcomes

    def rows_of(self, events: EventColumns, now_us: int) -> NDArray[np.int32]:
        """The row of each item of some events, -1 where it has none; items that are new to us get theirs first."""
        self.introduce(set(events.item_ids()) - {""}, now_us)
        return item_rows(events, self.row_of)

    def introduce(self, item_ids: set[str], now_us: int) -> None:
        """Give rows to items that events name and no feed has named: retired until one does.

        They get their row now so that the history of an item is the same whether its events or its feed came
        first. At most ``unknown_items`` of them, for anyone may invent ids.
        """
        unknown = sorted(item_ids - self.rows.keys())[: max(0, self._unknown_left)]
        if not unknown:
            return
        self._unknown_left -= len(unknown)
        changes = [
            change
            for item_id in unknown
            for change in (
                ItemChange(action="put", item_id=item_id, at_us=now_us, item=Item(item_id=item_id)),
                ItemChange(action="delete", item_id=item_id, at_us=now_us),
            )
        ]
        position = self._log.append("items", [_encode(changes)], at_us=now_us)
        self.apply([changes], position)

    def catch_up(self) -> int:
        """Apply what the log holds after the catalogue's position; how many batches."""
        count = 0
        while entries := self._log.read("items", self._catalogue.position(), limit=100):
            for entry in entries:
                for outcome in self.apply([_decode(entry.blob)], entry.position):
                    if isinstance(outcome, InvalidInput):
                        log.warning("items.refused", extra={"reason": str(outcome)})
            count += len(entries)
        return count

    def _apply_one(
        self, changes: list[ItemChange], position: Position
    ) -> list[list[Any] | None] | InvalidInput:
        try:
            stored = self._catalogue.apply(changes, position=position)
        except InvalidInput as trouble:
            self._catalogue.apply([], position=position)
            return trouble
        told = self._told(changes, stored)
        self.rows.update((one.item.item_id, one.row) for one in stored)
        self._live.write(stored)
        return told

    def _told(self, changes: list[ItemChange], stored: list[StoredItem]) -> list[list[Any] | None]:
        """The catalogue leaves out changes of unknown ids; find again which those were."""
        known = set[str]()
        rest = iter(stored)
        told: list[list[Any] | None] = []
        for change in changes:
            if change.action == "put" or change.item_id in self.rows or change.item_id in known:
                known.add(change.item_id)
                one = next(rest)
                told.append([one.etag, one.row])
            else:
                told.append(None)
        return told


def decoded_items(payload: bytes) -> list[ItemChange] | InvalidInput:
    """The changes of a payload, or what is wrong with it."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, ShelfwiseError) as trouble:
        return InvalidInput(f"batch of items is no list of changes ({trouble})")
