"""The chat page that the office's website shows in a frame, and what it asks of us. Works as a plain form as well.

The token of a session stands in a header or in a form's body, never in an address. No address of the writer and nothing
of his browser is kept.
"""

import asyncio
import contextlib
import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, quote

from aiohttp import web

from core import errors, model, ports
from router import conversation, intake
from router.desk import Desk
from web import chat_assets, chat_page, chat_session, chat_stream, form, pages
from web.application import CLIENT, DESK, SETTINGS, body_of
from web.limits import Limit

_SENT = ("name", "contact", "category", "text", "key")  # what becomes of a message besides its files
_SMALL_BYTES, _SMALL_SECONDS, _LONGEST_SECONDS = 64 * 1024, 60, 20 * 60  # of a message without files; with them
_FIRST_ANSWER_SECONDS = 2.0  # without JavaScript: how long the acknowledgement is waited for
_MOST_SHOWN = 500  # ids in one word of what was shown
_HOUR = "public, max-age=3600"


def routes() -> list[web.RouteDef]:
    """Return the routes, with limits and listeners of their own."""
    chat = _Chat()
    return [
        web.get("/obrolan/aduan.js", _widget),
        *chat_assets.routes,
        web.get("/obrolan", chat.show),
        web.get("/obrolan/{account}", chat.show),
        web.post("/obrolan/{account}", chat.submit),
        web.get("/obrolan/{account}/pesan", chat.read),
        web.post("/obrolan/{account}/pesan", chat.write),
        web.get("/obrolan/{account}/aliran", chat.stream),
        web.post("/obrolan/{account}/terbaca", chat.seen),
        web.post("/obrolan/{account}/kontak", chat.leave),
        web.post("/obrolan/{account}/berkas/{file}", chat.file),
    ]


async def _widget(request: web.Request) -> web.Response:
    """Return the script that an office's website includes: a button, and a frame with the page below."""
    response = pages.render(request, "chat/widget.js")
    response.text = chat_assets.lean_script(response.text or "")
    response.content_type = "text/javascript"
    response.headers["Cache-Control"] = _HOUR
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose conversation a request is about."""

    account: model.Account
    connector: ports.Conversation
    session: chat_session.Session

    @property
    def address(self) -> str:
        return self.connector.address(self.session.id)


class _Chat:
    def __init__(self) -> None:
        # A whole school is one address; what one page may do is limited for itself.
        self._writing = Limit(120, timedelta(seconds=1))
        self._asking = Limit(600, timedelta(milliseconds=100))
        self._writing_here = Limit(20, timedelta(seconds=3))
        self._asking_here = Limit(60, timedelta(seconds=1))
        self._listeners = chat_stream.Listeners()

    async def show(self, request: web.Request) -> web.Response:
        """Show the page with a token of its own; what was said in a session the page asks for, with its token."""
        account, connector = _account(request)
        token = chat_session.issue(request.app[SETTINGS].chat_key, account.name, request.app[DESK].clock.now())
        return chat_page.show(request, chat_page.Page(account, connector, token))

    async def read(self, request: web.Request) -> web.Response:
        """Return what the session has been told since the message `setelah`; 204 before the first message."""
        place = self._place(request, self._asking, self._asking_here)
        desk = request.app[DESK]
        found = await conversation.read(desk, place.account, place.address, _after(request))
        return web.Response(status=204) if found is None else _json(chat_page.shape(desk, place.account, found))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Go on telling the session what it gains, as server-sent events."""
        desk = request.app[DESK]
        place = self._place(request, self._asking, self._asking_here)
        return await chat_stream.answer(
            request,
            self._listeners,
            place.address,
            functools.partial(conversation.read, desk, place.account, place.address),
            functools.partial(chat_page.shape, desk, place.account),
        )

    async def write(self, request: web.Request) -> web.Response:
        """Take in a message and return what the session has been told since `setelah`, this one included.

        400, 413, 422: mistakes, named by field; 401: no session; 409: too soon; 429: too many; 503: not stored.
        """
        desk = request.app[DESK]
        place = self._place(request, self._writing, self._writing_here)
        with contextlib.ExitStack() as opened:
            filled = await _filled(request, opened)
            mistakes = await self._take_in(request, place, filled)
        if mistakes:
            return _refused(*mistakes)
        found = await conversation.read(desk, place.account, place.address, _after(request))
        assert found is not None  # it has just been written to
        return _json(chat_page.shape(desk, place.account, found))

    async def submit(self, request: web.Request) -> web.Response:
        """Do the same for a browser without JavaScript, and show the whole conversation; or with no text only that."""
        account, connector = _account(request)
        secret, now = request.app[SETTINGS].chat_key, request.app[DESK].clock.now()
        wait = self._writing.take(request[CLIENT], now)
        with contextlib.ExitStack() as opened:
            filled = await _filled(request, opened, with_files=not wait)
            token = filled.fields.get("token", "")
            session = chat_session.read(secret, account.name, token, now)
            if session is None:
                page = chat_page.Page(account, connector, chat_session.issue(secret, account.name, now), filled.fields)
                return chat_page.show(request, page, 400, {"form": form.EXPIRED})
            place = _Place(account, connector, session)
            mistakes: tuple[int, Mapping[str, str]] | None = None
            if wait:
                mistakes = 429, {"form": "too_many"}
            elif "perbarui" not in filled.fields:
                mistakes = await self._take_in(request, place, filled)
        said = await self._acknowledged(request, place)
        fields = {} if mistakes is None else filled.fields
        return chat_page.show(request, chat_page.Page(account, connector, token, fields, said), *(mistakes or ()))

    async def seen(self, request: web.Request) -> web.Response:
        """Note which messages of ours came to the page, or before the citizen's eyes."""
        place = self._place(request, self._asking, self._asking_here)
        try:
            told = json.loads(await body_of(request))
            shown = [int(each) for each in told["ids"][:_MOST_SHOWN]]
            state = model.DeliveryState(told["state"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise web.HTTPBadRequest(text="Permintaan tidak dapat dibaca.") from None
        if state not in (model.DeliveryState.DELIVERED, model.DeliveryState.READ):
            raise web.HTTPBadRequest(text="Permintaan tidak dapat dibaca.")
        shown = [each for each in shown if 0 < each < 2**63]
        await conversation.seen(request.app[DESK], place.account, place.address, shown, state)
        return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.Response:
        """Keep the number or address that the citizen leaves, so that he can be told of an answer; 422 for none."""
        place = self._place(request, self._writing, self._writing_here)
        try:
            address = place.connector.parse_contact((await body_of(request)).decode("utf-8", "replace"))
        except errors.FormMistakes as error:
            return _refused(422, error.mistakes)
        await conversation.leave_address(request.app[DESK], place.account, place.address, address)
        self._listeners.wake(place.address)
        return web.Response(status=204)

    async def file(self, request: web.Request) -> web.Response:
        """Return a file that the office sent, to be saved and never shown by itself."""
        fields = dict(parse_qsl((await body_of(request)).decode("utf-8", "replace")))
        place = self._place(request, self._asking, self._asking_here, fields.get("token"))
        desk, file_id = request.app[DESK], chat_stream.number(request.match_info["file"])
        attachment = await conversation.file(desk, place.account, place.address, file_id)
        content = await asyncio.to_thread(desk.files.get, attachment.sha256 or "")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name or 'lampiran')}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.Response(body=content, content_type=attachment.media_type, headers=headers)

    def _place(self, request: web.Request, limit: Limit, limit_here: Limit, token: str | None = None) -> _Place:
        """Return the session that the request proves, by its header or a form's token; 401, 429 (forgeries count)."""
        account, connector = _account(request)
        now = request.app[DESK].clock.now()
        _require(limit.take(request[CLIENT], now))
        proof = token if token is not None else request.headers.get("Authorization", "").removeprefix("Bearer ")
        session = chat_session.read(request.app[SETTINGS].chat_key, account.name, proof, now)
        if session is None:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        _require(limit_here.take(session.id, now))
        return _Place(account, connector, session)

    async def _take_in(
        self, request: web.Request, place: _Place, filled: form.Filled
    ) -> tuple[int, Mapping[str, str]] | None:
        """Keep the files and store the message; return a status and what is wrong where it is not stored."""
        desk = request.app[DESK]
        now = desk.clock.now()
        if filled.problem is not None:
            return (503 if filled.problem == form.UNAVAILABLE else 400), {"form": filled.problem}
        if filled.fields.get("website"):
            return 400, {"form": "trap"}
        if now - place.session.issued_at < chat_session.LEAST_AGE:
            return 409, {"form": form.TOO_FAST}
        here = [model.StoredFile("", 0, "") for _ in filled.files]  # not kept before all else is right
        try:
            place.connector.parse_chat(place.session.id, filled.fields, here, now)
            mistakes: Mapping[str, str] = filled.mistakes
        except errors.FormMistakes as error:
            mistakes = error.mistakes | filled.mistakes
        if mistakes:
            return (413 if mistakes.get(form.FILES, "").endswith("too_large") else 422), mistakes
        try:
            await _store(desk, place, filled)
        except errors.StorageUnavailable:
            return 503, {"form": form.UNAVAILABLE}
        self._listeners.wake(place.address)
        return None

    async def _acknowledged(self, request: web.Request, place: _Place) -> conversation.Conversation | None:
        """Return the conversation, after what waits to be said has been said or a moment has passed."""
        desk = request.app[DESK]
        found = await conversation.read(desk, place.account, place.address)
        if found is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                with self._listeners.changes(desk.store.subscribe, found.complaint_ids) as changed:
                    found = await conversation.read(desk, place.account, place.address) or found
                    while not any(message.kind.is_outgoing for message in found.messages):
                        await changed.wait()
                        changed.clear()
                        found = await conversation.read(desk, place.account, place.address) or found
        return found


async def _filled(request: web.Request, opened: contextlib.ExitStack, *, with_files: bool = True) -> form.Filled:
    """Read a message as it streams in; 408 when it does not come."""
    size = request.content_length
    seconds = _SMALL_SECONDS if size is not None and size <= _SMALL_BYTES else _LONGEST_SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await form.read(request, opened, with_files=with_files)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="Permintaan tidak selesai dikirim.") from None


async def _store(desk: Desk, place: _Place, filled: form.Filled) -> None:
    try:
        files = [await asyncio.to_thread(_keep, desk, upload) for upload in filled.files]
    except OSError as error:
        raise errors.StorageUnavailable("the files cannot be kept") from error
    now = desk.clock.now()
    message = place.connector.parse_chat(place.session.id, filled.fields, files, now)
    content = {
        "fields": {name: filled.fields[name] for name in _SENT if name in filled.fields},
        "files": [dataclasses.asdict(file) for file in files],
    }
    body = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="replace")
    headers = {"content-type": "application/json"}
    request = ports.RawRequest(place.account.name, "/obrolan", headers, body, now)
    await intake.receive_message(desk, request, message, "chat")
    if message.reply_address is not None:  # intake keeps the one that came with the first message
        await conversation.leave_address(desk, place.account, place.address, message.reply_address)


def _keep(desk: Desk, upload: form.Upload) -> model.StoredFile:
    upload.content.seek(0)
    return desk.files.put(upload.content.read(), upload.name)


def _account(request: web.Request) -> tuple[model.Account, ports.Conversation]:
    """Return the chat that the path names, or the only one there is; NotFound."""
    desk = request.app[DESK]
    wanted = request.match_info.get("account")
    found = [
        account
        for name, account in desk.accounts.items()
        if wanted in (None, name) and hasattr(desk.connectors[name], "parse_chat")
    ]
    if len(found) != 1:
        raise errors.NotFound("no such chat")
    return found[0], cast("ports.Conversation", desk.connectors[found[0].name])


def _after(request: web.Request) -> int:
    return chat_stream.number(request.query.get("setelah", ""))


def _require(wait: timedelta) -> None:
    if wait:
        raise web.HTTPTooManyRequests(headers={"Retry-After": str(math.ceil(wait.total_seconds()))})


def _json(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(content, status=status)


def _refused(status: int, mistakes: Mapping[str, str]) -> web.Response:
    response = _json({"mistakes": mistakes}, status)
    if status in (400, 413):
        response.force_close()  # the rest of what is being sent is not waited for
    return response
