"""The catalogue on SQLite: the promises of every catalogue, and its own failures."""

from __future__ import annotations

import resource
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from contract.catalogue_contract import CatalogueContract, put
from shelfwise.domain import StoreUnavailable
from shelfwise.stores import Position
from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue


class TestSqliteCatalogue(CatalogueContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.paths = (tmp_path / f"{n}.sqlite" for n in count())

    def make(self) -> SqliteCatalogue:
        return SqliteCatalogue(next(self.paths))


APPLYING = """
import sys
from pathlib import Path
from shelfwise.domain import Item
from shelfwise.stores import ItemChange, Position
from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
catalogue = SqliteCatalogue(Path(sys.argv[1]))
n = int(catalogue.position() or 0)
while True:
    n += 1
    ids = ("same", f"new-{n}")
    changes = [ItemChange(action="put", item_id=i, at_us=n, item=Item(item_id=i, stock=n)) for i in ids]
    catalogue.apply(changes, position=Position(str(n)))
    print(n, flush=True)
"""


def test_a_killed_writer_leaves_whole_batches_at_their_position(tmp_path: Path) -> None:
    path, done = tmp_path / "catalogue.sqlite", 0
    for round_ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", APPLYING, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            for line in writer.stdout:
                if int(line) > done + 30 + 17 * round_:
                    writer.kill()
                    break
            acknowledged = max([int(line), *map(int, writer.stdout)])
        catalogue = SqliteCatalogue(path)
        done = int(catalogue.position())
        assert done >= acknowledged
        same, *others = catalogue.since(0)
        assert same.item.stock == done
        assert [(stored.row, stored.item.item_id) for stored in others] == [
            (n, f"new-{n}") for n in range(1, done + 1)
        ]
        catalogue.close()


def test_a_reader_sees_each_batch_of_the_writer(tmp_path: Path) -> None:
    writer = SqliteCatalogue(tmp_path / "catalogue.sqlite")
    reader = SqliteCatalogue(tmp_path / "catalogue.sqlite", read_only=True)
    writer.apply([put("a", stock=1)], position=Position("1"))
    assert (reader.get("a"), reader.generation()) == (writer.get("a"), 1)
    with pytest.raises(StoreUnavailable, match="opened to read"):
        reader.apply([put("b")], position=Position("2"))


def test_a_full_disk_is_reported_and_leaves_the_last_batch(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "catalogue.sqlite")
    catalogue.apply([put("a", stock=1)], position=Position("1"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match=r"catalogue .* \(.*SQLITE_(FULL|IOERR)"):
            catalogue.apply([put(f"{n}", title="t" * 500) for n in range(5_000)], position=Position("2"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ([stored.item.item_id for stored in catalogue.since(0)], catalogue.position()) == (["a"], "1")
    assert [stored.row for stored in catalogue.apply([put("b")], position=Position("2"))] == [1]


def test_a_copy_is_a_whole_catalogue(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "catalogue.sqlite")
    catalogue.apply([put("a", stock=1), put("b")], position=Position("7"))
    catalogue.copy_to(tmp_path / "backup" / "catalogue.sqlite")
    copy = SqliteCatalogue(tmp_path / "backup" / "catalogue.sqlite")
    assert (copy.since(0), copy.position()) == (catalogue.since(0), "7")


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        SqliteCatalogue(tmp_path / "catalogue.sqlite")
