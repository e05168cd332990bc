"""kill -9 of a whole server under load, over HTTP: ``benchmarks.kills`` with few kills, on the corner shop."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import pytest
from benchmarks.kills import KINDS, killed
from tests.app import corner_shop

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_loses_nothing_counts_nothing_twice_and_who_is_left_answers(
    kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = corner_shop.copied(shared, tmp_path / "shop")
    load = argparse.Namespace(workers=2, senders=2, askers=1, seed=7, port=free_port())
    told = killed(folder, kind, 1, load)
    print(told)
    assert told["acknowledged"] > 0
    assert (told["lost"], told["twice"], told["wrong"], told["refused_answers"]) == (0, 0, 0, 0)
    assert kind == "group" or told["answers_meanwhile"] > 0
