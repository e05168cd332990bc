"""Releases in a folder: each a sealed folder named by its content, aliases as small files that are replaced whole.

``ROOT/r-0123456789abcdef/manifest.json`` lists every file with size and sha256. A release is written beside, made
durable, checked, then renamed: what has a name is complete. Nothing in it is ever written again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise.domain import BadRelease, NotFound, StoreUnavailable
from shelfwise.stores.adapters._files import sync_file, sync_folder, write_durably

SCHEMA = 1  # of the manifest
MANIFEST = "manifest.json"
CHAMPION, PREVIOUS = "champion", "previous"
_CHUNK = 1 << 20
_REFUSED = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".py", ".so")


class FolderReleases:
    """``ReleaseRegistry`` in a folder.

    Args:
        root: Holds releases and ``aliases``; made when something is published.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._checked: set[str] = set()  # a release never changes: once checked is checked, in this process

    def publish(self, folder: Path, *, metrics: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
        """Seal a folder, copy it in, check it; its id. Publishing the same content again is the same release.

        Raises:
            BadRelease: A file is a link, of a refused kind, or an array of Python objects.
            StoreUnavailable: It cannot be written.
        """
        files = {path: _entry(folder / path) for path in _paths(folder)}
        release_id = _id(files)
        if (self.root / release_id).exists():
            self.open(release_id)
            return release_id
        manifest = {
            "schema": SCHEMA,
            "release": release_id,
            "files": files,
            "metrics": dict(metrics),
            "trained": dict(trained),
            "features": _feature_schema(folder),
        }
        beside = self.root / f".{release_id}-{uuid.uuid4().hex[:8]}"
        try:
            _copy(folder, beside, list(files))
            write_durably(
                beside / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, default=str).encode()
            )
            _check(beside, manifest)
            beside.rename(self.root / release_id)
            sync_folder(self.root)
        except OSError as trouble:
            raise StoreUnavailable(
                f"release {release_id} cannot be written to {self.root}: {trouble}"
            ) from trouble
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return release_id

    def open(self, release_id: str) -> Path:
        """The folder of a release, checked once a process: sizes first, then hashes. Raises NotFound, BadRelease."""
        folder = self._folder(release_id)
        if release_id not in self._checked:
            manifest = self.manifest(release_id)
            _check(folder, manifest)
            if _id(manifest["files"]) != release_id:
                raise BadRelease(
                    f"{folder}/{MANIFEST} describes {_id(manifest['files'])}; expected {release_id}"
                )
            self._checked.add(release_id)
        return folder

    def manifest(self, release_id: str) -> dict[str, Any]:
        """What the release says of itself. Raises NotFound, BadRelease."""
        path = self._folder(release_id) / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as trouble:
            raise BadRelease(f"{path} cannot be read: {trouble}") from None
        if manifest.get("schema") != SCHEMA or not isinstance(manifest.get("files"), dict):
            raise BadRelease(f"{path} has schema {manifest.get('schema')!r}; expected {SCHEMA}")
        return manifest

    def releases(self) -> list[dict[str, Any]]:
        """Manifests without their files, with aliases, newest first. One that cannot be read says so."""
        folders = [path for path in self.root.glob("r-*") if path.is_dir()]
        newest_first = sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        aliases = {name: self.alias(name) for name in self._alias_names()}
        return [self._row(path.name, aliases) for path in newest_first]

    def alias(self, name: str) -> str | None:
        """The release an alias stands on."""
        try:
            return self._alias_path(name).read_text().strip() or None
        except FileNotFoundError:
            return None

    def move(self, name: str, release_id: str) -> None:
        """Move an alias to a release that checks out. Moving ``champion`` leaves ``previous`` on the old one."""
        self.open(release_id)
        old = self.alias(name)
        if old == release_id:
            return
        (self.root / "aliases").mkdir(parents=True, exist_ok=True)
        if name == CHAMPION and old is not None:
            write_durably(self._alias_path(PREVIOUS), old.encode())
        write_durably(self._alias_path(name), release_id.encode())

    def _folder(self, release_id: str) -> Path:
        folder = self.root / release_id
        if not _is_id(release_id) or not folder.is_dir():
            raise NotFound("release", release_id)
        return folder

    def _row(self, release_id: str, aliases: Mapping[str, str | None]) -> dict[str, Any]:
        own = sorted(name for name, target in aliases.items() if target == release_id)
        try:
            manifest = self.manifest(release_id)
        except BadRelease as trouble:
            return {"release": release_id, "aliases": own, "trouble": str(trouble)}
        kept = {name: value for name, value in manifest.items() if name != "files"}
        return {**kept, "aliases": own, "bytes": sum(entry["bytes"] for entry in manifest["files"].values())}

    def _alias_path(self, name: str) -> Path:
        if not name.isidentifier():
            raise NotFound("alias", name)
        return self.root / "aliases" / name

    def _alias_names(self) -> list[str]:
        folder = self.root / "aliases"
        return (
            sorted(path.name for path in folder.iterdir() if path.name.isidentifier())
            if folder.exists()
            else []
        )


def _paths(folder: Path) -> list[str]:
    """All files below, relative, sorted. Raises BadRelease for anything that is no plain file."""
    found = []
    for path in sorted(_walk(folder)):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise BadRelease(f"{relative} is no plain file")
        if path.suffix in _REFUSED:
            raise BadRelease(
                f"{relative} is a {path.suffix} file; expected arrays, JSON, Parquet or safetensors"
            )
        if relative != MANIFEST:
            found.append(relative)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=False):
        yield from (Path(root) / name for name in files)
        yield from (Path(root) / name for name in folders if (Path(root) / name).is_symlink())


def _entry(path: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    if path.suffix == ".npy":
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as trouble:
            raise BadRelease(f"{path.name} is no plain array: {trouble}") from None
        entry |= {"shape": list(array.shape), "dtype": str(array.dtype)}
    return entry


def _check(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Every file that is listed is there with its size and hash, and nothing else is. Raises BadRelease."""
    files = manifest["files"]
    for name in files:
        if name.startswith("/") or ".." in Path(name).parts:
            raise BadRelease(f"{folder}/{MANIFEST} names {name!r}; expected a path inside the release")
    found = set(_paths(folder))
    odd = sorted(found.symmetric_difference(files))
    if odd:
        state = "is missing" if odd[0] in files else "is not in the manifest"
        raise BadRelease(f"{folder}/{odd[0]} {state}")
    for name, entry in files.items():
        size = (folder / name).stat().st_size
        if size != entry["bytes"]:
            raise BadRelease(f"{folder}/{name} has {size} bytes; expected {entry['bytes']}")
    for name, entry in files.items():
        if _sha256(folder / name) != entry["sha256"]:
            raise BadRelease(f"{folder}/{name} has another content than when it was published")


def _copy(source: Path, target: Path, names: list[str]) -> None:
    target.mkdir(parents=True)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
        sync_file(target / name)
    for folder in {(target / name).parent for name in names} | {target}:
        sync_folder(folder)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _id(files: Mapping[str, Mapping[str, Any]]) -> str:
    content = json.dumps({name: files[name]["sha256"] for name in sorted(files)}, sort_keys=True)
    return f"r-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _is_id(text: str) -> bool:
    return len(text) == 18 and text.startswith("r-") and all(c in "0123456789abcdef" for c in text[2:])


def _feature_schema(folder: Path) -> str | None:
    path = folder / "features.json"
    return json.loads(path.read_text()).get("schema") if path.exists() else None
