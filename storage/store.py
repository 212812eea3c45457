"""`Store`: the open database. Acts write through the one writer; readers have connections of their own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from core import clock, errors, ids, model
from storage import dialect, statements, tables, vault, writer
from storage.transaction import Tx

P = ParamSpec("P")
T = TypeVar("T")
_READERS = 4
_NEXT_NODE = (
    sa.insert(tables.node)
    .values(id=sa.select(sa.func.coalesce(sa.func.max(tables.node.c.id), 0) + 1).scalar_subquery())
    .returning(tables.node.c.id)
)


class Store:
    """Reads and writes; tells subscribers what changed after it was committed."""

    def __init__(self, database: dialect.Database, seals: vault.Vault, now: clock.Clock) -> None:
        self._database = database
        self._vault = seals
        self._clock = now
        self._prepare = statements.Prepare(database.dialect)
        self._ids: list[ids.Ids] = []
        self._writer = writer.Writer(database, self._writing, self._committed)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._local = threading.local()
        self._reading: list[Any] = []
        self._stopping = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._subscribers: list[Callable[[model.Event], None]] = []
        self._guard = contextlib.ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, *, serving: bool = True) -> None:
        """Take the database and begin. `serving`: as the service itself, of which SQLite takes only one process."""
        self._loop = asyncio.get_running_loop()
        if serving:
            self._guard.enter_context(self._database.guard())
        self._ids = [ids.Ids(self._clock, self._claim_node()) for _ in range(self._database.writer_threads)]
        self._writer.start()
        self._listener.start()

    async def stop(self) -> None:
        """Commit what was handed in, then close."""
        self._stopping.set()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._listener.join)
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        self._guard.close()

    async def write(self, act: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `act(tx, ...)` and return its result after the commit. See writer.Writer.write."""
        return await self._writer.write(lambda tx: act(tx, *args, **kwargs))

    async def read(self, act: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `act(tx, ...)` over one consistent, read-only view; StorageUnavailable when there is none."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: self._read(lambda tx: act(tx, *args, **kwargs))
        )

    def subscribe(self, heard: Callable[[model.Event], None]) -> None:
        """Call `heard` in the event loop for everything that is committed, by whatever process."""
        self._subscribers.append(heard)

    def _writing(self, connection: Any, thread: int) -> Tx:
        return Tx(connection, self._prepare, self._vault, self._ids[thread])

    def _claim_node(self) -> int:
        connection = self._database.connect(read_only=False)
        try:
            for _ in range(10):
                try:
                    self._database.begin(connection)
                    number = Tx(connection, self._prepare, self._vault, None).scalar(_NEXT_NODE)
                    connection.execute("COMMIT")
                    return int(number) % ids.NODES
                except Exception as error:
                    connection.execute("ROLLBACK")
                    if not self._database.is_conflict(error):
                        raise
            raise errors.StorageUnavailable("no node number could be had")
        finally:
            connection.close()

    def _read(self, act: Callable[[Tx], T]) -> T:
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._database.connect(read_only=True)
                self._reading.append(connection)
            connection.execute("BEGIN")
            try:
                return act(Tx(connection, self._prepare, self._vault, None))
            finally:
                connection.execute("ROLLBACK")
        except errors.AduanError:
            raise
        except Exception as error:
            if not self._database.is_unavailable(error):
                raise
            self._local.connection = None
            if connection is not None:
                self._reading.remove(connection)
                with contextlib.suppress(Exception):
                    connection.close()
            raise errors.StorageUnavailable("the database cannot be read") from error

    def _committed(self, events: Sequence[model.Event]) -> None:
        # With several processes everybody, this one included, hears by the database's own announcement.
        if self._database.writer_threads == 1:
            self._tell(events)

    def _listen(self) -> None:
        self._database.listen(lambda parts: self._tell([model.Event(*parts)]), self._stopping)

    def _tell(self, events: Sequence[model.Event]) -> None:
        if self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._fan_out, events)  # once a batch: it wakes the loop by a system call

    def _fan_out(self, events: Sequence[model.Event]) -> None:
        for event in events:
            for heard in self._subscribers:
                heard(event)
