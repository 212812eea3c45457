"""The training page for Meta: a citizen in Messenger, on Instagram or under a post, and what can go wrong there."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from pathlib import Path

import jinja2
from aiohttp import web

from simulator import graph_phone as shown
from simulator import graph_records as records
from simulator import graph_switches as switches
from simulator import graph_texts as texts
from simulator import pages, phone
from simulator.graph import GraphStandIn
from simulator.graph_people import People

_LIKE = "👍"


def subapp(
    stand_in: GraphStandIn,
    accounts: Sequence[shown.SimulatedAccount],
    *,
    office: str,
    zone: tzinfo,
    prefix: str = "/simulator/meta",
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
    return _Pages(stand_in, accounts, environment.get_template("graph.html"), zone, prefix).application()


class _Pages:
    def __init__(
        self,
        stand_in: GraphStandIn,
        accounts: Sequence[shown.SimulatedAccount],
        template: jinja2.Template,
        zone: tzinfo,
        prefix: str,
    ) -> None:
        self._stand_in = stand_in
        self._people = People(stand_in)
        self._accounts = {account.name: account for account in accounts}
        self._template = template
        self._zone = zone
        self._prefix = prefix
        self._closing = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[pages.with_headers])
        application.router.add_get("", self._show)
        application.router.add_get("/", self._show)
        application.router.add_post("/kirim", self._send)
        application.router.add_post("/tindak", self._act)
        application.router.add_post("/rekan", self._answer_as_colleague)
        application.router.add_post("/sakelar", self._switch)
        application.router.add_get("/alur", self._stream)
        application.router.add_get("/gambar/{media}", self._picture)
        application.router.add_static("/static", Path(__file__).parent / "static")
        application.on_shutdown.append(self._end_streams)
        return application

    def _place(self, query: Mapping[str, str]) -> shown.Place:
        account = self._accounts.get(query.get("akun", next(iter(self._accounts), "")))
        if account is None:
            raise web.HTTPNotFound(text=texts.NO_ACCOUNT)
        return shown.Place(account, " ".join(query.get("nama", "").split())[:80] or texts.CITIZENS[0])

    async def _show(self, request: web.Request) -> web.Response:
        """Show the phone. Looking at it is opening it: what was delivered counts as read."""
        place = self._place(request.query)
        account = self._stand_in.accounts[place.account.account_id]
        if not place.account.is_public:
            self._stand_in.spawn(self._people.read(account.id, place.person_id))
        example = request.query.get("contoh", "")
        chosen = texts.EXAMPLES[int(example)] if example in map(str, range(len(texts.EXAMPLES))) else ""
        problem = request.query.get("galat", "")
        limit = shown.limit(account, is_public=place.account.is_public)
        page = self._template.render(
            place=place,
            people=texts.CITIZENS,
            examples=texts.EXAMPLES,
            draft=chosen,
            limit=limit,
            post=account.posts[0] if place.account.is_public else None,
            bubbles=shown.bubbles(self._stand_in, place, self._zone),
            takes_pictures=not (account.is_instagram and place.account.is_public),
            problem=shown.problems(limit, is_public=place.account.is_public).get(problem),
            switches=switches.states(self._stand_in, account.id, is_public=place.account.is_public),
            trace=shown.trace(self._stand_in, account.id, self._zone),
        )
        return web.Response(text=page, content_type="text/html")

    # --- What is done ---------------------------------------------------------------------------------------------

    async def _send(self, request: web.Request) -> web.Response:
        pages.require_same_origin(request)
        form = await phone.read_form(request)
        place = self._place(form.fields)
        account = self._stand_in.accounts[place.account.account_id]
        problem = form.problem or shown.problem_of(form, account, is_public=place.account.is_public)
        if problem is not None:
            raise self._back(place, galat=problem)
        if place.account.is_public:
            photo = form.pictures[0] if form.pictures and not account.is_instagram else None
            work = self._comment(account, place, form.text, photo)
        else:
            work = self._write(account, place, form)
        telling = self._stand_in.spawn(work)
        await asyncio.wait({telling}, timeout=pages.SETTLE_SECONDS)
        raise self._back(place)

    async def _write(self, account: records.Account, place: shown.Place, form: phone.Form) -> None:
        await self._people.write(account.id, place.person_id, form.text, name=place.name, media=form.pictures)

    async def _comment(
        self, account: records.Account, place: shown.Place, text: str, photo: tuple[str, bytes] | None
    ) -> None:
        await self._people.comment(account.posts[0].id, place.person_id, text, name=place.name, photo=photo)

    async def _act(self, request: web.Request) -> web.Response:
        """Take a message back, like one, remove a comment."""
        pages.require_same_origin(request)
        fields = (await phone.read_form(request)).fields
        place = self._place(fields)
        message = self._stand_in.message(fields.get("pesan", ""))
        comment = self._stand_in.comment(fields.get("pesan", ""))
        match fields.get("tindakan"):
            case "tarik" if message is not None and not message.from_us:
                await self._people.unsend(message)
            case "suka" if message is not None:
                await self._people.react(message, None if message.reaction else _LIKE)
            case "hapus" if comment is not None and comment[2].author == place.person_id:
                await self._people.remove_comment(comment[2])
        raise self._back(place)

    async def _answer_as_colleague(self, request: web.Request) -> web.Response:
        pages.require_same_origin(request)
        form = await phone.read_form(request)
        place = self._place(form.fields)
        if form.text and not place.account.is_public:
            await self._people.answer_as_colleague(place.account.account_id, place.person_id, form.text)
        raise self._back(place)

    async def _switch(self, request: web.Request) -> web.Response:
        pages.require_same_origin(request)
        fields = (await phone.read_form(request)).fields
        place = self._place(fields)
        account_id = place.account.account_id
        await switches.turn(self._stand_in, account_id, fields.get("sakelar", ""), fields.get("ke") == "nyala")
        raise self._back(place)

    def _back(self, place: shown.Place, **more: str) -> web.HTTPSeeOther:
        return web.HTTPSeeOther(f"{self._prefix}?{place.query(**more)}")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Tell the page that something changed, by server-sent events; it then fetches itself."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **pages.HEADERS})
        await response.prepare(request)
        seen = self._stand_in.version

        def has_news() -> bool:
            return self._closing.is_set() or self._stand_in.version != seen

        with contextlib.suppress(ConnectionError):  # the page was closed
            while not self._closing.is_set():
                try:
                    await self._stand_in.wait_for(has_news, pages.STREAM_PAUSE_SECONDS)
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
        media = self._stand_in.media.get(request.match_info["media"])
        if media is None or media.content_type not in phone.PICTURES:
            raise web.HTTPNotFound
        return web.Response(body=media.content, content_type=media.content_type)
