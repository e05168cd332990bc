"""The feature catalogue, features computed in a batch, and the checks of their quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from shelfwise import features
from shelfwise.app._quality import keep_summary
from shelfwise.app._skew import skew_of
from shelfwise.domain import DAY_US, NotFound
from shelfwise.serving import read_person
from shelfwise.stores.adapters.delta_lake import DeltaLake

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

EngineName = Literal["duckdb", "spark"]
_REFUSED_DAYS = 7  # how long a refused row is called recent
_PLACEMENT = "home"  # where a question is asked that does not say
_GATE_PAIRS = 300  # people whose features are looked at before a release: ranges need fewer than drift does


def compute_shop(
    shop: Shop, *, user_id: str, items: Sequence[str], engine: EngineName
) -> list[dict[str, Any]]:
    """A row an item: what a batch engine makes of the lake, as of now. Raises NotFound for an item."""
    shop.drain()
    shelf, now_us = shop.readers.shelf_reader.shelf(), shop.clock()
    unknown = next((item for item in items if item not in shelf.row_of), None)
    if unknown is not None:
        raise NotFound("item", unknown)
    person = read_person(shop.readers.state, user_id, None)
    asked = pa.table(
        {
            "person": [f"u:{user_id}"] * len(items),
            "item_row": pa.array([shelf.row_of[item] for item in items], pa.int32()),
            "as_of_us": pa.array([now_us] * len(items), pa.int64()),
            "country": pa.array([shop.settings.shop.country or person.country] * len(items), pa.string()),
            "placement_code": pa.array([features.placement_code(_PLACEMENT)] * len(items), pa.int16()),
        }
    )
    with open_engine(shop, engine) as batch:
        made = features.compute(
            batch,
            lake_files(shop),
            asked,
            facts=facts_of(shop, now_us, champion_fits(shop)),
            origins=shop.settings.training.origins,
        )
    rows = made.drop_columns(asked.column_names).to_pylist()
    return [{"item_id": item, **row} for item, row in zip(items, rows, strict=True)]


def check_shop(shop: Shop, *, engine: EngineName = "duckdb", html: Path | None = None) -> features.Quality:
    """All checks as of now, drift against the champion's training, skew of what its answers were told.

    Kept for the metrics, and as a page if asked.
    """
    shop.drain()
    now_us, fits = shop.clock(), champion_fits(shop)
    with open_engine(shop, engine) as batch:
        quality = features.check_quality(
            batch,
            lake_files(shop),
            as_of_us=now_us,
            trained_us=_champion_us(shop),
            facts=facts_of(shop, now_us, fits),
            origins=shop.settings.training.origins,
            refused=_refused(shop),
            settings=shop.settings.features.quality,
        )
        skews = skew_of(shop, batch, fits)
    quality = replace(quality, findings=[*quality.findings, *features.check_skews(skews)], skews=skews)
    keep_summary(shop.layout, quality)
    if html is not None:
        html.write_text(features.render_quality(quality, name=shop.settings.shop.name))
    return quality


def objections_of(shop: Shop, files: Sequence[str], *, as_of_us: int) -> tuple[str, ...]:
    """Why no release may be made of this lake: critical checks that fail. None where the gate is switched off."""
    section = shop.settings.features
    if not section.gate:
        return ()
    settings = section.quality.model_copy(update={"pairs": min(section.quality.pairs, _GATE_PAIRS)})
    with open_engine(shop, "duckdb") as batch:
        quality = features.check_quality(
            batch,
            files,
            as_of_us=as_of_us,
            facts=facts_of(shop, as_of_us, {}),
            origins=shop.settings.training.origins,
            settings=settings,
        )
    return quality.objections


@contextmanager
def open_engine(shop: Shop, name: EngineName) -> Iterator[features.Engine]:
    """The batch engine of this name. Raises InvalidInput where Spark is not installed."""
    if name == "spark":
        with features.Spark(shop.settings.features.spark) as spark:
            yield spark
    else:
        with features.DuckDB(features.DuckDBSettings(memory_mb=shop.settings.training.memory_mb)) as duckdb:
            yield duckdb


def lake_files(shop: Shop) -> list[str]:
    """Parquet files of all events."""
    return DeltaLake(shop.layout.lake, read_only=True).files("event_lines")


def facts_of(shop: Shop, now_us: int, fits: features.Fits) -> features.Facts:
    """What the catalogue says now, and fits."""
    return features.Facts(shop.readers.shelf_reader.shelf(), shop.readers.live.view(), now_us, fits)


def champion_fits(shop: Shop) -> features.Fits:
    """The item columns of the release in use, by the instant it was trained as of; none without one."""
    releases, trained_us = shop.readers.releases, _champion_us(shop)
    champion = releases.alias("champion")
    if champion is None or trained_us is None:
        return {}
    folder = releases.open(champion) / "fitted"
    return {
        trained_us: {file.stem: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
    }


def _champion_us(shop: Shop) -> int | None:
    """The instant the champion was trained as of; None without one."""
    releases = shop.readers.releases
    champion = releases.alias("champion")
    trained = releases.manifest(champion).get("trained", {}) if champion is not None else {}
    as_of = trained.get("as_of")
    return int(np.datetime64(as_of[:26], "us").astype(np.int64)) if as_of else None


def _refused(shop: Shop) -> dict[str, int]:
    """Rows refused lately for their instants, by the rule they broke."""
    since_us = shop.clock() - _REFUSED_DAYS * DAY_US
    rules = [
        str(letter["rule"])
        for letter in shop.readers.control.dead_letters(limit=10_000)
        if letter["field"] == "occurred_at" and letter["at_us"] >= since_us
    ]
    return {rule: rules.count(rule) for rule in sorted(set(rules))}
