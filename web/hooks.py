"""Webhooks: what providers post goes to intake as it came, and is answered once it is stored."""

from aiohttp import web

from core import errors, ports
from router import intake
from web.application import DESK

_MAX_BODY = 4 * 1024 * 1024


async def receive(request: web.Request) -> web.Response:
    """Take in one webhook. 200: stored; 403: not proven, in quarantine; 503: not stored, to be sent again."""
    desk = request.app[DESK]
    raw = ports.RawRequest(
        account=request.match_info["account"],
        target=request.raw_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        received_at=desk.clock.now(),
    )
    try:
        await intake.receive(desk, raw)
    except errors.SignatureError:
        return web.Response(status=403)
    connector = desk.connectors[raw.account]
    content_type, body = connector.reply()  # type: ignore[attr-defined]
    return web.Response(body=body.encode(), content_type=content_type)


routes = [
    web.post("/hooks/{account}", receive),
    web.post("/hooks/{account}/status", receive),
]
