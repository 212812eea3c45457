"""The databases that are measured, and what they write when nothing but a driver stands before them."""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from storage import dialect, schema

# What one intake writes, table by table, in an order that every reference allows; rows ordered by their complaint.
_WRITTEN = {
    "raw_item": "SELECT r.* FROM raw_item r JOIN message m ON m.raw_id = r.id ORDER BY m.complaint_id",
    "contact": "SELECT t.* FROM contact t JOIN complaint c ON c.contact_id = t.id ORDER BY c.id",
    "complaint": "SELECT * FROM complaint ORDER BY id",
    "message": "SELECT * FROM message ORDER BY complaint_id, id",
    "deadline": "SELECT * FROM deadline ORDER BY complaint_id",
    "outbox": "SELECT * FROM outbox ORDER BY complaint_id",
    "audit": "SELECT * FROM audit WHERE chain <> 0 ORDER BY chain",
}

_REGISTER = "INSERT INTO register VALUES ('contoh', 2026, 1) ON CONFLICT (office_id, year) DO UPDATE SET last = 1"


@contextlib.contextmanager
def sqlite(place: Path) -> Iterator[str]:
    """Give the URL of a database that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="database-", dir=place) as folder:
        yield f"sqlite:///{folder}/aduan.db"


@contextlib.contextmanager
def postgresql(place: Path) -> Iterator[str | None]:
    """Run a PostgreSQL of our own with its default settings; give its URL, None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        yield None
        return
    binaries = (found[-1] if found else Path(str(on_path))).parent
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir=place))
    prefix: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        place.chmod(0o711)
        shutil.chown(folder, "postgres", "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "env", f"HOME={folder}"]
    initdb = [
        str(binaries / "initdb"),
        "-D",
        f"{folder}/data",
        "-U",
        "aduan",
        "--auth=trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run([*prefix, *initdb], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("w") as log:
        command = [*prefix, str(binaries / "postgres"), "-D", f"{folder}/data", *options]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"postgresql://aduan@127.0.0.1:{port}"
    try:
        _await(f"{url}/postgres", server)
        yield url
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def fresh(server: str) -> Iterator[str]:
    """Give the URL of an empty database of a server."""
    name = f"b{time.monotonic_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Written:
    """Every row that intake wrote, per table."""

    rows: dict[str, list[Any]]

    @property
    def complaints(self) -> int:
        return len(self.rows["complaint"])


def written(url: str, most: int) -> Written:
    """Read back what intake wrote for its first `most` complaints."""
    connection: Any = psycopg.connect(url) if url.startswith("postgresql") else sqlite3.connect(_path(url))
    rows = {table: connection.execute(query).fetchall() for table, query in _WRITTEN.items()}
    connection.close()
    count = len(rows["complaint"])
    # A few messages may have come twice; only tables with so many rows per complaint can be cut into batches.
    return Written({t: found[: len(found) // count * min(count, most)] for t, found in rows.items()})


def group_commit(url: str, content: Written, batch: int) -> float:
    """Write the same rows into an empty database by the driver alone, `batch` complaints a commit; return them/s."""
    database = dialect.open_database(url)
    schema.migrate(database)
    connection: Any = database.connect(read_only=False)
    inserts = {t: _insert(url, t, len(rows[0])) for t, rows in content.rows.items()}
    begun = time.perf_counter()
    for first in range(0, content.complaints, batch):
        database.begin(connection)
        cursor = connection.cursor()
        for table, rows in content.rows.items():
            each = len(rows) // content.complaints
            cursor.executemany(inserts[table], rows[first * each : (first + batch) * each])
        cursor.execute(_REGISTER)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return content.complaints / seconds


def _insert(url: str, table: str, columns: int) -> str:
    marks = ["?" if url.startswith("sqlite") else f"${i + 1}" for i in range(columns)]
    return f"INSERT INTO {table} VALUES ({', '.join(marks)})"


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start")
