"""One page that says what a simulated run was, and how true it is to the figures it was set to. Pure: text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from shelfwise.domain import from_us
from shelfwise.simulation._charts import Axis, Series, axis_over, bar, columns, lines
from shelfwise.simulation._checks import Audit, Check
from shelfwise.simulation._realism import BAR, Compared, compared
from shelfwise.simulation._report_style import CSS
from shelfwise.simulation._statistics import MONTHS, PLOT_RANKS, ShopStatistics
from shelfwise.simulation._tally import ByPosition, Funnel

DATA_CREDIT = (
    "Real purchases: Online Retail II, Daqing Chen (2019), UCI Machine Learning Repository, CC BY 4.0; "
    "its customers with an account, after the shop's cleaning."
)


_BEFELL = {
    "robots": "Page views of robots",
    "lost": "Lost by broken tracking",
    "faulty": "Faulty, to be refused",
    "late": "Late",
    "twice": "Sent twice",
}
_TOLD_POSITIONS = {1: "1st", 2: "2nd", 3: "3rd", 5: "5th", 10: "10th", 20: "20th"}


@dataclass(frozen=True, slots=True)
class Years:
    """A real shop's two years, and the second one as a world tells it that was fitted to the first."""

    fitted: ShopStatistics
    real: ShopStatistics
    simulated: ShopStatistics
    credit: str = DATA_CREDIT


@dataclass(frozen=True, slots=True)
class Report:
    """What a page is made of."""

    scenario: str
    meaning: str
    seed: int
    shoppers: int
    n_items: int
    start_us: int
    end_us: int
    n_lines: int
    events: dict[str, int]
    funnel: Funnel
    befell: Mapping[str, int] = field(default_factory=dict)  # events on their way, by BEFELL
    lists: Mapping[str, ByPosition] = field(default_factory=dict)  # what was shown in the run, by list
    audit: Audit | None = None
    checks: tuple[Check, ...] = ()
    years: Years | None = None


def render_report(report: Report) -> str:
    """A whole HTML document that needs nothing beside it."""
    parts = [_facts(report), _funnel(report.funnel), _events(report)]
    if any(report.befell.values()):
        parts.append(_on_the_way(report.befell))
    if any(one.shown.any() for one in report.lists.values()):
        parts.append(_lists(report.lists))
    if report.audit is not None:
        parts.append(_positions(report.audit))
    if report.checks:
        parts.append(_calibration(report.checks))
    if report.years is not None:
        parts.append(_years(report.years))
    told = report.scenario.replace("_", " ")
    name = escape(told[:1].upper() + told[1:])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Simulated shop: {name}</title><style>{CSS}</style></head><body>"
        f'<header><p class="label">Simulated: no real shopper did this</p><h1>{name}</h1>'
        f"<p>{escape(report.meaning)}</p></header><main>{''.join(parts)}</main>{_footer(report)}</body></html>\n"
    )


def _facts(report: Report) -> str:
    days = (report.end_us - report.start_us) / 86_400e6
    told = (
        ("From", _day(report.start_us)),
        ("Days", f"{days:,.4g}"),
        ("Shoppers", f"{report.shoppers:,}"),
        ("Items", f"{report.n_items:,}"),
        ("Event lines", f"{report.n_lines:,}"),
        ("Orders", f"{report.events.get('purchase', 0):,}"),
        ("Seed", str(report.seed)),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in told)
    return f'<section><dl class="facts">{cells}</dl></section>'


def _funnel(funnel: Funnel) -> str:
    steps = (
        ("Visits", funnel.visits, ""),
        ("Looked at a product", funnel.viewed, "of visits"),
        ("Filled a cart", funnel.carted, "of those who looked"),
        ("Began to check out", funnel.begun, "of filled carts"),
        ("Ordered", funnel.ordered, "of begun check-outs"),
    )
    rows, before = [], funnel.visits
    for name, count, of in steps:
        share = f"<small>{_percent(count / before)} {of}</small>" if of and before else ""
        drawn = bar(count / funnel.visits if funnel.visits else 0.0, "simulated")
        rows.append(f"<li><b>{name}</b>{drawn}<span>{count:,}</span>{share}</li>")
        before = count
    rate = _percent(funnel.ordered / funnel.visits) if funnel.visits else "none"
    return _section(
        "How far visits came",
        f"{rate} of visits ended in an order.",
        f'<ul class="funnel">{"".join(rows)}</ul>',
    )


def _events(report: Report) -> str:
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{count:,}</dd></div>" for name, count in report.events.items()
    )
    return _section(
        "Events", "By their GA4 names; one event may have many lines.", f'<dl class="facts">{cells}</dl>'
    )


def _on_the_way(befell: Mapping[str, int]) -> str:
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{befell[key]:,}</dd></div>" for key, name in _BEFELL.items() if befell[key]
    )
    return _section(
        "On the way to the shop",
        "What befell these events before the shop saw them, and what came on top. All else on this page tells of what "
        "shoppers did, before that.",
        f'<dl class="facts">{cells}</dl>',
    )


def _lists(lists: Mapping[str, ByPosition]) -> str:
    rows = []
    for name, one in lists.items():
        if one.shown.any():
            rates = (one.click_rate[k - 1] for k in _TOLD_POSITIONS)
            rows.append((name.capitalize(), f"{int(one.shown[0]):,}", *(_percent(rate) for rate in rates)))
    return _section(
        "Clicks on what was shown",
        "How often each list was shown in this run, and how often its 1st, 2nd, 3rd item and so on was clicked then. "
        "Home, product and cart hold the engine's slates, where it was asked for any.",
        _table(("List", "Shown", *_TOLD_POSITIONS.values()), rows),
    )


def _positions(audit: Audit) -> str:
    at = tuple(float(k) for k in range(1, audit.size + 1))
    across = Axis(
        0.5,
        audit.size + 0.5,
        tuple((k, f"{k:g}") for k in at if audit.size <= 12 or k % 5 == 0 or k == 1),
        "position",
    )
    drawn = []
    for name, happened, stated in zip(audit.NAMES, audit.happened, audit.stated, strict=True):
        series = (
            Series("stated", "stated", tuple(stated)),
            Series("simulated", "simulated", tuple(happened)),
        )
        up = axis_over((*stated, *happened), "", percent=True)
        drawn.append(lines(f"{name.capitalize()}, by position", at, series, across, up))
    rows = [
        (
            str(k + 1),
            *(
                _percent(value[k])
                for pair in zip(audit.happened, audit.stated, strict=True)
                for value in pair
            ),
        )
        for k in range(audit.size)
    ]
    head = ("Position", *(f"{name}, {kind}" for name in audit.NAMES for kind in ("simulated", "stated")))
    return _section(
        "Rates by position",
        f"{audit.n:,} reactions to slates of {audit.size}, beside the chances that the world states for them; "
        f"the farthest of {audit.size * 3} is {audit.farthest:.1f} standard errors away.",
        f'<div class="charts three">{"".join(drawn)}</div>'
        f"<details><summary>The same in numbers</summary>{_table(head, rows)}</details>",
    )


def _calibration(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        off = check.measured / check.stated - 1 if check.stated else math.nan
        told = f'<span class="{"good" if check.met else "bad"}">{_signed(off)}</span>'
        errors = "" if check.published or math.isnan(check.away) else f"{check.away:.1f}"
        rows.append((escape(check.name), _percent(check.stated), _percent(check.measured), told, errors,
                     f"{check.n:,}", escape(check.source)))  # fmt: skip
    head = (
        "Share of",
        "Set to",
        "Measured",
        "Off by",
        "Std. errors",
        "Cases",
        "Setting or source",
    )
    return _section(
        "The world against its figures",
        "What the run gave beside what the world was set to. Red: more than four standard errors away, "
        "or, of what is published of other shops, more than half of it.",
        _table(head, rows, words=6),
    )


def _years(years: Years) -> str:
    rows = compared(years.fitted, years.real, years.simulated)
    barred = [row for row in rows if row.barred]
    met = sum(row.within for row in barred)
    told = (
        f"The world was fitted to the first year alone; {met} of {len(barred)} judged figures of its second year are "
        f"within {_percent(BAR)} of the real one. How far the two real years are apart says how near one can come."
    )
    return _section(
        "Beside a real shop", told, f'<div class="charts">{_year_charts(years)}</div>{_year_table(rows)}'
    )


def _year_charts(years: Years) -> str:
    deciles = tuple(10.0 * n for n in range(1, 10))
    across = Axis(10, 90, tuple((d, f"{d:g}") for d in deciles), "% of cases below")
    gaps = _three(years, lambda year: year.interval_days.deciles)
    baskets = _three(years, lambda year: year.basket_items.deciles)
    ranks = _three(years, lambda year: year.rank_share)
    months = _three(years, lambda year: year.month_share)
    at = tuple(PLOT_RANKS.astype(float).tolist())
    return "".join(
        (
            lines("Days from order to order", deciles, gaps, across, axis_over(_all(gaps), "")),
            lines("Items in an order", deciles, baskets, across, axis_over(_all(baskets), "")),
            lines("Share of lines, by rank of item", at, ranks, axis_over(at, "rank", log=True),
                  axis_over(_all(ranks), "", percent=True, log=True)),
            columns("Orders by month", [name[0] for name in MONTHS], months,
                    axis_over(_all(months), "", percent=True)),
        )
    )  # fmt: skip


def _three(years: Years, of: Callable[[ShopStatistics], tuple[float, ...]]) -> tuple[Series, ...]:
    return (
        Series("real, first year", "first", of(years.fitted)),
        Series("real, second", "second", of(years.real)),
        Series("simulated second", "simulated", of(years.simulated)),
    )


def _year_table(rows: Sequence[Compared]) -> str:
    body: list[tuple[str, ...]] = []
    for group, members in groupby(rows, key=lambda row: row.group):
        body.append((group,))
        for row in members:
            judged = ("good" if row.within else "bad") if row.barred else "quiet"
            off = f'<span class="{judged}">{_signed(row.off)}</span>'
            write = _percent if _is_share(row) else _number
            three = (write(row.fitted), write(row.real) if row.real else "", write(row.simulated))
            body.append((escape(row.name), *three, _signed(row.noise), off))
    head = ("", "Real, first year", "Real, second", "Simulated second", "First year off", "Simulated off")
    return _table(head, body)


def _is_share(row: Compared) -> bool:
    return "share" in row.name or "distance" in row.name


def _footer(report: Report) -> str:
    credit = f"<p>{escape(report.years.credit)}</p>" if report.years is not None else ""
    return (
        "<footer><p>Every number under “simulated” comes from made-up shoppers whose tastes are known; it says nothing "
        f"of what real people would do. The same scenario, seed and sizes give the same page.</p>{credit}</footer>"
    )


def _section(title: str, told: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(told)}</p>{inside}</section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = -1) -> str:
    """Cells of ``rows`` are HTML; a row of one cell heads a group; column ``words`` holds text."""
    heads = "".join(f'<th scope="col"{_words(n == words)}>{escape(name)}</th>' for n, name in enumerate(head))
    body = []
    for first, *cells in rows:
        if not cells:
            body.append(f'<tr class="group"><th scope="rowgroup" colspan="{len(head)}">{first}</th></tr>')
            continue
        told = (f"<td{_words(n == words)}>{cell}</td>" for n, cell in enumerate(cells, 1))
        body.append(f'<tr><th scope="row">{first}</th>{"".join(told)}</tr>')
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _words(here: bool) -> str:
    return ' class="words"' if here else ""


def _all(series: Sequence[Series]) -> list[float]:
    return [value for one in series for value in one.values]


def _day(at_us: int) -> str:
    return f"{from_us(at_us):%Y-%m-%d}"


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.3g} %"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:+.1f} %".replace("-", "−")


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return (f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}").replace("-", "−")
