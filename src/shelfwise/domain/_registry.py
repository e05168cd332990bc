"""Named ways to make a thing: a table one can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shelfwise.domain._errors import UnknownName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """Named ways to make a ``T``. No decorator fills it; a wrong name lists the right ones."""

    noun: str  # for messages, e.g. "arranger"
    makers: Mapping[str, Callable[..., T]]

    def make(self, name: str, /, **settings: Any) -> T:
        """Make the one called ``name``. Raises UnknownName."""
        try:
            maker = self.makers[name]
        except KeyError:
            raise UnknownName(self.noun, name, tuple(self.makers)) from None
        return maker(**settings)
