from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from shelfwise.domain import BadRelease, InvalidInput, UnknownName
from shelfwise.rankers import fit_ranker, importance, load_ranker

NEEDS = tuple(f"f{i}" for i in range(8))


def planted(rng: np.random.Generator, n_queries: int = 60, size: int = 20) -> tuple[np.ndarray, ...]:
    """Rows whose label follows column 0, unless column 1 is missing."""
    x = rng.normal(size=(n_queries * size, len(NEEDS))).astype(np.float32)
    x[rng.random(len(x)) < 0.3, 1] = np.nan
    taste = np.where(np.isnan(x[:, 1]), -x[:, 0], x[:, 0])
    label = (taste > 1.0).astype(np.float32)
    return x, label, np.repeat(np.arange(n_queries, dtype=np.int32), size)


@pytest.mark.parametrize("objective", ["rank:ndcg", "binary:logistic"])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_the_kernel_gives_the_margins_of_xgboost(tmp_path: Path, objective: str, depth: int) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fitted = fit_ranker(
        "gradient_boosting", x, label, query, needs=NEEDS,
        settings={"objective": objective, "depth": depth, "n_trees": 30, "min_child_weight": 1.0},
    )  # fmt: skip
    fitted.save(tmp_path)
    fresh = planted(np.random.default_rng(1), n_queries=7, size=19)[
        0
    ]  # 133 rows: not a whole number of blocks
    fresh[::5] = np.nan
    fresh[1::7] = -0.0
    fresh[2::7] = 0.0
    ours = load_ranker("gradient_boosting", tmp_path).score(fresh)
    theirs = fitted.booster.predict(xgb.DMatrix(fresh, missing=np.nan), output_margin=True)
    assert np.abs(ours - theirs).max() < 1e-5


def test_columns_that_never_vary_are_left_out_of_the_fit_and_kept_in_the_answer(tmp_path: Path) -> None:
    x, label, query = planted(np.random.default_rng(0))
    dull = np.column_stack([np.full(len(x), np.nan), np.ones(len(x)), x]).astype(np.float32)
    needs = ("never_known", "always_one", *NEEDS)
    settings = {"min_child_weight": 1, "feature_share": 1.0, "row_share": 1.0}
    bright = fit_ranker("gradient_boosting", x, label, query, needs=NEEDS, settings=settings)
    fit_ranker("gradient_boosting", dull, label, query, needs=needs, settings=settings).save(tmp_path)
    ranker = load_ranker("gradient_boosting", tmp_path)
    dull[:, :2] = 7.0
    assert ranker.score(dull) == pytest.approx(bright.ranker(tmp_path / "bright").score(x), abs=1e-6)
    parts = ranker.explain(dull)
    assert parts.shape == (len(x), len(needs) + 1)
    assert not parts[:, :2].any()


def test_where_nothing_varies_all_rows_score_the_same(tmp_path: Path) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fit_ranker("gradient_boosting", np.ones_like(x), label, query, needs=NEEDS, settings={}).save(tmp_path)
    score = load_ranker("gradient_boosting", tmp_path).score(x)
    assert np.isfinite(score).all()
    assert np.ptp(score) == 0


def test_a_row_scores_the_same_alone_and_in_company(tmp_path: Path) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fit_ranker("gradient_boosting", x, label, query, needs=NEEDS, settings={"n_trees": 10}).save(tmp_path)
    ranker = load_ranker("gradient_boosting", tmp_path)
    together = ranker.score(x[:130])
    assert np.array_equal(together, [ranker.score(x[i : i + 1])[0] for i in range(130)])
    assert len(ranker.score(x[:0])) == 0


def test_explanations_sum_to_the_score(tmp_path: Path) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fit_ranker(
        "gradient_boosting",
        x,
        label,
        query,
        needs=NEEDS,
        settings={"min_child_weight": 1, "feature_share": 1.0},
    ).save(tmp_path)
    ranker = load_ranker("gradient_boosting", tmp_path)
    parts = ranker.explain(x[:50])
    assert parts.shape == (50, len(NEEDS) + 1)
    assert parts.sum(axis=1) == pytest.approx(ranker.score(x[:50]), abs=1e-4)
    assert np.abs(parts[:, :2]).sum() > 20 * np.abs(parts[:, 2:8]).sum() / 6  # the planted columns carry it


def test_a_planted_taste_is_learned(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, label, query = planted(rng, n_queries=200)
    fit_ranker(
        "gradient_boosting",
        x,
        label,
        query,
        needs=NEEDS,
        settings={"min_child_weight": 1, "feature_share": 1.0},
    ).save(tmp_path)
    fresh, relevant, _ = planted(rng, n_queries=50)
    score = load_ranker("gradient_boosting", tmp_path).score(fresh)
    better = score[relevant == 1][:, None] > score[relevant == 0][None, :]
    assert better.mean() > 0.97


def test_a_fit_is_repeatable() -> None:
    x, label, query = planted(np.random.default_rng(0))
    fits = [
        fit_ranker("gradient_boosting", x, label, query, needs=NEEDS, settings={"n_trees": 5})
        for _ in range(2)
    ]
    assert fits[0].booster.save_raw("json") == fits[1].booster.save_raw("json")


def test_rows_of_a_query_must_stand_side_by_side() -> None:
    x, label, _ = planted(np.random.default_rng(0), n_queries=1)
    with pytest.raises(InvalidInput, match="side by side"):
        fit_ranker("gradient_boosting", x, label, np.arange(20)[::-1], needs=NEEDS, settings={})


@pytest.mark.parametrize("name", ["threshold", "leaf", "feature", "missing_right"])
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fit_ranker("gradient_boosting", x, label, query, needs=NEEDS, settings={"n_trees": 3}).save(tmp_path)
    array = np.load(tmp_path / f"{name}.npy")
    np.save(tmp_path / f"{name}.npy", array[:-1] if name != "feature" else array + np.int16(100))
    with pytest.raises(BadRelease, match="expected"):
        load_ranker("gradient_boosting", tmp_path)


def test_the_kernel_stays_inside_its_arrays() -> None:
    code = (
        "import numpy as np\n"
        "from shelfwise.rankers.gradient_boosting.serve import Forest\n"
        "rng = np.random.default_rng(0)\n"
        "f = Forest.of(rng.integers(0, 9, (4, 31)).astype(np.int16), rng.normal(size=(4, 31)).astype(np.float32),\n"
        "           np.ones((4, 31), np.uint8), rng.normal(size=(4, 32)).astype(np.float32), base=0.5)\n"
        "for n in (0, 1, 63, 64, 65, 200): f.score(rng.normal(size=(n, 9)).astype(np.float32))\n"
    )
    env = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": os.devnull + "-none",
        "NUMBA_DISABLE_JIT": "0",
    }
    env.pop("NUMBA_CACHE_DIR")
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importance_is_the_share_of_all_gain_and_falls_on_what_was_planted(tmp_path: Path) -> None:
    x, label, query = planted(np.random.default_rng(0))
    fitted = fit_ranker(
        "gradient_boosting",
        x,
        label,
        query,
        needs=NEEDS,
        settings={"min_child_weight": 1, "feature_share": 1.0},
    )
    fitted.save(tmp_path)
    share = importance("gradient_boosting", tmp_path)
    assert tuple(share) == NEEDS
    assert sum(share.values()) == pytest.approx(1.0)
    gain = fitted.booster.get_score(importance_type="total_gain")
    told = {f"f{at}": share[name] for at, name in enumerate(NEEDS) if share[name]}
    assert told == pytest.approx({name: value / sum(gain.values()) for name, value in gain.items()}, rel=1e-5)
    assert share[NEEDS[0]] + share[NEEDS[1]] > 0.9  # the label is made of these two


def test_a_ranker_that_is_not_there_has_no_importance(tmp_path: Path) -> None:
    with pytest.raises(BadRelease, match="cannot be read"):
        importance("gradient_boosting", tmp_path)
    with pytest.raises(UnknownName, match="ranker"):
        importance("oracle", tmp_path)
