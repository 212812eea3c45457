"""Bringing the database to this release's schema, and telling whether it is there."""

from importlib import resources
from typing import Any

from core import errors
from storage import dialect

HEAD = "0002"  # the newest file in migrations/versions; a test compares


def revision(database: dialect.Database) -> str | None:
    """Return the schema's revision, None for an empty database."""
    connection = database.connect(read_only=False)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except Exception as error:
        if "alembic_version" not in str(error):
            raise
        return None
    finally:
        connection.close()
    return None if row is None else str(row[0])


def migrate(database: dialect.Database) -> bool:
    """Bring the schema to HEAD, each step in a transaction of its own; return whether anything was done."""
    if revision(database) == HEAD:
        return False
    from alembic import command  # noqa: PLC0415

    engine = database.engine()
    try:
        with engine.connect() as connection:
            command.upgrade(_config(connection), "head")
            connection.commit()
    finally:
        engine.dispose()
    return True


def require_current(database: dialect.Database) -> None:
    """ConfigError unless the schema is this release's."""
    found = revision(database)
    if found != HEAD:
        raise errors.ConfigError(
            [f"storage.url: the schema is {found or 'missing'}, this release needs {HEAD}: run `aduan migrate`"]
        )


def _config(connection: Any) -> Any:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(resources.files("storage") / "migrations"))
    config.attributes["connection"] = connection
    return config
