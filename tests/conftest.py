"""What all tests share: a real PostgreSQL and Dovecot, and the rule that nothing is skipped where all can be had."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.dovecot import Dovecot
from tests.ports import free_port


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


class PostgreSQLServer:
    """A PostgreSQL of our own in a directory of its own; `url` has no database."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._place = Path(tempfile.mkdtemp(prefix="aduan-pg-"))
        self._place.chmod(0o711)
        self._prefix: list[str] = []
        if os.geteuid() == 0:  # the server refuses to run as root
            self._prefix = [
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "env",
                f"HOME={self._place}",
            ]
            shutil.chown(self._place, "postgres", "postgres")
        self._port = free_port()
        self.url = f"postgresql://aduan@127.0.0.1:{self._port}"
        self._process: subprocess.Popen | None = None
        initdb = [
            "initdb",
            "-D",
            f"{self._place}/data",
            "-U",
            "aduan",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]
        self._run(initdb).wait()

    def start(self) -> None:
        """Start it and return once it answers."""
        settings = {"listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": self._place}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._run(["postgres", "-D", f"{self._place}/data", *options])
        for _ in range(2000):
            try:
                psycopg.connect(f"{self.url}/postgres", connect_timeout=1).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    break
            else:
                return
        pytest.fail((self._place / "log").read_text())

    def stop(self) -> None:
        """Stop it at once, cutting every connection; what was committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def _run(self, command: list[str]) -> subprocess.Popen:
        program, *words = command
        with (self._place / "log").open("a") as log:
            return subprocess.Popen([*self._prefix, str(self._binaries / program), *words], stdout=log, stderr=log)


def _installed_server() -> PostgreSQLServer:
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server programs are not installed")
    return PostgreSQLServer(binaries)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """The server that tests share, each with a database of its own. Skips where there is none."""
    server = _installed_server()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_postgresql_server() -> Iterator[PostgreSQLServer]:
    """A server for one test alone, which may stop and start it."""
    server = _installed_server()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQLServer) -> Iterator[str]:
    """Give the URL of an empty database of its own."""
    url = postgresql_server.new_database()
    yield url
    with psycopg.connect(f"{postgresql_server.url}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path: Path) -> str:
    """Give an empty database, once of each kind: what is tested with it is true of both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/aduan.db"
    return request.getfixturevalue("postgresql_url")


def _installed_dovecot() -> Dovecot:
    if shutil.which("dovecot") is None:
        pytest.skip("Dovecot is not installed")
    server = Dovecot()
    server.start()
    return server


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """The mail server that tests share, each with a user of its own. Skips where it is not installed."""
    server = _installed_dovecot()
    yield server
    server.remove()


@pytest.fixture
def own_dovecot() -> Iterator[Dovecot]:
    """A mail server for one test alone, which may stop and start it."""
    server = _installed_dovecot()
    yield server
    server.remove()
