"""The head of the memory of ids: its secret key, up to where the log is known, and whether it can be trusted."""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import StoreUnavailable
from shelfwise.stores import START

_RECORD = struct.Struct(
    "<I Q B 36s 16s H 400s"
)  # crc, sequence, clean, boot, key, length and text of position
_SPAN = 512  # bytes a record: two of them, written in turn, so that a torn one leaves the other
_NO_BOOT = "unknown"


@dataclass(slots=True)
class Head:
    """One small file with two records; the valid one of the higher sequence counts."""

    file: int  # descriptor
    sequence: int
    boot: str
    key: NDArray[np.uint64]  # (2,)
    position: str

    @classmethod
    def open(cls, folder: Path) -> Head:
        """Read or make the head. What cannot be trusted is removed from the folder, tables included.

        Mapped pages outlive a killed process, not a stopped machine: files that were not closed in an earlier
        run of the machine may lack pages.
        """
        file = os.open(folder / "head.bin", os.O_RDWR | os.O_CREAT, 0o600)
        known = _newest(os.pread(file, 2 * _SPAN, 0))
        if known is None or not _trustworthy(known):
            for table in folder.glob("ids-*.bin"):
                table.unlink()
            head = cls(file, 0, boot_id(), np.frombuffer(secrets.token_bytes(16), "<u8"), START)
        else:
            head = cls(file, known.sequence, boot_id(), known.key, known.position)
        head.write(clean=False)
        return head

    def move(self, position: str) -> None:
        """Say that the log is known up to here. Raises StoreUnavailable."""
        self.position = position
        self.write(clean=False)

    def write(self, *, clean: bool) -> None:
        """Write the older of the two records anew."""
        self.sequence += 1
        text = self.position.encode()
        body = _RECORD.pack(0, self.sequence, clean, self.boot.encode(), self.key.tobytes(), len(text), text)[
            4:
        ]
        try:
            os.pwrite(self.file, struct.pack("<I", zlib.crc32(body)) + body, self.sequence % 2 * _SPAN)
        except OSError as error:
            raise StoreUnavailable(f"the memory of event ids: {error}") from error

    def close(self) -> None:
        """Mark it as complete and let go of the file."""
        self.write(clean=True)
        os.fsync(self.file)
        os.close(self.file)


@dataclass(frozen=True, slots=True)
class _Record:
    sequence: int
    clean: bool
    boot: str
    key: NDArray[np.uint64]
    position: str


def boot_id() -> str:
    """Names this run of the machine; "unknown" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:36]
    except OSError:
        return _NO_BOOT


def _trustworthy(known: _Record) -> bool:
    return known.clean or (known.boot == boot_id() and known.boot != _NO_BOOT)


def _newest(data: bytes) -> _Record | None:
    records = [_read(data[place : place + _RECORD.size]) for place in (0, _SPAN)]
    return max((record for record in records if record is not None), key=_sequence, default=None)


def _sequence(record: _Record) -> int:
    return record.sequence


def _read(data: bytes) -> _Record | None:
    if len(data) < _RECORD.size:
        return None
    crc, sequence, clean, boot, key, length, text = _RECORD.unpack(data)
    if zlib.crc32(data[4:]) != crc or sequence == 0:
        return None
    return _Record(
        sequence, bool(clean), boot.rstrip(b"\0").decode(), np.frombuffer(key, "<u8"), text[:length].decode()
    )
