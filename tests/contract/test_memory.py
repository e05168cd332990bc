"""The in-memory stores keep the same promises as the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.board_contract import BoardContract
from contract.catalogue_contract import CatalogueContract
from contract.control_store_contract import ControlStoreContract
from contract.event_log_contract import EventLogContract
from contract.lake_contract import LakeContract
from contract.live_columns_contract import LiveColumnsContract
from contract.memory import (
    MemoryBoard,
    MemoryCatalogue,
    MemoryControl,
    MemoryLake,
    MemoryLive,
    MemoryLog,
    MemoryState,
)
from contract.state_store_contract import StateStoreContract


class TestMemoryLog(EventLogContract):
    def make(self) -> MemoryLog:
        return MemoryLog()


class TestMemoryState(StateStoreContract):
    def make(self) -> MemoryState:
        return MemoryState()


class TestMemoryBoard(BoardContract):
    def make(self) -> MemoryBoard:
        return MemoryBoard()


class TestMemoryLive(LiveColumnsContract):
    def make(self) -> MemoryLive:
        return MemoryLive()


class TestMemoryCatalogue(CatalogueContract):
    def make(self) -> MemoryCatalogue:
        return MemoryCatalogue()


class TestMemoryLake(LakeContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> MemoryLake:
        return MemoryLake(self.folder)


class TestMemoryControl(ControlStoreContract):
    def make(self) -> MemoryControl:
        return MemoryControl()
