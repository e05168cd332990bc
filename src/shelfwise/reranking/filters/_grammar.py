"""The filter language: a closed grammar, read by recursive descent into a small tree.

::

    either = both { "or" both }
    both   = none { "and" none }
    none   = "not" none | "(" either ")" | test | "true" | "false"
    test   = field compare value | field [ "not" ] "in" "(" value { "," value } ")"
           | field [ "not" ] ( "contains" | "starts_with" ) text
    value  = number | text | "true" | "false" | "null" | field
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import NoReturn

from shelfwise.reranking.filters._fields import COMPARISONS, EQUALITY, Field, field_called, nearest_field
from shelfwise.reranking.filters._lexer import Token, fail, tokens_of, unquoted

MAX_DEPTH = 32
MAX_NODES = 200

Value = Decimal | str | bool | Field | None
_SYNONYMS = {"==": "=", "<>": "!="}
_WORDS = ("and", "or", "not", "in", "contains", "starts_with", "true", "false", "null")


@dataclass(frozen=True, slots=True)
class Constant:
    """Always this."""

    value: bool


@dataclass(frozen=True, slots=True)
class Test:
    """One question to one field. ``in`` has several values, everything else one."""

    field: Field
    operator: str  # "=", "<", "<=", ">", ">=", "in", "contains", "starts_with"; "!=" is Not of "="
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite, also where the field is absent."""

    term: Node


@dataclass(frozen=True, slots=True)
class Both:
    """All of these."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any of these."""

    terms: tuple[Node, ...]


Node = Constant | Test | Not | Both | Either


def parse(source: str) -> Node:
    """The tree of a filter. Raises FilterError (an InvalidField) with the place and what was expected there."""
    return _Parser(source).whole()


class _Parser:
    """Walks the tokens once; ``_here`` is the one to be read next."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens_of(source)
        self._index = 0
        self._depth = 0
        self._nodes = 0

    @property
    def _here(self) -> Token:
        return self._tokens[self._index]

    def whole(self) -> Node:
        node = self._either()
        if self._here.kind != "end":
            self._wrong("'and', 'or' or the end")
        return node

    def _either(self) -> Node:
        return self._chain("or", self._both, Either)

    def _both(self) -> Node:
        return self._chain("and", self._none, Both)

    def _chain(self, word: str, part: Callable[[], Node], join: Callable[[tuple[Node, ...]], Node]) -> Node:
        terms = [part()]
        while self._take_word(word):
            terms.append(part())
        return terms[0] if len(terms) == 1 else self._counted(join(tuple(terms)))

    def _none(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            fail(self._source, self._here.position, f"at most {MAX_DEPTH} levels of nesting")
        node = self._plain()
        self._depth -= 1
        return node

    def _plain(self) -> Node:
        if self._take_word("not"):
            return self._counted(Not(self._none()))
        if self._take_op("("):
            node = self._either()
            self._expect(")")
            return node
        for word, value in (("true", True), ("false", False)):
            if self._take_word(word):
                return self._counted(Constant(value))
        return self._test()

    def _test(self) -> Node:
        field = self._field()
        negated = self._take_word("not")
        for word in ("in", "contains", "starts_with"):
            if self._take_word(word):
                return self._counted(self._word_test(field, word, negated=negated))
        if negated:
            self._wrong("'in', 'contains' or 'starts_with' after 'not'")
        return self._counted(self._comparison(field))

    def _word_test(self, field: Field, word: str, *, negated: bool) -> Node:
        self._check_operator(field, word)
        values = self._list(field) if word == "in" else (self._needle(field, word),)
        test = Test(field, word, values)
        return Not(test) if negated else test

    def _comparison(self, field: Field) -> Node:
        operator = _SYNONYMS.get(self._here.text, self._here.text)
        if self._here.kind != "op" or operator not in COMPARISONS:
            self._wrong(f"an operator after {field.name} ({', '.join(field.operators)})")
        self._check_operator(field, operator)
        self._index += 1
        value = self._value(field, operator)
        if operator == "!=":
            return Not(Test(field, "=", (value,)))
        return Test(field, operator, (value,))

    def _list(self, field: Field) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value(field, "in")]
        while self._take_op(","):
            values.append(self._value(field, "in"))
        self._expect(")")
        return tuple(values)

    def _needle(self, field: Field, word: str) -> str:
        token = self._here
        if token.kind != "text":
            self._wrong(f"a 'text' after {word}")
        self._index += 1
        if not unquoted(token):
            fail(self._source, token.position, f"a text of at least one character after {field.name} {word}")
        return unquoted(token)

    def _field(self) -> Field:
        token = self._here
        if token.kind != "name" or token.text.lower() in _WORDS:
            self._wrong("a field")
        found = field_called(token.text)
        if found is None:
            self._unknown(token)
        self._index += 1
        return found

    def _value(self, field: Field, operator: str) -> Value:
        token = self._here
        self._count()
        value = self._literal(token)
        complaint = _complaint(field, operator, value)
        if complaint:
            fail(self._source, token.position, complaint)
        self._index += 1
        return value

    def _literal(self, token: Token) -> Value:
        if token.kind == "number":
            return self._number(token)
        if token.kind == "text":
            return unquoted(token)
        word = token.text.lower()
        if token.kind == "name" and word in ("true", "false", "null"):
            return None if word == "null" else word == "true"
        if token.kind != "name" or word in _WORDS:
            self._wrong("a number, a 'text', true, false, null or a field")
        found = field_called(token.text)
        if found is None:
            fail(self._source, token.position, f"a value; write texts in quotes, such as '{token.text}',")
        return found

    def _number(self, token: Token) -> Decimal:
        if len(token.text) > 20:
            fail(self._source, token.position, "a number of at most 20 characters")
        return Decimal(token.text)

    def _check_operator(self, field: Field, operator: str) -> None:
        if operator not in field.operators:
            allowed = ", ".join(field.operators)
            place = self._tokens[self._index - (operator.isidentifier())].position
            fail(self._source, place, f"one of {allowed} for {field.name}, not {operator},")

    def _counted(self, node: Node) -> Node:
        self._count()
        return node

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            fail(self._source, self._here.position, f"at most {MAX_NODES} tests and values")

    def _take_word(self, word: str) -> bool:
        if self._here.kind == "name" and self._here.text.lower() == word:
            self._index += 1
            return True
        return False

    def _take_op(self, sign: str) -> bool:
        if self._here.kind == "op" and self._here.text == sign:
            self._index += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take_op(sign):
            self._wrong(f"{sign!r}")

    def _wrong(self, expected: str) -> NoReturn:
        token = self._here
        got = "the end" if token.kind == "end" else repr(token.text)
        near = get_close_matches(token.text.lower(), _WORDS, n=1) if token.kind == "name" else []
        hint = f" (did you mean {near[0]!r}?)" if near and near[0] != token.text.lower() else ""
        fail(self._source, token.position, f"{expected}, not {got}{hint},")

    def _unknown(self, token: Token) -> NoReturn:
        near = nearest_field(token.text)
        hint = f" (did you mean {near!r}?)" if near else ""
        fail(self._source, token.position, f"the name of a field, not {token.text!r}{hint},")


def _complaint(field: Field, operator: str, value: Value) -> str | None:
    """What is wrong with comparing this field so; None if nothing is."""
    if value is None:
        return (
            None
            if operator in (*EQUALITY, "in")
            else f"a value after {operator}; null is neither more nor less,"
        )
    if isinstance(value, Field):
        return _field_complaint(field, operator, value)
    if field.type in ("money", "number"):
        fits = isinstance(value, Decimal)
        return None if fits else f"a number for {field.name}, not {_shown(value)},"
    if field.is_attribute:
        numeric = operator not in (*EQUALITY, "in")
        return f"a number after {operator}," if numeric and not isinstance(value, Decimal) else None
    return None if isinstance(value, str) else f"a 'text' for {field.name}, not {_shown(value)},"


def _field_complaint(field: Field, operator: str, other: Field) -> str | None:
    if operator == "in":
        return "a value inside 'in (...)', not a field,"
    same_number = field.type == other.type and field.type in ("money", "number")
    text_of_context = field.type in ("text", "texts") and other.type == "text" and other.home == "context"
    if same_number or (text_of_context and field.home != "context"):
        return None
    return f"something that {field.name} can be compared with, not {other.name},"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, Decimal) else repr(value)
