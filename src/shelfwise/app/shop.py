"""A shop from Python: open a folder, import, train, ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfwise.app._clock import open_clock
from shelfwise.app._control import delete, documents, in_short, put
from shelfwise.app._layout import Layout
from shelfwise.app.settings import ShopSettings, load_settings, template
from shelfwise.domain import Clock, Conflict, NotFound, NotTrained, Origin
from shelfwise.stores import Inbox, Receipt

if TYPE_CHECKING:
    from shelfwise.app._features import EngineName
    from shelfwise.app._keeping import OpenInbox
    from shelfwise.app._local import LocalDoor
    from shelfwise.app._stores import Readers

Told = Callable[[str, float], None]  # a step of a training, and its seconds


class Shop:
    """One shop. Opening it starts nothing; what is needed is opened when it is first used.

    While a server runs on the same folder, writes go through its keeper; otherwise this process is the keeper.
    """

    def __init__(self, layout: Layout, settings: ShopSettings, *, clock: Clock | None = None) -> None:
        self.layout, self.settings = layout, settings
        self.clock = clock or open_clock(layout.folder, settings.clock)
        self._inbox: OpenInbox | None = None

    @classmethod
    def open(cls, folder: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Shop:
        """Open the shop in ``folder``. Raises NotFound if there is none, InvalidInput for its settings."""
        layout = Layout(Path(folder)).require_current()
        return cls(layout, load_settings(layout.folder, overrides=overrides))

    @classmethod
    def create(
        cls, folder: str | Path, *, name: str = "My shop", currency: str = "EUR", clock_start: Any = None
    ) -> Shop:
        """Make a shop folder. Raises Conflict if there is a shop already."""
        layout = Layout(Path(folder))
        if layout.exists():
            raise Conflict(f"{folder} holds a shop already; expected a folder without one")
        text = template(name=name, currency=currency, clock_start=clock_start)
        layout.folder.mkdir(parents=True, exist_ok=True)
        layout.settings.write_text(text)
        layout.make()
        return cls.open(folder)

    def close(self) -> None:
        """Let go of everything; what was accepted is kept."""
        self.__dict__.pop("_local", None)
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None

    def __enter__(self) -> Shop:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # ---- in and out

    def import_items(
        self,
        *sources: Any,
        format: str | None = None,
        mapping: Mapping[str, str] | None = None,
        naive_is_utc: bool = False,
        full: bool = False,
        force: bool = False,
    ) -> dict[str, Any]:
        """Import items from files, or from anything that speaks the Arrow C stream.

        Args:
            sources: Paths or frames of the fields of an item.
            format: One of ``ingestion.ITEM_FORMATS``; by the ending if not given.
            mapping: Column of the source -> field; ``'EUR'`` in quotes gives every row that value.
            naive_is_utc: Take instants without an offset as UTC instead of refusing them.
            full: A full feed: items absent from it are retired.
            force: Retire however many.

        Returns:
            Counts of what was accepted (``duplicates`` of it name an item again: the last row wins) and
            rejected, the rejections, and the columns that no field took.
        """
        from shelfwise.app._importing import import_items

        return import_items(
            self,
            sources,
            format=format,
            mapping=mapping,
            naive_is_utc=naive_is_utc,
            full=full,
            force=force,
        )

    def import_events(
        self,
        *sources: Any,
        format: str | None = None,
        mapping: Mapping[str, str] | None = None,
        naive_is_utc: bool = False,
        round_prices: bool = False,
        origin: Origin = "real",
    ) -> dict[str, Any]:
        """Import events from files or frames. Importing the same again changes nothing.

        Args:
            sources: Paths or frames: one row a line of an event, or events as the HTTP door takes them.
            format: One of ``ingestion.EVENT_FORMATS``; by the ending if not given.
            mapping: Column of the source -> field; ``'purchase'`` in quotes gives every row that value.
            naive_is_utc: Take instants without an offset as UTC instead of refusing them.
            round_prices: Round and count prices with surplus decimals instead of refusing them.
            origin: Of events that name none. Only real ones are learned from.

        Returns:
            Counts of what was accepted, known already and rejected, the rejections, and the columns that no
            field took.
        """
        from shelfwise.app._importing import import_events

        return import_events(
            self,
            sources,
            format=format,
            mapping=mapping,
            naive_is_utc=naive_is_utc,
            round_prices=round_prices,
            origin=origin,
        )

    def submit(self, command: str, payload: Any) -> Receipt:
        """Hand something to the one writer."""
        return self.inbox.submit(command, payload)

    def drain(self) -> None:
        """Wait until states, counters and lake hold all that was accepted."""
        self.submit("drain", {})

    def export(self, user_id: str) -> dict[str, Any]:
        """All that is kept of a user: every line of every event, every logged answer. Raises NotFound."""
        whole: dict[str, Any] = json.loads(b"".join(self.export_parts(user_id)))
        return whole

    def export_parts(self, user_id: str) -> Iterator[bytes]:
        """The same as parts of a JSON document, for histories that are long. Raises NotFound."""
        self.drain()
        return self._local.export(user_id)

    def erase(self, user_id: str) -> Any:
        """Forget a user everywhere; the report of what was removed. Raises NotFound if nothing is known."""
        return self.submit("erase", {"person": f"u:{user_id}"}).result

    def is_own_report(self, report: Mapping[str, Any]) -> bool:
        """Whether a report of an erasure was made by this shop and is unchanged. Raises InvalidInput if unsigned."""
        from shelfwise.streaming import is_own_report

        return is_own_report(report, self.readers.control)

    def backup(self, folder: str | Path) -> Any:
        """Copy the shop while it runs; the names of the files."""
        return self.submit("backup", {"folder": str(Path(folder).resolve())}).result

    # ---- learning

    def train(self, *, only: str | None = None, told: Told | None = None) -> dict[str, Any]:
        """Fit, judge on held-back time, and publish if the gate is passed. Raises NotTrained without history."""
        from shelfwise.app._learning import train

        return train(self, only=only, told=told)

    def evaluate(self, *, days: int = 14, html: str | Path | None = None) -> dict[str, Any]:
        """Every strategy, the rankers and the plain baselines on the last ``days``, full catalogue."""
        from shelfwise.app._evaluating import evaluate

        return evaluate(self, days=days, html=Path(html) if html is not None else None)

    def simulate(
        self,
        scenario: str = "steady",
        *,
        seed: int = 7,
        shoppers: int | None = None,
        days: float | None = None,
        events: int | None = None,
        items: int | None = None,
        to: str | Path = "shop",
        closed_loop: bool = False,
        report: str | Path | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Shoppers whose tastes are known, on this shop's items; every event says ``origin: simulated``.

        Args:
            scenario: A story of the package, or a file of one's own.
            seed: The same seed and numbers are the same events.
            shoppers: People who know the shop; as the scenario says if not given, like
            days: how long.
            events: At most so many event lines.
            items: So many made-up items, which the shop is given, instead of its own.
            to: ``shop``, a file (``.parquet``, ``.jsonl``), or the address of a server.
            closed_loop: Shoppers meet the engine's slates and react. In this process that moves the clock of a shop
                with a time of its own; what happens over HTTP is stamped with the server's time.
            report: Write a page of what happened.
            key: API key for a server.

        Returns:
            What happened, what became of it, and how fast. Raises InvalidInput, UnknownName, NotTrained.
        """
        from shelfwise.app._simulating import simulate
        from shelfwise.app._simulating_runs import Wishes

        page = Path(report) if report is not None else None
        wishes = Wishes(scenario, seed, shoppers, days, events, items, str(to), closed_loop, page, key)
        return simulate(self, wishes)

    # ---- answers

    def recommend(
        self,
        user_id: str | None = None,
        *,
        n: int = 10,
        items: Sequence[str] = (),
        placement: str = "home",
        strategy: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """One answer, as over HTTP: the fields of a recommendation query. Raises NotTrained, InvalidInput."""
        query = {
            "user_id": user_id,
            "n": n,
            "items": list(items),
            "placement": placement,
            "strategy": strategy,
            **more,
        }
        return self.door.recommend({name: value for name, value in query.items() if value is not None})

    def explain(self, *, item_id: str, user_id: str | None = None, placement: str = "home") -> dict[str, Any]:
        """Why an item is, or is not, in the answer of a user."""
        return self.door.explain(item_id=item_id, user_id=user_id, placement=placement)

    def features(
        self, *, user_id: str, items: Iterable[str], engine: EngineName | None = None
    ) -> list[dict[str, Any]]:
        """The features of a user and items as of now, as the request assembles them or as a batch engine does."""
        from shelfwise.app._features import compute_shop

        if engine is not None:
            return compute_shop(self, user_id=user_id, items=list(items), engine=engine)
        return self.door.features(user_id=user_id, items=list(items))

    def check_features(
        self, *, engine: EngineName = "duckdb", html: str | Path | None = None
    ) -> list[dict[str, Any]]:
        """Checks of the feed, of declared ranges and of drift since the training, failed ones first."""
        from shelfwise.app._features import check_shop

        quality = check_shop(self, engine=engine, html=Path(html) if html is not None else None)
        rows: list[dict[str, Any]] = quality.table.to_pylist()
        return rows

    # ---- control

    def releases(self) -> list[dict[str, Any]]:
        """Releases, newest first, in short."""
        return [in_short(row) for row in self.readers.releases.releases()]

    def release(self, name: str) -> dict[str, Any]:
        """The manifest of a release, by id or alias."""
        releases = self.readers.releases
        release = name if name.startswith("r-") else releases.alias(name)
        if release is None:
            raise NotFound("release", name)
        return releases.manifest(release)

    def promote(self, release_id: str) -> str:
        """Make a release the champion."""
        return str(self.submit("control", {"op": "promote", "release": release_id, "actor": "cli"}).result)

    def rollback(self) -> str:
        """Go back to the champion before."""
        return str(self.submit("control", {"op": "rollback", "actor": "cli"}).result)

    def rules(self) -> list[dict[str, Any]]:
        """All rules."""
        return [body for _, body in documents(self, "rules")]

    def add_rule(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a rule; the rule as it is kept, with ``warnings`` where it names items that the catalogue does not know.

        Raises InvalidField for one that makes no sense, Conflict for an id that exists.
        """
        from shelfwise.reranking import parse_rule, rule_document
        from shelfwise.serving.http import rule_warnings

        rule = parse_rule(document)
        body = rule_document(rule)
        put(self, "rules", rule.rule_id, body)
        warnings = rule_warnings(self.readers.catalogue, rule)
        return {**body, "warnings": warnings} if warnings else body

    def preview_rule(
        self, document: Mapping[str, Any], *, user_id: str | None = None, placement: str = "home"
    ) -> dict[str, Any]:
        """A slate without and with a rule."""
        return self.door.preview(document, user_id=user_id, placement=placement)

    def remove_rule(self, rule_id: str) -> None:
        """Remove a rule. Raises NotFound."""
        delete(self, "rules", rule_id, "rule")

    def keys(self) -> list[dict[str, Any]]:
        """Keys without their secrets."""
        return [
            {"key_id": key, "name": body["name"], "scopes": body["scopes"]}
            for key, body in documents(self, "keys")
        ]

    def add_key(self, name: str, *, scopes: Sequence[str]) -> dict[str, Any]:
        """Make a key; the secret is in the answer and nowhere else."""
        from shelfwise.serving.http import make_key

        key_id, secret, body = make_key(name, list(scopes))
        put(self, "keys", key_id, body)
        return {"key_id": key_id, "secret": secret, "name": name, "scopes": body["scopes"]}

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key. Raises NotFound."""
        delete(self, "keys", key_id, "key")

    # ---- what is open

    @property
    def readers(self) -> Readers:
        """Handles to read from."""
        return self._open_inbox().readers

    @property
    def inbox(self) -> Inbox:
        """The way to the one writer."""
        return self._open_inbox().inbox

    @property
    def door(self) -> LocalDoor:
        """Answers in this process, from the same pipeline as over HTTP. Raises NotTrained without a release."""
        if self.readers.releases.alias("champion") is None:
            raise NotTrained("there is no release yet; run: shelfwise train")
        return self._local

    @cached_property
    def _local(self) -> LocalDoor:
        from shelfwise.app._local import LocalDoor

        return LocalDoor(self)

    def _open_inbox(self) -> OpenInbox:
        if self._inbox is None:
            from shelfwise.app._keeping import open_inbox

            self._inbox = open_inbox(self.layout, self.settings, self.clock)
        return self._inbox
