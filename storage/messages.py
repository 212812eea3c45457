"""Messages of the timeline, the personal numbers behind their masks, and their files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model, privacy
from storage import tables
from storage.dialect import lock_until_commit
from storage.statements import among
from storage.transaction import Tx

_t = tables.message
_o = tables.outbox
_a = tables.attachment
_n = tables.personal_number
_REVISED = "~"  # between a message's id and what tells its changed form from it
_ALONE = {name: lock_until_commit(name) for name in ("sqlite", "postgresql")}
_IS_KNOWN = sa.select(_t.c.id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_COMPLAINT_OF = sa.select(_t.c.complaint_id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_FIND = sa.select(_t.c.id, _t.c.complaint_id, _t.c.text, _t.c.details, _t.c.contact_id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_GET = sa.select(_t.c.id, _t.c.complaint_id, _t.c.text, _t.c.details, _t.c.contact_id).where(
    _t.c.id == sa.bindparam("id")
)
_TAKES_PART = (
    sa.select(_t.c.id)
    .where(
        _t.c.complaint_id == sa.bindparam("complaint_id"),
        _t.c.contact_id == sa.bindparam("contact_id"),
        among(_t.c.kind, "complaint"),
    )
    .limit(1)
)
_LAST_INCOMING = (
    sa.select(_t.c.provider_id, _t.c.details, _t.c.sent_at, _t.c.created_at)
    .where(
        _t.c.complaint_id == sa.bindparam("complaint_id"),
        among(_t.c.kind, "complaint"),
        _t.c.account == sa.bindparam("account"),
        sa.func.coalesce(_t.c.contact_id, sa.bindparam("began_with")) == sa.bindparam("contact_id"),
        _t.c.provider_id.is_not(None),
    )
    .order_by(_t.c.id.desc())
    .limit(1)
)
_ROUTE = sa.select(_t.c.account, _t.c.contact_id, _t.c.complaint_id).where(_t.c.id == sa.bindparam("id"))
_INCOMING = sa.select(_t.c.provider_id, _t.c.details, _t.c.sent_at, _t.c.created_at, _t.c.complaint_id).where(
    _t.c.id == sa.bindparam("id"), among(_t.c.kind, "complaint")
)
_AUTOMATIC = (
    sa.select(sa.func.count())
    .select_from(_t)
    .where(
        _t.c.complaint_id == sa.bindparam("complaint_id"),
        _t.c.created_at > sa.bindparam("since", type_=_t.c.created_at.type),
        among(_t.c.kind, *(kind.value for kind in model.MessageKind if kind.is_outgoing and kind != "answer")),
    )
)
_TIMELINE = (
    sa.select(
        _t,
        _o.c.state.label("delivery"),
        _o.c.error.label("delivery_error"),
        _o.c.error_code,
        _o.c.refusal,
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


def take_alone(tx: Tx, provider_id: str) -> None:
    """Wait for whoever takes in the same message by another account, whose unique index does not refuse ours."""
    statement = _ALONE[tx.dialect_name]
    if statement is not None:
        tx.one(statement, name=provider_id)


def is_known(tx: Tx, account: str, provider_id: str) -> bool:
    """Whether this message is stored. Two at the same time both hear no; the unique index then refuses one."""
    return tx.one(_IS_KNOWN, account=account, provider_id=provider_id) is not None


def add(
    tx: Tx, *, office_id: str, complaint_id: ids.ComplaintId, account: str, kind: model.MessageKind, text: str,
    created_at: datetime, content: model.Content = model.Content.TEXT, details: dict[str, str] | None = None,
    provider_id: str | None = None, author_id: ids.PersonId | None = None, raw_id: int | None = None,
    sent_at: datetime | None = None, contact_id: ids.ContactId | None = None, quoted: str = "",
    withdrawn_at: datetime | None = None, private: bool = False,
) -> ids.MessageId:  # fmt: skip
    """Add a message; its 16-digit numbers are stored apart, sealed, and shown masked.

    `contact_id` only where it is not the contact with whom the complaint began. `quoted` is put after the text.
    """
    message_id = ids.MessageId(tx.new_id())
    masked, numbers = privacy.seal_points(text)
    quoted_from = None
    if quoted:
        quoted_from = len(masked) + 1
        masked, numbers = privacy.seal_points(f"{text}\n{quoted}")
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
        contact_id=contact_id,
        quoted_from=quoted_from,
        withdrawn_at=withdrawn_at,
        private=private or None,
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
    """Add a file to a message: stored already, or to be fetched or examined from now on."""
    stored = file if isinstance(file, model.StoredFile) else None
    file_id = tx.new_id()
    tx.add(
        _a, id=file_id, office_id=office_id, complaint_id=complaint_id, message_id=message_id, account=account,
        # Scans are called by the NIK of whom they show.
        name=file.name and privacy.seal_points(file.name)[0], media_type=file.media_type or "application/octet-stream",
        size=stored.size if stored else None, sha256=stored.sha256 if stored else None,
        state="stored" if stored and not stored.held else "pending", reason=None,
        url_sealed=None if isinstance(file, model.StoredFile) else tx.vault.seal(file.url.encode(), f"file/{file_id}"),
        attempts=0, next_at=None if stored and not stored.held else now,
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


@dataclass(frozen=True, slots=True)
class Stored:
    """A message found by its provider's id; `text` is masked."""

    id: ids.MessageId
    complaint_id: ids.ComplaintId
    text: str
    details: Mapping[str, str]
    contact_id: ids.ContactId | None


def find(tx: Tx, account: str, provider_id: str) -> Stored | None:
    row = tx.one(_FIND, account=account, provider_id=provider_id)
    if row is None:
        return None
    return Stored(row.id, row.complaint_id, row.text, row.details or {}, row.contact_id)


def get(tx: Tx, message_id: ids.MessageId) -> Stored | None:
    row = tx.one(_GET, id=message_id)
    if row is None:
        return None
    return Stored(row.id, row.complaint_id, row.text, row.details or {}, row.contact_id)


def is_text_of(stored: Stored, text: str) -> bool:
    """Whether a stored message has this text, as far as its mask shows."""
    return stored.text == privacy.seal_points(text)[0]


def takes_part(tx: Tx, complaint: model.Complaint, contact_id: ids.ContactId) -> bool:
    """Whether the contact has written to this complaint. To have been written to is not enough."""
    if contact_id in (complaint.contact_id, complaint.reply_contact_id):
        return True
    return tx.one(_TAKES_PART, complaint_id=complaint.id, contact_id=contact_id) is not None


def last_of(tx: Tx, complaint: model.Complaint, account: str, contact_id: ids.ContactId) -> model.Answered | None:
    """Return the contact's latest message to a complaint, as an answer to it needs it."""
    row = tx.one(
        _LAST_INCOMING,
        complaint_id=complaint.id,
        account=account,
        began_with=complaint.contact_id,
        contact_id=contact_id,
    )
    return None if row is None else _answered(row)


def incoming(tx: Tx, complaint_id: ids.ComplaintId, message_id: ids.MessageId) -> model.Answered:
    """Return one message of the citizen's, as an answer to it needs it; NotFound."""
    row = tx.one(_INCOMING, id=message_id)
    if row is None or row.complaint_id != complaint_id or row.provider_id is None:
        raise errors.NotFound("no such message")
    return _answered(row)


def route_of(tx: Tx, complaint: model.Complaint, message_id: ids.MessageId) -> tuple[str, ids.ContactId]:
    """Return by which account and with which contact a message of the complaint was exchanged; NotFound."""
    row = tx.one(_ROUTE, id=message_id)
    if row is None or row.complaint_id != complaint.id:
        raise errors.NotFound("no such message")
    return row.account, ids.ContactId(row.contact_id or complaint.contact_id)


def count_automatic(tx: Tx, complaint_id: ids.ComplaintId, since: datetime) -> int:
    """Return how many messages the system wrote by itself to a complaint's citizen since then."""
    return int(tx.scalar(_AUTOMATIC, complaint_id=complaint_id, since=since))


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


def get_file(tx: Tx, file_id: int) -> tuple[ids.ComplaintId, model.Attachment]:
    row = tx.one(_FILE, id=file_id)
    if row is None:
        raise errors.NotFound("no such file")
    return ids.ComplaintId(row.complaint_id), model.Attachment(
        row.id, row.message_id, row.name, row.media_type, row.size, row.sha256, row.state, row.reason
    )


def revised_id(provider_id: str, digest: str) -> str:
    """Return the id under which a changed form of a message stands beside the first."""
    return f"{provider_id}{_REVISED}{digest}"


def _answered(row: Any) -> model.Answered:
    return model.Answered(_channels_id(row), row.details or {}, row.sent_at or row.created_at)


def _channels_id(row: Any) -> Any:
    """Return the channel's name for a message: of a changed form the message's own, for it knows no other."""
    return row.provider_id.rpartition(_REVISED)[0] if "revises" in (row.details or {}) else row.provider_id


def _message(row: Any, files: Iterable[model.Attachment]) -> model.Message:
    is_sent = row.delivery is not None
    return model.Message(
        id=ids.MessageId(row.id), complaint_id=ids.ComplaintId(row.complaint_id), account=row.account, kind=row.kind,
        text=row.text, created_at=row.created_at, sent_at=row.sent_at, author=row.author, content=row.content,
        details=row.details or {}, delivery=row.delivery,
        delivery_error=row.refusal or row.error_code or row.delivery_error,
        outbox_id=ids.OutboxId(row.id) if is_sent else None, raw_id=row.raw_id, attachments=tuple(files),
        contact_id=row.contact_id, provider_id=_channels_id(row), quoted_from=row.quoted_from,
        withdrawn_at=row.withdrawn_at, private=bool(row.private),
    )  # fmt: skip
