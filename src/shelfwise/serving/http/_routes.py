"""The table of routes: what exists, who may use it, what goes in and comes out."""

from __future__ import annotations

from typing import Any

from shelfwise.ingestion import EventIn, EventsIn, ItemIn, ItemPatchIn, ItemsIn
from shelfwise.serving.http import _control as control
from shelfwise.serving.http import _events as events
from shelfwise.serving.http import _explain as explain
from shelfwise.serving.http import _health as health
from shelfwise.serving.http import _items as items
from shelfwise.serving.http import _messages as messages
from shelfwise.serving.http import _recommend as recs
from shelfwise.serving.http._router import Route

PAGES = ("cursor", "limit")
Anything = dict[str, Any]

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/events", "events:write", events.take_events, "Send one event or up to 500.",
          EventIn | EventsIn, messages.Accepted, 202),
    Route("POST", "/v1/segment", "events:write", events.take_segment, "Segment e-commerce v2 calls.",
          Anything, messages.Accepted, 202),
    Route("POST", "/v1/recommendations", "recs:read", recs.recommend, "Ask for recommendations.",
          messages.RecommendationQuery, messages.Recommendations),
    Route("GET", "/v1/recommendations", "recs:read", recs.recommend_by_address, "The same, as query values.",
          None, messages.Recommendations, 200, messages.RecommendationQuery.__struct_fields__),
    Route("POST", "/v1/recommendations/batch", "recs:read", recs.recommend_batch, "Up to 200 queries, in order.",
          messages.RecommendationBatch, messages.RecommendationsBatch),
    Route("GET", "/v1/recommendations/{recommendation_id}/explanation", "recs:read", explain.explanation,
          "Why these items, and why not another.", None, Anything, 200, ("item_id",)),
    Route("GET", "/v1/items", "recs:read", items.list_items, "List items.", None, Anything, 200, PAGES),
    Route("POST", "/v1/items", "catalog:write", items.put_items, "Put one item or a batch.", ItemIn | ItemsIn,
          Anything, 202),
    Route("PUT", "/v1/items/{item_id}", "catalog:write", items.put_item, "Replace an item.", ItemIn, Anything),
    Route("PATCH", "/v1/items/{item_id}", "catalog:write", items.patch_item, "Set fields of an item.", ItemPatchIn,
          Anything),
    Route("GET", "/v1/items/{item_id}", "recs:read", items.get_item, "One item.", None, Anything),
    Route("DELETE", "/v1/items/{item_id}", "catalog:write", items.delete_item, "Retire an item.", None, None, 204),
    Route("GET", "/v1/users/{user_id}", "admin", control.get_user, "What is known of a user.", None, Anything),
    Route("DELETE", "/v1/users/{user_id}", "admin", control.delete_user, "Forget a user.", None, Anything),
    Route("GET", "/v1/users/{user_id}/export", "admin", control.export_user, "All that is known of a user.", None,
          Anything),
    Route("GET", "/v1/rules", "admin", control.list_rules, "List rules.", None, Anything, 200, PAGES),
    Route("POST", "/v1/rules", "admin", control.add_rule, "Add a rule.", Anything, Anything, 201),
    Route("POST", "/v1/rules/preview", "admin", control.preview_rule, "A slate without and with a rule.",
          messages.RulePreviewIn, Anything),
    Route("GET", "/v1/rules/{rule_id}", "admin", control.get_rule, "One rule.", None, Anything),
    Route("PUT", "/v1/rules/{rule_id}", "admin", control.put_rule, "Make or replace a rule.", Anything, Anything),
    Route("DELETE", "/v1/rules/{rule_id}", "admin", control.delete_rule, "Remove a rule.", None, None, 204),
    Route("GET", "/v1/releases", "admin", control.list_releases, "List releases.", None, Anything, 200, PAGES),
    Route("PUT", "/v1/releases/champion", "admin", control.promote, "Make a release the champion.",
          messages.AliasIn, Anything),
    Route("POST", "/v1/releases/rollback", "admin", control.rollback, "Back to the champion before.", None, Anything),
    Route("GET", "/v1/releases/{release}", "admin", control.get_release, "One manifest.", None, Anything),
    Route("GET", "/v1/keys", "admin", control.list_keys, "List keys.", None, Anything, 200, PAGES),
    Route("POST", "/v1/keys", "admin", control.add_key, "Make a key; its secret is shown once.", messages.KeyIn,
          Anything, 201),
    Route("DELETE", "/v1/keys/{key_id}", "admin", control.delete_key, "Revoke a key.", None, None, 204),
    Route("GET", "/healthz", "", health.healthz, "The process is alive."),
    Route("GET", "/readyz", "", health.readyz, "Answers can be given."),
    Route("GET", "/metrics", "", health.metrics, "Prometheus text of all workers."),
    Route("GET", "/openapi.json", "", health.openapi, "This document."),
    Route("GET", "/docs", "", health.docs, "This document as a page."),
)  # fmt: skip
