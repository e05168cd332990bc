"""What every online state keeps."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfwise.domain import InvalidField
from shelfwise.stores import START, Position, StateStore

keys = st.binary(min_size=1, max_size=5)
changes = st.dictionaries(keys, st.none() | st.binary(max_size=9), max_size=6)


class StateStoreContract:
    """A subclass gives ``make()``: an empty state, also when called again."""

    def make(self) -> StateStore:
        raise NotImplementedError

    def test_what_was_committed_is_read_back(self) -> None:
        state = self.make()
        state.commit({b"u:1": b"one", b"u:2": b"", b"a:\xff": bytes(9000)}, {})
        assert state.get_many([b"u:2", b"nobody", b"u:1"]) == [b"", None, b"one"]
        assert state.get(b"a:\xff") == bytes(9000)
        assert state.get(b"nobody") is None

    def test_a_value_is_replaced_and_none_deletes(self) -> None:
        state = self.make()
        state.commit({b"a": b"old", b"b": b"old"}, {})
        state.commit({b"a": b"new", b"b": None, b"never": None}, {})
        assert state.get_many([b"a", b"b", b"never"]) == [b"new", None, None]

    def test_positions_are_kept_by_name(self) -> None:
        state = self.make()
        assert state.position("state") == START
        state.commit({b"a": b"1"}, {"state": Position("007"), "counters": Position("3")})
        state.commit({}, {"counters": Position("4")})
        assert (state.position("state"), state.position("counters")) == ("007", "4")

    def test_a_position_is_no_value(self) -> None:
        state = self.make()
        state.commit({}, {"state": Position("7")})
        assert state.get(b"state") is None
        assert list(state.scan(b"")) == []

    def test_scan_gives_what_starts_with_a_prefix_in_key_order(self) -> None:
        state = self.make()
        state.commit({b"b:2": b"2", b"b": b"0", b"b:1": b"1", b"c": b"3", b"a": b"4", b"b\xff": b"5"}, {})
        assert list(state.scan(b"b")) == [(b"b", b"0"), (b"b:1", b"1"), (b"b:2", b"2"), (b"b\xff", b"5")]
        assert list(state.scan(b"b:")) == [(b"b:1", b"1"), (b"b:2", b"2")]
        assert list(state.scan(b"x")) == []
        assert len(list(state.scan(b""))) == 6

    def test_a_long_scan_misses_nothing_and_repeats_nothing(self) -> None:
        state = self.make()
        expected = [(b"k%05d" % n, b"%d" % n) for n in range(2_500)]
        state.commit(dict(expected) | {b"j": b"", b"l": b""}, {})
        assert list(state.scan(b"k")) == expected

    def test_a_scan_may_delete_what_it_has_seen(self) -> None:
        state = self.make()
        state.commit({b"k%05d" % n: b"" for n in range(2_500)}, {})
        for key, _ in state.scan(b"k"):
            if key.endswith(b"0"):
                state.commit({key: None}, {})
        assert len(list(state.scan(b"k"))) == 2_250

    @pytest.mark.parametrize("key", [b"", b"x" * 512])
    def test_a_key_has_1_to_511_bytes(self, key: bytes) -> None:
        state = self.make()
        state.commit({b"x" * 511: b"fits"}, {})
        assert state.get(b"x" * 511) == b"fits"
        with pytest.raises(InvalidField, match=r"key is .*; expected 1 to 511 bytes"):
            state.commit({b"before": b"1", key: b"1"}, {"state": Position("1")})
        assert state.get(b"before") is None  # nothing of a refused commit stays
        assert state.position("state") == START

    def test_it_needs_a_rebuild_until_it_is_marked_built(self) -> None:
        state = self.make()
        assert state.needs_rebuild
        state.commit({b"a": b"1"}, {"state": Position("1")})
        assert state.needs_rebuild
        state.mark_built()
        assert not state.needs_rebuild

    def test_clearing_forgets_values_and_positions_and_asks_for_a_rebuild(self) -> None:
        state = self.make()
        state.commit({b"a": b"1"}, {"state": Position("1")})
        state.mark_built()
        state.clear()
        assert state.needs_rebuild
        assert (state.get(b"a"), state.position("state"), list(state.scan(b""))) == (None, START, [])

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(batches=st.lists(changes, max_size=8), prefix=st.binary(max_size=2))
    def test_it_is_a_dict(self, batches: list[dict[bytes, bytes | None]], prefix: bytes) -> None:
        state, model = self.make(), dict[bytes, bytes]()
        state.clear()
        for batch in batches:
            state.commit(batch, {})
            model.update({key: value for key, value in batch.items() if value is not None})
            model = {key: value for key, value in model.items() if batch.get(key, b"") is not None}
        assert list(state.scan(prefix)) == sorted(
            pair for pair in model.items() if pair[0].startswith(prefix)
        )
        state.close()
