"""What a watcher from outside asks: whether the service can work, and how much waits."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from core import errors
from router.desk import Desk
from storage import metrics

Snapshot = metrics.Snapshot

T = TypeVar("T")
_PATIENCE_SECONDS = 2


async def require_storage(desk: Desk) -> None:
    """Return when something could be read within two seconds; else StorageUnavailable."""
    await _within(desk.store.read(metrics.look))


async def snapshot(desk: Desk) -> Snapshot:
    """Return what waits, over all offices; StorageUnavailable also when that takes longer than two seconds."""
    now = desk.clock.now()
    return await _within(desk.store.read(lambda tx: metrics.snapshot(tx, now)))


async def last_inbound_at(desk: Desk) -> dict[str, datetime]:
    """Return when something last reached each account, of those that were lately reached at all."""
    return await desk.store.read(metrics.last_inbound_at)


async def _within(reading: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(reading, _PATIENCE_SECONDS)
    except TimeoutError:
        raise errors.StorageUnavailable("the database does not answer in time") from None
