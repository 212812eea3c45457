"""The one way to write: acts of many requests become one transaction, and each learns of its own fate.

A batch first runs without savepoints. If anything in it fails, all of it is rolled back and each act runs again in a
transaction of its own, so that a bad act fails alone. An act must therefore do nothing but use its `tx`.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from core import errors, model
from storage import dialect
from storage.transaction import Tx

T = TypeVar("T")
Act = Callable[[Tx], Any]

_TRIES = 5  # of one act that meets the same rows as another process
_log = structlog.get_logger()


@dataclass(slots=True)
class _Waiting:
    act: Act
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Writer:
    """Runs acts in `database.writer_threads` threads, up to `batch` of them in one transaction each.

    `heard` is called on a writer thread with the events of a committed batch.
    """

    def __init__(
        self,
        database: dialect.Database,
        make_tx: Callable[[Any, int], Tx],
        heard: Callable[[Sequence[model.Event]], None],
        batch: int = 128,
        backlog: int = 20_000,
    ) -> None:
        self._database = database
        self._make_tx = make_tx
        self._heard = heard
        self._batch = batch
        self._backlog = backlog
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(n,), name=f"writer-{n}", daemon=True)
            for n in range(database.writer_threads)
        ]
        self._is_down = False
        self._is_stopped = False

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what was handed in be committed, then end the threads. Blocks."""
        self._is_stopped = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    async def write(self, act: Callable[[Tx], T]) -> T:
        """Run `act` in a transaction; return its result after the commit.

        Raises what `act` raised, or StorageUnavailable when nothing was (or may have been) written.
        """
        if self._is_stopped:
            raise errors.StorageUnavailable("the service is stopping")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._waiting.qsize() >= self._backlog:
            raise errors.StorageUnavailable("too much waits to be written")
        self._waiting.put(_Waiting(act, future, loop))
        return await future

    def _work(self, number: int) -> None:
        connection: Any = None
        while True:
            batch, is_last = self._take()
            if batch:
                outcomes: list[Any] = []
                try:
                    if connection is None:
                        connection = self._database.connect(read_only=False)
                    self._commit(connection, number, batch, outcomes)
                    self._note_up()
                except Exception as error:  # noqa: BLE001
                    outcomes += [self._refusal(error)] * (len(batch) - len(outcomes))
                    _close(connection)
                    connection = None
                _resolve(batch, outcomes)
            if is_last:
                _close(connection)
                return

    def _take(self) -> tuple[list[_Waiting], bool]:
        first = self._waiting.get()
        batch: list[_Waiting] = []
        while first is not None:
            batch.append(first)
            if len(batch) == self._batch:
                return batch, False
            try:
                first = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, connection: Any, number: int, batch: Sequence[_Waiting], outcomes: list[Any]) -> None:
        """Add to `outcomes` what became of each act; raises where the database is lost before all are done."""
        try:
            outcomes += self._transact(connection, number, [waiting.act for waiting in batch])
        except Exception as error:
            _roll_back(connection)
            if self._database.is_unavailable(error):
                raise
            if len(batch) == 1 and not self._database.is_conflict(error):
                outcomes.append(error)
                return
        else:
            return
        for waiting in batch:
            outcomes.append(self._alone(connection, number, waiting.act))

    def _alone(self, connection: Any, number: int, act: Act) -> Any:
        for attempt in range(_TRIES):
            try:
                return self._transact(connection, number, [act])[0]
            except Exception as error:
                _roll_back(connection)
                if self._database.is_unavailable(error):
                    raise
                if not self._database.is_conflict(error) or attempt == _TRIES - 1:
                    return error
        raise AssertionError

    def _transact(self, connection: Any, number: int, acts: Sequence[Act]) -> list[Any]:
        self._database.begin(connection)
        tx = self._make_tx(connection, number)
        outcomes = [act(tx) for act in acts]
        tx.finish()
        events = tuple(dict.fromkeys(tx.events))
        if events:
            self._database.announce(connection, [(e.office_id, e.topic, e.key) for e in events])
        connection.execute("COMMIT")
        for act in tx.committed:
            act()
        if events:
            self._heard(events)
        return outcomes

    def _refusal(self, error: Exception) -> Exception:
        if not self._is_down:  # say once that it began
            self._is_down = True
            _log.error("storage_unavailable", reason=type(error).__name__, detail=str(error).splitlines()[:1])
        return errors.StorageUnavailable("the database cannot be written")

    def _note_up(self) -> None:
        if self._is_down:
            self._is_down = False
            _log.info("storage_available")


def _roll_back(connection: Any) -> None:
    with contextlib.suppress(Exception):  # nothing was open, or the connection is gone: the next statement tells
        connection.execute("ROLLBACK")


def _close(connection: Any) -> None:
    if connection is not None:
        with contextlib.suppress(Exception):  # it is being thrown away
            connection.close()


def _resolve(batch: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    def tell(pairs: Sequence[tuple[_Waiting, Any]]) -> None:
        for waiting, outcome in pairs:
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Any]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        loops.setdefault(waiting.loop, []).append((waiting, outcome))
    for loop, pairs in loops.items():
        try:
            loop.call_soon_threadsafe(tell, pairs)
        except RuntimeError:  # the loop has ended; nobody waits any more
            continue
