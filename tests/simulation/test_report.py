"""The page: it says what it was handed, is one file that asks for nothing, and says that it is simulated."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from shelfwise.simulation import (
    Audit,
    ByPosition,
    Check,
    Funnel,
    Purchases,
    Report,
    Years,
    render_report,
    shop_statistics,
)
from shelfwise.simulation._charts import Axis, Series, axis_over, columns, lines

DAY_US = 86_400_000_000
YEAR = shop_statistics(
    Purchases(
        np.array([1, 1, 1, 2]),
        np.array([1, 2, 2, 3]),
        np.array([5, 5, 6, 6]),
        np.array([0, 4, 4, 40]) * DAY_US,
    )
)
STATED = np.array([[1.0, 0.5], [0.2, 0.1], [0.02, 0.01]])
REPORT = Report(
    scenario="flash_sale",
    meaning="Prices fall <fast>.",
    seed=7,
    shoppers=5_000,
    n_items=4_055,
    start_us=0,
    end_us=14 * DAY_US,
    n_lines=123_456,
    events={"view_item": 900, "purchase": 40},
    funnel=Funnel(visits=1_000, viewed=500, carted=100, begun=50, ordered=40),
    befell={"robots": 4_321, "lost": 0, "faulty": 12, "late": 0, "twice": 0},
    lists={
        "home": ByPosition(np.full(30, 2_500), np.full(30, 125)),
        "cart": ByPosition(np.zeros(30, int), np.zeros(30, int)),
    },
    audit=Audit(1_000, STATED * 1.01, STATED, np.sqrt(STATED * (1 - STATED) / 1_000)),
    checks=(
        Check("visits on mobile", 0.62, 0.61, 900, "StatCounter"),
        Check("carts", 0.2, 0.25, 900, "a setting"),
    ),
    years=Years(YEAR, YEAR, YEAR),
)
OPEN = {"meta", "circle", "line", "rect", "polyline"}  # have no end, or end themselves


class Reader(HTMLParser):
    """Texts and tags; complains of a tag that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.outside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPEN:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    page = render_report(REPORT)
    reader = Reader(page)
    assert reader.open == []
    assert reader.outside == []
    assert "url(" not in page
    assert "<script" not in page


def test_the_page_says_first_that_it_is_simulated() -> None:
    body = render_report(REPORT).split("<body>")[1]
    assert Reader(body.removesuffix("</body></html>\n")).texts[0].startswith("Simulated")


@pytest.mark.parametrize(
    "told",
    [
        "5,000",
        "123,456",
        "1970-01-01",
        "4 % of visits ended in an order.",
        "−1.6 %",
        "+25.0 %",
        "StatCounter",
        "4,321",  # page views of robots
        "2,500",  # times that the home page's list was shown
        "5 %",  # of its positions were clicked
    ],
)
def test_the_page_says_what_it_was_handed(told: str) -> None:
    assert told in "\n".join(Reader(render_report(REPORT)).texts)


def test_a_list_that_was_never_shown_and_what_never_befell_is_not_told() -> None:
    texts = Reader(render_report(REPORT)).texts
    assert "Home" in texts
    assert "Cart" not in texts
    assert "Late" not in texts


def test_words_from_outside_stay_words() -> None:
    assert "Prices fall &lt;fast&gt;." in render_report(REPORT)


def test_the_same_run_is_the_same_page() -> None:
    assert render_report(REPORT) == render_report(replace(REPORT))


def test_what_was_not_measured_is_left_out() -> None:
    page = render_report(replace(REPORT, audit=None, checks=(), years=None, lists={}, befell={}))
    assert "Rates by position" not in page
    assert "Clicks on what was shown" not in page
    assert "On the way to the shop" not in page
    assert "Beside a real shop" not in page


def test_a_run_without_a_visit_has_a_page_too() -> None:
    nothing = replace(REPORT, funnel=Funnel(0, 0, 0, 0, 0), events={}, n_lines=0)
    assert "none of visits" in render_report(nothing)


def test_a_line_goes_through_its_points() -> None:
    across, up = Axis(0, 10, ((0, "0"), (10, "10"))), Axis(0, 1, ((0, "0"), (1, "1")))
    drawn = lines("t", (0, 5, 10), [Series("s", "stated", (0.0, float("nan"), 1.0))], across, up)
    assert 'points="66.0,220.0 446.0,12.0"' in drawn  # the corners of the field; what is unknown is left out


def test_columns_stand_as_high_as_their_values() -> None:
    drawn = columns("t", ("A", "B"), [Series("s", "first", (1.0, 0.5))], Axis(0, 1, ()))
    assert 'height="208.0"' in drawn
    assert 'height="104.0"' in drawn


@pytest.mark.parametrize(
    ("values", "high", "marks"), [([3.0, 48.0], 50, 6), ([0.141], 0.15, 4), ([1.0], 1, 6), ([0.0], 1, 6)]
)
def test_an_axis_from_zero_ends_with_a_round_number(values: list[float], high: float, marks: int) -> None:
    axis = axis_over(values, "")
    assert axis.high == pytest.approx(high)
    assert len(axis.ticks) == marks


def test_a_logarithmic_axis_holds_whole_decades() -> None:
    axis = axis_over([0.02, 3.0], "", log=True)
    assert (axis.low, axis.high) == pytest.approx((0.01, 10))
    assert axis.share(1.0) == pytest.approx(2 / 3)
