"""A shop folder with the real stores and keeper, and its door behind the real server on a loopback port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvloop
from tests.serving.small import NOW_US, Source, release_of

from shelfwise.app._past import LakePast
from shelfwise.domain import Event, EventLine, Item, StoreUnavailable
from shelfwise.serving import Pipeline, Release, best_sellers
from shelfwise.serving.http import App, Door, DoorSettings, HttpServer, make_app
from shelfwise.serving.http._keeping import warm
from shelfwise.stores import ItemChange, Receipt
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.stores.adapters.folder_releases import FolderReleases
from shelfwise.stores.adapters.lmdb_state import LmdbState
from shelfwise.stores.adapters.mapped_board import MappedBoard
from shelfwise.stores.adapters.mapped_live import MappedLive
from shelfwise.stores.adapters.shelf_reader import CatalogueShelf
from shelfwise.stores.adapters.sql_control import SqlControl
from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
from shelfwise.stores.adapters.sqlite_log import SqliteLog
from shelfwise.streaming import DirectInbox, Keeper, KeeperSettings, KeeperStores, SeenIds, find_answer

N_ITEMS = 40


@dataclass
class Place:
    strategy: str = "auto"
    seen: str = "keep"


@dataclass
class AsyncKeeper:
    """The keeper as an event loop sees it; ``away`` as if its process were gone."""

    direct: DirectInbox
    away: bool = False
    seen: list[str] = field(default_factory=list)

    async def submit(self, command: str, payload: Any) -> Receipt:
        self.seen.append(command)
        if self.away:
            raise StoreUnavailable("the keeper is away; expected it to listen at its socket")
        return await asyncio.to_thread(self.direct.submit, command, payload)


class HttpShop:
    """Everything of one shop but its models, in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_us = folder, NOW_US
        self.log = SqliteLog(folder / "log.sqlite")
        self.state = LmdbState(folder / "state", map_bytes=1 << 20)
        self.catalogue = SqliteCatalogue(folder / "catalogue.sqlite")
        self.control = SqlControl(folder / "control.sqlite")
        self.live = MappedLive.rebuilt(folder / "items", self.catalogue.since(0))
        self.board = MappedBoard(folder / "board")
        self.releases = FolderReleases(folder / "releases")
        stores = KeeperStores(
            self.log, self.state, self.catalogue, self.live, DeltaLake(folder / "lake"), self.control,
            self.releases, self.board, SeenIds(folder / "seen"), lambda: self.now_us, lambda target: [str(target)],
        )  # fmt: skip
        self.direct = DirectInbox(Keeper(stores, KeeperSettings(lake_every_s=3600.0)))
        self.inbox = AsyncKeeper(self.direct)

    def put_items(self, n_items: int = N_ITEMS, **fields: Callable[[int], Any]) -> None:
        items = [
            Item(
                item_id=f"i{row}",
                **{
                    "title": f"Thing {row}",
                    "category": ("Home", "Candles" if row % 2 else "Lamps"),
                    "price_minor": 100 + row,
                    "currency": "GBP",
                    "stock": 10,
                    **{name: make(row) for name, make in fields.items()},
                },
            )
            for row in range(n_items)
        ]
        at_us = self.now_us
        changes = [ItemChange(action="put", item_id=item.item_id, at_us=at_us, item=item) for item in items]
        self.direct.submit("items", changes)

    def send(self, *events: Event) -> Receipt:
        return self.direct.submit("events", list(events))

    def door(self, *, release: Release | None = None, **settings: Any) -> Door:
        """A door over these stores, with a release that was never saved."""
        mounts = settings.pop("mounts", {})
        door = Door(
            inbox=self.inbox, state=self.state, catalogue=self.catalogue, board=self.board, live=self.live,
            control=self.control, releases=self.releases, shelf_reader=CatalogueShelf(self.catalogue),
            find_answer=lambda answer_id: find_answer(self.state, self.log, answer_id),
            past_of=lambda user_id, anonymous_ids: LakePast(self.folder / "lake", user_id, anonymous_ids),
            clock=lambda: self.now_us, settings=DoorSettings(currency="GBP", **settings),
            placements={"home": Place(), "new": Place(seen="exclude"), "product": Place("similar")},
            metrics_folder=self.folder / "metrics", mounts=mounts,
        )  # fmt: skip
        if release is not None:
            from shelfwise.reranking import RuleBook

            live = self.live.view
            shelf = door.shelf_reader.shelf()
            door.pipeline = Pipeline(
                release, RuleBook.compile(), shelf, live, best_sellers(live()), keep=door.recorder.record
            )
            warm(door.pipeline, self.now_us)
        return door

    def close(self) -> None:
        self.direct.close()
        for store in (self.state, self.catalogue, self.control, self.log):
            store.close()


def model(**more: Any) -> Release:
    """A release whose sources propose items of their own."""
    return release_of(
        Source("collaborative", [0, 1, 2, 3, 4], because_code="others_also_bought", anchor=7),
        Source("similar", [10, 11, 12, 13]),
        Source("session", [8, 9]),
        Source("trending", list(range(20, 36)), because_code="trending"),
        packed=range(30, 40),
        **more,
    )


class Served:
    """An app behind its server, on a thread with a loop of its own."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=180
        )  # kernels may compile first
        _wait_for(self.port)

    @property
    def door(self) -> Door:
        return self.app.door

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.client.request(method, path, **more)

    def run(self, work: Callable[[], Any]) -> Any:
        """Do something on the loop of the server."""
        done: asyncio.Future[Any] = asyncio.run_coroutine_threadsafe(_called(work), self._loop)  # type: ignore[assignment]
        return done.result(10)

    def stop(self) -> None:
        self.client.close()
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.app.__rsgi_init__(self._loop)
        self._loop.run_until_complete(self._serve())
        self.app.__rsgi_del__(self._loop)
        self._loop.close()

    async def _serve(self) -> None:
        server = HttpServer(self.app)
        await server.start(self._listener)
        await self._stopping.wait()
        await server.stop()


def serve(door: Door) -> Served:
    return Served(make_app(door))


def an_event(event_id: str = "e-1", **fields: Any) -> dict[str, Any]:
    body = {
        "event": "view_item", "event_id": event_id, "occurred_at": "2011-10-30T18:00:00+00:00", "user_id": "ann",
        "items": [{"item_id": "i1", "quantity": 1, "price": 2.55, "currency": "GBP"}],
    }  # fmt: skip
    return {**body, **fields}


def bought(person: str, *rows: int, days_ago: float = 1.0, **more: Any) -> Event:
    at_us = NOW_US - int(days_ago * 86_400_000_000)
    lines = tuple(EventLine(f"i{row}", 1, 250, "GBP") for row in rows)
    return Event(
        event_id=f"{person}-{at_us}", event="purchase", occurred_us=at_us, received_us=NOW_US, user_id=person,
        lines=lines, **more,
    )  # fmt: skip


def is_problem(response: httpx.Response, status: int, detail: str = "") -> Mapping[str, Any]:
    """Whether it is a whole problem document of this status; the document."""
    body: dict[str, Any] = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "errors", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert detail in body["detail"], body["detail"]
    return body


def counters(live: Any) -> dict[str, list[int]]:
    return {name: column.tolist() for name, column in live.view().counters.items()}


async def _called(work: Callable[[], Any]) -> Any:
    return work()


def _wait_for(port: int, tries: int = 18_000) -> None:
    for _ in range(tries):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens at {port}")


NOTHING = np.empty(0, np.int32)
