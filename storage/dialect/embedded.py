"""SQLite: a file, and one process."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from core import errors


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
