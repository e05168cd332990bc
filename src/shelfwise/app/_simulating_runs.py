"""The ways a simulation can go: shoppers of the shop's own lists or of the engine's, into a file, a shop, a server."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from shelfwise.app._clock import move_clock, open_clock
from shelfwise.app._simulating_engines import HttpEngine, ServerTime, ShopClock, ShopEngine, instant_us
from shelfwise.app._simulating_items import Wares, changes_between, feed, history_of, made_up, puts, wares_of
from shelfwise.app._simulating_loop import Loop
from shelfwise.app._simulating_plan import Plan, times_of
from shelfwise.app._simulating_sinks import HttpSink, JsonlSink, Line, ParquetSink, ShopSink, Sink, Stopwatch
from shelfwise.domain import DAY_US, HOUR_US, MAX_BATCH, InvalidInput, StoreUnavailable
from shelfwise.simulation import Act, ItemTruth, Scenario, Tally
from shelfwise.stores.adapters.delta_lake import DeltaLake

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

Told = Callable[[float], None]  # is told the share of the story that is over, 0 to 1
Target = Literal["shop", "server", "parquet", "jsonl"]
_TELL_PAGES = 20  # between two words of how far it is
_CURRENCY = "EUR"  # of made-up items that go to no shop
_NO_SHOPS_US = 1_735_689_600_000_000  # 2025-01-01: when a history of no shop ends, so that it can be repeated


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for; None: as the scenario says."""

    scenario: str = "steady"
    seed: int = 7
    shoppers: int | None = None
    days: float | None = None
    events: int | None = None  # lines at most
    items: int | None = None  # made up, instead of the shop's own
    to: str = "shop"
    closed_loop: bool = False
    report: Path | None = None
    key: str | None = None

    @property
    def target(self) -> Target:
        """What the events go to. Raises InvalidInput."""
        if self.to == "shop":
            return "shop"
        if self.to.startswith(("http://", "https://")):
            return "server"
        if self.to.endswith(".parquet"):
            return "parquet"
        if self.to.endswith(".jsonl"):
            return "jsonl"
        raise InvalidInput(
            f"to is {self.to!r}; expected shop, http://HOST:PORT, or a file .parquet or .jsonl"
        )


@dataclass(slots=True)
class Run:
    """A simulation under way."""

    shop: Shop | None
    wishes: Wishes
    story: Scenario
    tally: Tally
    told: Told
    plan: Plan | None = None
    befell: Counter[str] = field(default_factory=Counter)  # events on their way
    cpu_s: tuple[float, float] | None = None  # of simulator and engine, where they can be told apart

    @property
    def made_plan(self) -> Plan:
        """The plan, once it is made."""
        assert self.plan is not None
        return self.plan

    def planned(self, *, begin_us: int | None = None, end_us: int | None = None) -> Plan:
        """The plan of a story that begins or ends at an instant of shop time. Raises InvalidInput."""
        wishes, story = self.wishes, self.story
        days = wishes.days or story.days
        world_us, shift_us = times_of(story, days, begin_us=begin_us, end_us=end_us)
        self.plan = Plan(
            scenario=story,
            wares=self._wares(world_us),
            seed=wishes.seed,
            shoppers=wishes.shoppers or story.shoppers,
            days=days,
            world_us=world_us,
            shift_us=shift_us,
            currency=self.shop.settings.shop.currency if self.shop is not None else _CURRENCY,
            limit=wishes.events,
        )
        return self.plan

    def own_shop(self) -> Shop:
        """The shop. Raises InvalidInput where there is none."""
        if self.shop is None:
            raise InvalidInput("to is 'shop'; expected a file or an address where no shop is opened")
        return self.shop

    def _wares(self, world_us: int) -> Wares:
        if self.wishes.items is not None:
            return made_up(self.wishes.items, start_us=world_us, seed=self.wishes.seed)
        shop = self.own_shop()
        shop.drain()
        live, shelf = shop.readers.live.view(), shop.readers.shelf_reader.shelf()
        history = history_of(DeltaLake(shop.layout.lake, read_only=True).files("event_lines"))
        return wares_of(shelf, live, history, seed=self.wishes.seed)


def open_loop(run: Run) -> Counter[str]:
    """Shoppers who see the shop's own lists only."""
    match run.wishes.target:
        case "shop":
            return _into_shop(run, run.own_shop())
        case "server":
            line = Line(run.wishes.to, run.wishes.key)
            plan = run.planned(end_us=_server_us(line))
            _post_made_up(run, plan, line)
            return _streamed(run, plan, HttpSink(line, plan.names))
        case kind:
            return _into_file(run, kind)


def closed_loop(run: Run) -> Counter[str]:
    """Shoppers who meet the engine's slates."""
    match run.wishes.target:
        case "shop":
            return _closed_in_process(run, run.own_shop())
        case "server":
            return _closed_over_http(run)
    raise InvalidInput(
        f"the closed loop goes to {run.wishes.to!r}; expected shop, or the address of a server"
    )


def _into_shop(run: Run, shop: Shop) -> Counter[str]:
    """A history that ends with the last whole hour: the same again within the hour is nothing new."""
    plan = run.planned(end_us=shop.clock() // HOUR_US * HOUR_US)
    _put_made_up(run, plan, shop)
    counts = _streamed(run, plan, ShopSink(shop, plan.names, Stopwatch()))
    shop.drain()
    return counts


def _into_file(run: Run, kind: Target) -> Counter[str]:
    """A history that ends with the shop's last whole day; made-up items go to a file beside it."""
    now_us = run.shop.clock() if run.shop is not None else _NO_SHOPS_US
    plan = run.planned(end_us=now_us // DAY_US * DAY_US)
    path = Path(run.wishes.to)
    path.parent.mkdir(parents=True, exist_ok=True)
    if run.wishes.items is not None:
        rows = feed(plan.wares, plan.currency)
        path.with_name(f"{path.stem}-items.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows))
    return _streamed(
        run, plan, ParquetSink(path, plan.names) if kind == "parquet" else JsonlSink(path, plan.names)
    )


def _streamed(run: Run, plan: Plan, sink: Sink) -> Counter[str]:
    queue = plan.queue()
    for lines in plan.lines():
        run.tally.add(lines)
        sink.take(queue.take(lines.records()))
        run.told(plan.share_done(int(lines.at_us[-1])))
    sink.take(queue.rest())
    run.befell = queue.befell
    return sink.close()


def _closed_in_process(run: Run, shop: Shop) -> Counter[str]:
    """On a clock that the simulation moves; afterwards the shop's time goes on from where it ended."""
    if shop.settings.clock.start is None:
        rule = (
            "clock.start in shelfwise.toml, a time of its own: the closed loop runs ahead of the shop's clock"
        )
        raise InvalidInput(f"the shop runs on real time; expected {rule}")
    plan = run.planned(begin_us=shop.clock())
    shop.close()
    _require_nobody(shop)
    clock, folder, times = ShopClock(plan.start_us), shop.layout.folder, shop.settings.clock
    try:
        with type(shop)(shop.layout, shop.settings, clock=clock) as moved:
            counts = _go_round_in(run, plan, moved, clock)
    finally:
        move_clock(folder, times, clock())
        shop.clock = open_clock(folder, times)
    return counts


def _go_round_in(run: Run, plan: Plan, shop: Shop, clock: ShopClock) -> Counter[str]:
    watch = Stopwatch()
    _put_made_up(run, plan, shop)
    engine = ShopEngine(shop, plan.names, watch)
    watch.start()
    loop = Loop(engine, ShopSink(shop, plan.names, watch), plan, clock, run.tally)

    def tell_shop(before: ItemTruth, after: ItemTruth) -> None:
        changes = changes_between(before, after, plan.wares.item_ids, at_us=clock(), shift_us=plan.shift_us)
        with watch.engine():
            for start in range(0, len(changes), MAX_BATCH):
                shop.submit("items", changes[start : start + MAX_BATCH])

    counts = _went_round(run, plan, loop, tell_shop)
    with watch.engine():
        shop.drain()
    run.cpu_s = watch.seconds()
    return counts


def _closed_over_http(run: Run) -> Counter[str]:
    """The server's clock cannot be moved: what happens is stamped with its time, as it happens."""
    line = Line(run.wishes.to, run.wishes.key)
    plan = run.planned(begin_us=_server_us(line))
    _post_made_up(run, plan, line)
    loop = Loop(
        HttpEngine(line, plan.names), HttpSink(line, plan.names), plan, ShopClock(plan.start_us), run.tally,
        server_time=ServerTime(plan.start_us, _server_us(line)),
    )  # fmt: skip
    return _went_round(run, plan, loop, lambda *_: None)


def _went_round(
    run: Run, plan: Plan, loop: Loop, tell_shop: Callable[[ItemTruth, ItemTruth], None]
) -> Counter[str]:
    """Act after act, until the story is over or as many lines were told as were asked for.

    Afterwards the shop's items are as they were, but for those that were launched.
    """
    before = truth = plan.wares.truth
    for act in plan.acts:
        before = _played(run, plan, loop, act, before, tell_shop)
        if loop.is_full:
            break
    loop.finish()
    run.befell = loop.befell
    tell_shop(before, replace(truth, born_us=before.born_us))
    counts = loop.sink.close()
    counts.update(loop.counts)  # not a sum, which leaves out what is 0
    return counts


def _played(
    run: Run,
    plan: Plan,
    loop: Loop,
    act: Act,
    before: ItemTruth,
    tell_shop: Callable[[ItemTruth, ItemTruth], None],
) -> ItemTruth:
    world = plan.world(act)
    tell_shop(before, world.items)
    for page, now_us in enumerate(loop.run(world, act)):
        if page % _TELL_PAGES == 0:
            run.told(plan.share_done(now_us))
        if loop.is_full:
            break
    return world.items


def _put_made_up(run: Run, plan: Plan, shop: Shop) -> None:
    if run.wishes.items is not None:
        for changes in puts(plan.wares, currency=plan.currency, at_us=shop.clock()):
            shop.submit("items", changes)


def _post_made_up(run: Run, plan: Plan, line: Line) -> None:
    if run.wishes.items is not None:
        rows = list(feed(plan.wares, plan.currency))
        for start in range(0, len(rows), MAX_BATCH):
            line.post("/v1/items", msgspec.json.encode({"items": rows[start : start + MAX_BATCH]}))


def _server_us(line: Line) -> int:
    """The server's clock, as one of its answers tells it."""
    told = line.post("/v1/recommendations", b'{"n": 1}')
    return instant_us(str(told["recommendation_id"]))


def _require_nobody(shop: Shop) -> None:
    from shelfwise.app._keeping import try_lock

    lock = try_lock(shop.layout)
    if lock is None:
        raise StoreUnavailable(
            f"{shop.layout.folder} is served by another process; expected its address in to"
        )
    os.close(lock)
