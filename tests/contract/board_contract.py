"""What every board keeps."""

from __future__ import annotations

import pytest

from shelfwise.domain import UnknownName
from shelfwise.stores import BOARD_NAMES, Board


class BoardContract:
    """A subclass gives ``make()``: a new board."""

    def make(self) -> Board:
        raise NotImplementedError

    def test_all_counters_begin_at_zero(self) -> None:
        board = self.make()
        assert [board.read(name) for name in BOARD_NAMES] == [0] * len(BOARD_NAMES)

    def test_a_bump_moves_its_own_counter_by_one(self) -> None:
        board = self.make()
        assert [board.bump("rules"), board.bump("rules"), board.bump("live")] == [1, 2, 1]
        assert {name: board.read(name) for name in BOARD_NAMES if board.read(name)} == {"rules": 2, "live": 1}

    def test_a_wrong_name_is_answered_with_the_right_one(self) -> None:
        board = self.make()
        with pytest.raises(UnknownName, match="'rule'; did you mean 'rules'"):
            board.read("rule")
        with pytest.raises(UnknownName, match="'rule'; did you mean 'rules'"):
            board.bump("rule")
