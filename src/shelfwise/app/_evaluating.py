"""Evaluation of a shop: every strategy, the rankers and the plain baselines on held-back time, full catalogue."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfwise.app._history import require_history
from shelfwise.app._training import workshop_of
from shelfwise.app._vectors import training_shelf
from shelfwise.domain import SOURCES
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.training import train

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop


def evaluate(shop: Shop, *, days: int, html: Path | None) -> dict[str, Any]:
    """Train as of ``days`` ago and judge on what came after; publishes nothing.

    A release that is live has seen the time it would be judged on, so it is not asked: the same recipe is.
    """
    shop.drain()
    lake, shelf, now_us = DeltaLake(shop.layout.lake), training_shelf(shop), shop.clock()
    training = shop.settings.training.model_copy(update={"window_days": days})
    require_history(lake.files("event_lines"), training, n_items=len(shelf), now_us=now_us)
    workshop = workshop_of(
        shop.layout,
        shop.settings.model_copy(update={"training": training}),
        lake=lake,
        shelf=shelf,
        registry=shop.readers.releases,
        now_us=now_us,
        judge_only=True,
        strategies=SOURCES,
    )
    report = train(workshop)
    body = {"held_back": report.held_back, "judged": report.judged, "missing": dict(report.missing)}
    if html is not None:
        html.write_text(page(shop.settings.shop.name, body))
    return body


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { padding: .4rem .6rem; text-align: right; border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.bar { background: #3b82f6; height: .5rem; border-radius: .25rem; display: block; }
"""
_COLUMNS = ("ndcg@10", "low", "high", "recall@10", "hit_rate@10", "mrr@10", "coverage", "novelty_bits")


def page(name: str, body: dict[str, Any]) -> str:
    """The report as one page that needs nothing from elsewhere."""
    parts = [
        _table(title, [row for row in body["judged"] if row["truth"] == truth])
        for truth, title in (("all", "Everything that was bought"), ("new", "Never bought before"))
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Evaluation of {escape(name)}</title><style>{_STYLE}</style><h1>Evaluation of {escape(name)}</h1>"
        f"<p>Held back: {escape(body['held_back'])}. People who had bought before and bought again; full catalogue; "
        f"NDCG over the ideal of min(10, relevant) with 95 % bootstrap intervals.</p>{''.join(parts)}</html>"
    )


def _table(title: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    best = max(row["ndcg@10"] for row in rows) or 1.0
    head = "".join(f"<th>{escape(column)}</th>" for column in ("model", "", *_COLUMNS))
    lines = [
        f"<tr><td>{escape(row['model'])}</td>"
        f"<td>{_bar(row['ndcg@10'] / best)}</td>"
        + "".join(f"<td>{row[column]:.4f}</td>" for column in _COLUMNS)
        + "</tr>"
        for row in sorted(rows, key=lambda row: -row["ndcg@10"])
    ]
    return f"<h2>{escape(title)}</h2><p>{rows[0]['people']} people</p><table><tr>{head}</tr>{''.join(lines)}</table>"


def _bar(share: float) -> str:
    return f"<svg width='120' height='8'><rect width='{120 * share:.0f}' height='8' fill='#3b82f6'/></svg>"
