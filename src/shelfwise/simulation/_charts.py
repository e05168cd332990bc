"""Drawings of a report as inline SVG: numbers in, text out. Colours are the page's custom properties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 12, 50
_DOT = {"stated": 5}  # a ring around what is simulated


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one set of columns. NaN: nothing is drawn there."""

    name: str
    style: str  # a CSS class: stated, first, second, simulated
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from ``low`` to ``high`` with marks on it."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    name: str = ""
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def axis_over(values: Sequence[float], name: str, *, percent: bool = False, log: bool = False) -> Axis:
    """An axis that holds the values: from 0, or over whole decades, which need values above 0."""
    told = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    if log:
        low, high = math.floor(math.log10(min(told))), math.ceil(math.log10(max(told)))
        marks = [10.0**power for power in range(low, max(high, low + 1) + 1)]
        return Axis(
            marks[0], marks[-1], tuple((mark, _mark(mark, percent)) for mark in marks), name, log=True
        )
    step = _step(max(told))
    marks = [step * n for n in range(math.ceil(max(told) / step) + 1)]
    return Axis(0.0, marks[-1], tuple((mark, _mark(mark, percent)) for mark in marks), name)


def lines(title: str, at: Sequence[float], series: Sequence[Series], across: Axis, up: Axis) -> str:
    """Lines through points ``at`` along the axis ``across``."""
    drawn = "".join(_line(one, at, across, up) for one in series)
    return _drawing(title, _grid(across, up) + drawn, series)


def columns(title: str, names: Sequence[str], series: Sequence[Series], up: Axis) -> str:
    """Columns side by side, one group a name."""
    ticks = tuple((n + 0.5, name) for n, name in enumerate(names))
    across = Axis(0, len(names), ticks)
    drawn = "".join(_columns(one, n, len(series), across, up) for n, one in enumerate(series))
    return _drawing(title, _grid(across, up) + drawn, series)


def bar(share: float, style: str) -> str:
    """A bar as wide as its share of what surrounds it; for tables and lists."""
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        '<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="3"/>'
        f'<rect class="{style}" width="{width:.2f}%" height="100%" rx="3"/></svg>'
    )


def _drawing(title: str, inside: str, series: Sequence[Series]) -> str:
    legend = "".join(f'<li><i class="{one.style}"></i>{escape(one.name)}</li>' for one in series)
    return (
        f'<figure><figcaption><h3>{escape(title)}</h3><ul class="legend">{legend}</ul></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{inside}</svg></figure>'
    )


def _grid(across: Axis, up: Axis) -> str:
    parts = []
    for value, text in up.ticks:
        y = _y(up, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="up" x="{_LEFT - 7}" y="{y + 5}">{escape(text)}</text>')
    for value, text in across.ticks:
        parts.append(
            f'<text class="across" x="{_x(across, value)}" y="{HEIGHT - _BOTTOM + 21}">{escape(text)}</text>'
        )
    if across.name:
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text class="across name" x="{middle}" y="{HEIGHT - 5}">{escape(across.name)}</text>')
    return "".join(parts)


def _line(series: Series, at: Sequence[float], across: Axis, up: Axis) -> str:
    told = [
        (_x(across, x), _y(up, y), x, y)
        for x, y in zip(at, series.values, strict=False)
        if math.isfinite(y) and (y > 0 or not up.log)
    ]
    path = " ".join(f"{x},{y}" for x, y, _, _ in told)
    dots = "".join(
        f'<circle class="{series.style}" cx="{x}" cy="{y}" r="{_DOT.get(series.style, 3)}">'
        f"<title>{escape(series.name)}, {place:g}: {value:.4g}</title></circle>"
        for x, y, place, value in told
    )
    return f'<polyline class="{series.style}" points="{path}"/>{dots}'


def _columns(series: Series, place: int, beside: int, across: Axis, up: Axis) -> str:
    group = (WIDTH - _LEFT - _RIGHT) / across.high
    width = round(0.78 * group / beside, 2)
    parts = []
    for n, value in enumerate(series.values):
        if not math.isfinite(value):
            continue
        x, y = round(_LEFT + group * (n + 0.11) + place * width, 2), _y(up, value)
        tall = round(HEIGHT - _BOTTOM - y, 2)
        name = f"{series.name}, {across.ticks[n][1]}: {value:.4g}"
        parts.append(
            f'<rect class="{series.style}" x="{x}" y="{y}" width="{width}" height="{tall}">'
            f"<title>{escape(name)}</title></rect>"
        )
    return "".join(parts)


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT), 2)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM), 2)


def _step(highest: float) -> float:
    """A round step of which five at most reach the highest."""
    decade = 10.0 ** math.floor(math.log10(highest))
    return next(decade * part for part in (0.2, 0.5, 1, 2) if highest / (decade * part) <= 5)


def _mark(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.4g} %"
    return f"{value / 1_000:g}k" if value >= 10_000 else f"{value:,.4g}"
