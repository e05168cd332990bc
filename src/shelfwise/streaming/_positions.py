"""Positions of the embedded log as numbers, which lake versions are made of.

The log's positions are decimal numbers of 16 digits, growing by one a batch: that is what lets the lake's version
be the place in the log up to which it was written, so that rows and place are committed as one.
"""

from __future__ import annotations

from shelfwise.stores import START, Position


def number_of(position: Position) -> int:
    """0 for START, else the number of the last batch before it."""
    return int(position) if position else 0


def position_at(number: int) -> Position:
    """The position after that many batches."""
    return Position(f"{number:016d}") if number > 0 else START
