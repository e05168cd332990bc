"""Laws that every source obeys, on a shop whose truth is planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.candidates.asking import items, propose, query
from tests.candidates.conftest import fit_all
from tests.world import DAY, NOW_US, Shop, history, live_items, person, shelf_of
from tests.world.planted import N_ITEMS

from shelfwise.candidates import FittedSource, fit_source, load_source, settings_of
from shelfwise.domain import SOURCES, VIEW, InvalidInput, PersonState, UnknownName

PERSONAL = [name for name in SOURCES if name != "trending"]
NEW = [name for name in SOURCES if name != "buy_again"]

each_source = pytest.mark.parametrize("name", SOURCES)


@each_source
def test_a_proposal_holds_each_item_once_best_first(name: str, fitted: dict, planted: Shop) -> None:
    found = propose(fitted[name], planted.state(0), strategy=name)
    assert len(found.item) > 0
    assert len(set(items(found))) == len(found.item) == len(found.score)
    assert np.all(np.diff(found.score) <= 0)
    assert found.item.dtype == np.int32
    assert found.score.dtype == np.float32


@each_source
def test_a_shorter_proposal_begins_a_longer_one(name: str, fitted: dict, planted: Shop) -> None:
    whole = items(propose(fitted[name], planted.state(0), strategy=name))
    for limit in (0, 1, 3):
        assert items(propose(fitted[name], planted.state(0), strategy=name, limit=limit)) == whole[:limit]


@each_source
def test_the_first_opinion_of_what_is_proposed_is_its_score(name: str, fitted: dict, planted: Shop) -> None:
    found = propose(fitted[name], planted.state(40), strategy=name)
    opinion = found.opinion(found.item)
    assert opinion.shape == (len(found.item), len(fitted[name].signals))
    assert opinion[:, 0] == pytest.approx(found.score)
    assert fitted[name].signals[0] == f"{name}__score"


@each_source
def test_of_rows_beyond_the_fit_there_is_no_opinion(name: str, fitted: dict, planted: Shop) -> None:
    far = np.array([N_ITEMS, N_ITEMS + 1_000_000, -1, np.iinfo(np.int32).max], np.int32)
    opinion = propose(fitted[name], planted.state(0)).opinion(far)
    assert opinion.shape == (4, len(fitted[name].signals))
    assert np.isnan(opinion).all()


@each_source
def test_history_seeds_and_exclusions_beyond_the_fit_change_nothing(
    name: str, fitted: dict, planted: Shop
) -> None:
    state, far = planted.state(0), N_ITEMS + 77
    lines = np.concatenate([person([(far, NOW_US - 3 * DAY + k)]).lines for k in range(3)])
    with_far = PersonState(np.sort(np.concatenate([lines, state.lines]), order="at_us")[::-1].copy())
    plain = propose(fitted[name], state, 1, strategy=name)
    odd = propose(fitted[name], with_far, far, 1, -1, exclude=[far, -5], strategy=name)
    # To buy_again another visit is news of the rhythm; what it proposes stays.
    assert sorted(items(odd)) == sorted(items(plain))
    if name != "buy_again":
        assert odd.score == pytest.approx(plain.score, rel=0.05)


@each_source
@pytest.mark.parametrize("n_live", [0, 3, 1_000])
def test_live_columns_may_be_longer_or_shorter_than_the_fit(
    name: str, n_live: int, fitted: dict, planted: Shop
) -> None:
    found = propose(fitted[name], planted.state(0), strategy=name, live=live_items(n_live))
    assert items(found) == items(propose(fitted[name], planted.state(0), strategy=name))


@pytest.mark.parametrize("name", PERSONAL)
def test_of_a_stranger_without_seeds_a_personal_source_says_nothing(name: str, fitted: dict) -> None:
    found = propose(fitted[name])
    assert len(found.item) == len(found.score) == 0
    assert np.isnan(found.opinion(np.arange(N_ITEMS, dtype=np.int32))).all()


def test_to_a_stranger_trending_is_shown_all_the_same(fitted: dict) -> None:
    assert items(propose(fitted["trending"]))[0] == 20


@pytest.mark.parametrize("name", PERSONAL)
def test_someone_known_for_new_items_alone_is_a_stranger(name: str, fitted: dict) -> None:
    found = propose(fitted[name], person([(N_ITEMS + 5, NOW_US - DAY)]), N_ITEMS + 6)
    assert len(found.item) == 0


@pytest.mark.parametrize("name", NEW)
def test_what_was_bought_is_left_out_where_it_is_unwanted(name: str, fitted: dict, planted: Shop) -> None:
    bought = planted.bought(0)
    kept = set(items(propose(fitted[name], planted.state(0), strategy=name, seen="keep")))
    left = set(items(propose(fitted[name], planted.state(0), strategy=name, seen="exclude")))
    assert kept & bought
    assert left == kept - bought


@pytest.mark.parametrize("name", NEW)
def test_among_all_sources_what_was_bought_is_left_to_buy_again(
    name: str, fitted: dict, planted: Shop
) -> None:
    assert not planted.bought(0) & set(items(propose(fitted[name], planted.state(0), strategy="auto")))


def test_buy_again_proposes_what_was_bought_and_nothing_else(fitted: dict, planted: Shop) -> None:
    source = fitted["buy_again"]
    assert set(items(propose(source, planted.state(0)))) == planted.bought(0)
    left = propose(source, planted.state(0), seen="exclude")
    assert len(left.item) == 0
    assert not np.isnan(left.opinion(np.array(sorted(planted.bought(0)), np.int32))).any()


@each_source
def test_seeds_exclusions_hidden_and_sold_out_are_not_proposed(
    name: str, fitted: dict, planted: Shop
) -> None:
    whole = items(propose(fitted[name], planted.state(0), strategy=name))
    assert len(whole) >= 4
    excluded, sold_out, hidden = whole[:3]
    live = live_items(sold_out=[sold_out], hidden=[hidden])
    found = propose(fitted[name], planted.state(0), strategy=name, exclude=[excluded], live=live)
    assert items(found) == whole[3:]
    seeded = propose(fitted[name], planted.state(0), whole[3], strategy=name)
    assert whole[3] not in items(seeded)


@pytest.mark.parametrize("name", ["collaborative", "session", "complements", "similar"])
@pytest.mark.parametrize(("user", "taste"), [(3, range(10)), (33, range(10, 20))])
def test_each_taste_is_proposed_its_own(
    name: str, user: int, taste: range, fitted: dict, planted: Shop
) -> None:
    mine = [(item, at, *rest) for item, at, *rest in _rows(planted.state(user)) if item != 20][:6]
    found = [item for item in items(propose(fitted[name], person(mine), strategy="auto")) if item != 20]
    assert len(found) >= 3
    assert set(found[:3]) <= set(taste)


@pytest.mark.parametrize("name", ["collaborative", "session", "complements", "similar"])
def test_seeds_lead_to_their_own_taste(name: str, fitted: dict) -> None:
    found = [item for item in items(propose(fitted[name], None, 12, strategy=name)) if item != 20]
    assert set(found[:4]) <= set(range(10, 20))


@pytest.mark.parametrize("name", ["trending", "complements"])
def test_a_bot_makes_nothing_known_of_itself(name: str, fitted: dict) -> None:
    for seeds in ((), (21,), (22,)):
        assert not {21, 22} & set(items(propose(fitted[name], None, *seeds, strategy=name)))


@each_source
def test_the_order_of_a_history_does_not_matter(name: str, planted: Shop) -> None:
    rows = np.random.default_rng(1).permutation(len(planted.interactions))
    options = {"short": {"factors": 8}, "long": {"factors": 8}} if name == "collaborative" else None
    one, other = (
        fit_source(name, history_, planted.shelf, as_of_us=NOW_US, settings=options)
        for history_ in (planted.interactions, planted.interactions.take(rows))
    )
    for user in (0, 45):
        ours, theirs = (propose(source, planted.state(user), strategy=name) for source in (one, other))
        assert items(ours) == items(theirs)
        assert ours.score.tolist() == theirs.score.tolist()


@each_source
def test_nothing_at_or_after_the_instant_is_looked_at(name: str, planted: Shop) -> None:
    cut = NOW_US - 20 * DAY
    all_, before = (
        fit_source(name, history_, planted.shelf, as_of_us=cut)
        for history_ in (planted.interactions, planted.interactions.before(cut))
    )
    ours, theirs = (
        propose(source, planted.state(7), asked_us=cut, strategy=name) for source in (all_, before)
    )
    assert items(ours) == items(theirs)
    assert ours.score.tolist() == theirs.score.tolist()


@each_source
def test_a_history_without_rows_teaches_nothing(name: str, tmp_path: Path) -> None:
    source = fit_source(name, history([], n_items=3), shelf_of(["a", "b", "c"]), as_of_us=NOW_US)
    source.save(tmp_path)
    for one in (source, load_source(name, tmp_path)):
        found = propose(one, person([(9, NOW_US - DAY)]), live=live_items(3))
        assert len(found.item) == 0


@each_source
def test_a_fit_saved_and_loaded_answers_the_same(
    name: str, fitted: dict, planted: Shop, tmp_path: Path
) -> None:
    fitted[name].save(tmp_path)
    loaded = load_source(name, tmp_path)
    rows = np.arange(N_ITEMS + 2, dtype=np.int32)
    for seeds in ((), (4,)):
        ours = propose(fitted[name], planted.state(2), *seeds, strategy=name)
        theirs = propose(loaded, planted.state(2), *seeds, strategy=name)
        assert items(ours) == items(theirs)
        assert ours.score.tolist() == theirs.score.tolist()
        assert np.array_equal(ours.opinion(rows), theirs.opinion(rows), equal_nan=True)


@each_source
def test_every_reason_hangs_on_something_the_person_did(name: str, fitted: dict, planted: Shop) -> None:
    source, state = fitted[name], planted.state(0)
    found = propose(source, state, strategy=name)
    asked = np.concatenate([found.item, [N_ITEMS + 3]]).astype(np.int32)
    code, anchor = source.because(query(strategy=name), state, asked)
    assert code
    assert len(anchor) == len(asked)
    assert anchor[-1] == -1
    assert set(anchor.tolist()) <= planted.bought(0) | {-1}
    if name in ("similar", "session", "complements", "buy_again"):
        assert (anchor[:-1] >= 0).all()


@pytest.mark.parametrize("name", ["collaborative", "session"])
def test_looking_at_an_item_counts_for_less_than_buying_it(name: str, fitted: dict, planted: Shop) -> None:
    mixed = person([(2, NOW_US - 3 * DAY, VIEW), (12, NOW_US - 3 * DAY)])
    found = [item for item in items(propose(fitted[name], mixed, strategy="auto")) if item != 20]
    assert set(found[:3]) <= set(range(10, 20))


def test_a_warm_start_needs_fewer_sweeps_for_the_same_tastes(planted: Shop, fitted: dict) -> None:
    options = {"short": {"factors": 8}, "long": {"factors": 8}}
    warm = fit_source(
        "collaborative", planted.interactions, planted.shelf, as_of_us=NOW_US, settings=options,
        warm=fitted["collaborative"],
    )  # fmt: skip
    cold_list, warm_list = (
        items(propose(source, planted.state(5), limit=5)) for source in (fitted["collaborative"], warm)
    )
    assert set(cold_list[:3]) & set(warm_list[:3])


def test_the_same_shelf_gives_the_same_similar_items_without_work(fitted: dict, planted: Shop) -> None:
    again = fit_source(
        "similar", planted.interactions, planted.shelf, as_of_us=NOW_US, warm=fitted["similar"]
    )
    assert again is fitted["similar"]


def test_a_shelf_shorter_than_the_history_is_refused(planted: Shop) -> None:
    with pytest.raises(InvalidInput, match="expected at least 25"):
        fit_source("similar", planted.interactions, shelf_of(["a"]), as_of_us=NOW_US)


def test_a_wrong_name_is_answered_with_the_right_one(planted: Shop, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'session'"):
        load_source("sessions", tmp_path)
    with pytest.raises(UnknownName):
        fit_source("sessions", planted.interactions, planted.shelf, as_of_us=NOW_US)
    with pytest.raises(ValueError, match="neighbours"):
        settings_of("session", {"neighbours": 0})


@pytest.mark.parametrize("seed", [1, 2])
def test_the_season_is_seen_whatever_the_draw(seed: int) -> None:
    from tests.world import shop

    of = shop(seed)
    source: FittedSource = fit_source("trending", of.interactions, of.shelf, as_of_us=NOW_US)
    assert items(propose(source))[0] == 20


def test_fits_of_one_shop_are_equal_in_all_sources(planted: Shop, fitted: dict) -> None:
    again = fit_all(planted)
    for name in SOURCES:
        ours, theirs = (propose(of[name], planted.state(9), strategy=name) for of in (fitted, again))
        assert ours.score.tolist() == theirs.score.tolist()


def _rows(state: PersonState) -> list[tuple[int, ...]]:
    return [(int(one["item"]), int(one["at_us"]), int(one["event"])) for one in state.lines]
