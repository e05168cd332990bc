"""Invoices as purchase and refund events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from shelfwise.domain import MAX_LINES, Context, Event, EventLine
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


def retail_events(cleaned: Cleaned, *, received_us: int) -> Iterator[list[Event]]:
    """One event per invoice, in the order of time; an invoice of more than 200 lines is split, same ``order_id``.

    An invoice without customer is a visitor of its own: its items were bought together, by whom nobody knows.
    """
    lines = cleaned.lines
    invoice = np.array(lines["invoice"].to_pylist())
    begins = np.flatnonzero(np.append(True, invoice[1:] != invoice[:-1]))
    columns = {name: lines[name].to_pylist() for name in lines.column_names if name != "title"}
    each = [
        EventLine(item, quantity, price, CURRENCY)
        for item, quantity, price in zip(
            columns["item_id"], columns["quantity"], columns["price_minor"], strict=True
        )
    ]
    batch: list[Event] = []
    parts: dict[str, int] = {}
    for first, last in pairwise([*begins.tolist(), len(each)]):
        for start in range(first, last, MAX_LINES):
            order = columns["invoice"][first]
            part = parts[order] = parts.get(order, 0) + 1
            batch.append(
                _event(columns, each[start : min(start + MAX_LINES, last)], first, part, received_us)
            )
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _event(
    columns: dict[str, list[object]], lines: list[EventLine], first: int, part: int, received_us: int
) -> Event:
    order, customer = str(columns["invoice"][first]), columns["customer"][first]
    country = COUNTRIES.get(str(columns["country"][first]))
    return Event(
        event_id=f"{order}" if part == 1 else f"{order}-{part}",
        event="refund" if columns["refund"][first] else "purchase",
        occurred_us=int(str(columns["at_us"][first])),
        received_us=received_us,
        user_id=None if customer is None else str(customer),
        anonymous_id=f"invoice-{order}" if customer is None else None,
        lines=tuple(lines),
        order_id=order,
        context=Context(country=country),
    )
