"""The supervisor: one keeper, workers at one socket, and what happens when any of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shelfwise.domain import Event

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0  # of the test, on cores that others use too; the promise is 5 s

CODE = """
import sys
from pathlib import Path
from shelfwise.app._processes import serve
sys.exit(serve(Path(sys.argv[1]), overrides={"serve": {"port": 0, "workers": 2}}, target="stub_worker:make_worker"))
"""


class Server:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shelfwise.toml").touch()
        here = str(Path(__file__).parent)
        began = time.monotonic()
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(folder)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": here}, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.ready_s = time.monotonic() - began
        self.url = self.line.split()[1]

    def get(self, path: str = "/", body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(self.url + path, body, timeout=PATIENCE_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as trouble:
            return trouble.code, json.loads(trouble.read())

    def send(self, event_id: str) -> int:
        event = Event(event_id=event_id, event="search", occurred_us=1, received_us=1, user_id="ann")
        return self.get("/", msgspec.json.encode([event]))[0]

    def processes(self) -> dict[str, int]:
        return json.loads((self.folder / "live" / "processes.json").read_text())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill_all(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shop"))
    yield server
    if server.process.poll() is None:
        server.kill_all()


def until(what: Any) -> Any:
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def test_it_says_ready_once_keeper_and_workers_answer(server: Server) -> None:
    assert server.line.startswith("ready http://127.0.0.1:")
    assert server.send("first") == 202
    forkers = {"forkserver", "keeper-forkserver"}
    assert server.processes().keys() == {"supervisor", "keeper", "worker-0", "worker-1"} | forkers


def test_flags_reach_the_workers_as_settings(server: Server) -> None:
    _, told = server.get()
    assert server.url.endswith(":" + told["port"])


def test_both_workers_answer_at_the_one_socket(server: Server) -> None:
    def ask(found: set[int]) -> None:
        found.add(server.get("/slow")[1]["worker"])

    found: set[int] = set()
    threads = [threading.Thread(target=ask, args=(found,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0, 1}


def test_a_killed_worker_is_replaced_and_the_other_answers_meanwhile(server: Server) -> None:
    old = server.processes()["worker-0"]
    os.kill(old, signal.SIGKILL)
    for _ in range(20):
        assert server.get()[0] == 200
    assert until(lambda: server.processes()["worker-0"] != old)


def test_a_killed_keeper_is_replaced_and_answers_go_on_meanwhile(server: Server) -> None:
    os.kill(server.processes()["keeper"], signal.SIGKILL)
    until(lambda: server.send("while-away") == 503)
    assert server.get()[0] == 200
    until(lambda: server.send("again") == 202)


def test_workers_outlive_the_process_they_were_forked_from_and_its_successor_forks_more(
    server: Server,
) -> None:
    old = server.processes()
    os.kill(old["forkserver"], signal.SIGKILL)
    until(lambda: server.processes()["forkserver"] != old["forkserver"])
    assert server.get()[0] == 200
    assert server.processes()["worker-1"] == old["worker-1"]
    os.kill(old["worker-1"], signal.SIGKILL)
    until(lambda: server.processes()["worker-1"] != old["worker-1"])
    until(lambda: server.get("/slow")[1]["worker"] == 1)


def test_a_keeper_outlives_the_process_it_was_forked_from_and_its_successor_forks_the_next(
    server: Server,
) -> None:
    old = server.processes()
    os.kill(old["keeper-forkserver"], signal.SIGKILL)
    until(lambda: server.processes()["keeper-forkserver"] != old["keeper-forkserver"])
    assert server.send("meanwhile") == 202
    assert server.processes()["keeper"] == old["keeper"]
    os.kill(old["keeper"], signal.SIGKILL)
    until(lambda: server.send("after") == 202)
    assert server.processes()["keeper"] != old["keeper"]


def test_all_end_with_the_supervisor(tmp_path: Path) -> None:
    server = Server(tmp_path / "shop")
    workers = [pid for name, pid in server.processes().items() if name != "supervisor"]
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_sigterm_lets_requests_in_flight_finish(server: Server) -> None:
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(server.get("/slow")[0]))
    asking.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 60
    asking.join()
    assert statuses == [200]
    assert not (server.folder / "live" / "processes.json").exists()


def test_a_killed_process_group_starts_again_with_everything_it_acknowledged(tmp_path: Path) -> None:
    first = Server(tmp_path)
    assert first.send("before") == 202
    first.kill_all()
    second = Server(tmp_path)
    status, told = second.get(
        "/",
        msgspec.json.encode(
            [Event(event_id="before", event="search", occurred_us=1, received_us=2, user_id="ann")]
        ),
    )
    assert (status, told) == (202, {"accepted": 0})
    print(f"ready again in {second.ready_s:.1f} s")
    assert second.stop() == 0


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    server = Server(tmp_path)
    pids = [pid for name, pid in server.processes().items() if name != "supervisor"]
    server.process.kill()
    server.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
