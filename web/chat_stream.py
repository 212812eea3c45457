"""Open chat pages: each is told what its own conversation gained, as server-sent events.

Source: WHATWG HTML, "Server-sent events"; the page reads them by `fetch`, which can send its token in a header.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from core import errors, model
from router.conversation import Conversation
from web.application import CLOSING, DESK

_HEARTBEAT_SECONDS = 15.0
_PAUSE_SECONDS = 0.25  # what comes together is told together
_WRITE_SECONDS = 30.0  # for a page that takes nothing any more
_MAX_LIFE = timedelta(minutes=15)
_MOST = 1000  # open pages of a process; what is more asks from time to time
_MOST_EACH = 8  # of one conversation: nobody opens more, and who does must not take the others' places
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # a proxy must not wait for more
    "X-Content-Type-Options": "nosniff",
}

Read = Callable[[int], Awaitable[Conversation | None]]


class Listeners:
    """Who waits for which complaints to change, or for a contact to write. Hears the store once, from the first on."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._count = 0
        self._is_listening = False

    def __len__(self) -> int:
        return self._count

    @contextlib.contextmanager
    def changes(
        self, subscribe: Callable[[Callable[[model.Event], None]], None], names: Iterable[str]
    ) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever one of the complaints (or contacts, by address) named has news."""
        if not self._is_listening:
            self._is_listening = True
            subscribe(self._heard)
        changed = asyncio.Event()
        keys = list(names)
        self._count += 1
        for key in keys:
            self._waiting.setdefault(key, set()).add(changed)
        try:
            yield changed
        finally:
            self._count -= 1
            for key in keys:
                self._waiting[key].discard(changed)
                if not self._waiting[key]:
                    del self._waiting[key]

    def count_of(self, name: str) -> int:
        """Return how many wait for news of one complaint or contact."""
        return len(self._waiting.get(name, ()))

    def wake(self, name: str) -> None:
        for changed in self._waiting.get(name, ()):
            changed.set()

    def _heard(self, event: model.Event) -> None:
        if event.topic == "complaint":
            self.wake(event.key)


async def answer(
    request: web.Request, listeners: Listeners, address: str, read: Read,
    shape: Callable[[Conversation], Mapping[str, Any]],
) -> web.StreamResponse:  # fmt: skip
    """Stream the contact's conversation from after `Last-Event-ID` on until the page goes or must connect anew.

    That is after 15 minutes, when we close, and when the conversation goes on in another complaint.

    404 before the first message, 503 when too many pages are open, of all or of this conversation.
    """
    conversation = await read(0)
    if conversation is None:
        raise errors.NotFound("no such conversation")
    if len(listeners) >= _MOST or listeners.count_of(address) >= _MOST_EACH:
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "60"})
    response = web.StreamResponse(headers=_HEADERS)
    try:
        names = [address, *conversation.complaint_ids]
        with listeners.changes(request.app[DESK].store.subscribe, names) as changed:
            await _tell(request, response, changed, conversation.complaint_ids, read, shape)
    except (ConnectionError, TimeoutError, errors.StorageUnavailable):
        pass  # the page was closed, or must connect anew
    return response


async def _tell(
    request: web.Request,
    response: web.StreamResponse,
    changed: asyncio.Event,
    complaint_ids: frozenset[str],
    read: Read,
    shape: Callable[[Conversation], Mapping[str, Any]],
) -> None:
    clock = request.app[DESK].clock
    until = clock.now() + _MAX_LIFE
    cursor = number(request.headers.get("Last-Event-ID", ""))
    told: set[int] = set()
    state: Mapping[str, Any] = {}
    closing = asyncio.ensure_future(request.app[CLOSING].wait())
    try:
        await response.prepare(request)
        await _write(response, ": \n\n")
        while clock.now() < until and not closing.done():
            changed.clear()
            conversation = await read(cursor)
            if conversation is None or conversation.complaint_ids != complaint_ids:
                break
            shaped = dict(shape(conversation))
            shaped["messages"] = [m for m in shaped["messages"] if int(m["id"]) not in told]
            now_state = {name: value for name, value in shaped.items() if name not in ("messages", "cursor")}
            if shaped["messages"] or now_state != state:
                await _write(response, f"id: {conversation.cursor}\nevent: pesan\ndata: {json.dumps(shaped)}\n\n")
            told.update(int(m["id"]) for m in shaped["messages"])
            state, cursor = now_state, conversation.cursor
            if conversation.is_all:
                await _wait(response, changed, closing)
    finally:
        closing.cancel()


async def _wait(response: web.StreamResponse, changed: asyncio.Event, closing: "asyncio.Future[Any]") -> None:
    """Return when something has changed or we close; meanwhile let the page know that it is connected."""
    while not changed.is_set() and not closing.done():
        waiting = asyncio.ensure_future(changed.wait())
        await asyncio.wait({waiting, closing}, timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not changed.is_set() and not closing.done():
            await _write(response, ": \n\n")
    await asyncio.wait({closing}, timeout=_PAUSE_SECONDS)


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_WRITE_SECONDS):
        await response.write(text.encode())


def number(value: str) -> int:
    """Return a message's id as a page sends it back, 0 for anything else."""
    found = int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else 0
    return found if found < 1 << 63 else 0
