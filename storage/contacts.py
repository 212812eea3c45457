"""Contacts: opaque addresses, sealed, found by their keyed hash."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core import errors, ids, model, privacy
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
        last_inbound_at=sa.case((_t.c.last_inbound_at > _at, _t.c.last_inbound_at), else_=_at),  # also where none is
        name=sa.func.coalesce(sa.bindparam("name_is", type_=sa.Text), _t.c.name),
        identity_hmac=sa.func.coalesce(sa.bindparam("identity_is", type_=sa.LargeBinary), _t.c.identity_hmac),
    )
    .returning(_t.c.id, _t.c.name, _t.c.opted_out_at, _t.c.last_inbound_at, _t.c.citizen_id)
)
_FIND = sa.select(_t.c.id, _t.c.citizen_id, _t.c.name, _t.c.opted_out_at).where(
    _t.c.account == sa.bindparam("account"), _t.c.address_hmac == sa.bindparam("hmac", type_=sa.LargeBinary)
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_SET_CONSENT = changes(_t, "id", "opted_out_at")
_SET_CITIZEN = changes(_t, "id", "citizen_id")
_SET_REPLY = changes(_t, "id", "reply_address_sealed")


@dataclass(frozen=True, slots=True)
class Seen:
    """A contact who has just written. `is_latest`: nothing that he wrote later is known already."""

    id: ids.ContactId
    name: str | None
    opted_out_at: datetime | None
    is_new: bool
    is_latest: bool = True
    citizen_id: ids.CitizenId | None = None


def seen(tx: Tx, office_id: str, account: str, inbound: model.InboundMessage, at: datetime) -> Seen:
    """Find or make the contact of a message, and lock it until the commit: messages of one contact come one by one.

    `at` is when he wrote it, as far as is known; the reply window opens then.
    """
    hmac = _address_key(tx, account, inbound.address)
    identity = None if inbound.identity is None else identity_key(tx, inbound.identity)
    name = inbound.name and privacy.seal_points(inbound.name)[0]  # some write their NIK beside it
    row = tx.one(_SEEN, account_is=account, hmac_is=hmac, at=at, name_is=name, identity_is=identity)
    if row is not None:
        # One whom we know only from writing to him has written nothing before.
        is_latest = row.last_inbound_at is None or row.last_inbound_at <= at
        return Seen(ids.ContactId(row.id), row.name, row.opted_out_at, False, is_latest, row.citizen_id)
    contact_id = _add(
        tx, office_id, account, inbound.address, hmac, at, name=name, identity=identity,
        reply_address=inbound.reply_address, citizen_id=None, last_inbound_at=at,
    )  # fmt: skip
    return Seen(contact_id, name, None, True)


def opened(
    tx: Tx, office_id: str, account: str, address: str, citizen_id: ids.CitizenId | None, name: str | None, at: datetime
) -> ids.ContactId:
    """Make or find the contact at an address that we write to first, as one of this citizen's where it is his.

    None: the address is not proven to be his.
    """
    hmac = _address_key(tx, account, address)
    row = tx.one(_FIND, account=account, hmac=hmac)
    if row is None:
        return _add(
            tx, office_id, account, address, hmac, at, name=name, identity=None, reply_address=None,
            citizen_id=citizen_id, last_inbound_at=None,
        )  # fmt: skip
    if row.citizen_id is None and citizen_id is not None:
        set_citizen(tx, row.id, citizen_id)
    return ids.ContactId(row.id)


def find(tx: Tx, account: str, address: str) -> Seen | None:
    """Return the contact at an address, None for one who never wrote."""
    row = tx.one(_FIND, account=account, hmac=_address_key(tx, account, address))
    if row is None:
        return None
    return Seen(ids.ContactId(row.id), row.name, row.opted_out_at, False, True, row.citizen_id)


def set_citizen(tx: Tx, contact_id: int, citizen_id: ids.CitizenId | None) -> None:
    """Say whose contact it is; None: nobody's but its own."""
    tx.run(_SET_CITIZEN, id_is=contact_id, citizen_id=citizen_id)


def set_reply_address(tx: Tx, contact_id: ids.ContactId, reply_address: str) -> None:
    """Keep the number or address that the contact left to be answered at, in place of one he left before."""
    sealed = tx.vault.seal(reply_address.encode(), _reply_place(contact_id))
    tx.run(_SET_REPLY, id_is=contact_id, reply_address_sealed=sealed)


def identity_key(tx: Tx, identity: str) -> bytes:
    """Return what a proven number or address is found by, whatever account it came to."""
    return tx.vault.find_key("identity", identity)


def _address_key(tx: Tx, account: str, address: str) -> bytes:
    return tx.vault.find_key("address", f"{account}\0{address}")


def _add(
    tx: Tx, office_id: str, account: str, address: str, hmac: bytes, at: datetime, *, name: str | None,
    identity: bytes | None, reply_address: str | None, citizen_id: ids.CitizenId | None,
    last_inbound_at: datetime | None,
) -> ids.ContactId:  # fmt: skip
    contact_id = ids.ContactId(tx.new_id())
    reply = None if reply_address is None else tx.vault.seal(reply_address.encode(), _reply_place(contact_id))
    tx.add(
        _t,
        id=contact_id,
        office_id=office_id,
        account=account,
        address_hmac=hmac,
        address_sealed=tx.vault.seal(address.encode(), address_place(contact_id)),
        reply_address_sealed=reply,
        name=name,
        created_at=at,
        last_inbound_at=last_inbound_at,
        opted_out_at=None,
        citizen_id=citizen_id,
        identity_hmac=identity,
    )
    return contact_id


def set_opted_out(tx: Tx, contact_id: ids.ContactId, at: datetime | None) -> None:
    tx.run(_SET_CONSENT, id_is=contact_id, opted_out_at=at)


@dataclass(frozen=True, slots=True)
class Known:
    """A contact with its address opened, and the address he left to be answered at, if any."""

    contact: model.Contact
    reply_address: str | None


def get(tx: Tx, contact_id: ids.ContactId) -> Known:
    """Return a contact; NotFound."""
    row = tx.one(_BY_ID, id=contact_id)
    if row is None:
        raise errors.NotFound("no such contact")
    reply = None
    if row.reply_address_sealed:
        reply = tx.vault.open(row.reply_address_sealed, _reply_place(contact_id)).decode()
    contact = model.Contact(
        contact_id,
        row.office_id,
        row.account,
        row.name,
        tx.vault.open(row.address_sealed, address_place(contact_id)).decode(),
        row.last_inbound_at,
        row.opted_out_at,
        row.citizen_id,
    )
    return Known(contact, reply)


def address_place(contact_id: int) -> str:
    """Return where a contact's address is sealed to."""
    return f"contact/{contact_id}/address"


def _reply_place(contact_id: int) -> str:
    return f"contact/{contact_id}/reply"
