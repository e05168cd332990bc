"""What every event log keeps."""

from __future__ import annotations

from shelfwise.stores import START, EventLog, Position


class EventLogContract:
    """A subclass gives ``make()``: an empty log."""

    def make(self) -> EventLog:
        raise NotImplementedError

    def filled(self, *blobs: bytes) -> EventLog:
        log = self.make()
        for at_us, blob in enumerate(blobs):
            log.append("events", [blob], at_us=at_us)
        return log

    def test_an_empty_log_ends_where_it_starts(self) -> None:
        log = self.make()
        assert log.end("events") == START
        assert list(log.read("events", START)) == []

    def test_batches_come_back_byte_for_byte_in_the_order_of_appending(self) -> None:
        log = self.make()
        log.append("events", [b"", b"\x00\xff"], at_us=5)
        log.append("events", [b"third"], at_us=7)
        entries = log.read("events", START)
        assert [(entry.blob, entry.appended_us) for entry in entries] == [
            (b"", 5),
            (b"\x00\xff", 5),
            (b"third", 7),
        ]

    def test_a_reader_goes_on_after_the_position_of_what_it_read(self) -> None:
        log = self.filled(b"a", b"b", b"c")
        first, second = log.read("events", START, limit=2)
        assert [entry.blob for entry in log.read("events", first.position)] == [b"b", b"c"]
        assert [entry.blob for entry in log.read("events", second.position)] == [b"c"]

    def test_append_returns_the_position_after_its_last_batch(self) -> None:
        log = self.make()
        end = log.append("events", [b"a", b"b"], at_us=0)
        assert end == log.end("events") == log.read("events", START)[-1].position
        assert list(log.read("events", end)) == []

    def test_appending_nothing_moves_nothing(self) -> None:
        log = self.filled(b"a")
        assert log.append("events", [], at_us=9) == log.end("events")
        assert len(log.read("events", START)) == 1

    def test_streams_do_not_know_each_other(self) -> None:
        log = self.filled(b"a", b"b")
        log.append("items", [b"i"], at_us=0)
        assert [entry.blob for entry in log.read("items", START)] == [b"i"]
        assert log.end("answers") == START
        assert len(log.read("events", START)) == 2

    def test_one_commit_may_cover_several_streams(self) -> None:
        log = self.filled(b"a")
        ends = log.append_all({"events": [b"b"], "answers": [b"x", b"y"], "items": []}, at_us=3)
        assert ends == {"events": log.end("events"), "answers": log.end("answers")}
        assert [entry.blob for entry in log.read("answers", START)] == [b"x", b"y"]

    def test_positions_of_a_stream_grow_as_text(self) -> None:
        log = self.make()
        ends = [log.append("events", [b"."], at_us=0) for _ in range(12)]
        assert ends == sorted(set(ends))
        assert ends[0] > START

    def test_trim_forgets_what_was_appended_before_an_instant_and_says_how_many(self) -> None:
        log = self.filled(b"0", b"1", b"2", b"3")  # appended at 0, 1, 2, 3
        assert log.trim("events", before_us=2) == 2
        assert [entry.blob for entry in log.read("events", START)] == [b"2", b"3"]
        assert log.trim("events", before_us=2) == 0

    def test_positions_outlive_a_trim_of_everything(self) -> None:
        log = self.filled(b"0", b"1")
        end = log.end("events")
        assert log.trim("events", before_us=10) == 2
        assert log.end("events") == end
        assert log.append("events", [b"new"], at_us=11) > end
        assert [entry.blob for entry in log.read("events", end)] == [b"new"]

    def test_a_reader_behind_the_trim_goes_on_with_the_oldest_kept(self) -> None:
        log = self.filled(b"0", b"1", b"2")
        behind = log.read("events", START, limit=1)[0].position
        log.trim("events", before_us=2)
        assert [entry.blob for entry in log.read("events", behind)] == [b"2"]

    def test_erasing_rewrites_a_batch_under_its_own_position(self) -> None:
        log = self.filled(b"keep", b"Ann bought a lamp", b"keep too")
        before = log.read("events", START)
        log.rewrite("events", {before[1].position: b"-"})
        after = log.read("events", START)
        assert [entry.blob for entry in after] == [b"keep", b"-", b"keep too"]
        assert [entry.position for entry in after] == [entry.position for entry in before]

    def test_rewriting_a_position_that_is_gone_changes_nothing(self) -> None:
        log = self.filled(b"0", b"1")
        gone = log.read("events", START)[0].position
        log.trim("events", before_us=1)
        log.rewrite("events", {gone: b"ghost", Position("9" * 16): b"ghost"})
        assert [entry.blob for entry in log.read("events", START)] == [b"1"]
