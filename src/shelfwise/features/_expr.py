"""Small expressions over base columns: written as SQL for batch engines, compiled to a program for the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US

Operator = Literal["+", "-", "*", "/", "max", ">=", "mod"]

# Codes of the compiled program, a row (code, operand, constant) an instruction; results stand on a stack.
LOAD, CONST, ADD, SUB, MUL, DIV, MAX, LN, SINCE, STORE, REACHES, MOD = range(12)
_CODES: dict[Operator, int] = {
    "+": ADD, "-": SUB, "*": MUL, "/": DIV, "max": MAX, ">=": REACHES, "mod": MOD,
}  # fmt: skip
DEPTH = 6  # places on the stack; deeper expressions are refused


@dataclass(frozen=True, slots=True)
class Expr:
    """A number per row, or nothing (NULL in SQL, NaN at the request). Nothing in, nothing out."""

    def __add__(self, other: Expr | float) -> Expr:
        return Binary("+", self, _lift(other))

    def __sub__(self, other: Expr | float) -> Expr:
        return Binary("-", self, _lift(other))

    def __mul__(self, other: Expr | float) -> Expr:
        return Binary("*", self, _lift(other))

    def __truediv__(self, other: Expr | float) -> Expr:
        return Binary("/", self, _lift(other))

    def parts(self) -> tuple[Expr, ...]:
        return ()

    def columns(self) -> Iterator[str]:
        """Base columns it reads, with repeats."""
        for part in self.parts():
            yield from part.columns()

    def sql(self) -> str:
        raise NotImplementedError

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:
        """Instructions that leave the value on top of the stack; ``index`` places the base columns."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Col(Expr):
    """A base column."""

    name: str

    def columns(self) -> Iterator[str]:
        yield self.name

    def sql(self) -> str:
        return f"CAST({self.name} AS DOUBLE)"

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:
        return [(LOAD, index[self.name], 0.0)]


@dataclass(frozen=True, slots=True)
class Num(Expr):
    """A constant."""

    value: float

    def sql(self) -> str:
        return f"CAST({self.value!r} AS DOUBLE)"

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:  # noqa: ARG002
        return [(CONST, 0, self.value)]


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """Two values joined; of something and nothing is nothing. Division by 0 gives nothing; ``>=`` gives 1 or 0.

    ``mod`` is what is left of ``one`` above its last whole multiple of ``two``: never negative if ``two`` is not.
    """

    operator: Operator
    one: Expr
    two: Expr

    def parts(self) -> tuple[Expr, ...]:
        return self.one, self.two

    def sql(self) -> str:
        one, two = self.one.sql(), self.two.sql()
        if self.operator == "max":
            return f"CASE WHEN {one} >= {two} THEN {one} WHEN {one} < {two} THEN {two} END"
        if self.operator == ">=":
            return f"CASE WHEN {one} >= {two} THEN CAST(1 AS DOUBLE) WHEN {one} < {two} THEN CAST(0 AS DOUBLE) END"
        if self.operator == "mod":
            return f"({one} - {two} * FLOOR({one} / NULLIF({two}, CAST(0 AS DOUBLE))))"
        if self.operator == "/":
            return f"({one} / NULLIF({two}, CAST(0 AS DOUBLE)))"
        return f"({one} {self.operator} {two})"

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:
        return [*self.one.program(index), *self.two.program(index), (_CODES[self.operator], 0, 0.0)]


@dataclass(frozen=True, slots=True)
class Ln(Expr):
    """Natural logarithm; nothing for 0 and below."""

    of: Expr

    def parts(self) -> tuple[Expr, ...]:
        return (self.of,)

    def sql(self) -> str:
        return f"CASE WHEN {self.of.sql()} > CAST(0 AS DOUBLE) THEN LN({self.of.sql()}) END"

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:
        return [*self.of.program(index), (LN, 0, 0.0)]


@dataclass(frozen=True, slots=True)
class DaysSince(Expr):
    """Days from an instant to the question."""

    name: str

    def columns(self) -> Iterator[str]:
        yield self.name

    def sql(self) -> str:
        return f"(CAST(as_of_us - {self.name} AS DOUBLE) / CAST({DAY_US} AS DOUBLE))"

    def program(self, index: Mapping[str, int]) -> list[tuple[int, int, float]]:
        return [(LOAD, index[self.name], 0.0), (SINCE, 0, 0.0)]


def compiled(
    expressions: Sequence[Expr], index: Mapping[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One program for all: instructions ``(N, 2)`` and their constants ``(N,)``; expression k is stored at k."""
    rows: list[tuple[int, int, float]] = []
    for place, expression in enumerate(expressions):
        rows += [*expression.program(index), (STORE, place, 0.0)]
    code = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    return code, np.array([row[2] for row in rows], np.float64)


def depth_of(expression: Expr) -> int:
    """Places on the stack that evaluating it takes."""
    if isinstance(expression, Binary):
        return max(depth_of(expression.one), 1 + depth_of(expression.two))
    return max([1, *(depth_of(part) for part in expression.parts())])


def _lift(value: Expr | float) -> Expr:
    return value if isinstance(value, Expr) else Num(float(value))
