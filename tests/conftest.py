"""What all tests share: a real PostgreSQL, and the rule that nothing is skipped where everything can be installed."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With CI=true a skipped test is a failed one: there, every counterpart can be had."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


def _server_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Start a PostgreSQL of our own; give its URL without a database. Skips where there is none."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server programs are not installed")
    place = Path(tempfile.mkdtemp(prefix="aduan-pg-"))
    place.chmod(0o711)
    prefix: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "env", f"HOME={place}"]
        shutil.chown(place, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    initdb = [
        str(binaries / "initdb"),
        "-D",
        f"{place}/data",
        "-U",
        "aduan",
        "--auth=trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run([*prefix, *initdb], check=True, capture_output=True)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": place, "max_connections": 60}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = (place / "log").open("w")
    server = subprocess.Popen(
        [*prefix, str(binaries / "postgres"), "-D", f"{place}/data", *options], stdout=log, stderr=log
    )
    url = f"postgresql://aduan@127.0.0.1:{port}"
    try:
        _await_server(f"{url}/postgres", server, place / "log")
        yield url
    finally:
        server.terminate()
        server.wait()
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def _await_server(url: str, server: subprocess.Popen, log: Path) -> None:
    # psql's own tool for waiting is not always installed; connecting is the proof anyway.
    for _ in range(2000):
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                pytest.fail(log.read_text())
        else:
            return
    pytest.fail(log.read_text())


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """Give the URL of an empty database of its own."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgresql_server}/{name}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path: Path) -> str:
    """Give an empty database, once of each kind: what is tested with it is true of both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/aduan.db"
    return request.getfixturevalue("postgresql_url")
