"""Live pages: what was committed is told to every open page of the office, as server-sent events.

Source: WHATWG HTML, "Server-sent events". An event says only what changed; the page asks for the rest anew, as it does
after every reconnection, so that nothing depends on each event arriving.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

from aiohttp import web

from core import errors, model
from router import people
from web import auth
from web.application import CLOSING, DESK

_HEARTBEAT_SECONDS = 15.0
_PAUSE_SECONDS = 0.25  # at most one message in this time for each page
_RETRY_MS = 2000
_MAX_KEYS = 64  # more changes than this at once are told as "everything"
_MAX_LIFE = timedelta(minutes=15)  # then the page connects anew, and proves its session
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy must not wait for more
    "X-Content-Type-Options": "nosniff",
}
_TOPICS = frozenset({"complaint", "alarm", "health", "calendar"})


class Page:
    """What one open page has yet to be told: a set with a bound, so that a slow page costs no memory."""

    def __init__(self, office_id: str) -> None:
        self.office_id = office_id
        self.changed = asyncio.Event()
        self._keys: dict[str, set[str]] = {}

    def hear(self, event: model.Event) -> None:
        if event.office_id != self.office_id or event.topic not in _TOPICS:
            return
        keys = self._keys.setdefault(event.topic, set())
        keys.add(event.key)
        if len(keys) > _MAX_KEYS:
            keys.clear()
            keys.add("*")
        self.changed.set()

    def take(self) -> dict[str, list[str]]:
        """Return the keys of what changed, by topic, and forget them."""
        taken, self._keys = self._keys, {}
        self.changed.clear()
        return {topic: ["*"] if "*" in keys else sorted(keys) for topic, keys in taken.items()}


class Hub:
    """Every open page of this process. Hears the store once, from the first page on."""

    def __init__(self) -> None:
        self._pages: set[Page] = set()
        self._is_listening = False

    def open(self, page: Page, subscribe: Callable[[Callable[[model.Event], None]], None]) -> None:
        if not self._is_listening:
            self._is_listening = True
            subscribe(self._heard)
        self._pages.add(page)

    def close(self, page: Page) -> None:
        self._pages.discard(page)

    def _heard(self, event: model.Event) -> None:
        for page in self._pages:
            page.hear(event)


class Live(web.AbstractRouteDef):
    """The route of the stream; each application that registers it has a hub of its own."""

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        hub = Hub()

        async def stream(request: web.Request) -> web.StreamResponse:
            return await _stream(request, hub)

        return [router.add_get("/inbox/peristiwa", auth.reads(stream))]


async def _stream(request: web.Request, hub: Hub) -> web.StreamResponse:
    desk = request.app[DESK]
    page = Page(request[auth.PERSON].office_id)
    response = web.StreamResponse(headers=_HEADERS)
    if request.method == "HEAD":
        return response
    until = desk.clock.now() + _MAX_LIFE
    closing = asyncio.ensure_future(request.app[CLOSING].wait())
    hub.open(page, desk.store.subscribe)
    try:
        await response.prepare(request)
        await response.write(f"retry: {_RETRY_MS}\nevent: tersambung\ndata: {{}}\n\n".encode())
        while desk.clock.now() < until:
            changed = asyncio.ensure_future(page.changed.wait())
            await asyncio.wait({changed, closing}, timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if closing.done():
                break
            if page.changed.is_set():
                await response.write(f"event: perubahan\ndata: {json.dumps(page.take())}\n\n".encode())
                await asyncio.wait({closing}, timeout=_PAUSE_SECONDS)
            else:
                await response.write(b": \n\n")
                if await people.session(desk, auth.session_token(request)) is None:
                    break
    except (ConnectionError, errors.StorageUnavailable):
        pass  # the page was closed, or must connect anew
    finally:
        closing.cancel()
        hub.close(page)
    return response


routes: list[web.AbstractRouteDef] = [Live()]
