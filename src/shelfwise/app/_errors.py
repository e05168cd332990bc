"""Errors of the command line's own."""

from __future__ import annotations

from shelfwise.domain import InvalidInput, NotFound


class Misuse(InvalidInput):
    """A command that may not be run this way, whatever the data: exit code 2, like a wrong flag."""


class NoShop(NotFound):
    """A folder without a shop."""

    def __init__(self, folder: str) -> None:
        super().__init__("shop", folder)

    def __str__(self) -> str:
        return f"no shop in {self.key}; make one with: shelfwise init {self.key}"


class OtherVersion(InvalidInput):
    """A folder laid out by another version than this one."""
