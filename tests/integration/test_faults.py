"""Promises when something breaks: disks, logs, metrics, stores that are gone; and when too many call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from benchmarks._load import closed_loop, open_loop, post
from tests.app import corner_shop
from tests.integration.live import Line, Server, purchase, serving, shared, sized, tell, within

from shelfwise import Shop

pytestmark = pytest.mark.slow
START_S = 10.0  # promised for a start with everything gone; what was seen is printed, the test waits longer
FILLING_MB = 96  # room of the small disk beside the shop


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Sender:
    """Sends purchases one after another; remembers which were acknowledged."""

    def __init__(self, line: Line) -> None:
        self._line, self.acked, self.number = line, 0, 0

    def send(self) -> Any:
        self.number += 1
        events = [purchase("disk", "te-1", event_id=f"d-{self.number}-{part}") for part in range(50)]
        reply = self._line.ask("POST", "/v1/events", {"events": events})
        if reply.status == 202:
            self.acked += reply.body["accepted"]
        return reply

    def until(self, status: int, seconds: float) -> tuple[Any, float]:
        begun = time.monotonic()
        while (reply := self.send()).status != status:
            assert time.monotonic() - begun < seconds, reply.raw
            time.sleep(0.05)
        return reply, time.monotonic() - begun


def kept(folder: Path) -> int:
    """Lines of the sender that the shop holds."""
    with Shop.open(folder) as shop:
        return int(shop.export("disk")["n_lines"])


def test_a_full_disk_refuses_writes_answers_on_and_recovers(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """R7, the disk."""
    base = shared(tmp_path_factory)
    size = sum(file.stat().st_size for file in corner_shop.trained(base).rglob("*") if file.is_file()) >> 20
    with small_disk(tmp_path / "disk", size + FILLING_MB) as disk:
        folder = corner_shop.copied(base, disk / "shop")
        with serving(folder) as server:
            line = server.line()
            sender = Sender(line)
            sender.until(202, 10.0)
            _fill(disk / "filling")
            refused, filled_s = sender.until(503, 60.0)
            meanwhile = [line.recommend().status for _ in range(50)]
            assert refused.headers["retry-after"]
            (disk / "filling").unlink()
            _, healed_s = sender.until(202, 60.0)
            server.stop()
        held = kept(folder)
    tell("R7, full", acknowledged=sender.acked, kept=held, refused_after_s=filled_s, healed_after_s=healed_s,
         answers_meanwhile=len(meanwhile))  # fmt: skip
    assert set(meanwhile) == {200}
    assert held >= sender.acked


def _fill(file: Path) -> None:
    block = bytes(1 << 20)
    with file.open("wb", buffering=0) as filling:
        try:
            while filling.write(block):
                pass
        except OSError:
            return


def test_what_cannot_be_synced_is_not_acknowledged(corner: Path) -> None:
    """R7, the sync: fsync of the keeper fails for some seconds."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace: apt-get install strace")
    with serving(corner) as server:
        sender = Sender(server.line())
        sender.until(202, 10.0)
        with _failing_syncs(server.processes()["keeper"]):
            refused, _ = sender.until(503, 20.0)
            while_failing = [sender.send().status for _ in range(10)]
        _, healed_s = sender.until(202, 60.0)
        server.stop()
    held = kept(corner)
    tell("R7, sync", acknowledged=sender.acked, kept=held, healed_after_s=healed_s)
    assert set(while_failing) == {503}
    assert refused.headers["retry-after"]
    assert held >= sender.acked


@contextmanager
def _failing_syncs(process: int) -> Iterator[None]:
    calls = "fsync,fdatasync"
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(process), "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert strace.stderr is not None
    if "attached" not in strace.stderr.readline():
        strace.wait()
        pytest.skip("strace may not attach to a process here")
    threading.Thread(target=strace.stderr.read, daemon=True).start()
    try:
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()


def test_a_server_starts_with_everything_gone_that_can_be_made_again(corner: Path) -> None:
    """R9: states and live columns; what is left are log, lake, catalogue, control and the releases."""

    def lose(folder: Path) -> None:
        for gone in ("data/state", "live"):
            shutil.rmtree(folder / gone, ignore_errors=True)

    with serving(corner, workers=1, before=lose, wait=False) as server:
        begun, line = time.monotonic(), server.line()
        within(60.0, lambda: _answers(line))
        answer = line.recommend(user_id="stranger")
        tell(
            "R9, all that is made",
            seconds=time.monotonic() - begun,
            promised_s=START_S,
            degraded=answer.body["degraded"],
        )
        assert len(answer.items) == 10


def test_a_server_whose_keeper_cannot_start_answers_from_the_last_good_release(corner: Path) -> None:
    """R9: the log cannot be read, so there is no keeper; readers have what it left."""

    def spoil(folder: Path) -> None:
        (folder / "data" / "log.sqlite").write_bytes(b"no database" * 1000)

    with serving(corner, workers=1, before=spoil, wait=False) as server:
        begun, line = time.monotonic(), server.line()
        within(60.0, lambda: _answers(line))
        seconds, answer = time.monotonic() - begun, line.recommend()
        event = line.ask("POST", "/v1/events", purchase("p1", "te-1", event_id="x"))
        ready = line.ask("GET", "/readyz")
        tell(
            "R9, no keeper",
            seconds=seconds,
            promised_s=START_S,
            degraded=answer.body["degraded"],
            readiness=ready.status,
        )
        assert (event.status, len(answer.items)) == (503, 10)
        assert event.headers["retry-after"]


@contextmanager
def _starting(folder: Path, *, wait: bool = True) -> Iterator[Server]:
    with serving(folder, workers=1, wait=wait) as server:
        yield server


def _answers(line: Line) -> bool:
    try:
        return line.recommend().status == 200
    except OSError:
        line.close()
        return False


def test_five_times_too_many_callers_get_answers_or_a_quick_no(corner: Path) -> None:
    """R11."""
    with serving(corner, workers=1) as server:
        line, (host, port) = server.line(), server.host.split(":")
        key = [f"authorization: Bearer {server.admin}"]
        bodies = [b'{"user_id": "p%d", "placement": "home", "n": 10}' % number for number in range(100)]
        requests = [post(host, "/v1/recommendations", body, headers=key) for body in bodies]
        closed_loop(host, int(port), requests, connections=8, seconds=2.0)
        peak = closed_loop(host, int(port), requests, connections=8, seconds=sized(4.0, 15.0))
        rate = peak.answers / peak.seconds
        storm = open_loop(
            host, int(port), requests, rate=5 * rate, connections=2_000, seconds=sized(6.0, 60.0)
        )
        calm_s = within(30.0, lambda: line.recommend().body["degraded"] is None)
    refused = {f"refused_{name}_ms": value for name, value in storm.refused_ms().items()}
    share = storm.answers / storm.seconds / rate
    tell("R11", peak_per_s=rate, offered_per_s=5 * rate, goodput_share=share, statuses=storm.status,
         degraded=storm.degraded, **refused, calm_after_s=calm_s)  # fmt: skip
    assert set(storm.status) <= {200, 503}
    assert storm.refused_without_hint == 0


def test_a_full_disk_of_the_server_s_own_log_costs_no_answer(corner: Path) -> None:
    """R26, the log: standard error goes to a device that is always full."""
    with serving(corner, errors=Path("/dev/full")) as server:
        line = server.line()
        statuses = [line.recommend().status for _ in range(50)]
        statuses += [
            line.ask("POST", "/v1/events", purchase("p1", "te-1", event_id=f"l-{n}")).status
            for n in range(20)
        ]
        os.kill(server.processes()["worker-0"], signal.SIGKILL)  # something to complain about
        within(60.0, lambda: len(server.processes()) >= 4)
        again = [server.line().recommend().status for _ in range(50)]
    tell("R26, log", requests=len(statuses) + len(again))
    assert set(statuses) <= {200, 202}
    assert set(again) == {200}


def test_metrics_that_cannot_be_kept_cost_no_answer(corner: Path) -> None:
    """R26, metrics: their folder goes away while they are read."""
    with serving(corner) as server:
        line = server.line()
        assert line.recommend().status == 200
        shutil.rmtree(corner / "live" / "metrics")
        statuses = [line.recommend().status for _ in range(50)]
        told = line.ask("GET", "/metrics").status
    tell("R26, metrics", requests=len(statuses), metrics_status=told)
    assert set(statuses) == {200}
    assert told < 500
