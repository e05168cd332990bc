"""The catalogue over HTTP."""

from __future__ import annotations

from typing import Any

from shelfwise.domain import InvalidField, Item, LiveItems, NotFound, exponent, from_us, to_decimal
from shelfwise.ingestion import accept_items, accept_patch
from shelfwise.serving.http._control import page_of, quoted
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response, json_response
from shelfwise.stores import ItemChange, StoredItem

MONEY = ("price", "list_price", "cost")


async def put_items(door: Door, request: Request) -> Response:
    """POST /v1/items: one item or a batch; each replaces the whole item."""
    verdicts = accept_items(request.body, now_us=door.clock(), currency=door.settings.currency)
    _refuse_body(verdicts)
    rejected = [
        {"index": r.index, "field": r.field, "value": r.value, "rule": r.rule} for r in verdicts.rejected
    ]
    if verdicts.changes:
        await door.inbox.submit_async("items", list(verdicts.changes))
    return json_response({"accepted": len(verdicts.changes), "rejected": rejected}, 202)


async def put_item(door: Door, request: Request) -> Response:
    """PUT /v1/items/{item_id}."""
    item_id = request.params["item_id"]
    verdicts = accept_items(
        request.body, now_us=door.clock(), currency=door.settings.currency, item_id=item_id
    )
    _refuse_body(verdicts)
    for wrong in verdicts.rejected:
        raise _wrong(wrong.field, wrong.value, wrong.rule)
    return await _changed(door, request, verdicts.changes[0])


async def patch_item(door: Door, request: Request) -> Response:
    """PATCH /v1/items/{item_id}: fields left out stay, null clears. Live for every worker before it is answered."""
    item_id = request.params["item_id"]
    stored = _known(door, item_id)
    change = accept_patch(
        item_id, request.body, now_us=door.clock(), currency=stored.item.currency or door.settings.currency
    )
    return await _changed(door, request, change)


async def delete_item(door: Door, request: Request) -> Response:
    """DELETE /v1/items/{item_id}: it is retired; its row and history stay."""
    item_id = request.params["item_id"]
    _check_match(request, _known(door, item_id))
    await door.inbox.submit_async("items", [ItemChange(action="delete", item_id=item_id, at_us=door.clock())])
    return Response(204)


async def get_item(door: Door, request: Request) -> Response:
    """GET /v1/items/{item_id}."""
    stored = _known(door, request.params["item_id"])
    tag = quoted(stored.etag)
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=[("etag", tag)])
    return json_response(item_document(stored), 200, ("etag", tag))


async def list_items(door: Door, request: Request) -> Response:
    """GET /v1/items: by id, with cursor and limit."""
    after, limit = page_of(request)
    rows = door.catalogue.page(after=after, limit=limit)
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


def live_price(live: LiveItems, row: int, item: Item) -> float | None:
    """The price as answers see it now."""
    if row >= len(live) or live.price_minor[row] < 0 or not item.currency:
        return None
    return float(live.price_minor[row]) / float(10 ** exponent(item.currency))


async def _changed(door: Door, request: Request, change: ItemChange) -> Response:
    before = door.catalogue.get(change.item_id)
    if before is not None:
        _check_match(request, before)
    elif "if-match" in request.headers:
        raise Problem(
            412, f"there is no item {change.item_id!r}; expected one with etag {request.headers['if-match']}"
        )
    receipt = await door.inbox.submit_async("items", [change])
    etag = receipt.result[0][0] if receipt.result and receipt.result[0] else ""
    status = 201 if before is None or before.retired else 200
    stored = door.catalogue.get(change.item_id)
    body = item_document(stored) if stored is not None else {"item_id": change.item_id}
    return json_response(body, status, ("etag", quoted(etag)))


def _check_match(request: Request, stored: StoredItem) -> None:
    wanted = request.headers.get("if-match")
    if wanted is not None and wanted not in ("*", quoted(stored.etag)):
        raise Problem(412, f"item {stored.item.item_id!r} has etag {quoted(stored.etag)}; expected {wanted}")


def _known(door: Door, item_id: str) -> StoredItem:
    stored = door.catalogue.get(item_id)
    if stored is None or stored.retired:
        raise NotFound("item", item_id)
    return stored


def _refuse_body(verdicts: Any) -> None:
    if verdicts.body is not None:
        raise _wrong(verdicts.body.field, verdicts.body.value, verdicts.body.rule)


def _wrong(field: str, value: Any, rule: str) -> Problem:
    trouble = InvalidField(field, value, rule)
    return Problem(422, str(trouble), errors=[{"field": field, "value": value, "rule": rule}])


def _instant(at_us: int | None) -> str | None:
    return from_us(at_us).isoformat() if at_us is not None else None
