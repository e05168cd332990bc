"""Checks of single values that the types on the wire cannot make: bytes, instants, money, addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from urllib.parse import urlsplit

from shelfwise.domain import DAY_US, MAX_ID_BYTES, InvalidField, exponent, to_minor

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US = 946_684_800_000_000  # 2000-01-01: before it, a shop's clock or export is broken
MAX_AHEAD_US = DAY_US  # clocks of phones are wrong by hours, not by days
MAX_MINOR = 10**15  # the largest amount that ``domain.to_minor`` takes

ID_RULE = f"text of 1 to {MAX_ID_BYTES} bytes of UTF-8"
TEXT_RULE = "text without NUL and lone surrogates"
PRICE_RULE = "a decimal number of at least 0, such as 2.55"
CURRENCY_RULE = "an ISO 4217 code of three capitals, such as 'EUR'"
COUNTRY_RULE = "an ISO 3166-1 code of two letters, such as 'GB'"
INSTANT_RULE = "an instant with its offset from UTC (RFC 3339), such as '2011-11-03T19:18:02+00:00'"
FUTURE_RULE = "an instant at most 24 hours ahead of the shop's clock"
PAST_RULE = "an instant not before 2000-01-01"
ADDRESS_RULE = "a path on the shop's site, or an http or https address"


def check_id(field: str, value: str) -> None:
    """Raises InvalidField if an id is empty, too long in bytes, or cannot be stored as text."""
    check_text(field, value)
    if not 0 < len(value.encode()) <= MAX_ID_BYTES:
        raise InvalidField(field, value, ID_RULE)


def check_text(field: str, value: str) -> None:
    """Raises InvalidField if a text holds what cannot be stored."""
    if not is_plain(value):
        raise InvalidField(field, value, TEXT_RULE)


def is_plain(text: str) -> bool:
    """Neither NUL nor a lone surrogate in it."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def instant_us(instant: datetime) -> int:
    """Microseconds since 1970 UTC, exactly; ``instant`` is aware."""
    since = instant - EPOCH
    return since.days * DAY_US + since.seconds * 1_000_000 + since.microseconds


def check_instant(field: str, instant: datetime, at_us: int, latest_us: int) -> None:
    """Raises InvalidField outside ``[2000-01-01, latest_us]``: the row is quarantined as a dead letter."""
    if at_us > latest_us:
        raise InvalidField(field, instant.isoformat(), FUTURE_RULE)
    if at_us < EARLIEST_US:
        raise InvalidField(field, instant.isoformat(), PAST_RULE)


def offset_minutes(instant: datetime) -> int:
    """How far local time is ahead of UTC."""
    offset = instant.utcoffset()
    return 0 if offset is None else (offset.days * 86_400 + offset.seconds) // 60


def minor_of(field: str, amount: float, currency: str | None, default: str | None) -> int:
    """Smallest units of an amount in its currency, else in the shop's. Raises InvalidField.

    A float that stands for a decimal of the currency's digits is the double nearest to it, and so is
    ``minor / scale``: the two are equal exactly if no decimals are surplus.
    """
    code = currency or default
    if code is None:
        raise InvalidField("currency", None, f"the currency of {field}: {CURRENCY_RULE}")
    scale = scale_of(code)
    if not 0 <= amount <= MAX_MINOR / scale:  # NaN is not
        raise InvalidField(field, amount, PRICE_RULE)
    minor = round(amount * scale)
    if minor / scale != amount:
        return to_minor(amount, code, field=field)  # raises, and says how many decimals there may be
    return minor


@lru_cache(maxsize=1_024)
def scale_of(currency: str) -> int:
    """Smallest units in one unit of the currency. Raises InvalidField for a malformed code."""
    return int(10 ** exponent(currency))


@lru_cache(maxsize=4_096)
def country_of(text: str) -> str:
    """The code in capitals. Raises InvalidField for anything but two letters."""
    if len(text) != 2 or not (text.isascii() and text.isalpha()):
        raise InvalidField("country", text, COUNTRY_RULE)
    return text.upper()


def check_address(field: str, address: str) -> None:
    """Raises InvalidField for an address that a page must not link to, such as ``javascript:``."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise InvalidField(field, address, ADDRESS_RULE) from None
    if parts.scheme not in ("", "http", "https") or any(character < " " for character in address):
        raise InvalidField(field, address, ADDRESS_RULE)


def check_finite(field: str, numbers: list[float]) -> None:
    """Raises InvalidField naming the first number that is NaN or infinite."""
    for place, number in enumerate(numbers):
        if not isfinite(number):
            raise InvalidField(f"{field}[{place}]", number, "a finite number")
