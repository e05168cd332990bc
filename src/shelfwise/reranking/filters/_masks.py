"""From the tree of a filter to column masks: texts are decided once on the dictionary, then gathered by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US, MINUTE_US, Coded, Context, LiveItems, Shelf, exponent
from shelfwise.reranking.filters._fields import Field
from shelfwise.reranking.filters._grammar import Both, Constant, Either, Node, Not, Test, Value
from shelfwise.reranking.filters._texts import decide_text

# Dictionaries up to this size are decided once, as a table; larger ones (ids, free texts) only for the rows at
# hand. It bounds what one filter may hold: 4 kB for each of at most some 60 texts.
MAX_TABLE = 4_096

Bools = NDArray[np.bool_]
Mask = Bools | bool  # a bool where the answer is the same for every row


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a filter looks at: the items asked about, and who asks where and when."""

    shelf: Shelf
    live: LiveItems
    rows: NDArray[np.int32]  # (C,) item rows, all of them on the shelf
    context: Context
    placement: str | None
    strategy: str
    now_us: int


Asker = Callable[[Scene], Mask]


@dataclass(frozen=True, slots=True)
class Bound:
    """A filter made ready for one shelf."""

    ask: Asker
    nbytes: int  # of its tables

    def mask(self, scene: Scene) -> Bools:
        """``(C,)`` True where the filter holds."""
        answer = self.ask(scene)
        if isinstance(answer, np.ndarray):
            return answer
        return np.full(len(scene.rows), answer, np.bool_)


def bind(node: Node, shelf: Shelf) -> Bound:
    """Decide everything that the shelf alone decides."""
    binder = _Binder(shelf)
    return Bound(binder.node(node), binder.nbytes)


class _Binder:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.nbytes = 0

    def node(self, node: Node) -> Asker:
        match node:
            case Constant(value):
                return _always(value)
            case Not(term):
                return _negated(self.node(term))
            case Both(terms):
                return _joined(tuple(self.node(term) for term in terms), all_of=True)
            case Either(terms):
                return _joined(tuple(self.node(term) for term in terms), all_of=False)
            case Test():
                return self._test(node)

    def _test(self, test: Test) -> Asker:
        other = test.values[0]
        if test.field.home == "context":
            return _context_test(test)
        if test.field.type in ("money", "number"):
            return self._number_test(test)
        if isinstance(other, Field):
            return _text_against_context(test.field, other)
        if test.field.home == "row":
            return _row_text_test(test)
        return self._coded_test(test)

    def _coded_test(self, test: Test) -> Asker:
        decide = decide_text(test)
        coded = self._shelf.coded.get(test.field.name)
        absent = decide(None)
        if coded is None:
            return _always(absent)
        if len(coded.values) > MAX_TABLE:
            return _by_row(test.field.name, decide)
        table = np.array([*(decide(value) for value in coded.values), absent], np.bool_)
        self.nbytes += table.nbytes
        codes = coded.codes
        return lambda scene: table.take(codes.take(scene.rows))  # code -1 reads the last place

    def _number_test(self, test: Test) -> Asker:
        tests = [self._number_against(test.field, test.operator, value) for value in test.values]
        return tests[0] if len(tests) == 1 else _joined(tuple(tests), all_of=False)

    def _number_against(self, field: Field, operator: str, value: Value) -> Asker:
        column = _COLUMNS[field.name]
        if value is None:
            return lambda scene: np.isnan(column(scene))
        compare = _COMPARE[operator]
        if isinstance(value, Field):
            other = _COLUMNS.get(value.name) or _context_number(value)
            return lambda scene: compare(column(scene), other(scene))
        if not isinstance(value, Decimal):
            raise TypeError(f"a number field was compared with {value!r}; the parser lets none through")
        if field.type == "money":
            return self._money_against(column, compare, value)
        limit = float(value)
        return lambda scene: compare(column(scene), limit)

    def _money_against(self, column: Column, compare: Comparison, amount: Decimal) -> Asker:
        """Compares in smallest units: 2.55 is 255 for GBP and 2,550 for KWD."""
        currency = self._shelf.coded.get("currency")
        digits = [exponent(code) for code in currency.values] if currency else []
        limits = np.array([float(amount.scaleb(each)) for each in (*digits, digits[0] if digits else 2)])
        if currency is None or len(set(digits)) <= 1:
            limit = float(limits[0])
            return lambda scene: compare(column(scene), limit)
        self.nbytes += limits.nbytes
        codes = currency.codes
        return lambda scene: compare(column(scene), limits.take(codes.take(scene.rows)))


def _always(value: bool) -> Asker:
    return lambda _: value


def _negated(term: Asker) -> Asker:
    def ask(scene: Scene) -> Mask:
        answer = term(scene)
        return ~answer if isinstance(answer, np.ndarray) else not answer

    return ask


def _joined(terms: tuple[Asker, ...], *, all_of: bool) -> Asker:
    """All or any of the terms; what is decided for every row at once ends the search."""

    def ask(scene: Scene) -> Mask:
        so_far: Mask = all_of
        for term in terms:
            answer = term(scene)
            if not isinstance(answer, np.ndarray):
                if answer is not all_of:
                    return answer
            elif isinstance(so_far, np.ndarray):
                so_far = so_far & answer if all_of else so_far | answer
            else:
                so_far = answer
        return so_far

    return ask


def _by_row(name: str, decide: Callable[[Any], bool]) -> Asker:
    def ask(scene: Scene) -> Mask:
        coded: Coded = scene.shelf.coded[name]
        codes, values = coded.codes.take(scene.rows).tolist(), coded.values
        return np.array([decide(values[code] if code >= 0 else None) for code in codes], np.bool_)

    return ask


def _row_text_test(test: Test) -> Asker:
    decide = decide_text(test)

    def ask(scene: Scene) -> Mask:
        column = getattr(scene.shelf, test.field.name)
        return np.array([decide(column[row]) for row in scene.rows.tolist()], np.bool_)

    return ask


def _text_against_context(field: Field, other: Field) -> Asker:
    """An item's text against one of the context's; nothing equals a context that says nothing."""

    def ask(scene: Scene) -> Mask:
        wanted = _context_value(scene, other.name)
        if wanted is None:
            return False
        test = Test(field, "=", (str(wanted),))
        if field.home == "row":
            return _row_text_test(test)(scene)
        return _by_row(field.name, decide_text(test))(scene) if field.name in scene.shelf.coded else False

    return ask


def _context_test(test: Test) -> Asker:
    if test.field.type == "number":
        return _context_number_test(test)
    decide = decide_text(test)
    return lambda scene: decide(_context_value(scene, test.field.name))


def _context_number_test(test: Test) -> Asker:
    column, compare = _context_number(test.field), _COMPARE[test.operator]

    def one(scene: Scene, value: Value) -> bool:
        got = column(scene)
        if value is None:
            return bool(np.isnan(got))
        other = _context_number(value)(scene) if isinstance(value, Field) else float(value)
        return bool(compare(got, other))

    return lambda scene: any(one(scene, value) for value in test.values)


def _context_number(field: Field) -> Callable[[Scene], float]:
    def number(scene: Scene) -> float:
        value = _context_value(scene, field.name)
        return float("nan") if value is None else float(value)

    return number


def _context_value(scene: Scene, name: str) -> Any:
    match name:
        case "context.placement":
            return scene.placement
        case "context.strategy":
            return scene.strategy
        case "context.hour":
            return _local_us(scene) // HOUR_US % 24
        case "context.weekday":
            return (_local_us(scene) // DAY_US + 3) % 7 + 1  # 1970-01-01 was a Thursday
    return getattr(scene.context, name.removeprefix("context."))


def _local_us(scene: Scene) -> int:
    return scene.now_us + (scene.context.offset_minutes or 0) * MINUTE_US


Floats = NDArray[np.float64]
Column = Callable[[Scene], Floats]
Comparison = Callable[[Any, Any], Any]
_COMPARE: dict[str, Comparison] = {
    "=": np.equal, "in": np.equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def _known(values: NDArray[np.int64], rows: NDArray[np.int32]) -> Floats:
    """The column at these rows; NaN where it is -1, so that no comparison holds."""
    taken = values.take(rows).astype(np.float64)
    taken[taken < 0] = np.nan
    return taken


def _price(scene: Scene) -> Floats:
    return _known(scene.live.price_minor, scene.rows)


def _list_price(scene: Scene) -> Floats:
    return _known(scene.live.list_price_minor, scene.rows)


def _cost(scene: Scene) -> Floats:
    return _known(scene.live.cost_minor, scene.rows)


def _stock(scene: Scene) -> Floats:
    return _known(scene.live.stock, scene.rows)


def _margin(scene: Scene) -> Floats:
    return _share(_price(scene) - _cost(scene), _price(scene))


def _discount(scene: Scene) -> Floats:
    price, before = _price(scene), _list_price(scene)
    before = np.where(np.isnan(before), price, before)  # no list price: not reduced
    return _share(before - price, before)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _age_days(scene: Scene) -> Floats:
    return (scene.now_us - scene.shelf.first_seen_us.take(scene.rows)) / DAY_US


_COLUMNS: dict[str, Column] = {
    "price": _price, "list_price": _list_price, "cost": _cost, "stock": _stock,
    "margin": _margin, "discount": _discount, "age_days": _age_days,
}  # fmt: skip
