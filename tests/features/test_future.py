"""Nothing sees the future: what is told as of an instant is the same whether or not more happened after it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, HOUR_US, Context, Event, EventLine, InvalidInput
from shelfwise.features import DuckDB, Facts, event_lines, live_as_of, live_of, training_features
from shelfwise.features._bases import CATALOGUE
from shelfwise.features._features import BY_NAME

from .replay import Row, computed, fits_of, imagined, offers, requested, row_of, shelf_of, streamed

NOW = 1_322_000_000 * 1_000_000 + 12_345_678
N_ITEMS = 8
PEOPLE = ("u:u1", "u:u2", "a:a1", "a:a2", "a:a3")
INSTANTS = (NOW - 5 * HOUR_US, NOW - 40 * DAY_US, NOW // DAY_US * DAY_US - 7 * DAY_US)
TELLTALE = Context("tv", "JP", placement="checkout", referrer="https://leak.example/?gclid=1", age=99)


def planted(past: list[Event], at_us: int) -> list[Event]:
    """The past, and events from an instant on that say all there is to say of it: purchases in a context of their own.

    Strangers sign in, so that their past is told of whom they turn out to be; prices, quantities and orders are odd.
    """
    later = [
        Event(
            event_id=f"later-{person}-{item}", event="purchase", occurred_us=at_us + (number % 3) * HOUR_US,
            received_us=at_us, user_id=person[2:] if person[0] == "u" else "u1",
            anonymous_id=None if person[0] == "u" else person[2:], order_id=f"o{item}", context=TELLTALE,
            lines=(EventLine(f"i{item}", 777, 999_999, "GBP"),) * (1 + item % 2),
        )
        for number, person in enumerate(PEOPLE)
        for item in range(0, N_ITEMS, 2)
    ]  # fmt: skip
    return past + later


def histories(seed: int, at_us: int) -> tuple[list[Event], list[Event]]:
    """Events before an instant, and the same with a future that was imagined and one that was planted."""
    events = imagined(np.random.default_rng(seed), NOW, 400, N_ITEMS)
    past = [event for event in events if event.occurred_us < at_us]
    future = [event for event in events if event.occurred_us >= at_us]
    return past, planted(past, at_us) + future


def lake(events: list[Event], folder: Path) -> list[str]:
    folder.mkdir()
    pq.write_table(event_lines(events, row_of), folder / "part.parquet")
    return [str(folder / "part.parquet")]


@pytest.mark.parametrize("at_us", INSTANTS)
@pytest.mark.parametrize("seed", range(2))
def test_no_batch_feature_changes_when_the_future_comes(seed: int, at_us: int, tmp_path: Path) -> None:
    past, whole = histories(seed, at_us)
    shelf = shelf_of(N_ITEMS, np.random.default_rng(seed))
    rows = [Row(person, item, at_us, Context("mobile", "US")) for person in PEOPLE for item in range(N_ITEMS)]
    fits = fits_of(N_ITEMS, at_us)
    later = {at_us + DAY_US: {name: column * 0 + 9 for name, column in fits[max(fits)].items()}}
    made = []
    for name, events, told in (("past", past, fits), ("whole", whole, fits | later)):
        (tmp_path / name).mkdir()
        made.append(computed(events, rows, shelf, tmp_path / name, told))
    assert [name for name in made[0] if not same(made[0][name], made[1][name])] == []


@pytest.mark.parametrize("at_us", INSTANTS)
@pytest.mark.parametrize("seed", range(2))
def test_no_feature_of_stream_and_request_changes_when_what_has_yet_to_happen_was_already_told(
    seed: int, at_us: int
) -> None:
    past, whole = histories(seed, at_us)
    shelf, fits = shelf_of(N_ITEMS, np.random.default_rng(seed)), fits_of(N_ITEMS, at_us)
    made = [
        np.concatenate(
            [
                requested(stream, shelf, person, range(N_ITEMS), at_us, Context("mobile", "US"), fits)
                for person in PEOPLE
            ]
        )
        for stream in (streamed(events, at_us, N_ITEMS, batch=33) for events in (past, whole))
    ]
    assert np.array_equal(*made, equal_nan=True)


def test_live_columns_of_a_past_instant_know_no_later_event_and_no_later_item(tmp_path: Path) -> None:
    at_us = NOW - DAY_US
    past, whole = histories(5, at_us)
    past = [event for event in past if all(line.item_id != "i7" for line in event.lines)]
    whole = [event for event in whole if event.occurred_us >= at_us] + past
    whole.append(msgspec.structs.replace(whole[0], event_id="first", lines=(EventLine("i7"),)))
    one, two = (
        live_as_of(lake(events, tmp_path / name), N_ITEMS, [at_us])[0]
        for name, events in (("p", past), ("w", whole))
    )
    assert [name for name in one.counters if not np.array_equal(one.counters[name], two.counters[name])] == []
    assert np.array_equal(one.available_from_us, two.available_from_us)
    assert (two.available_from_us > NOW).tolist() == [False] * 7 + [True]
    seen_us = np.full(N_ITEMS, at_us - 1)
    told = live_as_of(lake(past, tmp_path / "t"), N_ITEMS, [at_us], first_seen_us=seen_us)[0]
    assert not told.available_from_us.any()  # the catalogue had it before anybody met it


def test_what_the_catalogue_says_now_is_not_known_of_an_instant_before(tmp_path: Path) -> None:
    files = lake(imagined(np.random.default_rng(0), NOW, 200, N_ITEMS), tmp_path / "lake")
    shelf, live = shelf_of(N_ITEMS, np.random.default_rng(0)), offers(live_of({}, N_ITEMS))
    rows = pa.table(
        {
            "person": ["u:u1"] * 2 * N_ITEMS,
            "item_row": pa.array([*range(N_ITEMS)] * 2, pa.int32()),
            "as_of_us": [NOW - 1] * N_ITEMS + [NOW] * N_ITEMS,
        }
    )
    facts = set(CATALOGUE) - {"item__catalogue__first_us"}
    named = [
        name for name, feature in BY_NAME.items() if feature.expr and facts & set(feature.expr.columns())
    ]
    with DuckDB() as engine:
        facts, asked = Facts(shelf, live, NOW), [BY_NAME[name] for name in named]
        made = training_features(engine, files, rows, facts=facts, features=asked)
    with pytest.raises(InvalidInput, match="live_us is None"):
        Facts(shelf, live)
    for name, column in made.items():
        assert np.isnan(column[:N_ITEMS]).all(), name
        assert not np.isnan(column[N_ITEMS:]).all(), name


def same(one: np.ndarray, two: np.ndarray) -> bool:
    """Whole numbers exactly; others but for the order in which an engine adds them up."""
    if one.dtype.kind == "i":
        return bool(np.array_equal(one, two))
    return bool(np.allclose(one, two, rtol=1e-12, atol=1e-12, equal_nan=True))
