"""Releases in a folder: the promises of every registry, and its own failures."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contract.release_registry_contract import TRAINED, ReleaseRegistryContract, content, trained_folder
from shelfwise.domain import BadRelease, NotFound, StoreUnavailable
from shelfwise.stores.adapters.folder_releases import FolderReleases


class TestFolderReleases(ReleaseRegistryContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.tmp = tmp_path / "work"
        self.tmp.mkdir()
        self.root = tmp_path / "releases"

    def make(self) -> FolderReleases:
        return FolderReleases(self.root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "releases"


@pytest.fixture
def release(tmp_path: Path, root: Path) -> str:
    folder = trained_folder(tmp_path / "trained")
    return FolderReleases(root).publish(folder, metrics={"ndcg": 0.38}, trained=TRAINED)


def test_a_flipped_bit_or_a_cut_is_refused_or_changes_nothing(
    root: Path, release: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(11)
    names = sorted(path.relative_to(root / release) for path in (root / release).rglob("*") if path.is_file())
    manifest, files = FolderReleases(root).manifest(release), content(root / release)
    refused = 0
    for n in range(200):
        damaged = tmp_path / f"damaged-{n}"
        shutil.copytree(root, damaged)
        victim = damaged / release / names[rng.integers(len(names))]
        raw = bytearray(victim.read_bytes())
        place = int(rng.integers(len(raw)))
        if n % 4 == 0:
            del raw[place:]
        else:
            raw[place] ^= 1 << int(rng.integers(8))
        victim.write_bytes(raw)
        registry = FolderReleases(damaged)
        try:
            folder = registry.open(release)
        except BadRelease:
            refused += 1
        else:
            assert (registry.manifest(release), content(folder)) == (manifest, files)
        shutil.rmtree(damaged)
    assert refused == 200  # no byte of a release is without meaning


@pytest.mark.parametrize("name", ["packed.npy", "features.json", "candidates/similar/weight.npy"])
def test_a_missing_file_is_named(root: Path, release: str, name: str) -> None:
    (root / release / name).unlink()
    with pytest.raises(BadRelease, match=f"{name} is missing"):
        FolderReleases(root).open(release)


def test_a_file_too_many_is_named(root: Path, release: str) -> None:
    (root / release / "extra.json").write_text("{}")
    with pytest.raises(BadRelease, match=r"extra\.json is not in the manifest"):
        FolderReleases(root).open(release)


def test_a_file_replaced_by_a_link_to_its_own_content_is_refused(
    root: Path, release: str, tmp_path: Path
) -> None:
    shutil.move(root / release / "packed.npy", tmp_path / "elsewhere.npy")
    (root / release / "packed.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(BadRelease, match=r"packed\.npy is no plain file"):
        FolderReleases(root).open(release)


def test_a_pipe_is_refused_without_being_read(root: Path, release: str) -> None:
    (root / release / "packed.npy").unlink()
    os.mkfifo(root / release / "packed.npy")
    with pytest.raises(BadRelease, match=r"packed\.npy is no plain file"):
        FolderReleases(root).open(release)


def test_sizes_are_looked_at_before_any_file_is_read(
    root: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (root / release / "packed.npy").open("ab") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    monkeypatch.setattr(
        "shelfwise.stores.adapters.folder_releases._sha256", lambda _path: pytest.fail("read")
    )
    with pytest.raises(BadRelease, match=r"packed\.npy has 1099511627776 bytes; expected 140"):
        FolderReleases(root).open(release)


def rewritten(root: Path, release: str, **changes: object) -> None:
    """Forge a manifest, with a seal that fits."""
    from shelfwise.stores.adapters.folder_releases import _seal

    path = root / release / "manifest.json"
    manifest = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(manifest | {"seal": _seal(manifest)}))


def test_a_forged_manifest_does_not_fit_the_id(root: Path, release: str) -> None:
    np.save(root / release / "packed.npy", np.zeros(3, np.int32))
    files = json.loads((root / release / "manifest.json").read_bytes())["files"]
    import hashlib

    digest = hashlib.sha256((root / release / "packed.npy").read_bytes()).hexdigest()
    rewritten(root, release, files=files | {"packed.npy": files["packed.npy"] | {"sha256": digest}})
    with pytest.raises(BadRelease, match=f"expected {release}"):
        FolderReleases(root).open(release)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "candidates/../packed.npy"])
def test_a_name_that_leads_elsewhere_is_refused(root: Path, release: str, name: str) -> None:
    (root / "outside.json").write_text("{}")
    files = json.loads((root / release / "manifest.json").read_bytes())["files"]
    rewritten(root, release, files=files | {name: {"bytes": 2, "sha256": "0" * 64}})
    with pytest.raises(BadRelease):
        FolderReleases(root).open(release)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "files": 3}', "[" * 100_000],
)
def test_a_manifest_that_is_none_is_refused_and_does_not_hide_the_others(
    root: Path, release: str, text: str, tmp_path: Path
) -> None:
    other = FolderReleases(root).publish(trained_folder(tmp_path / "other", n=9), metrics={}, trained=TRAINED)
    (root / release / "manifest.json").write_text(text)
    with pytest.raises(BadRelease):
        FolderReleases(root).open(release)
    rows = {row["release"]: row for row in FolderReleases(root).releases()}
    assert "trouble" in rows[release]
    assert "trouble" not in rows[other]


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"r-zzz", b"../../etc"])
def test_a_damaged_alias_is_told_and_can_be_moved(root: Path, release: str, raw: bytes) -> None:
    registry = FolderReleases(root)
    registry.move("champion", release)
    (root / "aliases" / "champion").write_bytes(raw)
    with pytest.raises(BadRelease, match="alias champion is"):
        registry.alias("champion")
    assert [row["aliases"] for row in registry.releases()] == [[]]
    registry.move("champion", release)
    assert registry.alias("champion") == release


def test_a_release_that_is_a_link_is_refused(root: Path, release: str, tmp_path: Path) -> None:
    shutil.move(root / release, tmp_path / "moved")
    (root / release).symlink_to(tmp_path / "moved", target_is_directory=True)
    with pytest.raises(BadRelease, match="is a link"):
        FolderReleases(root).open(release)


def test_a_release_is_checked_once_a_process(
    root: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FolderReleases(root)
    registry.open(release)
    monkeypatch.setattr(
        "shelfwise.stores.adapters.folder_releases._check", lambda *_: pytest.fail("checked again")
    )
    registry.open(release)


def test_a_full_disk_is_reported_and_leaves_no_release(root: Path, tmp_path: Path) -> None:
    folder = trained_folder(tmp_path / "trained", n=100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            FolderReleases(root).publish(folder, metrics={}, trained=TRAINED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(root.iterdir()) == []
    release = FolderReleases(root).publish(folder, metrics={}, trained=TRAINED)
    assert content(FolderReleases(root).open(release)) == content(folder)


PUBLISHING = """
import sys
from pathlib import Path
from shelfwise.stores.adapters.folder_releases import FolderReleases
registry, folder, n = FolderReleases(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
while True:
    n += 1
    (folder / "settings.json").write_text(str(n))
    registry.move("champion", registry.publish(folder, metrics={}, trained={}))
    print(n, flush=True)
"""


def test_a_killed_publisher_leaves_whole_releases_and_an_alias_on_one(root: Path, tmp_path: Path) -> None:
    folder = trained_folder(tmp_path / "trained", n=20_000)
    for round_ in range(3):
        command = [sys.executable, "-c", PUBLISHING, str(root), str(folder), str(1_000 * round_)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publisher:
            assert publisher.stdout
            for _ in range(3 + round_):
                publisher.stdout.readline()
            publisher.kill()
        registry = FolderReleases(root)
        names = [path.name for path in root.glob("r-*")]
        assert len(names) >= 3
        for name in names:
            registry.open(name)
        assert registry.alias("champion") in names


def test_what_a_killed_publisher_left_is_removed_by_a_later_one(
    root: Path, release: str, tmp_path: Path
) -> None:
    (root / ".r-old-1").mkdir()
    os.utime(root / ".r-old-1", (0, 0))
    (root / ".r-new-2").mkdir()  # perhaps still at work
    FolderReleases(root).publish(trained_folder(tmp_path / "other", n=9), metrics={}, trained=TRAINED)
    assert {path.name for path in root.glob(".r-*")} == {".r-new-2"}


def test_a_copy_is_a_whole_registry(root: Path, release: str, tmp_path: Path) -> None:
    FolderReleases(root).move("champion", release)
    (root / ".r-beside").mkdir()
    FolderReleases(root).copy_to(tmp_path / "backup")
    copy = FolderReleases(tmp_path / "backup")
    assert copy.alias("champion") == release
    assert content(copy.open(release)) == content(root / release)
    with pytest.raises(NotFound):
        copy.open("r-0000000000000000")
