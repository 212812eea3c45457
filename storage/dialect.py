"""The only file that knows SQLite from PostgreSQL: connections, transactions, errors, waking other processes."""

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from core import errors

_CHANNEL = "aduan"
_MIGRATION_LOCK = 4_106_115  # any number, the same in every process
_NOTIFY_LIMIT = 7000  # PostgreSQL refuses payloads of 8000 bytes


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
        return SQLite(Path(unquote(url.removeprefix("sqlite:///"))))
    if scheme in ("postgresql", "postgres"):
        return PostgreSQL(url)
    raise errors.ConfigError([f"storage.url: unknown kind of database: {scheme or '(none)'}"])


class SQLite:
    """One file, one process. WAL: readers and the one writer do not wait for each other."""

    writer_threads = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dialect: Dialect = sqlite.dialect(paramstyle="qmark")
        self.dialect.dbapi = sqlite3  # type: ignore[assignment]

    def connect(self, *, read_only: bool) -> sqlite3.Connection:
        if not read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=5,
            cached_statements=512,
            check_same_thread=False,
        )
        pragmas = ["PRAGMA busy_timeout = 5000", "PRAGMA foreign_keys = ON", "PRAGMA cache_size = -16000"]
        if not read_only:
            # FULL: a complaint office has power cuts; with group commit it costs nothing against NORMAL.
            # Checkpoints at 16 MB: under load the same pages change again and again.
            pragmas += ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 4000"]
        for pragma in pragmas:
            connection.execute(pragma)
        return connection

    def engine(self) -> sa.Engine:
        engine = sa.create_engine(f"sqlite:///{self.path}")

        # Python's driver would begin no transaction before a change of the schema.
        @sa.event.listens_for(engine, "connect")
        def _leave_to_us(connection: Any, _: Any) -> None:
            connection.isolation_level = None

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # a deferred transaction that upgrades fails at once with "locked"

    def is_unavailable(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.OperationalError | sqlite3.InterfaceError) or (
            type(error) is sqlite3.DatabaseError
        )

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.IntegrityError)

    def announce(self, connection: Any, events: Sequence[tuple[str, str, str]]) -> None:
        """Nobody else to tell."""

    def listen(self, heard: Callable[[tuple[str, str, str]], None], stop: threading.Event) -> None:  # noqa: ARG002
        stop.wait()

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{self.path}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.ConfigError(
                    [f"storage.url: another aduan process uses {self.path}; SQLite takes one process, PostgreSQL many"]
                ) from None
            yield

    def copy_to(self, target: Path) -> None:
        if not self.path.exists():
            raise errors.ConfigError([f"storage.url: {self.path}: there is no database"])
        with (
            contextlib.closing(self.connect(read_only=True)) as ours,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            ours.backup(copy)

    def restore_from(self, source: Path) -> None:
        if self.path.exists():
            raise errors.ConfigError([f"storage.url: {self.path}: exists; a restore never overwrites"])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, self.path)
        self.path.chmod(0o600)


class PostgreSQL:
    """A server; any number of processes."""

    writer_threads = 3

    def __init__(self, url: str) -> None:
        self._url = url
        self.dialect: Dialect = postgresql.psycopg.dialect(paramstyle="numeric_dollar")
        self.dialect.dbapi = psycopg  # type: ignore[assignment]

    def engine(self) -> sa.Engine:
        engine = sa.create_engine(sa.make_url(self._url).set(drivername="postgresql+psycopg"))

        # Two processes that migrate at once: the second waits for the first, and finds nothing left to do.
        @sa.event.listens_for(engine, "connect")
        def _one_at_a_time(connection: Any, _: Any) -> None:
            connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
            connection.commit()

        return engine

    def connect(self, *, read_only: bool) -> psycopg.Connection[Any]:
        options = "-c timezone=UTC -c statement_timeout=30000"
        if read_only:
            # One consistent view: an audit verified while others write must not see a row without its chain's head.
            options += " -c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            options=options,
            connect_timeout=5,
            application_name="aduan",
            cursor_factory=psycopg.RawCursor,  # others look for placeholders in every long statement anew
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
        connection.prepare_threshold = 2
        connection.prepared_max = 500
        return connection

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("BEGIN")

    def is_unavailable(self, error: Exception) -> bool:
        # The last: a value too long for an index. To tell its sender to try again would repeat it for ever.
        if isinstance(
            error,
            psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure | psycopg.errors.ProgramLimitExceeded,
        ):
            return False
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(
            error,
            psycopg.errors.UniqueViolation | psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure,
        )

    def announce(self, connection: psycopg.Connection[Any], events: Sequence[tuple[str, str, str]]) -> None:
        payload = json.dumps(events)
        if len(payload) > _NOTIFY_LIMIT:
            payload = json.dumps(sorted({(office, topic, "*") for office, topic, _ in events}))
        connection.execute("SELECT pg_notify($1, $2)", (_CHANNEL, payload))

    def listen(self, heard: Callable[[tuple[str, str, str]], None], stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with self.connect(read_only=True) as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    while not stop.is_set():
                        for notice in connection.notifies(timeout=0.5):
                            for event in json.loads(notice.payload):
                                heard(tuple(event))
            except psycopg.Error:
                stop.wait(1)  # polling remains the truth

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        yield

    def copy_to(self, target: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={target}")

    def restore_from(self, source: Path) -> None:
        with contextlib.closing(self.connect(read_only=True)) as connection:
            found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if found is not None and found[0] is not None:
            raise errors.ConfigError(["storage.url: the database is not empty; a restore never overwrites"])
        self._run("pg_restore", "--exit-on-error", "--no-owner", str(source))

    def _run(self, program: str, *words: str) -> None:
        # A password goes by the environment: a command line is for all to see.
        url = sa.make_url(self._url)
        password = {"PGPASSWORD": str(url.password)} if url.password else {}
        command = [program, f"--dbname={url.set(password=None).render_as_string()}", *words]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | password)  # noqa: S603
        except FileNotFoundError:
            raise errors.ConfigError([f"{program} is needed for PostgreSQL and was not found"]) from None
        if done.returncode:
            raise errors.ConfigError([f"{program}: {(done.stderr.splitlines() or ['failed'])[0]}"])


def insert_or_ignore(table: sa.Table, dialect_name: str) -> Any:
    """Return an INSERT that a uniqueness of the table turns into nothing."""
    return (postgresql.insert(table) if dialect_name == "postgresql" else sqlite.insert(table)).on_conflict_do_nothing()
