"""Whatever is wrong with its files, a source is refused as a bad release: kernels trust what they are given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.world import DAY

from shelfwise.candidates import FittedSource, load_source
from shelfwise.candidates.estimators import (
    BuyAgain,
    Complements,
    ContentKNN,
    Ease,
    Estimator,
    ImplicitALS,
    ItemKNN,
    SessionKNN,
    Trending,
)
from shelfwise.domain import SOURCES, BadRelease

Fault = Callable[[Path], None]


def missing(file: Path) -> None:
    file.unlink()


def empty_file(file: Path) -> None:
    file.write_bytes(b"")


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: max(len(file.read_bytes()) * 2 // 3, 20)])


def of_another_kind(file: Path) -> None:
    np.save(file, np.load(file).astype(np.complex64))


def flat_or_deep(file: Path) -> None:
    np.save(file, np.load(file)[None])


def no_values(file: Path) -> None:
    values = np.load(file)
    np.save(file, np.empty((0,) * values.ndim, values.dtype))


def one_too_many(file: Path) -> None:
    values = np.load(file)
    last = np.full((1, *values.shape[1:]), 255, values.dtype)
    np.save(file, np.concatenate([values, last]))


def pickled(file: Path) -> None:
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)


FAULTS = [missing, empty_file, cut_short, of_another_kind, flat_or_deep, no_values, one_too_many, pickled]
POINTERS = ("neighbour", "item", "posting", "target", "held_item", "day_item")
STARTS = ("start", "posting_start", "held_start", "day_start")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("name", SOURCES)
def test_a_broken_array_of_a_source_is_a_bad_release(
    name: str, fault: Fault, fitted: dict[str, FittedSource], tmp_path: Path
) -> None:
    _every_array_is_guarded(fitted[name].save, lambda folder: load_source(name, folder), fault, tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_lists_of_a_source_that_point_outside_are_a_bad_release(
    name: str, fitted: dict[str, FittedSource], tmp_path: Path
) -> None:
    _every_pointer_is_guarded(fitted[name].save, lambda folder: load_source(name, folder), tmp_path)


@pytest.mark.parametrize(
    "about", [None, "", "{", "[]", "{}", '{"settings": 3}', '{"settings": {"no_such": 1}}']
)
@pytest.mark.parametrize("name", SOURCES)
def test_broken_words_about_a_source_are_a_bad_release(
    name: str, about: str | None, fitted: dict[str, FittedSource], tmp_path: Path
) -> None:
    fitted[name].save(tmp_path)
    _write(tmp_path / "about.json", about)
    with pytest.raises(BadRelease):
        load_source(name, tmp_path)


def test_no_folder_is_a_bad_release(tmp_path: Path) -> None:
    with pytest.raises(BadRelease, match=r"about.json cannot be read"):
        load_source("session", tmp_path / "nowhere")


def frame(rng: np.random.Generator) -> dict[str, Any]:
    user = rng.integers(0, 30, 400).astype(str)
    return {
        "user_id": user,
        "item_id": rng.integers(0, 12, 400).astype(str),
        "session_id": user,
        "occurred_at": rng.integers(0, 100 * DAY, 400),
    }


def texts() -> dict[str, list[str]]:
    return {"item_id": [str(k) for k in range(14)], "title": [f"thing {k % 3} of {k % 5}" for k in range(14)]}


ESTIMATORS: list[Estimator] = [
    ImplicitALS(factors=4, iterations=2), Ease(regularization=5.0), ItemKNN(shrink=0.0), SessionKNN(), ContentKNN(),
    Complements(), Trending(), BuyAgain(),
]  # fmt: skip


def fit(model: Estimator, rng: np.random.Generator) -> Estimator:
    if isinstance(model, ContentKNN):
        return model.fit(frame(rng), items=texts())
    return model.fit(frame(rng))


each_estimator = pytest.mark.parametrize("model", ESTIMATORS, ids=lambda model: type(model).__name__)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@each_estimator
def test_a_broken_array_of_an_estimator_is_a_bad_release(
    model: Estimator, fault: Fault, rng: np.random.Generator, tmp_path: Path
) -> None:
    _every_array_is_guarded(fit(model, rng).save, type(model).load, fault, tmp_path)


@each_estimator
def test_lists_of_an_estimator_that_point_outside_are_a_bad_release(
    model: Estimator, rng: np.random.Generator, tmp_path: Path
) -> None:
    _every_pointer_is_guarded(fit(model, rng).save, type(model).load, tmp_path)


@each_estimator
def test_an_estimator_of_another_name_or_without_ids_is_refused(
    model: Estimator, rng: np.random.Generator, tmp_path: Path
) -> None:
    fit(model, rng).save(tmp_path)
    other = Ease if type(model) is not Ease else Trending
    with pytest.raises(BadRelease, match="expected"):
        other.load(tmp_path)
    _write(tmp_path / "users.parquet", "nonsense")
    with pytest.raises(BadRelease, match="cannot be read"):
        type(model).load(tmp_path)
    _write(tmp_path / "about.json", json.dumps({"estimator": type(model).__name__, "params": {"no_such": 1}}))
    with pytest.raises(BadRelease, match="bad settings"):
        type(model).load(tmp_path)


def _every_array_is_guarded(
    save: Callable[[Path], None], load: Callable[[Path], object], fault: Fault, folder: Path
) -> None:
    save(folder)
    load(folder)
    files = sorted(folder.glob("*.npy"))
    assert files
    for file in files:
        whole = file.read_bytes()
        if fault is no_values and np.load(file).size == 0:
            continue
        fault(file)
        with pytest.raises(BadRelease):
            load(folder)
        file.write_bytes(whole)


def _every_pointer_is_guarded(
    save: Callable[[Path], None], load: Callable[[Path], object], folder: Path
) -> None:
    save(folder)
    for file in sorted(folder.glob("*.npy")):
        whole, values = file.read_bytes(), np.load(file)
        wrong = {"item": (-1, 10_000_000)} if file.stem in POINTERS else {}
        if file.stem in STARTS:
            wrong = {"start": (-1, 10_000_000)}
        for bad in [value for group in wrong.values() for value in group if len(values)]:
            broken = values.copy()
            broken[len(broken) // 2] = bad
            np.save(file, broken)
            with pytest.raises(BadRelease):
                load(folder)
        file.write_bytes(whole)


def _write(file: Path, text: str | None) -> None:
    file.unlink()
    if text is not None:
        file.write_text(text)
