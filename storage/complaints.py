"""Complaints and the register that numbers them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model
from storage import audit, tables
from storage.transaction import Tx

_t = tables.complaint
_NEXT_NUMBER = sa.text(
    "INSERT INTO register (office_id, year, last) VALUES (:office_id, :year, 1) "
    "ON CONFLICT (office_id, year) DO UPDATE SET last = register.last + 1 RETURNING last"
).columns(last=sa.Integer)
_SET_LAST = sa.text("UPDATE register SET last = :last WHERE office_id = :office_id AND year = :year")
_LATEST_OF_CONTACT = (
    sa.select(_t)
    .where(_t.c.contact_id == sa.bindparam("contact_id"))
    .order_by(_t.c.id.desc())
    .limit(1)
    .with_for_update()
)
_LATEST_OF_CITIZEN = (
    sa.select(_t)
    .where(
        _t.c.contact_id.in_(
            sa.select(tables.contact.c.id).where(tables.contact.c.citizen_id == sa.bindparam("citizen_id"))
        )
    )
    .order_by(_t.c.id.desc())
    .limit(1)
    .with_for_update()
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_LOCK = _BY_ID.with_for_update()
_BY_NUMBER = sa.select(_t).where(
    _t.c.office_id == sa.bindparam("office_id"),
    _t.c.year == sa.bindparam("year"),
    _t.c.sequence == sa.bindparam("sequence"),
)
_OF_CONTACT = sa.select(_t).where(_t.c.contact_id == sa.bindparam("contact_id")).order_by(_t.c.id.desc()).limit(20)
_UPDATES: dict[frozenset[str], sa.Update] = {}


@dataclass(frozen=True, slots=True)
class Locked:
    """A complaint that nobody else changes before our commit, and what only storage keeps of it."""

    complaint: model.Complaint
    head: audit.Head
    acknowledged_until: datetime


def next_number(tx: Tx, office_id: str, prefix: str, year: int) -> ids.Number:
    """Take the next number of the office's year. It is given back if the transaction does not commit.

    The register is locked by the first number and raised for all others of a transaction at its end.
    """
    key = (office_id, year)
    if key in tx.taken:
        tx.taken[key] += 1
    else:
        first = tx.taken[key] = tx.scalar(_NEXT_NUMBER, office_id=office_id, year=year)
        tx.closing.append(lambda: _raise_register(tx, office_id, year, first))
    return ids.Number(prefix, year, tx.taken[key])


def _raise_register(tx: Tx, office_id: str, year: int, first: int) -> None:
    last = tx.taken[office_id, year]
    if last > first:
        tx.run(_SET_LAST, office_id=office_id, year=year, last=last)


def add(tx: Tx, complaint: model.Complaint, acknowledged_until: datetime, actor: str, facts: dict[str, Any]) -> None:
    """Register a new complaint with the first row of its audit chain."""
    head = audit.append(
        tx,
        complaint.office_id,
        complaint.id,
        audit.EMPTY,
        complaint.received_at,
        actor,
        "registered",
        {"number": complaint.number, **facts},
    )
    tx.add(
        _t, id=complaint.id, office_id=complaint.office_id, prefix=complaint.number.prefix, year=complaint.number.year,
        sequence=complaint.number.sequence, contact_id=complaint.contact_id,
        previous_id=complaint.previous_id, account=complaint.account, channel=complaint.channel,
        intake=complaint.intake,
        state=complaint.state, queue=complaint.queue, assignee_id=complaint.assignee_id, category=complaint.category,
        preview=complaint.preview, received_at=complaint.received_at, last_message_at=complaint.last_message_at,
        due_at=complaint.due_at, breached_at=complaint.breached_at, answered_at=complaint.answered_at,
        closed_at=complaint.closed_at, close_reason=None, acknowledged_until=acknowledged_until, version=1,
        reply_account=None, reply_contact_id=None,
        audit_sequence=head.sequence, audit_hash=head.hash,
    )  # fmt: skip
    tx.publish(model.Event(complaint.office_id, "complaint", str(complaint.id)))


def lock(tx: Tx, complaint_id: ids.ComplaintId) -> Locked:
    """Return the complaint, locked until the commit; NotFound."""
    row = tx.one(_LOCK, id=complaint_id)
    if row is None:
        raise errors.NotFound("no such complaint")
    return _locked(row)


def lock_latest_of_contact(tx: Tx, contact_id: ids.ContactId) -> Locked | None:
    row = tx.one(_LATEST_OF_CONTACT, contact_id=contact_id)
    return None if row is None else _locked(row)


def lock_latest_of_citizen(tx: Tx, citizen_id: ids.CitizenId) -> Locked | None:
    """Return the latest complaint of any of a citizen's contacts, locked."""
    row = tx.one(_LATEST_OF_CITIZEN, citizen_id=citizen_id)
    return None if row is None else _locked(row)


def change(
    tx: Tx, locked: Locked, at: datetime, actor: str, action: str, facts: dict[str, Any], **columns: Any
) -> Locked:
    """Set `columns` of a locked complaint and say so in its audit chain; return it as it stands now."""
    head = audit.append(tx, locked.complaint.office_id, locked.complaint.id, locked.head, at, actor, action, facts)
    columns |= {
        "audit_sequence": head.sequence,
        "audit_hash": head.hash,
        "version": locked.complaint.version + 1,
    }
    tx.run(_update(frozenset(columns)), id_is=locked.complaint.id, **columns)
    tx.publish(model.Event(locked.complaint.office_id, "complaint", str(locked.complaint.id)))
    return lock(tx, locked.complaint.id)


def cover(tx: Tx, complaint_id: ids.ComplaintId, until: datetime) -> None:
    """Remember until when an acknowledgement that is queued covers further messages. Bookkeeping, not audited."""
    tx.run(_update(frozenset(("acknowledged_until",))), id_is=complaint_id, acknowledged_until=until)


def get(tx: Tx, complaint_id: ids.ComplaintId) -> model.Complaint:
    row = tx.one(_BY_ID, id=complaint_id)
    if row is None:
        raise errors.NotFound("no such complaint")
    return from_row(row)


def find_by_number(tx: Tx, office_id: str, number: ids.Number) -> model.Complaint | None:
    row = tx.one(_BY_NUMBER, office_id=office_id, year=number.year, sequence=number.sequence)
    return None if row is None or row.prefix != number.prefix else from_row(row)


def by_number(tx: Tx, office_id: str, number: ids.Number) -> model.Complaint:
    found = find_by_number(tx, office_id, number)
    if found is None:
        raise errors.NotFound("no such complaint")
    return found


def pin(tx: Tx, complaint: model.Complaint) -> str:
    """Return the PIN that opens the complaint's tracking page."""
    return tx.vault.pin(f"{complaint.office_id}/{complaint.number}")


def of_contact(tx: Tx, contact_id: ids.ContactId) -> list[model.Complaint]:
    """Return the contact's latest complaints, newest first, at most 20."""
    return [from_row(row) for row in tx.all(_OF_CONTACT, contact_id=contact_id)]


def _update(columns: frozenset[str]) -> sa.Update:
    statement = _UPDATES.get(columns)
    if statement is None:
        statement = _UPDATES[columns] = (
            sa.update(_t)
            .where(_t.c.id == sa.bindparam("id_is"))
            .values({name: sa.bindparam(name, type_=_t.c[name].type) for name in sorted(columns)})
        )
    return statement


def _locked(row: Any) -> Locked:
    return Locked(from_row(row), audit.Head(row.audit_sequence, bytes(row.audit_hash)), row.acknowledged_until)


def from_row(row: Any) -> model.Complaint:
    return model.Complaint(
        id=ids.ComplaintId(row.id), office_id=row.office_id, number=ids.Number(row.prefix, row.year, row.sequence),
        contact_id=ids.ContactId(row.contact_id), account=row.account, channel=row.channel, intake=row.intake,
        state=row.state, queue=row.queue, assignee_id=row.assignee_id, preview=row.preview, received_at=row.received_at,
        due_at=row.due_at, breached_at=row.breached_at, answered_at=row.answered_at, closed_at=row.closed_at,
        last_message_at=row.last_message_at, reply_account=row.reply_account or row.account,
        reply_contact_id=ids.ContactId(row.reply_contact_id or row.contact_id), previous_id=row.previous_id,
        category=row.category, version=row.version,
    )  # fmt: skip
