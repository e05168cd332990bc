"""Judges lists on held-back time over the full catalogue, beside plain baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, PURCHASE, PersonState
from shelfwise.evaluation import (
    Interval,
    Truth,
    bootstrap_mean,
    catalogue_coverage,
    hit_rate_at,
    ndcg_at,
    novelty,
    paired_bootstrap,
    recall_at,
    reciprocal_rank_at,
)
from shelfwise.training._snapshot import Snapshot

BASELINES = ("popular", "popular_recent", "buy_again")
K = 10  # positions judged: what a shopper sees without scrolling far


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """People known before an instant, and what they bought in the window after it."""

    as_of_us: int
    end_us: int
    person: NDArray[np.int32]  # (B,) person rows
    bought: tuple[NDArray[np.int32], ...]  # per person, item rows, each once
    seen: tuple[NDArray[np.int32], ...]  # per person, item rows bought before the instant


@dataclass(frozen=True, slots=True)
class Mark:
    """Means over people with something to find, and a 95 % interval of NDCG."""

    n_people: int
    ndcg: Interval
    recall: float
    hit_rate: float
    mrr: float
    coverage: float
    novelty_bits: float

    def row(self) -> dict[str, float]:
        """For tables and manifests."""
        return {
            "people": self.n_people,
            f"ndcg@{K}": self.ndcg.mean,
            "low": self.ndcg.low,
            "high": self.ndcg.high,
            f"recall@{K}": self.recall,
            f"hit_rate@{K}": self.hit_rate,
            f"mrr@{K}": self.mrr,
            "coverage": self.coverage,
            "novelty_bits": self.novelty_bits,
        }


def set_exam(snapshot: Snapshot, *, as_of_us: int, end_us: int, limit: int, rng: np.random.Generator) -> Exam:
    """Everybody who had bought before and bought again in the window; a sample if more than ``limit``."""
    bought = snapshot.buyers(as_of_us, end_us)
    before = {person: snapshot.bought_by(person, before_us=as_of_us) for person in bought}
    people = np.array([person for person, items in before.items() if len(items)], np.int32)
    if len(people) > limit:
        people = np.sort(rng.choice(people, limit, replace=False))
    return Exam(
        as_of_us,
        end_us,
        people,
        tuple(bought[int(p)] for p in people),
        tuple(before[int(p)] for p in people),
    )


def judge(
    exam: Exam, lists: NDArray[np.int32], *, never_bought: bool, popularity: NDArray[np.float64], seed: int
) -> tuple[Mark, NDArray[np.float64]]:
    """Mark lists ``(B, K)`` of item rows, -1 where short; and the NDCG of each judged person.

    With ``never_bought`` the truth is only what a person had never bought before, people left with nothing are
    dropped, and lists are expected to hold nothing bought before.
    """
    truths = [set(b.tolist()) - (set(s.tolist()) if never_bought else set()) for b, s in _pairs(exam)]
    kept = np.array([bool(truth) for truth in truths], np.bool_)
    truth = Truth.of([truth for truth in truths if truth])
    ranked = lists[kept]
    ndcg = ndcg_at(K, ranked, truth)
    mark = Mark(
        n_people=len(truth),
        ndcg=bootstrap_mean(ndcg, np.random.default_rng(seed)),
        recall=float(recall_at(K, ranked, truth).mean()),
        hit_rate=float(hit_rate_at(K, ranked, truth).mean()),
        mrr=float(reciprocal_rank_at(K, ranked, truth).mean()),
        coverage=catalogue_coverage(ranked[:, :K], len(popularity)),
        novelty_bits=float(np.nanmean(novelty(ranked[:, :K], popularity))) if (ranked >= 0).any() else 0.0,
    )
    return mark, ndcg


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int) -> Interval:
    """How much better our lists are, with a paired interval over people."""
    return paired_bootstrap(ours, theirs, np.random.default_rng(seed))


def user_share(snapshot: Snapshot, *, before_us: int) -> NDArray[np.float64]:
    """Share of people who ever bought each item, ``(I,)``: what novelty is measured against."""
    history = snapshot.interactions(before_us=before_us).only(PURCHASE)
    pairs = np.unique(history.user.astype(np.int64) * snapshot.n_items + history.item)
    counts = np.bincount(pairs % snapshot.n_items, minlength=snapshot.n_items)
    return counts / max(len(snapshot), 1)


def baselines(snapshot: Snapshot, exam: Exam, *, never_bought: bool) -> dict[str, NDArray[np.int32]]:
    """The lists that a release must beat: best sellers, recent best sellers, and one's own again."""
    history = snapshot.interactions(before_us=exam.as_of_us).only(PURCHASE)
    recent = history.take(history.at_us >= exam.as_of_us - 14 * DAY_US)
    popular = np.bincount(history.item, minlength=snapshot.n_items).astype(np.float64)
    lately = np.bincount(recent.item, minlength=snapshot.n_items).astype(np.float64)
    nothing = (np.empty(0, np.int32), np.empty(0))
    scores = {
        "popular": (popular, [nothing] * len(exam.person)),
        "popular_recent": (lately, [nothing] * len(exam.person)),
        "buy_again": (lately / (1 + lately.max()) * 1e-3, own_counts(snapshot, exam)),
    }
    return {
        name: _lists(exam, everyone, mine, never_bought=never_bought)
        for name, (everyone, mine) in scores.items()
    }


def own_counts(
    snapshot: Snapshot, exam: Exam, *, half_life_days: float = 90.0
) -> list[tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Per person, items bought and how often, halved every ``half_life_days``."""
    return [
        _own_count(snapshot.person(int(p), before_us=exam.as_of_us), exam, half_life_days)
        for p in exam.person
    ]


def _own_count(
    person: PersonState, exam: Exam, half_life_days: float
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    lines = person.of(PURCHASE)
    lines = lines[lines["item"] >= 0]
    weight = np.power(0.5, (exam.as_of_us - lines["at_us"]) / (half_life_days * DAY_US))
    item, where = np.unique(lines["item"], return_inverse=True)
    return item, np.bincount(where, weight, minlength=len(item)).astype(np.float64)


def _lists(
    exam: Exam,
    everyone: NDArray[np.float64],
    mine: Sequence[tuple[NDArray[np.int32], NDArray[np.float64]]],
    *,
    never_bought: bool,
) -> NDArray[np.int32]:
    """Best first by what everyone bought plus what is one's own, lower rows first on ties; nothing that scores 0."""
    best = np.argsort(-everyone, kind="stable").astype(np.int32)
    lists = np.full((len(exam.person), K), -1, np.int32)
    for row, ((item, extra), seen) in enumerate(zip(mine, exam.seen, strict=True)):
        near = np.union1d(best[: K + len(item) + len(seen)], item)  # no other can be among the first K
        score = everyone[near]
        score[np.searchsorted(near, item)] += extra
        if never_bought:
            score[np.isin(near, seen)] = 0.0
        top = np.argsort(-score, kind="stable")[:K]
        lists[row, : len(top)] = np.where(score[top] > 0, near[top], -1)
    return lists


def _pairs(exam: Exam) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    return list(zip(exam.bought, exam.seen, strict=True))
