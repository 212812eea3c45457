"""A desk over a real database, with the simulator's stand-in as provider, and a clock that the test sets."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import config, wiring
from app.toml_file import TomlFile
from core import model, ports
from router import holidays, intake
from router.delivery import DeliveryWorker
from router.desk import Desk
from simulator import twilio, twilio_api
from storage import dialect, people, schema
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault

WEDNESDAY_MORNING = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)  # 10.00 WIB, an ordinary working day
PUBLIC_URL = "https://aduan.contoh.go.id"
CITIZEN = "+6281200000001"


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    at: datetime = WEDNESDAY_MORNING

    def now(self) -> datetime:
        return self.at

    def forward(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@dataclass
class World:
    """An office at work: its desk, clock, provider, and ways to be a citizen or an admin."""

    desk: Desk
    clock: SetClock
    provider: twilio.TwilioStandIn
    people: dict[str, model.Person] = field(default_factory=dict)

    @property
    def admin(self) -> model.Person:
        return self.people["admin"]

    @property
    def supervisor(self) -> model.Person:
        return self.people["pengawas"]

    async def arrives(
        self, text: str = "KTP saya belum jadi", account: str = "wa", sender: str = CITIZEN, **more: Any
    ) -> str:
        """A citizen's message reaches intake as its connector reads it; returns the provider's id."""
        provider_id = (
            more.pop("provider_id", None)
            or f"SM{hashlib.sha256(f'{text}{sender}{self.clock.at}'.encode()).hexdigest()[:32]}"
        )
        scheme = "whatsapp:" if account == "wa" else ""
        inbound = model.InboundMessage(provider_id, f"{scheme}{sender}", text, **more)
        request = ports.RawRequest(account, f"/hooks/{account}", {}, text.encode(), self.clock.at)
        await intake.receive_message(self.desk, request, inbound, "webhook")
        return provider_id

    async def look(self, act: Callable[..., Any], *args: Any) -> Any:
        return await self.desk.store.read(act, *args)

    async def rows(self, table: str, where: str = "1=1") -> list[Any]:
        """Read a table as it is: for facts that no use case shows."""
        import sqlalchemy as sa

        from storage import tables

        found = tables.metadata.tables[table]
        return await self.desk.store.read(
            lambda tx: tx.all_once(sa.select(found).where(sa.text(where)).order_by(*found.primary_key))
        )

    async def deliver(self) -> None:
        """Let the delivery worker send everything that is due now, and the provider report."""
        worker = DeliveryWorker(self.desk, poll_seconds=0.01)
        while await worker.deliver_due():
            pass
        await self.provider.settle()


CONFIG = """
[server]
public_url = "{public_url}"
[[office]]
id = "contoh"
name = "Dinas Dukcapil Kota Contoh"
short_name = "Dukcapil Contoh"
[[account]]
name = "wa"
channel = "whatsapp"
office = "contoh"
[[account]]
name = "sms"
channel = "sms"
office = "contoh"
[[account]]
name = "formulir"
channel = "webform"
office = "contoh"
"""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def world(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[World]:
    configured = config.read(TomlFile("test", CONFIG.format(public_url=PUBLIC_URL), tmp_path, {}))
    database = dialect.open_database(database_url)
    await asyncio.to_thread(schema.migrate, database)
    provider = twilio.TwilioStandIn(clock)
    async with twilio_api.serve(provider) as base_url:
        credentials = {}
        for name, sender in (("wa", "whatsapp:+6281200009000"), ("sms", "+6281200009001")):
            sid = "AC" + hashlib.md5(name.encode()).hexdigest()
            provider.register(sid, "token-of-" + name, f"{PUBLIC_URL}/hooks/{name}", senders=[sender])
            credentials[name] = {
                "account_sid": sid,
                "auth_tokens": ["token-of-" + name],
                "sender": sender,
                "base_url": base_url,
                "media_hosts": ["localhost"],
            }
        built = wiring.connect(configured, credentials)
        desk = Desk(
            store=Store(database, Vault((b"k" * 32,)), clock), files=FileStore(tmp_path / "files"),
            offices=wiring.offices(configured), accounts=built.accounts, connectors=built.connectors, clock=clock,
        )  # fmt: skip
        desk.store.start()
        await holidays.seed(desk)
        world = World(desk, clock, provider)
        for username, role in (
            ("admin", "admin"),
            ("pengawas", "supervisor"),
            ("auditor", "auditor"),
            ("kedua", "admin"),
        ):
            world.people[username] = await desk.store.write(
                people.add, "contoh", username, username.title(), model.Role(role), "no password", None, clock.at
            )
        yield world
        for connector in built.connectors.values():
            if hasattr(connector, "close"):
                await connector.close()
        await desk.store.stop()
