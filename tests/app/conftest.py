"""The corner shop, trained once for all tests of the room, and the command line called as a person calls it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import corner_shop
from shelfwise import Shop
from shelfwise.app.cli import main


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all test processes of this run look for the trained shop."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if folder.name.startswith("popen-") else folder


@pytest.fixture(scope="session")
def trained(base: Path) -> Path:
    """A trained shop. Tests that change it take ``folder``."""
    return corner_shop.trained(base)


@pytest.fixture
def folder(trained: Path, base: Path, tmp_path: Path) -> Path:
    """A trained shop of one's own."""
    assert trained.exists()
    return corner_shop.copied(base, tmp_path / "shop")


@pytest.fixture
def shop(folder: Path) -> Iterator[Shop]:
    """The same, open."""
    with Shop.open(folder) as shop:
        yield shop


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process."""

    def call(*words: object, shop: Path | None = None) -> Said:
        chosen = ["--shop", str(shop)] if shop is not None else []
        monkeypatch.setattr(sys, "argv", ["shelfwise", *chosen, *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as left:
                code = int(left.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    return call
