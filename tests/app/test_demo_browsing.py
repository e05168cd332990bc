"""The simulated browsing that the package ships is what its scenario and seed make of the demo's catalogue."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from shelfwise.app._demo import _import, _open
from shelfwise.app._demo_browsing import FILE, make_browsing
from shelfwise.ingestion.online_retail import clean


@pytest.mark.slow  # imports a million lines: half a minute
def test_the_shipped_browsing_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    cleaned = clean()
    shop = _open(tmp_path / "demo", cleaned)
    try:
        _import(shop, cleaned, Console(quiet=True))
        told = make_browsing(shop, tmp_path / "again.parquet")
    finally:
        shop.close()
    shipped = pq.read_table(FILE)
    assert told["lines"] == len(shipped) > 100_000
    assert pq.read_table(tmp_path / "again.parquet").equals(shipped)
    assert (tmp_path / "again.parquet").read_bytes() == FILE.read_bytes()


def test_the_shipped_browsing_says_that_it_is_simulated() -> None:
    assert pq.read_table(FILE, columns=["origin"])["origin"].unique().to_pylist() == ["simulated"]
