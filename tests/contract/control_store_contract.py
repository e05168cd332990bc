"""What every control store keeps."""

from __future__ import annotations

import pytest

from shelfwise.domain import Conflict, InvalidField, InvalidInput
from shelfwise.stores import ControlStore


class ControlStoreContract:
    """A subclass gives ``make()``: an empty store."""

    def make(self) -> ControlStore:
        raise NotImplementedError

    def put(
        self,
        store: ControlStore,
        key: str,
        body: dict[str, object],
        *,
        kind: str = "rule",
        if_match: str | None = None,
    ) -> str:
        return store.put(kind, key, body, if_match=if_match, actor="ann", at_us=5)

    def test_an_empty_store_has_nothing(self) -> None:
        store = self.make()
        assert (store.get("rule", "a"), store.documents("rule"), store.audit(), store.dead_letters()) == (
            None,
            [],
            [],
            [],
        )
        assert store.generation("rule") == 0

    def test_a_document_is_read_back_with_its_etag(self) -> None:
        store = self.make()
        body = {"pin": ["85123A"], "from": None, "share": 0.5, "née": {"x": True}}
        etag = self.put(store, "a", body)
        assert store.get("rule", "a") == (body, etag)
        assert store.get("key", "a") is None

    def test_an_etag_changes_with_every_put_and_never_comes_back(self) -> None:
        store = self.make()
        etags = [self.put(store, "a", {"n": n % 2}) for n in range(4)]
        assert len(set(etags)) == 4

    def test_if_match_lets_only_the_reader_of_the_newest_version_write(self) -> None:
        store = self.make()
        first = self.put(store, "a", {"n": 1})
        second = self.put(store, "a", {"n": 2}, if_match=first)
        with pytest.raises(Conflict, match=f"rule 'a' has etag {second!r}; expected {first!r}"):
            self.put(store, "a", {"n": 3}, if_match=first)
        assert store.get("rule", "a") == ({"n": 2}, second)

    def test_an_empty_if_match_demands_that_it_is_new(self) -> None:
        store = self.make()
        self.put(store, "a", {"n": 1}, if_match="")
        with pytest.raises(Conflict, match="rule 'a' exists already"):
            self.put(store, "a", {"n": 2}, if_match="")

    def test_an_etag_of_what_is_gone_matches_nothing(self) -> None:
        store = self.make()
        etag = self.put(store, "a", {"n": 1})
        assert store.delete("rule", "a", if_match=etag, actor="bob", at_us=6)
        with pytest.raises(Conflict, match="rule 'a' is gone"):
            self.put(store, "a", {"n": 2}, if_match=etag)

    def test_delete_says_whether_there_was_one_and_heeds_if_match(self) -> None:
        store = self.make()
        etag = self.put(store, "a", {"n": 1})
        assert not store.delete("rule", "b", if_match=None, actor="bob", at_us=6)
        with pytest.raises(Conflict):
            store.delete("rule", "a", if_match="another", actor="bob", at_us=6)
        assert store.delete("rule", "a", if_match=etag, actor="bob", at_us=6)
        assert store.get("rule", "a") is None
        assert not store.delete("rule", "a", if_match=None, actor="bob", at_us=7)

    def test_a_new_document_under_an_old_key_has_another_etag_if_its_body_differs(self) -> None:
        store = self.make()
        old = self.put(store, "a", {"n": 1})
        store.delete("rule", "a", if_match=None, actor="bob", at_us=6)
        assert self.put(store, "a", {"n": 2}) != old

    def test_documents_come_in_pages_in_the_order_of_keys(self) -> None:
        store = self.make()
        for key in ("b", "a", "é", "B", "c"):
            self.put(store, key, {"key": key})
        self.put(store, "x", {}, kind="key")
        assert [key for key, _, _ in store.documents("rule", limit=2)] == ["B", "a"]
        assert [(key, body) for key, body, _ in store.documents("rule", after="a")] == [
            ("b", {"key": "b"}),
            ("c", {"key": "c"}),
            ("é", {"key": "é"}),
        ]

    def test_a_generation_grows_with_each_change_of_its_kind_and_no_other(self) -> None:
        store = self.make()
        self.put(store, "a", {"n": 1})
        first = store.generation("rule")
        self.put(store, "a", {}, kind="key")
        store.delete("rule", "nobody", if_match=None, actor="bob", at_us=6)
        with pytest.raises(Conflict):
            self.put(store, "a", {}, if_match="")
        assert store.generation("rule") == first > 0
        store.delete("rule", "a", if_match=None, actor="bob", at_us=6)
        assert store.generation("rule") > first

    def test_every_change_leaves_an_audit_line_newest_first(self) -> None:
        store = self.make()
        store.put("rule", "a", {"n": 1}, if_match=None, actor="ann", at_us=5)
        store.put("rule", "a", {"n": 2}, if_match=None, actor="bob", at_us=6)
        with pytest.raises(Conflict):
            store.put("rule", "a", {"n": 3}, if_match="", actor="eve", at_us=7)
        store.delete("rule", "a", if_match=None, actor="cat", at_us=8)
        lines = [(line["actor"], line["at_us"], line["before"], line["after"]) for line in store.audit()]
        assert lines == [
            ("cat", 8, {"n": 2}, None),
            ("bob", 6, {"n": 1}, {"n": 2}),
            ("ann", 5, None, {"n": 1}),
        ]
        assert {(line["kind"], line["key"]) for line in store.audit()} == {("rule", "a")}
        assert [line["actor"] for line in store.audit(limit=1)] == ["cat"]

    def test_what_is_forgotten_is_in_no_audit_line_either(self) -> None:
        store = self.make()
        self.put(store, "u:1", {"n": 1}, kind="consent")
        self.put(store, "u:1", {"n": 2}, kind="consent")
        self.put(store, "u:2", {"n": 1}, kind="consent")
        before = store.generation("consent")
        assert store.forget("consent", "u:1") == 3  # the document and two lines
        assert store.get("consent", "u:1") is None
        assert [line["key"] for line in store.audit()] == ["u:2"]
        assert store.generation("consent") > before
        assert store.forget("consent", "u:1") == 0

    def test_dead_letters_are_kept_newest_first(self) -> None:
        store = self.make()
        letter = {"source": "events.csv", "row": "7", "field": "quantity", "value": "'x'", "rule": "a number"}
        store.add_dead_letters([letter, {**letter, "row": 8}], at_us=5)
        store.add_dead_letters([], at_us=6)
        store.add_dead_letters([{"source": "http", "rule": "an object"}], at_us=7)
        rows = [
            (row["at_us"], row["source"], row["row"], row["field"], row["rule"])
            for row in store.dead_letters()
        ]
        assert rows == [
            (7, "http", None, None, "an object"),
            (5, "events.csv", "8", "quantity", "a number"),
            (5, "events.csv", "7", "quantity", "a number"),
        ]
        assert len(store.dead_letters(limit=1)) == 1

    def test_a_huge_value_of_a_dead_letter_is_cut(self) -> None:
        store = self.make()
        store.add_dead_letters([{"source": "s", "value": "x" * 10_000_000}], at_us=5)
        assert len(store.dead_letters()[0]["value"]) == 1_000

    @pytest.mark.parametrize(("kind", "key"), [("rule", ""), ("rule", "é" * 128), ("", "a"), ("k" * 65, "a")])
    def test_kinds_and_keys_are_bounded(self, kind: str, key: str) -> None:
        with pytest.raises(InvalidField, match=r"^(key|kind) is .*; expected 1 to (255|64) bytes"):
            self.put(self.make(), key, {}, kind=kind)

    def test_a_document_is_bounded(self) -> None:
        with pytest.raises(InvalidInput, match="expected at most 262144"):
            self.put(self.make(), "a", {"text": "x" * 300_000})

    def test_hostile_text_stays_text(self) -> None:
        store = self.make()
        evil = "'; DROP TABLE documents; --"
        self.put(store, evil, {"x": evil})
        store.add_dead_letters([{"source": evil, "value": evil}], at_us=1)
        assert [key for key, _, _ in store.documents("rule")] == [evil]
        assert store.dead_letters()[0]["value"] == evil
