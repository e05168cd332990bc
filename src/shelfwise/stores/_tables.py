"""Tables of the control store, and how an older database is brought to them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

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
    """Run the steps that this database has not seen yet; costs a look at one row if there are none."""
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == HEAD:
            return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
