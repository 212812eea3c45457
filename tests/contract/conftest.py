"""What the contracts of connectors share: forms signed by the vendor's own validator, and a provider on a real socket.

The forms under tests/fixtures are written after Twilio's documentation of its fields, one file per kind of event.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from connectors import registry, twilio
from connectors.meta import account as meta_account
from core import model, ports

FIXTURES = Path(__file__).parents[1] / "fixtures"
ACCOUNT_SID = "AC00000000000000000000000000000001"
TOKEN = "token-lama-0000"
PUBLIC_URL = "https://aduan.contoh.id"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def form() -> Callable[[str, str], bytes]:
    return lambda channel, name: (FIXTURES / channel / f"{name}.form").read_bytes()


@pytest.fixture
def sign() -> Callable[..., ports.RawRequest]:
    """Make the request as the provider would: `signed_url` is where it believes to call."""

    def make(body: bytes, target: str = "/hooks/wa", *, token: str = TOKEN, signed_url: str = "") -> ports.RawRequest:
        fields = MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
        signature = RequestValidator(token).compute_signature(signed_url or PUBLIC_URL + target, fields)
        return ports.RawRequest("wa", target, {"x-twilio-signature": signature, "host": "10.0.0.5:8080"}, body, NOW)

    return make


@pytest.fixture
async def connector() -> AsyncIterator[Callable[..., twilio.Connector]]:
    """Build connectors by the registry, as the program does, and close them afterwards."""
    made = []

    def make(channel: str, **settings: object) -> twilio.Connector:
        entry = registry.CHANNELS[channel]
        values = {"account_sid": ACCOUNT_SID, "auth_tokens": [TOKEN], "sender": "+6281200000001", **settings}
        made.append(entry.create("wa", entry.settings.model_validate(values), PUBLIC_URL))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def outbound() -> Callable[..., model.OutboundMessage]:
    def make(**changes: object) -> model.OutboundMessage:
        values = {
            "outbox_id": 7,
            "kind": model.MessageKind.ANSWER,
            "address": "whatsapp:+6281200001234",
            "text": "Yth. Ibu Siti, KTP-el Ibu sudah dapat diambil.",
            "reference": "7.1",
            **changes,
        }
        return model.OutboundMessage(**values)

    return make


@dataclass
class Seen:
    method: str
    path: str
    target: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Provider:
    """Answers requests with what was put into `answers`, in order (the last one for ever), and remembers them."""

    url: str = ""
    answers: list[Callable[[web.Request], object]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, status: int, body: object = b"", headers: dict[str, str] | None = None) -> None:
        def respond(request: web.Request) -> web.Response:
            if isinstance(body, dict):
                return web.json_response(body, status=status, headers=headers)
            return web.Response(status=status, body=body, headers=headers)

        self.answers.append(respond)

    def hang(self) -> None:
        """Read the next request, and answer only when the test is over."""

        async def respond(request: web.Request) -> web.Response:
            await self.released.wait()
            return web.Response()

        self.answers.append(respond)

    def drop(self) -> None:
        """Read the next request, and close the connection without a word."""

        async def respond(request: web.Request) -> web.Response:
            request.transport.abort()
            await self.released.wait()
            return web.Response()

        self.answers.append(respond)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fields = dict(await request.post())
        self.seen.append(
            Seen(request.method, request.path, request.raw_path, dict(request.query), fields, dict(request.headers))
        )
        respond = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        result = respond(request)
        return await result if asyncio.iscoroutine(result) else result


async def serve(provider: Provider) -> web.AppRunner:
    application = web.Application(client_max_size=2**22)
    application.router.add_route("*", "/{tail:.*}", provider.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    it = Provider()
    runner = await serve(it)
    yield it
    it.released.set()
    await runner.cleanup()


@pytest.fixture
async def storage() -> AsyncIterator[Provider]:
    """A second server, at another port: where media redirects lead."""
    it = Provider()
    runner = await serve(it)
    yield it
    it.released.set()
    await runner.cleanup()


META = {
    "app_id": "200000000000001",
    "app_secrets": ["rahasia-aplikasi"],
    "verify_token": "kata-kunci",
    "access_token": "token-halaman",
}
META_OWNERS = {
    "messenger": {"page_id": "100000000000001"},
    "facebook_comments": {"page_id": "100000000000001"},
    "instagram": {"instagram_id": "17800000000000001"},
    "instagram_comments": {"instagram_id": "17800000000000001"},
}


@pytest.fixture
async def meta_connector() -> AsyncIterator[Callable[..., meta_account.Connector]]:
    """Build connectors of Meta's channels by the registry, as the program does, and close them afterwards."""
    made = []

    def make(channel: str, **settings: object) -> meta_account.Connector:
        entry = registry.CHANNELS[channel]
        values = {**META, **META_OWNERS[channel], **settings}
        made.append(entry.create(channel, entry.settings.model_validate(values), PUBLIC_URL))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def meta_request() -> Callable[..., ports.RawRequest]:
    """Make the request as Meta would, signed over the very bytes of `body`."""

    def make(body: bytes, *, secret: str = "rahasia-aplikasi") -> ports.RawRequest:
        signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return ports.RawRequest("meta", "/hooks/meta", {"x-hub-signature-256": signature}, body, NOW)

    return make


@pytest.fixture
def meta_events(
    meta_connector: Callable[..., meta_account.Connector], meta_request: Callable[..., ports.RawRequest]
) -> Callable[[str, str], list[model.InboundEvent]]:
    """Return what a recorded webhook says, proven and read by the connector of its folder's channel."""

    def read(folder: str, name: str) -> list[model.InboundEvent]:
        connector = meta_connector(folder)
        request = meta_request((FIXTURES / folder / f"{name}.json").read_bytes())
        connector.verify(request)
        return list(connector.parse(request))

    return read


@pytest.fixture
def recorded() -> Callable[[str, str], object]:
    """Return a recorded webhook of Meta's as its JSON says it."""
    return lambda folder, name: json.loads((FIXTURES / folder / f"{name}.json").read_bytes())
