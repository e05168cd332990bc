"""Promises about people: what is erased is nowhere any more, and nobody's name or key stands in logs or metrics."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.app import corner_shop
from tests.integration.live import HOME, Line, serving, tell

from shelfwise import Shop
from shelfwise.domain import InvalidInput
from shelfwise.stores.adapters.lmdb_state import LmdbState

pytestmark = pytest.mark.slow
PROMISE_S = 60.0  # to be gone from online stores
AT = corner_shop.NOW.isoformat()


def live_a_life(line: Line, user: str, visitor: str, words: str) -> list[int]:
    """All that a person can leave behind; the statuses."""
    lines = [{"item_id": item, "quantity": 1, "price": 2.5, "currency": "EUR"} for item in ("br-1", "te-1")]
    who = {"user_id": user, "anonymous_id": visitor, "occurred_at": AT, "session_id": f"s {words}"}
    events: list[dict[str, Any]] = [
        {
            "event": "view_item",
            "event_id": f"{words} 1",
            "occurred_at": AT,
            "anonymous_id": visitor,
            "items": lines,
        },
        {"event": "search", "event_id": f"{words} 2", "query": words, **who},
        {"event": "purchase", "event_id": f"{words} 3", "order_id": f"o {words}", "items": lines, **who},
    ]
    query = {**HOME, "user_id": user, "anonymous_id": visitor}
    replies = [line.ask("POST", "/v1/events", {"events": events})]
    answer = line.ask("POST", "/v1/recommendations", query)
    replies += [
        answer,
        line.ask("POST", "/v1/recommendations", {**HOME, "anonymous_id": visitor, "user_id": None}),
    ]
    time.sleep(0.5)  # answers are handed to the keeper meanwhile
    replies += [
        line.ask("GET", f"/v1/recommendations/{answer.body['recommendation_id']}/explanation"),
        line.ask("GET", f"/v1/users/{user}"),
        line.ask("GET", f"/v1/users/{user}/export"),
    ]
    return [reply.status for reply in replies]


def where_it_stands(folder: Path, words: bytes) -> set[str]:
    """Files that hold these bytes, columns of lake files that hold them once unpacked, and keys of states.

    Pages that the state's file no longer uses keep their bytes until they are used again: it is asked, not searched.
    """
    files = [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "state"]
    found = {str(file.relative_to(folder)) for file in files if words in _bytes(file)}
    for file in folder.rglob("*.parquet"):
        if words.decode() in json.dumps(pq.read_table(file).to_pylist(), default=str):
            found.add(f"{file.relative_to(folder)}, unpacked")
    with closing(LmdbState(folder / "data" / "state", read_only=True)) as state:
        return found | {repr(key) for key, value in state.scan(b"") if words in key + value}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # gone meanwhile
        return b""


def test_an_erased_person_stands_in_no_file_of_the_shop_and_the_report_is_signed(corner: Path) -> None:
    """S15. The folder is looked through byte by byte while the server runs, and after it was stopped."""
    words = "canary-7f3a9"
    with serving(corner) as server:
        line = server.line()
        assert set(live_a_life(line, f"u{words}", f"v{words}", words)) <= {200, 202}
        assert where_it_stands(corner, words.encode()) != set()
        begun = time.monotonic()
        report = line.ask("DELETE", f"/v1/users/u{words}").body
        left = where_it_stands(corner, words.encode())
        while left and time.monotonic() - begun < PROMISE_S:
            time.sleep(0.5)
            left = where_it_stands(corner, words.encode())
        tell(
            "S15",
            report={name: n for name, n in report.items() if isinstance(n, int)},
            seconds=time.monotonic() - begun,
            left=left or "nothing",
        )
        assert left == set()
        assert line.ask("GET", f"/v1/users/u{words}").status == 404
        assert line.ask("GET", f"/v1/users/u{words}/export").status == 404
        server.stop()
    assert where_it_stands(corner, words.encode()) == set()
    with Shop.open(corner) as shop:
        assert shop.is_own_report(report)
        assert not shop.is_own_report({**report, "lake_rows": report["lake_rows"] + 1})
        with pytest.raises(InvalidInput):
            shop.is_own_report({"lake_rows": 1})


def test_no_name_and_no_key_stands_in_logs_or_metrics(corner: Path, tmp_path: Path) -> None:
    """S13. Through every door, wrong doors too."""
    words, log = "canary-51c0d", tmp_path / "log.txt"
    with serving(corner, errors=log) as server:
        line = server.line()
        live_a_life(line, f"u{words}", f"v{words}", words)
        browser = line.ask("POST", "/v1/keys", {"name": "web", "scopes": ["browser"]}).body["secret"]
        asked = _wrong_ways(line, words) + _with_keys(line, browser, words)
        metrics = line.ask("GET", "/metrics").raw.decode()
        server.stop()
    text = log.read_text() + metrics
    series = [row for row in metrics.splitlines() if row and not row.startswith("#")]
    tell("S13", requests=len(asked), log_bytes=len(log.read_bytes()), series=len(series))
    assert {secret for secret in (words, server.admin, browser) if secret in text} == set()
    assert len(series) <= 2_000
    assert max(asked) < 500


def _wrong_ways(line: Line, words: str) -> list[int]:
    event = {
        "event": "view_item",
        "event_id": words,
        "occurred_at": words,
        "user_id": words,
        "items": [{"item_id": words}],
    }
    tried = [
        ("POST", "/v1/events", event),
        ("POST", "/v1/events", {"events": [{**event, "occurred_at": AT, words: words}]}),
        ("POST", "/v1/segment", {"type": "track", "event": words, "userId": words, "messageId": words}),
        ("POST", "/v1/recommendations", {"user_id": words, words: 1}),
        ("GET", f"/v1/recommendations?user_id={words}", None),
        ("POST", "/v1/recommendations", {"user_id": words, "n": 5, "filter": words}),
        ("POST", "/v1/recommendations", b'{"user_id": "' + words.encode()),
        ("GET", f"/v1/items/{words}", None),
        ("PATCH", f"/v1/items/{words}", {"stock": words}),
        ("PUT", f"/v1/items/{words}", {"item_id": words, "price": words}),
        ("GET", f"/v1/recommendations/{words}/explanation", None),
        ("GET", f"/v1/users/{words}", None),
        ("DELETE", f"/v1/users/{words}", None),
        ("GET", f"/v1/users/{words}/export", None),
        ("PUT", f"/v1/users/{words}/consent", {"consent": words}),
        ("PUT", f"/v1/users/{words}/consent", {"consent": "denied"}),
        ("POST", "/v1/rules", {"rule_id": words, "kind": words}),
        ("GET", f"/v1/rules?cursor={words}", None),
        ("GET", f"/{words}", None),
        ("GET", f"/v1/{words}?{words}={words}", None),
        ("BREW", f"/v1/users/{words}", None),
        ("GET", f"/shop/p/{words}", None),
        ("GET", f"/shop/?as={words}", None),
    ]
    return [line.ask(method, path, body).status for method, path, body in tried]


def _with_keys(line: Line, browser: str, words: str) -> list[int]:
    keys = (browser, f"sw_admin_{words}", words, "")
    return [line.ask("GET", f"/v1/users/{words}", authorization=f"Bearer {key}").status for key in keys]
