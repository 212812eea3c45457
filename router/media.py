"""The files of messages on their way to the inbox: fetched from providers, capped, sniffed, examined for viruses.

What is missing is asked for again; what could not be examined stays closed until it could.
"""

import asyncio
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router.desk import SYSTEM, Desk
from storage import alarms, attachments, audit
from storage.transaction import Tx

_LEASE = timedelta(minutes=20)  # longer than a fetch and an examination may take
_BATCH = 8
_PAUSES = tuple(timedelta(seconds=s) for s in (1, 3, 10, 60, 300, 1800, 7200, 21600, 43200))
_SCANNER_PAUSE = timedelta(minutes=1)
_SCANNER = "scanner"  # the key of its alarm
_log = structlog.get_logger()


async def tick(desk: Desk) -> int:
    """Fetch and examine every file whose time has come; return how many were tried."""
    done = 0
    while True:
        now = desk.clock.now()
        if not await desk.store.read(attachments.is_any_due, now):
            return done
        due = await desk.store.write(attachments.claim, now, now + _LEASE, _BATCH)
        await asyncio.gather(*(_take(desk, each) for each in due))
        done += len(due)


async def _take(desk: Desk, due: attachments.Due) -> None:
    try:
        stored = due.file if isinstance(due.file, model.StoredFile) else await _fetch(desk, due, due.file)
        await _examine(desk, due, stored)
    except errors.MediaRefused as error:
        await desk.store.write(_refused, desk, due, str(error))
    except errors.MediaNotReady as error:
        await desk.store.write(_postponed, desk, due, str(error), error.retry_at)
    except Exception as error:  # noqa: BLE001
        _log.exception("media_failed", attachment=due.id, account=due.account)
        await desk.store.write(_postponed, desk, due, type(error).__name__)


async def _fetch(desk: Desk, due: attachments.Due, file: model.RemoteFile) -> model.StoredFile:
    connector = desk.connectors.get(due.account)
    if connector is None or not hasattr(connector, "fetch"):
        raise errors.MediaRefused("the account keeps no files")
    limit = connector.capabilities.max_attachment_bytes
    chunks = cast("ports.MediaSource", connector).fetch(file, limit)
    return await desk.files.put_stream(chunks, limit, file.name)


async def _examine(desk: Desk, due: attachments.Due, stored: model.StoredFile) -> None:
    try:
        virus = await desk.files.examine(stored.sha256) if stored.held else None
    except errors.ScannerUnavailable as error:
        await desk.store.write(_held, desk, due, stored, str(error))
        return
    except errors.NotFound:
        raise errors.MediaRefused("the file was lost") from None
    if virus is None:
        await desk.store.write(_stored, desk, due, stored)
    else:
        await desk.store.write(_infected, desk, due, stored, virus)


def _stored(tx: Tx, desk: Desk, due: attachments.Due, stored: model.StoredFile) -> None:
    attachments.store(tx, due, stored)
    if stored.held:
        alarms.clear(tx, due.office_id, _SCANNER, desk.clock.now(), SYSTEM)
    _tell(tx, due)


def _held(tx: Tx, desk: Desk, due: attachments.Due, stored: model.StoredFile, reason: str) -> None:
    now = desk.clock.now()
    attachments.hold(tx, due, stored, now + _SCANNER_PAUSE, reason)
    alarms.raise_(tx, due.office_id, model.AlarmKind.SCANNER_UNAVAILABLE, _SCANNER, now, note=reason)
    _tell(tx, due)


def _infected(tx: Tx, desk: Desk, due: attachments.Due, stored: model.StoredFile, virus: str) -> None:
    now = desk.clock.now()
    attachments.refuse(tx, due, "virus")
    alarms.clear(tx, due.office_id, _SCANNER, now, SYSTEM)
    alarms.raise_(
        tx, due.office_id, model.AlarmKind.VIRUS, f"virus:{due.id}", now, complaint_id=due.complaint_id,
        account=due.account, note=virus,
    )  # fmt: skip
    audit.append_office(tx, due.office_id, now, SYSTEM, "virus_found", attachment=due.id, sha256=stored.sha256)
    _tell(tx, due)


def _postponed(tx: Tx, desk: Desk, due: attachments.Due, reason: str, retry_at: datetime | None = None) -> None:
    if due.attempts > len(_PAUSES):
        _refused(tx, desk, due, reason)
        return
    next_at = desk.clock.now() + _PAUSES[due.attempts - 1]
    next_at = max(next_at, retry_at or next_at)
    if isinstance(due.file, model.StoredFile):
        attachments.hold(tx, due, due.file, next_at, reason)
    else:
        attachments.postpone(tx, due, next_at, reason)


def _refused(tx: Tx, desk: Desk, due: attachments.Due, reason: str) -> None:
    attachments.refuse(tx, due, reason)
    alarms.raise_(
        tx,
        due.office_id,
        model.AlarmKind.MEDIA_FAILED,
        f"media:{due.id}",
        desk.clock.now(),
        complaint_id=due.complaint_id,
        account=due.account,
        note=reason,
    )
    _tell(tx, due)


def _tell(tx: Tx, due: attachments.Due) -> None:
    tx.publish(model.Event(due.office_id, "complaint", str(due.complaint_id)))
