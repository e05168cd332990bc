"""Instants are UTC microseconds in columns and aware ``datetime`` in Python; intervals are half-open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shelfwise.domain._errors import InvalidField

Clock = Callable[[], int]
"""The shop's time now, in UTC microseconds. Everyone is handed one; nobody reads the machine's."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

SESSION_GAP_US = 30 * MINUTE_US  # GA4's idle limit, which shops know their sessions by


@dataclass(frozen=True, slots=True)
class Window:
    """Event time from ``start_us`` up to, not including, ``end_us``."""

    start_us: int
    end_us: int

    def __contains__(self, instant_us: int) -> bool:
        return self.start_us <= instant_us < self.end_us


def grain_us(width_us: int) -> int:
    """The bucket a window of this width is counted in: 1 minute to 1 h, 1 hour to 1 d, else a UTC day."""
    if width_us <= HOUR_US:
        return MINUTE_US
    return HOUR_US if width_us <= DAY_US else DAY_US


def window_before(end_us: int, width_us: int) -> Window:
    """``[floor(t - w, g), t)``: whole buckets, so that SQL, stream and request count alike."""
    grain = grain_us(width_us)
    return Window((end_us - width_us) // grain * grain, end_us)


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 UTC. Raises InvalidField for a naive instant."""
    if instant.tzinfo is None:
        raise InvalidField("instant", instant.isoformat(), "an instant with a time zone")
    return (instant - _EPOCH) // timedelta(microseconds=1)


def from_us(instant_us: int) -> datetime:
    """The aware UTC ``datetime`` of an instant in microseconds."""
    return _EPOCH + timedelta(microseconds=instant_us)


def day_of(instant_us: int) -> int:
    """Days since 1970-01-01 UTC."""
    return instant_us // DAY_US


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
