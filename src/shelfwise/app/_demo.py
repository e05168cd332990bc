"""The demo: a shop of real data, built through the doors that every shop uses, with simulated browsing beside it."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console

from shelfwise.app._demo_browsing import add_browsing
from shelfwise.app._layout import Layout
from shelfwise.app.shop import Shop
from shelfwise.domain import MINUTE_US, InvalidInput, NotTrained, from_us, to_us
from shelfwise.ingestion.online_retail import Cleaned, clean, retail_events, retail_items

NAME = "The Gift Shop"


def build_demo(folder: Path, console: Console, *, until: str | None = None) -> None:
    """Make the shop in ``folder`` if it is not there yet: import, train, publish.

    Of a history cut short by ``until``, the simulated browsing is left out: it is of the last weeks.

    Raises:
        InvalidInput: ``until`` is no instant with a time zone.
        NotTrained: The gate refused the release.
    """
    if Layout(folder).exists() and _is_trained(folder):
        console.print(f"{folder} holds the demo already")
        return
    begun = time.perf_counter()
    warming = [_warm(), _warm("trending")]  # on the core that the import leaves idle
    cleaned = clean(until_us=_instant_us(until))
    _tell(console, cleaned)
    shop = _open(folder, cleaned)
    try:
        _import(shop, cleaned, console)
        del cleaned
        if until is None:
            _add_browsing(shop, console)
        for process in warming:
            process.wait()
        console.print(f"kernels compiled after {time.perf_counter() - begun:.1f} s", style="dim")
        _train(shop, console)
    finally:
        shop.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"built in {time.perf_counter() - begun:.1f} s, peak {peak_mb:.0f} MB", style="bold")


def _warm(*sources: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "shelfwise.app._warm", *sources])  # noqa: S603


def _is_trained(folder: Path) -> bool:
    with Shop.open(folder) as shop:
        return shop.readers.releases.alias("champion") is not None


def _instant_us(until: str | None) -> int | None:
    if until is None:
        return None
    try:
        instant = datetime.fromisoformat(until)
    except ValueError:
        raise InvalidInput(
            f"until is {until!r}; expected an instant such as 2011-11-25T12:50:00+00:00"
        ) from None
    return to_us(instant)


def _tell(console: Console, cleaned: Cleaned) -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in cleaned.report().items())
    console.print(f"Online Retail II (Chen 2019, CC BY 4.0): {counts}", style="dim")


def _open(folder: Path, cleaned: Cleaned) -> Shop:
    """The shop's time begins a minute after the last event, so that every window is full."""
    if Layout(folder).exists():
        return Shop.open(folder)
    last_us = int(cleaned.lines["at_us"][-1].as_py())
    shop = Shop.create(folder, name=NAME, currency="GBP", clock_start=from_us(last_us + MINUTE_US))
    (folder / "demo").write_text("Its pages credit the data they are made of.\n")
    return shop


def _import(shop: Shop, cleaned: Cleaned, console: Console) -> None:
    begun = time.perf_counter()
    for changes in retail_items(cleaned):
        shop.submit("items", changes)
    accepted = duplicates = 0
    for events in retail_events(cleaned, received_us=shop.clock()):
        receipt = shop.submit("events", events)
        accepted += receipt.accepted
        duplicates += len(receipt.duplicates)
    shop.drain()
    took = time.perf_counter() - begun
    console.print(f"imported {accepted:,} events ({duplicates:,} known already) in {took:.1f} s")


def _add_browsing(shop: Shop, console: Console) -> None:
    begun = time.perf_counter()
    added = add_browsing(shop)["accepted"]
    took = time.perf_counter() - begun
    console.print(
        f"added {added:,} simulated events, of which nothing is learned, in {took:.1f} s", style="dim"
    )


def _train(shop: Shop, console: Console) -> None:
    report = shop.train(told=lambda job, seconds: console.print(f"  {job:<10} {seconds:5.1f} s", style="dim"))
    console.print(f"trained in {report['seconds']['total']:.1f} s: {'; '.join(report['verdict'])}")
    if not report["passed"]:
        raise NotTrained(f"the release was refused: {'; '.join(report['verdict'])}")
