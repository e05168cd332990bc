from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shelfwise.app._clock import open_clock
from shelfwise.app.settings import ClockSection, load_settings, origins, template
from shelfwise.domain import InvalidInput, to_us


def write(folder: Path, text: str) -> Path:
    (folder / "shelfwise.toml").write_text(text)
    return folder


def test_the_environment_wins_over_the_file_and_a_flag_over_both(tmp_path: Path) -> None:
    write(tmp_path, "[serve]\nport = 1\nworkers = 3\ndeadline_ms = 20")
    got = load_settings(
        tmp_path,
        environment={"SHELFWISE__SERVE__PORT": "2", "SHELFWISE__SERVE__WORKERS": "4"},
        overrides={"serve": {"port": 5}},
    )
    assert (got.serve.port, got.serve.workers, got.serve.deadline_ms) == (5, 4, 20)


def test_an_unknown_key_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, "[serve]\nprot = 1")
    with pytest.raises(
        InvalidInput, match=r"shelfwise.toml: serve.prot is not a setting; did you mean 'port'\?"
    ):
        load_settings(tmp_path, environment={})


def test_an_unknown_variable_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"environment: serv is not a setting; did you mean 'serve'\?"):
        load_settings(tmp_path, environment={"SHELFWISE__SERV__PORT": "1"})


def test_a_value_out_of_bounds_names_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"environment: serve.workers is 0; expected .*1"):
        load_settings(tmp_path, environment={"SHELFWISE__SERVE__WORKERS": "0"})


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "[serve\nport = 1")
    with pytest.raises(InvalidInput, match=r"shelfwise.toml is not valid TOML: .*line 1"):
        load_settings(tmp_path, environment={})


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    write(tmp_path, "[serve]\nport = 1")
    rows = {
        key: (value, origin)
        for key, value, origin in origins(tmp_path, environment={"SHELFWISE__SHOP__NAME": "A"})
    }
    assert rows["serve.port"] == (1, "shelfwise.toml")
    assert rows["shop.name"] == ("A", "environment")
    assert rows["serve.workers"] == (2, "default")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[rankers.gradient_boosting]\nn_tree = 3",
            r"gradient_boosting.n_tree is not a setting; .* 'n_trees'",
        ),
        ("[rankers.gradient_boosting]\nn_trees = 0", r"rankers.gradient_boosting.n_trees is 0; expected .*1"),
        (
            "[rankers.gradient_bosting]\nn_trees = 3",
            r"rankers.gradient_bosting is not .* 'gradient_boosting'",
        ),
        ("[candidates.colaborative]\nfactors = 8", r"candidates.colaborative is not .* 'collaborative'"),
        ("[candidates.trending]\nhalf_life = 8", r"trending.half_life is not a setting; .* 'half_life_days'"),
        ("[reranking]\nmmr = true", r"shelfwise.toml: reranking.mmr is not a setting"),
    ],
)
def test_learned_parts_check_their_own_settings_when_the_file_is_read(
    tmp_path: Path, text: str, told: str
) -> None:
    write(tmp_path, text)
    with pytest.raises(InvalidInput, match=told):
        load_settings(tmp_path, environment={})


def test_the_template_is_a_valid_file_with_the_defaults(tmp_path: Path) -> None:
    start = datetime(2011, 12, 9, 13, tzinfo=UTC)
    write(tmp_path, template(name='The "Shop"', currency="GBP", clock_start=start))
    got = load_settings(tmp_path, environment={})
    assert (got.shop.name, got.shop.currency, got.clock.start) == ("The 'Shop'", "GBP", start)


def test_a_place_of_ones_own_stands_beside_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, '[placements.footer]\nstrategy = "trending"')
    places = load_settings(tmp_path, environment={}).placements
    assert places["footer"].strategy == "trending"
    assert places["cart"].strategy == "complements"


def test_a_naive_start_of_the_clock_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "[clock]\nstart = 2011-12-09T13:00:00")
    with pytest.raises(InvalidInput, match=r"clock.start .* expected an instant with a time zone"):
        load_settings(tmp_path, environment={})


def test_the_shops_clock_starts_once_and_runs_on(tmp_path: Path) -> None:
    start = datetime(2011, 12, 9, 13, tzinfo=UTC)
    first = open_clock(tmp_path, ClockSection(start=start))
    again = open_clock(tmp_path, ClockSection(start=start))
    assert to_us(start) <= first() < to_us(start) + 60_000_000
    assert abs(again() - first()) < 1_000_000
