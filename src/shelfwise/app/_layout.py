"""Where things lie in a shop folder."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shelfwise.app._errors import NoShop, OtherVersion
from shelfwise.domain import InvalidInput

VERSION = 1  # of the folder's layout; `shelfwise upgrade` brings an older one here
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # addresses that only this machine reaches
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
            raise NoShop(str(self.folder))
        return self

    def require_current(self) -> Layout:
        """Itself. Raises NotFound as above, and InvalidInput for a folder of another version."""
        found = self.require().found_version()
        if found < VERSION:
            raise OtherVersion(
                f"{self.folder} has layout {found}; expected {VERSION}: run shelfwise --shop {self.folder} upgrade"
            )
        if found > VERSION:
            raise OtherVersion(
                f"{self.folder} has layout {found}; expected at most {VERSION}: a newer version made it"
            )
        return self

    def found_version(self) -> int:
        """The layout of this folder: the newest while nothing is stored, 0 from before layouts were numbered."""
        try:
            return int(self.version.read_text())
        except FileNotFoundError:
            return 0 if self.log.exists() else VERSION
        except ValueError:
            raise InvalidInput(f"{self.version} is not a number; expected the layout's") from None

    def make(self) -> None:
        """The folders of a new shop; its number, unless what is stored here has another one."""
        for folder in (self.folder / "data", self.live, self.releases, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.version.exists() and self.found_version() == VERSION:
            self.version.write_text(f"{VERSION}\n")
