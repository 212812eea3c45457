"""Mail: from a real Dovecot to a stored complaint with its acknowledgement queued, in one process on SQLite FULL."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path

import sqlalchemy as sa

from app import config, wiring
from app.toml_file import TomlFile
from bench import databases, office
from bench.figures import Figure
from connectors.mail import handover
from core import clock, ports
from router import holidays, intake
from router.desk import Desk
from router.polling import Supervisor
from storage import dialect, schema, tables
from storage.files import FileStore
from storage.store import Store
from tests.dovecot import PASSWORD, Dovecot

_ACCOUNT, _CHUNK = "surel", 100
_CONFIG = """
[server]
public_url = "https://aduan.contoh.go.id"
[[office]]
id = "contoh"
name = "Dinas Kependudukan dan Pencatatan Sipil Kota Contoh"
[[account]]
name = "{account}"
channel = "email"
office = "contoh"
address = "pengaduan@kota-contoh.example"
thread_secret = "env:SECRET"
smtp = {{ host = "localhost", port = 9, security = "none" }}
imap = {{ host = "localhost", port = {port}, security = "none", username = "pengaduan", password = "env:PASSWORD" }}
"""
_TEXT = "Selamat pagi. KTP elektronik saya rusak sejak bulan lalu, sudah dua kali ke kantor tetapi blanko habis. ({})"


def measure(place: Path, count: int) -> list[Figure]:
    """Measure `count` mails of each shape; nothing where Dovecot is not installed."""
    if shutil.which("dovecot") is None:
        print("  mail: not measured, Dovecot is not installed")
        return []
    found: list[Figure] = []
    for name, shape in (("text", _plain), ("text and HTML", _both)):
        server = Dovecot()
        server.start()
        try:
            server.deliver("pengaduan", *(shape(number) for number in range(count)))
            with databases.sqlite(place) as url:
                fetched, whole, cpu = asyncio.run(_run(url, place, server, [shape(n) for n in range(count, 2 * count)]))
        finally:
            server.remove()
        found += [
            Figure(f"mail, {name}: once fetched", fetched, " /s", 1000, note=f"{cpu:,.0f} us of CPU"),
            Figure(f"mail, {name}: from the server on", whole, " /s"),
        ]
    return found


async def _run(url: str, place: Path, server: Dovecot, mails: Sequence[bytes]) -> tuple[float, float, float]:
    """Return mails/s once fetched, mails/s with fetching and marking, and the CPU (us) of one of the former."""
    database = dialect.open_database(url)
    await asyncio.to_thread(schema.migrate, database)
    desk = _desk(database, place, server)
    desk.store.start()
    await holidays.seed(desk)
    account, now = desk.accounts[_ACCOUNT], desk.clock.now()
    headers = {"content-type": "message/rfc822"}
    requests = [ports.RawRequest(_ACCOUNT, f"imap:1/{n}", headers, mail, now) for n, mail in enumerate(mails)]

    async def take(request: ports.RawRequest, _: str | None) -> None:
        await intake.take_in(desk, account, request, "poll")

    began, cpu_began = time.perf_counter(), time.process_time()
    for chunk in _chunks(requests):
        await handover.hand_over(take, chunk, lambda _: None)
    fetched, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    began = time.perf_counter()
    supervisor = Supervisor(desk)
    listening = asyncio.ensure_future(supervisor.run())
    queued = sa.select(sa.func.count()).select_from(tables.outbox)
    while await desk.store.read(lambda tx: tx.scalar(queued)) < 2 * len(mails):
        if listening.done():
            break
        await asyncio.sleep(0.02)
    whole = time.perf_counter() - began
    supervisor.stop()
    await listening
    await desk.store.stop()
    return len(mails) / fetched, len(mails) / whole, cpu / len(mails) * 1e6


def _chunks(requests: Sequence[ports.RawRequest]) -> Iterator[Sequence[ports.RawRequest]]:
    for start in range(0, len(requests), _CHUNK):
        yield requests[start : start + _CHUNK]


def _desk(database: dialect.Database, place: Path, server: Dovecot) -> Desk:
    secrets = {"SECRET": "rahasia " * 8, "PASSWORD": PASSWORD}
    written = _CONFIG.format(account=_ACCOUNT, port=server.imap_port)
    configured = config.read(TomlFile("bench", written, place, secrets))
    built = wiring.connect(configured, {})
    now = clock.SystemClock()
    return Desk(
        store=Store(database, office.VAULT, now), files=FileStore(place / "files"), offices=wiring.offices(configured),
        accounts=built.accounts, connectors=built.connectors, clock=now,
    )  # fmt: skip


def _plain(number: int) -> bytes:
    head = f"From: Siti Rahma <warga{number}@contoh.example>\r\nTo: pengaduan@kota-contoh.example\r\n"
    known = f"Message-ID: <{number}@contoh.example>\r\nSubject: KTP rusak\r\n\r\n"
    return f"{head}{known}{_TEXT.format(number)}\r\n".encode()


def _both(number: int) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = f"Siti Rahma <warga{number}@contoh.example>", "pengaduan@kota-contoh.example"
    mail["Subject"], mail["Message-ID"] = "KTP rusak", f"<{number}@contoh.example>"
    mail.set_content(_TEXT.format(number))
    mail.add_alternative(f"<html><body><p>{_TEXT.format(number)}</p></body></html>", subtype="html")
    return mail.as_bytes().replace(b"\n", b"\r\n")
