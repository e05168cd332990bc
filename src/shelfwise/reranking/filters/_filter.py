"""A filter as its users hold it: text in, masks out, bound to the shelf once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Context, LiveItems, Shelf
from shelfwise.reranking.filters._fields import Field
from shelfwise.reranking.filters._grammar import Both, Either, Node, Not, Test, parse
from shelfwise.reranking.filters._masks import Bools, Bound, Scene, bind

MAX_BOUND = 512  # filters kept ready for the shelf of the moment
MAX_BOUND_BYTES = (
    16 * 2**20
)  # and their tables: requests may carry any text, so memory is bounded, not only count


class Filter:
    """A checked filter. The same text gives the same object, so that its tables are made once a shelf."""

    __slots__ = ("fields", "text", "tree")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse(text)
        self.fields: tuple[Field, ...] = tuple(_fields(self.tree))

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    @property
    def fast(self) -> bool:
        """True if only the shelf decides: neither live columns nor context."""
        return all(field.fast for field in self.fields)

    def mask(
        self,
        shelf: Shelf,
        live: LiveItems,
        context: Context,
        rows: NDArray[np.int32],
        *,
        now_us: int = 0,
        placement: str | None = None,
        strategy: str = "auto",
    ) -> Bools:
        """``(C,)`` item rows -> ``(C,)`` True where it holds. ``placement`` defaults to the context's."""
        place = placement if placement is not None else context.placement
        return self.of(Scene(shelf, live, rows, context, place, strategy, now_us))

    def of(self, scene: Scene) -> Bools:
        """The mask for a scene."""
        return _bindings.of(self, scene.shelf).mask(scene)


@lru_cache(maxsize=1024)
def compile_filter(text: str) -> Filter:
    """The filter that a text means. Raises FilterError, an InvalidField with the place and a hint.

    The language is closed: no calls, no loops, at most 2,000 characters, 200 tests and values, 32 levels.
    """
    return Filter(text)


def item_ids_named(node: Node) -> tuple[str, ...]:
    """The ids that a filter names by ``item_id = ...`` or ``item_id in (...)``, alone or joined by ``and``."""
    match node:
        case Test(field, operator, values) if field.name == "item_id" and operator in ("=", "in"):
            return tuple(value for value in values if isinstance(value, str))
        case Both(terms):
            return next((ids for ids in map(item_ids_named, terms) if ids), ())
    return ()


def _fields(node: Node) -> Iterator[Field]:
    match node:
        case Test(field, _, values):
            yield field
            yield from (value for value in values if isinstance(value, Field))
        case Not(term):
            yield from _fields(term)
        case Both(terms) | Either(terms):
            for term in terms:
                yield from _fields(term)


class _Bindings:
    """Filters made ready for the newest shelf, least recently used first out; a new shelf begins anew."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._bound: OrderedDict[Filter, Bound] = OrderedDict()
        self._nbytes = 0

    def of(self, wanted: Filter, shelf: Shelf) -> Bound:
        if shelf is not self._shelf:
            self._shelf, self._bound, self._nbytes = shelf, OrderedDict(), 0
        found = self._bound.get(wanted)
        if found is None:
            return self._keep(wanted, bind(wanted.tree, shelf))
        self._bound.move_to_end(wanted)
        return found

    def _keep(self, wanted: Filter, bound: Bound) -> Bound:
        self._bound[wanted] = bound
        self._nbytes += bound.nbytes
        while len(self._bound) > MAX_BOUND or (self._nbytes > MAX_BOUND_BYTES and len(self._bound) > 1):
            _, gone = self._bound.popitem(last=False)
            self._nbytes -= gone.nbytes
        return bound


_bindings = _Bindings()
