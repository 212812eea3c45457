"""Training: stand-ins for the providers of accounts without credentials, and pages to play a citizen on."""

import hashlib
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from app import config
from core import clock
from simulator import (
    graph,
    graph_accounts,
    graph_api,
    graph_pages,
    mail,
    mail_pages,
    mail_server,
    pages,
    site,
    twilio,
    twilio_api,
)

_PACE_SECONDS = 0.3  # between the states of a message, so that people see them change
_FILES_AT = {"media_hosts": ["localhost", "127.0.0.1"]}  # where the stand-in keeps the files of messages
_SENDERS = {"whatsapp": "whatsapp:+628120000{:04d}", "sms": "+628120000{:04d}"}
_MAILBOX = "pengaduan{}@kota-contoh.example"
PHONE, MAIL, SOCIAL, SITE = "/simulator", "/simulator/surel", "/simulator/sosial", "/simulator/situs-contoh"
_NAMES = {PHONE: "Ponsel", MAIL: "Surel", SOCIAL: "Media sosial", SITE: "Situs contoh"}


@dataclass(frozen=True, slots=True)
class Simulation:
    """The running stand-ins: what simulated accounts sign in with, by account name, and the pages at /simulator."""

    credentials: dict[str, dict[str, Any]]
    page: web.Application


async def start(stack: AsyncExitStack, configured: config.Config, now: clock.Clock) -> Simulation:
    """Start what the simulated accounts need, until `stack` closes. There must be one."""
    simulated = [account for account in configured.accounts if account.account.simulated]
    office = next(o for o in configured.offices if o.id == simulated[0].account.office_id)
    ground = _Ground(stack, configured, office, now, simulated)
    await ground.open()
    return Simulation(ground.credentials, ground.page())


class _Ground:
    """A training ground under construction: each kind of provider adds credentials and a page of its own."""

    def __init__(
        self, stack: AsyncExitStack, configured: config.Config, office: config.Office, now: clock.Clock,
        simulated: Sequence[config.Account],
    ) -> None:  # fmt: skip
        self._stack, self._configured, self._office, self._clock = stack, configured, office, now
        self._simulated = simulated
        self._zone = ZoneInfo(office.zone)
        self._pages: dict[str, Any] = {}  # path -> what makes the page once all paths are known
        self.credentials: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        kinds = {**dict.fromkeys(_SENDERS, self._twilio), "email": self._mail}
        kinds |= dict.fromkeys(graph_accounts.CHANNELS, self._graph)
        wanted: dict[Any, list[tuple[int, config.Account]]] = {}
        for i, account in enumerate(self._simulated):
            wanted.setdefault(kinds[account.account.channel], []).append((i, account))
        for provider, accounts in wanted.items():
            await provider(accounts)
        chats = [a.account.name for a in self._configured.accounts if a.account.channel == "webchat"]
        if chats:
            self._pages[SITE] = lambda _: site.subapp(
                office=self._office.name, account=chats[0], service=self._configured.server.public_url, prefix=SITE
            )

    def page(self) -> web.Application:
        """Return the first page with the others mounted below it."""
        places = [(name, path) for path, name in _NAMES.items() if path in self._pages]
        made = {path: make(places) for path, make in self._pages.items()}
        front = made.pop(PHONE, None) or web.Application()
        if PHONE not in self._pages:
            front.router.add_get("", _to(places[0][1]))
        for path, application in made.items():
            front.add_subapp(path.removeprefix(PHONE), application)
        return front

    async def _twilio(self, accounts: Sequence[tuple[int, config.Account]]) -> None:
        stand_in = twilio.TwilioStandIn(self._clock, pace_seconds=_PACE_SECONDS)
        base_url = await self._stack.enter_async_context(twilio_api.serve(stand_in))
        self._stack.push_async_callback(stand_in.close)
        shown = []
        for i, account in accounts:
            name = account.account.name
            sid = "AC" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
            token = secrets.token_hex(16)
            sender = str(account.written.get("sender") or _SENDERS[account.account.channel].format(9000 + i))
            stand_in.register(sid, token, self._hook(name), f"{self._hook(name)}/status", senders=[sender])
            given = {"account_sid": sid, "auth_tokens": [token], "sender": sender, "base_url": base_url}
            self.credentials[name] = given | _FILES_AT
            shown.append(pages.SimulatedAccount(name, account.account.capabilities.label, sender, sid))
        self._pages[PHONE] = lambda places: pages.subapp(stand_in, shown, **self._look(places), prefix=PHONE)

    async def _mail(self, accounts: Sequence[tuple[int, config.Account]]) -> None:
        place = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="aduan-mail-"))
        stand_in = mail.MailStandIn(self._clock, Path(place))
        shown = []
        for n, (_, account) in enumerate(accounts):
            address = str(account.written.get("address") or _MAILBOX.format(f"-{n + 1}" if n else ""))
            mailbox = stand_in.register(address)
            port = await self._stack.enter_async_context(mail_server.serve(stand_in, mailbox))
            self.credentials[account.account.name] = mail_server.credentials(mailbox, port)
            label = account.account.capabilities.label
            shown.append(mail_pages.SimulatedAccount(account.account.name, label, mailbox.address))
        self._pages[MAIL] = lambda places: mail_pages.subapp(stand_in, shown, **self._look(places), prefix=MAIL)

    async def _graph(self, accounts: Sequence[tuple[int, config.Account]]) -> None:
        stand_in = graph.GraphStandIn(self._clock, pace_seconds=_PACE_SECONDS)
        await self._stack.enter_async_context(graph_api.serve(stand_in))
        self._stack.push_async_callback(stand_in.close)
        shown = []
        for _, account in accounts:
            its, name = account.account, account.account.name
            office = next(o.name for o in self._configured.offices if o.id == its.office_id)
            opened, self.credentials[name] = graph_accounts.open_account(
                stand_in, name, its.channel, its.capabilities.label, office, self._hook(name), account.written
            )
            shown.append(opened)
        self._pages[SOCIAL] = lambda places: graph_pages.subapp(stand_in, shown, **self._look(places), prefix=SOCIAL)

    def _hook(self, name: str) -> str:
        return f"{self._configured.server.public_url}/hooks/{name}"

    def _look(self, places: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
        return {"office": self._office.name, "zone": self._zone, "places": places}


def _to(path: str) -> Any:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound(path)

    return redirect
