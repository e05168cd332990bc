"""Tables of the control store, and how an older database is brought to them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from shelfwise.domain import StoreUnavailable

HEAD = "0001"  # the newest step in ``migrations/versions``

metadata = sa.MetaData()

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("kind", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("etag", sa.String(64), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
)

generations = sa.Table(
    "generations",
    metadata,
    sa.Column("kind", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("source", sa.String(1_000)),
    sa.Column("row", sa.String(255)),
    sa.Column("field", sa.String(1_000)),
    sa.Column("value", sa.String(1_000)),
    sa.Column("rule", sa.String(1_000)),
)


def upgrade(engine: sa.Engine) -> None:
    """Run the steps that this database has not seen yet, in one transaction; costs a look if there are none.

    Raises:
        StoreUnavailable: The database was made by a newer version than this.
    """
    with engine.connect() as connection:
        revision = revision_of(connection)
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise StoreUnavailable(f"control store has revision {revision!r}; expected at most {HEAD!r}")
    with engine.begin() as connection:
        _run_steps(connection)


def revision_of(connection: sa.Connection) -> str | None:
    """The newest step this database has seen; None if none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _run_steps(connection: sa.Connection) -> None:
    from alembic import command  # here, because workers open this store and have no use for a 0.2 s import
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))  # it would interpolate
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
