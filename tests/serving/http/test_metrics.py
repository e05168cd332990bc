from __future__ import annotations

import fcntl
import re
from pathlib import Path

import pytest

from shelfwise.serving.http import exposition
from shelfwise.serving.http._metrics import EDGES, FAMILIES, Meter

LINE = re.compile(r'^[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+$')


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_every_line_is_prometheus_text_and_every_family_is_described(tmp_path: Path) -> None:
    meter = Meter.claimed(tmp_path)
    meter.served("recommendations", 200, 0.002)
    text = exposition(tmp_path, {"shelfwise_items": 3.0, 'shelfwise_release_info{release="r-1"}': 1.0})
    for line in text.splitlines():
        assert line.startswith("# ") or LINE.match(line), line
    for family in FAMILIES:
        assert f"# HELP {family.name} " in text
        assert f"# TYPE {family.name} {family.kind}" in text
        assert family.kind != "counter" or family.name.endswith("_total")


def test_the_number_of_series_is_small_and_fixed(tmp_path: Path) -> None:
    Meter.claimed(tmp_path)
    assert len(values(exposition(tmp_path, {}))) < 600


def test_a_histogram_adds_up(tmp_path: Path) -> None:
    meter = Meter.claimed(tmp_path)
    for seconds in (0.0004, 0.0005, 0.0012, 0.2, 9.0):
        meter.served("recommendations", 200, seconds)
    told = values(exposition(tmp_path, {}))

    def bucket(edge: object) -> float:
        return told[f'shelfwise_request_seconds_bucket{{route="recommendations",le="{edge}"}}']

    assert [bucket(EDGES[0]), bucket(0.001), bucket(0.0015), bucket(0.25), bucket("+Inf")] == [2, 2, 3, 4, 5]
    assert told['shelfwise_request_seconds_count{route="recommendations"}'] == 5
    assert told['shelfwise_request_seconds_sum{route="recommendations"}'] == pytest.approx(9.2021)
    assert told['shelfwise_requests_total{route="recommendations",status="2xx"}'] == 5


def test_all_workers_are_summed(tmp_path: Path) -> None:
    one, two = Meter.claimed(tmp_path), Meter.claimed(tmp_path)
    one.took_events(3, 1, 0, 0)
    two.took_events(4, 0, 2, 1)
    told = values(exposition(tmp_path, {}))
    assert told['shelfwise_events_total{verdict="accepted"}'] == 7
    assert told['shelfwise_events_total{verdict="rejected"}'] == 2
    assert told["shelfwise_workers"] == 2


def test_a_worker_that_died_leaves_its_counts_to_the_next(tmp_path: Path) -> None:
    one = Meter.claimed(tmp_path)
    one.served("events", 202, 0.001)
    fcntl.flock(one._file, fcntl.LOCK_UN)  # as it goes with its process
    two = Meter.claimed(tmp_path)
    two.served("events", 503, 0.001)
    told = values(exposition(tmp_path, {}))
    assert told['shelfwise_requests_total{route="events",status="2xx"}'] == 1
    assert told['shelfwise_requests_total{route="events",status="5xx"}'] == 1
    assert len(list(tmp_path.glob("*.meter"))) == 1


def test_a_file_of_another_layout_is_started_anew(tmp_path: Path) -> None:
    (tmp_path / "worker-0.meter").write_bytes(b"x" * 80_000)
    Meter.claimed(tmp_path).served("events", 202, 0.001)
    assert values(exposition(tmp_path, {}))['shelfwise_requests_total{route="events",status="2xx"}'] == 1


def test_levels_and_failures_are_counted_by_name(tmp_path: Path) -> None:
    meter = Meter.claimed(tmp_path)
    meter.answered(None, {}, ())
    meter.answered("packed", {"session": "no time left"}, ("collaborative", "personal"))
    told = values(exposition(tmp_path, {}))
    assert told['shelfwise_answers_total{level="full"}'] == 1
    assert told['shelfwise_answers_total{level="packed"}'] == 1
    assert told['shelfwise_sources_missing_total{source="session"}'] == 1
    assert told['shelfwise_steps_failed_total{step="collaborative"}'] == 1
