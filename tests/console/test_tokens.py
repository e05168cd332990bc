"""The design tokens: every pair of text and ground that the sheet uses can be read, by day and by night."""

from __future__ import annotations

import re

import pytest

from shelfwise.console._console import static_files

SHEET = static_files()["shop.css"][0].decode()
DAY = SHEET[: SHEET.index("@media (prefers-color-scheme: dark)")]
NIGHT = SHEET[SHEET.index("@media (prefers-color-scheme: dark)") : SHEET.index("*, *::before")]

PAIRS = (
    ("ink", "paper"), ("ink", "card"), ("ink", "accent-wash"), ("soft", "paper"), ("soft", "card"),
    ("soft", "accent-wash"), ("accent", "paper"), ("accent", "card"), ("accent", "accent-wash"),
    ("accent-ink", "accent"), ("good", "paper"), ("bad", "paper"), ("paper", "ink"),
)  # fmt: skip


def tokens(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("text", [DAY, NIGHT], ids=["day", "night"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_stands_out_from_its_ground(front: str, back: str, text: str) -> None:
    known = tokens(text)
    lighter, darker = sorted((luminance(known[front]), luminance(known[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, level AA


def test_night_knows_every_colour_of_the_day() -> None:
    assert tokens(NIGHT).keys() == tokens(DAY).keys()
