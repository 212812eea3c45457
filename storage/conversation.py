"""What one contact may read of what he and the office wrote to each other, and which answers he has not read."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import ids, model
from storage import outbox, tables
from storage.statements import among
from storage.transaction import Tx

_m = tables.message
_o = tables.outbox
_c = tables.complaint
_a = tables.attachment
_n = tables.alarm
_notice = _m.alias("notice")
_ARRIVED = ("accepted", "delivered", "read")

# A person's contacts are looked through, for what he writes here may have joined what he began elsewhere; but only
# what he wrote here, and what went to him here, is his to read here.
_HIS = sa.select(_c.c.id).where(
    _c.c.contact_id.in_(
        sa.select(tables.contact.c.id).where(
            sa.or_(
                tables.contact.c.id == sa.bindparam("contact_id"),
                tables.contact.c.citizen_id == sa.bindparam("citizen_id"),
            )
        )
    )
)
_IS_SHOWN = sa.or_(
    sa.and_(
        among(_m.c.kind, "complaint"),
        sa.func.coalesce(_m.c.contact_id, _c.c.contact_id) == sa.bindparam("contact_id"),
    ),
    sa.and_(_o.c.contact_id == sa.bindparam("contact_id"), among(_o.c.state, *_ARRIVED)),
)
_MESSAGES = (
    sa.select(_m, _o.c.state.label("delivery"), _o.c.sealed)
    .select_from(_m.join(_c, _c.c.id == _m.c.complaint_id).outerjoin(_o, _o.c.id == _m.c.id))
    .where(_m.c.complaint_id.in_(_HIS), _m.c.id > sa.bindparam("after"), _IS_SHOWN)
    .order_by(_m.c.id)
    .limit(sa.bindparam("count"))
)
_LATEST = (
    sa.select(_m.c.complaint_id)
    .select_from(_m.join(_c, _c.c.id == _m.c.complaint_id).outerjoin(_o, _o.c.id == _m.c.id))
    .where(_m.c.complaint_id.in_(_HIS), _IS_SHOWN)
    .order_by(_m.c.id.desc())
    .limit(1)
)
_FILES = (
    sa.select(_a.c.id, _a.c.message_id, _a.c.name, _a.c.media_type, _a.c.size, _a.c.sha256, _a.c.state, _a.c.reason)
    .where(_a.c.message_id == sa.bindparam("message_id"))
    .order_by(_a.c.id)
)
_HELD_BACK = sa.select(sa.func.min(_o.c.id)).where(
    _o.c.contact_id == sa.bindparam("contact_id"), among(_o.c.state, "queued", "sending")
)
_UNREAD = sa.select(_o.c.id).where(
    _o.c.id == sa.bindparam("id"),
    _o.c.contact_id == sa.bindparam("contact_id"),
    among(_o.c.state, "accepted", "delivered"),
)
_UNREAD_ANSWER = (
    sa.select(_o.c.id)
    .where(
        _o.c.complaint_id == sa.bindparam("complaint_id"),
        _o.c.id.in_(sa.select(_m.c.id).where(_m.c.complaint_id == sa.bindparam("complaint_id"))),
        _o.c.contact_id == sa.bindparam("contact_id"),
        among(_o.c.kind, "answer"),
        among(_o.c.state, "accepted", "delivered"),
    )
    .limit(1)
)
# By the range of ids, which grow with time: entries that left are in no index of their own.
_MISSED = (
    sa.select(_o.c.id)
    .where(
        _o.c.id >= sa.bindparam("first_id"),
        _o.c.id < sa.bindparam("last_id"),
        _o.c.account == sa.bindparam("account"),
        among(_o.c.kind, "answer"),
        among(_o.c.state, "accepted", "delivered"),
        _o.c.updated_at <= sa.bindparam("until", type_=_o.c.updated_at.type),
        ~sa.exists().where(
            _notice.c.complaint_id == _o.c.complaint_id,
            among(_notice.c.kind, "missed_notice"),
            _notice.c.created_at >= _o.c.created_at,
        ),
        ~sa.exists().where(
            _n.c.complaint_id == _o.c.complaint_id, among(_n.c.kind, "answer_unread"), _n.c.last_at >= _o.c.created_at
        ),
    )
    .order_by(_o.c.id)
    .limit(sa.bindparam("count"))
)


def messages(
    tx: Tx, contact_id: ids.ContactId, citizen_id: ids.CitizenId | None, after: int, count: int
) -> list[model.Message]:
    """Return what the contact wrote and was sent, with ids above `after`, oldest first, at most `count`.

    The text of what was sent is the one that left, with what the timeline hides.
    """
    rows = tx.all(_MESSAGES, contact_id=contact_id, citizen_id=citizen_id, after=after, count=count)
    return [_message(tx, row, contact_id) for row in rows]


def latest_complaint(tx: Tx, contact_id: ids.ContactId, citizen_id: ids.CitizenId | None) -> ids.ComplaintId | None:
    """Return the complaint that the contact wrote to, or heard of, last."""
    found = tx.scalar(_LATEST, contact_id=contact_id, citizen_id=citizen_id)
    return None if found is None else ids.ComplaintId(found)


def complaint_ids(tx: Tx, contact_id: ids.ContactId, citizen_id: ids.CitizenId | None) -> list[ids.ComplaintId]:
    """Return every complaint in which something may be said to the contact."""
    return [ids.ComplaintId(row[0]) for row in tx.all(_HIS, contact_id=contact_id, citizen_id=citizen_id)]


def held_back(tx: Tx, contact_id: ids.ContactId) -> int | None:
    """Return the lowest id of what is to be sent to the contact and has not left yet."""
    found = tx.scalar(_HELD_BACK, contact_id=contact_id)
    return None if found is None else int(found)


def is_unread(tx: Tx, contact_id: ids.ContactId, outbox_id: int) -> bool:
    """Whether this went to the contact and he is not known to have read it."""
    return tx.one(_UNREAD, contact_id=contact_id, id=outbox_id) is not None


def has_unread_answer(tx: Tx, complaint_id: ids.ComplaintId, contact_id: ids.ContactId) -> bool:
    return tx.one(_UNREAD_ANSWER, complaint_id=complaint_id, contact_id=contact_id) is not None


def missed(tx: Tx, account: str, first_id: int, last_id: int, until: datetime, count: int) -> list[ids.OutboxId]:
    """Return answers with ids from `first_id` to before `last_id` that left before `until` and wait to be read.

    Without those that the citizen was told of, or for which an alarm was raised, since they were written.
    """
    found = tx.all(_MISSED, account=account, first_id=first_id, last_id=last_id, until=until, count=count)
    return [ids.OutboxId(row.id) for row in found]


def _message(tx: Tx, row: Any, contact_id: ids.ContactId) -> model.Message:
    is_ours = row.sealed is not None
    return model.Message(
        id=ids.MessageId(row.id), complaint_id=ids.ComplaintId(row.complaint_id), account=row.account, kind=row.kind,
        text=outbox.text_of(tx, row.id, contact_id, row.sealed) if is_ours else row.text, created_at=row.created_at,
        sent_at=row.sent_at, content=row.content, details=row.details or {}, delivery=row.delivery,
        outbox_id=ids.OutboxId(row.id) if is_ours else None, provider_id=row.provider_id,
        attachments=tuple(model.Attachment(*file) for file in tx.all(_FILES, message_id=row.id)),
    )  # fmt: skip
