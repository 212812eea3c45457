"""A thread of one's own for a blocking library: its long waits would hold a worker of a shared pool for ever."""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PARTING_SECONDS = 2.0
_Call = tuple[concurrent.futures.Future[Any], Callable[..., Any], tuple[Any, ...]]


class OneThread:
    """Runs one call after another, in the order given. A daemon: a hanging name server does not hold up our end."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what `function` returns, or raise what it raises. Cancelled, a call that has begun runs on."""
        return await asyncio.wrap_future(self._put(function, *args))

    async def end(self, last: Callable[[], None]) -> None:
        """Run `last` and end the thread; waits two seconds for what runs now, and no longer."""
        parting = asyncio.wrap_future(self._put(last))
        self._calls.put(None)
        await asyncio.wait([parting], timeout=_PARTING_SECONDS)

    def _put(self, function: Callable[[*Ts], T], *args: *Ts) -> concurrent.futures.Future[T]:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._calls.put((future, function, args))
        return future

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function, args = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args))
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever called
                    future.set_exception(error)
            del call, future, function, args  # what the last one held is not kept until the next
