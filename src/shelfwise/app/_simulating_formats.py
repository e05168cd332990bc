"""Simulated events as a shop sends them: columns of a flat file, and JSON as the HTTP door takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, EVENT_CODES, SECOND_US, SIMULATED_ID, exponent
from shelfwise.simulation import COUNTRIES, DEVICES, FAULTS, LISTS, Arrivals

_AHEAD_US = 5 * 365 * DAY_US  # a browser's clock that is five years ahead
_UNHEARD_OF = 0  # no event has this code
_EVENTS = ["product_seen", *[""] * max(EVENT_CODES.values())]
for _name, _code in EVENT_CODES.items():
    _EVENTS[_code] = _name
_FAULT = {name: code for code, name in enumerate(FAULTS)}
_PLACEMENTS = [None, *LISTS[1:]]


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """How the numbers of a simulated world are written. People of one seed are the same people in every run."""

    seed: int
    run: str  # goes into the ids of events, visits and orders, so that two runs are told apart
    item_ids: Sequence[str]
    categories: Sequence[str]  # what is searched for, by category code
    currency: str
    answers: list[str] = field(default_factory=list)  # recommendation ids by the number of the answer
    people: str = field(init=False)  # what the ids of people begin with

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", f"{SIMULATED_ID}{self.seed}-")


class SentLine(msgspec.Struct, omit_defaults=True):
    """One item of an event."""

    item_id: str
    quantity: int = 1
    price: float | None = None
    currency: str | None = None
    index: int | None = None


class SentContext(msgspec.Struct, omit_defaults=True, frozen=True):
    """Where and on what the shopper was; the list's id is our placement."""

    device: str | None = None
    country: str | None = None
    placement: str | None = None


class Sent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An event in the public format."""

    event: str
    event_id: str
    occurred_at: str
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    items: list[SentLine] | None = None
    order_id: str | None = None
    query: str | None = None
    context: SentContext | None = None
    recommendation_id: str | None = None
    origin: str | None = None


FLAT = pa.schema(
    [
        ("event", pa.dictionary(pa.int8(), pa.string())),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("user_id", pa.string()),
        ("anonymous_id", pa.string()),
        ("session_id", pa.string()),
        ("event_id", pa.string()),
        ("order_id", pa.string()),
        ("item_id", pa.dictionary(pa.int32(), pa.string())),
        ("quantity", pa.int32()),
        ("price", pa.float64()),
        ("currency", pa.dictionary(pa.int8(), pa.string())),
        ("index", pa.int16()),
        ("country", pa.dictionary(pa.int16(), pa.string())),
        ("device", pa.dictionary(pa.int8(), pa.string())),
        ("placement", pa.dictionary(pa.int8(), pa.string())),
        ("query", pa.dictionary(pa.int32(), pa.string())),
        ("recommendation_id", pa.string()),
        ("origin", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""A row a line, under the names that ``shelfwise import events`` reads; ``placement`` is GA4's item_list_id."""


def flat_table(made: Arrivals, names: Names) -> pa.Table:
    """The rows of a flat file, in the order of arrival."""
    lines, size = made.traffic, len(made)
    shopper = _prefixed(names.people, lines.shopper)
    device = _coded(lines.device, DEVICES, pa.int8())
    columns = {
        "event": _coded(_events(made), _EVENTS, pa.int8()),
        "occurred_at": pa.array(
            _instants(made), FLAT.field("occurred_at").type, mask=_is(made, "naive_instant")
        ),
        "user_id": _where(lines.known & ~_is(made, "nobody"), shopper),
        "anonymous_id": _where(~_is(made, "nobody"), _anonymous(made, names, shopper, device)),
        "session_id": _prefixed(f"{names.run}-s", lines.session),
        "event_id": _prefixed(f"{names.run}-", lines.event_no),
        "order_id": _where(lines.order >= 0, _prefixed(f"{names.run}-o", lines.order)),
        "item_id": _coded(lines.item, names.item_ids, pa.int32()),
        "quantity": pa.array(_quantities(made), mask=lines.item < 0),
        "price": _positive(_prices(made, names.currency)),
        "currency": _coded(np.zeros(size, np.int8), [names.currency], pa.int8()),
        "index": pa.array(lines.index, mask=lines.index < 0),
        "country": _coded(lines.country, COUNTRIES, pa.int16()),
        "device": device,
        "placement": _coded(lines.list - 1, LISTS[1:], pa.int8()),
        "query": _coded(lines.query, names.categories, pa.int32()),
        "recommendation_id": _answers(lines.recommendation, names),
        "origin": _coded(np.zeros(size, np.int8), ["simulated"], pa.int8()),
    }
    return pa.table([columns[name] for name in FLAT.names], schema=FLAT)


def sent_events(made: Arrivals, names: Names) -> list[Sent]:
    """The events as JSON objects, one a sending, in the order of arrival."""
    if len(made) == 0:
        return []
    starts = np.flatnonzero(made.rows["sent"]["line"] == 0)
    lines = _sent_lines(made, names)
    ends = [*starts[1:].tolist(), len(made)]
    first = made.take(starts).rows
    first["sent"]["recommendation"] = _answer_of_all(made, starts)
    heads = zip(first.tolist(), starts.tolist(), ends, strict=True)
    return [_sent_event(head, lines[start:end], names) for head, start, end in heads]


def _answer_of_all(made: Arrivals, starts: NDArray[np.intp]) -> NDArray[np.int64]:
    """By event, the answer that all of its lines come of; -1 for a cart filled from here and there."""
    answer = made.rows["sent"]["recommendation"]
    least, most = np.minimum.reduceat(answer, starts), np.maximum.reduceat(answer, starts)
    return np.where(least == most, least, -1)


def _sent_event(head: tuple[Any, ...], items: list[SentLine], names: Names) -> Sent:
    """From the first row of an event, and its lines."""
    sent, _, code, robot, _ = head
    (
        event,
        number,
        _,
        at_us,
        shopper,
        device,
        known,
        session,
        item,
        _,
        _,
        order,
        _,
        place,
        query,
        country,
        answer,
    ) = sent
    fault, person = FAULTS[code], f"{names.people}{shopper}"
    visitor = f"{names.people}robot-{robot}" if robot >= 0 else f"{person}-{DEVICES[device]}"
    return Sent(
        event=_EVENTS[event if fault != "unknown_event" else _UNHEARD_OF],
        event_id=f"{names.run}-{number}",
        occurred_at=_instant(at_us, fault),
        user_id=person if known and fault != "nobody" else None,
        anonymous_id=visitor if fault != "nobody" else None,
        session_id=f"{names.run}-s{session}",
        items=[_faulty(line, fault) for line in items]
        if code and item >= 0
        else items
        if item >= 0
        else None,
        order_id=f"{names.run}-o{order}" if order >= 0 else None,
        query=names.categories[query] if query >= 0 else None,
        context=_context(device, country, place),
        recommendation_id=names.answers[answer] if answer >= 0 else None,
        origin="simulated",
    )


def _sent_lines(made: Arrivals, names: Names) -> list[SentLine]:
    sent, ids, currency, unit = (
        made.rows["sent"],
        names.item_ids,
        names.currency,
        10 ** exponent(names.currency),
    )
    columns = (sent[name].tolist() for name in ("item", "quantity", "price_minor", "index"))
    return [
        SentLine(
            ids[item],
            quantity,
            price / unit if price >= 0 else None,
            currency,
            index if index >= 0 else None,
        )
        for item, quantity, price, index in zip(*columns, strict=True)
    ]


def _faulty(line: SentLine, fault: str) -> SentLine:
    """A line of an event that has a fault."""
    if fault == "no_pieces":
        return msgspec.structs.replace(line, quantity=0)
    if fault == "surplus_decimals":
        return msgspec.structs.replace(line, price=float(_torn(line.price or 0.0, str(line.currency))))
    return line


@cache
def _context(device: int, country: int, place: int) -> SentContext:
    return SentContext(DEVICES[device], COUNTRIES[country], _PLACEMENTS[place])


def _instant(at_us: int, fault: str) -> str:
    """RFC 3339, but for those whose fault it is to lack an offset."""
    second, us = divmod(at_us + (_AHEAD_US if fault == "far_future" else 0), SECOND_US)
    return f"{_second(second)}.{us:06}{'' if fault == 'naive_instant' else 'Z'}"


@lru_cache(maxsize=10_000)
def _second(second: int) -> str:
    """Of a second since 1970."""
    return str(np.datetime64(second, "s"))


def _is(made: Arrivals, fault: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = made.fault == _FAULT[fault]
    return found


def _events(made: Arrivals) -> NDArray[np.int8]:
    return np.where(_is(made, "unknown_event"), np.int8(_UNHEARD_OF), made.rows["sent"]["event"])


def _instants(made: Arrivals) -> NDArray[np.int64]:
    return np.asarray(made.rows["sent"]["at_us"]) + np.where(_is(made, "far_future"), _AHEAD_US, 0)


def _quantities(made: Arrivals) -> NDArray[np.int32]:
    return np.where(_is(made, "no_pieces"), np.int32(0), made.rows["sent"]["quantity"])


def _prices(made: Arrivals, currency: str) -> NDArray[np.float64]:
    """Decimals; below 0 where there is none."""
    price: NDArray[np.float64] = made.rows["sent"]["price_minor"] / 10 ** exponent(currency)
    return np.where(_is(made, "surplus_decimals"), _torn(np.abs(price), currency), price)


def _torn(price: Any, currency: str) -> Any:
    """A tenth of the smallest unit more than it should be."""
    digits = exponent(currency) + 1
    return np.round(price + 10.0**-digits, digits)


def _positive(prices: NDArray[np.float64]) -> pa.Array:
    return pa.array(prices, mask=prices < 0)


def _coded(codes: NDArray[Any], values: Sequence[str], kind: pa.DataType) -> pa.DictionaryArray:
    indices = pa.array(codes, kind, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _prefixed(prefix: str, numbers: NDArray[Any]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.cast(pa.array(numbers), pa.string()), "")


def _where(mask: NDArray[np.bool_], texts: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(mask), texts, pa.scalar(None, pa.string()))


def _anonymous(made: Arrivals, names: Names, shopper: pa.Array, device: pa.DictionaryArray) -> pa.Array:
    of_people = pc.binary_join_element_wise(shopper, device.dictionary_decode(), "-")
    if not np.any(made.robot >= 0):
        return of_people
    return pc.if_else(pa.array(made.robot >= 0), _prefixed(f"{names.people}robot-", made.robot), of_people)


def _answers(numbers: NDArray[np.int64], names: Names) -> pa.Array:
    if not names.answers:
        return pa.nulls(len(numbers), pa.string())
    return pa.array(names.answers, pa.string()).take(pa.array(numbers, mask=numbers < 0))
