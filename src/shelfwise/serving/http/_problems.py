"""Every error is a problem document (RFC 9457) that says what was got, what was expected and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from shelfwise.domain import (
    BadRelease,
    Conflict,
    InvalidField,
    InvalidInput,
    NotFound,
    NotTrained,
    ShelfwiseError,
    StoreUnavailable,
)

TITLES = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Body too large",
    414: "Address too long",
    415: "Unsupported media type",
    422: "Invalid input",
    428: "Condition needed",
    429: "Too many requests",
    503: "Unavailable",
}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(status, detail)
        self.status, self.detail, self.errors, self.headers = status, detail, list(errors), list(headers)

    def document(self, request_id: str) -> dict[str, Any]:
        """The body."""
        title = TITLES.get(self.status, "Error")
        slug = title.lower().replace(" ", "-")
        return {
            "type": f"/problems/{slug}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "errors": self.errors,
            "request_id": request_id,
        }


def problem_of(trouble: ShelfwiseError) -> Problem:
    """Who can fix it decides the status."""
    if isinstance(trouble, NotFound):
        return Problem(404, str(trouble))
    if isinstance(trouble, Conflict):
        return Problem(412, str(trouble))
    if isinstance(trouble, InvalidField):
        return Problem(422, str(trouble), errors=[error_of(trouble)])
    if isinstance(trouble, InvalidInput):
        return Problem(422, str(trouble))
    if isinstance(trouble, NotTrained | BadRelease):
        return Problem(409, str(trouble))
    if isinstance(trouble, StoreUnavailable):
        return Problem(503, str(trouble), headers=[("retry-after", "1")])
    return Problem(422, str(trouble))


def error_of(trouble: InvalidField) -> dict[str, Any]:
    """One wrong field."""
    return {"field": trouble.field, "value": plain(trouble.value), "rule": trouble.rule}


def decode(decoder: msgspec.json.Decoder[Any], body: bytes, fields: Iterable[str]) -> Any:
    """Decode a body. Raises Problem 400 for what is no JSON, 422 for what does not fit, with the nearest name."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as trouble:
        raise invalid(str(trouble), fields) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as trouble:
        raise Problem(400, f"body is not JSON: {trouble}") from None


def invalid(message: str, fields: Iterable[str]) -> Problem:
    """Msgspec's words, with the field as a path and the nearest name for an unknown one."""
    found = re.search(r" - at `\$\.?(.*?)`$", message)
    rule = message[: found.start()] if found else message
    path = found.group(1) if found else ""
    unknown = re.search(r"unknown field `(.*?)`", rule)
    if unknown:
        near = get_close_matches(unknown.group(1), list(fields), n=1)
        path = ".".join(part for part in (path, unknown.group(1)) if part)
        rule = "a known field" + (f"; did you mean {near[0]!r}?" if near else "")
        return Problem(
            422, f"{path} is no field; expected {rule}", errors=[{"field": path, "value": None, "rule": rule}]
        )
    return Problem(422, f"{path or 'body'}: {rule}", errors=[{"field": path, "value": None, "rule": rule}])


def plain(value: object) -> Any:
    """A value as it may stand in JSON, shortened."""
    if value is None or isinstance(value, bool | int):
        return value
    text = str(value)
    return text if len(text) <= 120 else f"{text[:120]}..."
