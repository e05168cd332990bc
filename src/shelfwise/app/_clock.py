"""The shop's clock: the real one, or one that started at a stated instant when the shop was first opened."""

from __future__ import annotations

import json
import time
from pathlib import Path

from shelfwise.app.settings import ClockSection
from shelfwise.domain import Clock, InvalidInput, to_us


def real_time_us() -> int:
    """The machine's time in UTC microseconds."""
    return time.time_ns() // 1_000


def open_clock(folder: Path, settings: ClockSection) -> Clock:
    """The shop's clock. All processes of a shop agree: where it started is written once, in ``clock.json``."""
    if settings.start is None:
        return real_time_us
    offset = _offset_us(folder / "clock.json", to_us(settings.start))
    return lambda: time.time_ns() // 1_000 + offset


def move_clock(folder: Path, settings: ClockSection, now_us: int) -> None:
    """Set the clock of a shop with a time of its own; for whoever holds the shop while nobody else reads its clock."""
    if settings.start is not None:
        _keep(folder / "clock.json", to_us(settings.start), now_us - real_time_us())


def _offset_us(path: Path, start_us: int) -> int:
    """Shop time less real time, kept so that time never runs back when the shop is opened again."""
    kept = _read(path)
    if kept is None or kept["start_us"] != start_us:
        return _keep(path, start_us, start_us - real_time_us())
    return kept["offset_us"]


def _keep(path: Path, start_us: int, offset_us: int) -> int:
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"start_us": start_us, "offset_us": offset_us}))
    beside.replace(path)
    return offset_us


def _read(path: Path) -> dict[str, int] | None:
    try:
        kept: dict[str, int] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        raise InvalidInput(
            f"{path} is not JSON; expected start_us and offset_us (delete it to restart)"
        ) from None
    return kept
