"""Every error is a problem document (RFC 9457) that says what was got, what was expected and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
from shelfwise.ingestion import Rejection

TITLES = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Body too slow",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Body too large",
    414: "Address too long",
    415: "Unsupported media type",
    422: "Invalid input",
    431: "Head too large",
    500: "Internal error",
    501: "Not implemented",
    503: "Unavailable",
    505: "Version not supported",
}
MAX_SHOWN = 120  # characters of a wrong value that are sent back


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

    @classmethod
    def of_field(cls, field: str, value: object, rule: str, *, status: int = 422) -> Problem:
        """One wrong field."""
        shown = plain(value)
        what = "missing" if value is None else repr(shown)
        error = {"field": field, "value": shown, "rule": rule}
        return cls(status, f"{field} is {what}; expected {rule}", errors=[error])

    def document(self, request_id: str) -> dict[str, Any]:
        """The body."""
        title = TITLES.get(self.status, "Error")
        return {
            "type": f"/docs#problem-{self.status}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "errors": self.errors,
            "request_id": request_id,
        }


def problem_of_body(wrong: Rejection) -> Problem:
    """A request that was refused as a whole: 400 for what no parser reads, 422 for what is not understood."""
    if wrong.unreadable:
        return Problem(400, f"body is not JSON; expected {wrong.rule}")
    return Problem.of_field(wrong.field, wrong.value, wrong.rule)


def problem_of(trouble: ShelfwiseError) -> Problem:
    """Who can fix it decides the status."""
    if isinstance(trouble, NotFound):
        return Problem(404, str(trouble))
    if isinstance(trouble, Conflict):
        return Problem(412, str(trouble))
    if isinstance(trouble, InvalidField):
        error = {"field": trouble.field, "value": plain(trouble.value), "rule": trouble.rule}
        return Problem(422, str(trouble), errors=[error])
    if isinstance(trouble, NotTrained | BadRelease):
        return Problem(409, str(trouble))
    if isinstance(trouble, StoreUnavailable):
        return Problem(503, str(trouble), headers=[("retry-after", "1")])
    return Problem(422 if isinstance(trouble, InvalidInput) else 500, str(trouble))


def plain(value: object) -> Any:
    """A value as it may stand in JSON, shortened."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters)"
    return short.encode("utf-8", "backslashreplace").decode()
