"""Where things lie in a shop folder."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shelfwise.domain import NotFound

VERSION = 1  # of the folder's layout; `shelfwise upgrade` brings an older one here
_LONGEST_SOCKET = 100  # bytes; the system allows 107


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one shop."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What the shop's owner writes."""
        return self.folder / "shelfwise.toml"

    @property
    def version(self) -> Path:
        """One number: the layout of this folder."""
        return self.folder / "data" / "version"

    @property
    def log(self) -> Path:
        """The event log."""
        return self.folder / "data" / "log.sqlite"

    @property
    def state(self) -> Path:
        """Online state."""
        return self.folder / "data" / "state"

    @property
    def catalogue(self) -> Path:
        """Items."""
        return self.folder / "data" / "catalogue.sqlite"

    @property
    def control(self) -> Path:
        """Rules, keys, audit, dead letters."""
        return self.folder / "data" / "control.sqlite"

    @property
    def lake(self) -> Path:
        """The long history."""
        return self.folder / "data" / "lake"

    @property
    def releases(self) -> Path:
        """Models."""
        return self.folder / "releases"

    @property
    def live(self) -> Path:
        """Mapped columns and the board."""
        return self.folder / "live"

    @property
    def board(self) -> Path:
        """Generation counters."""
        return self.live / "board"

    @property
    def cache(self) -> Path:
        """Compiled kernels, work files: may be deleted at any time."""
        return self.folder / "cache"

    @property
    def lock(self) -> Path:
        """Whoever holds it is the keeper."""
        return self.folder / "keeper.lock"

    @property
    def socket(self) -> Path:
        """Where the keeper listens; in the system's temporary folder if the shop's own path is too long for one."""
        own = self.live / "keeper.sock"
        if len(str(own.resolve()).encode()) <= _LONGEST_SOCKET:
            return own
        name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"shelfwise-{name}.sock"

    def exists(self) -> bool:
        """Whether a shop lives here."""
        return self.settings.exists()

    def require(self) -> Layout:
        """Itself. Raises NotFound with a hint if there is no shop here."""
        if not self.exists():
            raise NotFound("shop in", f"{self.folder} (make one with: shelfwise init {self.folder})")
        return self

    def make(self) -> None:
        """The folders of a new shop."""
        for folder in (self.folder / "data", self.live, self.releases, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.version.exists():
            self.version.write_text(f"{VERSION}\n")
