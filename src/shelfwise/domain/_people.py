"""What is known of one person when a question arrives: read once, as columns, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain._errors import InvalidInput

MAX_HISTORY = 2_000  # event lines remembered per person: the newest by (occurred_us, event_hash, line)

LINE = np.dtype(
    [
        ("at_us", "<i8"),  # occurred_us
        (
            "event_hash",
            "<i8",
        ),  # first 8 bytes of blake2b(event_id), signed: breaks ties, counts events
        ("order_hash", "<i8"),  # the same of order_id, or of event_id where there is none
        ("price_minor", "<i8"),  # per unit; -1 where unknown
        ("item", "<i4"),  # item row; -1 for an event without item
        ("quantity", "<i4"),
        ("line", "<i2"),  # position in the event
        ("event", "u1"),  # a value of EVENT_CODES
        ("device", "u1"),  # code of the device, 0 unknown
    ]
)
"""One line of a person's history, 44 bytes, packed: a state blob is a header and an array of these."""


def no_lines() -> NDArray[np.void]:
    """An empty history."""
    return np.empty(0, LINE)


@dataclass(frozen=True, slots=True, eq=False)
class PersonState:
    """A person as a function of the set of their events: any order, any batching gives the same state.

    ``lines`` is a structured array of dtype ``LINE``, newest first, at most ``MAX_HISTORY``.
    Everything else (sessions, recency, counts, folded-in vectors) is derived from it at the request.
    """

    lines: NDArray[np.void] = field(default_factory=no_lines)
    first_seen_us: int | None = None  # of all events ever, also those no longer in ``lines``
    country: str | None = None  # of the newest event that named one
    opted_out: bool = False  # asked not to be tracked nor personalised
    version: int = 0  # grows with each change: what a cached slate depends on
    country_at_us: int = 0  # when that newest event occurred; orders countries that arrive late

    def __post_init__(self) -> None:
        if self.lines.dtype != LINE:
            raise InvalidInput(f"lines have dtype {self.lines.dtype}; expected {LINE}")

    def of(self, *events: int) -> NDArray[np.void]:
        """Only the lines of these event codes, newest first."""
        return self.lines[np.isin(self.lines["event"], events)]


NOBODY = PersonState()


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """History of many people as columns, in any order: what every learned source is fitted on.

    Rows of an event without item, of bots, of tests and of people who opted out are not in it.
    """

    user: NDArray[np.int32]  # (N,) dense person row, 0..n_users-1
    item: NDArray[np.int32]  # (N,) item row, 0..n_items-1
    at_us: NDArray[np.int64]  # (N,)
    event: NDArray[np.uint8]  # (N,) EVENT_CODES
    order: NDArray[np.int64]  # (N,) order_hash: lines of one basket share it
    quantity: NDArray[np.int32]  # (N,)
    price_minor: NDArray[np.int64]  # (N,) -1 unknown
    n_users: int
    n_items: int
    country: tuple[
        str | None, ...
    ] = ()  # (U,) of each person, the newest one named; empty: nobody's is known

    def __post_init__(self) -> None:
        columns = (
            self.user,
            self.item,
            self.at_us,
            self.event,
            self.order,
            self.quantity,
            self.price_minor,
        )
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise InvalidInput(f"interaction columns have lengths {sorted(lengths)}; expected one")

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Interactions:
        """Only these rows; the numbers of users and items stay."""
        return Interactions(
            self.user[rows], self.item[rows], self.at_us[rows], self.event[rows], self.order[rows],
            self.quantity[rows], self.price_minor[rows], self.n_users, self.n_items, self.country,
        )  # fmt: skip

    def before(self, instant_us: int) -> Interactions:
        """What happened strictly before an instant."""
        return self.take(self.at_us < instant_us)

    def only(self, *events: int) -> Interactions:
        """Only lines of these event codes."""
        return self.take(np.isin(self.event, events))
