"""The door of the webhooks: a provider that asks first is answered, and one batch reaches every account it is for."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from connectors import registry
from core import model
from router import quarantine
from router.desk import Desk
from storage import messages
from web import hooks

PAGE, IG, PSID = "100000000000001", "17800000000000001", "7000000000000001"
ACCOUNTS = {"messenger": PAGE, "facebook_comments": PAGE, "instagram": IG}
ASKED = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "kata-kunci"}


@pytest.fixture
async def desk(desk: Desk) -> AsyncIterator[Desk]:
    accounts, connectors = dict(desk.accounts), dict(desk.connectors)
    for channel, identity in ACCOUNTS.items():
        entry = registry.CHANNELS[channel]
        values = {"app_id": "1", "app_secrets": ["rahasia"], "verify_token": "kata-kunci", "access_token": "token"}
        owner = "instagram_id" if channel == "instagram" else "page_id"
        settings = entry.settings.model_validate({**values, owner: identity})
        connectors[channel] = entry.create(channel, settings, "https://aduan.contoh.id")
        accounts[channel] = model.Account(channel, channel, "kota-contoh", entry.capabilities)
    yield replace(desk, accounts=accounts, connectors=connectors)
    for channel in ACCOUNTS:
        await connectors[channel].close()


@pytest.fixture
async def ask(desk: Desk, serve: Any) -> AsyncIterator[Any]:
    runner = await serve(desk, hooks.routes())
    base = "http://{}:{}".format(*runner.addresses[0])
    async with aiohttp.ClientSession(base) as http:
        yield http.request


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_whoever_knows_our_word_gets_his_challenge_back(ask: Any, account: str) -> None:
    async with ask("GET", f"/hooks/{account}", params=ASKED) as response:
        assert (response.status, await response.text()) == (200, "1158201444")


async def test_what_is_asked_is_never_a_page(ask: Any) -> None:
    page = "<script>alert(1)</script>"
    async with ask("GET", "/hooks/messenger", params={**ASKED, "hub.challenge": page}) as response:
        assert await response.text() == page
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "change",
    [{"hub.verify_token": "lain"}, {"hub.mode": "unsubscribe"}, {"hub.challenge": ""}, {"hub.challenge": "x" * 1001}],
)
async def test_anybody_else_is_refused(ask: Any, change: dict[str, str]) -> None:
    async with ask("GET", "/hooks/messenger", params={**ASKED, **change}) as response:
        assert (response.status, await response.text()) == (403, "")


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/hooks/wa", 404),
    ("GET", "/hooks/formulir", 404),
    ("GET", "/hooks/tidak-ada", 404),
    ("HEAD", "/hooks/messenger", 405),
    ("GET", "/hooks/messenger/status", 405),
])  # fmt: skip
async def test_nobody_asks_the_others(ask: Any, method: str, path: str, status: int) -> None:
    async with ask(method, path, params=ASKED) as response:
        assert response.status == status


def batch() -> bytes:
    said = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": 1795402800000}
    comment = {"item": "comment", "verb": "add", "comment_id": "300_1", "post_id": f"{PAGE}_300", "message": "Kapan?"}
    entries = [
        {"id": PAGE, "messaging": [{**said, "message": {"mid": "m_1", "text": "Satu"}}, {**said, "hologram": {}}]},
        {"id": PAGE, "changes": [{"field": "feed", "value": {**comment, "from": {"id": PSID, "name": "Siti Rahma"}}}]},
        {"id": "100000000000002", "messaging": [{**said, "message": {"mid": "m_2", "text": "Halaman lain"}}]},
    ]
    return json.dumps({"object": "page", "entry": entries}).encode()


def signed(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(b"rahasia", body, hashlib.sha256).hexdigest()}


async def said(desk: Desk, account: str, provider_id: str) -> list[str]:
    """Return what citizens wrote in the complaint that holds a message."""
    complaint_id = await desk.store.read(messages.complaint_of, account, provider_id)
    assert complaint_id is not None
    timeline = await desk.store.read(messages.timeline, complaint_id)
    return [message.text for message in timeline if message.kind is model.MessageKind.COMPLAINT]


async def test_one_batch_reaches_every_account_it_is_for(ask: Any, desk: Desk) -> None:
    for _ in range(2):  # and once, however often it comes
        async with ask("POST", "/hooks/instagram", data=batch(), headers=signed(batch())) as response:
            assert (response.status, await response.text()) == (200, "EVENT_RECEIVED")
    assert await said(desk, "messenger", "m_1") == ["Satu"]
    assert await said(desk, "facebook_comments", "300_1") == ["Kapan?"]
    reasons = {item.reason for item in await quarantine.waiting(desk, "kota-contoh")}
    assert reasons == {"payload: an unknown kind of event: hologram", "no account for this recipient"}


async def test_what_is_not_signed_is_refused(ask: Any, desk: Desk) -> None:
    async with ask("POST", "/hooks/messenger", data=batch() + b" ", headers=signed(batch())) as response:
        assert response.status == 403
