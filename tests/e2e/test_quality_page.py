"""The page about data quality, looked at on a telephone and on a desk, by day and by night."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from shelfwise.features import Finding, Quality, render_quality
from shelfwise.features._drift import Drift

NOW = 1_900_000_000_000_000
FINDINGS = [
    Finding(
        "unit", "price_minor", "critical", False, 4.6, 1.15, "prices of 73 items are 100 times what they were"
    ),
    Finding(
        "drift", "item__purchase__first_buyers_share__90d", "warning", False, 0.6, 0.25, "PSI 0.600 of 0.250"
    ),
    *(Finding("range", f"user__number_{n}", "critical", True, 0, 0, "from 0 to 9") for n in range(60)),
]
DRIFTS = [
    Drift(
        f"item__purchase__first_buyers_share__{n}d",
        90,
        80,
        0,
        0.5,
        1.5,
        None,
        0.6 / (n + 1),
        0.1,
        0.25,
        0.2,
        None,
    )
    for n in range(40)
]


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1_440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_at_any_width_by_day_and_by_night(
    width: int, scheme: str, browser: Browser, screenshots: Path, tmp_path: Path
) -> None:
    file = tmp_path / "quality.html"
    quality = Quality(as_of_us=NOW, then_us=NOW - 10**12, findings=FINDINGS, drifts=DRIFTS)
    file.write_text(render_quality(quality, name="Corner shop & sons"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.get_by_role("status").inner_text().startswith("1 critical check failed")
    page.screenshot(path=screenshots / f"quality-{width}-{scheme}.png", full_page=True)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.get_by_text("user__number_59").is_visible()
    assert asked == [file.as_uri()]
    context.close()
