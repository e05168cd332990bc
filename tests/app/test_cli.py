"""The command line: what a person types, what comes out, and which exit code a script sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from app import corner_shop
from app.conftest import Run
from shelfwise import Shop, __version__
from shelfwise.app._keeping import try_lock
from shelfwise.app._layout import Layout
from shelfwise.app.cli._common import root_options_first
from shelfwise.app.cli._data import EventFormat, ItemFormat
from shelfwise.app.cli._models import Strategy
from shelfwise.domain import SOURCES
from shelfwise.features import feature_names
from shelfwise.ingestion import EVENT_FORMATS, ITEM_FORMATS

RULE = json.dumps({"rule_id": "cheap", "kind": "exclude", "where": "price > 3"})


@pytest.fixture
def new(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop without anything, in its own time."""
    monkeypatch.setenv("SHELFWISE__CLOCK__START", corner_shop.NOW.isoformat())
    assert run("init", tmp_path / "new", "--json").json == {
        "settings": str(tmp_path / "new" / "shelfwise.toml")
    }
    return tmp_path / "new"


class TestExitCodes:
    def test_0_the_version_needs_no_shop(self, run: Run, tmp_path: Path) -> None:
        said = run("--version", shop=tmp_path)
        assert (said.code, said.out) == (0, f"{__version__}\n")

    def test_1_a_release_that_is_not_published_fails(self, run: Run, new: Path) -> None:
        said = run("train", shop=new)
        assert said.code == 1
        assert "not enough to learn from: no items" in said.err
        assert said.out == ""

    def test_2_a_flag_that_does_not_exist_is_a_matter_of_usage(self, run: Run, new: Path) -> None:
        assert run("recommend", "--usr", "p1", shop=new).code == 2
        assert run("import", "events", new / "nothing.csv", shop=new).code == 2

    def test_2_a_word_that_a_flag_does_not_take_comes_with_those_it_takes(self, run: Run, new: Path) -> None:
        (new / "a.csv").write_text("item_id\na\n")
        for words, told in (
            (["recommend", "--strategy", "guess"], "'buy_again'"),
            (["recommend", "--seen", "maybe"], "'exclude'"),
            (["import", "items", new / "a.csv", "--format", "xls"], "'merchant-xml'"),
            (["import", "items", new / "a.csv", "--map", "sku"], "sku=item_id"),
        ):
            said = run(*words, shop=new)
            assert (said.code, told in said.err) == (2, True), said.err
            assert "Value error" not in said.err

    def test_3_bad_data_is_told_row_by_row_and_the_rest_is_taken(self, run: Run, new: Path) -> None:
        file = new / "items.csv"
        file.write_text("item_id,price,currency\na,1,EUR\nb,cheap,EUR\n")
        said = run("import", "items", file, "--json", shop=new)
        assert said.code == 3
        assert (said.json["accepted"], said.json["rejected"]) == (1, 1)
        assert said.json["rejections"][0] | {"rule": "", "source": ""} == {
            "source": "", "row": 2, "field": "price", "value": "cheap", "rule": "",
        }  # fmt: skip
        assert run("import", "items", file, shop=new).code == 3

    def test_3_a_setting_that_does_not_exist_comes_with_the_nearest_one(self, run: Run, new: Path) -> None:
        (new / "shelfwise.toml").write_text("[training]\nwindow_day = 3")
        said = run("train", shop=new)
        assert said.code == 3
        assert "did you mean 'window_days'?" in said.err

    def test_4_a_folder_without_a_shop_comes_with_a_hint(self, run: Run, tmp_path: Path) -> None:
        for words in (["recommend"], ["train"], ["serve"], ["stream"], ["rules", "list"], ["upgrade"]):
            said = run(*words, shop=tmp_path / "none")
            assert said.code == 4
            assert said.err == (
                f"shelfwise: no shop in {tmp_path}/none; make one with: shelfwise init {tmp_path}/none\n"
            )

    def test_4_what_does_not_exist_is_not_found(self, run: Run, folder: Path) -> None:
        for words in (
            ["releases", "show", "r-none"],
            ["rules", "remove", "none"],
            ["keys", "revoke", "none"],
            ["explain", "none"],
            ["export", "--user", "none"],
            ["features", "show", "none"],
        ):
            assert run(*words, shop=folder).code == 4, words

    def test_5_a_shop_that_another_process_keeps_is_unavailable(self, run: Run, new: Path) -> None:
        lock = try_lock(Layout(new))
        assert lock is not None
        try:
            assert run("stream", shop=new).code == 5
            assert run("rules", "list", shop=new).code == 5
        finally:
            os.close(lock)

    def test_3_a_rule_in_a_file_that_is_not_there_names_the_file(self, run: Run, new: Path) -> None:
        said = run("rules", "add", "@none.json", shop=new)
        assert said.code == 3
        assert "none.json: No such file" in said.err


class TestWhereTheShopIsNamed:
    def test_the_shop_may_be_named_before_or_after_the_command(self, run: Run, new: Path) -> None:
        for words in (
            ["--shop", new, "rules", "list", "--json"],
            ["rules", "list", "--shop", new, "--json"],
            ["rules", "list", "--json", "-q", f"--shop={new}"],
        ):
            assert run(*words).json == []

    def test_what_stands_after_two_dashes_is_no_option_of_the_root(self) -> None:
        assert root_options_first(["a", "--shop", "x", "--", "--shop", "y"]) == [
            "--shop", "x", "a", "--", "--shop", "y",
        ]  # fmt: skip


def test_the_formats_that_a_flag_takes_are_those_that_can_be_read() -> None:
    assert get_args(ItemFormat) == ITEM_FORMATS
    assert get_args(EventFormat) == EVENT_FORMATS
    assert {*get_args(Strategy)} == {"auto", *SOURCES}


def test_a_table_that_goes_to_a_pipe_has_a_line_a_row_and_whole_words(run: Run, folder: Path) -> None:
    lines = run("features", "list", shop=folder).out.splitlines()
    assert all(any(name in line for line in lines) for name in feature_names())
    listed = run("features", "list", "--json", shop=folder).json
    assert len(lines) == len(listed) + 4


def test_a_person_reads_a_feature_a_line(run: Run, folder: Path) -> None:
    told = run("features", "compute", "--user", "p1", "--item", "br-1", "--item", "te-1", shop=folder)
    line = next(line for line in told.out.splitlines() if "item__purchase__actors__30d" in line)
    assert line.count("│") == 4


class TestSafety:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
    def test_a_server_open_to_others_is_refused_while_there_is_no_key(
        self, run: Run, new: Path, host: str
    ) -> None:
        said = run("serve", "--host", host, "--port", 0, shop=new)
        assert said.code == 2
        assert "there is no API key" in said.err
        assert "keys add NAME" in said.err
        assert not (new / "live" / "processes.json").exists()

    def test_so_it_is_when_the_host_stands_in_the_settings(self, run: Run, new: Path) -> None:
        (new / "shelfwise.toml").write_text('[serve]\nhost = "0.0.0.0"\nport = 0')
        assert run("serve", shop=new).code == 2

    def test_an_older_folder_is_not_served_before_it_is_upgraded(self, run: Run, folder: Path) -> None:
        (folder / "data" / "version").unlink()
        said = run("serve", "--port", 0, shop=folder)
        assert said.code == 3
        assert f"shelfwise --shop {folder} upgrade" in said.err
        assert run("upgrade", "--json", shop=folder).json == {"from": 0, "to": 1}
        assert run("recommend", "--user", "p1", shop=folder).code == 0

    def test_nothing_is_forgotten_without_a_yes(self, run: Run, folder: Path) -> None:
        assert run("erase", "--user", "p1", shop=folder).code == 1
        assert run("export", "--user", "p1", shop=folder).json["n_lines"] > 0
        assert run("erase", "--user", "p1", "--yes", "--json", shop=folder).json["lake_rows"] > 0
        assert run("export", "--user", "p1", shop=folder).code == 4
        assert run("erase", "--user", "p1", "--yes", shop=folder).code == 4


class TestJson:
    def test_the_whole_life_of_a_shop_can_be_read_by_a_machine(
        self, run: Run, folder: Path, tmp_path: Path
    ) -> None:
        def said(*words: object) -> object:
            got = run(*words, "--json", shop=folder)
            assert got.code == 0, (words, got.err)
            return got.json

        releases = said("releases", "list")
        assert isinstance(releases, list)
        champion = releases[0]["release"]
        answer = said("recommend", "--user", "p1", "--n", 3)
        assert isinstance(answer, dict)
        first = answer["items"][0]["item_id"]
        key = said("keys", "add", "web", "--scope", "browser")
        assert isinstance(key, dict)
        documents = {
            "releases show": said("releases", "show", champion),
            "releases promote": said("releases", "promote", champion),
            "explain": said("explain", first, "--user", "p1"),
            "features list": said("features", "list"),
            "features show": said("features", "show", "item__purchase__count__7d"),
            "features compute": said("features", "compute", "--user", "p1", "--item", "br-1"),
            "features check": said("features", "check"),
            "rules preview": said("rules", "preview", RULE),
            "rules add": said("rules", "add", RULE),
            "rules list": said("rules", "list"),
            "rules remove": said("rules", "remove", "cheap"),
            "keys list": said("keys", "list"),
            "keys revoke": said("keys", "revoke", key["key_id"]),
            "config show": said("config", "show", "--origin"),
            "config schema": said("config", "schema"),
            "doctor": said("doctor"),
            "export": said("export", "--user", "p1"),
            "backup": said("backup", tmp_path / "copy"),
        }
        assert all(documents.values())
        assert documents["releases promote"] == {"champion": champion}
        shown = documents["features show"]
        assert isinstance(shown, dict)
        assert shown["sql"]
        again = run("restore", tmp_path / "copy", "--json", shop=tmp_path / "again")
        assert again.json["restored"] == str(tmp_path / "again")
        same = run("recommend", "--user", "p1", "--n", 3, "--json", shop=tmp_path / "again").json
        assert [item["item_id"] for item in same["items"]] == [item["item_id"] for item in answer["items"]]


class TestForPeople:
    def test_an_answer_is_a_table_with_reasons(self, run: Run, folder: Path) -> None:
        said = run("recommend", "--user", "p1", "--n", 2, shop=folder)
        assert said.code == 0
        assert "why" in said.out

    def test_a_place_answers_with_its_own_strategy_unless_told(self, run: Run, folder: Path) -> None:
        words = ("recommend", "--user", "p1", "--placement", "trending", "--json")
        sources = {name for item in run(*words, shop=folder).json["items"] for name in item["sources"]}
        assert sources == {"trending"}

    @pytest.mark.slow
    def test_a_training_shows_what_it_was_judged_on_and_an_evaluation_writes_a_page(
        self, run: Run, folder: Path
    ) -> None:
        said = run("train", "--only", "vote", shop=folder)
        assert "popular" in said.out
        assert "not published" in said.out
        page = folder / "report.html"
        judged = run("evaluate", "--days", 14, "--html", page, "--json", shop=folder).json["judged"]
        assert {"gradient_boosting", "vote", "popular", "buy_again"} <= {row["model"] for row in judged}
        html = page.read_text()
        assert html.startswith("<!doctype html>")
        assert "http" not in html.partition("</title>")[2]

    def test_doctor_says_what_is_wrong_and_what_to_do(self, run: Run, new: Path) -> None:
        rows = {row["check"]: row for row in run("doctor", "--json", shop=new).json}
        assert rows["champion"]["remedy"] == "shelfwise train"
        (new / "shelfwise.toml").write_text("[serve]\nport = 'x'")
        said = run("doctor", "--json", shop=new)
        assert said.code == 1
        assert {row["check"]: row["state"] for row in said.json}["settings"] == "bad"

    def test_doctor_looks_at_stores_clock_and_release(self, run: Run, folder: Path, tmp_path: Path) -> None:
        rows = {row["check"]: row for row in run("doctor", "--json", shop=folder).json}
        assert "60 items" in rows["stores"]["finding"]
        assert rows["clock"]["remedy"] == "a shop of today has no [clock] start"
        release = folder / "releases" / rows["champion"]["finding"] / "packed.npy"
        release.chmod(0o600)
        release.write_bytes(b"torn")
        (folder / "data" / "catalogue.sqlite").write_bytes(b"no database")
        said = run("doctor", "--json", shop=folder)
        states = {row["check"]: row["state"] for row in said.json}
        assert (said.code, states["champion"], states["stores"]) == (1, "bad", "bad")
        nowhere = run("doctor", "--json", shop=tmp_path / "a" / "b")
        assert nowhere.code == 1
        assert any("shelfwise init" in row["finding"] for row in nowhere.json)

    def test_instants_without_an_offset_and_unused_columns_are_told_and_can_be_settled(
        self, run: Run, new: Path
    ) -> None:
        file = new / "events.csv"
        file.write_text("event,occurred_at,user_id,item_id,prize\nview_item,2025-04-01 10:00:00,u,a,1\n")
        refused = run("import", "events", file, "--json", shop=new)
        assert "--naive-is-utc" in refused.json["rejections"][0]["rule"]
        taken = run("import", "events", file, "--naive-is-utc", "--json", shop=new).json
        assert (taken["accepted"], taken["rejected"]) == (1, 0)
        assert taken["unused_columns"] == ["events.csv, column 'prize'; did you mean 'price'?"]

    def test_a_mapped_column_and_a_second_import_of_the_same_file(self, run: Run, new: Path) -> None:
        file = new / "events.csv"
        rows = pl.DataFrame(corner_shop.events()[:50]).rename({"item_id": "sku"})
        rows.write_csv(file)
        words = ("import", "events", file, "--map", "sku=item_id", "--json")
        first, again = run(*words, shop=new).json, run(*words, shop=new).json
        assert first["accepted"] == again["duplicates"] > 0
        assert again["accepted"] == 0


@pytest.mark.slow
def test_a_stream_of_its_own_takes_events_and_stops_on_ctrl_c(new: Path) -> None:
    command = [sys.executable, "-m", "shelfwise", "--shop", str(new), "stream"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        assert try_lock(Layout(new)) is None
        with Shop.open(new) as shop:
            report = shop.import_events(pl.DataFrame(corner_shop.events()[:20]))
            assert report["accepted"] > 0
            user = corner_shop.events()[0]["user_id"]
            assert shop.export(user)["n_lines"] > 0
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
