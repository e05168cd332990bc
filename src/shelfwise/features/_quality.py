"""Is what features are made of, and what they became, as declared and as before? All checks, and what they stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.domain import DAY_US, Settings
from shelfwise.features._batch import read_events, training_features
from shelfwise.features._check import Checked, check_columns
from shelfwise.features._declare import Feature
from shelfwise.features._drift import Drift, drifts
from shelfwise.features._engine import Engine
from shelfwise.features._features import FEATURES
from shelfwise.features._feed import FeedSettings, check_feed
from shelfwise.features._finding import Finding, findings_table, objections
from shelfwise.features._joined import NO_FACTS, Facts
from shelfwise.features._skew import Skew


class QualitySettings(Settings):
    """What is looked at, and how closely."""

    feed: FeedSettings = FeedSettings()
    """When a feed is said to have changed."""

    pairs: int = Field(2_000, ge=50, le=100_000)
    """People with an item of theirs, drawn from the active ones, whose features are computed then and now. More sees
    smaller moves and takes longer."""

    active_days: int = Field(30, ge=1, le=365)
    """Days in which a person must have done something to be drawn."""

    answers: int = Field(100, ge=0, le=10_000)
    """Newest logged answers of the release in use whose features are computed again and compared. 0 compares none."""

    seed: int = Field(0, ge=0)
    """Makes the draw repeatable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the checks of one instant found."""

    as_of_us: int
    then_us: int | None  # the instant that is compared with; None: nothing was trained yet
    findings: list[Finding]
    drifts: list[Drift] = field(default_factory=list)
    skews: list[Skew] = field(default_factory=list)

    @property
    def objections(self) -> tuple[str, ...]:
        """Why no release may go live: a sentence each."""
        return objections(self.findings)

    @property
    def table(self) -> pa.Table:
        """``FINDINGS``."""
        return findings_table(self.findings)

    @property
    def drift_table(self) -> pa.Table:
        """A row a feature."""
        return pa.Table.from_pylist([{**asdict(one), "moved": one.moved} for one in self.drifts])

    @property
    def skew_table(self) -> pa.Table:
        """A row a feature."""
        return pa.Table.from_pylist([{**asdict(one), "share": one.share} for one in self.skews])


def check_quality(
    engine: Engine,
    files: Sequence[str],
    *,
    as_of_us: int,
    trained_us: int | None = None,
    facts: Facts = NO_FACTS,
    origins: Sequence[str] = ("real",),
    features: Sequence[Feature] = FEATURES,
    refused: Mapping[str, int] | None = None,
    settings: QualitySettings | None = None,
) -> Quality:
    """Check the feed, then features of people active now against their declarations and against the training.

    Args:
        engine: Where to compute.
        files: Parquet files of ``event_lines``.
        as_of_us: Now.
        trained_us: Instant of the release in use. Compared with is the last one at or before it at this hour of this
            weekday: the rhythm of the week is no drift.
        facts: What no event tells; without a shelf items are not compared with it.
        origins: Whose events count.
        features: Which.
        refused: Rows that ingestion refused lately for their instants, by the rule: without a zone, of the future.
        settings: What is looked at.

    Raises:
        StoreUnavailable: The engine cannot read, or ran out of memory or disk.
    """
    settings = settings or QualitySettings()
    then_us = None if trained_us is None else same_hour_before(trained_us, as_of_us)
    findings = check_feed(engine, files, as_of_us=as_of_us, shelf=facts.shelf, settings=settings.feed)
    findings += check_refused(refused or {})
    if not findings or any(one.check == "schema" and one.stops for one in findings):
        return Quality(as_of_us=as_of_us, then_us=then_us, findings=findings)
    read_events(engine, files, origins=origins)
    instants = [as_of_us] if then_us in (None, as_of_us) else [as_of_us, then_us]
    drawn = [draw_pairs(engine, instant, settings) for instant in instants if instant is not None]
    rows = pa.concat_tables(drawn)
    if drawn[0].num_rows == 0:
        return Quality(as_of_us=as_of_us, then_us=then_us, findings=findings)
    columns = training_features(engine, files, rows, facts=facts, origins=origins, features=features)
    now = _part(columns, slice(0, drawn[0].num_rows))
    findings += check_declared(check_columns(now, features), features)
    moved: list[Drift] = []
    if len(drawn) > 1 and drawn[1].num_rows:
        then = _part(columns, slice(drawn[0].num_rows, None))
        moved = _drifts(
            features,
            drawn[1],
            then,
            drawn[0],
            now,
            known_us=_known_us(engine, instants[1]),
            passed_us=as_of_us - instants[1],
        )
        findings += check_drifts(moved)
    return Quality(as_of_us=as_of_us, then_us=then_us, findings=findings, drifts=moved)


def same_hour_before(trained_us: int, as_of_us: int) -> int:
    """The last instant at or before the training that lies whole weeks before now."""
    weeks = -((trained_us - as_of_us) // (7 * DAY_US))
    return as_of_us - weeks * 7 * DAY_US


def draw_pairs(engine: Engine, instant_us: int, settings: QualitySettings) -> pa.Table:
    """Rows to compute for: people active before an instant, each with one item of theirs. Needs ``event_lines``."""
    since_us = instant_us - settings.active_days * DAY_US
    pairs = engine.run(
        f"SELECT person, MAX_BY(item_row, event_hash % 1000000007 * 256 + line) AS item_row "  # noqa: S608
        f"FROM event_lines WHERE item_row >= 0 "
        f"AND occurred_us >= {int(since_us)} AND occurred_us < {int(instant_us)} GROUP BY person ORDER BY person"
    )
    rng = np.random.default_rng(settings.seed)
    kept = np.sort(rng.permutation(pairs.num_rows)[: settings.pairs])
    pairs = pairs.take(pa.array(kept))
    as_of_us = pa.array(np.full(len(kept), instant_us, np.int64))
    return pa.table(
        {"person": pairs["person"], "item_row": pairs["item_row"].cast(pa.int32()), "as_of_us": as_of_us}
    )


# ---------------------------------------------------------------- findings


def check_declared(checked: Iterable[Checked], features: Sequence[Feature]) -> list[Finding]:
    """Two findings a feature: what is absent, and the range of the rest."""
    declared = {feature.name: feature for feature in features}
    findings = []
    for one in checked:
        feature = declared[one.name]
        if feature.null is None:
            told = f"{one.nulls} of {one.rows} values are absent; expected none"
            findings.append(Finding("nulls", one.name, "critical", one.nulls == 0, one.nulls, 0, told))
        out = one.problem if one.problem and "absent" not in one.problem else None
        low, high = (f"{value:g}" if value is not None else "nothing" for value in (one.low, one.high))
        findings.append(
            Finding(
                "range",
                one.name,
                "critical",
                out is None,
                one.low,
                feature.low,
                out or f"from {low} to {high}",
            )
        )
    return findings


def check_drifts(moved: Iterable[Drift]) -> list[Finding]:
    """A finding a feature. Drift is a reason to train, so it stops no release: it is told."""
    return [
        Finding(
            "drift", one.name, "note" if one.why_not else "warning", not one.moved, one.psi, one.psi_limit,
            f"PSI {one.psi:.3f} of {one.psi_limit:.3f}, KS {one.ks:.3f} of {one.ks_limit:.3f}"
            + (f"; not judged: {one.why_not}" if one.why_not else ""),
        )
        for one in moved
    ]  # fmt: skip


def check_refused(refused: Mapping[str, int]) -> list[Finding]:
    """Rows that ingestion turned away for their instants: they are kept out, so they stop nothing."""
    return [
        Finding("clock", "refused", "warning", n == 0, n, 0, f"{n} rows were refused lately: expected {rule}")
        for rule, n in refused.items()
    ]


# ------------------------------------------------------------ then and now


def _drifts(
    features: Sequence[Feature],
    rows_then: pa.Table,
    then: Mapping[str, NDArray[np.generic]],
    rows_now: pa.Table,
    now: Mapping[str, NDArray[np.generic]],
    *,
    known_us: int,
    passed_us: int,
) -> list[Drift]:
    """Of features of items a value an item; of all others a value a person: each has one row."""
    once_then, once_now = (
        np.unique(rows["item_row"].to_numpy(), return_index=True)[1] for rows in (rows_then, rows_now)
    )
    of_items = {feature.name for feature in features if feature.entity == "item"}
    return drifts(
        features,
        {name: column[once_then] if name in of_items else column for name, column in then.items()},
        {name: column[once_now] if name in of_items else column for name, column in now.items()},
        known_us=known_us,
        passed_us=passed_us,
    )


def _known_us(engine: Engine, instant_us: int) -> int:
    """How much history lies before an instant."""
    first = engine.run("SELECT MIN(occurred_us) AS first_us FROM event_lines")["first_us"][0].as_py()
    return max(instant_us - first, 0) if first is not None else 0


def _part(columns: Mapping[str, NDArray[np.generic]], rows: slice) -> dict[str, NDArray[np.generic]]:
    return {name: column[rows] for name, column in columns.items()}
