from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError
from tests.simulation.worlds import world

from shelfwise.simulation import WorldSettings
from shelfwise.simulation._calendar import day_factors, gift_odds, holiday_lift
from shelfwise.simulation._ground import lay_ground, mean_quantity
from shelfwise.simulation._settings import Holiday


def day(year: int, month: int, on: int) -> int:
    return (date(year, month, on) - date(1970, 1, 1)).days


def test_every_setting_says_what_it_does_and_has_bounds() -> None:
    for name, field in WorldSettings.model_fields.items():
        assert field.description, name
        assert field.metadata or not isinstance(field.default, float | int), name


def test_tables_of_a_wrong_length_are_refused() -> None:
    with pytest.raises(ValidationError, match="12 weights"):
        WorldSettings(month_factors=(1.0, 2.0))


def test_a_usual_year_has_a_usual_number_of_visits() -> None:
    settings = WorldSettings(holidays=())
    years = day_factors(
        settings, range(day(2020, 1, 1), day(2048, 1, 1))
    )  # 28 years: every weekday meets every date
    assert years.mean() == pytest.approx(1.0, abs=1e-3)


def test_a_holiday_lifts_the_days_before_it_in_a_straight_line() -> None:
    feast = (Holiday(name="Feast", month=3, day=10, days_before=3, lift=2.0),)
    lifts = [holiday_lift(feast, day(2025, 3, on)) for on in range(5, 12)]
    assert lifts == pytest.approx([1.0, 1.0, 1.25, 1.5, 1.75, 2.0, 1.0])


def test_a_holiday_at_the_turn_of_the_year_is_near_in_the_old_year() -> None:
    feast = (Holiday(name="New Year", month=1, day=1, days_before=1, lift=3.0),)
    assert holiday_lift(feast, day(2024, 12, 31)) == pytest.approx(2.0)


def test_the_29th_of_february_is_kept_on_the_28th_in_other_years() -> None:
    feast = (Holiday(name="Leap", month=2, day=29, lift=2.0),)
    assert holiday_lift(feast, day(2024, 2, 29)) == holiday_lift(feast, day(2025, 2, 28)) == 2.0


def test_gifts_are_looked_for_as_holidays_come_near() -> None:
    odds = gift_odds(WorldSettings(), [day(2025, 12, 18), day(2025, 6, 18)])
    assert odds[0] > odds[1] == 1.0


@pytest.mark.parametrize("wholesale", [0, 1])
def test_the_mean_quantity_is_that_of_a_lognormal_rounded_up(wholesale: int) -> None:
    settings = WorldSettings(quantity_sigma=0.8)
    rules = lay_ground(world().items, settings, 7).rules[0]
    median = (settings.quantity_median, settings.wholesale_quantity_median)[wholesale]
    drawn = np.ceil(median * np.exp(0.8 * np.random.default_rng(1).normal(size=400_000)))
    assert mean_quantity(rules, wholesale) == pytest.approx(drawn.mean(), rel=0.01)
