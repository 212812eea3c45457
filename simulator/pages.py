"""The training page: a citizen's phone, and a switchboard for what can go wrong at the provider."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import jinja2
from aiohttp import web

from simulator import phone, switches, texts
from simulator import twilio_records as records
from simulator.twilio import TwilioStandIn

STREAM_PAUSE_SECONDS = 15
SETTLE_SECONDS = 2
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """One account of the office that has no credentials; `sender` is its number at the stand-in."""

    name: str
    label: str
    sender: str
    account_sid: str

    @property
    def is_whatsapp(self) -> bool:
        return self.sender.startswith(records.WHATSAPP)


def subapp(
    stand_in: TwilioStandIn,
    accounts: Sequence[SimulatedAccount],
    *,
    office: str,
    zone: tzinfo,
    prefix: str = "/simulator",
    places: Sequence[tuple[str, str]] = (),
    inbox: str = "/inbox",
) -> web.Application:
    """Return the page as an application to be mounted at `prefix`; `places`: all such pages, by name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulator"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {
        "office": office, "prefix": prefix, "places": places, "inbox": inbox, "accounts": list(accounts)
    }  # fmt: skip
    environment.filters["dial"] = phone.dial
    return _Pages(stand_in, accounts, environment.get_template("phone.html"), zone, prefix).application()


@dataclass(frozen=True, slots=True)
class _Place:
    """Which phone is shown: whose, and writing to which account."""

    account: SimulatedAccount
    name: str
    number: str

    @property
    def citizen(self) -> str:
        return f"{records.WHATSAPP}{self.number}" if self.account.is_whatsapp else self.number

    def query(self, **more: str) -> str:
        return urlencode({"akun": self.account.name, "nomor": self.number, "nama": self.name, **more})


class _Pages:
    def __init__(
        self,
        stand_in: TwilioStandIn,
        accounts: Sequence[SimulatedAccount],
        template: jinja2.Template,
        zone: tzinfo,
        prefix: str,
    ) -> None:
        self._stand_in = stand_in
        self._accounts = {account.name: account for account in accounts}
        self._template = template
        self._zone = zone
        self._prefix = prefix
        self._closing = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[with_headers])
        application.router.add_get("", self._show)
        application.router.add_get("/", self._show)
        application.router.add_post("/kirim", self._send)
        application.router.add_post("/sakelar", self._switch)
        application.router.add_get("/alur", self._stream)
        application.router.add_get("/gambar/{message}/{media}", self._picture)
        application.router.add_static("/static", Path(__file__).parent / "static")
        application.on_shutdown.append(self._end_streams)
        return application

    def _place(self, query: Mapping[str, str]) -> _Place:
        default = next(iter(self._accounts), "")
        account = self._accounts.get(query.get("akun", default))
        if account is None:
            raise web.HTTPNotFound(text=texts.NO_ACCOUNT)
        name, number = texts.CITIZENS[0]
        return _Place(account, query.get("nama", name)[:80], phone.read_number(query.get("nomor", number)) or number)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the phone. Looking at it is opening it: what was delivered counts as read."""
        place = self._place(request.query)
        account = place.account
        self._stand_in.open_phone(account.account_sid, account.sender, place.citizen)
        messages = self._stand_in.conversation(account.account_sid, account.sender, place.citizen)
        example = request.query.get("contoh", "")
        chosen = texts.EXAMPLES[int(example)] if example in map(str, range(len(texts.EXAMPLES))) else ""
        page = self._template.render(
            place=place,
            people=texts.CITIZENS,
            examples=texts.EXAMPLES,
            draft=chosen,
            problem=phone.PROBLEMS.get(request.query.get("galat", "")),
            days=phone.days(messages, self._zone, self._stand_in.clock.now()),
            switches=switches.states(self._stand_in, account.account_sid, account.is_whatsapp),
            trace=phone.trace(self._stand_in, account.account_sid, self._zone),
        )
        return web.Response(text=page, content_type="text/html")

    async def _send(self, request: web.Request) -> web.Response:
        require_same_origin(request)
        form = await phone.read_form(request)
        place = self._place(form.fields)
        problem = form.problem or phone.problem_of(form, place.account.is_whatsapp)
        if problem is None:
            message = self._stand_in.write(
                place.account.account_sid,
                place.citizen,
                place.account.sender,
                form.text,
                media=form.pictures,
                location=phone.PLACE if form.has_location else None,
                profile_name=place.name if place.account.is_whatsapp else None,
            )
            announcing = self._stand_in.spawn(self._stand_in.announce(message))
            await asyncio.wait({announcing}, timeout=SETTLE_SECONDS)  # without JavaScript: the first answer is there
        raise self._back(place, **({"galat": problem} if problem else {}))

    async def _switch(self, request: web.Request) -> web.Response:
        require_same_origin(request)
        form = await phone.read_form(request)
        place = self._place(form.fields)
        await switches.turn(
            self._stand_in, place.account.account_sid, form.fields.get("sakelar", ""), form.fields.get("ke") == "nyala"
        )
        raise self._back(place)

    def _back(self, place: _Place, **more: str) -> web.HTTPSeeOther:
        return web.HTTPSeeOther(f"{self._prefix}?{place.query(**more)}")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Tell the page that something changed, by server-sent events; it then fetches itself."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **HEADERS})
        await response.prepare(request)
        seen = self._stand_in.version

        def has_news() -> bool:
            return self._closing.is_set() or self._stand_in.version != seen

        with contextlib.suppress(ConnectionError):  # the page was closed
            while not self._closing.is_set():
                try:
                    await self._stand_in.wait_for(has_news, STREAM_PAUSE_SECONDS)
                    seen = self._stand_in.version
                    line = f"event: change\ndata: {seen}\n\n"
                except TimeoutError:
                    line = ": still here\n\n"
                await response.write(line.encode())
        return response

    async def _end_streams(self, _: web.Application) -> None:
        self._closing.set()
        self._stand_in.changed()

    async def _picture(self, request: web.Request) -> web.Response:
        message = self._stand_in.find(request.match_info["message"])
        for media in message.media if message else []:
            if media.sid == request.match_info["media"] and media.content_type in phone.PICTURES:
                return web.Response(body=media.content, content_type=media.content_type)
        raise web.HTTPNotFound


@web.middleware
async def with_headers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def require_same_origin(request: web.Request) -> None:
    """Refuse a form that another site made the browser send; a browser says by itself where a form comes from."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin", "")
    if site != "same-origin" if site is not None else urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text=texts.FOREIGN)
