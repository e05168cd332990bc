"""Stories: the world's settings, its mess, and what changes meanwhile."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import shelfwise.simulation
from shelfwise.domain import DAY_US, InvalidInput
from shelfwise.simulation import Act, ItemTruth, Scenario, acts, chosen, parse_scenario, staged

FILES = sorted(Path(shelfwise.simulation.__file__).parent.glob("scenarios/*.toml"))
START = 15_000 * DAY_US
N = 2_000


def items() -> ItemTruth:
    price, born = np.full(N, 1_000, np.int64), np.zeros(N, np.int64)
    return ItemTruth.of(category=np.zeros(N, np.int32), price_minor=price, born_us=born)


def scenario(*changes: dict[str, object], **more: object) -> Scenario:
    return Scenario.model_validate({"name": "x", "meaning": "y", "changes": changes, **more})


def cast(told: Scenario, days: float = 10.0) -> list[Act]:
    return acts(told, start_us=START, days=days)


def at(day: float) -> int:
    return START + int(day * DAY_US)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_the_package_is_a_scenario_of_its_name(file: Path) -> None:
    told = parse_scenario(file.read_text(), str(file))
    assert told.name == file.stem
    for act in cast(told, told.days):
        assert len(staged(items(), act, story_us=START, seed=1)) == N


def test_all_stories_of_the_issue_are_there() -> None:
    assert {file.stem for file in FILES} == {
        "steady",
        "flash_sale",
        "new_collection",
        "supplier_outage",
        "seasonal_turn",
        "concept_drift",
        "bot_attack",
        "tracking_broken",
    }


def test_acts_tile_the_story_and_cut_it_where_something_changes() -> None:
    told = scenario(
        {"kind": "price", "from_day": 2, "until_day": 4, "factor": 0.5},
        {"kind": "stock", "from_day": 3.3},
    )
    cut = cast(told)
    assert [act.start_us for act in cut] == [at(0), at(2), at(3.3), at(4)]
    assert cut[-1].end_us == at(10)
    assert all(a.end_us == b.start_us for a, b in pairwise(cut))
    assert [[change.kind for change in act.changes] for act in cut] == [
        [],
        ["price"],
        ["price", "stock"],
        ["stock"],
    ]


def test_a_sale_makes_its_items_cheaper_and_ends() -> None:
    before, sale, after = (
        staged(items(), act, story_us=START, seed=1).price_minor
        for act in cast(
            scenario({"kind": "price", "from_day": 2, "until_day": 4, "factor": 0.6, "share": 0.25})
        )
    )
    assert (before == 1_000).all()
    assert (after == 1_000).all()
    assert set(sale.tolist()) == {600, 1_000}
    assert (sale == 600).mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / N))


def test_the_same_items_are_concerned_in_every_act() -> None:
    told = scenario({"kind": "stock", "from_day": 2}, {"kind": "price", "from_day": 5, "factor": 2})
    _, second, third = cast(told)
    stock = [staged(items(), act, story_us=START, seed=1).stock for act in (second, third)]
    assert np.array_equal(stock[0], stock[1])
    assert np.array_equal(stock[0] == 0, chosen(told.changes[0], N, seed=1))
    assert not np.array_equal(chosen(told.changes[0], N, seed=1), chosen(told.changes[0], N, seed=2))


def test_a_collection_is_born_on_its_day_in_every_act() -> None:
    told = scenario({"kind": "launch", "from_day": 5})
    for act in cast(told):
        born = staged(items(), act, story_us=START, seed=1).born_us
        assert set(born.tolist()) == {0, at(5)}


def test_settings_of_mess_and_world_hold_while_their_change_does() -> None:
    told = scenario(
        {"kind": "mess", "from_day": 1, "until_day": 2, "settings": {"bad_rate": 0.5}},
        {"kind": "world", "from_day": 2, "settings": {"drift": 0.5}},
        mess={"bad_rate": 0.1, "late_rate": 0.2},
        world={"focus": 0.6},
    )
    cut = cast(told)
    assert [act.mess.bad_rate for act in cut] == [0.1, 0.5, 0.1]
    assert {act.mess.late_rate for act in cut} == {0.2}
    assert [dict(act.world) for act in cut] == [{"focus": 0.6}, {"focus": 0.6}, {"focus": 0.6, "drift": 0.5}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "x.toml is no scenario"),
        ('name = "a"\nmeaning = "b"\nfoo = 1', "foo"),
        ('name = "a"\nmeaning = "b"\nworld = { moon = 1 }', "moon"),
        (
            'name = "a"\nmeaning = "b"\n[[changes]]\nkind = "price"\nfrom_day = 4\nuntil_day = 3',
            "until_day after",
        ),
        (
            'name = "a"\nmeaning = "b"\n[[changes]]\nkind = "mess"\nsettings = { bad_rate = 2 }',
            "less than or equal to 1",
        ),
    ],
)
def test_what_is_no_scenario_is_refused_with_its_name_and_the_rule(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        parse_scenario(text, "x.toml")
