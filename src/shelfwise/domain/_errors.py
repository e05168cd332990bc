"""One tree of errors. Its branches say who can fix it: the caller, an operator, or time."""

from __future__ import annotations

from difflib import get_close_matches


class ShelfwiseError(Exception):
    """Everything this package raises on purpose.

    ShelfwiseError
    |- InvalidInput         the caller can fix it
    |  |- InvalidField      one field of an event, item, query, rule or setting
    |  |- UnknownName       a name that is in no table; lists the right ones
    |  |- NotFound          an id that does not exist
    |  `- Conflict          it exists already, or changed meanwhile
    |- NotTrained           an operator can fix it: train first
    |- BadRelease           an operator can fix it: a release that does not check out
    `- StoreUnavailable     time may fix it: retry, then answer with less
    """


class InvalidInput(ShelfwiseError, ValueError):
    """The caller can fix it."""


class InvalidField(InvalidInput):
    """One field is wrong. ``rule`` says what was expected; ``where`` (file, row) may be added."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(field, value, rule)  # plain args survive the trip between processes
        self.field, self.value, self.rule = field, value, rule

    def __str__(self) -> str:
        return f"{self.field} is {_short(self.value)}; expected {self.rule}"


class UnknownName(InvalidInput):
    """A name that is in no table."""

    def __init__(self, noun: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(noun, name, known)
        self.noun, self.name, self.known = noun, name, known

    def __str__(self) -> str:
        near = get_close_matches(self.name, self.known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(sorted(self.known))
        return f"no {self.noun} is called {self.name!r}{hint} (known: {known})"


class NotFound(InvalidInput):
    """An id that does not exist."""

    def __init__(self, noun: str, key: str) -> None:
        super().__init__(noun, key)
        self.noun, self.key = noun, key

    def __str__(self) -> str:
        return f"no {self.noun} {_short(self.key)}"


class NoneBefore(NotFound):
    """No champion stands before the one of now: there is nothing to roll back to."""

    def __init__(self, champion: str | None) -> None:
        super().__init__("release", "before the champion")
        self.args = (champion,)
        self.champion = champion

    def __str__(self) -> str:
        if self.champion is None:
            return "champion is none; expected one, and another before it to go back to"
        return f"champion is {self.champion}, and none was before it; expected one to go back to"


class Conflict(InvalidInput):
    """It exists already with another content, or it changed since the caller read it."""


class NotTrained(ShelfwiseError):
    """An operator can fix it: there is no model yet."""


class BadRelease(ShelfwiseError):
    """An operator can fix it: a release is incomplete, altered, or of another catalogue."""


class StoreUnavailable(ShelfwiseError):
    """Time may fix it: a store cannot be reached, is locked, or is full."""


def _short(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
