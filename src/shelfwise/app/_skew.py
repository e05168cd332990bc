"""The newest answers of the release in use, beside what history tells of the same people, items and instants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shelfwise import features
from shelfwise.domain import Answer, Shelf
from shelfwise.rankers import load_ranker
from shelfwise.serving import read_person
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.stores.adapters.sqlite_log import SqliteLog
from shelfwise.streaming import find_answer

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop


def skew_of(shop: Shop, engine: features.Engine, fits: features.Fits) -> list[features.Skew]:
    """How far logged features are from computed ones; nothing where no answer of the champion was logged."""
    champion, shelf = shop.readers.releases.alias("champion"), shop.readers.shelf_reader.shelf()
    answers = newest_answers(shop, engine, champion) if champion is not None else []
    if champion is None or not answers:
        return []
    names, uncounted = needs_of(shop, champion), uncounted_people(shop, engine)
    answers = [
        answer for answer in answers
        if _person(answer) not in uncounted
        and all(len(row) == 4 * len(names) for row in answer.features)
        and all(item in shelf.row_of for item in answer.items)
    ]  # fmt: skip
    if not answers:
        return []
    wanted = [feature for feature in features.FEATURES if feature.name in names and feature.sql]
    computed = features.training_features(
        engine,
        DeltaLake(shop.layout.lake, read_only=True).files("event_lines"),
        asked_rows(shop, answers, shelf),
        facts=features.Facts(shelf, fits=fits),
        origins=shop.settings.training.origins,
        features=wanted,
    )
    matrix = logged_rows(answers, len(names))
    logged = dict(zip(names, matrix.T, strict=True))
    return features.skews(wanted, logged, computed)


def newest_answers(shop: Shop, engine: features.Engine, release: str) -> list[Answer]:
    """Answers of a release with their features, the newest; those that the log has let go are left out."""
    files = DeltaLake(shop.layout.lake, read_only=True).files("answers")
    limit = shop.settings.features.quality.answers
    if not files or limit == 0:
        return []
    engine.read("answers", files)
    ids = engine.run(
        f"SELECT recommendation_id FROM answers WHERE release = '{release}' AND strategy = 'auto' "  # noqa: S608
        f"GROUP BY recommendation_id ORDER BY MAX(answered_us) DESC LIMIT {limit}"
    )["recommendation_id"].to_pylist()
    log = SqliteLog(shop.layout.log, read_only=True)
    try:
        found = [find_answer(shop.readers.state, log, one) for one in ids]
    finally:
        log.close()
    return [answer for answer in found if answer is not None and answer.features]


def uncounted_people(shop: Shop, engine: features.Engine) -> set[str]:
    """Those of whom a test or a simulation told something: their answers know it, and no counter and no model does."""
    files = DeltaLake(shop.layout.lake, read_only=True).files("event_lines")
    engine.read("lake", files)
    counted = ", ".join(f"'{origin}'" for origin in shop.settings.training.origins)
    told = f"SELECT DISTINCT person FROM lake WHERE bot OR origin NOT IN ({counted})"  # noqa: S608
    return set(engine.run(told)["person"].to_pylist())


def needs_of(shop: Shop, release: str) -> tuple[str, ...]:
    """What a release asks of an item, in the order of logged rows."""
    folder = shop.readers.releases.open(release)
    ranker = json.loads((folder / "settings.json").read_text())["ranker"]
    return load_ranker(ranker, folder / "rankers" / ranker).needs


def asked_rows(shop: Shop, answers: Sequence[Answer], shelf: Shelf) -> pa.Table:
    """Rows of ``features.ASKED``: a row a shown position."""
    rows = [(answer, shelf.row_of[item]) for answer in answers for item in answer.items]
    country = {answer.recommendation_id: _country(shop, answer) for answer in answers}
    told = {
        "person": [_person(answer) for answer, _ in rows],
        "item_row": [row for _, row in rows],
        "as_of_us": [answer.answered_us for answer, _ in rows],
        "offset_minutes": [answer.context.offset_minutes for answer, _ in rows],
        "device_code": [features.device_code(answer.context.device) for answer, _ in rows],
        "country": [country[answer.recommendation_id] for answer, _ in rows],
        "placement_code": [features.placement_code(answer.placement) for answer, _ in rows],
        "referrer_code": [features.referrer_code(answer.context.referrer) for answer, _ in rows],
        "age_years": [answer.context.age for answer, _ in rows],
    }
    return pa.table({field.name: pa.array(told[field.name], field.type) for field in features.ASKED})


def logged_rows(answers: Sequence[Answer], n_features: int) -> NDArray[np.float32]:
    """``(N, F)``."""
    body = b"".join(row for answer in answers for row in answer.features)
    return np.frombuffer(body, "<f4").reshape(-1, n_features)


def _person(answer: Answer) -> str:
    return f"u:{answer.user_id}" if answer.user_id is not None else f"a:{answer.anonymous_id or ''}"


def _country(shop: Shop, answer: Answer) -> str | None:
    if answer.context.country is not None:
        return answer.context.country
    return read_person(shop.readers.state, answer.user_id, answer.anonymous_id).country
