"""The table of routes: what exists, who may use it, what goes in and comes out."""

from __future__ import annotations

from typing import Any

from shelfwise.ingestion import ContextIn, EventIn, EventsIn, ItemIn, ItemPatchIn, ItemsIn
from shelfwise.serving.http import _events as events
from shelfwise.serving.http import _explain as why
from shelfwise.serving.http import _export as export
from shelfwise.serving.http import _items as items
from shelfwise.serving.http import _keyring as keyring
from shelfwise.serving.http import _messages as m
from shelfwise.serving.http import _operations as operations
from shelfwise.serving.http import _recommend as recs
from shelfwise.serving.http import _releases as releases
from shelfwise.serving.http import _rules as rules
from shelfwise.serving.http import _users as users
from shelfwise.serving.http._router import Route

PAGES = ("cursor", "limit")
QUERY = (
    *(name for name in m.RecommendationQuery.__struct_fields__ if name != "context"),
    *(f"context.{name}" for name in ContextIn.__struct_fields__),
)
Anything = dict[str, Any]
_RECOMMENDATION = "/v1/recommendations/{recommendation_id}/explanation"

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/events", "events:write", events.take_events, "Send one event or up to 500.",
          EventIn | EventsIn, m.Accepted, 202, kind="events", pages=True, turn=True),
    Route("POST", "/v1/segment", "events:write", events.take_segment, "Send Segment e-commerce v2 calls.",
          Anything, m.Accepted, 202, kind="segment", turn=True),
    Route("POST", "/v1/recommendations", "recs:read", recs.recommend, "Ask for recommendations.",
          m.RecommendationQuery, m.Recommendations, kind="recommendations", turn=True),
    Route("GET", "/v1/recommendations", "recs:read", recs.recommend_by_address, "Ask, with the same names as values.",
          None, m.Recommendations, query=QUERY, kind="recommendations", turn=True),
    Route("POST", "/v1/recommendations/batch", "recs:read", recs.recommend_batch, "Ask up to 200 times at once.",
          m.RecommendationBatch, m.RecommendationsBatch, kind="batch"),
    Route("GET", _RECOMMENDATION, "recs:read", why.explanation, "Why these items, and why not another.",
          None, m.Explanation, query=("item_id",), kind="explanation"),
    Route("GET", "/v1/items", "recs:read", items.list_items, "List items.", None, m.ItemPage, query=PAGES,
          kind="items"),
    Route("POST", "/v1/items", "catalog:write", items.put_items, "Put one item or a batch.", ItemIn | ItemsIn,
          m.ItemsAccepted, 202, kind="items"),
    Route("PUT", "/v1/items/{item_id}", "catalog:write", items.put_item, "Make or replace an item.", ItemIn,
          m.ItemOut, kind="items"),
    Route("PATCH", "/v1/items/{item_id}", "catalog:write", items.patch_item, "Set fields of an item.", ItemPatchIn,
          m.ItemOut, kind="items"),
    Route("GET", "/v1/items/{item_id}", "recs:read", items.get_item, "Look at an item.", None, m.ItemOut,
          kind="items"),
    Route("DELETE", "/v1/items/{item_id}", "catalog:write", items.delete_item, "Retire an item.", None, None, 204,
          kind="items"),
    Route("GET", "/v1/users/{user_id}", "admin", users.get_user, "What is known of a user.", None, m.PersonOut,
          kind="users"),
    Route("DELETE", "/v1/users/{user_id}", "admin", users.delete_user, "Forget a user, everywhere.", None, Anything,
          kind="users"),
    Route("GET", "/v1/users/{user_id}/export", "admin", export.export_user, "All that is kept of a user.", None,
          m.PersonExport, kind="users"),
    Route("PUT", "/v1/users/{user_id}/consent", "admin", users.set_consent, "Whether a user may be tracked.",
          m.ConsentIn, None, 204, kind="users"),
    Route("GET", "/v1/rules", "admin", rules.list_rules, "List rules.", None, m.DocumentPage, query=PAGES,
          kind="rules"),
    Route("POST", "/v1/rules", "admin", rules.add_rule, "Add a rule.", rules.Rule, Anything, 201, kind="rules"),
    Route("POST", "/v1/rules/preview", "admin", rules.preview_rule, "A slate without and with a rule.",
          m.RulePreviewIn, m.RulePreview, kind="rules"),
    Route("GET", "/v1/rules/{rule_id}", "admin", rules.get_rule, "Look at a rule.", None, Anything, kind="rules"),
    Route("PUT", "/v1/rules/{rule_id}", "admin", rules.put_rule, "Make or replace a rule.", rules.Rule, Anything,
          kind="rules"),
    Route("DELETE", "/v1/rules/{rule_id}", "admin", rules.delete_rule, "Remove a rule.", None, None, 204,
          kind="rules"),
    Route("GET", "/v1/releases", "admin", releases.list_releases, "List releases.", None, m.DocumentPage,
          query=PAGES, kind="releases"),
    Route("PUT", "/v1/releases/champion", "admin", releases.promote, "Let a release answer.", m.AliasIn,
          m.ChampionOut, kind="releases"),
    Route("POST", "/v1/releases/rollback", "admin", releases.rollback, "Back to the champion before.", None,
          m.ChampionOut, kind="releases"),
    Route("GET", "/v1/releases/{release}", "admin", releases.get_release, "Look at a manifest.", None, Anything,
          kind="releases"),
    Route("GET", "/v1/keys", "admin", keyring.list_keys, "List keys.", None, m.KeyPage, query=PAGES, kind="keys"),
    Route("POST", "/v1/keys", "admin", keyring.add_key, "Make a key; its secret is shown once.", m.KeyIn, m.KeyMade,
          201, kind="keys"),
    Route("DELETE", "/v1/keys/{key_id}", "admin", keyring.delete_key, "Revoke a key.", None, None, 204, kind="keys"),
    Route("GET", "/healthz", "", operations.healthz, "Whether the process is alive.", None, m.Health),
    Route("GET", "/readyz", "", operations.readyz, "Whether answers can be given.", None, m.Readiness),
    Route("GET", "/metrics", "recs:read", operations.metrics, "Prometheus text of all workers."),
    Route("GET", "/openapi.json", "", operations.openapi, "This description.", None, Anything),
    Route("GET", "/docs", "", operations.docs, "This description as a page."),
)  # fmt: skip
