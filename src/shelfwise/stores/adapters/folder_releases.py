"""Releases in a folder: each a sealed folder named by its content, aliases as small files that are replaced whole.

``ROOT/r-0123456789abcdef/manifest.json`` lists every file with size and sha256. A release is written beside, made
durable, checked, then renamed: what has a name is complete. Nothing in it is ever written again. The manifest seals
itself too, so that a metric that was altered is noticed as well as an array.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shelfwise.domain import BadRelease, NotFound, StoreUnavailable
from shelfwise.stores.adapters._files import sync_file, sync_folder, write_durably

SCHEMA = 1  # of the manifest
MANIFEST = "manifest.json"
CHAMPION, PREVIOUS = "champion", "previous"
_CHUNK = 1 << 20
_LEFT_OVER_S = 3_600  # what a publisher has not finished after an hour it will not finish
# Open formats whose readers run nothing. A pickle under another name is no use to anyone: nobody unpickles.
ALLOWED = frozenset(
    {".npy", ".json", ".jsonl", ".parquet", ".safetensors", ".ubj", ".txt", ".md", ".csv", ".html"}
)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a release, as its manifest lists it."""

    bytes: int
    sha256: str
    shape: tuple[int, ...] | None = None  # of an npy array
    dtype: str | None = None


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
        files = {path: _entry(folder, path) for path in _paths(folder)}
        release_id = _id(files)
        if not (self.root / release_id).exists():
            manifest = {
                "schema": SCHEMA,
                "release": release_id,
                "files": msgspec.to_builtins(files),
                "metrics": _plain(metrics),
                "trained": _plain(trained),
                "features": _feature_schema(folder),
            }
            self._put(folder, release_id, manifest | {"seal": _seal(manifest)})
        self.open(release_id)
        return release_id

    def open(self, release_id: str) -> Path:
        """The folder of a release, checked once a process: sizes first, then hashes. Raises NotFound, BadRelease."""
        folder = self._folder(release_id)
        if release_id not in self._checked:
            files = _entries(folder, self.manifest(release_id))
            if _id(files) != release_id:
                raise BadRelease(f"{folder}/{MANIFEST} describes {_id(files)}; expected {release_id}")
            try:
                _check(folder, files)
            except OSError as trouble:
                raise StoreUnavailable(f"release {folder} cannot be read ({trouble})") from trouble
            self._checked.add(release_id)
        return folder

    def manifest(self, release_id: str) -> dict[str, Any]:
        """What the release says of itself. Raises NotFound, BadRelease."""
        path = self._folder(release_id) / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as trouble:
            raise BadRelease(f"{path} cannot be read ({trouble})") from None
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise BadRelease(f"{path} is of another schema; expected {SCHEMA}: train again, or upgrade")
        if manifest.get("seal") != _seal(manifest):
            raise BadRelease(f"{path} is not what was published: its seal is broken")
        return manifest

    def releases(self) -> list[dict[str, Any]]:
        """Manifests without their files, with aliases, newest first. One that cannot be read says so."""
        folders = [path for path in self.root.glob("r-*") if path.is_dir()]
        newest_first = sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        aliases = {name: self._target(name) for name in self._alias_names()}
        return [self._row(path.name, aliases) for path in newest_first]

    def alias(self, name: str) -> str | None:
        """The release an alias stands on. Raises BadRelease if its file is damaged."""
        target = self._target(name)
        if target is not None and not _is_id(target):
            raise BadRelease(f"alias {name} is {target[:80]!r}; expected the id of a release")
        return target

    def move(self, name: str, release_id: str) -> None:
        """Move an alias to a release that checks out. Moving ``champion`` leaves ``previous`` on the old one."""
        self.open(release_id)
        old = self._target(name)
        if old == release_id:
            return
        (self.root / "aliases").mkdir(parents=True, exist_ok=True)
        if name == CHAMPION and old is not None and _is_id(old):
            write_durably(self._alias_path(PREVIOUS), old.encode())
        write_durably(self._alias_path(name), release_id.encode())

    def copy_to(self, target: Path) -> None:
        """All releases and aliases, while others are published. A release that is being written is left out."""
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.root, target, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)

    def _put(self, folder: Path, release_id: str, manifest: Mapping[str, Any]) -> None:
        """Write a release beside, check it there, then give it its name."""
        _clear_leftovers(self.root)
        beside = self.root / f".{release_id}-{uuid.uuid4().hex[:8]}"
        files = _entries(folder, manifest)
        try:
            _copy(folder, beside, list(files))
            write_durably(beside / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
            _check(beside, files)
            if not (self.root / release_id).exists():  # another publisher may have been faster
                beside.rename(self.root / release_id)
            sync_folder(self.root)
        except OSError as trouble:
            raise StoreUnavailable(
                f"release {release_id} cannot be written to {self.root} ({trouble})"
            ) from trouble
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _folder(self, release_id: str) -> Path:
        folder = self.root / release_id
        if not _is_id(release_id) or not folder.is_dir():
            raise NotFound("release", release_id)
        if folder.is_symlink():
            raise BadRelease(f"{folder} is a link; expected a folder")
        return folder

    def _target(self, name: str) -> str | None:
        """What the file of an alias says, whatever it is."""
        try:
            return self._alias_path(name).read_bytes().decode(errors="replace").strip()
        except FileNotFoundError:
            return None

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
        if path.suffix not in ALLOWED:
            raise BadRelease(
                f"{relative} is of kind {path.suffix!r}; expected one of {', '.join(sorted(ALLOWED))}"
            )
        if relative != MANIFEST:
            found.append(relative)
    if not found:
        raise BadRelease(f"{folder} holds no file; expected a release")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=False):
        yield from (Path(root) / name for name in files)
        yield from (Path(root) / name for name in folders if (Path(root) / name).is_symlink())


def _entry(folder: Path, name: str) -> Entry:
    path = folder / name
    shape, dtype = _array_header(path) if path.suffix == ".npy" else (None, None)
    return Entry(path.stat().st_size, _sha256(path), shape, dtype)


def _array_header(path: Path) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a plain array whose file holds all that its header says. Raises BadRelease."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as trouble:
        raise BadRelease(f"{path.name} is no plain array ({trouble})") from None
    return array.shape, str(array.dtype)


def _entries(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Entry]:
    try:
        return msgspec.convert(manifest.get("files"), dict[str, Entry])
    except msgspec.ValidationError as trouble:
        raise BadRelease(f"{folder}/{MANIFEST} lists no files ({trouble})") from None


def _check(folder: Path, files: Mapping[str, Entry]) -> None:
    """Every file that is listed is there with its size and hash, and nothing else is. Raises BadRelease.

    Names are compared with those found by walking the folder: one that leads outside of it is found missing.
    """
    odd = sorted(set(_paths(folder)).symmetric_difference(files))
    if odd:
        state = "is missing" if odd[0] in files else "is not in the manifest"
        raise BadRelease(f"{folder}/{odd[0]} {state}")
    for name, entry in files.items():  # all sizes before any hash: a wrong release is refused in no time
        size = (folder / name).stat().st_size
        if size != entry.bytes:
            raise BadRelease(f"{folder}/{name} has {size} bytes; expected {entry.bytes}")
    for name, entry in files.items():
        if _sha256(folder / name) != entry.sha256:
            raise BadRelease(f"{folder}/{name} has another content than when it was published")
        if Path(name).suffix == ".npy" and _array_header(folder / name) != (entry.shape, entry.dtype):
            raise BadRelease(f"{folder}/{name} is no array of shape {entry.shape} and dtype {entry.dtype}")


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


def _id(files: Mapping[str, Entry]) -> str:
    content = json.dumps({name: files[name].sha256 for name in sorted(files)}, sort_keys=True)
    return f"r-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _seal(manifest: Mapping[str, Any]) -> str:
    """Hash of everything that the manifest says but this."""
    said = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON has it: numpy numbers as numbers, NaN and infinities as null, what else there is as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _is_id(text: str) -> bool:
    return len(text) == 18 and text.startswith("r-") and all(c in "0123456789abcdef" for c in text[2:])


def _feature_schema(folder: Path) -> str | None:
    path = folder / "features.json"
    try:
        return json.loads(path.read_bytes()).get("schema") if path.exists() else None
    except (ValueError, AttributeError) as trouble:
        raise BadRelease(f"{path.name} is no JSON object ({trouble})") from None


def _clear_leftovers(root: Path) -> None:
    """Remove what publishers that were killed have left."""
    for path in root.glob(".r-*"):
        if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
            shutil.rmtree(path, ignore_errors=True)
