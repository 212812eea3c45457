"""A channel nobody has heard of: a connector, its line in the registry and its account, and it is a channel as any.

Nothing else is touched, as connectors/README.md promises; the table of channels there is compared in
tests/contract/test_registry.py.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import web
from pydantic import BaseModel, ConfigDict, SecretStr

from app import config, runtime, wiring
from app.toml_file import TomlFile
from connectors import registry
from core import errors, model, text
from router import people
from router.desk import Desk
from storage import tables
from tests.acceptance.providers import Inbox

SECRET, LONGEST = "rahasia merpati", 320
CONFIG = """
[server]
public_url = "http://127.0.0.1"
[storage]
url = "sqlite:///{place}/aduan.db"
[[office]]
id = "contoh"
name = "Dinas Dukcapil Kota Contoh"
[[account]]
name = "kandang"
channel = "pigeon"
office = "contoh"
secret = "env:TEST_PIGEON"
base_url = "{loft}"
"""


# --- The connector: all that somebody writes who adds a channel -------------------------------------------------------


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: SecretStr
    base_url: str


class Connector:
    """Pigeons carry small notes; the loft says when one has arrived."""

    channel = "pigeon"
    capabilities = model.Capabilities(
        label="Merpati pos", mark="MP", max_text=model.Limit(LONGEST), text_form=model.TextForm.SHORT, receipts=True
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verify(self, request):
        given = request.headers.get("x-ring", "").encode(errors="replace")
        if not hmac.compare_digest(ring(request.body).encode(), given):
            raise errors.SignatureError("not one of our rings")

    def parse(self, request):
        try:
            note = json.loads(request.body)
            if "arrived" in note:
                return [model.DeliveryReceipt(note["arrived"], model.DeliveryState.DELIVERED)]
            return [model.InboundMessage(note["id"], note["from"], text.clean(note["words"]))]
        except (ValueError, TypeError, KeyError):
            raise errors.PayloadError("not a note") from None

    def reply(self):
        return "text/plain", "coo"

    async def send(self, message):
        note = {"to": message.address, "words": message.text}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._settings.base_url}/fly", json=note, timeout=aiohttp.ClientTimeout(5)) as answer,
        ):
            return model.Sent((await answer.json())["id"])


def ring(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


# --- The program around it --------------------------------------------------------------------------------------------


@dataclass
class Loft:
    """The provider, and the office's service: both on loopback."""

    url: str = ""
    office: str = ""
    flown: list[dict[str, str]] = field(default_factory=list)

    async def fly(self, request: web.Request) -> web.Response:
        self.flown.append(await request.json())
        return web.json_response({"id": f"terbang-{len(self.flown)}"})

    async def bring(self, http: aiohttp.ClientSession, note: object, **headers: str) -> int:
        body = json.dumps(note).encode()
        async with http.post(f"{self.office}/hooks/kandang", data=body, headers={"X-Ring": ring(body), **headers}) as a:
            return a.status


@contextlib.asynccontextmanager
async def served(runner: web.AppRunner) -> AsyncIterator[str]:
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def loft():
    it = Loft()
    application = web.Application()
    application.router.add_post("/fly", it.fly)
    async with served(web.AppRunner(application)) as it.url:
        yield it


@pytest.fixture
async def desk(loft, tmp_path, monkeypatch):
    entry = registry.Entry(Settings, Connector.capabilities, lambda _, settings, __: Connector(settings))
    monkeypatch.setitem(registry.CHANNELS, "pigeon", entry)  # its line in the registry
    written = CONFIG.format(place=tmp_path, loft=loft.url)
    configured = config.read(TomlFile("test", written, tmp_path, {"TEST_PIGEON": SECRET}))
    await asyncio.to_thread(wiring.prepare, configured)
    async with runtime.opened(wiring.desk(configured, {})) as desk:
        await people.add(desk, "contoh", "dewi", "Dewi Lestari", model.Role.ADMIN, Inbox.PASSWORD)
        async with served(wiring.server(wiring.website(configured, desk, None), 1)) as loft.office:
            yield desk, wiring.worker(desk)


async def test_a_channel_is_added_by_its_connector_alone(desk, loft):
    at, worker = desk
    async with aiohttp.ClientSession() as http:
        note = {"id": "n-1", "from": "atap-7", "words": "KTP saya belum jadi"}
        assert await loft.bring(http, note, **{"X-Ring": "palsu"}) == 403
        assert [await loft.bring(http, note) for _ in range(3)] == [200] * 3
        await worker.deliver_due()
        [acknowledged] = loft.flown
        assert acknowledged["to"] == "atap-7"
        [number] = re.findall(r"ADU-\d{4}-\d{6}", acknowledged["words"])

        inbox = Inbox(http, loft.office)
        await inbox.sign_in("dewi")
        await inbox.answer(number, "KTP-el Ibu sudah dapat diambil. " * 20)
        while await worker.deliver_due():
            pass
        _, *parts = loft.flown
        assert "".join(part["words"] for part in parts).count("sudah dapat diambil") == 20
        assert len(parts) > 1
        assert all(len(note["words"]) <= LONGEST for note in loft.flown)

        arrived = [await loft.bring(http, {"arrived": f"terbang-{n}"}) for n in range(1, len(loft.flown) + 1)]
        assert set(arrived) == {200}
        page = await inbox.timeline(number)
        assert "Merpati pos" in page
        assert "KTP saya belum jadi" in page
        assert await delivered(at) == ["delivered"] * len(loft.flown)
        assert await loft.bring(http, {"words": "tanpa pengirim"}) == 200  # kept all the same
        assert "Merpati pos" in await inbox.timeline("karantina")


async def delivered(desk: Desk) -> list[str]:
    return [row.state for row in await desk.store.read(lambda tx: tx.all_once(sa.select(tables.outbox.c.state)))]


async def test_its_settings_are_checked_as_all_others(loft, tmp_path, monkeypatch):
    entry = registry.Entry(Settings, Connector.capabilities, lambda _, settings, __: Connector(settings))
    monkeypatch.setitem(registry.CHANNELS, "pigeon", entry)
    written = CONFIG.format(place=tmp_path, loft=loft.url) + 'colour = "putih"\n'
    with pytest.raises(errors.ConfigError, match="colour"):
        config.read(TomlFile("test", written, tmp_path, {"TEST_PIGEON": SECRET}))
