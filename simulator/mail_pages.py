"""The training page for mail: a citizen's mailbox, and a switchboard for what can go wrong at the office's provider."""

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from urllib.parse import quote, urlencode

import jinja2
from aiohttp import BodyPartReader, web

from simulator import mail_records as records
from simulator import mail_switches as switches
from simulator import mail_texts as texts
from simulator import pages
from simulator.mail import MailStandIn

STREAM_PAUSE_SECONDS = 15
MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_TEXT = 20_000
_MAX_FIELD_BYTES = 128 * 1024
_MAX_FIELDS = 20
_ADDRESS = re.compile(r"[a-z0-9._+\-]{1,64}@[a-z0-9\-]{1,60}(\.[a-z0-9\-]{1,60}){1,4}", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+\-]{1,80}", re.IGNORECASE)
_PROBLEMS = {
    "alamat": texts.BAD_ADDRESS,
    "kosong": texts.EMPTY,
    "panjang": texts.TOO_LONG,
    "besar": texts.TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """One mailbox of the office that has no credentials."""

    name: str
    label: str
    address: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose mailbox is shown, and which of the office's addresses it writes to."""

    account: SimulatedAccount
    name: str
    address: str

    def query(self, **more: object) -> str:
        return urlencode({"akun": self.account.name, "alamat": self.address, "nama": self.name, **more})


@dataclass(frozen=True, slots=True)
class _Form:
    fields: Mapping[str, str]
    files: Sequence[records.File]
    problem: str | None

    @property
    def text(self) -> str:
        return self.fields.get("isi", "").replace("\r\n", "\n").replace("\x00", "").strip()


def subapp(
    stand_in: MailStandIn,
    accounts: Sequence[SimulatedAccount],
    *,
    office: str,
    zone: tzinfo,
    prefix: str = "/simulator/surel",
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
    environment.filters["moment"] = lambda at: at.astimezone(zone).strftime("%d/%m/%Y %H.%M")
    return _Pages(stand_in, accounts, environment.get_template("mail.html"), prefix).application()


class _Pages:
    def __init__(
        self, stand_in: MailStandIn, accounts: Sequence[SimulatedAccount], template: jinja2.Template, prefix: str
    ) -> None:
        self._stand_in = stand_in
        self._accounts = {account.name: account for account in accounts}
        self._template = template
        self._prefix = prefix
        self._closing = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[pages.with_headers])
        application.router.add_get("", self._show)
        application.router.add_get("/", self._show)
        application.router.add_post("/kirim", self._send)
        application.router.add_post("/sakelar", self._switch)
        application.router.add_get("/alur", self._stream)
        application.router.add_get(r"/lampiran/{mail:\d{1,9}}/{index:\d{1,3}}", self._file)
        application.router.add_static("/static", Path(__file__).parent / "static")
        application.on_shutdown.append(self._end_streams)
        return application

    def _place(self, query: Mapping[str, str]) -> _Place:
        account = self._accounts.get(query.get("akun", next(iter(self._accounts), "")))
        if account is None:
            raise web.HTTPNotFound(text=texts.NO_ACCOUNT)
        name, address = texts.CITIZENS[0]
        given = query.get("alamat", address)
        return _Place(account, query.get("nama", name)[:80], given.lower() if _ADDRESS.fullmatch(given) else address)

    def _mail(self, place: _Place, wanted: str) -> records.Mail | None:
        mail = self._stand_in.find(int(wanted)) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
        return mail if mail in self._stand_in.mailbox(place.address) else None

    async def _show(self, request: web.Request) -> web.Response:
        place, query = self._place(request.query), request.query
        example = query.get("contoh", "")
        chosen = texts.EXAMPLES[int(example)] if example in map(str, range(len(texts.EXAMPLES))) else None
        opened = self._mail(place, query.get("surat", ""))
        page = self._template.render(
            place=place,
            people=texts.CITIZENS,
            examples=texts.EXAMPLES,
            mails=list(reversed(self._stand_in.mailbox(place.address))),
            opened=opened,
            is_writing="tulis" in query or chosen is not None or (opened is not None and "balas" in query),
            draft=chosen or ("", ""),
            no_subject=texts.NO_SUBJECT,
            problem=_PROBLEMS.get(query.get("galat", "")),
            switches=switches.states(self._stand_in, place.account.address),
        )
        return web.Response(text=page, content_type="text/html")

    async def _send(self, request: web.Request) -> web.Response:
        pages.require_same_origin(request)
        form = await _read_form(request)
        place = self._place(form.fields)
        answered = self._mail(place, form.fields.get("surat", ""))
        problem = form.problem or _problem_of(form)
        if problem is not None:
            raise self._back(place, galat=problem, **({"surat": answered.id, "balas": 1} if answered else {"tulis": 1}))
        subject = " ".join(form.fields.get("perihal", "").split())[:200]
        if answered is not None:
            subject = answered.subject if answered.subject.lower().startswith("re:") else f"Re: {answered.subject}"
        mail = self._stand_in.write(
            place.address,
            place.name,
            answered.reply_to if answered is not None and answered.from_office else place.account.address,
            subject,
            form.text,
            files=form.files,
            in_reply_to=answered,
        )
        raise self._back(place, surat=mail.id)

    async def _switch(self, request: web.Request) -> web.Response:
        pages.require_same_origin(request)
        form = await _read_form(request)
        place = self._place(form.fields)
        switches.turn(
            self._stand_in, place.account.address, form.fields.get("sakelar", ""), form.fields.get("ke") == "nyala"
        )
        raise self._back(place)

    def _back(self, place: _Place, **more: object) -> web.HTTPSeeOther:
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

    async def _file(self, request: web.Request) -> web.Response:
        mail = self._stand_in.find(int(request.match_info["mail"]))
        files = mail.files if mail is not None else []
        index = int(request.match_info["index"])
        if index >= len(files):
            raise web.HTTPNotFound
        disposition = f"attachment; filename*=UTF-8''{quote(files[index].name, safe='')}"
        return web.Response(
            body=files[index].content,
            content_type="application/octet-stream",
            headers={"Content-Disposition": disposition},
        )


async def _read_form(request: web.Request) -> _Form:
    """Read a form of either encoding, no more of it than is allowed."""
    if not request.content_type.startswith("multipart/"):
        return _Form({name: str(value) for name, value in (await request.post()).items()}, [], None)
    fields: dict[str, str] = {}
    files: list[records.File] = []
    problem: str | None = None
    reader = await request.multipart()
    for _ in range(_MAX_FIELDS):
        part = await reader.next()
        if part is None:
            break
        if not isinstance(part, BodyPartReader):
            continue
        is_file = part.filename is not None
        content = await _read(part, MAX_FILE_BYTES if is_file else _MAX_FIELD_BYTES)
        if content is None:
            problem = "besar" if is_file else "panjang"
        elif not is_file:
            fields[part.name or ""] = content.decode(errors="replace")
        elif content:
            kind = part.headers.get("Content-Type", "")
            kind = kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"
            files.append(records.File((part.filename or "lampiran")[:120], kind, content))
    return _Form(fields, files, problem)


async def _read(part: BodyPartReader, most: int) -> bytes | None:
    """Return the part's content; None if it has more than `most` bytes, of which the rest is passed over."""
    content = bytearray()
    while chunk := await part.read_chunk():
        if len(content) <= most:
            content += chunk
    return bytes(content) if len(content) <= most else None


def _problem_of(form: _Form) -> str | None:
    """Return the key of what keeps this form from being sent; None if nothing does."""
    if not _ADDRESS.fullmatch(form.fields.get("alamat", "")):
        return "alamat"
    if len(form.text) > MAX_TEXT:
        return "panjang"
    return None if form.text or form.files else "kosong"
