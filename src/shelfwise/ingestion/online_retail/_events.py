"""Invoices as purchase and refund events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa

from shelfwise.domain import MAX_LINES, Context, Event, EventLine
from shelfwise.ingestion._grouping import document_id
from shelfwise.ingestion.online_retail._clean import Cleaned

CURRENCY = "GBP"
BATCH = 500  # events handed over at once, as over HTTP

# As published, to ISO 3166-1. Names that are no country (Unspecified, European Community, West Indies) stay unknown.
COUNTRIES = {
    "Australia": "AU", "Austria": "AT", "Bahrain": "BH", "Belgium": "BE", "Bermuda": "BM", "Brazil": "BR",
    "Canada": "CA", "Channel Islands": "JE", "Cyprus": "CY", "Czech Republic": "CZ", "Denmark": "DK", "EIRE": "IE",
    "Finland": "FI", "France": "FR", "Germany": "DE", "Greece": "GR", "Hong Kong": "HK", "Iceland": "IS",
    "Israel": "IL", "Italy": "IT", "Japan": "JP", "Korea": "KR", "Lebanon": "LB", "Lithuania": "LT", "Malta": "MT",
    "Netherlands": "NL", "Nigeria": "NG", "Norway": "NO", "Poland": "PL", "Portugal": "PT", "RSA": "ZA",
    "Saudi Arabia": "SA", "Singapore": "SG", "Spain": "ES", "Sweden": "SE", "Switzerland": "CH", "Thailand": "TH",
    "USA": "US", "United Arab Emirates": "AE", "United Kingdom": "GB",
}  # fmt: skip


DATASET = "online-retail-ii"  # part of the ids of its events


def retail_events(cleaned: Cleaned, *, received_us: int) -> Iterator[list[Event]]:
    """One event per invoice, in the order of time; an invoice of more than 200 lines is split, same ``order_id``.

    An invoice without customer is a visitor of its own: its items were bought together, by whom nobody knows. The
    id of an event is the hash of data set, invoice and part: imported again, it is a duplicate.
    """
    batch: list[Event] = []
    for event in _events(cleaned.lines, received_us):
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _events(lines: pa.Table, received_us: int) -> Iterator[Event]:
    each = _line_objects(lines)
    invoice = _listed(lines["invoice"])
    begins = [at for at, order in enumerate(invoice) if at == 0 or order != invoice[at - 1]]
    heads = lines.take(pa.array(begins, pa.int64()))
    names = ("invoice", "customer", "country", "at_us", "refund")
    columns = zip(*(_listed(heads[name]) for name in names), strict=True)
    parts: dict[str, int] = {}
    for head, (first, last) in zip(columns, pairwise([*begins, len(each)]), strict=True):
        order = head[0]
        for start in range(first, last, MAX_LINES):
            part = parts[order] = parts.get(order, 0) + 1  # lines of one invoice may stand in two minutes
            yield _event(head, part, each[start : min(start + MAX_LINES, last)], received_us)


def _event(head: tuple[Any, ...], part: int, lines: list[EventLine], received_us: int) -> Event:
    order, customer, country, at_us, refund = head
    return Event(
        event_id=document_id(DATASET, order, str(part)),
        event="refund" if refund else "purchase",
        occurred_us=at_us,
        received_us=received_us,
        user_id=customer,
        anonymous_id=f"invoice-{order}" if customer is None else None,
        lines=tuple(lines),
        order_id=order,
        context=Context(country=COUNTRIES.get(country)),
    )


def _line_objects(lines: pa.Table) -> list[EventLine]:
    """A million in half a second: of each id there is one text."""
    item = lines["item_id"].combine_chunks().dictionary_encode()
    names = item.dictionary.to_pylist()
    codes, quantity, price = (
        item.indices.to_numpy(),
        lines["quantity"].to_numpy(),
        lines["price_minor"].to_numpy(),
    )
    rows = zip(codes.tolist(), quantity.tolist(), price.tolist(), strict=True)
    return [EventLine(names[code], count, paid, CURRENCY) for code, count, paid in rows]


def _listed(column: pa.ChunkedArray) -> list[Any]:
    return list(column.to_numpy(zero_copy_only=False).tolist())
