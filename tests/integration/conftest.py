"""What integration tests share: a clock that is moved, a real store on SQLite, a desk over it, a server on loopback."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from connectors import registry
from core import model
from router.desk import Desk
from router.offices import Office, Offices
from sla import calendar, clocks
from storage import dialect, schema
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault
from web import application

PUBLIC_URL = "https://aduan.contoh.id"


class MovableClock:
    """Stands still, on a Monday morning within service hours, until a test moves it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def store(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Store]:
    database = dialect.open_database(f"sqlite:///{tmp_path / 'aduan.db'}")
    schema.migrate(database)
    store = Store(database, Vault((secrets.token_bytes(32),)), clock)
    store.start()
    yield store
    await store.stop()


def make_office(office_id: str, prefix: str) -> Office:
    return Office(
        id=office_id,
        name=f"Dinas Kependudukan dan Pencatatan Sipil {office_id.replace('-', ' ').title()}",
        short_name=f"Dukcapil {office_id.replace('-', ' ').title()}",
        zone=ZoneInfo("Asia/Jakarta"),
        number_prefix=prefix,
        weekly=calendar.DEFAULT_WEEKLY,
        periods=(),
        reading=clocks.Reading.CALENDAR,
        burst_window=timedelta(seconds=60),
        reopen_within=timedelta(days=14),
        acknowledge_further=True,
        tracking_url=f"{PUBLIC_URL}/lacak",
    )


@pytest.fixture
async def make_desk(store: Store, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Callable[..., Desk]]:
    """Build a desk for offices (id -> prefix) and accounts (name, channel, office), with real connectors."""
    connectors = {}

    def make(offices: dict[str, str], accounts: Sequence[tuple[str, str, str]]) -> Desk:
        known = {}
        for name, channel, office_id in accounts:
            entry = registry.CHANNELS[channel]
            values = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["token"], "sender": "+6281200000001"}
            given = values if entry.settings.model_fields else {}
            connectors[name] = entry.create(name, entry.settings.model_validate(given), PUBLIC_URL)
            known[name] = model.Account(name, channel, office_id, entry.capabilities)
        kept = Offices(make_office(*each) for each in offices.items())
        return Desk(store, FileStore(tmp_path / "files"), kept, known, connectors, clock)

    yield make
    for connector in connectors.values():
        if hasattr(connector, "close"):
            await connector.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    accounts = [("wa", "whatsapp", "kota-contoh"), ("formulir", "webform", "kota-contoh")]
    return make_desk({"kota-contoh": "ADU"}, accounts)


Serve = Callable[..., Awaitable[web.AppRunner]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start the web application over a desk on a loopback port, as `aduan web` does; its settings may be given.

    The server's address is `runner.addresses[0]`.
    """
    runners = []

    async def start(desk: Desk, routes: Sequence[web.AbstractRouteDef], **settings: object) -> web.AppRunner:
        settings = {"public_url": PUBLIC_URL, **settings}
        runner = web.AppRunner(application.create(desk, application.Settings(**settings), routes), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        await runner.cleanup()
