"""The in-memory stores keep the same promises as the real ones."""

from __future__ import annotations

from contract.event_log_contract import EventLogContract
from contract.memory import MemoryLog, MemoryState
from contract.state_store_contract import StateStoreContract


class TestMemoryLog(EventLogContract):
    def make(self) -> MemoryLog:
        return MemoryLog()


class TestMemoryState(StateStoreContract):
    def make(self) -> MemoryState:
        return MemoryState()
