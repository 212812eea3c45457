"""Every provider at once beside a running `aduan`, each by its own protocol: Twilio, Meta, and a mail server."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
import lxml.html

from core import clock
from simulator import graph, graph_api, graph_people, mail, mail_records, mail_server
from tests.acceptance.harness import Service

PAGE, INSTAGRAM = "990000000000001", "17849000000000001"
OFFICE_MAIL = "pengaduan@kota-contoh.example"
APP, APP_SECRET, PAGE_TOKEN = "990000000000009", "secret of the app", "token of the page"
THREAD_SECRET = "thread secret " * 4
META = """
[[account]]
name = "{name}"
channel = "{channel}"
office = "contoh"
{owner}
app_id = "{app}"
app_secrets = ["env:TEST_META_SECRET"]
verify_token = "env:TEST_META_VERIFY"
access_token = "env:TEST_META_TOKEN"
base_url = "{base_url}"
media_hosts = ["localhost", "127.0.0.1"]
"""
OF_PAGE, OF_INSTAGRAM = f'page_id = "{PAGE}"', f'instagram_id = "{INSTAGRAM}"'
# name of the account, its channel, whose it is; the names are not those of channels, so that nothing leans on them
META_ACCOUNTS = (
    ("pesan", "messenger", OF_PAGE),
    ("komentar", "facebook_comments", OF_PAGE),
    ("foto", "instagram", OF_INSTAGRAM),
    ("komentar-foto", "instagram_comments", OF_INSTAGRAM),
)
MAIL = """
[[account]]
name = "surel"
channel = "email"
office = "contoh"
address = "{address}"
thread_secret = "env:TEST_THREAD_SECRET"
authserv_id = "{authserv_id}"
[account.smtp]
{smtp}
{source}
"""
OWN = """
[[account]]
name = "obrolan"
channel = "webchat"
office = "contoh"
[[account]]
name = "loket"
channel = "walk_in"
office = "contoh"
"""


@dataclass
class SetClock:
    """Now; or, while it is set, the time that a test has come to."""

    at: datetime | None = None
    _real: clock.Clock = field(default_factory=clock.SystemClock)

    def now(self) -> datetime:
        return self.at or self._real.now()


@dataclass
class World:
    """A deployment with every provider; `clock` is the providers' alone."""

    service: Service
    clock: SetClock
    meta: graph.GraphStandIn
    people: graph_people.People
    mails: mail.MailStandIn
    mailbox: mail_records.Account


@contextlib.asynccontextmanager
async def around(service: Service) -> AsyncIterator[World]:
    """Serve the providers and enter their accounts into the deployment's configuration; nothing is started yet."""
    its_clock = SetClock()
    service.provider.clock = its_clock
    meta = graph.GraphStandIn(its_clock)
    mails = mail.MailStandIn(its_clock, service.place / "mail")
    mailbox = mails.register(OFFICE_MAIL)
    async with graph_api.serve(meta) as meta_url, mail_server.serve(mails, mailbox) as smtp_port:
        meta.register_app(APP, APP_SECRET, "verify")
        meta.register_page(PAGE, "Dukcapil Contoh", PAGE_TOKEN, APP, f"{service.url}/hooks/pesan")
        meta.register_instagram(INSTAGRAM, "dukcapil.contoh", "token of no use", APP, f"{service.url}/hooks/foto", PAGE)
        smtp = f'host = "127.0.0.1"\nport = {smtp_port}\nsecurity = "none"\nusername = "{mailbox.username}"\n'
        surel = MAIL.format(
            address=OFFICE_MAIL, authserv_id="mx.simulator.example", smtp=smtp + 'password = "env:TEST_MAIL_PASSWORD"',
            source=f'[account.maildir]\npath = "{mailbox.maildir}"\npoll_seconds = 0.2',
        )  # fmt: skip
        add(service, meta_accounts(meta_url) + surel + OWN)
        service.more["TEST_MAIL_PASSWORD"] = mailbox.password
        yield World(service, its_clock, meta, graph_people.People(meta), mails, mailbox)


def meta_accounts(base_url: str) -> str:
    return "".join(
        META.format(name=name, channel=channel, owner=owner, app=APP, base_url=base_url)
        for name, channel, owner in META_ACCOUNTS
    )


def add(service: Service, accounts: str) -> None:
    """Enter accounts into the configuration, and their secrets into the environment."""
    path = service.place / "config.toml"
    path.write_text(path.read_text() + accounts)
    service.more |= {
        "TEST_META_SECRET": APP_SECRET, "TEST_META_VERIFY": "verify", "TEST_META_TOKEN": PAGE_TOKEN,
        "TEST_THREAD_SECRET": THREAD_SECRET,
    }  # fmt: skip


class Inbox:
    """An admin of the office in a browser without scripts: reads the pages and sends the forms they show."""

    PASSWORD = "kata sandi panjang"

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._cookies: dict[str, str] = {}

    @classmethod
    async def of_running(cls, service: Service) -> "Inbox":
        """Start a deployment in one process, add an admin beside it, and sign in."""
        service.start("run")
        await service.ready()
        words = ("admin", "add", "dewi", "--name", "Dewi Lestari", "--password-stdin")
        added = await service.aduan(*words, stdin=f"{cls.PASSWORD}\n")
        assert added.returncode == 0, added.stderr
        inbox = cls(service.http, service.url)
        await inbox.sign_in("dewi")
        return inbox

    async def sign_in(self, username: str) -> None:
        form = {"nama": username, "sandi": self.PASSWORD}
        async with self._http.post(f"{self._url}/inbox/masuk", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            self._cookies = {name: morsel.value for name, morsel in answer.cookies.items()}

    async def answer(self, number: str, text: str) -> None:
        """Answer a complaint by the form on its page, as it stands there."""
        await self._send(number, "//form[.//input[@name='jenis' and @value='jawab']]", isi=text)

    async def close(self, number: str) -> None:
        await self._send(number, "//form[contains(@action, '/tutup')]", alasan="resolved")

    async def _send(self, number: str, which: str, **typed: str) -> None:
        page = lxml.html.document_fromstring(await self._read(f"/inbox/{number}"))
        (form,) = page.xpath(which)
        sent = aiohttp.FormData(default_to_multipart=form.get("enctype") == "multipart/form-data")
        for name, value in {**dict(form.form_values()), **typed}.items():
            sent.add_field(name, value)
        action = self._url + form.get("action")
        async with self._http.post(action, data=sent, cookies=self._cookies, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()

    async def timeline(self, number: str) -> str:
        """Return what stands on the page of a complaint, as text."""
        page = lxml.html.document_fromstring(await self._read(f"/inbox/{number}"))
        return " ".join(page.text_content().split())

    async def _read(self, path: str) -> str:
        async with self._http.get(self._url + path, cookies=self._cookies) as page:
            assert page.status == 200
            return await page.text()
