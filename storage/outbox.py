"""The outbox: what must leave, claimed by lease, in order per contact; and the receipts that come back."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model
from storage import contacts, tables
from storage.columns import canonical
from storage.dialect import insert_or_ignore
from storage.statements import among
from storage.transaction import Tx, changes

_t = tables.outbox
_ahead = _t.alias("ahead")
_h = tables.health
_at = _t.c.next_at.type
_REFERENCE = re.compile(r"(\d{1,19})\.(\d{1,9})", re.ASCII)

# Due, with nothing of the same contact still ahead of it, by an account that is not suspended.
_CLAIMABLE = (
    sa.select(_t.c.id)
    .where(
        among(_t.c.state, "queued"),
        among(_t.c.state, "queued", "sending", "uncertain"),  # both name the partial index
        _t.c.next_at.is_not(None),
        _t.c.next_at <= sa.bindparam("now", type_=_at),
        ~sa.exists().where(
            _ahead.c.contact_id == _t.c.contact_id, _ahead.c.id < _t.c.id, among(_ahead.c.state, "queued", "sending")
        ),
        ~sa.exists().where(_h.c.account == _t.c.account, _h.c.suspended_at.is_not(None)),
    )
    .order_by(_t.c.next_at, _t.c.id)
    .limit(sa.bindparam("count"))
    .with_for_update(skip_locked=True, of=_t)
)
_CLAIM = (
    sa.update(_t)
    .where(_t.c.id.in_(_CLAIMABLE))
    .values(
        state=sa.literal_column("'sending'"),
        attempts=_t.c.attempts + 1,
        next_at=sa.bindparam("lease", type_=_at),
        updated_at=sa.bindparam("now", type_=_at),
    )
    .returning(*_t.c)
)
_LAPSED = (
    sa.select(_t)
    .where(
        among(_t.c.state, "queued", "sending", "uncertain"),
        _t.c.next_at.is_not(None),
        _t.c.next_at <= sa.bindparam("now", type_=_at),
        sa.or_(among(_t.c.state, "sending"), among(_t.c.state, "uncertain")),
    )
    .limit(sa.bindparam("count"))
    .with_for_update(skip_locked=True)
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id")).with_for_update()
_BY_PROVIDER = (
    sa.select(_t)
    .where(_t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id"))
    .with_for_update()
)
# By way of the complaint's messages: entries that left are in no index of their own.
_m = tables.message
_UNREAD = (
    sa.select(_t)
    .where(
        _t.c.id.in_(
            sa.select(_m.c.id).where(
                _m.c.complaint_id == sa.bindparam("complaint_id"),
                _m.c.created_at <= sa.bindparam("until", type_=_m.c.created_at.type),
            )
        ),
        _t.c.contact_id == sa.bindparam("contact_id"),
        among(_t.c.state, "accepted", "delivered"),
    )
    .with_for_update()
)
_UNDER_WAY = (
    sa.select(_t)
    .where(
        _t.c.contact_id == sa.bindparam("contact_id"),
        among(_t.c.state, "queued", "sending"),  # the partial index
        among(_t.c.state, "sending"),
    )
    .with_for_update()
)
_FIND_ID = sa.select(_t.c.id).where(
    _t.c.account == sa.bindparam("account"), _t.c.provider_id == sa.bindparam("provider_id")
)
_BY_KEY = sa.select(_t.c.id).where(_t.c.idempotency_key == sa.bindparam("key"))
_SET = changes(_t, "id", "state", "next_at", "provider_id", "error", "error_code", "refusal", "updated_at")
_CONTACT = sa.select(
    tables.contact.c.address_sealed, tables.contact.c.last_inbound_at, tables.contact.c.opted_out_at
).where(tables.contact.c.id == sa.bindparam("id"))
_EARLY = sa.select(tables.receipt).where(
    tables.receipt.c.account == sa.bindparam("account"), tables.receipt.c.provider_id == sa.bindparam("provider_id")
)
_FORGET_EARLY = sa.delete(tables.receipt).where(
    tables.receipt.c.account == sa.bindparam("account"), tables.receipt.c.provider_id == sa.bindparam("provider_id")
)
# Not a join, which might walk the outbox to look for each of its entries among the few receipts put by.
_put_by = sa.select(
    tables.receipt.c.account,
    tables.receipt.c.provider_id,
    sa.select(_t.c.id)
    .where(_t.c.account == tables.receipt.c.account, _t.c.provider_id == tables.receipt.c.provider_id)
    .scalar_subquery()
    .label("id"),
).subquery()
_OVERTAKEN = sa.select(_put_by).where(_put_by.c.id.is_not(None)).distinct().limit(sa.bindparam("count"))
# What the provider itself put off, with a code, keeps its time.
_HASTEN = (
    sa.update(_t)
    .where(
        _t.c.account == sa.bindparam("account_is"),
        among(_t.c.state, "queued"),
        among(_t.c.state, "queued", "sending", "uncertain"),
        _t.c.next_at.is_not(None),
        _t.c.next_at > sa.bindparam("now", type_=_at),
        _t.c.attempts > 0,
        _t.c.error_code.is_(None),
    )
    .values(next_at=sa.bindparam("now", type_=_at))
)
_PURGE_EARLY = sa.delete(tables.receipt).where(
    tables.receipt.c.received_at < sa.bindparam("before", type_=tables.receipt.c.received_at.type)
)
_IS_ANY_DUE = (
    sa.select(_t.c.id)
    .where(
        among(_t.c.state, "queued", "sending", "uncertain"), _t.c.next_at.is_not(None),
        _t.c.next_at <= sa.bindparam("now", type_=_at),
    )
    .limit(1)
)  # fmt: skip
_KEEP = {
    name: insert_or_ignore(tables.receipt, name).values(
        {c.name: sa.bindparam(c.name, type_=c.type) for c in tables.receipt.columns}
    )
    for name in ("sqlite", "postgresql")
}


@dataclass(frozen=True, slots=True)
class Sent:
    """An outbox row as bookkeeping needs it."""

    id: ids.OutboxId
    office_id: str
    account: str
    contact_id: ids.ContactId
    complaint_id: ids.ComplaintId
    kind: model.MessageKind
    state: model.DeliveryState
    attempts: int
    provider_id: str | None
    created_at: datetime


def add(
    tx: Tx, *, message_id: ids.MessageId, office_id: str, account: str, contact_id: ids.ContactId,
    complaint_id: ids.ComplaintId, kind: model.MessageKind, text: str, variables: Mapping[str, str], key: str,
    now: datetime, not_before: datetime | None = None, number: ids.Number | None = None,
    answers: model.Answered | None = None, private: bool = False, files: Sequence[model.StoredFile] = (),
) -> None:  # fmt: skip
    """Queue a message. `key` names the intent: a second entry with the same key breaks a uniqueness."""
    payload: dict[str, Any] = {"text": text, "variables": dict(variables), "number": str(number or "")}
    if answers is not None:
        written_at = None if answers.sent_at is None else answers.sent_at.isoformat()
        payload["answers"] = [answers.provider_id, dict(answers.details), written_at]
    if private:
        payload["private"] = True
    if files:
        payload["files"] = [[file.sha256, file.name or file.sha256[:12], file.media_type] for file in files]
    sealed = tx.vault.seal(canonical(payload).encode(), _place(message_id, contact_id))
    tx.add(
        _t,
        id=message_id,
        office_id=office_id,
        account=account,
        contact_id=contact_id,
        complaint_id=complaint_id,
        kind=kind,
        idempotency_key=key,
        state=model.DeliveryState.QUEUED,
        attempts=0,
        next_at=not_before or now,
        provider_id=None,
        error=None,
        error_code=None,
        refusal=None,
        sealed=sealed,
        created_at=now,
        updated_at=now,
    )
    tx.publish(model.Event(office_id, "outbox", "queued"))


def has_key(tx: Tx, key: str) -> bool:
    return tx.one(_BY_KEY, key=key) is not None


def claim(tx: Tx, now: datetime, lease: datetime, count: int) -> list[model.OutboxEntry]:
    """Lease up to `count` entries whose turn it is; each is ours alone until `lease`."""
    return [_entry(tx, row) for row in tx.all(_CLAIM, now=now, lease=lease, count=count)]


def hasten(tx: Tx, account: str, now: datetime) -> None:
    """Let what was put off because the account could not be reached be tried at once."""
    tx.run(_HASTEN, account_is=account, now=now)


def is_any_due(tx: Tx, now: datetime) -> bool:
    """Whether anything wants attention: a cheap look before a claim, which writes."""
    return tx.one(_IS_ANY_DUE, now=now) is not None


def lapsed(tx: Tx, now: datetime, count: int) -> list[Sent]:
    """Return and lock entries whose lease ended without a result, and uncertain ones nobody cleared up."""
    return [_sent(row) for row in tx.all(_LAPSED, now=now, count=count)]


def get(tx: Tx, outbox_id: ids.OutboxId) -> Sent:
    """Return an entry, locked until the commit; NotFound."""
    row = tx.one(_BY_ID, id=outbox_id)
    if row is None:
        raise errors.NotFound("no such outbox entry")
    return _sent(row)


def find(tx: Tx, account: str, receipt: model.DeliveryReceipt, others: Collection[str] = ()) -> Sent | None:
    """Return the entry a receipt speaks of, locked; None while our own send has not returned.

    It left by `account`, or as its reference says by one of `others`.

    The reference leads to the entry when the provider's id does not yet, but only for the attempt it was made in:
    a late word about an earlier attempt must not settle this one.
    """
    row = tx.one(_BY_PROVIDER, account=account, provider_id=receipt.provider_id)
    if row is None and receipt.reference is not None:
        match = _REFERENCE.fullmatch(receipt.reference)
        if match is None or int(match[1]) >= 2**63:
            return None
        row = tx.one(_BY_ID, id=int(match[1]))
        if row is not None and (
            (row.account != account and row.account not in others)
            or row.attempts != int(match[2])
            # The same id: our own send was recorded while we waited for the row.
            or row.provider_id not in (None, receipt.provider_id)
        ):
            return None
    return None if row is None else _sent(row)


def unread(tx: Tx, complaint_id: ids.ComplaintId, contact_id: ids.ContactId, until: datetime) -> list[Sent]:
    """Return and lock what left for a contact before `until`, and of which nothing says yet that he read it."""
    return [_sent(row) for row in tx.all(_UNREAD, complaint_id=complaint_id, contact_id=contact_id, until=until)]


def under_way(tx: Tx, contact_id: ids.ContactId) -> list[tuple[Sent, str]]:
    """Return and lock what is being sent to a contact just now, each with its text."""
    return [(_sent(row), _payload(tx, row)["text"]) for row in tx.all(_UNDER_WAY, contact_id=contact_id)]


def message_of(tx: Tx, account: str, provider_id: str) -> ids.MessageId | None:
    """Return our own message that a provider knows by this id."""
    found = tx.scalar(_FIND_ID, account=account, provider_id=provider_id)
    return None if found is None else ids.MessageId(found)


def settle(
    tx: Tx, sent: Sent, state: model.DeliveryState, now: datetime, *, provider_id: str | None = None,
    next_at: datetime | None = None, error: str | None = None, code: str | None = None,
    refusal: model.Refusal | None = None,
) -> None:  # fmt: skip
    """Write where an entry stands now. `next_at` None: the worker has nothing more to do with it."""
    tx.run(
        _SET,
        id_is=sent.id,
        state=state,
        next_at=next_at,
        provider_id=provider_id,
        error=error,
        error_code=code,
        refusal=refusal,
        updated_at=now,
    )
    tx.publish(model.Event(sent.office_id, "complaint", str(sent.complaint_id)))


def keep_early(tx: Tx, account: str, receipt: model.DeliveryReceipt, now: datetime) -> None:
    """Keep a receipt until the send that it belongs to is recorded."""
    tx.run(
        _KEEP[tx.dialect_name],
        account=account,
        provider_id=receipt.provider_id,
        state=receipt.state,
        error_code=receipt.error_code,
        refusal=receipt.refusal,
        received_at=now,
    )


def take_early(tx: Tx, account: str, provider_id: str) -> list[model.DeliveryReceipt]:
    """Return and forget the receipts kept for a provider's id."""
    rows = tx.all(_EARLY, account=account, provider_id=provider_id)
    if rows:
        tx.run(_FORGET_EARLY, account=account, provider_id=provider_id)
    return [model.DeliveryReceipt(row.provider_id, row.state, row.error_code, refusal=row.refusal) for row in rows]


def is_echoed(tx: Tx, account: str, provider_id: str) -> bool:
    """Whether a provider has told that we sent this, though no entry has the id: it was not the first of its entry."""
    return any(
        row.state is model.DeliveryState.ACCEPTED for row in tx.all(_EARLY, account=account, provider_id=provider_id)
    )


def overtaken(tx: Tx, count: int) -> list[tuple[ids.OutboxId, str, str]]:
    """Return id, account and provider's id of entries whose send was recorded while a receipt was put by."""
    return [(ids.OutboxId(row.id), row.account, row.provider_id) for row in tx.all(_OVERTAKEN, count=count)]


def purge_early(tx: Tx, before: datetime) -> int:
    return tx.run(_PURGE_EARLY, before=before)


def text_of(tx: Tx, outbox_id: int, contact_id: int, sealed: bytes) -> str:
    """Return the text of an entry as it leaves, with what the timeline hides; ValueError for another contact's."""
    return str(json.loads(tx.vault.open(sealed, _place(outbox_id, contact_id)))["text"])


def _place(outbox_id: int, contact_id: int) -> str:
    """Return where a text is sealed to: this entry, and nobody but this contact."""
    return f"outbox/{outbox_id}/{contact_id}"


def _entry(tx: Tx, row: Any) -> model.OutboxEntry:
    payload = _payload(tx, row)
    contact = tx.one(_CONTACT, id=row.contact_id)
    return model.OutboxEntry(
        id=ids.OutboxId(row.id), office_id=row.office_id, account=row.account, contact_id=ids.ContactId(row.contact_id),
        complaint_id=ids.ComplaintId(row.complaint_id), message_id=ids.MessageId(row.id), kind=row.kind,
        attempts=row.attempts, text=payload["text"],
        address=tx.vault.open(contact.address_sealed, contacts.address_place(row.contact_id)).decode(),
        variables=payload["variables"], window_opened_at=contact.last_inbound_at, created_at=row.created_at,
        opted_out=contact.opted_out_at is not None,
        number=ids.Number.parse(payload["number"]) if payload.get("number") else None,
        answers=_answered(payload.get("answers")), private=payload.get("private", False),
        files=tuple((sha256, name, kind) for sha256, name, kind in payload.get("files", ())),
    )  # fmt: skip


def _payload(tx: Tx, row: Any) -> dict[str, Any]:
    return json.loads(tx.vault.open(row.sealed, _place(row.id, row.contact_id)))  # type: ignore[no-any-return]


def _answered(packed: list[Any] | None) -> model.Answered | None:
    if packed is None:
        return None
    provider_id, details, sent_at = packed
    return model.Answered(provider_id, details, datetime.fromisoformat(sent_at) if sent_at else None)


def _sent(row: Any) -> Sent:
    return Sent(
        ids.OutboxId(row.id),
        row.office_id,
        row.account,
        ids.ContactId(row.contact_id),
        ids.ComplaintId(row.complaint_id),
        row.kind,
        row.state,
        row.attempts,
        row.provider_id,
        row.created_at,
    )
