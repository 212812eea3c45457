"""The only place that knows SQLite from PostgreSQL: connections, transactions, errors, waking other processes."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from core import errors


class Database(Protocol):
    """One database, whatever its kind. Connections belong to the thread that opened them."""

    dialect: Dialect
    writer_threads: int

    def engine(self) -> sa.Engine:
        """Return an engine of SQLAlchemy's, for migrations: whole steps in one transaction."""

    def connect(self, *, read_only: bool) -> Any: ...
    def begin(self, connection: Any) -> None: ...
    def is_unavailable(self, error: Exception) -> bool:
        """Whether the database itself cannot be used now (as opposed to a statement it refused)."""

    def is_conflict(self, error: Exception) -> bool:
        """Whether another transaction was in the way, so that the same act may succeed if tried again."""

    def announce(self, connection: Any, events: Sequence[tuple[str, str, str]]) -> None:
        """Tell other processes, at the commit of this transaction."""

    def listen(self, heard: Callable[[tuple[str, str, str]], None], stop: threading.Event) -> None:
        """Block, calling `heard` for what any process announced, until `stop`."""

    def guard(self) -> contextlib.AbstractContextManager[None]:
        """Refuse a second process where the database takes only one."""

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy to a new file, while others write. ConfigError when it cannot be made."""

    def restore_from(self, source: Path) -> None:
        """Make the empty database what `copy_to` wrote. ConfigError when it is not empty, or cannot be."""


def open_database(url: str) -> Database:
    """Return the database of a URL: `sqlite:///path` or `postgresql://user@host/name`."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        from storage.dialect.embedded import SQLite  # noqa: PLC0415 - the other's driver is not loaded

        return SQLite(Path(unquote(url.removeprefix("sqlite:///"))))
    if scheme in ("postgresql", "postgres"):
        from storage.dialect.server import PostgreSQL  # noqa: PLC0415

        return PostgreSQL(url)
    raise errors.ConfigError([f"storage.url: unknown kind of database: {scheme or '(none)'}"])


def insert_or_ignore(table: sa.Table, dialect_name: str) -> Any:
    """Return an INSERT that a uniqueness of the table turns into nothing."""
    return (postgresql.insert(table) if dialect_name == "postgresql" else sqlite.insert(table)).on_conflict_do_nothing()


def lock_until_commit(dialect_name: str) -> Any:
    """Return a statement after which only we act on the parameter `name`; None where there is but one writer."""
    if dialect_name != "postgresql":
        return None
    return sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("name", type_=sa.Text), 0)))
