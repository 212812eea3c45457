"""The HTTP API of the stand-in for Twilio: create, list, fetch, delete, media and its redirect to storage.

Source: Twilio, "Messages resource", "Media subresource", "Twilio's response" (paging, errors).
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from simulator import twilio_records as records
from simulator import twilio_rules as rules
from simulator.twilio import TwilioStandIn

DEFAULT_PAGE, MAX_PAGE = 50, 1000
_MEDIA_LIFETIME = timedelta(hours=4)
_MAX_HANG_SECONDS = 120
_LIST_PARAMETERS = frozenset({"To", "From", "DateSent", "DateSent>", "DateSent<", "PageSize", "Page", "PageToken"})

_Handler = Callable[[records.Account, web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serve(stand_in: TwilioStandIn, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the API on a port of its own (0: a free one) and yield its base URL; closes the stand-in at the end."""
    runner = web.AppRunner(application(stand_in), handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        stand_in.base_url = f"http://{host}:{runner.addresses[0][1]}"
        yield stand_in.base_url
    finally:
        await stand_in.close()
        await runner.cleanup()


def application(stand_in: TwilioStandIn) -> web.Application:
    """Return the API as an application that can be mounted; then set `stand_in.base_url` to where it is."""
    return _Api(stand_in).application()


class _Api:
    def __init__(self, stand_in: TwilioStandIn) -> None:
        self._stand_in = stand_in
        self._storage_key = secrets.token_bytes(32)

    def application(self) -> web.Application:
        account, message = f"{records.ROOT}/{{account}}", f"{records.ROOT}/{{account}}/Messages/{{message}}"
        routes: list[tuple[str, str, _Handler]] = [
            ("GET", f"{account}.json", self._account),
            ("POST", f"{account}/Messages.json", self._create),
            ("GET", f"{account}/Messages.json", self._list),
            ("GET", f"{message}.json", self._fetch),
            ("DELETE", f"{message}.json", self._delete),
            ("GET", f"{message}/Media.json", self._list_media),
            ("GET", f"{message}/Media/{{media}}.json", self._fetch_media),
            ("DELETE", f"{message}/Media/{{media}}.json", self._delete_media),
            ("GET", f"{message}/Media/{{media}}", self._redirect_to_storage),
            ("DELETE", f"{message}/Media/{{media}}", self._delete_media),
        ]
        application = web.Application()
        for method, path, handler in routes:
            application.router.add_route(method, path, self._guarded(handler))
        application.router.add_get("/storage/{media}", self._storage)
        return application

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a handler in what all share: the outage, the credentials, the form of errors, the log."""

        async def handle(request: web.Request) -> web.StreamResponse:
            account = self._stand_in.accounts.get(request.match_info["account"])
            await request.post()  # before anything can close the connection
            status = None
            try:
                try:
                    _stop_if_down(account, request)
                    response = await handler(_authorised(account, request), request)
                except rules.RefusedError as refusal:
                    response = _error(refusal)
                status = None if _is_dropped(request) else response.status
            finally:
                await self._log(request, status)
            return response

        return handle

    async def _log(self, request: web.Request, status: int | None) -> None:
        form = {name: str(value) for name, value in (await request.post()).items()}  # read already: this cannot wait
        account_sid = request.match_info["account"]
        call = records.Call(
            self._stand_in.clock.now(), account_sid, request.method, request.path, dict(request.query), form, status
        )
        self._stand_in.calls.append(call)
        self._stand_in.changed()

    # --- Messages -------------------------------------------------------------------------------------------------

    async def _account(self, account: records.Account, _: web.Request) -> web.StreamResponse:
        return web.json_response(records.account_json(account))

    async def _create(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        form: Any = await request.post()
        faults, failure = account.faults, None
        if faults.refusals:
            refusal = faults.refusals.popleft()
            if refusal.status is not None:
                raise rules.RefusedError(refusal.code, refusal.status, retry_after=refusal.retry_after)
            failure = refusal.code
        draft = rules.read_create(account, form, self._stand_in.clock.now())
        if faults.lost_answers:
            how, accepted = faults.lost_answers.popleft()
            if accepted:
                lost = self._stand_in.accept(account, draft, failure or draft.failure)
                self._stand_in.spawn(self._stand_in.progress(lost))
            return await self._lose_answer(request, how)
        message = self._stand_in.accept(account, draft, failure or draft.failure)
        response = web.json_response(records.message_json(message), status=201)
        if faults.statuses_early:
            await self._stand_in.progress(message)
            return response
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who asked may be gone; the message is accepted all the same
            await response.write_eof()  # so that no status callback overtakes the answer
        self._stand_in.spawn(self._stand_in.progress(message))
        return response

    async def _lose_answer(self, request: web.Request, how: records.LostAnswer) -> web.StreamResponse:
        if how is records.LostAnswer.SILENT:
            with contextlib.suppress(TimeoutError):
                await self._stand_in.wait_for(self._stand_in.closing.is_set, _MAX_HANG_SECONDS)
        _drop(request)
        return web.Response()

    async def _list(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        """List the newest first; a page token names the last message of the page before, so nothing shifts."""
        query = request.query
        if unknown := set(query) - _LIST_PARAMETERS:
            raise rules.RefusedError(20001, detail=", ".join(sorted(unknown)))
        found = self._stand_in.messages(account_sid=account.sid, sender=query.get("From"), to=query.get("To"))
        found = [message for message in reversed(found) if _is_in_dates(message, query.items())]
        size, page = _number(query.get("PageSize"), DEFAULT_PAGE, MAX_PAGE), _number(query.get("Page"), 0, None)
        start = page * size
        if token := query.get("PageToken"):
            sids = [message.sid for message in found]
            start = sids.index(token.removeprefix("PA")) + 1 if token.removeprefix("PA") in sids else start
        shown = found[start : start + size]
        filters = [(name, value) for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")]
        more = start + size < len(found)
        path = f"{records.ROOT}/{account.sid}/Messages.json"

        def uri(number: int, token: str | None = None) -> str:
            place = [("PageSize", str(size)), ("Page", str(number)), *([("PageToken", token)] if token else [])]
            return f"{path}?{urlencode(filters + place)}"

        body = {
            "messages": [records.message_json(message) for message in shown],
            "page": page,
            "page_size": size,
            "start": start,
            "end": max(start + len(shown) - 1, 0),
            "uri": uri(page, query.get("PageToken")),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1, f"PA{shown[-1].sid}") if more else None,
        }
        return web.json_response(body)

    async def _fetch(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        return web.json_response(records.message_json(self._message(account, request)))

    async def _delete(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        self._stand_in.forget(self._message(account, request).sid)
        return web.Response(status=204)

    def _message(self, account: records.Account, request: web.Request) -> records.Message:
        message = self._stand_in.find(request.match_info["message"])
        if message is None or message.account_sid != account.sid:
            raise rules.RefusedError(20404, detail=request.path)
        return message

    # --- Media ----------------------------------------------------------------------------------------------------

    async def _list_media(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        message = self._message(account, request)
        uri = f"{records.message_uri(message)}/Media.json"
        size = _number(request.query.get("PageSize"), DEFAULT_PAGE, MAX_PAGE)
        page = _number(request.query.get("Page"), 0, None)
        start = page * size
        shown = message.media[start : start + size]
        more = f"{uri}?PageSize={size}&Page={page + 1}" if start + size < len(message.media) else None
        body = {
            "media_list": [records.media_json(message, media) for media in shown],
            "page": page,
            "page_size": size,
            "start": start,
            "end": max(start + len(shown) - 1, 0),
            "uri": uri,
            "first_page_uri": f"{uri}?PageSize={size}&Page=0",
            "previous_page_uri": f"{uri}?PageSize={size}&Page={page - 1}" if page else None,
            "next_page_uri": more,
        }
        return web.json_response(body)

    async def _fetch_media(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        return web.json_response(records.media_json(*self._media(account, request)))

    async def _delete_media(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        self._stand_in.forget_media(*self._media(account, request))
        return web.Response(status=204)

    async def _redirect_to_storage(self, account: records.Account, request: web.Request) -> web.StreamResponse:
        """Send the client on to storage: another host, a signed address, no credentials wanted."""
        _, media = self._media(account, request)
        if account.faults.media_misses > 0:
            account.faults.media_misses -= 1
            raise rules.RefusedError(20404, detail=request.path)
        expires = str(int((self._stand_in.clock.now() + _MEDIA_LIFETIME).timestamp()))
        signed = urlencode({"Expires": expires, "Signature": self._storage_signature(media.sid, expires)})
        base = URL(self._stand_in.base_url)
        base = base.with_host("localhost" if base.host != "localhost" else "127.0.0.1")
        return web.Response(status=307, headers={"Location": f"{str(base).rstrip('/')}/storage/{media.sid}?{signed}"})

    def _media(self, account: records.Account, request: web.Request) -> tuple[records.Message, records.Media]:
        message = self._message(account, request)
        for media in message.media:
            if media.sid == request.match_info["media"]:
                return message, media
        raise rules.RefusedError(20404, detail=request.path)

    async def _storage(self, request: web.Request) -> web.StreamResponse:
        """Give out a file by its signed address; as object stores do, refuse a second kind of credentials (400)."""
        if "Authorization" in request.headers:
            return web.Response(status=400, text="Only one authentication mechanism allowed", content_type="text/plain")
        sid, expires = request.match_info["media"], request.query.get("Expires", "")
        signature = request.query.get("Signature", "").encode()
        genuine = hmac.compare_digest(signature, self._storage_signature(sid, expires).encode())
        if not genuine or int(expires) < self._stand_in.clock.now().timestamp():
            return web.Response(status=403, text="Request has expired or is not signed", content_type="text/plain")
        for message in self._stand_in.messages():
            for media in message.media:
                if media.sid == sid:
                    return web.Response(body=media.content, headers={"Content-Type": media.content_type})
        return web.Response(status=404)

    def _storage_signature(self, media_sid: str, expires: str) -> str:
        return hmac.new(self._storage_key, f"{media_sid}\n{expires}".encode(), hashlib.sha256).hexdigest()


def _authorised(account: records.Account | None, request: web.Request) -> records.Account:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise rules.RefusedError(20003) from None
    if scheme.lower() != "basic" or account is None or not account.accepts(username, password):
        raise rules.RefusedError(20003)
    return account


def _stop_if_down(account: records.Account | None, request: web.Request) -> None:
    outage = account.faults.outage if account else records.Outage.NONE
    if outage is records.Outage.DROPPED:
        _drop(request)
    if outage is not records.Outage.NONE:
        raise rules.RefusedError(20503)


def _error(refusal: rules.RefusedError) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    body = {
        "code": refusal.code,
        "message": str(refusal),
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return web.json_response(body, status=refusal.status, headers=headers)


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _is_dropped(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _number(text: str | None, default: int, most: int | None) -> int:
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit()):
        raise rules.RefusedError(20001, detail=text)
    return min(int(text), most) if most is not None else int(text)


def _is_in_dates(message: records.Message, query: Any) -> bool:
    """Compare with DateSent filters: a day or an instant in UTC, both ends included."""
    at = (message.sent_at or message.created_at).replace(microsecond=0)
    for name, value in query:
        if not name.startswith("DateSent"):
            continue
        try:
            first = datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            raise rules.RefusedError(20001, detail=name) from None
        last = first + timedelta(days=1, microseconds=-1) if len(value) == len("2026-01-01") else first
        if (name == "DateSent>" and at < first) or (name == "DateSent<" and at > last):
            return False
        if name == "DateSent" and at.date() != first.date():
            return False
    return True
