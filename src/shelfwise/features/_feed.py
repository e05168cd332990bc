"""Is the feed what it was? Schema, keys, items, silence, volume, filled columns, units, currencies, clocks.

Texts are portable: an engine counts, small pure functions judge. Each judgement compares the shop with its own past, so
that a small or seasonal shop is not measured by another's habits.
"""

# ruff: noqa: S608 - texts are made of names and numbers in this package; nothing a caller says enters them

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.domain import DAY_US, HOUR_US, MINUTE_US, Settings, Shelf
from shelfwise.features._engine import Engine
from shelfwise.features._finding import Finding, Severity
from shelfwise.features._lake import EVENT_LINES
from shelfwise.features._sql import View, listed, total, when


class FeedSettings(Settings):
    """When a feed is said to have changed."""

    weeks: int = Field(8, ge=4, le=52)
    """Weeks of the past that a day is compared with. More is calmer in a steady shop, slower in a growing one."""

    silence_hours: float = Field(24.0, gt=0)
    """A feed silent for less is never called stale. Beyond, twice the longest silence of the weeks before is."""

    volume_ratio: float = Field(2.0, gt=1.0)
    """A day with this many times fewer or more lines than usual is told, if chance does not explain it."""

    dead_share: float = Field(0.1, gt=0.0, lt=1.0)
    """Below this share of the usual lines a kind of event is taken to be broken: no release goes live."""

    least: int = Field(50, ge=1)
    """Lines a day below which a kind of event is too rare to be judged by its volume or its filled columns."""

    currency_share: float = Field(0.001, gt=0.0, lt=1.0)
    """Share of recent priced lines in another than the main currency from which it is told."""

    clock_share: float = Field(0.01, gt=0.0, lt=1.0)
    """Share of recent lines from clocks that run ahead from which it is told."""


FILLED = ("user_id", "anonymous_id", "session_id", "item_id", "currency", "order_id", "query", "device", "country",
          "region", "placement", "referrer", "recommendation_id", "offset_minutes")  # fmt: skip
AHEAD_US = 5 * MINUTE_US  # between honest clocks
RECENT_US = DAY_US
FEWEST_ITEMS = 5  # below it a median of prices is chance
_UNIT = float(np.log(10)) / 2  # half a power of ten: what moves by more is another unit, not another price
_LUCK = 4.0  # standard normal deviations
_NOISE = 0.25  # of the logarithm of a day's lines, beside chance: weather, mailings


def feed_views(since_us: int, until_us: int) -> tuple[View, ...]:
    """Counts of ``lake`` in ``[since, until)``, by the hour and by the item."""
    inside = f"occurred_us >= {since_us} AND occurred_us < {until_us} AND NOT bot"
    sums = [
        f"{total(when('price_minor >= 0'))} AS price_minor",
        *(f"{total(when(f'{name} IS NOT NULL'))} AS {name}" for name in FILLED),
        f"{total(when(f'occurred_us > received_us + {AHEAD_US}'))} AS ahead",
    ]
    hours = f"""SELECT event, occurred_us - occurred_us % {HOUR_US} AS hour_us, COUNT(*) AS line_count,
  {listed(sums)}
FROM lake WHERE {inside} GROUP BY event, occurred_us - occurred_us % {HOUR_US}"""
    repeated = f"""SELECT COUNT(*) AS repeated FROM (
  SELECT event_id, line FROM lake WHERE {inside} GROUP BY event_id, line HAVING COUNT(*) > 1
) keys"""
    named = f"""SELECT DISTINCT item_row, item_id FROM lake WHERE {inside} AND item_id IS NOT NULL"""
    recent_us = until_us - RECENT_US
    means = [
        f"AVG(CASE WHEN occurred_us {side} THEN LN(CAST(price_minor AS DOUBLE)) END) AS {name}, "
        f"{total(when(f'occurred_us {side}'))} AS {name}_lines"
        for name, side in (("before", f"< {recent_us}"), ("recent", f">= {recent_us}"))
    ]
    prices = f"""SELECT item_row, COALESCE(currency, '') AS currency,
  {listed(means)}
FROM lake WHERE {inside} AND price_minor > 0 AND item_row >= 0 GROUP BY item_row, COALESCE(currency, '')"""
    texts = {"feed_hours": hours, "feed_keys": repeated, "feed_items": named, "feed_prices": prices}
    return tuple(View(name, ("lake",), text) for name, text in texts.items())


def check_feed(
    engine: Engine, files: Sequence[str], *, as_of_us: int, shelf: Shelf | None, settings: FeedSettings
) -> list[Finding]:
    """All findings about the lake's ``event_lines``; those of a broken schema alone, if it is broken.

    An empty lake gives none. Raises StoreUnavailable.
    """
    if not files:
        return []
    engine.read("lake", files)
    found = check_schema(engine.run("SELECT * FROM lake WHERE 1 = 0").schema)
    if any(one.stops for one in found):
        return found
    views = feed_views(as_of_us - (7 * settings.weeks + 1) * DAY_US, as_of_us)
    hours, keys, items, prices = (engine.run(view.query) for view in views)
    found.append(check_keys(int(keys["repeated"][0].as_py())))
    found.append(check_items(items, shelf))
    if hours.num_rows:
        found += check_hours(hours, as_of_us, settings)
    found += check_prices(prices, settings)
    return found


# ------------------------------------------------------- columns and keys


def check_schema(schema: pa.Schema) -> list[Finding]:
    """Declared columns beside those there are."""
    missing = [field.name for field in EVENT_LINES if field.name not in schema.names]
    other = [
        f"{field.name} is {schema.field(field.name).type}; expected {field.type}"
        for field in EVENT_LINES
        if field.name in schema.names and _family(schema.field(field.name).type) != _family(field.type)
    ]
    found = []
    for troubles, what in ((missing, "missing"), (other, "of another type")):
        told = f"columns {what}: {', '.join(troubles)}" if troubles else f"no column is {what}"
        found.append(Finding("schema", "event_lines", "critical", not troubles, len(troubles), 0, told))
    more = sorted(set(schema.names) - set(EVENT_LINES.names) - {"month"})
    told = f"columns nobody declared: {', '.join(more)}" if more else "no column is undeclared"
    return [*found, Finding("schema", "event_lines", "warning", not more, len(more), 0, told)]


def _family(kind: pa.DataType) -> str:
    families = {
        "integer": pa.types.is_integer, "float": pa.types.is_floating, "flag": pa.types.is_boolean,
        "date": pa.types.is_date,
        "text": lambda one: pa.types.is_string(one) or pa.types.is_large_string(one) or pa.types.is_string_view(one),
    }  # fmt: skip
    return next((name for name, holds in families.items() if holds(kind)), str(kind))


def check_keys(repeated: int) -> Finding:
    """(event_id, line) stands once."""
    told = f"{repeated} keys (event_id, line) stand more than once; expected none"
    return Finding("unique", "event_lines", "critical", repeated == 0, repeated, 0, told)


def check_items(named: pa.Table, shelf: Shelf | None) -> Finding:
    """Item rows and ids of lines belong together as in the catalogue; without one, each row has one id."""
    rows, ids = named["item_row"].to_pylist(), named["item_id"].to_pylist()
    if shelf is None:
        seen: dict[int, str] = {}
        wrong = [
            item for row, item in zip(rows, ids, strict=True) if row < 0 or seen.setdefault(row, item) != item
        ]
    else:
        wrong = [item for row, item in zip(rows, ids, strict=True) if shelf.row_of.get(item, -2) != row]
    some = f", e.g. {min(wrong)!r}" if wrong else ""
    told = f"{len(wrong)} of {len(rows)} items have another row than the catalogue gave them{some}"
    return Finding("integrity", "item_row", "critical", not wrong, len(wrong), 0, told)


# ----------------------------------------------------- silence and volume


def check_hours(hours: pa.Table, as_of_us: int, settings: FeedSettings) -> list[Finding]:
    """Freshness, volume of each kind of event, filled columns and clocks."""
    at_us = hours["hour_us"].to_numpy()
    fresh = check_freshness(np.unique(at_us), as_of_us, settings)
    found = [fresh, check_clocks(hours, as_of_us)]
    if not fresh.ok:
        return found
    event = np.array(hours["event"].to_pylist())
    lines = hours["line_count"].to_numpy()
    for kind in np.unique(event):
        own = event == kind
        days = days_back(at_us[own], lines[own], as_of_us, settings.weeks)
        found += check_volume(str(kind), days[::7], settings)
        found += [
            one
            for name in ("price_minor", *FILLED)
            for one in check_filled(
                str(kind),
                name,
                days_back(at_us[own], hours[name].to_numpy()[own], as_of_us, settings.weeks),
                days,
                settings,
            )
        ]
    return found


def days_back(
    at_us: NDArray[np.int64], amount: NDArray[np.int64], as_of_us: int, weeks: int
) -> NDArray[np.int64]:
    """Sums over spans of 24 whole hours back from the last whole hour: 0 is the newest, ``(7 * weeks + 1,)``."""
    end_us = as_of_us // HOUR_US * HOUR_US
    back = (end_us - 1 - at_us) // DAY_US
    inside = (back >= 0) & (back <= 7 * weeks)
    return np.bincount(back[inside], weights=amount[inside], minlength=7 * weeks + 1).astype(np.int64)


def check_freshness(hours: NDArray[np.int64], as_of_us: int, settings: FeedSettings) -> Finding:
    """The silence now beside the longest one before; ``hours`` are those with events, rising."""
    silent = (as_of_us - int(hours[-1])) / HOUR_US
    longest = float(np.diff(hours).max(initial=0)) / HOUR_US
    limit = max(settings.silence_hours, 2 * longest)
    told = f"last event {silent:.0f} hours ago; the longest silence before was {longest:.0f} hours"
    return Finding("freshness", "event_lines", "warning", silent <= limit, silent, limit, told)


def check_volume(kind: str, same: NDArray[np.int64], settings: FeedSettings) -> Iterator[Finding]:
    """The last 24 hours beside the same hours of the weeks before (``same[1:]``)."""
    before = same[1:][: _known(same[1:])]
    usual = float(np.median(before)) if len(before) else 0.0
    if len(before) < 4 or usual < settings.least:
        return
    now = int(same[0])
    ratio = (now + 1) / (usual + 1)
    logs = np.log(before + 1)
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    chance = np.sqrt(_NOISE**2 + spread**2 + 1 / usual)
    is_odd = abs(np.log(ratio)) > max(np.log(settings.volume_ratio), _LUCK * chance)
    is_dead = ratio < settings.dead_share
    told = f"{now} lines in 24 hours, {ratio:.2f} times the {usual:.0f} usual at this time of the week"
    yield Finding(
        "volume", kind, "critical" if is_dead else "warning", not (is_odd or is_dead), ratio,
        settings.dead_share if is_dead else 1 / settings.volume_ratio, told,
    )  # fmt: skip


def _known(same: NDArray[np.int64]) -> int:
    """Weeks back to the first one with anything: before that the shop did not exist."""
    return int(np.flatnonzero(same)[-1]) + 1 if same.any() else 0


def check_filled(
    kind: str, name: str, filled: NDArray[np.int64], lines: NDArray[np.int64], settings: FeedSettings
) -> Iterator[Finding]:
    """A column that was filled in most lines is so in the last 24 hours: a renamed field comes in empty."""
    n_now, n_before = int(lines[0]), int(lines[1:].sum())
    if n_now < settings.least or n_before < 4 * settings.least:
        return
    before, now = float(filled[1:].sum()) / n_before, float(filled[0]) / n_now
    if before < 0.2:
        return
    days = lines[1:] >= settings.least
    spread = float(np.std(filled[1:][days] / lines[1:][days])) if days.any() else 0.0
    limit = min(before / 2, before - _LUCK * spread)
    told = f"filled in {now:.0%} of lines of the last 24 hours, {before:.0%} before"
    yield Finding("filled", f"{kind}.{name}", "warning", now >= limit, now, limit, told)


def check_clocks(hours: pa.Table, as_of_us: int, settings: FeedSettings | None = None) -> Finding:
    """Lines that say they happened after they were heard."""
    settings = settings or FeedSettings()
    recent = hours["hour_us"].to_numpy() >= as_of_us - RECENT_US - HOUR_US
    lines, ahead = (int(hours[name].to_numpy()[recent].sum()) for name in ("line_count", "ahead"))
    share = ahead / max(lines, 1)
    told = f"{ahead} of {lines} lines of the last day happened more than 5 minutes after they were received"
    return Finding(
        "clock", "occurred_at", "warning", share <= settings.clock_share, share, settings.clock_share, told
    )


# ------------------------------------------------------ units, currencies


def check_prices(prices: pa.Table, settings: FeedSettings) -> list[Finding]:
    """The unit of prices, and their currencies."""
    return [*check_unit(prices), *check_currency(prices, settings)]


def check_unit(prices: pa.Table) -> Iterator[Finding]:
    """Median over items of ``ln(recent / before)``, in one currency; some items alone may have changed too."""
    both = prices.filter(~np.isnan(_moves(prices)))
    move = _moves(both)
    if len(move) < FEWEST_ITEMS:
        return
    middle = float(np.median(move))
    told = f"prices of {len(move)} items are {np.exp(middle):.3g} times what they were, in the median"
    if abs(middle) > _UNIT:
        told += f": {_guess(middle)}"
    yield Finding("unit", "price_minor", "critical", abs(middle) <= _UNIT, middle, _UNIT, told)
    jumped = np.abs(np.abs(move) - np.log(100)) < _UNIT / 2
    few = int(jumped.sum()) < FEWEST_ITEMS or jumped.mean() < 0.05
    told = f"prices of {int(jumped.sum())} of {len(move)} items moved about a hundredfold"
    yield Finding("unit", "price_minor.items", "critical", bool(few), float(jumped.mean()), 0.05, told)


def _moves(prices: pa.Table) -> NDArray[np.float64]:
    before, recent = (prices[name].fill_null(float("nan")).to_numpy() for name in ("before", "recent"))
    return recent - before


def _guess(move: float) -> str:
    power = round(move / np.log(10))
    if abs(power) == 2:
        return (
            "amounts in cents where units were expected" if power > 0 else "units where cents were expected"
        )
    return f"another unit, by 10 to the power of {power}"


def check_currency(prices: pa.Table, settings: FeedSettings) -> Iterator[Finding]:
    """Recent priced lines outside the main currency; critical where they are new."""
    lines = {name: _by_currency(prices, f"{name}_lines") for name in ("before", "recent")}
    n_recent, n_before = (sum(lines[name].values()) for name in ("recent", "before"))
    if n_recent == 0:
        return
    main = max(
        lines["before"] or lines["recent"], key=lambda code: (lines["before"] or lines["recent"])[code]
    )
    others = {code or "none": n for code, n in lines["recent"].items() if code != main and n}
    share = sum(others.values()) / n_recent
    was = 1 - lines["before"].get(main, 0) / n_before if n_before else 0.0
    told = f"{share:.1%} of recent priced lines are not in {main or 'no currency'} but in {', '.join(sorted(others))}"
    if not others:
        told = f"all recent priced lines are in {main or 'no currency'}"
    severity: Severity = "critical" if share > 10 * was else "warning"
    yield Finding(
        "currency",
        "currency",
        severity,
        share <= settings.currency_share,
        share,
        settings.currency_share,
        told,
    )


def _by_currency(prices: pa.Table, lines: str) -> dict[str, int]:
    summed: dict[str, int] = {}
    for code, n in zip(prices["currency"].to_pylist(), prices[lines].to_pylist(), strict=True):
        summed[code] = summed.get(code, 0) + n
    return {code: n for code, n in summed.items() if n}
