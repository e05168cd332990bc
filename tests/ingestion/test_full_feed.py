"""What a full feed no longer names is retired, unless the feed looks broken."""

from __future__ import annotations

import pytest

from shelfwise.ingestion import FullFeedSettings, SuspiciousFeed, retirements

KNOWN = [f"i{number}" for number in range(10)]


def retired(present: list[str], **given: object) -> list[str]:
    return [change.item_id for change in retirements(present, KNOWN, now_us=7, **given)]  # type: ignore[arg-type]


def test_absent_items_are_deleted() -> None:
    (change,) = retirements(KNOWN[1:], KNOWN, now_us=7)
    assert (change.action, change.item_id, change.at_us) == ("delete", "i0", 7)


def test_a_feed_of_new_items_beside_all_old_ones_retires_nothing() -> None:
    assert retired([*KNOWN, "new"]) == []


def test_three_in_ten_may_go_and_four_may_not() -> None:
    assert retired(KNOWN[3:]) == KNOWN[:3]
    with pytest.raises(SuspiciousFeed, match="would retire 4 of 10 \\(40%\\)"):
        retired(KNOWN[4:])


def test_an_empty_feed_is_never_believed() -> None:
    with pytest.raises(SuspiciousFeed, match="names 0 items"):
        retired([], settings=FullFeedSettings(max_retired_share=1.0))


def test_force_retires_whatever_is_absent() -> None:
    assert retired([], force=True) == KNOWN


def test_a_first_feed_into_an_empty_catalogue_is_fine() -> None:
    assert retirements([], [], now_us=7) == []
