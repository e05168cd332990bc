from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shelfwise.domain import BadRelease, UnknownName
from shelfwise.rankers import fit_ranker, importance, load_ranker

NEEDS = ("collaborative__score", "trending__score", "similar__score")


def slates(rng: np.random.Generator, n_queries: int = 300, size: int = 15) -> tuple[np.ndarray, ...]:
    """Slates where the first source knows what is bought, the second half knows it, the third is noise."""
    taste = rng.random((n_queries, size))
    bought = (taste == taste.max(axis=1, keepdims=True)).astype(np.float32)
    x = np.stack([taste, 0.5 * taste + 0.5 * rng.random(taste.shape), rng.random(taste.shape)], axis=2)
    return (
        x.reshape(-1, 3).astype(np.float32),
        bought.ravel(),
        np.repeat(np.arange(n_queries, dtype=np.int32), size),
    )


def test_the_source_that_knows_gets_the_say(tmp_path: Path) -> None:
    x, bought, query = slates(np.random.default_rng(0))
    fit_ranker("vote", x, bought, query, needs=NEEDS, settings={}).save(tmp_path)
    weight = load_ranker("vote", tmp_path).weight  # type: ignore[attr-defined]
    assert weight[0] > 3 * weight[1] >= 0
    assert weight[0] > 10 * weight[2] >= 0


def test_the_vote_explains_itself_and_ignores_the_silent(tmp_path: Path) -> None:
    x, bought, query = slates(np.random.default_rng(0))
    fit_ranker("vote", x, bought, query, needs=NEEDS, settings={}).save(tmp_path)
    vote = load_ranker("vote", tmp_path)
    rows = x[:15].copy()
    rows[3] = np.nan
    assert vote.explain(rows).sum(axis=1) == pytest.approx(vote.score(rows), rel=1e-6, abs=1e-6)
    assert vote.score(rows)[3] == 0.0


def test_scores_do_not_depend_on_a_sources_scale(tmp_path: Path) -> None:
    x, bought, query = slates(np.random.default_rng(0))
    fit_ranker("vote", x, bought, query, needs=NEEDS, settings={}).save(tmp_path)
    vote = load_ranker("vote", tmp_path)
    assert vote.score(x[:15] * np.array([1000, 0.01, 7], np.float32)) == pytest.approx(
        vote.score(x[:15]), abs=1e-5
    )


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ranker.json").write_text('{"needs": ["a"], "weight": [-1]}')
    with pytest.raises(BadRelease, match="at least 0"):
        load_ranker("vote", tmp_path)


def test_a_wrong_name_is_answered_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'vote'"):
        load_ranker("votes", tmp_path)


def test_importance_is_the_share_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "ranker.json").write_text('{"needs": ["a", "b"], "weight": [3.0, 1.0]}')
    assert importance("vote", tmp_path) == {"a": 0.75, "b": 0.25}
    (tmp_path / "ranker.json").write_text('{"needs": ["a"], "weight": [0.0]}')
    assert importance("vote", tmp_path) == {"a": 0.0}
