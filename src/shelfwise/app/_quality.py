"""What the last checks of quality found, kept where every process of the shop can tell it as metrics."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shelfwise.app._layout import Layout

if TYPE_CHECKING:
    from shelfwise.features import Quality


def keep_summary(layout: Layout, quality: Quality) -> None:
    """Leave what the metrics tell where every process reads it."""
    failed = [one for one in quality.findings if not one.ok]
    gauges = {
        "shelfwise_quality_checked_timestamp_seconds": quality.as_of_us / 1e6,
        "shelfwise_quality_checks": len(quality.findings),
        "shelfwise_quality_critical_failures": sum(one.severity == "critical" for one in failed),
        "shelfwise_quality_warnings": sum(one.severity == "warning" for one in failed),
        **{
            f'shelfwise_feature_psi{{feature="{one.name}"}}': one.psi
            for one in quality.drifts
            if not one.why_not
        },
        **{
            f'shelfwise_feature_skew_share{{feature="{one.name}"}}': one.share
            for one in quality.skews
            if not one.why_not
        },
    }
    beside = _summary(layout).with_suffix(".new")
    beside.write_text(json.dumps(gauges))
    os.replace(beside, _summary(layout))


def quality_gauges(layout: Layout) -> dict[str, float]:
    """What the last checks found, as metrics; empty if there was none."""
    try:
        return dict(json.loads(_summary(layout).read_text()))
    except (OSError, json.JSONDecodeError):
        return {}


def _summary(layout: Layout) -> Path:
    return layout.live / "quality.json"
