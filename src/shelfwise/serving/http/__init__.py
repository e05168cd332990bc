"""The HTTP door: one router table, problems for errors, keys with scopes, OpenAPI from the types that validate."""

from shelfwise.serving.http._app import App, make_app
from shelfwise.serving.http._control import person_document
from shelfwise.serving.http._door import Door, DoorSettings
from shelfwise.serving.http._items import item_document
from shelfwise.serving.http._keys import make_key
from shelfwise.serving.http._metrics import exposition
from shelfwise.serving.http._request import Request, Response
from shelfwise.serving.http._routes import ROUTES

__all__ = [
    "ROUTES",
    "App",
    "Door",
    "DoorSettings",
    "Request",
    "Response",
    "exposition",
    "item_document",
    "make_app",
    "make_key",
    "person_document",
]
