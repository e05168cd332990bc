"""What goes live, and what the refusal says."""

from __future__ import annotations

import math

from shelfwise.training import decide
from shelfwise.training._gate import Verdict, lift, withheld

PLAIN = {"popular": 0.1, "buy_again": 0.2}


def test_a_release_must_beat_every_plain_list() -> None:
    refused = decide(0.15, PLAIN, None, tolerance=0.05)
    assert not refused.passed
    assert refused.reasons == ("ndcg 0.1500 does not beat buy_again (0.2000)",)
    assert not decide(0.2, PLAIN, None, tolerance=0.05).passed


def test_the_first_release_needs_no_champion() -> None:
    verdict = decide(0.3, PLAIN, None, tolerance=0.05)
    assert verdict.passed
    assert "1.50 times the best of them, no champion yet" in verdict.reasons[0]


def test_a_harder_time_is_no_reason_to_refuse() -> None:
    """The champion reached .60 where plain lists reached .40; now they reach .20 and the challenger .30."""
    assert decide(0.3, PLAIN, lift(0.6, {"buy_again": 0.4}), tolerance=0.0).passed


def test_a_lift_below_the_champions_by_more_than_the_tolerance_is_refused() -> None:
    assert decide(0.3, PLAIN, 1.57, tolerance=0.05).passed  # 1.57 x .95 = 1.4915
    refused = decide(0.3, PLAIN, 1.6, tolerance=0.05)  # 1.6 x .95 = 1.52
    assert not refused.passed
    assert (
        "1.50 times the best plain list, more than 5% below the champion's 1.60 times" in refused.reasons[0]
    )


def test_plain_lists_that_find_nothing_are_beaten_by_anything() -> None:
    assert lift(0.1, {"popular": 0.0}) == math.inf
    assert decide(0.1, {"popular": 0.0}, None, tolerance=0.05).passed


def test_an_objection_to_the_data_withholds_what_the_judge_let_pass_and_none_changes_nothing() -> None:
    passed = Verdict(True, ("better",))
    assert withheld(passed, ()) is passed
    refused = withheld(passed, ("prices are negative",))
    assert not refused.passed
    assert refused.reasons == ("data quality: prices are negative; the champion stays", "better")
