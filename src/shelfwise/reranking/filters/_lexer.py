"""From filter text to tokens, each with the place it stands at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from shelfwise.domain import InvalidField

MAX_LENGTH = 2_000  # characters: some 60 comparisons, more than a person keeps in mind

Kind = Literal["name", "number", "text", "op", "end"]

_TOKEN = re.compile(
    r"""(?P<number>-?\d+(?:\.\d+)?)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<name>[^\W\d]\w*(?:\.(?:\w+|'[^']*'))*)
    |(?P<op><=|>=|!=|<>|==|[=<>(),])""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")


class FilterError(InvalidField):
    """A filter that cannot be read. ``position`` is the character where it went wrong, from 0."""

    def __init__(self, field: str, value: object, rule: str, position: int = 0) -> None:
        super().__init__(field, value, rule)
        self.args = (field, value, rule, position)
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the language. ``text`` is as written; quotes of a text are still on it."""

    kind: Kind
    text: str
    position: int


def tokens_of(source: str) -> list[Token]:
    """All tokens and an ``end``. Raises FilterError for a sign that is none of ours."""
    if len(source) > MAX_LENGTH:
        raise FilterError("filter", source, f"at most {MAX_LENGTH:,} characters, not {len(source):,}")
    found, place = [], _skip_space(source, 0)
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            fail(source, place, _unreadable(source[place]))
        found.append(Token(match.lastgroup or "op", match.group(), place))  # type: ignore[arg-type]
        place = _skip_space(source, match.end())
    return [*found, Token("end", "", len(source.rstrip()))]


def fail(source: str, position: int, rule: str) -> NoReturn:
    """Raise FilterError: the rule, the place in words, and the place under a caret."""
    message = f"{rule} at character {position + 1}\n{_excerpt(source, position)}"
    raise FilterError("filter", source, message, position)


def unquoted(token: Token) -> str:
    """What stands between the quotes; a doubled quote is one."""
    quote = token.text[0]
    return token.text[1:-1].replace(quote * 2, quote)


def _skip_space(source: str, place: int) -> int:
    match = _SPACE.match(source, place)
    return match.end() if match else place


def _unreadable(sign: str) -> str:
    if sign in "'\"":
        return f"a closing {sign} for the text that begins"
    return f"a field, a number, a 'text' or an operator, not {sign!r},"


def _excerpt(source: str, position: int, around: int = 30) -> str:
    """The line around a place, and a caret below it."""
    start, stop = max(0, position - around), position + around
    shown = "".join(" " if sign.isspace() else sign for sign in source[start:stop])
    head = "..." if start else ""
    tail = "..." if stop < len(source) else ""
    return f"  {head}{shown}{tail}\n  {' ' * (len(head) + position - start)}^"
