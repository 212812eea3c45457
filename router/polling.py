"""Polled accounts: whose provider does not call us. One process at a time listens to each.

A lease in the database says which. Every take is one transaction: the raw item, what it holds, and the cursor. A
cursor is committed only after every take that began before it has ended, and only by the holder of the lease; which
items a cursor stands for, and what becomes of one whose take was refused, its connector knows.
"""

import asyncio
import contextlib
import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router import intake
from router.desk import SYSTEM, Desk
from storage import alarms, cursors
from storage.transaction import Tx

_TELL_AFTER = 4  # failures in a row before an alarm says that an account cannot be reached
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things last.

    `pause` grows from failure to failure, and so does `refused` after a refused sign-in: providers lock out whoever
    hammers. After `settled` without a failure an account is well again.
    """

    lease: timedelta = timedelta(seconds=30)
    renewal: timedelta = timedelta(seconds=10)
    settled: timedelta = timedelta(seconds=30)
    pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=5)
    refused: timedelta = timedelta(minutes=2)
    longest_refused: timedelta = timedelta(hours=1)


class Supervisor:
    """Listens to every polled account until stopped. Any number may run, in any number of processes.

    `is_alone`: no other process can be; a lease found at the start is that of one that died, and not waited for.
    """

    def __init__(self, desk: Desk, pace: Pace | None = None, *, is_alone: bool = False) -> None:
        self._desk = desk
        self._is_alone = is_alone
        holder = secrets.token_hex(8)
        self._watches = [
            _Watch(desk, desk.accounts[name], cast("ports.PollingConnector", connector), holder, pace or Pace())
            for name, connector in desk.connectors.items()
            if hasattr(connector, "listen")
        ]
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Listen until `stop`; then let what was handed over be committed, and give the leases up."""
        if self._is_alone:
            await self._seize()
        watching = [asyncio.create_task(watch.run()) for watch in self._watches]
        await self._stopping.wait()
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _seize(self) -> None:
        with contextlib.suppress(errors.StorageUnavailable):  # the leases end by themselves
            for watch in self._watches:
                await self._desk.store.write(cursors.seize, watch.name)


class _Watch:
    """One account: its lease, listening while it is ours, trying again after a failure."""

    def __init__(
        self, desk: Desk, account: model.Account, connector: ports.PollingConnector, holder: str, pace: Pace
    ) -> None:
        self._desk = desk
        self._account = account
        self._connector = connector
        self._holder = holder
        self._pace = pace
        self._under_way: set[asyncio.Future[None]] = set()  # takes, as they were handed over
        self._is_lost = asyncio.Event()
        self._failures = 0  # in a row
        self._listens_since: float | None = None  # of the loop's clock
        self.name = account.name
        self._is_well = False  # not before it is seen: a process before us may have left an alarm

    async def run(self) -> None:
        while True:
            try:
                if await self._acquire():
                    try:
                        await self._read_while_held()
                    finally:
                        await self._release()
            except errors.StorageUnavailable:
                pass
            except Exception:  # noqa: BLE001
                _log.exception("polling_failed", account=self._account.name)
            await asyncio.sleep(self._pace.renewal.total_seconds())

    async def _read_while_held(self) -> None:
        """Return when another process has the lease."""
        self._is_lost.clear()
        reading = asyncio.ensure_future(self._read())
        try:
            while not self._is_lost.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_lost.wait(), self._pace.renewal.total_seconds())
                # While the database is away: whoever has the lease when it is back moves the cursor.
                with contextlib.suppress(errors.StorageUnavailable):
                    if not await self._renew():
                        self._is_lost.set()
                await self._note_settled()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self) -> None:
        """Listen, and after every failure rest and listen again."""
        while True:
            self._listens_since = asyncio.get_running_loop().time()
            error: Exception | None = None
            try:
                cursor = await self._desk.store.read(cursors.body, self._account.name)
                await self._connector.listen(cursor, self._take)
            except Exception as raised:  # noqa: BLE001
                error = raised
            self._listens_since = None
            rest = await self._failed(error)
            await asyncio.sleep(rest.total_seconds())

    async def _take(self, request: ports.RawRequest, cursor: str | None) -> None:
        """Commit an item with its cursor. It goes on when the listener is cancelled: its outcome must be known."""
        before = tuple(self._under_way) if cursor is not None else ()
        writing = asyncio.ensure_future(self._write(request, cursor, before))
        self._under_way.add(writing)
        writing.add_done_callback(self._done)
        await asyncio.shield(writing)

    async def _write(
        self, request: ports.RawRequest, cursor: str | None, before: tuple[asyncio.Future[None], ...]
    ) -> None:
        if before:
            await asyncio.wait(before)

        def advance(tx: Tx) -> None:
            if cursor is not None and not cursors.advance(tx, self._account.name, self._holder, cursor):
                raise _LeaseLost("another process listens to the account")

        try:
            await intake.take_in(self._desk, self._account, request, "poll", also=advance)
        except _LeaseLost:
            self._is_lost.set()
            raise
        self._failures = 0
        if not self._is_well:
            await self._recovered()

    def _done(self, writing: asyncio.Future[None]) -> None:
        self._under_way.discard(writing)
        if not writing.cancelled():
            writing.exception()  # known to whoever waited, if anybody still did

    async def _acquire(self) -> bool:
        account, now = self._account, self._desk.clock.now()
        until = now + self._pace.lease
        return await self._desk.store.write(cursors.acquire, account.office_id, account.name, self._holder, now, until)

    async def _renew(self) -> bool:
        until = self._desk.clock.now() + self._pace.lease
        return await self._desk.store.write(cursors.renew, self._account.name, self._holder, until)

    async def _release(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        with contextlib.suppress(errors.StorageUnavailable):  # it ends by itself
            await self._desk.store.write(cursors.release, self._account.name, self._holder)

    async def _failed(self, error: Exception | None) -> timedelta:
        """Write down a failure; return how long to rest."""
        self._failures += 1
        name = self._account.name
        if isinstance(error, errors.AccountSuspended):
            _log.warning("polling_refused", account=name, reason=str(error))
            await self._tell(model.AlarmKind.ACCOUNT_SUSPENDED, _refused(name), str(error))
            return _growing(self._pace.refused, self._pace.longest_refused, self._failures)
        if not isinstance(error, errors.AduanError):
            _log.error("polling_failed", account=name, exc_info=error)
        elif self._failures == 1:
            _log.warning("polling_interrupted", account=name, reason=str(error))
        if self._failures >= _TELL_AFTER:
            note = str(error) if isinstance(error, errors.AduanError) else type(error).__name__
            await self._tell(model.AlarmKind.ACCOUNT_UNREACHABLE, _unreached(name), note)
        asked = error.retry_after if isinstance(error, errors.TransientSendError) else None
        pause = _growing(self._pace.pause, self._pace.longest_pause, self._failures)
        return max(pause * random.uniform(0.5, 1.5), asked or timedelta())  # noqa: S311

    async def _tell(self, kind: model.AlarmKind, key: str, note: str) -> None:
        self._is_well = False
        account, now = self._account, self._desk.clock.now()

        def act(tx: Tx) -> None:
            alarms.raise_(tx, account.office_id, kind, key, now, account=account.name, note=note)

        with contextlib.suppress(errors.StorageUnavailable):  # the next failure tells again
            await self._desk.store.write(act)

    async def _note_settled(self) -> None:
        since, settled = self._listens_since, self._pace.settled.total_seconds()
        if since is not None and asyncio.get_running_loop().time() - since >= settled:
            self._failures = 0
            if not self._is_well:
                await self._recovered()

    async def _recovered(self) -> None:
        with contextlib.suppress(errors.StorageUnavailable):
            await self._desk.store.write(_clear, self._account, self._desk.clock.now())
            self._is_well = True
            self._failures = 0


class _LeaseLost(errors.StorageUnavailable):
    """Nothing was written: another process has the lease, and will be handed the item again."""


def _refused(name: str) -> str:
    return f"listening_refused:{name}"


def _unreached(name: str) -> str:
    return f"listening:{name}"


def _clear(tx: Tx, account: model.Account, now: datetime) -> None:
    for key in (_refused(account.name), _unreached(account.name)):
        alarms.clear(tx, account.office_id, key, now, SYSTEM)


def _growing(first: timedelta, longest: timedelta, failures: int) -> timedelta:
    doublings: int = 2 ** min(failures - 1, 16)
    return min(first * doublings, longest)
