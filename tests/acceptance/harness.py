"""A running `aduan` of its own process, on loopback, with the provider's stand-in beside it."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import sqlalchemy as sa
from twilio.request_validator import RequestValidator

from simulator import twilio
from storage import dialect, tables
from storage.statements import Prepare
from storage.transaction import Tx
from storage.vault import Vault

ROOT = Path(__file__).parents[2]
KEY = "a sealing key that is only used in tests"
SID = {"wa": "AC" + "a" * 32, "sms": "AC" + "b" * 32}
TOKEN = {"wa": "the present token", "sms": "token of the other account"}
OLD_TOKEN = "the token before the rotation"
SERVICE_SID = "MG" + "c" * 32
SENDER = {"wa": "whatsapp:+6281200009000", "sms": "+6281200009001"}
CITIZEN = "whatsapp:+6281200000001"
WAIT_SECONDS = 120

CONFIG = """
[server]
public_url = "{url}"
listen = "127.0.0.1:{port}"
[storage]
url = "{database}"
files_dir = "files"
secret_keys = ["env:TEST_KEY"]
[[office]]
id = "contoh"
name = "Dinas Dukcapil Kota Contoh"
short_name = "Dukcapil Contoh"
[[account]]
name = "wa"
channel = "whatsapp"
office = "contoh"
account_sid = "{wa}"
auth_tokens = ["env:TEST_TOKEN_WA", "env:TEST_TOKEN_OLD"]
sender = "{wa_sender}"
base_url = "{provider}"
media_hosts = ["localhost", "127.0.0.1"]
[[account]]
name = "sms"
channel = "sms"
office = "contoh"
account_sid = "{sms}"
auth_tokens = ["env:TEST_TOKEN_SMS"]
messaging_service_sid = "{service}"
base_url = "{provider}"
[[account]]
name = "formulir"
channel = "webform"
office = "contoh"
"""


@dataclass
class Service:
    """One deployment: its processes, its provider, its database seen from outside."""

    place: Path
    url: str
    database_url: str
    provider: twilio.TwilioStandIn
    http: aiohttp.ClientSession
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        given = {
            "TEST_KEY": KEY,
            "TEST_TOKEN_WA": TOKEN["wa"],
            "TEST_TOKEN_OLD": OLD_TOKEN,
            "TEST_TOKEN_SMS": TOKEN["sms"],
        }
        return {**os.environ, **given, "PYTHONPATH": str(ROOT), **self.more}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "app", "--config", str(self.place / "config.toml"), *words]

    async def aduan(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end, while the provider goes on."""
        return await asyncio.to_thread(
            subprocess.run, self.command(*words), cwd=self.place, env=self.environment, input=stdin,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def start(self, *words: str, name: str | None = None) -> None:
        log = (self.place / f"{name or words[0]}.log").open("ab")
        self.processes[name or words[0]] = subprocess.Popen(
            self.command(*words), cwd=self.place, env=self.environment, stdout=log, stderr=log
        )
        log.close()

    async def ready(self) -> None:
        await self.until(self.is_ready)

    async def is_ready(self) -> bool:
        try:
            async with self.http.get(f"{self.url}/health/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self, name: str) -> None:
        """End a process as a power cut does."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(timeout=30)

    def sign(
        self, account: str, form: Mapping[str, str], *, status: str = "", token: str | None = None
    ) -> dict[str, str]:
        url = f"{self.url}/hooks/{account}{status}"
        signature = RequestValidator(token or TOKEN[account]).compute_signature(url, dict(form))
        return {"X-Twilio-Signature": signature}

    async def post(
        self, form: Mapping[str, str], account: str = "wa", *, headers: Mapping[str, str] | None = None
    ) -> int:
        """Post a webhook as the provider does; return the status, 0 when nobody answered."""
        sid, sender = form.get("MessageSid", ""), form.get("From", "")
        if headers is None and account == "wa" and sid and sender and self.provider.find(sid) is None:
            # What is genuine the provider knows: it lets us answer its writer freely, and lists it for catching up.
            self.provider.write(SID[account], sender, SENDER[account], form["Body"][:1600], sid=sid)
        try:
            signed = self.sign(account, form) if headers is None else headers
            body = io.BytesIO(urlencode(form).encode())
            headers = {**signed, "Content-Type": "application/x-www-form-urlencoded"}
            async with self.http.post(f"{self.url}/hooks/{account}", data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    def rows(self, table: str, where: str = "1=1") -> list[Any]:
        """Read a table, with a connection of its own."""
        database = dialect.open_database(self.database_url)
        connection = database.connect(read_only=True)
        try:
            tx = Tx(connection, Prepare(database.dialect), Vault((KEY.encode(),)), None)
            found = tables.metadata.tables[table]
            return tx.all_once(sa.select(found).where(sa.text(where)).order_by(*found.primary_key))
        finally:
            connection.close()

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Return the first true value of `condition`; fails after WAIT_SECONDS."""
        last = None
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                last = condition()
                if asyncio.iscoroutine(last):
                    last = await last
                if last:
                    return last
                await asyncio.sleep(0.02)  # between looks at another process; nothing depends on its length


def text_message(number: int, body: str) -> dict[str, str]:
    """Return the form of an incoming text message, one sender a number."""
    return {
        "MessageSid": f"SM{number:032x}", "AccountSid": SID["sms"], "MessagingServiceSid": SERVICE_SID,
        "From": f"+6281200{number:06d}", "To": SENDER["sms"], "Body": body, "NumMedia": "0",
    }  # fmt: skip


def message(number: int | str = 1, body: str = "KTP saya belum jadi", **more: str) -> dict[str, str]:
    """Return the form of an incoming message."""
    sender = f"whatsapp:+6281200{number:06d}" if isinstance(number, int) else number
    sid = more.pop("sid", None) or f"SM{abs(hash((sender, body))):032x}"[:34]
    return {
        "MessageSid": sid, "SmsMessageSid": sid, "AccountSid": SID["wa"], "From": sender, "To": SENDER["wa"],
        "Body": body,
        "NumMedia": "0", "ProfileName": "Siti Rahma", **more,
    }  # fmt: skip
