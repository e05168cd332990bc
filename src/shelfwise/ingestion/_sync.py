"""Full feeds: what a complete feed no longer names is retired, unless the feed itself looks broken."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pydantic import Field

from shelfwise.domain import InvalidInput, Settings
from shelfwise.stores import ItemChange


class FullFeedSettings(Settings):
    """When a full feed may retire items."""

    max_retired_share: float = Field(0.3, ge=0.0, le=1.0)
    """Largest share of the catalogue that one feed may retire. Higher trusts shrunken feeds more."""


class SuspiciousFeed(InvalidInput):
    """A full feed that would retire too much; nothing was changed. The caller may force it."""

    def __init__(self, n_known: int, n_present: int, n_absent: int, max_share: float) -> None:
        super().__init__(n_known, n_present, n_absent, max_share)
        self.n_known, self.n_present, self.n_absent, self.max_share = n_known, n_present, n_absent, max_share

    def __str__(self) -> str:
        share = self.n_absent / self.n_known if self.n_known else 0.0
        return (
            f"the full feed names {self.n_present} items and would retire {self.n_absent} of {self.n_known} "
            f"({share:.0%}); expected at least one item named and at most {self.max_share:.0%} retired. "
            "Force the feed if that is meant"
        )


def retirements(
    present: Collection[str],
    known: Iterable[str],
    *,
    now_us: int,
    settings: FullFeedSettings | None = None,
    force: bool = False,
) -> list[ItemChange]:
    """Deletes for the items that a full feed no longer names, in the order of ``known``.

    Args:
        present: Every id the feed names, also those whose row was rejected: a bad price retires nothing.
        known: Ids in the catalogue that are not retired yet.
        now_us: The shop's clock.
        settings: The guard.
        force: Retire whatever is absent.

    Raises:
        SuspiciousFeed: The feed is empty or would retire more than the guard allows.
    """
    guard = settings or FullFeedSettings()
    ids = list(known)
    named = set(present)
    absent = [item_id for item_id in ids if item_id not in named]
    suspicious = not named or len(absent) > guard.max_retired_share * len(ids)
    if absent and suspicious and not force:
        raise SuspiciousFeed(len(ids), len(named), len(absent), guard.max_retired_share)
    return [ItemChange(action="delete", item_id=item_id, at_us=now_us) for item_id in absent]
