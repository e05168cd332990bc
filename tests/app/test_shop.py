"""The shop from Python, on the corner shop: in, learned, asked, moved, forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from app import corner_shop
from shelfwise import Shop
from shelfwise.domain import Conflict, InvalidField, InvalidInput, NotFound, NotTrained


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["accepted"], report["duplicates"], report["rejected"]


@pytest.fixture
def empty(tmp_path: Path) -> Shop:
    return corner_shop.make(tmp_path / "new")


ORDER = [row for row in corner_shop.events() if row["user_id"] == "p1"]
N_ORDERS = len({row["order_id"] for row in ORDER})


class TestImports:
    @pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow", "polars", "stream"])
    def test_every_source_of_the_same_rows_gives_the_same_events(
        self, empty: Shop, tmp_path: Path, kind: str
    ) -> None:
        frame = pl.DataFrame(ORDER)
        source: Any = tmp_path / f"events.{kind}"
        match kind:
            case "csv":
                frame.write_csv(source)
            case "jsonl":
                frame.write_ndjson(source)
            case "parquet":
                frame.write_parquet(source)
            case "arrow":
                source = frame.to_arrow()
            case "stream":
                source = pa.RecordBatchReader.from_stream(frame.to_arrow())
            case _:
                source = frame
        with empty as shop:
            shop.import_items(pl.DataFrame(corner_shop.items()))
            assert counts(shop.import_events(source)) == (N_ORDERS, 0, 0)
            assert counts(shop.import_events(frame)) == (0, N_ORDERS, 0)
            assert shop.export("p1")["n_lines"] == len(ORDER)

    def test_bad_rows_are_named_and_kept_and_good_rows_of_the_same_file_are_taken(
        self, empty: Shop, tmp_path: Path
    ) -> None:
        file = tmp_path / "items.csv"
        file.write_text("item_id,title,price,currency\na,Apple,1.20,EUR\nb,Bread,cheap,EUR\n,None,1,EUR\n")
        with empty as shop:
            report = shop.import_items(file)
            letters = shop.readers.control.dead_letters()
        assert (report["rows"], report["accepted"], report["rejected"]) == (3, 1, 2)
        first = report["rejections"][0]
        assert (Path(first["source"]).name, first["row"], first["field"], first["value"]) == (
            "items.csv", 2, "price", "cheap",
        )  # fmt: skip
        assert "expected" not in first["rule"]
        assert {letter["field"] for letter in letters} == {"price", "item_id"}

    def test_a_column_of_another_name_is_mapped(self, empty: Shop) -> None:
        with empty as shop:
            report = shop.import_items(
                pl.DataFrame({"sku": ["a"], "title": ["A"]}), mapping={"sku": "item_id"}
            )
            assert report["accepted"] == 1
            stored = shop.readers.catalogue.get("a")
        assert stored is not None
        assert stored.item.title == "A"

    def test_a_full_feed_retires_what_it_does_not_name_but_not_half_a_shop(self, shop: Shop) -> None:
        feed = pl.DataFrame(corner_shop.items())
        assert shop.import_items(feed[1:], full=True)["retired"] == 1
        assert corner_shop.items()[0]["item_id"] not in ids(shop.recommend("p1", n=60))
        with pytest.raises(InvalidInput):
            shop.import_items(feed[:5], full=True)


class TestTraining:
    def test_a_shop_with_nothing_in_it_says_all_that_is_missing(self, empty: Shop) -> None:
        with empty as shop, pytest.raises(NotTrained, match=r"no items .*; no purchases"):
            shop.train()

    def test_a_shop_that_is_only_looked_at_misses_purchases(self, empty: Shop) -> None:
        views = pl.DataFrame(ORDER).select("occurred_at", "user_id", "item_id", event=pl.lit("view_item"))
        with empty as shop:
            shop.import_items(pl.DataFrame(corner_shop.items()))
            shop.import_events(views)
            with pytest.raises(NotTrained, match=r"learn from: no purchases"):
                shop.train()

    def test_too_short_a_history_says_how_long_it_is(self, empty: Shop) -> None:
        rows = [row for row in corner_shop.events() if row["occurred_at"] > "2025-03-25"]
        with empty as shop:
            shop.import_items(pl.DataFrame(corner_shop.items()))
            shop.import_events(pl.DataFrame(rows))
            with pytest.raises(NotTrained, match=r"history is 17 days; expected more than 42"):
                shop.train()

    def test_a_release_worse_than_the_champion_is_refused_and_the_champion_stays(
        self, shop: Shop, folder: Path
    ) -> None:
        champion = shop.release("champion")
        shop.close()
        with (folder / "shelfwise.toml").open("a") as settings:
            settings.write("\n[reranking]\nrelevance_weight = 0.0\n")
        with Shop.open(folder) as again:
            report = again.train()
            kept = again.release("champion")
        assert not report["passed"]
        assert report["release"] is None
        assert any("below the champion's" in reason for reason in report["verdict"])
        assert kept == champion


class TestAnswers:
    def test_an_answer_says_why_and_reads_as_over_http(self, shop: Shop) -> None:
        answer = shop.recommend("p1", n=5)
        assert answer["degraded"] is None
        assert answer["release"] == shop.releases()[0]["release"]
        assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5]
        assert all(item["reasons"] and item["sources"] and item["title"] for item in answer["items"])

    def test_the_same_question_gives_the_same_answer(self, shop: Shop) -> None:
        assert ids(shop.recommend("p2")) == ids(shop.recommend("p2"))

    def test_what_is_bought_now_changes_the_next_answer(self, shop: Shop) -> None:
        before = shop.recommend("nobody yet", n=5)
        bought = {"event": "purchase", "occurred_at": corner_shop.NOW.isoformat(), "user_id": "nobody yet"}
        rows = [{**bought, "order_id": "1", "item_id": f"te-{n}", "quantity": 1} for n in range(3)]
        shop.import_events(pl.DataFrame(rows))
        assert ids(shop.recommend("nobody yet", n=5)) != ids(before)

    def test_a_filter_and_a_place_are_heeded(self, shop: Shop) -> None:
        cheap = shop.recommend("p1", n=10, filter="price < 2")
        assert set(ids(cheap)) <= {row["item_id"] for row in corner_shop.items() if float(row["price"]) < 2}
        assert "br-1" not in ids(shop.recommend("p1", placement="cart", items=["br-1"]))

    def test_a_query_that_makes_no_sense_is_refused_with_its_field(self, shop: Shop) -> None:
        with pytest.raises(InvalidInput, match="filter"):
            shop.recommend("p1", filter="price <")
        with pytest.raises(
            InvalidInput, match=r"strategy is .clairvoyance.; expected one of auto, buy_again"
        ):
            shop.recommend("p1", strategy="clairvoyance")

    def test_an_explanation_tells_sources_and_features_or_why_not(self, shop: Shop) -> None:
        shown = ids(shop.recommend("p1", n=10))
        why = shop.explain(item_id=shown[0], user_id="p1")
        assert why["shown"]
        assert why["features"]
        absent = next(row["item_id"] for row in corner_shop.items() if row["item_id"] not in shown)
        told = shop.explain(item_id=absent, user_id="p1")
        assert not told["shown"]
        assert told["why_not"]["reason"] in ("ranked_lower", "not_proposed")
        with pytest.raises(NotFound):
            shop.explain(item_id="no such thing", user_id="p1")

    def test_features_are_told_by_name(self, shop: Shop) -> None:
        (row,) = shop.features(user_id="p1", items=["br-1"])
        assert row["item_id"] == "br-1"
        assert len(row) > 50
        assert row["item__purchase__actors__30d"] > 0
        assert all(check["ok"] for check in shop.check_features())

    def test_without_a_release_there_is_a_hint(self, empty: Shop) -> None:
        with empty as shop, pytest.raises(NotTrained, match="shelfwise train"):
            shop.recommend("p1")


class TestControl:
    def test_a_rule_is_previewed_then_felt_then_gone(self, shop: Shop) -> None:
        before = ids(shop.recommend("p1", n=5))
        rule = {"rule_id": "no-first", "kind": "exclude", "where": f"item_id = '{before[0]}'"}
        seen = shop.preview_rule(rule, user_id="p1")
        assert seen["gone"] == [before[0]]
        assert ids(shop.recommend("p1", n=5)) == before
        shop.add_rule(rule)
        assert before[0] not in ids(shop.recommend("p1", n=5))
        with pytest.raises(Conflict):
            shop.add_rule(rule)
        shop.remove_rule("no-first")
        assert ids(shop.recommend("p1", n=5)) == before
        with pytest.raises(NotFound):
            shop.remove_rule("no-first")

    def test_a_rule_that_names_an_unknown_item_is_kept_with_a_warning(self, shop: Shop) -> None:
        kept = shop.add_rule({"rule_id": "new", "kind": "pin", "items": ["br-1", "not here yet"]})
        assert kept["warnings"] == ["no item 'not here yet' in the catalogue: nothing is shown for it"]
        assert [rule["rule_id"] for rule in shop.rules()] == ["new"]

    def test_a_rule_that_makes_no_sense_names_its_field(self, shop: Shop) -> None:
        with pytest.raises(InvalidField, match="where"):
            shop.add_rule({"rule_id": "x", "kind": "boost", "where": "colour =", "factor": 2})

    def test_a_key_is_shown_once_and_can_be_revoked(self, shop: Shop) -> None:
        made = shop.add_key("web", scopes=["browser"])
        assert made["secret"].startswith("sw_browser_")
        assert shop.keys() == [{"key_id": made["key_id"], "name": "web", "scopes": ["browser"]}]
        shop.revoke_key(made["key_id"])
        assert shop.keys() == []
        with pytest.raises(InvalidInput, match="scopes"):
            shop.add_key("web", scopes=["everything"])

    def test_a_promoted_release_answers_and_a_rollback_brings_the_other_back(self, shop: Shop) -> None:
        first = shop.releases()[0]["release"]
        with pytest.raises(NotFound, match=f"champion is {first}, and none was before it; expected one"):
            shop.rollback()
        second = corner_shop.another_release(shop)
        shop.promote(second)
        assert shop.recommend("p1")["release"] == second
        assert shop.rollback() == first
        assert shop.recommend("p1")["release"] == first
        with pytest.raises(NotFound):
            shop.promote("r-0000000000000000")


class TestMoving:
    def test_a_restored_backup_gives_the_same_answers_and_knows_the_same_events(
        self, shop: Shop, tmp_path: Path
    ) -> None:
        from shelfwise.app._moving import restore

        people = ["p1", "p2", "p3"]
        rows = pl.DataFrame(ORDER)
        want = [ids(shop.recommend(user)) for user in people]
        assert "shelfwise.toml" in shop.backup(tmp_path / "copy")
        shop.close()
        restore(tmp_path / "copy", tmp_path / "again")
        with Shop.open(tmp_path / "again") as again:
            assert [ids(again.recommend(user)) for user in people] == want
            assert counts(again.import_events(rows)) == (0, N_ORDERS, 0)

    def test_nothing_is_restored_over_what_is_there(self, trained: Path, tmp_path: Path) -> None:
        from shelfwise.app._moving import restore

        (tmp_path / "letter.txt").write_text("dear")
        with pytest.raises(Conflict, match="not empty"):
            restore(trained, tmp_path)
        with pytest.raises(Conflict, match="a shop already"):
            restore(trained, trained)
        assert (tmp_path / "letter.txt").read_text() == "dear"

    def test_an_older_folder_must_be_upgraded_and_then_answers(self, folder: Path) -> None:
        from shelfwise.app._moving import upgrade

        (folder / "data" / "version").unlink()
        with pytest.raises(InvalidInput, match=r"has layout 0; expected 1: run shelfwise .* upgrade"):
            Shop.open(folder)
        assert upgrade(folder) == {"from": 0, "to": 1}
        assert upgrade(folder) == {"from": 1, "to": 1}
        with Shop.open(folder) as shop:
            assert shop.recommend("p1")["degraded"] is None

    def test_a_folder_of_a_newer_version_is_left_alone(self, folder: Path) -> None:
        (folder / "data" / "version").write_text("99\n")
        with pytest.raises(InvalidInput, match="newer version"):
            Shop.open(folder)

    def test_a_state_that_is_lost_is_rebuilt(self, folder: Path) -> None:
        with Shop.open(folder) as shop:
            want = ids(shop.recommend("p1"))
        shutil.rmtree(folder / "data" / "state")
        shutil.rmtree(folder / "live")
        with Shop.open(folder) as shop:
            assert ids(shop.recommend("p1")) == want


class TestPrivacy:
    def test_a_person_is_exported_whole_and_then_forgotten_everywhere(self, shop: Shop) -> None:
        answer = shop.recommend("p1", n=2)
        told = shop.export("p1")
        assert told["n_lines"] == len(told["lines"]) == len(ORDER)
        assert told["answers"][0]["recommendation_id"] == answer["recommendation_id"]
        assert [item["item_id"] for item in told["answers"][0]["items"]] == ids(answer)
        report = shop.erase("p1")
        assert report["lake_rows"] == len(ORDER) + 2
        with pytest.raises(NotFound):
            shop.export("p1")
        reads = pl.read_parquet(_lake_files(shop))
        assert "u:p1" not in reads["person"].unique().to_list()

    def test_a_person_of_a_shop_without_a_model_can_be_exported_too(self, empty: Shop) -> None:
        with empty as shop:
            shop.import_events(pl.DataFrame(ORDER))
            assert shop.export("p1")["n_lines"] == len(ORDER)


def _lake_files(shop: Shop) -> list[str]:
    from shelfwise.stores.adapters.delta_lake import DeltaLake

    return DeltaLake(shop.layout.lake).files("event_lines")
