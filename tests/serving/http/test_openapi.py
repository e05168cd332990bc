"""The API's description: golden, whole, and true to the table of routes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from shelfwise.serving.http import ROUTES, openapi_document
from shelfwise.serving.http._docs import page

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
API: dict[str, Any] = openapi_document(ROUTES)


def text() -> str:
    return json.dumps(API, indent=1, ensure_ascii=False) + "\n"


def test_the_description_is_the_golden_one(request: pytest.FixtureRequest) -> None:
    """Rewrite it with: python -m tests.serving.http.test_openapi"""
    assert GOLDEN.read_text() == text(), "the API changed: rewrite the golden file and read the difference"


def test_every_route_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, methods in API["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_operation_has_a_name_of_its_own_and_a_sentence() -> None:
    operations = [one for methods in API["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["summary"].endswith(".") for one in operations)


def test_every_reference_leads_somewhere() -> None:
    names = set(re.findall(r"#/components/schemas/([A-Za-z]+)", text()))
    assert names <= set(API["components"]["schemas"])


def test_what_comes_in_is_closed_to_unknown_fields() -> None:
    schemas = API["components"]["schemas"]
    for name in (
        "EventIn",
        "EventsIn",
        "ItemIn",
        "ItemsIn",
        "ItemPatchIn",
        "RecommendationQuery",
        "ContextIn",
        "KeyIn",
    ):
        assert schemas[name]["additionalProperties"] is False, name


def test_a_question_may_be_asked_by_address_with_the_same_names() -> None:
    get = {one["name"] for one in API["paths"]["/v1/recommendations"]["get"]["parameters"]}
    post = set(API["components"]["schemas"]["RecommendationQuery"]["properties"])
    assert {name for name in get if "." not in name} == post - {"context"}
    context = API["components"]["schemas"]["ContextIn"]["properties"]
    assert {name.removeprefix("context.") for name in get if "." in name} == set(context)


def test_routes_that_need_a_key_say_so() -> None:
    for route in ROUTES:
        operation = API["paths"][route.path][route.method.lower()]
        assert ("security" in operation) == bool(route.scope)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag == "a":
            self.links.add(given.get("href") or "")
        assert tag != "script"
        assert "style" not in given

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    tags = Tags()
    tags.feed(page(API))
    assert tags.open == []
    assert {link.removeprefix("#") for link in tags.links if link.startswith("#")} <= tags.ids
    assert {link for link in tags.links if not link.startswith("#")} == {"/openapi.json"}
    assert {"problem-422", "type-RecommendationQuery", "recommendations"} <= tags.ids


if __name__ == "__main__":
    GOLDEN.write_text(text())
