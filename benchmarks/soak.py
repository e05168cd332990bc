"""Does a server stay as it is? Answers at a steady rate for long: memory, open files and latency, slice by slice.

    python -m benchmarks.soak --shop demo-shop --rate 200 --seconds 1800

The first slice warms up; growth and drift are those of the last slice beside the second. Promised for 30 minutes at
200 a second: memory + 3 % at most, open files flat, p99 + 10 % at most.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks._load import open_loop
from benchmarks.serving import HOST, Server, machine, requests_of, server


def main() -> None:
    options = _options()
    requests = requests_of(options)
    with server(options) as running:
        slices = [_slice(options, running, requests, number) for number in range(options.slices)]
    first, last = slices[1], slices[-1]
    report = {
        "shop": str(options.shop),
        "rate": options.rate,
        "machine": machine(),
        "memory_growth": last["mb"] / first["mb"] - 1,
        "files_growth": last["files"] - first["files"],
        "p99_drift": last["p99"] / first["p99"] - 1,
        "failed": sum(one["failed"] for one in slices),
        "results": slices,
    }
    _show(report, as_json=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1_800.0, help="of all slices together")
    parser.add_argument("--slices", type=int, default=10, choices=range(3, 1_000), metavar="3...")
    parser.add_argument("--rate", type=float, default=200.0, help="arrivals a second (Poisson)")
    parser.add_argument("--people", type=int, default=2_000, help="known customers asked for in turn")
    parser.add_argument("--placement", default="home")
    parser.add_argument("--n", type=int, default=10, help="items in an answer")
    parser.add_argument("--port", type=int, default=18_083)
    parser.add_argument("--cores", help="cores for the server, such as 0 or 0,1 (taskset); all if not given")
    parser.add_argument("--key", help="an API key with recs:read, if the shop has keys")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _slice(
    options: argparse.Namespace, running: Server, requests: list[bytes], number: int
) -> dict[str, Any]:
    outcome = open_loop(
        HOST, options.port, requests, rate=options.rate, connections=64,
        seconds=options.seconds / options.slices, seed=number,
    )  # fmt: skip
    row = outcome.row()
    kept = {name: row[name] for name in ("answers", "p50", "p99", "degraded_share", "failed")}
    return {"slice": number + 1, **kept, **_held(running)}


def _held(running: Server) -> dict[str, float]:
    """Memory that only this server holds, and its open files, over all its processes."""
    processes = [running.process, *running.process.children(recursive=True)]
    return {
        "mb": sum(process.memory_full_info().uss for process in processes) / 1e6,
        "files": sum(process.num_fds() for process in processes),
        "processes": len(processes),
    }


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
        return
    names = list(report["results"][0])
    print("  ".join(f"{name:>14}" for name in names))
    for row in report["results"]:
        print("  ".join(f"{row[name]:>14.3f}" for name in names))
    for name in ("memory_growth", "p99_drift"):
        print(f"{name.replace('_', ' ')}: {report[name]:+.1%}")
    print(f"open files: {report['files_growth']:+d}; failed: {report['failed']}")


if __name__ == "__main__":
    main()
