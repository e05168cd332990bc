"""The catalogue as one page that needs nothing from elsewhere: each feature, how it is spread now, what it is worth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from html import escape

from shelfwise.features._catalogue import catalogue_rows
from shelfwise.features._declare import Feature
from shelfwise.features._features import FAMILY_OF
from shelfwise.features._spread import Spread

_SIGNALS = "signals"  # the family of what sources say
_WIDTH, _HEIGHT, _GAP = 160, 36, 1  # of a histogram, in pixels


def render_catalogue_page(
    features: Sequence[Feature],
    *,
    name: str,
    sample: str,
    spreads: Mapping[str, Spread],
    shares: Mapping[str, float],
    unfitted: Collection[str] = (),
) -> str:
    """A whole HTML page.

    Args:
        features: Which, in order.
        name: Of the shop.
        sample: Whom the values are of, in words.
        spreads: Of each feature that was looked at.
        shares: What the ranker in use goes by, adding up to 1; a feature that it does not take is absent.
        unfitted: Features whose fit nobody made.
    """
    families: dict[str, list[Feature]] = {}
    for feature in features:
        families.setdefault(FAMILY_OF.get(feature.name, _SIGNALS), []).append(feature)
    most = max(shares.values(), default=0.0)
    sections = [_section(family, own, spreads, shares, most, unfitted) for family, own in families.items()]
    constant = sum(one.constant for one in spreads.values())
    signals = len(families.get(_SIGNALS, ()))
    head = f"{len(features) - signals} features" + (
        f" and {signals} columns of what sources say" if signals else ""
    )
    used = f", {len(shares)} of them in the ranker in use" if shares else ""
    varied = f" {len(spreads) - constant} vary in the sample." if spreads else ""
    return "".join([
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Features of {escape(name)}</title><style>{_STYLE}</style><main><h1>Features of {escape(name)}</h1>"
        f"<p class=sub>{head}{used}.{varied} {escape(sample)}</p>{_nav(families, shares)}",
        *sections, "</main></html>\n",
    ])  # fmt: skip


def _nav(families: Mapping[str, Sequence[Feature]], shares: Mapping[str, float]) -> str:
    """Families with their number and their part of what the ranker goes by, the largest told as they stand."""
    links = [
        f"<a href='#{family}'><b>{family.replace('_', ' ')}</b> <span>{len(own)}</span>"
        f"<span>{_percent(sum(shares.get(one.name, 0.0) for one in own))}</span></a>"
        for family, own in families.items()
    ]
    return f"<nav aria-label=Families>{''.join(links)}</nav>"


def _section(
    family: str,
    features: Sequence[Feature],
    spreads: Mapping[str, Spread],
    shares: Mapping[str, float],
    most: float,
    unfitted: Collection[str],
) -> str:
    total = sum(shares.get(one.name, 0.0) for one in features)
    entries = [
        _entry(
            feature, row, spreads.get(feature.name), shares.get(feature.name), most, feature.name in unfitted
        )
        for feature, row in zip(features, catalogue_rows(features), strict=True)
    ]
    return (
        f"<section id={family}><h2>{family.replace('_', ' ').capitalize()} "
        f"<span class=sub>{len(features)} features, {_percent(total)} of the gain</span></h2>"
        f"<ul class=features>{''.join(entries)}</ul></section>"
    )


def _entry(
    feature: Feature,
    row: Mapping[str, str | None],
    spread: Spread | None,
    share: float | None,
    most: float,
    unfitted: bool,
) -> str:
    facts = "".join(f"<div><dt>{what}</dt><dd>{escape(told)}</dd></div>" for what, told in _facts(row))
    meaning = f"{feature.meaning[0].upper()}{feature.meaning[1:]}."
    return (
        f"<li id='{feature.name}'><div class=what><h3><code>{feature.name}</code></h3><p>{escape(meaning)}</p>"
        f"<dl>{facts}</dl></div><div class=now>{_now(spread, feature.unit, unfitted)}{_worth(share, most)}</div></li>"
    )


def _facts(row: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for what in ("unit", "range", "window", "freshness", "privacy"):
        yield what, str(row[what])
    yield "nothing when", row["null"] or "never"


def _now(spread: Spread | None, unit: str, unfitted: bool) -> str:
    """How it is spread, how often it is absent, and one value."""
    if unfitted:
        return "<p class=sub>Not fitted: no release carries it.</p>"
    if spread is None:
        return "<p class=sub>Not looked at.</p>"
    if spread.example is None:
        return f"<p class=sub>Nothing in all {spread.rows:,} rows.</p>"
    if spread.constant:
        return f"<p class=sub>{_number(spread.example)} in all {spread.rows:,} rows.</p>"
    absent = f", absent in {_percent(spread.nulls / spread.rows)}" if spread.nulls else ""
    return (
        f"{_histogram(spread)}<p>for example <b>{_number(spread.example)}</b> {escape(unit)}; "
        f"median {_number(spread.median)}{absent}</p>"
    )


def _histogram(spread: Spread) -> str:
    """Bars of the counts, the highest as high as the drawing; what is there at all can be seen."""
    most, n = max(spread.counts), len(spread.counts)
    width = _WIDTH / n
    bars = "".join(
        f"<rect x='{at * width:.1f}' y='{_HEIGHT - height:.1f}' width='{width - _GAP:.1f}' height='{height:.1f}'/>"
        for at, count in enumerate(spread.counts)
        if (height := max(1.5, _HEIGHT * count / most) if count else 0.0)
    )
    low, high = spread.edges or (0.0, 0.0)
    told = f"{spread.rows - spread.nulls} values from {_number(spread.low)} to {_number(spread.high)}"
    return (
        f"<figure><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img aria-label='{told}'>{bars}</svg>"
        f"<figcaption><span>{_number(low)}</span><span>{_number(high)}</span></figcaption></figure>"
    )


def _worth(share: float | None, most: float) -> str:
    if share is None:
        return "<p class=sub>not in the ranker</p>"
    filled = 100.0 * share / most if most > 0 else 0.0
    return f"<p class=worth><span class=bar><i style='width:{filled:.1f}%'></i></span>{_percent(share)} of the gain</p>"


def _percent(share: float) -> str:
    return (
        f"{share:.0%}"
        if share >= 0.1
        else f"{share:.1%}"
        if share >= 0.0005
        else "0 %"
        if share == 0
        else "<0.1%"
    )


def _number(value: float | None) -> str:
    """Four figures at most, thousands apart."""
    if value is None:
        return "nothing"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


_STYLE = """
:root { color-scheme: light dark; --ink: #1c1b19; --soft: #6b6862; --line: #e3e0d9; --card: #fff; --ground: #faf9f6;
  --bar: #2f6f8f; --worth: #b4651e; font: 16px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceae4; --soft: #a5a199; --line: #3a3833; --card: #23221f;
  --ground: #191816; --bar: #7db8d4; --worth: #e2a05f; } }
body { margin: 0; background: var(--ground); color: var(--ink); }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0; font-size: 1.7rem; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1rem; }
h2 .sub { font-size: .9rem; font-weight: 400; margin-left: .4rem; }
.sub { color: var(--soft); }
nav { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(12rem, 46%), 1fr)); gap: .4rem;
  margin: 1.25rem 0; }
nav a { display: flex; gap: .5rem; align-items: baseline; padding: .35rem .6rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--card); color: inherit; text-decoration: none; font-size: .9rem; }
nav a:hover, nav a:focus-visible { border-color: var(--bar); }
nav span { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
nav span:last-child { margin-left: auto; }
.features { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card); }
.features li { display: grid; grid-template-columns: minmax(0, 1fr) 15rem; gap: .5rem 2rem; padding: .9rem 1rem; }
.features li + li { border-top: 1px solid var(--line); }
.features p { margin: .15rem 0; font-size: .92rem; }
code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .3rem 0 0; font-size: .82rem; color: var(--soft); }
dl div { display: flex; gap: .35rem; } dd { margin: 0; color: var(--ink); } dt::after { content: ":"; }
.now { font-variant-numeric: tabular-nums; }
.now p { font-size: .85rem; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; border-bottom: 1px solid var(--line); } rect { fill: var(--bar); }
figcaption { display: flex; justify-content: space-between; font-size: .75rem; color: var(--soft); }
.worth { display: flex; align-items: center; gap: .5rem; }
.bar { flex: 1; height: .4rem; background: var(--line); border-radius: .2rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--worth); }
@media (max-width: 44rem) { .features li { grid-template-columns: minmax(0, 1fr); } .now { max-width: 20rem; } }
"""
