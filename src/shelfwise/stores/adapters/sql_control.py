"""Rules, keys, audit and dead letters in SQL, by SQLAlchemy Core: SQLite when embedded, any other URL when not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from shelfwise.domain import Conflict, InvalidField, InvalidInput, StoreUnavailable
from shelfwise.stores._tables import audit, dead_letters, documents, generations, upgrade

MAX_LETTERS = 100_000  # the newest rejected rows that are kept
MAX_BODY = 256 << 10  # bytes of one document
BUSY_MS = 5_000  # a writer waits this long for another; changes of documents take a few ms


class SqlControl:
    """``ControlStore`` behind a SQLAlchemy URL, or in a SQLite file. Brings its tables up to date at opening.

    Args:
        place: A file, or a URL such as ``postgresql+psycopg://...``.
        read_only: Opens what is there and writes nothing.

    Raises:
        StoreUnavailable: It cannot be reached, is locked, or the disk is full.
    """

    def __init__(self, place: Path | str, *, read_only: bool = False) -> None:
        self.path = place if isinstance(place, Path) else None
        if self.path is not None and read_only and not self.path.exists():
            raise StoreUnavailable(f"{self.path} is not there yet; expected the keeper to have made it")
        self._engine = sa.create_engine(f"sqlite:///{place}" if isinstance(place, Path) else place)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        if not read_only:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with _reported():
                upgrade(self._engine)

    def put(
        self,
        kind: str,
        key: str,
        body: Mapping[str, Any],
        *,
        if_match: str | None,
        actor: str,
        at_us: int,
    ) -> str:
        """Write a document; its new etag. Raises Conflict if it changed, or exists and was to be new."""
        text = _text(kind, key, body)
        with self._changing() as connection:
            _move_generation(connection, kind)
            held = _held(connection, kind, key)
            _check_match(kind, key, held, if_match)
            version = 1 if held is None else held.version + 1
            etag = _etag(version, text)
            row = {
                "kind": kind,
                "key": key,
                "body": text,
                "etag": etag,
                "version": version,
                "updated_us": at_us,
            }
            if held is None:
                connection.execute(documents.insert().values(**row))
            else:
                connection.execute(documents.update().where(_is(kind, key)).values(**row))
            _note(connection, kind, key, actor, at_us, before=held.body if held else None, after=text)
        return etag

    def get(self, kind: str, key: str) -> tuple[dict[str, Any], str] | None:
        """Body and etag."""
        with self._reading() as connection:
            held = _held(connection, kind, key)
        return None if held is None else (json.loads(held.body), held.etag)

    def documents(
        self, kind: str, *, after: str = "", limit: int = 200
    ) -> list[tuple[str, dict[str, Any], str]]:
        """(key, body, etag) in key order."""
        wanted = (documents.c.kind == kind) & (documents.c.key > after)
        query = sa.select(documents.c.key, documents.c.body, documents.c.etag).where(wanted)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(documents.c.key).limit(limit)).all()
        return [(key, json.loads(body), etag) for key, body, etag in rows]

    def delete(self, kind: str, key: str, *, if_match: str | None, actor: str, at_us: int) -> bool:
        """Delete a document; False if there is none. Raises Conflict if it changed."""
        with self._changing() as connection:
            _move_generation(connection, kind)
            held = _held(connection, kind, key)
            if held is None:
                connection.rollback()
                return False
            _check_match(kind, key, held, if_match)
            connection.execute(documents.delete().where(_is(kind, key)))
            _note(connection, kind, key, actor, at_us, before=held.body, after=None)
        return True

    def forget(self, kind: str, key: str) -> int:
        """Remove a document and every audit line about it, to erase a person; how many rows went."""
        with self._changing() as connection:
            _move_generation(connection, kind)
            gone = connection.execute(documents.delete().where(_is(kind, key))).rowcount
            lines = audit.delete().where((audit.c.kind == kind) & (audit.c.key == key))
            return gone + connection.execute(lines).rowcount

    def generation(self, kind: str) -> int:
        """Grows with each change of this kind."""
        with self._reading() as connection:
            found = connection.execute(
                sa.select(generations.c.number).where(generations.c.kind == kind)
            ).scalar()
        return int(found or 0)

    def audit(self, *, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first: who changed what, when, from and to."""
        with self._reading() as connection:
            rows = (
                connection.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(limit)).mappings().all()
            )
        return [
            {**row, "before": _loaded(row["before"]), "after": _loaded(row["after"])}
            for row in (dict(found) for found in rows)
        ]

    def add_dead_letters(self, letters: Sequence[Mapping[str, Any]], *, at_us: int) -> None:
        """Keep rejected rows, the newest ``MAX_LETTERS``."""
        if not letters:
            return
        rows = [
            {"at_us": at_us} | {name: _cell(letter.get(name), name) for name in _LETTER} for letter in letters
        ]
        with self._changing() as connection:
            connection.execute(dead_letters.insert(), rows)
            newest = connection.execute(sa.select(sa.func.max(dead_letters.c.id))).scalar() or 0
            connection.execute(dead_letters.delete().where(dead_letters.c.id <= newest - MAX_LETTERS))

    def dead_letters(self, *, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first."""
        query = sa.select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings().all()]

    def copy_to(self, target: Path) -> None:
        """A consistent copy in another file (SQLite only)."""
        if self.path is None:
            raise InvalidInput("this control store is a server; copy it with the server's own tools")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with self._reading() as connection:
            connection.execute(sa.text("VACUUM INTO :target"), {"target": str(target)})

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        with _reported(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _reported(), self._engine.connect() as connection:
            yield connection


_LETTER = {"source": 1_000, "row": 255, "field": 1_000, "value": 1_000, "rule": 1_000}  # columns, widths


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Writers do not stop readers; a lock is waited for; what is committed survives a crash of the machine."""
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _move_generation(connection: sa.Connection, kind: str) -> None:
    """Count a change of a kind; until the transaction ends, others that would change this kind wait."""
    moved = connection.execute(
        generations.update().where(generations.c.kind == kind).values(number=generations.c.number + 1)
    )
    if moved.rowcount == 0:
        connection.execute(generations.insert().values(kind=kind, number=1))


def _held(connection: sa.Connection, kind: str, key: str) -> Any:
    query = sa.select(documents.c.body, documents.c.etag, documents.c.version).where(_is(kind, key))
    return connection.execute(query).first()


def _is(kind: str, key: str) -> sa.ColumnElement[bool]:
    return (documents.c.kind == kind) & (documents.c.key == key)


def _check_match(kind: str, key: str, held: Any, if_match: str | None) -> None:
    if if_match is None:
        return
    if if_match == "" and held is not None:
        raise Conflict(f"{kind} {key!r} exists already")
    if if_match and (held is None or held.etag != if_match):
        found = "is gone" if held is None else f"has etag {held.etag!r}"
        raise Conflict(f"{kind} {key!r} {found}; expected {if_match!r}")


def _note(
    connection: sa.Connection,
    kind: str,
    key: str,
    actor: str,
    at_us: int,
    *,
    before: str | None,
    after: str | None,
) -> None:
    row = {"kind": kind, "key": key, "actor": actor, "at_us": at_us, "before": before, "after": after}
    connection.execute(audit.insert().values(**row))


def _text(kind: str, key: str, body: Mapping[str, Any]) -> str:
    for name, value, most in (("kind", kind, 64), ("key", key, 255)):
        if not 1 <= len(value.encode()) <= most:
            raise InvalidField(name, value, f"1 to {most} bytes")
    text = json.dumps(dict(body), sort_keys=True, ensure_ascii=False)
    if len(text.encode()) > MAX_BODY:
        raise InvalidInput(f"{kind} {key!r} has {len(text.encode())} bytes; expected at most {MAX_BODY}")
    return text


def _etag(version: int, text: str) -> str:
    return f"{version}-{blake2b(text.encode(), digest_size=6).hexdigest()}"


def _loaded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _cell(value: Any, name: str) -> str | None:
    return None if value is None else str(value)[: _LETTER[name]]


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as trouble:
        reason = getattr(trouble, "orig", None) or trouble
        raise StoreUnavailable(f"control store: {reason}") from trouble
