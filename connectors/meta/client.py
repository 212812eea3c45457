"""Asking the Graph API without stopping the event loop: threads, a limit on the whole time, the app's throttle.

facebook-sdk blocks, so each call runs in a thread; one that does not end in time is abandoned there, and ends by its
own time limit soon after.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote

from connectors.meta import refusals, throttle

if TYPE_CHECKING:
    from connectors.meta.graph import Graph

FACEBOOK = "https://graph.facebook.com"
INSTAGRAM = "https://graph.instagram.com"  # for tokens of "Instagram login", which know no page
VERSION = "v26.0"
Platform = Literal["messenger", "instagram"]  # of private messages, by the name the API has for them
_THREADS = 16
_MAX_PAGES = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be posted as the form field `filedata`."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class GraphTransport(Protocol):
    """What this folder needs of the API; any other way of making the calls can take its place.

    Paths have no version and no leading slash; make them with `path`. Raises the three errors of refusals.py.
    """

    async def get(self, path: str, parameters: Mapping[str, str] | None = None, *, as_app: bool = False) -> "Answer":
        """Return an object; `as_app` asks with the app's own token."""

    async def post(self, path: str, body: Mapping[str, Any], file: Upload | None = None) -> "Answer":
        """Make one attempt to post, as JSON or, with a file, as a form."""


Answer = Mapping[str, Any]


def path(*parts: str) -> str:
    """Return the parts as a path. Ids come from outside: whatever is in them, they stay one part."""
    return "/".join(quote(part, safe="") for part in parts)


async def pages(
    graph: GraphTransport, path: str, parameters: Mapping[str, str], pace: Callable[[], Awaitable[None]]
) -> AsyncIterator[Answer]:
    """Yield the pages of a list, `pace` before each request."""
    # Not by the answer's `next`: that is an address with the token in it.
    asked = dict(parameters)
    for _ in range(_MAX_PAGES):
        await pace()
        page = await graph.get(path, asked)
        yield page
        after = _after(page)
        if after is None or after == asked.get("after"):
            return
        asked["after"] = after


class Client:
    """A GraphTransport by facebook-sdk for one token. `timeout_seconds` bounds each call in all."""

    def __init__(
        self,
        token: str,
        *,
        app_id: str,
        app_secret: str,
        base_url: str = FACEBOOK,
        version: str = VERSION,
        timeout_seconds: float = 20,
    ) -> None:
        self._token = token
        self._app_id = app_id
        self._app_secret = app_secret
        self._base_url = base_url
        self._version = version
        self._timeout_seconds = timeout_seconds
        self._throttle = throttle.of_app(app_id)
        self._graphs: dict[str, Graph] = {}
        self._opening = threading.Lock()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None, *, as_app: bool = False) -> Answer:
        token = f"{self._app_id}|{self._app_secret}" if as_app else self._token
        asked = dict(parameters or {})
        return await self._run(
            lambda: self._graph(token).get_object(path, **asked)  # type: ignore[no-untyped-call]
        )

    async def post(self, path: str, body: Mapping[str, Any], file: Upload | None = None) -> Answer:
        files = None if file is None else {"filedata": (file.name, file.content, file.media_type)}
        return await self._run(
            lambda: self._graph(self._token).request(f"{self._version}/{path}", post_args=dict(body), files=files)
        )

    async def close(self) -> None:
        for graph in self._graphs.values():
            graph.close()

    async def _run(self, call: Any) -> Answer:
        remaining = self._throttle.remaining()
        if remaining is not None:
            raise refusals.NotSentError("the app's rate is used up", remaining)
        future = _threads().submit(call)
        try:
            # Longer than the call's own limits, which tell more of what happened.
            answer: Answer = await asyncio.wait_for(asyncio.wrap_future(future), self._timeout_seconds * 1.25)
        except TimeoutError:
            if future.cancelled():
                raise refusals.NotSentError("no thread was free in time") from None
            raise refusals.NoAnswerError("time-out") from None
        except refusals.RefusedError as error:
            if error.is_rate:
                self._throttle.pause(error.retry_after or error.meaning.pause or timedelta(0))
            raise
        return answer

    def _graph(self, token: str) -> "Graph":
        """Return the SDK's object for a token. Runs in a thread: the first call loads the SDK."""
        from connectors.meta.graph import Graph  # noqa: PLC0415 - heavy, and not needed before the first call

        with self._opening:
            if token not in self._graphs:
                self._graphs[token] = Graph(
                    token,
                    app_secret=self._app_secret,
                    version=self._version,
                    base_url=self._base_url,
                    timeout_seconds=self._timeout_seconds,
                    noted=self._note,
                )
            return self._graphs[token]

    def _note(self, headers: Mapping[str, str]) -> timedelta | None:
        usage = throttle.read_usage(headers)
        self._throttle.note(usage)
        return usage.regained_after


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that all accounts share; they are started one by one as calls overlap."""
    return ThreadPoolExecutor(_THREADS, "graph")


def _after(page: Answer) -> str | None:
    paging = page.get("paging")
    if not isinstance(paging, dict) or not isinstance(paging.get("next"), str):
        return None  # the last page has cursors too, but no `next`
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after else None
