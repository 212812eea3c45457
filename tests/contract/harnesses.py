"""How the raw items of every channel are had, and proven as its provider proves them: what differs between channels."""

import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import pydantic
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from connectors import registry
from connectors.mail import tokens
from connectors.meta import batches, payload
from core import ids, ports
from tests.contract.conftest import ACCOUNT_SID, FIXTURES, META, META_OWNERS, NOW, PUBLIC_URL, TOKEN

SESSION = "0190c0de-0000-4000-8000-00000000000a"
SECRET = "rahasia-yang-tidak-boleh-tampak-0000"  # in place of every secret of an account
TWILIO = {"account_sid": ACCOUNT_SID, "auth_tokens": [TOKEN], "sender": "+6281200000001"}
MAIL = {
    "address": "pengaduan@kota-contoh.example",
    "thread_secret": SECRET,
    "smtp": {"host": "localhost", "security": "none", "username": "pengaduan", "password": SECRET},
    "imap": {"host": "localhost", "security": "none", "username": "pengaduan", "password": SECRET},
}
OUR_MAIL = tokens.message_id(7, ids.Number("ADU", 2026, 123), SECRET.encode(), "kota-contoh.example")
REPORTED = {  # what a report says of a mail of ours
    "recipient": "pengaduan@kota-contoh.example", "message_id": OUR_MAIL, "action": "failed", "status": "5.1.1",
    "diagnostic": "smtp; 550 5.1.1 User unknown", "disposition": "displayed",
}  # fmt: skip


@dataclass(frozen=True)
class Harness:
    """How the raw items of a channel are had: the fixtures in `folder` whose names begin as one of `begins`.

    `request` makes of a raw body what the provider would send, proven where it proves anything. `ignores` tells
    whether its connector documents that it leaves out what is in it. `with_unknown` adds what does not exist yet.
    """

    settings: Mapping[str, Any]
    folder: str
    request: Callable[[bytes], ports.RawRequest]
    with_unknown: Callable[[bytes], bytes]
    begins: tuple[str, ...] = ("",)
    never_begins: tuple[str, ...] = ()
    ignores: Callable[[bytes], bool] = lambda _: False

    def fixtures(self) -> dict[str, bytes]:
        return {
            name: body
            for name, body in _recorded(self.folder).items()
            if name.startswith(self.begins) and not (self.never_begins and name.startswith(self.never_begins))
        }


@functools.cache
def _recorded(folder: str) -> Mapping[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((FIXTURES / folder).iterdir())}


def by_twilio(body: bytes) -> ports.RawRequest:
    target = "/hooks/akun/status" if b"MessageStatus=" in body and b"&Body=" not in body else "/hooks/akun"
    fields = MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + target, fields)
    return ports.RawRequest("akun", target, {"x-twilio-signature": signature}, body, NOW)


def by_meta(body: bytes) -> ports.RawRequest:
    signature = "sha256=" + hmac.new(META["app_secrets"][0].encode(), body, hashlib.sha256).hexdigest()
    return ports.RawRequest("akun", "/hooks/akun", {"x-hub-signature-256": signature}, body, NOW)


def by_mail(body: bytes) -> ports.RawRequest:
    for name, value in REPORTED.items():
        body = body.replace(f"{{{name}}}".encode(), value.encode())
    return unproven(body)


def unproven(body: bytes) -> ports.RawRequest:
    return ports.RawRequest("akun", "item:1", {}, body, NOW)


def with_unknown_members(body: bytes) -> bytes:
    """Return JSON with a member that nobody knows in every object."""

    def add(value: Any) -> Any:
        if isinstance(value, list):
            return [add(each) for each in value]
        if isinstance(value, dict):
            return {name: add(each) for name, each in value.items()} | {"something_new": {"a": [1, None]}}
        return value

    return json.dumps(add(json.loads(body))).encode()


def with_unknown_field(body: bytes) -> bytes:
    return json.dumps(json.loads(body) | {"something_new": "1"}).encode()


def twilio(folder: str) -> Harness:
    unknown = urlencode({"SomethingNew": "1", "AnotherThing": "{}"}).encode()
    return Harness(TWILIO, folder, by_twilio, lambda body: body.rstrip(b"\r\n") + b"&" + unknown)


def meta(channel: str, folder: str, **more: Any) -> Harness:
    def ignores(body: bytes) -> bool:
        found = batches.outcomes(json.loads(body), META["app_id"])
        return bool(found) and all(isinstance(each, payload.Ignored) for each in found)

    settings = {**META, **META_OWNERS[channel]}
    return Harness(settings, folder, by_meta, with_unknown_members, ignores=ignores, **more)


def page(folder: str) -> Harness:
    """A page of our own: what its form sends, field by field."""
    return Harness({}, folder, unproven, with_unknown_field)


PUBLIC_ON_INSTAGRAM = ("comment", "mention")
HARNESSES: Mapping[str, Harness] = {
    "whatsapp": twilio("whatsapp"),
    "sms": twilio("sms"),
    "messenger": meta("messenger", "messenger"),
    "facebook_comments": meta("facebook_comments", "facebook_comments"),
    "instagram": meta("instagram", "instagram", never_begins=PUBLIC_ON_INSTAGRAM),
    "instagram_comments": meta("instagram_comments", "instagram", begins=PUBLIC_ON_INSTAGRAM),
    "email": Harness(MAIL, "mail", by_mail, lambda body: b"X-Something-New: 1\r\n" + body),
    **{
        name: page(name)
        for name in ("webform", "webchat", "walk_in", "phone", "fax", "letter", "suggestion_box")
    },
}  # fmt: skip


def settings(channel: str, **changes: Any) -> pydantic.BaseModel:
    return registry.CHANNELS[channel].settings.model_validate({**HARNESSES[channel].settings, **changes})


def connect(channel: str) -> Any:
    return registry.CHANNELS[channel].create("akun", settings(channel), PUBLIC_URL)


def read(connector: Any, request: ports.RawRequest) -> Sequence[Any]:
    """Return what the connector makes of a raw item, by whichever way it offers."""
    if hasattr(connector, "parse"):
        return list(connector.parse(request))
    fields = json.loads(request.body)
    if hasattr(connector, "parse_form"):
        return [connector.parse_form(fields, (), request.received_at)]
    if hasattr(connector, "parse_chat"):
        return [connector.parse_chat(SESSION, fields, (), request.received_at)]
    at_the_desk = datetime(2026, 11, 18, 10, 0, tzinfo=ZoneInfo("Asia/Jakarta"))
    return [connector.parse_record(fields, at_the_desk)]


def own_events(channel: str) -> dict[str, list[Any]]:
    """Return what the fixtures of a channel hold for it, by fixture; of a batch, others have their part."""
    connector, harness = connect(channel), HARNESSES[channel]
    found = {}
    for name, body in harness.fixtures().items():
        events = read(connector, harness.request(body))
        to = [(event, getattr(event, "destination", None)) for event in events]
        found[name] = [event for event, its in to if its is None or its.channel == channel]
    return found
