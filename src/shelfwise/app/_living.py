"""All features as they are now: of people of late and items for them, as the request tells a ranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise import features
from shelfwise.app._features import lake_files, open_engine
from shelfwise.app._skew import newest_answers
from shelfwise.domain import Context, Query, from_us
from shelfwise.features import Assembler, FeatureFit, Relations
from shelfwise.rankers import importance
from shelfwise.serving import Pipeline, read_person
from shelfwise.training import take_snapshot

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

PEOPLE, PER_PERSON = 300, 10
Asked = tuple[str, Context]  # where on the site, and with what
_PLAIN: tuple[Asked, ...] = (("home", Context()), ("product", Context()))


@dataclass(frozen=True, slots=True, eq=False)
class Living:
    """A row per person and item that was looked at."""

    names: tuple[str, ...]  # features, then three of each signal
    values: NDArray[np.float32]  # (N, F) NaN where there is nothing
    unfitted: frozenset[str]  # made of fits that nobody made: their columns hold nothing
    share: Mapping[str, float]  # what the champion's ranker goes by, adding up to 1
    people: int
    signals: tuple[str, ...]
    release: str


def living(
    shop: Shop,
    *,
    people: int = PEOPLE,
    fit: bool = False,
    asked_with: Sequence[Asked] = (),
) -> Living:
    """Ask for people active of late, each about an item of theirs and some that their champion proposes.

    Args:
        shop: With a release; else NotTrained is raised.
        people: How many at most.
        fit: Fit what the release does not carry, as of now; takes seconds. Without, it is told as ``unfitted``.
        asked_with: What people ask with in turn; that of the newest logged answers if not given, and plain questions
            on the home page and on that of a product where there are none.
    """
    shop.drain()
    now_us, pipeline = shop.clock(), shop.door.pipeline()
    with open_engine(shop, "duckdb") as engine:
        features.read_events(engine, lake_files(shop), origins=shop.settings.training.origins)
        pairs = features.draw_pairs(
            engine, now_us, shop.settings.features.quality.model_copy(update={"pairs": people})
        )
        asked_with = asked_with or _logged(shop, engine, pipeline.release.release_id) or _PLAIN
    telling, unfitted = _telling_all(shop, pipeline, fit=fit)
    drawn = zip(pairs["person"].to_pylist(), pairs["item_row"].to_pylist(), strict=True)
    rng, rows = np.random.default_rng(0), []
    for at, (key, item) in enumerate(drawn):
        query = _query(shop, key, item, asked_with[at % len(asked_with)], now_us)
        person = read_person(shop.readers.state, query.user_id, query.anonymous_id)
        pool = pipeline.pool(query, person)[0].item
        chosen = rng.permutation(pool[pool != item])[: PER_PERSON - 1]
        rows.append(telling.features_of(query, person, np.concatenate([[item], chosen]).astype(np.int32)))
    names = telling.release.assembler.needs
    values = np.concatenate(rows) if rows else np.empty((0, len(names)), np.float32)
    release = telling.release
    return Living(
        names, values, unfitted, champion_shares(shop), len(rows), release.signal_names, release.release_id
    )  # fmt: skip


def catalogue(shop: Shop | None, *, html: Path | None = None) -> list[dict[str, Any]]:
    """A row a feature: its declaration, an example, how often it is absent, what it is worth to the ranker in use.

    Without a shop that was trained only the declarations are told.

    Args:
        shop: Whose.
        html: Write a page, with how each feature is spread; what the release does not carry is fitted for it.
    """
    told = living(shop, fit=html is not None) if shop is not None and _is_trained(shop) else None
    spreads = {} if told is None else _spreads(told)
    if html is not None:
        write_catalogue(shop, told, html)
    shares = told.share if told is not None else {}
    return [
        {**row, **_now(spreads.get(row["name"])), "importance": shares.get(row["name"])}
        for row in features.catalogue_rows(_listed(told))
    ]


def write_catalogue(shop: Shop | None, told: Living | None, to: Path) -> None:
    """The page of all features: of a shop that was looked at with how each is spread, else their declarations."""
    name = "no shop" if shop is None else shop.settings.shop.name
    sample = _NOT_YET if shop is None or told is None else _sample_of(shop, told)
    to.write_text(
        features.render_catalogue_page(
            _listed(told), name=name, sample=sample,
            spreads={} if told is None else _spreads(told),
            shares={} if told is None else told.share,
            unfitted=() if told is None else told.unfitted,
        )
    )  # fmt: skip


def _listed(told: Living | None) -> tuple[features.Feature, ...]:
    return features.features_for(told.signals if told is not None else ())


def _is_trained(shop: Shop) -> bool:
    return shop.readers.releases.alias("champion") is not None


def _spreads(told: Living) -> dict[str, features.Spread]:
    columns = zip(told.names, told.values.T, strict=True)
    return {name: features.spread(column) for name, column in columns if name not in told.unfitted}


def _now(spread: features.Spread | None) -> dict[str, Any]:
    if spread is None:
        return {"example": None, "absent": None}
    return {"example": spread.example, "absent": spread.nulls / spread.rows if spread.rows else None}


_NOT_YET = "There is no release yet: values are told once the shop is trained."


def _sample_of(shop: Shop, told: Living) -> str:
    return (
        f"Values are of {told.people} people active of late, each with up to {PER_PERSON} items, as the request tells "
        f"them at {from_us(shop.clock()):%Y-%m-%d %H:%M} UTC; the gain is that of all trees of release {told.release}."
    )


def champion_shares(shop: Shop) -> dict[str, float]:
    """What the ranker in use goes by, by feature. Raises NotTrained."""
    pipeline = shop.door.pipeline()
    ranker = pipeline.release.ranker
    if ranker is None:
        return {}
    folder = shop.readers.releases.open(pipeline.release.release_id)
    return importance(ranker.name, folder / "rankers" / ranker.name)


def _logged(shop: Shop, engine: features.Engine, release: str) -> list[Asked]:
    """What the newest answers were asked with."""
    return [(answer.placement, answer.context) for answer in newest_answers(shop, engine, release)]


def _query(shop: Shop, key: str, item: int, asked: Asked, now_us: int) -> Query:
    """A question of a person; on the page of a product the item is what they look at."""
    placement, context = asked
    if context.country is None:
        context = msgspec.structs.replace(context, country=shop.settings.shop.country)
    known, visitor = (key[2:], None) if key.startswith("u:") else (None, key[2:])
    seeds = np.array([item] if placement == "product" else [], np.int32)
    return Query(
        size=10, asked_us=now_us, user_id=known, anonymous_id=visitor, placement=placement, seeds=seeds, context=context
    )  # fmt: skip


def _telling_all(shop: Shop, pipeline: Pipeline, *, fit: bool) -> tuple[Pipeline, frozenset[str]]:
    """The pipeline in use, but it tells every feature; and the names of those that it cannot."""
    release = pipeline.release
    folder = shop.readers.releases.open(release.release_id)
    fitted, relations = _arrays(folder / "fitted"), _arrays(folder / "relations")
    wanted = {*features.FITTED_COLUMNS, *features.LIKENESS_COLUMNS}
    lacks = wanted - set(fitted) - (set(features.LIKENESS_COLUMNS) if relations else set())
    near = Relations.of(relations) if relations else None
    if fit and lacks:
        made = _fitted_now(shop, wanted)
        fitted, near, lacks = dict(made.columns), made.relations, set()
    names = features.feature_names(release.signal_names)
    assembler = Assembler(names, release.signal_names, fitted, near)
    return replace(pipeline, release=replace(release, assembler=assembler)), _made_of(lacks)


def _made_of(columns: set[str]) -> frozenset[str]:
    """Features that read any of these base columns."""
    return frozenset(
        one.name for one in features.FEATURES if one.expr is not None and columns & set(one.expr.columns())
    )


def _arrays(folder: Path) -> dict[str, NDArray[np.float32]]:
    return {file.stem: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}


def _fitted_now(shop: Shop, wanted: set[str]) -> FeatureFit:
    """As of now, from the lake."""
    shelf, training, now_us = shop.readers.shelf_reader.shelf(), shop.settings.training, shop.clock()
    snapshot = take_snapshot(
        lake_files(shop), n_items=len(shelf), origins=training.origins, memory_mb=training.memory_mb,
        threads=training.threads,
    )  # fmt: skip
    return features.fit_release(
        snapshot.interactions(before_us=now_us), shelf, as_of_us=now_us, wanted=wanted
    )
