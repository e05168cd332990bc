"""How good are the answers? Online Retail II, held-back days, asked over HTTP as a shop would, beside tuned peers.

    python -m benchmarks.online_retail --protocols ../shared/protocols --raw ../shared/datasets/online_retail_ii

Builds a shop from everything before the cut with the defaults that the demo trains with, serves it, and asks for each
customer known before the cut. Full catalogue, binary NDCG@10 with the ideal of min(10, relevant). Two truths:
``all`` (what was bought, ``seen=keep``) and ``new`` (what was never bought before, ``seen=exclude``).
The peers are tuned on the window before and run in the same process; the difference is a paired bootstrap over users.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from shelfwise.evaluation import Truth, bootstrap_mean, ndcg_at, paired_bootstrap, recall_at

K = 10
PEERS = {"all": ("blend", "blend_als"), "new": ("als_short", "blend_first")}


def main() -> None:
    options = _options()
    sys.path.insert(0, str(options.protocols))
    import peer_python
    import split_online_retail as protocol

    with tempfile.TemporaryDirectory() as work:
        lines = protocol.purchases(options.raw)
        folders = {
            back: _split(protocol, lines, options, back, Path(work))
            for back in (options.back, options.back + 1)
        }
        valid, test = (peer_python.Shop(folders[back][0]) for back in (options.back + 1, options.back))
        shop = options.shop or Path(work) / "shop"
        built_s = _build(shop, until=folders[options.back][1], log=options.log)
        with _serving(shop, options.port) as url:
            lists = {
                truth: _ask(url, test.who, seen) for truth, seen in (("all", "keep"), ("new", "exclude"))
            }
            lists["new_of_100"] = _ask(url, test.who, "keep", n=100)
        results = []
        for truth in ("all", "new"):
            results += _compare(peer_python, valid, test, truth, lists, peers=not options.no_peers)
    report = {
        "cut": str(folders[options.back][1]),
        "users": len(test.who),
        "build_s": built_s,
        "results": results,
    }
    _show(report, as_json=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--protocols", type=Path, required=True, help="folder of the split and the tuned peers"
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of the two published sheets")
    parser.add_argument("--days", type=int, default=14, help="days held back")
    parser.add_argument("--back", type=int, default=0, help="windows before the last one")
    parser.add_argument("--shop", type=Path, help="keep the shop here (an existing one is used as it is)")
    parser.add_argument("--port", type=int, default=18_080)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--log", type=Path, help="where the building prints to")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _split(protocol: Any, lines: Any, options: argparse.Namespace, back: int, work: Path) -> tuple[Path, Any]:
    train, test, cut = protocol.split(lines, options.days, back)
    folder = work / f"split-{back}"
    folder.mkdir()
    train.write_parquet(folder / "train.parquet")
    test.write_parquet(folder / "test.parquet")
    return folder, cut


def _build(shop: Path, *, until: Any, log: Path | None) -> float:
    """Everything before the cut. The data's clock is British local time; the cuts lie in winter, so it is UTC."""
    if (shop / "releases").exists():
        return 0.0
    begun = time.perf_counter()
    command = [sys.executable, "-m", "shelfwise", "--shop", str(shop), "demo", "--no-serve"]
    done = subprocess.run(
        [*command, "--until", f"{until.isoformat()}+00:00"], capture_output=True, text=True, check=False
    )
    if log is not None:
        log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise SystemExit(f"building the shop failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - begun


@contextmanager
def _serving(shop: Path, port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "shelfwise",
        "--shop",
        str(shop),
        "serve",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(url)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} is not ready after {limit_s:.0f} s")


def _ask(url: str, users: list[str], seen: str, n: int = K) -> dict[str, list[str]]:
    answers, degraded = {}, 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for user in users:
            got = client.get("/v1/recommendations", params={"user_id": user, "n": n, "seen": seen})
            got.raise_for_status()
            body = got.json()
            degraded += body["degraded"] is not None
            answers[user] = [item["item_id"] for item in body["items"]]
    if degraded:
        print(f"{degraded} of {len(users)} answers were degraded", file=sys.stderr)
    return answers


def _compare(
    peers_of: Any, valid: Any, test: Any, truth: str, lists: dict[str, dict[str, list[str]]], *, peers: bool
) -> list[dict[str, Any]]:
    relevant = test.bought if truth == "all" else test.fresh
    users = list(relevant)
    number = dict(test.col)  # items that nobody had bought before the cut count too: nobody can find them
    judged = Truth.of([{number.setdefault(item, len(number)) for item in relevant[user]} for user in users])
    ours = _rows(number, lists[truth], users)
    score = ndcg_at(K, ours, judged)
    rows = [_row("shelfwise", truth, score, recall_at(K, ours, judged))]
    if truth == "new":
        left = {
            u: [i for i in items if i not in test.seen[u]][:K] for u, items in lists["new_of_100"].items()
        }
        of_100 = _rows(number, left, users)
        rows.append(
            _row(
                "shelfwise, 100 kept then filtered",
                truth,
                ndcg_at(K, of_100, judged),
                recall_at(K, of_100, judged),
            )
        )
    for name in PEERS[truth] if peers else ():
        theirs = _rows(number, _peer(peers_of, valid, test, name, truth), users)
        their_score = ndcg_at(K, theirs, judged)
        lead = paired_bootstrap(score, their_score, np.random.default_rng(0))
        row = _row(name, truth, their_score, recall_at(K, theirs, judged))
        rows.append({**row, "shelfwise leads by": lead.mean, "lead low": lead.low, "lead high": lead.high})
    return rows


def _peer(peers_of: Any, valid: Any, test: Any, name: str, truth: str) -> dict[str, list[str]]:
    policy = "keep" if truth == "all" else "filter"
    fit: Callable[..., Any]
    fit, plans = peers_of.PLANS[name]
    best = max(plans, key=lambda p: valid.judge(fit(valid, **p), policy)["ndcg@10"])
    scores = fit(test, **best)
    if policy == "filter":
        scores = np.where(test.matrix()[test.rows].toarray() > 0, -np.inf, scores)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return {user: [test.items[j] for j in top[n]] for n, user in enumerate(test.who)}


def _rows(number: dict[str, int], lists: dict[str, list[str]], users: list[str]) -> Any:
    ranked = np.full((len(users), K), -1, np.int64)
    for row, user in enumerate(users):
        known = [number.get(item, -1) for item in lists.get(user, [])[:K]]
        ranked[row, : len(known)] = known
    return ranked


def _row(model: str, truth: str, ndcg: Any, recall: Any) -> dict[str, Any]:
    interval = bootstrap_mean(ndcg, np.random.default_rng(0))
    return {
        "model": model, "truth": truth, "users": len(ndcg), f"ndcg@{K}": interval.mean,
        "low": interval.low, "high": interval.high, f"recall@{K}": float(recall.mean()),
    }  # fmt: skip


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
        return
    print(f"cut {report['cut']}, {report['users']} users, built in {report['build_s']:.0f} s")
    for row in report["results"]:
        lead = (
            f"  lead {row['shelfwise leads by']:+.4f} [{row['lead low']:+.4f}, {row['lead high']:+.4f}]"
            if "lead low" in row
            else ""
        )
        print(
            f"{row['truth']:<4} {row['model']:<36} ndcg@10 {row['ndcg@10']:.4f} [{row['low']:.4f}, {row['high']:.4f}]"
            f"  recall@10 {row['recall@10']:.4f}{lead}"
        )


if __name__ == "__main__":
    main()
