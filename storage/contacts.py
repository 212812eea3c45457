"""Contacts: opaque addresses, sealed, found by their keyed hash."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core import ids, model
from storage import tables
from storage.transaction import Tx, changes

_t = tables.contact
_at = sa.bindparam("at", type_=_t.c.last_inbound_at.type)
_SEEN = (
    sa.update(_t)
    .where(
        _t.c.account == sa.bindparam("account_is"), _t.c.address_hmac == sa.bindparam("hmac_is", type_=sa.LargeBinary)
    )
    .values(
        last_inbound_at=sa.case((_t.c.last_inbound_at > _at, _t.c.last_inbound_at), else_=_at),
        name=sa.func.coalesce(sa.bindparam("name_is", type_=sa.Text), _t.c.name),
    )
    .returning(_t.c.id, _t.c.name, _t.c.opted_out_at, _t.c.last_inbound_at)
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_SET_CONSENT = changes(_t, "id", "opted_out_at")


@dataclass(frozen=True, slots=True)
class Seen:
    """A contact who has just written. `is_latest`: nothing that he wrote later is known already."""

    id: ids.ContactId
    name: str | None
    opted_out_at: datetime | None
    is_new: bool
    is_latest: bool = True


def seen(tx: Tx, office_id: str, account: str, inbound: model.InboundMessage, at: datetime) -> Seen:
    """Find or make the contact of a message, and lock it until the commit: messages of one contact come one by one.

    `at` is when he wrote it, as far as is known; the reply window opens then.
    """
    hmac = tx.vault.find_key("address", f"{account}\0{inbound.address}")
    row = tx.one(_SEEN, account_is=account, hmac_is=hmac, at=at, name_is=inbound.name)
    if row is not None:
        return Seen(ids.ContactId(row.id), row.name, row.opted_out_at, False, row.last_inbound_at <= at)
    contact_id = ids.ContactId(tx.new_id())
    reply = inbound.reply_address
    tx.add(
        _t,
        id=contact_id,
        office_id=office_id,
        account=account,
        address_hmac=hmac,
        address_sealed=tx.vault.seal(inbound.address.encode(), address_place(contact_id)),
        reply_address_sealed=tx.vault.seal(reply.encode(), f"contact/{contact_id}/reply") if reply else None,
        name=inbound.name,
        created_at=at,
        last_inbound_at=at,
        opted_out_at=None,
    )
    return Seen(contact_id, inbound.name, None, True)


def set_opted_out(tx: Tx, contact_id: ids.ContactId, at: datetime | None) -> None:
    tx.run(_SET_CONSENT, id_is=contact_id, opted_out_at=at)


@dataclass(frozen=True, slots=True)
class Known:
    """A contact with its address opened, and the address he left to be answered at, if any."""

    contact: model.Contact
    reply_address: str | None


def get(tx: Tx, contact_id: ids.ContactId) -> Known:
    row = tx.one(_BY_ID, id=contact_id)
    reply = None
    if row.reply_address_sealed:
        reply = tx.vault.open(row.reply_address_sealed, f"contact/{contact_id}/reply").decode()
    contact = model.Contact(
        contact_id,
        row.office_id,
        row.account,
        row.name,
        tx.vault.open(row.address_sealed, address_place(contact_id)).decode(),
        row.last_inbound_at,
        row.opted_out_at,
    )
    return Known(contact, reply)


def address_place(contact_id: int) -> str:
    """Return where a contact's address is sealed to."""
    return f"contact/{contact_id}/address"
