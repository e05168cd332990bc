"""Simulated events as a shop sends them: columns of a flat file, and JSON as the HTTP door takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, EVENT_CODES, SIMULATED_ID, exponent
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

    @property
    def people(self) -> str:
        """What the ids of people begin with."""
        return f"{SIMULATED_ID}{self.seed}-"


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
    starts = np.flatnonzero(made.traffic.line == 0)
    heads = made.take(starts)
    lines = _sent_lines(made, names)
    ends = [*starts[1:].tolist(), len(made)]
    of_event = zip(starts.tolist(), ends, heads.traffic.item.tolist(), strict=True)
    items = [lines[start:end] if item >= 0 else None for start, end, item in of_event]
    return [
        Sent(
            event=_EVENTS[event],
            event_id=f"{names.run}-{number}",
            occurred_at=instant,
            user_id=user,
            anonymous_id=visitor,
            session_id=f"{names.run}-s{session}",
            items=listed,
            order_id=f"{names.run}-o{order}" if order >= 0 else None,
            query=names.categories[query] if query >= 0 else None,
            context=context,
            recommendation_id=names.answers[answer] if answer >= 0 else None,
            origin="simulated",
        )
        for event, number, instant, user, visitor, session, listed, order, query, context, answer in zip(
            *_heads(heads, names, items), strict=True
        )
    ]


def _heads(heads: Arrivals, names: Names, items: list[list[SentLine] | None]) -> tuple[list[Any], ...]:
    lines = heads.traffic
    users, visitors = _people(heads, names)
    return (
        _events(heads).tolist(),
        lines.event_no.tolist(),
        _texts(heads),
        users,
        visitors,
        lines.session.tolist(),
        items,
        lines.order.tolist(),
        lines.query.tolist(),
        _contexts(heads),
        lines.recommendation.tolist(),
    )


def _people(heads: Arrivals, names: Names) -> tuple[list[str | None], list[str | None]]:
    """User ids and anonymous ids."""
    lines, begin = heads.traffic, names.people
    users: list[str | None] = []
    visitors: list[str | None] = []
    whose = (lines.shopper, lines.device, lines.known, heads.robot, _is(heads, "nobody"))
    for shopper, device, known, robot, nobody in zip(*(one.tolist() for one in whose), strict=True):
        users.append(f"{begin}{shopper}" if known and not nobody else None)
        visitor = f"{begin}robot-{robot}" if robot >= 0 else f"{begin}{shopper}-{DEVICES[device]}"
        visitors.append(None if nobody else visitor)
    return users, visitors


def _sent_lines(made: Arrivals, names: Names) -> list[SentLine]:
    lines, ids = made.traffic, names.item_ids
    columns = (lines.item, _quantities(made), _prices(made, names.currency), lines.index)
    return [
        SentLine(
            ids[item], quantity, price if price >= 0 else None, names.currency, index if index >= 0 else None
        )
        for item, quantity, price, index in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _contexts(heads: Arrivals) -> list[SentContext]:
    lines = heads.traffic
    made: dict[tuple[int, int, int], SentContext] = {}
    keys = zip(lines.device.tolist(), lines.country.tolist(), lines.list.tolist(), strict=True)
    return [made.get(key) or made.setdefault(key, _context(*key)) for key in keys]


def _context(device: int, country: int, place: int) -> SentContext:
    return SentContext(DEVICES[device], COUNTRIES[country], _PLACEMENTS[place])


def _texts(heads: Arrivals) -> list[str]:
    """RFC 3339, but for those whose fault it is to lack an offset."""
    texts = np.datetime_as_string(_instants(heads).view("M8[us]")).tolist()
    naive = _is(heads, "naive_instant").tolist()
    return [text if lacks else text + "Z" for text, lacks in zip(texts, naive, strict=True)]


def _is(made: Arrivals, fault: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = made.fault == _FAULT[fault]
    return found


def _events(made: Arrivals) -> NDArray[np.int8]:
    return np.where(_is(made, "unknown_event"), np.int8(_UNHEARD_OF), made.traffic.event)


def _instants(made: Arrivals) -> NDArray[np.int64]:
    return made.traffic.at_us + np.where(_is(made, "far_future"), _AHEAD_US, 0)


def _quantities(made: Arrivals) -> NDArray[np.int32]:
    return np.where(_is(made, "no_pieces"), np.int32(0), made.traffic.quantity)


def _prices(made: Arrivals, currency: str) -> NDArray[np.float64]:
    """Decimals; below 0 where there is none."""
    digits = exponent(currency)
    price = made.traffic.price_minor / 10**digits
    return np.where(
        _is(made, "surplus_decimals"), np.round(np.abs(price) + 10.0 ** -(digits + 1), digits + 1), price
    )


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
