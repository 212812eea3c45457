"""Messages of the timeline, the personal numbers behind their masks, and their files."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model, privacy
from storage import tables
from storage.statements import among
from storage.transaction import Tx

_t = tables.message
_o = tables.outbox
_a = tables.attachment
_n = tables.personal_number
_IS_KNOWN = sa.select(_t.c.id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_COMPLAINT_OF = sa.select(_t.c.complaint_id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_TIMELINE = (
    sa.select(
        _t,
        _o.c.state.label("delivery"),
        _o.c.error.label("delivery_error"),
        _o.c.error_code,
        tables.person.c.name.label("author"),
    )
    .select_from(_t.outerjoin(_o, _o.c.id == _t.c.id).outerjoin(tables.person, tables.person.c.id == _t.c.author_id))
    .where(_t.c.complaint_id == sa.bindparam("complaint_id"))
    .order_by(_t.c.id)
)
_FILES = (
    sa.select(_a.c.id, _a.c.message_id, _a.c.name, _a.c.media_type, _a.c.size, _a.c.sha256, _a.c.state, _a.c.reason)
    .select_from(_t.join(_a, _a.c.message_id == _t.c.id))
    .where(_t.c.complaint_id == sa.bindparam("complaint_id"))
    .order_by(_a.c.id)
)
_FILE = sa.select(_a).where(_a.c.id == sa.bindparam("id"))
_NUMBERS = (
    sa.select(_n.c.kind, _n.c.ordinal, _n.c.start, _n.c.sealed)
    .where(_n.c.message_id == sa.bindparam("message_id"))
    .order_by(_n.c.ordinal)
)
_HOLDING = (
    sa.select(_n.c.complaint_id)
    .where(_n.c.office_id == sa.bindparam("office_id"), _n.c.hmac == sa.bindparam("hmac"))
    .distinct()
    .limit(100)
)
_DUE_FILES = (
    sa.update(_a)
    .where(
        _a.c.id.in_(
            sa.select(_a.c.id)
            .where(among(_a.c.state, "pending"), _a.c.next_at <= sa.bindparam("now", type_=_a.c.next_at.type))
            .order_by(_a.c.next_at)
            .limit(sa.bindparam("count"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(next_at=sa.bindparam("lease", type_=_a.c.next_at.type), attempts=_a.c.attempts + 1)
    .returning(
        _a.c.id,
        _a.c.office_id,
        _a.c.complaint_id,
        _a.c.account,
        _a.c.name,
        _a.c.media_type,
        _a.c.attempts,
        _a.c.url_sealed,
    )
)
_IS_ANY_FILE_DUE = (
    sa.select(_a.c.id)
    .where(among(_a.c.state, "pending"), _a.c.next_at <= sa.bindparam("now", type_=_a.c.next_at.type))
    .limit(1)
)
_SET_FILE = (
    sa.update(_a)
    .where(_a.c.id == sa.bindparam("id_is"))
    .values(
        {
            name: sa.bindparam(name, type_=_a.c[name].type)
            for name in ("state", "reason", "sha256", "size", "media_type", "next_at")
        }
    )
)


def is_known(tx: Tx, account: str, provider_id: str) -> bool:
    """Whether this message is stored. Two at the same time both hear no; the unique index then refuses one."""
    return tx.one(_IS_KNOWN, account=account, provider_id=provider_id) is not None


def add(
    tx: Tx, *, office_id: str, complaint_id: ids.ComplaintId, account: str, kind: model.MessageKind, text: str,
    created_at: datetime, content: model.Content = model.Content.TEXT, details: dict[str, str] | None = None,
    provider_id: str | None = None, author_id: ids.PersonId | None = None, raw_id: int | None = None,
    sent_at: datetime | None = None,
) -> ids.MessageId:  # fmt: skip
    """Add a message; its 16-digit numbers are stored apart, sealed, and shown masked."""
    message_id = ids.MessageId(tx.new_id())
    masked, numbers = privacy.seal_points(text)
    tx.add(
        _t,
        id=message_id,
        office_id=office_id,
        complaint_id=complaint_id,
        account=account,
        kind=kind,
        content=content,
        text=masked,
        details=details or None,
        provider_id=provider_id,
        author_id=author_id,
        raw_id=raw_id,
        sent_at=sent_at,
        created_at=created_at,
    )
    for ordinal, number in enumerate(numbers):
        tx.add(
            _n,
            message_id=message_id,
            ordinal=ordinal,
            office_id=office_id,
            complaint_id=complaint_id,
            kind=number.kind,
            start=number.start,
            hmac=tx.vault.find_key("number", number.digits),
            sealed=tx.vault.seal(number.digits.encode(), f"number/{message_id}/{ordinal}"),
        )
    return message_id


def add_file(
    tx: Tx, *, office_id: str, complaint_id: ids.ComplaintId, message_id: ids.MessageId, account: str,
    file: model.RemoteFile | model.StoredFile, now: datetime,
) -> None:  # fmt: skip
    """Add a file to a message: stored already, or to be fetched from now on."""
    stored = file if isinstance(file, model.StoredFile) else None
    file_id = tx.new_id()
    tx.add(
        _a, id=file_id, office_id=office_id, complaint_id=complaint_id, message_id=message_id, account=account,
        name=file.name, media_type=file.media_type or "application/octet-stream",
        size=stored.size if stored else None, sha256=stored.sha256 if stored else None,
        state="stored" if stored else "pending", reason=None,
        url_sealed=None if isinstance(file, model.StoredFile) else tx.vault.seal(file.url.encode(), f"file/{file_id}"),
        attempts=0, next_at=None if stored else now,
    )  # fmt: skip


def timeline(tx: Tx, complaint_id: ids.ComplaintId) -> list[model.Message]:
    """Return every message of a complaint, oldest first, with its delivery and files."""
    files: dict[int, list[model.Attachment]] = {}
    for row in tx.all(_FILES, complaint_id=complaint_id):
        files.setdefault(row.message_id, []).append(model.Attachment(*row))
    return [_message(row, files.get(row.id, ())) for row in tx.all(_TIMELINE, complaint_id=complaint_id)]


def complaint_of(tx: Tx, account: str, provider_id: str) -> ids.ComplaintId | None:
    """Return the complaint that holds the message a provider knows by this id."""
    found = tx.scalar(_COMPLAINT_OF, account=account, provider_id=provider_id)
    return None if found is None else ids.ComplaintId(found)


def numbers_of(tx: Tx, message_id: ids.MessageId) -> list[privacy.Found]:
    """Return the digits behind the masks of a message, in their order. Showing them is a logged act."""
    return [
        privacy.Found(
            privacy.Kind(row.kind),
            tx.vault.open(row.sealed, f"number/{message_id}/{row.ordinal}").decode(),
            row.start,
            row.start + 16,
        )
        for row in tx.all(_NUMBERS, message_id=message_id)
    ]


def holding_number(tx: Tx, office_id: str, digits: str) -> list[ids.ComplaintId]:
    """Return the complaints in whose messages a 16-digit number stands."""
    return [
        ids.ComplaintId(row[0])
        for row in tx.all(_HOLDING, office_id=office_id, hmac=tx.vault.find_key("number", digits))
    ]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file to fetch, leased to us."""

    id: int
    office_id: str
    complaint_id: ids.ComplaintId
    account: str
    attempts: int
    file: model.RemoteFile


def is_any_file_due(tx: Tx, now: datetime) -> bool:
    return tx.one(_IS_ANY_FILE_DUE, now=now) is not None


def claim_files(tx: Tx, now: datetime, lease: datetime, count: int) -> list[FileEntry]:
    """Lease files whose time has come; nobody else gets them before `lease`."""
    return [
        FileEntry(
            row.id,
            row.office_id,
            ids.ComplaintId(row.complaint_id),
            row.account,
            row.attempts,
            model.RemoteFile(tx.vault.open(row.url_sealed, f"file/{row.id}").decode(), row.media_type, row.name),
        )
        for row in tx.all(_DUE_FILES, now=now, lease=lease, count=count)
    ]


def file_stored(tx: Tx, file_id: int, stored: model.StoredFile) -> None:
    tx.run(
        _SET_FILE,
        id_is=file_id,
        state="stored",
        reason=None,
        sha256=stored.sha256,
        size=stored.size,
        media_type=stored.media_type,
        next_at=None,
    )


def file_postponed(tx: Tx, entry: FileEntry, next_at: datetime, reason: str) -> None:
    tx.run(
        _SET_FILE,
        id_is=entry.id,
        state="pending",
        reason=reason,
        sha256=None,
        size=None,
        media_type=_type(entry),
        next_at=next_at,
    )


def file_refused(tx: Tx, entry: FileEntry, reason: str) -> None:
    tx.run(
        _SET_FILE,
        id_is=entry.id,
        state="refused",
        reason=reason,
        sha256=None,
        size=None,
        media_type=_type(entry),
        next_at=None,
    )


def get_file(tx: Tx, file_id: int) -> tuple[ids.ComplaintId, model.Attachment]:
    row = tx.one(_FILE, id=file_id)
    if row is None:
        raise errors.NotFound("no such file")
    return ids.ComplaintId(row.complaint_id), model.Attachment(
        row.id, row.message_id, row.name, row.media_type, row.size, row.sha256, row.state, row.reason
    )


def _type(entry: FileEntry) -> str:
    return entry.file.media_type or "application/octet-stream"


def _message(row: Any, files: Iterable[model.Attachment]) -> model.Message:
    is_sent = row.delivery is not None
    return model.Message(
        id=ids.MessageId(row.id), complaint_id=ids.ComplaintId(row.complaint_id), account=row.account, kind=row.kind,
        text=row.text, created_at=row.created_at, sent_at=row.sent_at, author=row.author, content=row.content,
        details=row.details or {}, delivery=row.delivery, delivery_error=row.error_code or row.delivery_error,
        outbox_id=ids.OutboxId(row.id) if is_sent else None, raw_id=row.raw_id, attachments=tuple(files),
    )  # fmt: skip
