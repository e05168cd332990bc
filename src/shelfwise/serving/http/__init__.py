"""The HTTP door: one router table, problems for errors, keys with scopes, OpenAPI from the types that validate."""

from shelfwise.serving.http._app import App, make_app
from shelfwise.serving.http._decode import Reader
from shelfwise.serving.http._door import AsyncInbox, Door, DoorSettings
from shelfwise.serving.http._explain import explain, explain_logged
from shelfwise.serving.http._export import export_parts
from shelfwise.serving.http._items import item_document
from shelfwise.serving.http._keeping import Keeping, rehearse
from shelfwise.serving.http._keys import make_key
from shelfwise.serving.http._messages import RecommendationQuery, Recommendations
from shelfwise.serving.http._metrics import exposition
from shelfwise.serving.http._openapi import document as openapi_document
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._recommend import answer, asker, query_of
from shelfwise.serving.http._request import Request, Response
from shelfwise.serving.http._routes import ROUTES
from shelfwise.serving.http._rules import rule_warnings
from shelfwise.serving.http._server import HttpServer, Patience

__all__ = [
    "ROUTES",
    "App",
    "AsyncInbox",
    "Door",
    "DoorSettings",
    "HttpServer",
    "Keeping",
    "Patience",
    "Problem",
    "Reader",
    "RecommendationQuery",
    "Recommendations",
    "Request",
    "Response",
    "answer",
    "asker",
    "explain",
    "explain_logged",
    "export_parts",
    "exposition",
    "item_document",
    "make_app",
    "make_key",
    "openapi_document",
    "query_of",
    "rule_warnings",
    "rehearse",
]
