"""The catalogue over HTTP."""

from __future__ import annotations

from typing import Any

from shelfwise.domain import NotFound, from_us, to_decimal
from shelfwise.ingestion import ItemVerdicts, accept_items, accept_patch
from shelfwise.serving.http._decode import check_id
from shelfwise.serving.http._documents import aside, is_known, match_of, page_of, quoted
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._events import bury
from shelfwise.serving.http._messages import ItemsAccepted, Rejected
from shelfwise.serving.http._problems import Problem, problem_of_body
from shelfwise.serving.http._request import Request, Response, json_response
from shelfwise.stores import ItemChange, StoredItem

MONEY = ("price", "list_price", "cost")


async def put_items(door: Door, request: Request) -> Response:
    """POST /v1/items: one item or a batch; each replaces the whole item."""
    verdicts = accept_items(
        request.body,
        now_us=door.clock(),
        currency=door.settings.currency,
        vector_size=door.settings.vector_size,
    )
    _refuse_body(verdicts)
    rejected = [Rejected(one.index, one.field, one.value, one.rule) for one in verdicts.rejected]
    if verdicts.changes:
        await door.inbox.submit("items", list(verdicts.changes))
    if rejected:
        bury(door, rejected, "http items")
    return json_response(ItemsAccepted(len(verdicts.changes), rejected), 202)


async def put_item(door: Door, request: Request) -> Response:
    """PUT /v1/items/{item_id}: make it, or replace all of it."""
    item_id = _item_id(request)
    verdicts = accept_items(
        request.body,
        now_us=door.clock(),
        currency=door.settings.currency,
        vector_size=door.settings.vector_size,
        item_id=item_id,
    )
    change = _only_change(verdicts)
    stored = await aside(door.catalogue.get, item_id)
    _check_match(request, stored, item_id)
    return await _changed(door, change, 200 if stored is not None and not stored.retired else 201)


async def patch_item(door: Door, request: Request) -> Response:
    """PATCH /v1/items/{item_id}: fields left out stay, null clears. Live for every worker before it is answered."""
    item_id = _item_id(request)
    stored = await aside(_known, door, item_id)
    _check_match(request, stored, item_id)
    currency = stored.item.currency or door.settings.currency
    verdicts = accept_patch(
        item_id,
        request.body,
        now_us=door.clock(),
        currency=currency,
        vector_size=door.settings.vector_size,
    )
    return await _changed(door, _only_change(verdicts), 200)


async def delete_item(door: Door, request: Request) -> Response:
    """DELETE /v1/items/{item_id}: it is retired; its row and history stay."""
    item_id = _item_id(request)
    _check_match(request, await aside(_known, door, item_id), item_id)
    await door.inbox.submit("items", [ItemChange(action="delete", item_id=item_id, at_us=door.clock())])
    return Response(204)


async def get_item(door: Door, request: Request) -> Response:
    """GET /v1/items/{item_id}."""
    stored = await aside(_known, door, _item_id(request))
    tag = ("etag", quoted(stored.etag))
    return Response(304, headers=[tag]) if is_known(request, stored.etag) else json_response(
        item_document(stored), 200, tag
    )  # fmt: skip


async def list_items(door: Door, request: Request) -> Response:
    """GET /v1/items: by id, with cursor and limit."""
    after, limit = page_of(request)
    rows = await aside(lambda: door.catalogue.page(after=after, limit=limit))
    following = rows[-1].item.item_id if len(rows) == limit else None
    return json_response({"items": [item_document(row) for row in rows], "next": following})


def item_document(stored: StoredItem) -> dict[str, Any]:
    """An item as the door tells it: money as decimals, instants as text."""
    item = stored.item
    currency = item.currency
    money = {
        name: to_decimal(minor, currency) if minor is not None and currency else None
        for name, minor in zip(MONEY, (item.price_minor, item.list_price_minor, item.cost_minor), strict=True)
    }
    return {
        "item_id": item.item_id, "title": item.title, "description": item.description, "category": item.category,
        "brand": item.brand, **money, "currency": currency, "stock": item.stock, "hidden": item.hidden,
        "available_from": _instant(item.available_from_us), "available_until": _instant(item.available_until_us),
        "group_id": item.group_id, "sku": item.sku, "attributes": item.attributes, "tags": item.tags,
        "regions": item.regions, "min_age": item.min_age, "image": item.image, "url": item.url,
    }  # fmt: skip


async def _changed(door: Door, change: ItemChange, status: int) -> Response:
    receipt = await door.inbox.submit("items", [change])
    etag = receipt.result[0][0] if receipt.result and receipt.result[0] else ""
    stored = await aside(_known, door, change.item_id)
    return json_response(item_document(stored), status, ("etag", quoted(etag or stored.etag)))


def _check_match(request: Request, stored: StoredItem | None, item_id: str) -> None:
    wanted = match_of(request)
    if stored is None and "if-match" in request.headers:
        raise Problem(
            412, f"there is no item {item_id!r}; expected one with etag {request.headers.get('if-match')}"
        )
    if stored is not None and wanted is not None and wanted != stored.etag:
        raise Problem(412, f"item {item_id!r} has etag {quoted(stored.etag)}; expected {quoted(wanted)}")
    if stored is not None and not stored.retired and request.headers.get("if-none-match") == "*":
        raise Problem(412, f"item {item_id!r} exists; expected a new one")


def _known(door: Door, item_id: str) -> StoredItem:
    stored = door.catalogue.get(item_id)
    if stored is None or stored.retired:
        raise NotFound("item", item_id)
    return stored


def _item_id(request: Request) -> str:
    item_id = request.params["item_id"]
    check_id("item_id", item_id)
    return item_id


def _only_change(verdicts: ItemVerdicts) -> ItemChange:
    """The one change of a request for one item. Raises Problem if it was rejected."""
    _refuse_body(verdicts)
    for wrong in verdicts.rejected:
        raise Problem.of_field(wrong.field, wrong.value, wrong.rule)
    return verdicts.changes[0]


def _refuse_body(verdicts: ItemVerdicts) -> None:
    if verdicts.body is not None:
        raise problem_of_body(verdicts.body)


def _instant(at_us: int | None) -> str | None:
    return from_us(at_us).isoformat() if at_us is not None else None
