from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.serving.small import (
    N_ITEMS,
    SOON,
    UNTRAINED,
    Clock,
    Ranker,
    Source,
    due_in,
    live_of,
    person_of,
    pipeline_of,
    query_of,
    release_of,
)

from shelfwise.candidates import Proposal
from shelfwise.domain import Answer, InvalidInput, LiveItems, NotTrained, Query, StoreUnavailable
from shelfwise.reranking import Rule
from shelfwise.serving import LEVELS, Pipeline, Release, best_sellers

NOBODY = person_of()
BUYER = person_of(("purchase", 30, 20.0))
BUYERS = {
    "item__purchase__actors__7d": [5 if row in (20, 21, 22, 23, 24, 25) else 0 for row in range(N_ITEMS)]
}


def full_shop(**more: object) -> Release:
    """Every source proposes items of its own; the packed list is the last ten."""
    sources = [
        Source("collaborative", [0, 1, 2, 3]),
        Source("similar", [4, 5, 6, 7]),
        Source("session", [8, 9, 10, 11]),
        Source("complements", [12, 13, 14, 15]),
        Source("trending", [16, 17, 18, 19]),
        Source("buy_again", [0, 26]),
    ]
    return release_of(*sources, packed=range(30, 40), **more)


def broken(release: Release, *names: str) -> Release:
    """The same release with sources that raise what nobody expects."""
    sources = {
        name: replace(source, trouble=KeyError("gone")) if name in names else source  # type: ignore[type-var]
        for name, source in release.sources.items()
    }
    return replace(release, sources=sources)


def ids_of(pipeline: Pipeline, query: Query | None = None, person: object = NOBODY) -> list[int]:
    return pipeline.recommend(query or query_of(), person, SOON).slate.item.tolist()  # type: ignore[arg-type]


def test_what_two_sources_propose_ranks_above_what_one_does() -> None:
    outcome = pipeline_of(full_shop()).recommend(query_of(), NOBODY, SOON)
    assert outcome.slate.item[0] == 0  # 1.0 of collaborative and 1.0 of buy_again
    assert outcome.slate.proposed[0] == 0b100001
    assert outcome.degraded is None


def test_each_answer_has_a_name_of_its_own_that_sorts_by_time() -> None:
    pipeline = pipeline_of(full_shop())
    earlier = pipeline.recommend(query_of(), NOBODY, SOON).recommendation_id
    later_query = msgspec.structs.replace(query_of(), asked_us=query_of().asked_us + 1_000)
    later = pipeline.recommend(later_query, NOBODY, SOON).recommendation_id
    assert earlier < later
    assert len(earlier) == 27


def test_a_strategy_asks_one_source_and_keeps_its_order() -> None:
    release = full_shop()
    outcome = pipeline_of(release).recommend(query_of(strategy="similar"), NOBODY, SOON)
    assert outcome.slate.item.tolist() == [4, 5, 6, 7]
    assert [name for name, source in release.sources.items() if source.asked] == ["similar"]  # type: ignore[attr-defined]


def test_a_strategy_that_the_release_lacks_is_answered_by_the_chain_and_says_so() -> None:
    outcome = pipeline_of(release_of(Source("trending", [1, 2]))).recommend(
        query_of(strategy="complements"), NOBODY, SOON
    )
    assert outcome.degraded is not None
    assert outcome.degraded.level == "segment_trending"
    assert outcome.degraded.reason == "complements is not in this release"


def test_best_sellers_fill_up_when_the_sources_have_too_little() -> None:
    live = live_of(counters=BUYERS)
    pipeline = pipeline_of(release_of(Source("session", [3])), live, best=best_sellers(live))
    outcome = pipeline.recommend(query_of(4), NOBODY, SOON)
    assert outcome.slate.item[0] == 3
    assert set(outcome.slate.item.tolist()[1:]) < {20, 21, 22, 23, 24, 25}
    assert len(outcome.slate) == 4
    assert outcome.degraded is None


def test_a_filter_is_searched_for_through_the_whole_shop() -> None:
    live = live_of(counters=BUYERS)
    pipeline = pipeline_of(full_shop(), live, best=best_sellers(live))
    assert ids_of(pipeline, query_of(3, filter="item_id in ('i33', 'i21', 'i7')")) == [7, 21, 33]


@pytest.mark.parametrize("strategy", ["auto", "session"])
def test_a_filter_that_nothing_fits_is_answered_in_full_by_nothing(strategy: str) -> None:
    live = live_of(counters=BUYERS)
    pipeline = pipeline_of(full_shop(), live, best=best_sellers(live))
    query = query_of(3, filter="item_id = 'none'", strategy=strategy)
    outcome = pipeline.recommend(query, BUYER, SOON)
    assert (len(outcome.slate), outcome.degraded) == (0, None)
    excluded = pipeline.recommend(query_of(3, exclude=np.arange(len(live), dtype=np.int32)), BUYER, SOON)
    assert (len(excluded.slate), excluded.degraded) == (0, None)


def test_a_filter_does_not_hide_that_a_source_broke() -> None:
    release = broken(full_shop(ranker=None), "session", "similar", "trending")
    outcome = pipeline_of(release).recommend(query_of(3, filter="item_id = 'none'"), BUYER, SOON)
    assert outcome.degraded is not None


def test_best_sellers_are_ordered_by_the_buyers_of_the_week_then_of_the_month() -> None:
    counters = {
        "item__purchase__actors__7d": [0, 2, 2, 0],
        "item__purchase__actors__30d": [9, 2, 5, 0],
    }
    assert best_sellers(live_of(4, counters)).tolist() == [2, 1, 0]  # nobody bought the last one
    assert best_sellers(live_of(4, counters), every=True).tolist() == [2, 1, 0, 3]


def test_a_shop_that_counted_nothing_has_no_best_sellers() -> None:
    assert len(best_sellers(live_of(4, {"item__purchase__actors__7d": [0] * 4}))) == 0
    assert len(best_sellers(live_of(4))) == 0


def test_an_untrained_source_is_left_out_and_named_but_no_loss() -> None:
    sources = [Source("collaborative", trouble=UNTRAINED), Source("trending", [1, 2])]
    outcome = pipeline_of(release_of(*sources)).recommend(query_of(2), NOBODY, SOON)
    assert outcome.missing == {"collaborative": "too little history"}
    assert outcome.degraded is None
    assert outcome.slate.item.tolist() == [1, 2]


def test_a_broken_source_costs_its_own_items_and_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        outcome = pipeline_of(broken(full_shop(), "collaborative")).recommend(query_of(), NOBODY, SOON)
    assert len(outcome.slate) == 5
    assert outcome.degraded is not None
    assert outcome.degraded.level == "personal"
    assert outcome.failed == ("collaborative",)
    assert "KeyError: 'gone'" in caplog.text  # with its trace


@pytest.mark.parametrize(
    ("gone", "level", "shown"),
    [
        ((), "session", [8, 9, 10, 11]),
        (("session",), "item_to_item", [4, 5, 6, 7]),
        (("session", "similar"), "segment_trending", [16, 17, 18, 19]),
        (("session", "similar", "trending"), "trending", [25, 24, 23, 22, 21]),
    ],
)
def test_a_broken_ranker_is_answered_by_the_next_level_that_works(
    gone: tuple[str, ...], level: str, shown: list[int]
) -> None:
    release = broken(full_shop(ranker=Ranker((), trouble=ZeroDivisionError())), *gone)
    live = live_of(counters=BUYERS)
    outcome = pipeline_of(release, live, best=best_sellers(live)).recommend(query_of(), BUYER, SOON)
    assert outcome.degraded is not None
    assert outcome.degraded.level == level
    assert outcome.slate.item.tolist() == shown
    assert outcome.degraded.reason == "personal failed (ZeroDivisionError)"


def test_the_packed_list_answers_when_nothing_else_can() -> None:
    release = broken(full_shop(ranker=None), "session", "similar", "trending")
    outcome = pipeline_of(release).recommend(query_of(), BUYER, SOON)
    assert outcome.degraded is not None
    assert outcome.degraded.level == "packed"
    assert outcome.slate.item.tolist() == [30, 31, 32, 33, 34]


def test_a_shop_without_release_shows_what_sells() -> None:
    live = live_of(counters=BUYERS)
    outcome = pipeline_of(Release.none(), live, best=best_sellers(live)).recommend(query_of(2), NOBODY, SOON)
    assert outcome.degraded is not None
    assert outcome.degraded.level == "trending"
    assert outcome.degraded.reason == "there is no release yet; run: shelfwise train"
    assert outcome.slate.item.tolist() == [25, 24]


def test_a_shop_that_knows_nothing_at_all_still_answers() -> None:
    outcome = pipeline_of(Release.none()).recommend(query_of(), NOBODY, SOON)
    assert outcome.degraded is not None
    assert (outcome.degraded.level, len(outcome.slate)) == ("packed", 0)


HARD = {
    "stock": lambda live: live.stock.__setitem__(slice(None, None, 2), 0),
    "hidden": lambda live: live.hidden.__setitem__(slice(None, None, 2), 1),
    "over": lambda live: live.available_until_us.__setitem__(slice(None, None, 2), 1),
}


def shop_at(level: str) -> Release:
    """A release in which everything above a level is broken."""
    if level == "personal":
        return full_shop()
    chain = {"session": "session", "item_to_item": "similar", "segment_trending": "trending"}
    above = [chain[name] for name in LEVELS[1 : LEVELS.index(level)] if name in chain]
    return broken(full_shop(ranker=None), *above)


@pytest.mark.parametrize("fact", HARD)
@pytest.mark.parametrize("level", LEVELS)
def test_no_level_shows_what_may_not_be_shown(level: str, fact: str) -> None:
    live = live_of(counters=BUYERS)
    HARD[fact](live)  # every even row
    best = best_sellers(live) if level == "trending" else np.empty(0, np.int32)
    outcome = pipeline_of(shop_at(level), live, best=best).recommend(query_of(), BUYER, SOON)
    assert (outcome.degraded.level if outcome.degraded else "personal") == level
    shown = outcome.slate.item.tolist()
    assert shown
    assert all(row % 2 == 1 for row in shown)


@pytest.mark.parametrize("level", LEVELS)
def test_no_level_shows_what_a_rule_or_the_query_excludes(level: str) -> None:
    live = live_of(counters=BUYERS)
    keep_out = ", ".join(f"'i{row}'" for row in range(0, N_ITEMS, 2))
    rule = Rule(rule_id="odd-only", kind="exclude", where=f"item_id in ({keep_out})")
    best = best_sellers(live) if level == "trending" else np.empty(0, np.int32)
    pipeline = pipeline_of(shop_at(level), live, rules=[rule], best=best)
    shown = pipeline.recommend(query_of(exclude=[1, 5, 9, 17, 21, 31]), BUYER, SOON).slate.item.tolist()
    assert shown
    assert not set(shown) & {*range(0, N_ITEMS, 2), 1, 5, 9, 17, 21, 31}


def test_what_sells_out_while_the_answer_is_made_is_not_in_it() -> None:
    before, after = live_of(), live_of()
    after.stock[0] = 0
    views: list[LiveItems] = [before, after]
    pipeline = pipeline_of(full_shop(), live=None, best=np.empty(0, np.int32))
    pipeline = replace(pipeline, live=lambda: views.pop(0))
    assert 0 not in pipeline.recommend(query_of(), NOBODY, SOON).slate.item.tolist()


def test_bought_items_are_left_out_where_the_query_says_so() -> None:
    person = person_of(("purchase", 0, 1.0), ("purchase", 4, 2.0))
    pipeline = pipeline_of(full_shop())
    assert 0 in ids_of(pipeline, query_of(30), person)
    assert not {0, 4} & set(ids_of(pipeline, query_of(30, seen="exclude"), person))


def test_who_comes_too_late_is_answered_from_the_lists_at_once() -> None:
    release = full_shop()
    clock = Clock()
    deadline = due_in(0.1, clock)
    clock.now_s += 0.2
    outcome = pipeline_of(release).recommend(query_of(), BUYER, deadline)
    assert outcome.degraded is not None
    assert (outcome.degraded.level, outcome.degraded.reason) == ("packed", "no time left")
    assert not any(source.asked for source in release.sources.values())  # type: ignore[attr-defined]


class Slow(Source):
    """Takes a while of the clock."""

    clock: Clock
    takes_s: float

    def retrieve(self, *args: Any, **more: Any) -> Proposal:
        self.clock.now_s += self.takes_s
        return super().retrieve(*args, **more)


def slow(clock: Clock, takes_s: float, items: list[int]) -> Slow:
    source = Slow("trending", items)
    source.clock, source.takes_s = clock, takes_s
    return source


def test_sources_that_come_too_late_are_named_and_the_others_answer() -> None:
    clock = Clock()
    release = release_of(Source("session", [3]), slow(clock, 0.1, [1, 2]), Source("buy_again", [4]))
    outcome = pipeline_of(release).recommend(query_of(3), NOBODY, due_in(0.15, clock))
    assert outcome.missing == {"buy_again": "no time left"}  # two thirds are gone: no more is asked
    assert outcome.degraded is not None
    assert outcome.degraded.level == "personal"
    assert set(outcome.slate.item.tolist()) == {1, 2, 3}


def test_nothing_is_scored_in_the_last_quarter_of_the_budget() -> None:
    clock = Clock()
    release = release_of(Source("similar", [5]), slow(clock, 0.12, [1, 2]), packed=[7, 8])
    outcome = pipeline_of(release).recommend(query_of(2, seeds=[9]), NOBODY, due_in(0.15, clock))
    assert outcome.degraded is not None
    assert (outcome.degraded.level, outcome.degraded.reason) == ("item_to_item", "no time left")
    assert outcome.slate.item.tolist() == [5]


def test_an_answer_is_recorded_once_with_what_explains_it() -> None:
    kept: list[Answer] = []
    pipeline = pipeline_of(full_shop(), keep=kept.append)
    outcome = pipeline.recommend(query_of(user_id="ann", seeds=[2], session_id="s"), NOBODY, SOON)
    (answer,) = kept
    assert answer.recommendation_id == outcome.recommendation_id
    assert answer.items == tuple(f"i{row}" for row in outcome.slate.item.tolist())
    assert answer.sources[0] == {"collaborative": pytest.approx(1.0), "buy_again": pytest.approx(1.0)}
    assert (answer.user_id, answer.seeds, answer.release) == ("ann", ("i2",), "r-test")
    first = np.frombuffer(answer.features[0], "<f4")
    assert first.tolist() == outcome.features[0].tolist()
    assert first.sum() == pytest.approx(outcome.slate.score[0])  # the ranker adds up what it is told


def test_a_fallback_is_recorded_too() -> None:
    kept: list[Answer] = []
    pipeline_of(full_shop(ranker=None), keep=kept.append).recommend(query_of(), BUYER, SOON)
    assert kept[0].degraded is not None
    assert kept[0].degraded.level == "session"
    assert kept[0].features == ()


def test_a_pinned_item_that_no_source_proposed_has_no_features() -> None:
    rule = Rule(rule_id="pin", kind="pin", items=("i39",), positions=(1,))
    outcome = pipeline_of(full_shop(), rules=[rule]).recommend(query_of(), NOBODY, SOON)
    assert outcome.slate.item[0] == 39
    assert np.isnan(outcome.features[0]).all()
    assert np.isfinite(outcome.features[1]).any()


def test_the_pool_that_training_sees_is_what_serving_judges() -> None:
    pipeline = pipeline_of(full_shop())
    candidates, features = pipeline.pool(query_of(), NOBODY)
    assert len(candidates) == len(features) == 21
    assert candidates.signal.shape == (21, 6)
    outcome = pipeline.recommend(query_of(), NOBODY, SOON)
    best = np.argsort(-np.nansum(features, axis=1), kind="stable")[:5]
    assert outcome.slate.item.tolist() == candidates.item[best].tolist()


@pytest.mark.parametrize(
    "trouble", [StoreUnavailable("x"), InvalidInput("y"), NotTrained("z"), MemoryError()]
)
def test_whatever_a_source_raises_there_is_an_answer(trouble: Exception) -> None:
    release = release_of(Source("trending", trouble=trouble), packed=[1, 2])
    assert ids_of(pipeline_of(release), query_of(2)) == [1, 2]
