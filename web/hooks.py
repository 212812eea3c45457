"""Webhooks: what providers post goes to intake as it came, and is answered once it is stored."""

from datetime import timedelta
from typing import cast

from aiohttp import web

from core import errors, ports
from router import intake
from web.application import CLIENT, DESK, body_of
from web.limits import Limit

_MOST_UNPROVEN = 64 * 1024  # bytes; what providers send is far smaller, and what is kept is shown to admins


def routes() -> list[web.RouteDef]:
    """Return the routes; what one address may put into quarantine is limited, what is proven never is."""
    hooks = _Hooks(Limit(burst=300, every=timedelta(seconds=2)))
    return [
        web.post("/hooks/{account}", hooks.receive),
        web.post("/hooks/{account}/status", hooks.receive),
        web.get("/hooks/{account}", hooks.shake_hands, allow_head=False),
    ]


class _Hooks:
    def __init__(self, forgeries: Limit) -> None:
        self._forgeries = forgeries

    async def receive(self, request: web.Request) -> web.Response:
        """Take in one webhook. 200: stored; 403: not proven, in quarantine; 503: not stored, to be sent again."""
        desk = request.app[DESK]
        raw = ports.RawRequest(
            account=request.match_info["account"],
            target=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await body_of(request),
            received_at=desk.clock.now(),
        )
        try:
            await intake.receive(desk, raw, lambda: self._may_be_kept(request, raw))
        except errors.SignatureError:
            return web.Response(status=403)
        content_type, body = cast("ports.WebhookConnector", desk.connectors[raw.account]).reply()
        return web.Response(body=body.encode(), content_type=content_type)

    async def shake_hands(self, request: web.Request) -> web.Response:
        """Answer a provider that asks whether the webhook is ours; 403 when it does not know our secret."""
        connector = request.app[DESK].connectors.get(request.match_info["account"])
        if not hasattr(connector, "answer_handshake"):
            raise errors.NotFound("nobody asks this account")
        try:
            answer = cast("ports.Handshake", connector).answer_handshake(request.query)
        except errors.SignatureError:
            return web.Response(status=403)
        # What is asked stands in the answer: never as a page.
        return web.Response(text=answer, content_type="text/plain")

    def _may_be_kept(self, request: web.Request, raw: ports.RawRequest) -> bool:
        size = len(raw.body) + len(raw.target) + sum(len(name) + len(value) for name, value in raw.headers.items())
        return size <= _MOST_UNPROVEN and not self._forgeries.take(request[CLIENT], raw.received_at)
