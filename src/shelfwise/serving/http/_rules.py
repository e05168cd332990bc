"""Merchandising rules over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shelfwise.domain import InvalidField
from shelfwise.reranking import Preview, Rule, parse_rule, preview, rule_document
from shelfwise.serving._ask import Outcome
from shelfwise.serving.http._decode import Reader
from shelfwise.serving.http._documents import aside, delete, found, is_known, match_of, page_of, quoted, write
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import Moved, RulePreview, RulePreviewIn
from shelfwise.serving.http._recommend import asker, query_of, ready, told
from shelfwise.serving.http._request import Request, Response, json_response
from shelfwise.stores import Catalogue

_RULE = Reader(dict[str, Any])
_PREVIEW = Reader(RulePreviewIn)


async def list_rules(door: Door, request: Request) -> Response:
    """GET /v1/rules."""
    after, limit = page_of(request)
    rows = await aside(lambda: door.control.documents("rules", after=after, limit=limit))
    items = [{**body, "etag": etag} for _, body, etag in rows]
    return json_response({"items": items, "next": rows[-1][0] if len(rows) == limit else None})


async def add_rule(door: Door, request: Request) -> Response:
    """POST /v1/rules."""
    rule = parse_rule(_RULE.body(request.body))
    body = rule_document(rule)
    etag = await write(door, request, "rules", rule.rule_id, body, if_match="")
    return json_response(await aside(_warned, door, rule, body), 201, ("etag", quoted(etag)))


async def get_rule(door: Door, request: Request) -> Response:
    """GET /v1/rules/{rule_id}."""
    body, etag = await aside(found, door, "rules", request.params["rule_id"], "rule")
    if is_known(request, etag):
        return Response(304, headers=[("etag", quoted(etag))])
    return json_response(body, 200, ("etag", quoted(etag)))


async def put_rule(door: Door, request: Request) -> Response:
    """PUT /v1/rules/{rule_id}: make or replace it; ``If-Match`` guards against another hand."""
    rule_id = request.params["rule_id"]
    given = _RULE.body(request.body)
    if given.setdefault("rule_id", rule_id) != rule_id:
        raise InvalidField("rule_id", given["rule_id"], f"{rule_id!r}, as in the address")
    rule = parse_rule(given)
    body = rule_document(rule)
    etag = await write(door, request, "rules", rule_id, body, if_match=match_of(request))
    return json_response(await aside(_warned, door, rule, body), 200, ("etag", quoted(etag)))


async def delete_rule(door: Door, request: Request) -> Response:
    """DELETE /v1/rules/{rule_id}."""
    return await delete(door, request, "rules", "rule")


async def preview_rule(door: Door, request: Request) -> Response:
    """POST /v1/rules/preview: the slate of a question without and with a rule. Logs nothing."""
    asked = _PREVIEW.body(request.body)
    rule = parse_rule(asked.rule)
    pipeline = replace(ready(door), keep=None)
    query, person = asker(door, query_of(door, asked.query, pipeline.shelf), asked.query.consent)
    judged = pipeline.judged(query, person)
    tried = pipeline.book.with_rule(rule)
    seen = preview(pipeline.book, tried, query, person, judged, pipeline.live(), pipeline.shelf)
    sides = [told(query, person, Outcome(slate), pipeline) for slate in (seen.before, seen.after)]
    return json_response(_difference(seen, *sides, ids=pipeline.shelf.item_id))


def _warned(door: Door, rule: Rule, body: dict[str, Any]) -> dict[str, Any]:
    """The rule as it was kept; with ``warnings`` where it names items that the catalogue does not know (yet)."""
    warnings = rule_warnings(door.catalogue, rule)
    return {**body, "warnings": warnings} if warnings else body


def rule_warnings(catalogue: Catalogue, rule: Rule) -> list[str]:
    """A sentence for each item that a rule names and the catalogue does not know."""
    named = rule.pinned if rule.kind in ("pin", "slot") else ()
    held = catalogue.get_many(named) if named else []
    unknown = [item for item, one in zip(named, held, strict=True) if one is None or one.retired]
    return [f"no item {item!r} in the catalogue: nothing is shown for it" for item in unknown]


def _difference(seen: Preview, before: Any, after: Any, *, ids: tuple[str, ...]) -> RulePreview:
    return RulePreview(
        before=before,
        after=after,
        gone=[ids[row] for row in seen.gone.tolist()],
        new=[ids[row] for row in seen.new.tolist()],
        moved=[Moved(ids[row], was, now) for row, was, now in seen.moved],
    )


__all__ = ["Rule", "add_rule", "delete_rule", "get_rule", "list_rules", "preview_rule", "put_rule"]
