"""The page of ``benchmarks.feature_value``: a table of sets, their marks and gains."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.won { color: #15803d; } .lost { color: #b91c1c; }
@media (prefers-color-scheme: dark) { .won { color: #4ade80; } .lost { color: #f87171; } }
"""


def page(report: Mapping[str, Any]) -> str:
    """One page that needs nothing from elsewhere."""
    rows = "".join(_row(row) for row in report["results"])
    head = "".join(
        f"<th scope=col>{column}</th>"
        for column in ("features", "number", "all", "gain", "new", "gain", "beside", "fit, s")
    )
    whom = "simulated shoppers" if report["simulated"] else "real purchases"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>What features are worth</title><style>{_STYLE}</style><h1>What features are worth</h1>"
        f"<p>NDCG@10 on {whom}: {escape(report['judged'])}; {report['rows']:,} rows learned from, "
        f"{report['seeds']} fits a set. Gains with 95 % intervals of a paired bootstrap over people.</p>"
        f"<div><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></html>\n"
    )


def _row(row: Mapping[str, Any]) -> str:
    cells = [str(row["features"])]
    for truth in ("all", "new"):
        low, high = row[f"{truth}_interval"]
        cells += [f"{row[truth]:.4f} ({low:.3f} to {high:.3f})", _gain(row.get(f"{truth}_gain"))]
    cells += [row["beside"] or "", f"{row['fit_s']:.1f}"]
    told = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><th scope=row>{escape(row['set'])}</th>{told}</tr>"


def _gain(gain: list[float] | None) -> str:
    if gain is None:
        return ""
    mean, low, high = gain
    tone = "won" if low > 0 else "lost" if high < 0 else ""
    return f"<span class='{tone}'>{mean:+.4f} ({low:+.4f} to {high:+.4f})</span>"
