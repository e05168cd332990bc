"""How fast are answers over HTTP, and what do they cost? Full path: all sources, ranker, rules, answer logged.

    python -m benchmarks.serving --shop COPY --workers 1 --connections 8 --seconds 20 --candidates 200 --mmr 0.8

Starts ``shelfwise serve`` on the shop, asks for known customers in turn, first at Poisson arrivals (open loop: latency
counts from the instant a request was due), then as fast as the connections allow (closed loop). CPU is that of the
whole server: supervisor, keeper and workers; that of the generator, which may share its cores, is told beside it. In
the same run nginx serves a file as long as an answer. ``--candidates`` publishes the shop's release anew: use a copy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
from benchmarks._load import Outcome, closed_loop, get, open_loop

HOST = "127.0.0.1"


def main() -> None:
    options = _options()
    if options.candidates:
        with_candidates(options.shop, options.candidates)
    requests = requests_of(options)
    arranged = {"SHELFWISE__RERANKING__RELEVANCE_WEIGHT": str(options.mmr)} if options.mmr else {}
    with server(options, arranged) as running:
        sample = httpx.get(f"http://{HOST}:{options.port}{_address('0', options)}").content
        _warm(options, requests)
        results = [
            _measured(
                "open loop", running, lambda: _open(options, options.port, requests), rate=options.rate
            ),
            _measured("closed loop", running, lambda: _closed(options, options.port, requests)),
        ]
    results += _yardstick(options, sample)
    report = {
        "shop": str(options.shop),
        "workers": options.workers,
        "connections": options.connections,
        "placement": options.placement,
        "people": len(requests),
        "candidates": options.candidates or "as released",
        "relevance_weight": options.mmr or "as set",
        "answer_bytes": len(sample),
        "machine": machine(),
        "results": results,
    }
    _show(report, as_json=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the two runs")
    parser.add_argument("--rate", type=float, default=250.0, help="arrivals a second in the open loop")
    parser.add_argument("--people", type=int, default=2_000, help="known customers asked for in turn")
    parser.add_argument(
        "--candidates", type=int, help="judged for an answer; those of the release if not given"
    )
    parser.add_argument("--mmr", type=float, metavar="WEIGHT", help="relevance weight below 1: slates by MMR")
    parser.add_argument("--placement", default="home")
    parser.add_argument("--n", type=int, default=10, help="items in an answer")
    parser.add_argument("--port", type=int, default=18_081)
    parser.add_argument("--cores", help="cores for the server, such as 0 or 0,1 (taskset); all if not given")
    parser.add_argument("--key", help="an API key with recs:read, if the shop has keys")
    parser.add_argument("--no-nginx", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@dataclass
class Server:
    """A running server and the CPU it has used."""

    process: psutil.Process

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each process of the tree, by what it is."""
        used: dict[str, float] = {}
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                times, command = process.cpu_times(), " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            kind = "keeper" if "_keeper" in command else "worker" if "_worker" in command else "supervisor"
            used[kind] = used.get(kind, 0.0) + times.user + times.system
        return used


def _measured(name: str, server: Server, run: Any, **more: float) -> dict[str, Any]:
    before, own = server.cpu_s(), time.process_time()
    outcome: Outcome = run()
    own = time.process_time() - own
    used = {kind: seconds - before.get(kind, 0.0) for kind, seconds in server.cpu_s().items()}
    total, thousands = sum(used.values()), max(outcome.answers, 1) / 1000
    return {
        "run": name,
        **more,
        **outcome.row(),
        "cpu_s_per_1000": total / thousands,
        **{f"{kind}_cpu_s_per_1000": seconds / thousands for kind, seconds in used.items()},
        "answers_per_core_second": outcome.answers / total if total else float("nan"),
        "cores_used": total / outcome.seconds,
        "generator_cores_used": own / outcome.seconds,
    }


def _open(options: argparse.Namespace, port: int, requests: Sequence[bytes]) -> Outcome:
    return open_loop(
        HOST,
        port,
        requests,
        rate=options.rate,
        connections=max(options.connections, 64),
        seconds=options.seconds,
    )


def _closed(options: argparse.Namespace, port: int, requests: Sequence[bytes]) -> Outcome:
    return closed_loop(HOST, port, requests, connections=options.connections, seconds=options.seconds)


def _warm(options: argparse.Namespace, requests: Sequence[bytes]) -> None:
    closed_loop(
        HOST, options.port, requests, connections=options.connections, seconds=min(3.0, options.seconds)
    )


def requests_of(options: argparse.Namespace) -> list[bytes]:
    """One question for each of some known customers."""
    users = _known_users(options.shop, options.people) or ["nobody"]
    headers = [f"Authorization: Bearer {options.key}"] if options.key else []
    return [get(HOST, _address(user, options), headers=headers) for user in users]


def _address(user: str, options: argparse.Namespace) -> str:
    return f"/v1/recommendations?user_id={quote(user, safe='')}&n={options.n}&placement={options.placement}"


def _known_users(shop: Path, limit: int) -> list[str]:
    """Ids in the state store, evenly over all."""
    from shelfwise.app._layout import Layout
    from shelfwise.stores.adapters.lmdb_state import LmdbState

    state = LmdbState(Layout(shop).state, read_only=True)
    users = [key[2:].decode() for key, _ in state.scan(b"u:")]
    state.close()
    return users[:: max(len(users) // limit, 1)][:limit]


def with_candidates(shop: Path, candidates: int) -> None:
    """Publish the champion anew, with so many candidates for an answer, and let it go live."""
    from shelfwise.app._layout import Layout
    from shelfwise.stores.adapters.folder_releases import FolderReleases

    releases = FolderReleases(Layout(shop).releases)
    champion = releases.alias("champion")
    if champion is None:
        raise SystemExit(f"{shop} has no release; run: shelfwise train")
    manifest = releases.manifest(champion)
    with tempfile.TemporaryDirectory() as folder:
        release = Path(folder) / "release"
        shutil.copytree(releases.open(champion), release, ignore=shutil.ignore_patterns("manifest.json"))
        settings = release / "settings.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "pool_size": candidates}))
        made = releases.publish(release, metrics=manifest["metrics"], trained=manifest["trained"])
    releases.move("champion", made)


@contextmanager
def server(options: argparse.Namespace, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    command = [sys.executable, "-m", "shelfwise", "--shop", str(options.shop), "serve"]
    command += ["--port", str(options.port), "--workers", str(options.workers)]
    if options.cores:
        command = ["taskset", "-c", options.cores, *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | (settings or {}))
    try:
        _wait(f"http://{HOST}:{options.port}/readyz")
        yield Server(psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=30)


def _yardstick(options: argparse.Namespace, body: bytes) -> list[dict[str, Any]]:
    """Nginx with as many workers and a file as long as an answer, by the same generator."""
    nginx = shutil.which("nginx")
    if nginx is None or options.no_nginx:
        return []
    with tempfile.TemporaryDirectory() as folder, _nginx(nginx, Path(folder), options, body) as server:
        requests = [get(HOST, "/answer.json")]
        return [
            _measured(
                "nginx static file, closed loop", server, lambda: _closed(options, options.port, requests)
            )
        ]


@contextmanager
def _nginx(nginx: str, folder: Path, options: argparse.Namespace, body: bytes) -> Iterator[Server]:
    folder.chmod(0o755)
    (folder / "answer.json").write_bytes(body)
    (folder / "nginx.conf").write_text(
        f"worker_processes {options.workers}; pid {folder}/pid; error_log {folder}/error.log; daemon off;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/a; "
        f"proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; "
        f"scgi_temp_path {folder}/e; types {{ application/json json; }}\n"
        f"server {{ listen {HOST}:{options.port}; root {folder}; }} }}\n"
    )
    process = subprocess.Popen(
        [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        _wait(f"http://{HOST}:{options.port}/answer.json")
        yield Server(psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait(url: str, limit_s: float = 90.0) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer after {limit_s:.0f} s")


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    names = ("numpy", "numba", "uvloop", "msgspec")
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
        return
    print({key: value for key, value in report.items() if key != "results"})
    for row in report["results"]:
        offered = f" at {row['rate']:g}/s" if "rate" in row else ""
        print(
            f"{row['run'] + offered:<32} {row['answers_per_s']:8.0f}/s  p50 {row['p50']:6.2f}  p90 {row['p90']:6.2f}"
            f"  p99 {row['p99']:6.2f}  p99.9 {row['p99.9']:6.2f} ms  degraded {row['degraded_share']:.2%}"
            f"  failed {row['failed']:.0f}  {row['cpu_s_per_1000']:.3f} CPU s/1,000"
            f"  = {row['answers_per_core_second']:.0f} per core-second"
            f"  (the generator {row['generator_cores_used']:.2f} cores)"
        )


if __name__ == "__main__":
    main()
