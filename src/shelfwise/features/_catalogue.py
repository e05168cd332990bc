"""The catalogue page of features, made from their declarations: what a number means, and the text that computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shelfwise.domain import UnknownName
from shelfwise.features._declare import Feature
from shelfwise.features._features import BY_NAME, FAMILY_OF, FEATURES
from shelfwise.features._gaps import FIELD, gaps
from shelfwise.features._sql_people import VIEWS
from shelfwise.features._stated import PRIVACY, owner, privacy

_ENTITIES = {
    "item": "Items",
    "user": "People",
    "session": "Running sessions",
    "user_item": "A person and an item",
    "context": "The question itself",
    "source": "Source signals",
}
_FRESHNESS = {
    "stream": "what happened strictly before the question",
    "fitted": "the training of the release",
    "request": "the question",
}


def catalogue_rows(features: Sequence[Feature] = FEATURES) -> list[dict[str, Any]]:
    """One plain row a feature: name, family, entity, meaning, unit, dtype, range, null, window, freshness, owner,
    privacy.
    """
    return [
        {
            "name": one.name, "family": FAMILY_OF.get(one.name, "signals"), "entity": one.entity,
            "meaning": one.meaning, "unit": one.unit, "dtype": one.dtype, "range": _range(one), "null": one.null,
            "window": one.window, "freshness": one.freshness, "owner": owner(one), "privacy": privacy(one),
        }
        for one in features
    ]  # fmt: skip


def feature_document(name: str) -> dict[str, Any]:
    """One feature with its SQL. Raises UnknownName."""
    if name not in BY_NAME:
        raise UnknownName("feature", name, tuple(BY_NAME))
    feature = BY_NAME[name]
    return {**catalogue_rows([feature])[0], "sql": feature.sql or None}


def render_catalogue(features: Sequence[Feature] = FEATURES) -> str:
    """The page as Markdown: features by entity, then the views they are computed from."""
    classes = "\n".join(f"| {kind} | {meaning} |" for kind, meaning in PRIVACY.items())
    parts = [_HEAD.format(count=len(features), classes=classes)]
    for entity, title in _ENTITIES.items():
        own = [feature for feature in features if feature.entity == entity]
        if own:
            parts.append(f"## {title}\n")
            parts += [_entry(feature) for feature in own]
    parts.append(_gaps(features))
    parts.append("## Views\n\nRun in this order; each reads those before it.\n")
    parts += [
        f"### {view.name}\n\nReads {', '.join(view.needs)}.\n\n```sql\n{view.query}\n```\n" for view in VIEWS
    ]
    return "\n".join(parts)


_HEAD = """# Features

Made from the declarations in `shelfwise.features`; do not edit. {count} features, and three more for each signal of a
source: its own number, that number by the highest of the query (`__relative`), and its place (`__rank`, 0 the best).

Batch engine, stream and request give the same numbers: whole numbers exactly, others to 1e-6 of their size. Windows of
a day count whole hours, longer ones whole UTC days: `[floor(t - w), t)`. What is told of a person is told of the newest
2,000 lines of their events before the question. Bots, and events of another origin than asked for, are left out.

| privacy | what it is |
|---|---|
{classes}
"""


def _entry(feature: Feature) -> str:
    facts = {
        "unit": feature.unit,
        "type": feature.dtype,
        "range": _range(feature),
        "nothing when": feature.null or "never",
        "window": feature.window,
        "as of": _FRESHNESS[feature.freshness],
        "made in": owner(feature),
        "privacy": privacy(feature),
    }
    lines = [f"### {feature.name}\n", f"{feature.meaning[0].upper()}{feature.meaning[1:]}.\n"]
    lines += [
        "| " + " | ".join(facts) + " |",
        "|" + "---|" * len(facts),
        "| " + " | ".join(facts.values()) + " |\n",
    ]
    if feature.sql:
        lines.append(f"```sql\n{feature.sql}\n```\n")
    return "\n".join(lines)


def _gaps(features: Sequence[Feature]) -> str:
    """What is not told, and why."""
    missing = [f"`{one.feature}` by a batch engine | {one.state} | {one.reason}" for one in gaps(features)]
    wanted = [f"{one.feature} | {one.state} | {one.reason}" for one in FIELD]
    rows = "".join(f"| {row} |\n" for row in (*wanted, *missing))
    return f"## What is not told\n\n| what | state | why |\n|---|---|---|\n{rows}"


def _range(feature: Feature) -> str:
    low = "" if feature.low is None else f"{feature.low:g}"
    high = "" if feature.high is None else f"{feature.high:g}"
    return (
        f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else "any"
    )
