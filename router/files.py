"""Attachments as people meet them: looking at one and opening it, which is written down; sending one; forgetting."""

import asyncio
from datetime import datetime, timedelta

from core import errors, ids, model
from router.assignment import lock_own
from router.desk import WORKERS, Desk, actor, require
from storage import attachments, complaints, messages
from storage.files import DIRECTORIES, FileStore
from storage.transaction import Tx

VIRUS = "Berkas ini mengandung virus dan tidak dapat dikirim. Mohon periksa komputer Bapak/Ibu."
NOT_EXAMINED = "Pemindai virus sedang tidak dapat dihubungi. Kirim jawaban tanpa lampiran, atau coba lagi nanti."
# A transaction that refers to a file follows it at once; a day leaves room for clocks that differ.
_UNREFERRED = timedelta(days=1)
_SWEPT = -(-DIRECTORIES // 24)  # directories an hour: each once a day


async def look(desk: Desk, person: model.Person, file_id: int) -> model.Attachment:
    """Return a file of the person's office that may be opened. Nothing is written down: he may see that it is there.

    NotFound for any other.
    """
    return await desk.store.read(_own, person, file_id)


async def open_(
    desk: Desk, person: model.Person, number: ids.Number, file_id: int, form: str
) -> model.Attachment:  # fmt: skip
    """Return a file of a complaint that the person is about to see. That he does is a logged act.

    `form`: 'preview' or 'original'. Raises NotFound, NotAllowed.
    """
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> model.Attachment:
        attachment = _own(tx, person, file_id)
        complaint_id, _ = messages.get_file(tx, file_id)
        locked = lock_own(tx, person, complaint_id)
        if locked.complaint.number != number:
            raise errors.NotFound("a file of another complaint")
        facts = {"attachment": file_id, "message": attachment.message_id, "form": form, "sha256": attachment.sha256}
        complaints.change(tx, locked, now, actor(person), "attachment_opened", facts)
        return attachment

    return await desk.store.write(act)


def _own(tx: Tx, person: model.Person, file_id: int) -> model.Attachment:
    complaint_id, attachment = messages.get_file(tx, file_id)
    is_own = complaints.get(tx, complaint_id).office_id == person.office_id
    if not is_own or attachment.state != "stored" or attachment.sha256 is None:
        raise errors.NotFound("no such file")
    return attachment


async def released(files: FileStore, stored: model.StoredFile) -> model.StoredFile:
    """Return a file that somebody of the office wants to send, examined; NotAllowed where it must not leave."""
    if not stored.held:
        return stored
    try:
        virus = await files.examine(stored.sha256)
    except errors.ScannerUnavailable:
        raise errors.NotAllowed(NOT_EXAMINED) from None
    if virus is not None:
        raise errors.NotAllowed(VIRUS)
    return model.StoredFile(stored.sha256, stored.size, stored.media_type, stored.name)


async def sweep(desk: Desk) -> int:
    """Remove files of some directories that no message has: their transaction failed, or they held a virus.

    Returns how many. Called once an hour it comes to every directory within a day.
    """
    now = desk.clock.now()
    hour, removed = int(now.timestamp()) // 3600, 0
    for i in range(_SWEPT):
        removed += await _sweep(desk, (hour * _SWEPT + i) % DIRECTORIES, now - _UNREFERRED)
    return removed


async def _sweep(desk: Desk, directory: int, before: datetime) -> int:
    old = await asyncio.to_thread(desk.files.old, directory, before)
    needed = await desk.store.read(attachments.referred_to, old) if old else set()
    unneeded = [digest for digest in old if digest not in needed]
    return sum([await asyncio.to_thread(desk.files.remove, digest, before) for digest in unneeded])
