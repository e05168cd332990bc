"""What every release registry keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.domain import BadRelease, NotFound
from shelfwise.stores import ReleaseRegistry

TRAINED = {"from_us": 1, "to_us": 2}


def trained_folder(path: Path, *, n: int = 3, extra: dict[str, bytes] | None = None) -> Path:
    """What training hands over: arrays, JSON and text, some in subfolders."""
    (path / "candidates" / "similar").mkdir(parents=True)
    np.save(path / "candidates" / "similar" / "weight.npy", np.arange(n * 4, dtype=np.float32).reshape(n, 4))
    np.save(path / "packed.npy", np.arange(n, dtype=np.int32))
    (path / "features.json").write_text(json.dumps({"needs": ["a", "b"], "schema": "f00d"}))
    (path / "settings.json").write_text("{}")
    for name, content in (extra or {}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def content(folder: Path) -> dict[str, bytes]:
    """Every file but the manifest."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class ReleaseRegistryContract:
    """A subclass gives ``make()``: an empty registry; and ``tmp``: a folder to work in."""

    tmp: Path

    def make(self) -> ReleaseRegistry:
        raise NotImplementedError

    def publish(self, registry: ReleaseRegistry, n: int = 3, **metrics: Any) -> str:
        folder = trained_folder(self.tmp / f"trained-{len(list(self.tmp.iterdir()))}", n=n)
        return registry.publish(folder, metrics=metrics, trained=TRAINED)

    def test_an_empty_registry_has_nothing(self) -> None:
        registry = self.make()
        assert (registry.releases(), registry.alias("champion")) == ([], None)
        with pytest.raises(NotFound, match="no release 'r-0123456789abcdef'"):
            registry.open("r-0123456789abcdef")

    def test_what_was_published_is_opened_byte_for_byte(self) -> None:
        registry = self.make()
        folder = trained_folder(self.tmp / "trained")
        release = registry.publish(folder, metrics={}, trained=TRAINED)
        assert re.fullmatch("r-[0-9a-f]{16}", release)
        assert content(registry.open(release)) == content(folder)

    def test_an_id_is_of_the_content_and_of_nothing_else(self) -> None:
        registry = self.make()
        first = self.publish(registry, ndcg=0.1)
        assert self.publish(registry, ndcg=0.2) == first
        assert self.publish(registry, n=4) != first
        assert registry.manifest(first)["metrics"] == {"ndcg": 0.1}

    def test_a_manifest_says_what_was_trained_and_what_is_in_it(self) -> None:
        registry = self.make()
        manifest = registry.manifest(
            self.publish(registry, ndcg=np.float32(0.5), gap=float("nan"), at=[1, (2, 3)])
        )
        assert manifest["metrics"] == {"ndcg": 0.5, "gap": None, "at": [1, [2, 3]]}
        assert manifest["trained"] == TRAINED
        assert manifest["features"] == "f00d"
        weight = manifest["files"]["candidates/similar/weight.npy"]
        assert (weight["shape"], weight["dtype"], weight["bytes"]) == ([3, 4], "float32", 128 + 48)
        assert len(weight["sha256"]) == 64

    def test_publishing_moves_no_alias(self) -> None:
        registry = self.make()
        self.publish(registry)
        assert registry.alias("champion") is None

    def test_moving_champion_leaves_previous_on_the_old_one(self) -> None:
        registry = self.make()
        one, two, three = (self.publish(registry, n=n) for n in (3, 4, 5))
        registry.move("champion", one)
        assert (registry.alias("champion"), registry.alias("previous")) == (one, None)
        registry.move("champion", two)
        registry.move("champion", three)
        assert (registry.alias("champion"), registry.alias("previous")) == (three, two)
        registry.move("champion", two)  # a rollback
        assert (registry.alias("champion"), registry.alias("previous")) == (two, three)
        registry.move("champion", two)
        assert (registry.alias("champion"), registry.alias("previous")) == (two, three)

    def test_an_alias_stands_on_what_exists_and_has_a_plain_name(self) -> None:
        registry = self.make()
        release = self.publish(registry)
        with pytest.raises(NotFound):
            registry.move("champion", "r-0123456789abcdef")
        with pytest.raises(NotFound):
            registry.move("../champion", release)
        assert registry.alias("champion") is None

    @pytest.mark.parametrize(
        "release", ["", "r-", "../r-0123456789abcdef", "r-0123456789ABCDEF", "champion", "/etc"]
    )
    def test_an_id_that_is_none_is_not_found(self, release: str) -> None:
        with pytest.raises(NotFound):
            self.make().open(release)

    def test_releases_are_listed_newest_first_with_their_aliases(self) -> None:
        registry = self.make()
        one, two = (self.publish(registry, n=n, rank=n) for n in (3, 4))
        registry.move("champion", one)
        rows = registry.releases()
        assert [(row["release"], row["aliases"], row["metrics"]) for row in rows] == [
            (two, [], {"rank": 4}),
            (one, ["champion"], {"rank": 3}),
        ]

    def test_an_array_of_python_objects_is_refused(self) -> None:
        folder = trained_folder(self.tmp / "trained")
        np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
        with pytest.raises(BadRelease, match=r"objects\.npy is no plain array"):
            self.make().publish(folder, metrics={}, trained=TRAINED)

    @pytest.mark.parametrize(
        "name", ["model.pkl", "model.joblib", "weights.pt", "run.py", "lib.so", "noend", "x.npz"]
    )
    def test_a_file_that_might_run_is_refused(self, name: str) -> None:
        folder = trained_folder(self.tmp / "trained", extra={name: b"x"})
        with pytest.raises(BadRelease, match=f"{name} is of kind"):
            self.make().publish(folder, metrics={}, trained=TRAINED)

    def test_an_array_that_claims_more_than_its_file_holds_is_refused(self) -> None:
        folder = trained_folder(self.tmp / "trained")
        raw = (folder / "packed.npy").read_bytes().replace(b"(3,)", b"(1099511627776,)")
        (folder / "packed.npy").write_bytes(raw)
        with pytest.raises(BadRelease, match=r"packed\.npy is no plain array"):
            self.make().publish(folder, metrics={}, trained=TRAINED)

    def test_links_are_refused(self) -> None:
        folder = trained_folder(self.tmp / "trained")
        (folder / "link.json").symlink_to("/etc/hostname")
        with pytest.raises(BadRelease, match=r"link\.json is no plain file"):
            self.make().publish(folder, metrics={}, trained=TRAINED)

    def test_a_linked_folder_is_refused(self) -> None:
        folder = trained_folder(self.tmp / "trained")
        (folder / "more").symlink_to(self.tmp, target_is_directory=True)
        with pytest.raises(BadRelease, match="more is no plain file"):
            self.make().publish(folder, metrics={}, trained=TRAINED)

    def test_an_empty_folder_is_no_release(self) -> None:
        (self.tmp / "nothing").mkdir()
        with pytest.raises(BadRelease, match="holds no file"):
            self.make().publish(self.tmp / "nothing", metrics={}, trained=TRAINED)
