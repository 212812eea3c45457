"""The Graph API of the stand-in: versioned paths, tokens in a header or not, usage headers, refusals, outages.

Source: Meta, "Graph API overview", "Secure Graph API calls", "Rate Limits"; the paths are those of graph_reads.py and
graph_writes.py. Addresses of files are signed, expire, and are on another host, as those of Meta's delivery network.
"""

import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import BodyPartReader, web
from yarl import URL

from simulator import graph_records as records
from simulator import graph_rules as rules
from simulator.graph import GraphStandIn
from simulator.graph_reads import Reads
from simulator.graph_writes import Upload, Writes, Written

_VERSION = re.compile(r"v\d{1,3}\.\d")
_MEDIA_LIFETIME = timedelta(hours=1)
_MAX_HANG_SECONDS = 60
_MAX_BODY_BYTES = 32 * 1024 * 1024
_SECRET = frozenset({"input_token", "access_token", "appsecret_proof"})


@contextlib.asynccontextmanager
async def serve(stand_in: GraphStandIn, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
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


def application(stand_in: GraphStandIn) -> web.Application:
    """Return the API as an application that can be mounted; then set `stand_in.base_url` to where it is."""
    return _Api(stand_in).application()


class _Api:
    def __init__(self, stand_in: GraphStandIn) -> None:
        self._stand_in = stand_in
        self._reads = Reads(stand_in)
        self._writes = Writes(stand_in, self._reads)
        self._media_key = secrets.token_bytes(32)
        stand_in.media_url = self._media_url

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_get("/cdn/{media}", self._media)
        application.router.add_route("*", "/{version}/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        parameters, file = await _read(request)
        account, is_app = self._who(request)
        status = None
        try:
            try:
                response = _outage(account, request) or await self._answer(
                    request, account, parameters, file, is_app=is_app
                )
            except rules.RefusedError as error:
                refusal = error.refusal
                response = web.json_response(error.json(), status=refusal.status, headers=dict(refusal.headers))
            if account is not None and not response.prepared:
                for name, value in _usage(account).items():
                    response.headers.setdefault(name, value)
            status = None if request.transport is None or request.transport.is_closing() else response.status
        finally:
            told = {name: value for name, value in parameters.items() if name not in _SECRET}
            owner = account.id if account else ""
            path = request.match_info["path"]
            now = self._stand_in.clock.now()
            self._stand_in.calls.append(records.Call(now, owner, request.method, path, told, status))
            self._stand_in.changed()
        return response

    async def _answer(
        self,
        request: web.Request,
        account: records.Account | None,
        parameters: Mapping[str, Any],
        file: Upload | None,
        *,
        is_app: bool,
    ) -> web.StreamResponse:
        if _VERSION.fullmatch(request.match_info["version"]) is None:
            raise rules.refused(2500, detail="Unknown path components")
        parts = [part for part in request.match_info["path"].split("/") if part]
        if is_app:
            if parts != ["debug_token"]:
                raise rules.refused(190, detail="a page's token is needed", status=401)
            rules.require(parameters, ("input_token",))
            return web.json_response(self._reads.debug_token(str(parameters.get("input_token"))))
        if account is None:
            raise rules.refused(190, status=401)
        self._check_token(account, request)
        parts = [account.id if part == "me" and not i else part for i, part in enumerate(parts)]
        if request.method == "GET":
            return web.json_response(self._reads.answer(account, parts, parameters))
        return await self._write(request, account, parts, parameters, file)

    async def _write(
        self,
        request: web.Request,
        account: records.Account,
        parts: list[str],
        body: Mapping[str, Any],
        file: Upload | None,
    ) -> web.StreamResponse:
        faults = account.faults
        if faults.refusals:
            raise rules.RefusedError(faults.refusals.popleft())
        lost = faults.lost_answers.popleft() if faults.lost_answers else None
        if lost is not None and not lost[1]:
            return await self._lose_answer(request, lost[0])
        if request.method == "DELETE":
            written = self._writes.delete(account, parts)
        else:
            written = self._writes.post(account, parts, body, file)
        if written.message is not None and self._stand_in.faults(written.message.account_id).echoes_early:
            await self._stand_in.tell_message(written.message)
        if lost is not None:
            self._tell(written)
            return await self._lose_answer(request, lost[0])
        response = web.json_response(written.answer, headers=_usage(account))
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who asked may be gone; it is done all the same
            await response.write_eof()  # so that no webhook overtakes the answer
        self._tell(written)
        return response

    def _tell(self, written: Written) -> None:
        if written.message is not None:
            self._stand_in.spawn(self._stand_in.progress(written.message))
        if written.comment is not None:
            account, comment, verb = written.comment
            self._stand_in.spawn(self._stand_in.tell_comment(account, comment, verb))

    async def _lose_answer(self, request: web.Request, how: records.LostAnswer) -> web.StreamResponse:
        if how is records.LostAnswer.SILENT:
            with contextlib.suppress(TimeoutError):
                await self._stand_in.wait_for(self._stand_in.closing.is_set, _MAX_HANG_SECONDS)
        _drop(request)
        return web.Response()

    # --- Who asks -------------------------------------------------------------------------------------------------

    def _who(self, request: web.Request) -> tuple[records.Account | None, bool]:
        """Return the account of the token, or that the app itself asks; a token in the address counts as none."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return None, False
        if any(hmac.compare_digest(token.encode(), f"{app.id}|{app.secret}".encode()) for app in self._apps()):
            return None, True
        accounts = self._stand_in.accounts.values()
        return next((a for a in accounts if hmac.compare_digest(token.encode(), a.token.encode())), None), False

    def _apps(self) -> list[records.App]:
        return list(self._stand_in.apps.values())

    def _check_token(self, account: records.Account, request: web.Request) -> None:
        if account.faults.token_subcode is not None:
            raise rules.refused(190, account.faults.token_subcode, status=401)
        if account.expires_at is not None and account.expires_at <= self._stand_in.clock.now():
            raise rules.refused(190, 463, status=401)
        proof = hmac.new(account.app.secret.encode(), account.token.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.query.get("appsecret_proof", "").encode(), proof.encode()):
            raise rules.refused(100, detail="Invalid appsecret_proof provided in the API argument")

    # --- Files ----------------------------------------------------------------------------------------------------

    def _media_url(self, media: records.Media) -> str:
        expires = f"{int((self._stand_in.clock.now() + _MEDIA_LIFETIME).timestamp()):x}"
        base = URL(self._stand_in.base_url)
        base = base.with_host("localhost" if base.host != "localhost" else "127.0.0.1")
        query = {"oe": expires, "oh": self._media_signature(media.id, expires)}
        return str(base.with_path("/cdn/" + media.id).with_query(query))

    async def _media(self, request: web.Request) -> web.StreamResponse:
        media_id, expires = request.match_info["media"], request.query.get("oe", "")
        genuine = hmac.compare_digest(
            request.query.get("oh", "").encode(), self._media_signature(media_id, expires).encode()
        )
        if not genuine or int(expires, 16) < self._stand_in.clock.now().timestamp():
            return web.Response(status=403, text="URL signature expired", content_type="text/plain")
        media = self._stand_in.media.get(media_id)
        if media is None:
            return web.Response(status=404)
        return web.Response(body=media.content, headers={"Content-Type": media.content_type})

    def _media_signature(self, media_id: str, expires: str) -> str:
        return hmac.new(self._media_key, f"{media_id}\n{expires}".encode(), hashlib.sha256).hexdigest()


async def _read(request: web.Request) -> tuple[dict[str, Any], Upload | None]:
    """Return the parameters of address and body (JSON, or a form whose values may be JSON), and a form's file."""
    parameters: dict[str, Any] = {} if request.method == "POST" else dict(request.query)
    if request.content_type == "application/json":
        body = await request.json()
        return (parameters | body if isinstance(body, dict) else parameters), None
    if not request.content_type.startswith("multipart/"):
        form = await request.post()
        return parameters | {name: _value(str(value)) for name, value in form.items()}, None
    file = None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.filename is None:
            parameters[part.name or ""] = _value(await part.text())
        else:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            file = Upload(part.filename, kind, bytes(await part.read()))
    return parameters, file


def _value(text: str) -> Any:
    """Return a form's value: a text, or what it holds as JSON."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _usage(account: records.Account) -> dict[str, str]:
    used, minutes = account.faults.calls_used, account.faults.regained_minutes
    record = {"call_count": used, "total_cputime": 1, "total_time": 1}
    business = {"type": "pages", **record, "estimated_time_to_regain_access": minutes}
    return {"X-App-Usage": json.dumps(record), "X-Business-Use-Case-Usage": json.dumps({account.id: [business]})}


def _outage(account: records.Account | None, request: web.Request) -> web.StreamResponse | None:
    outage = account.faults.outage if account else records.Outage.NONE
    if outage is records.Outage.NONE:
        return None
    if outage is records.Outage.DROPPED:
        _drop(request)
    return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
