"""Imports: sources in, batches to the one writer, a report of what became of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shelfwise.domain import Origin
from shelfwise.ingestion import (
    DeadLetter,
    read_events,
    read_items,
    retirements,
    unused_event_columns,
    unused_item_columns,
)

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

SHOWN = 1_000  # rejections in a report; all are in the dead letters
Report = dict[str, Any]


def import_items(
    shop: Shop,
    sources: Sequence[Any],
    *,
    format: str | None,
    mapping: Mapping[str, str] | None,
    naive_is_utc: bool,
    full: bool,
    force: bool,
) -> Report:
    """Put the items of all sources; with ``full``, retire those that none of them names."""
    counts: Counter[str] = Counter(rows=0, accepted=0, duplicates=0, rejected=0)
    shown: list[dict[str, Any]] = []
    unused: list[str] = []
    named: set[str] = set()
    put: set[str] = set()
    for source in sources:
        unused += unused_item_columns(source, format=format, mapping=mapping)
        batches = read_items(
            source,
            now_us=shop.clock(),
            format=format,
            mapping=mapping,
            currency=shop.settings.shop.currency,
            vector_size=shop.settings.shop.vector_size,
            naive_is_utc=naive_is_utc,
        )
        for batch in batches:
            if batch.changes:
                shop.submit("items", batch.changes)
            _bury(shop, batch.rejected, shown)
            counts.update(rows=batch.n_rows, accepted=len(batch.changes), rejected=len(batch.rejected))
            before = len(put)
            put.update(change.item_id for change in batch.changes)
            counts["duplicates"] += len(batch.changes) - (len(put) - before)
            named.update(batch.named if full else ())
    if full:
        counts["retired"] = _retire(shop, named, force=force)
    shop.drain()
    return {**counts, "unused_columns": unused, "rejections": shown}


def import_events(
    shop: Shop,
    sources: Sequence[Any],
    *,
    format: str | None,
    mapping: Mapping[str, str] | None,
    naive_is_utc: bool,
    round_prices: bool,
    origin: Origin,
) -> Report:
    """Hand over the events of all sources; those accepted before are counted as duplicates."""
    counts: Counter[str] = Counter(rows=0, accepted=0, duplicates=0, rejected=0, untracked=0)
    shown: list[dict[str, Any]] = []
    unused: list[str] = []
    for source in sources:
        unused += unused_event_columns(source, format=format, mapping=mapping)
        batches = read_events(
            source,
            now_us=shop.clock(),
            format=format,
            mapping=mapping,
            currency=shop.settings.shop.currency,
            origin=origin,
            naive_is_utc=naive_is_utc,
            round_prices=round_prices,
        )
        for batch in batches:
            receipt = shop.submit("events", batch.events) if batch.events else None
            conflicts = [batch.events[at].event_id for at in receipt.conflicts] if receipt else []
            _bury(shop, [*batch.rejected, *_conflicts(conflicts, source)], shown)
            counts.update(
                rows=batch.n_rows,
                accepted=receipt.accepted if receipt else 0,
                duplicates=len(receipt.duplicates) if receipt else 0,
                rejected=len(batch.rejected) + len(conflicts),
                untracked=batch.n_untracked + (len(receipt.untracked) if receipt else 0),
            )
            counts.update({f"left out: {rule}": n for rule, n in batch.left_out.items()})
            counts.update({"rounded": batch.n_rounded} if batch.n_rounded else {})
    shop.drain()
    return {**counts, "unused_columns": unused, "rejections": shown}


def _retire(shop: Shop, named: set[str], *, force: bool) -> int:
    gone = retirements(named, _known(shop), now_us=shop.clock(), force=force)
    if gone:
        shop.submit("items", gone)
    return len(gone)


def _known(shop: Shop) -> Iterable[str]:
    """Ids in the catalogue that are not retired."""
    after = ""
    while page := shop.readers.catalogue.page(after=after, limit=1_000):
        yield from (stored.item.item_id for stored in page)
        after = page[-1].item.item_id


def _conflicts(event_ids: Sequence[str], source: Any) -> list[DeadLetter]:
    rule = "an id of its own: it was accepted before with another body"
    return [DeadLetter(str(source), 0, "event_id", event_id, rule) for event_id in event_ids]


def _bury(shop: Shop, rejected: Sequence[DeadLetter], shown: list[dict[str, Any]]) -> None:
    """Keep rejected rows, and show the first of them."""
    if rejected:
        letters = [msgspec.to_builtins(letter) for letter in rejected]
        shop.submit("dead_letters", letters)
        shown.extend(letters[: SHOWN - len(shown)])
