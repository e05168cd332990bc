from __future__ import annotations

import numpy as np
import pytest
from tests.serving.small import Source, person_of, query_of, shelf_of

from shelfwise.domain import SOURCES, Slate
from shelfwise.serving import reasons
from shelfwise.serving._reasons import Reason, span, strongest

NAMES = tuple(f"{name}__score" for name in SOURCES)


def slate(*positions: dict[str, float], rules: tuple[str, ...] = ()) -> Slate:
    """Each position by what the sources that proposed it scored it."""
    n = len(positions)
    signal = np.full((n, len(SOURCES)), np.nan, np.float32)
    proposed = np.zeros(n, np.uint16)
    for row, said in enumerate(positions):
        for name, score in said.items():
            signal[row, SOURCES.index(name)] = score
            proposed[row] |= 1 << SOURCES.index(name)
    ones = np.ones(n, np.float32)
    return Slate(np.arange(n, dtype=np.int32), ones, ones, proposed, signal, rules)


def voices(shown: Slate) -> list[str | None]:
    return [SOURCES[bit] if bit >= 0 else None for bit in strongest(shown, NAMES).tolist()]


def told(shown: Slate, *sources: Source, person: object = None) -> list[Reason]:
    who = person_of() if person is None else person
    return reasons(shown, query_of(), who, shelf_of(), {s.name: s for s in sources}, NAMES)  # type: ignore[arg-type]


def test_the_source_speaks_that_ranks_the_item_highest() -> None:
    shown = slate(
        {"collaborative": 9.0, "trending": 0.2},  # first of collaborative, second of trending
        {"collaborative": 5.0, "trending": 0.9},  # the other way round
    )
    assert voices(shown) == ["collaborative", "trending"]


def test_where_two_rank_it_alike_the_more_personal_word_counts() -> None:
    assert voices(slate({"collaborative": 1.0, "complements": 0.1, "trending": 5.0})) == ["complements"]


def test_negative_scores_are_scores_like_any_other() -> None:
    assert voices(slate({"buy_again": -1.0, "trending": 0.5}, {"buy_again": -3.0, "trending": 0.9})) == [
        "buy_again",
        "trending",
    ]


def test_a_reason_names_the_item_it_hangs_on() -> None:
    (one,) = told(
        slate({"complements": 1.0}), Source("complements", because_code="bought_together", anchor=7)
    )
    assert one == Reason("bought_together", "i7", "Often bought with Thing 7")


def test_because_you_bought_is_said_of_what_was_bought_only() -> None:
    source = Source("collaborative", because_code="others_also_bought", anchor=7)
    bought = person_of(("purchase", 7, 3.0))
    viewed = person_of(("view_item", 7, 3.0))
    shown = slate({"collaborative": 1.0})
    assert told(shown, source, person=bought)[0].text == "Because you bought Thing 7"
    assert told(shown, source, person=viewed)[0].text == "Because you looked at Thing 7"


def test_a_rhythm_is_told_once_there_are_two_gaps() -> None:
    source = Source("buy_again", because_code="bought_before", anchor=0)
    shown = slate({"buy_again": 1.0})
    twice = person_of(("purchase", 0, 1.0), ("purchase", 0, 36.0))
    thrice = person_of(("purchase", 0, 1.0), ("purchase", 0, 36.0), ("purchase", 0, 71.0))
    assert told(shown, source, person=twice)[0].text == "You bought this before"
    assert told(shown, source, person=thrice)[0].text == "You buy this about every 5 weeks"


@pytest.mark.parametrize(
    ("days", "text"),
    [(1, "day"), (6.6, "7 days"), (14, "2 weeks"), (35, "5 weeks"), (61, "2 months"), (365, "12 months")],
)
def test_a_time_between_purchases_is_told_as_people_say_it(days: float, text: str) -> None:
    assert span(days) == text


def test_a_pinned_item_was_picked_by_the_shop_and_a_packed_one_sells() -> None:
    assert told(slate({}, rules=("pin-1",)))[0].code == "pinned"
    assert told(slate({}))[0].code == "best_seller"


def test_a_best_seller_that_filled_a_gap_is_told_as_trending_without_its_source() -> None:
    assert told(slate({"trending": 1.0})) == [Reason("trending", None, "Popular right now")]
