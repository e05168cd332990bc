from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from shelfwise.domain import InvalidField, UnknownName
from shelfwise.features import (
    FAMILIES,
    FEATURES,
    catalogue_rows,
    feature_document,
    feature_names,
    features_for,
    gaps,
    render_catalogue,
    render_catalogue_page,
    spread,
)
from shelfwise.features._gaps import FIELD
from shelfwise.features._sql_people import VIEWS
from shelfwise.features._stated import PRIVACY

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "features.md"


def test_the_page_in_the_docs_is_the_one_the_declarations_make() -> None:
    if os.environ.get("REWRITE_GOLDEN"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(render_catalogue())
    assert PAGE.read_text() == render_catalogue(), "run with REWRITE_GOLDEN=1 and read the difference"


def test_names_are_unique_and_say_whose_what_and_how() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names) >= 60
    assert all(len(name.split("__")) >= 2 and name == name.lower() for name in names)


def test_every_feature_states_all_that_a_reader_asks() -> None:
    views = {view.name for view in VIEWS} | {"asked", "items", "fitted", "calendar", "relations", "sources"}
    for row in catalogue_rows(features_for(["collaborative__score"])):
        told = {name: row[name] for name in row if name != "null"}
        assert all(isinstance(value, str) and value for value in told.values()), row
        assert row["dtype"] == "float64" or row["null"] is None, (
            f"{row['name']}: whole numbers are never absent"
        )
        assert set(row["owner"].split(", ")) <= views, row
        assert row["privacy"] in PRIVACY


def test_a_feature_is_as_secret_as_the_most_secret_of_what_it_is_made_of() -> None:
    secrecy = {row["name"]: row["privacy"] for row in catalogue_rows()}
    assert secrecy["item__image__present"] == "catalogue"
    assert secrecy["item__purchase__count__7d"] == "crowd"
    assert secrecy["item__season__now"] == "question"  # of what all bought, on the day of the question
    assert (
        secrecy["user_item__price__now_difference"] == "behaviour"
    )  # of the catalogue and a person's purchases
    assert secrecy["user_item__age__above_least"] == "personal"
    of_people = {row["name"] for row in catalogue_rows() if row["entity"] in ("user", "session", "user_item")}
    assert {secrecy[name] for name in of_people} <= {"behaviour", "personal"}


def test_what_is_not_told_is_marked_with_the_reason_and_is_no_feature() -> None:
    names = {one.name for one in FEATURES}
    for gap in FIELD:
        assert gap.state in ("never", "not_yet", "todo")
        assert gap.reason
        assert gap.feature not in names
    page = render_catalogue()
    assert all(gap.feature in page for gap in (*FIELD, *gaps(FEATURES)))


def test_a_signal_brings_its_number_its_relative_and_its_rank() -> None:
    assert feature_names(["s"])[-3:] == ("s", "s__relative", "s__rank")
    assert len(feature_names(["s", "t"])) == len(FEATURES) + 6


def test_a_choice_keeps_the_order_of_the_tables_and_names_what_it_does_not_know() -> None:
    chosen = feature_names(["s"], ["sessions", "item__age"])
    assert chosen == ("item__age", *(one.name for one in FAMILIES["sessions"]), "s", "s__relative", "s__rank")
    with pytest.raises(UnknownName, match="'session'; did you mean 'sessions'"):
        feature_names(["s"], ["session"])


def test_every_feature_stands_in_one_family() -> None:
    names = [one.name for family in FAMILIES.values() for one in family]
    assert names == [one.name for one in FEATURES]
    assert len(names) == len(set(names))


def test_a_signal_may_not_take_the_name_of_a_feature() -> None:
    with pytest.raises(InvalidField, match="that no feature has"):
        feature_names([FEATURES[0].name])


def test_one_feature_is_shown_with_its_sql() -> None:
    shown = feature_document("user_item__purchase__gap")
    assert "NULLIF" in shown["sql"]
    assert shown["unit"] == "days"
    assert feature_document("seeds__brand__share")["sql"] is None
    with pytest.raises(UnknownName, match="did you mean"):
        feature_document("user_item__purchase__gaps")


def a_page(**more: object) -> str:
    columns = {"item__age": np.array([1.0, 2.0, np.nan, 40.0]), "item__view_item__count__1d": np.zeros(4)}
    spreads = {name: spread(column) for name, column in columns.items()}
    given = {
        "name": "Tea <&> Co",
        "sample": "Of four.",
        "spreads": spreads,
        "shares": {"item__age": 0.25},
        **more,
    }
    return render_catalogue_page(FEATURES, **given)


def test_the_page_tells_every_feature_once_and_escapes_what_it_shows() -> None:
    page = a_page()
    assert page.count("<li id=") == len(FEATURES)
    assert all(f"id='{one.name}'" in page for one in FEATURES)
    assert "Tea &lt;&amp;&gt; Co" in page
    assert "None" not in page
    assert "nan" not in page


def test_the_page_tells_spread_example_absence_and_worth_of_what_was_looked_at() -> None:
    page = a_page(unfitted={"item__title__words"})
    entry = page.partition("id='item__age'")[2].partition("</li>")[0]
    assert "for example <b>1</b> days; median 2, absent in 25%" in entry
    assert entry.count("<rect") == 3  # a bar for each of the values
    assert "25% of the gain" in entry
    assert "0 in all 4 rows" in page.partition("id='item__view_item__count__1d'")[2].partition("</li>")[0]
    assert "Not fitted" in page.partition("id='item__title__words'")[2].partition("</li>")[0]


def test_a_page_without_a_sample_is_the_declarations() -> None:
    page = a_page(spreads={}, shares={})
    assert page.count("Not looked at") == len(FEATURES)
    assert "ranker in use" not in page
