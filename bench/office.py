"""The office that is measured: one WhatsApp account, and the forms that its provider would sign."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from app import config, wiring
from app.toml_file import TomlFile
from core import clock
from router.desk import Desk
from storage import dialect
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault

PUBLIC_URL = "https://aduan.contoh.go.id"
ACCOUNT_SID = "AC" + hashlib.md5(b"bench").hexdigest()
TOKEN = "token-of-the-measured-account"
SENDER = "whatsapp:+6281200009000"
VAULT = Vault((b"k" * 32,))
ACCOUNT, OFFICE = "wa", "contoh"
CONFIG = f"""
[server]
public_url = "%s"
[[office]]
id = "{OFFICE}"
name = "Dinas Kependudukan dan Pencatatan Sipil Kota Contoh"
short_name = "Dukcapil Contoh"
[[account]]
name = "{ACCOUNT}"
channel = "whatsapp"
office = "{OFFICE}"
"""
_TEXT = "Selamat pagi. KTP elektronik saya rusak sejak bulan lalu, sudah dua kali ke kantor tetapi blanko habis. ({})"
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: aduan.contoh.go.id\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
    "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nI-Twilio-Idempotency-Token: {sid}\r\n"
    "X-Twilio-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n"
)


def desk(
    database: dialect.Database, place: Path, base_url: str = "http://127.0.0.1:9", public_url: str = PUBLIC_URL
) -> Desk:
    """Return the office's desk over a migrated database; `base_url` is where its provider's API is."""
    configured = config.read(TomlFile("bench", CONFIG % public_url, place, {}))
    credentials = {"account_sid": ACCOUNT_SID, "auth_tokens": [TOKEN], "sender": SENDER, "base_url": base_url}
    built = wiring.connect(configured, {ACCOUNT: credentials})
    now = clock.SystemClock()
    return Desk(
        store=Store(database, VAULT, now),
        files=FileStore(place / "files"),
        offices=wiring.offices(configured),
        accounts=built.accounts,
        connectors=built.connectors,
        clock=now,
    )


def requests(path: str, first: int, count: int) -> Iterator[bytes]:
    """Yield whole HTTP requests: signed forms of new messages, each from a citizen of its own."""
    validator = RequestValidator(TOKEN)
    for number in range(first, first + count):
        form = _form(number)
        body = urlencode(form).encode()
        signature = validator.compute_signature(PUBLIC_URL + path, form)
        head = _HEAD.format(path=path, sid=form["MessageSid"], signature=signature, length=len(body))
        yield head.encode() + body


def _form(number: int) -> dict[str, str]:
    sid = f"SM{hashlib.md5(str(number).encode()).hexdigest()}"
    digits = f"62812{number:010d}"
    context = {"type": "whatsapp", "data": {"context": {"ProfileName": "Siti Rahma", "WaId": digits}}}
    return {
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ProfileName": "Siti Rahma",
        "MessageType": "text",
        "SmsSid": sid,
        "WaId": digits,
        "SmsStatus": "received",
        "Body": _TEXT.format(number),
        "To": SENDER,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": sid,
        "AccountSid": ACCOUNT_SID,
        "ChannelMetadata": json.dumps(context),
        "From": f"whatsapp:+{digits}",
        "ApiVersion": "2010-04-01",
    }
