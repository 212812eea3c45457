"""Fetching the files of messages from providers: capped, sniffed, stored inert, asked for again while missing."""

import asyncio
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router.desk import Desk
from storage import alarms, messages
from storage.transaction import Tx

_LEASE = timedelta(minutes=5)
_BATCH = 16
_PAUSES = tuple(timedelta(seconds=s) for s in (1, 3, 10, 60, 300, 1800, 7200, 21600, 43200))
_log = structlog.get_logger()


async def tick(desk: Desk) -> int:
    """Fetch every file whose time has come; return how many were tried."""
    done = 0
    while True:
        now = desk.clock.now()
        if not await desk.store.read(messages.is_any_file_due, now):
            return done
        entries = await desk.store.write(messages.claim_files, now, now + _LEASE, _BATCH)
        await asyncio.gather(*(_fetch(desk, entry) for entry in entries))
        done += len(entries)


async def _fetch(desk: Desk, entry: messages.FileEntry) -> None:
    connector = desk.connectors.get(entry.account)
    try:
        if connector is None or not hasattr(connector, "fetch"):
            raise errors.MediaRefused("the account keeps no files")  # noqa: TRY301
        content = await cast("ports.MediaSource", connector).fetch(
            entry.file, connector.capabilities.max_attachment_bytes
        )
        stored = await asyncio.to_thread(desk.files.put, content, entry.file.name)
    except errors.MediaRefused as error:
        await desk.store.write(_refused, desk, entry, str(error))
    except errors.MediaNotReady as error:
        await desk.store.write(_postponed, desk, entry, str(error), error.retry_at)
    except Exception as error:  # noqa: BLE001
        _log.exception("media_failed", attachment=entry.id, account=entry.account)
        await desk.store.write(_postponed, desk, entry, type(error).__name__)
    else:
        await desk.store.write(_stored, entry, stored)


def _stored(tx: Tx, entry: messages.FileEntry, stored: model.StoredFile) -> None:
    messages.file_stored(tx, entry.id, stored)
    tx.publish(model.Event(entry.office_id, "complaint", str(entry.complaint_id)))


def _postponed(tx: Tx, desk: Desk, entry: messages.FileEntry, reason: str, retry_at: datetime | None = None) -> None:
    if entry.attempts > len(_PAUSES):
        _refused(tx, desk, entry, reason)
    else:
        next_at = desk.clock.now() + _PAUSES[entry.attempts - 1]
        messages.file_postponed(tx, entry, max(next_at, retry_at or next_at), reason)


def _refused(tx: Tx, desk: Desk, entry: messages.FileEntry, reason: str) -> None:
    messages.file_refused(tx, entry, reason)
    alarms.raise_(
        tx,
        entry.office_id,
        model.AlarmKind.MEDIA_FAILED,
        f"media:{entry.id}",
        desk.clock.now(),
        complaint_id=entry.complaint_id,
        account=entry.account,
        note=reason,
    )
    tx.publish(model.Event(entry.office_id, "complaint", str(entry.complaint_id)))
