"""A thousand mails arrive while everything between us and the mailbox breaks: each is one message."""

import asyncio
import base64
import collections
import re
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.cuts import wire
from tests.dovecot import PASSWORD

MAILS, SLICE = 1000, 100
ACCOUNT = """
[[account]]
name = "surel"
channel = "email"
office = "contoh"
address = "pengaduan@kota-contoh.example"
thread_secret = "env:TEST_THREAD_SECRET"
smtp = {{ host = "localhost", port = 9, security = "none" }}
imap = {{ host = "localhost", port = {port}, security = "none", username = "pengaduan", password = "env:TEST_MAIL_PASSWORD", poll_seconds = 1 }}
"""  # noqa: E501


def _mail(number: int) -> bytes:  # noqa: PLR0911 - a table
    """Return a mail of one of ten shapes; every one says which number it is."""
    text = f"Surat nomor {number}: KTP saya belum jadi."
    head = f"From: Siti Rahma <warga{number}@contoh.example>\r\nTo: pengaduan@kota-contoh.example\r\nSubject: KTP\r\n"
    known = f"Message-ID: <{number}@contoh.example>\r\n"
    match number % 10:
        case 0:
            return f"{head}{known}\r\n{text}\r\n".encode()
        case 1:  # no Message-ID
            return f"{head}\r\n{text}\r\n".encode()
        case 2:
            return f"{head}{known}Content-Type: text/html\r\n\r\n<p>{text}</p><img src='//x.example'>\r\n".encode()
        case 3:
            return f"{head}{known}Content-Type: text/plain; charset=x-unknown\r\n\r\n{text} \xe9\r\n".encode("latin-1")
        case 4:  # a multipart without its boundary, cut off
            return f"{head}{known}Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\n{text}\r\n".encode()
        case 5:
            encoded = base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")
            return f"{head}{known}Content-Transfer-Encoding: base64\r\n\r\n{encoded}".encode()
        case 6:  # header values that the standard library's parser raises on
            return f"{head}Message-ID: <[{number}]@x>\r\nCc: {'(' * 900}\r\n\r\n{text}\r\n".encode()
        case 7:
            return f"{head}{known}X-Long: {'x' * 60_000}\r\n\r\n{text}\r\n".encode()
        case _:
            mail = EmailMessage()
            mail["From"], mail["Subject"] = f"warga{number}@contoh.example", "KTP dan KK"
            mail["Message-ID"] = f"<{number}@contoh.example>"
            mail.set_content(text)
            mail.add_alternative(f"<b>{text}</b>", subtype="html")
            mail.add_attachment(b"%PDF-1.4 " + str(number).encode(), "application", "pdf", filename="../../surat.pdf")
            return mail.as_bytes().replace(b"\n", b"\r\n")


@pytest.fixture
def troubles(service, own_dovecot) -> Iterator[object]:
    """One after the other, what befalls the office while mails come in."""

    def restart(*, renumbered: bool = False) -> None:
        own_dovecot.stop()
        if renumbered:
            own_dovecot.renumber("pengaduan")
        own_dovecot.start()

    def kill() -> None:
        for name, words in (("web", ("web",)), ("worker", ("worker",)), ("run", ("run",))):
            if name in service.processes:
                service.kill(name)
                service.start(*words, name=name)

    # Another process waits for a dead one's lease to end; on SQLite there is no other.
    again = "cut" if service.database_url.startswith("postgresql") else kill
    return iter(["cut", kill, "cut", restart, again, lambda: restart(renumbered=True), "cut", restart])


async def test_a_thousand_mails_through_every_trouble_are_a_thousand_messages(service, own_dovecot, troubles):
    async with wire(own_dovecot.imap_port) as laid:
        config = service.place / "config.toml"
        config.write_text(config.read_text() + ACCOUNT.format(port=laid.port))
        service.more |= {"TEST_THREAD_SECRET": "rahasia " * 8, "TEST_MAIL_PASSWORD": PASSWORD}
        if service.database_url.startswith("postgresql"):
            assert (await service.aduan("migrate")).returncode == 0
            service.start("web")
            service.start("worker")
        else:
            service.start("run")
        await service.ready()

        def stored() -> list[str]:
            return [row.text for row in service.rows("message", "account = 'surel' AND kind = 'complaint'")]

        for start in range(0, MAILS, SLICE):
            mails = [_mail(number) for number in range(start, start + SLICE)]
            await asyncio.to_thread(own_dovecot.deliver, "pengaduan", *mails)
            # While the slice is being read, neither before nor after.
            await service.until(lambda start=start: len(stored()) > start // 2)
            match next(troubles, None):
                case "cut":
                    laid.cut()
                case None:
                    pass
                case trouble:
                    await asyncio.to_thread(trouble)
        await service.until(lambda: len(stored()) >= MAILS)
        await laid.hears(b" IDLE\r\n", laid.heard.count(b" IDLE\r\n") + 2)  # nothing is left, and nothing comes twice

    found = collections.Counter(int(re.search(r"nomor (\d+):", text)[1]) for text in stored())
    assert found == collections.Counter(range(MAILS))
    assert len(service.rows("complaint", "account = 'surel'")) == MAILS
    assert len(service.rows("outbox", "account = 'surel' AND kind = 'acknowledgement'")) == MAILS
    assert not service.rows("raw_item", "state = 'quarantined'")
