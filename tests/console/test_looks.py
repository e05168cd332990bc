"""Titles, prices and drawings: all follow from the item alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.titles import PRODUCTS
from shelfwise.console._console import static_files
from shelfwise.console._looks import _ICONS, _SPARE_ICONS, drawing_of, money, pretty_title
from shelfwise.console._shelves import REASON_ICONS


@pytest.mark.parametrize(
    ("title", "pretty"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White Hanging Heart T-Light Holder"),
        ("SET OF 3 CAKE TINS PANTRY DESIGN ", "Set of 3 Cake Tins Pantry Design"),
        ("LUNCH BAG  BLACK SKULL.", "Lunch Bag Black Skull"),
        ("PAPER CHAIN KIT 50'S CHRISTMAS", "Paper Chain Kit 50's Christmas"),
        ("RED TOADSTOOL LED NIGHT LIGHT", "Red Toadstool LED Night Light"),
        ("REX CASH+CARRY JUMBO SHOPPER", "Rex Cash+Carry Jumbo Shopper"),
        ("KEY FOB , SHED", "Key Fob, Shed"),
        ("iPhone case, matte", "iPhone case, matte"),  # only shouting is set anew
        ("", ""),
    ],
)
def test_titles_in_capitals_are_set_in_words(title: str, pretty: str) -> None:
    assert pretty_title(title) == pretty


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(2.95, "GBP", "£2.95"), (1200, "EUR", "€1,200.00"), (300, "JPY", "¥300"), (1.5, "KWD", "KWD 1.500"),
     (None, "GBP", None), (3.0, None, "3.00")],
)  # fmt: skip
def test_money_is_told_with_the_decimals_of_its_currency(
    amount: float | None, currency: str | None, text: str | None
) -> None:
    assert money(amount, currency) == text


@pytest.mark.parametrize(
    ("title", "icon", "tint", "pattern"),
    [
        ("LUNCH BAG RED RETROSPOT", "paper-bag", "coral", "dots"),
        ("SPACEBOY LUNCH BOX", "sandwich", "indigo", "plain"),
        ("SET OF 3 CAKE TINS", "cylinder", None, "plain"),
        ("60 TEATIME FAIRY CAKE CASES", "cupcake", None, "plain"),
        ("ALARM CLOCK BAKELIKE GREEN", "alarm-clock", "green", "plain"),
        ("CHOCOLATE HOT WATER BOTTLE", "thermometer", "sand", "plain"),
        ("JUMBO STORAGE BAG SUKI", "handbag", None, "plain"),
    ],
)
def test_a_drawing_follows_the_words_of_the_title(
    title: str, icon: str, tint: str | None, pattern: str
) -> None:
    drawn = drawing_of({"item_id": "1", "title": title})
    assert (drawn["icon"], drawn["pattern"]) == (icon, pattern)
    assert tint in (None, drawn["tint"])


@given(st.text(max_size=40), st.text(max_size=60))
def test_every_item_has_a_drawing_and_always_the_same(item_id: str, title: str) -> None:
    item = {"item_id": item_id, "title": title, "category": ("Home",)}
    assert drawing_of(item) == drawing_of(dict(item))


def test_every_pictogram_is_in_the_sprite() -> None:
    sprite = static_files()["icons.svg"][0].decode()
    drawn = {drawing_of({"item_id": code, "title": title})["icon"] for code, title, _ in PRODUCTS}
    for icon in {*drawn, *_SPARE_ICONS, *(icon for icon, _ in _ICONS), *REASON_ICONS.values()}:
        assert f'id="i-{icon}"' in sprite, icon
