"""Settings of a training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shelfwise.domain import Settings


class TrainingSettings(Settings):
    """How a release is made."""

    window_days: int = Field(14, ge=1, le=90)
    """Days of outcomes that one training window looks at, and that the judge holds back."""

    n_windows: int = Field(6, ge=2, le=52)
    """Past windows the ranker learns from. More is slower, and no better beyond 6 (measured up to 8)."""

    pool_size: int = Field(120, ge=20, le=2_000)
    """Candidates per query in serving. From 100 to 300 the answers are equally good, and the time grows with it."""

    training_pool_size: int = Field(300, ge=20, le=2_000)
    """Candidates per query that the ranker learns from; wider than in serving, so that it sees what to leave out."""

    negative_share: float = Field(0.08, gt=0.0, le=1.0)
    """Share of the candidates not bought that the ranker learns from. Lower fits faster and is a little noisier."""

    max_people: int = Field(1_500, ge=50)
    """People sampled per window; all of them if there are fewer."""

    features: tuple[str, ...] = ("items", "people", "sessions", "pairs", "context", "fits")
    """What the ranker is given beside the sources' signals: names of families and of single features, as
    `shelfwise features list` has them. More take longer to train and to serve; the default is the recipe that was
    chosen on real purchases."""

    threads: int = Field(0, ge=0, le=256)
    """Threads to train with; 0 uses all cores."""

    memory_mb: int = Field(1_000, ge=200)
    """What the batch engine may use before it spills to disk."""

    seed: int = Field(0, ge=0)
    """Makes a training repeatable."""

    origins: tuple[Literal["real", "simulated", "test"], ...] = ("real",)
    """Whose events to learn from."""

    gate_tolerance: float = Field(0.05, ge=0, le=1)
    """A release's lift over plain lists may be this share below the champion's, and it still goes live.
    0 demands that it never is; noise then blocks half of all retrainings."""


class PartSettings(Settings):
    """Settings of learned parts by name; each part checks its own."""

    candidates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Per source."""

    rankers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Per ranker."""
