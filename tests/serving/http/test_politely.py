"""Who works beside shoppers rests: as often as promised, whatever the work, and not a moment longer."""

from __future__ import annotations

import sys

import pytest

from shelfwise.serving.http._politely import REST_S, WORK_S, politely


class Clock:
    """Every look at it takes a quarter of a spell of work, every sleep as long as it says."""

    def __init__(self) -> None:
        self.now_s, self.rests = 0.0, 0

    def __call__(self) -> float:
        self.now_s += WORK_S / 4
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds == REST_S
        self.now_s += seconds
        self.rests += 1


def test_after_each_spell_of_work_there_is_a_rest() -> None:
    clock = Clock()
    with politely(clock, clock.sleep):
        while clock.rests < 10:
            len(())
    worked_s = clock.now_s - clock.rests * REST_S
    # A quarter is lost before a spell and may be lost after it: rests come every one and a half spells at the latest.
    assert clock.rests * WORK_S <= worked_s <= (clock.rests + 1) * 1.5 * WORK_S


def test_work_that_goes_wrong_is_not_polite_for_ever() -> None:
    clock = Clock()
    with pytest.raises(ZeroDivisionError), politely(clock, clock.sleep):
        _ = 1 / 0
    rests = clock.rests
    for _ in range(100):
        len(())
    assert clock.rests == rests
    assert sys.getprofile() is None
