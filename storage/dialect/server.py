"""PostgreSQL: a server, and any number of processes."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from core import errors

_CHANNEL = "aduan"
_MIGRATION_LOCK = 4_106_115  # any number, the same in every process
_NOTIFY_LIMIT = 7000  # PostgreSQL refuses payloads of 8000 bytes


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
