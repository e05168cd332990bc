"""The checks as one page that needs nothing from elsewhere: what fails first, then drift, then everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from shelfwise.domain import from_us
from shelfwise.features._drift import Drift
from shelfwise.features._finding import MEANING, Finding
from shelfwise.features._quality import Quality
from shelfwise.features._skew import Skew


def render_quality(quality: Quality, *, name: str) -> str:
    """A whole HTML page about the checks of a shop of this name."""
    failed = [one for one in quality.findings if not one.ok]
    told = sorted(failed, key=lambda one: ("critical", "warning", "note").index(one.severity))
    then = f", compared with {_instant(quality.then_us)}" if quality.then_us is not None else ""
    return "".join(
        [
            "<!doctype html><html lang='en'><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>Data quality of {escape(name)}</title><style>{_STYLE}</style><main>"
            f"<h1>Data quality of {escape(name)}</h1><p class=sub>As of {_instant(quality.as_of_us)}{then}. "
            "All instants are UTC.</p>",
            _verdict(quality, failed),
            _cards(quality.findings),
            _section("What fails", _findings(told)) if told else "",
            _section("Drift", _drifts(quality.drifts)) if quality.drifts else "",
            _section("Skew", _skews(quality.skews)) if quality.skews else "",
            _section("Every check", "".join(_folded(quality.findings))) if quality.findings else "",
            "</main></html>\n",
        ]
    )


def _verdict(quality: Quality, failed: Sequence[Finding]) -> str:
    if not quality.findings:
        return "<p class='verdict note' role=status>There are no events yet: nothing was checked.</p>"
    stopping = quality.objections
    if stopping:
        told = (
            f"{_counted(len(stopping), 'critical check')} failed: no release goes live, the champion stays."
        )
        return f"<p class='verdict critical' role=status>{told}</p>"
    if failed:
        told = f"{_counted(len(failed), 'check')} should be looked at; nothing stops a release."
        return f"<p class='verdict warning' role=status>{told}</p>"
    return f"<p class='verdict good' role=status>All {len(quality.findings)} checks passed.</p>"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _cards(findings: Sequence[Finding]) -> str:
    """One card a kind of check that was made."""
    cards = []
    for check, meaning in MEANING.items():
        own = [one for one in findings if one.check == check]
        if own:
            bad = [one for one in own if not one.ok]
            worst = min((("critical", "warning", "note").index(one.severity) for one in bad), default=3)
            tone = ("critical", "warning", "note", "good")[worst]
            cards.append(
                f"<li class={tone}><b>{check}</b><span class=count>{len(own) - len(bad)} of {len(own)} passed</span>"
                f"<span>{escape(meaning)}</span></li>"
            )
    return f"<ul class=cards>{''.join(cards)}</ul>" if cards else ""


def _findings(findings: Iterable[Finding]) -> str:
    rows = [
        (
            f"<span class='tag {'good' if one.ok else one.severity}'>{'passed' if one.ok else one.severity}</span>",
            one.check,
            f"<code>{escape(one.subject)}</code>",
            escape(one.told),
        )
        for one in findings
    ]
    return _table(("state", "check", "of", "finding"), rows)


def _drifts(drifts: Sequence[Drift]) -> str:
    """Furthest moved first; a bar is full at the limit."""
    rows = []
    for one in sorted(
        drifts, key=lambda one: (one.why_not is not None, not one.moved, -one.psi / one.psi_limit)
    ):
        filled = min(100.0, 100.0 * one.psi / one.psi_limit)
        tone = "note" if one.why_not else "warning" if one.moved else "good"
        rows.append(
            (
                f"<code>{escape(one.name)}</code>",
                f"<span><span class=bar><i class={tone} style='width:{filled:.0f}%'></i></span>{one.psi:.3f}</span>",
                f"{one.ks:.3f}",
                f"{_number(one.mean_then)} → {_number(one.mean_now)}",
                f"{one.null_then:.0%} → {one.null_now:.0%}",
                escape(one.why_not or ("moved" if one.moved else "")),
            )
        )
    intro = (
        "<p>A value for each person active before each instant, or for each of their items. PSI from 0.25 on, or "
        "beyond chance where few were seen, tells of another population. Drift is a reason to train: "
        "it stops nothing.</p>"
    )
    columns = ("feature", "PSI", "KS", "mean", "absent", "told")
    shown = max(_SHOWN, sum(one.moved for one in drifts))
    rest = rows[shown:]
    folded = f"<details><summary>{len(rest)} more</summary>{_table(columns, rest)}</details>" if rest else ""
    return intro + _table(columns, rows[:shown]) + folded


def _skews(found: Sequence[Skew]) -> str:
    """The most skewed first."""
    rows = [
        (
            f"<code>{escape(one.name)}</code>",
            f"{one.share:.1%}",
            _number(one.largest),
            str(one.n_one_sided),
            escape(one.why_not or ("" if one.ok else "skewed")),
        )
        for one in found
    ]
    intro = (
        f"<p>{_counted(found[0].n_rows, 'shown position')} of the newest answers: what the ranker was told, beside "
        "what the lake tells of the same person, item and instant.</p>"
    )
    columns = ("feature", "rows that differ", "largest difference", "nothing on one side", "told")
    shown = max(_SHOWN, sum(not one.ok for one in found))
    rest = rows[shown:]
    folded = f"<details><summary>{len(rest)} more</summary>{_table(columns, rest)}</details>" if rest else ""
    return intro + _table(columns, rows[:shown]) + folded


_SHOWN = 12  # features under the heading; the rest is folded


def _folded(findings: Sequence[Finding]) -> Iterable[str]:
    for check in MEANING:
        own = [one for one in findings if one.check == check]
        if own:
            yield f"<details><summary>{check} <span class=sub>{len(own)}</span></summary>{_findings(own)}</details>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td data-of='{escape(column)}'>{cell}</td>" for column, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _instant(instant_us: int) -> str:
    return f"<time>{from_us(int(instant_us)):%Y-%m-%d %H:%M}</time>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b636b; --page: #fff; --card: #f5f6f8; --line: #dfe3e8;
  --good: #18794e; --note: #5b636b; --warning: #8f5a00; --critical: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef0; --soft: #a6aeb7; --page: #14171a; --card: #1e2327;
  --line: #343b42; --good: #4cc38a; --note: #a6aeb7; --warning: #f1a10d; --critical: #ff8f84; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
.sub { color: var(--soft); margin: .25rem 0 1rem; font-weight: 400; }
.good { --tone: var(--good); } .note { --tone: var(--note); }
.warning { --tone: var(--warning); } .critical { --tone: var(--critical); }
.verdict { border-left: .4rem solid var(--tone); background: var(--card); padding: .75rem 1rem; font-weight: 600;
  border-radius: .25rem; }
.cards { list-style: none; margin: 1.25rem 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }
.cards li { background: var(--card); border: 1px solid var(--line); border-top: .25rem solid var(--tone);
  border-radius: .4rem; padding: .6rem .8rem; display: grid; font-size: .9rem; align-content: start; }
.cards b { font-size: 1rem; } .cards .count { color: var(--tone); font-weight: 600; }
.cards span:last-child { color: var(--soft); }
.tag { color: var(--tone); border: 1px solid var(--tone); border-radius: 1rem; padding: 0 .55rem; font-size: .85rem;
  white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-variant-numeric: tabular-nums; }
code { font: .88em ui-monospace, monospace; overflow-wrap: anywhere; }
@media (min-width: 64rem) { code { white-space: nowrap; } }
.bar { display: inline-block; width: 5rem; height: .5rem; margin-right: .5rem; background: var(--line);
  border-radius: .25rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--tone); }
details { border-bottom: 1px solid var(--line); }
summary { padding: .6rem 0; cursor: pointer; font-weight: 600; }
@media (max-width: 44rem) {
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td { border: 0; padding: .1rem 0; display: grid; grid-template-columns: 5rem 1fr; gap: .5rem; justify-items: start; }
  td::before { content: attr(data-of); color: var(--soft); }
  td:empty { display: none; }
  .cards { grid-template-columns: 1fr 1fr; }
}
@media print { details > * { display: block; } }
"""
