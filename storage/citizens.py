"""Citizens: which contacts are one person, by an admin's word; and which might be."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from core import ids, model
from storage import contacts, tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx

_t = tables.contact
_a = tables.kept_apart
_c = tables.complaint
_m = tables.message
_n = tables.personal_number
_MOST = 10  # of each kind; more than that is no person
_OF_CITIZEN = sa.select(_t.c.id).where(_t.c.citizen_id == sa.bindparam("citizen_id")).order_by(_t.c.id)
_own = _t.alias("own")
_SAME_IDENTITY = (
    sa.select(_t.c.id)
    .select_from(_own.join(_t, sa.and_(_t.c.office_id == _own.c.office_id, _t.c.identity_hmac == _own.c.identity_hmac)))
    .where(_own.c.id == sa.bindparam("contact_id"), _t.c.id != _own.c.id)
    .order_by(_t.c.id.desc())
    .limit(_MOST)
)
_other_case = _c.alias("other_case")
_other_number = _n.alias("other_number")
# The same 16-digit number in what both wrote, and the same name: either alone says too little.
_SAME_NUMBER = (
    sa.select(_t.c.id)
    .distinct()
    .select_from(
        _c.join(_m, _m.c.complaint_id == _c.c.id)
        .join(_n, _n.c.message_id == _m.c.id)
        .join(
            _other_number,
            sa.and_(_other_number.c.office_id == _n.c.office_id, _other_number.c.hmac == _n.c.hmac),
        )
        .join(_other_case, _other_case.c.id == _other_number.c.complaint_id)
        .join(_t, _t.c.id == _other_case.c.contact_id)
        .join(_own, _own.c.id == _c.c.contact_id)
    )
    .where(
        _c.c.contact_id == sa.bindparam("contact_id"),
        _t.c.id != _c.c.contact_id,
        sa.func.lower(sa.func.trim(_t.c.name)) == sa.func.lower(sa.func.trim(_own.c.name)),
    )
    .limit(_MOST)
)
_ARE_APART = sa.select(_a.c.first_id).where(
    _a.c.first_id == sa.bindparam("first_id"), _a.c.second_id == sa.bindparam("second_id")
)
_KEEP_APART = {
    name: insert_or_ignore(_a, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _a.columns})
    for name in ("sqlite", "postgresql")
}
_FORGET_APART = sa.delete(_a).where(
    _a.c.first_id == sa.bindparam("first_is"), _a.c.second_id == sa.bindparam("second_is")
)
_others = sa.select(_t.c.id).where(_t.c.citizen_id == sa.bindparam("citizen_id"), _t.c.id != sa.bindparam("contact_id"))
_ANSWERED_ACROSS = sa.select(_c.c.id).where(
    sa.or_(
        sa.and_(_c.c.reply_contact_id == sa.bindparam("contact_id"), _c.c.contact_id.in_(_others)),
        sa.and_(_c.c.contact_id == sa.bindparam("contact_id"), _c.c.reply_contact_id.in_(_others)),
    )
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contact who may be the same person, and what speaks for it."""

    contact_id: ids.ContactId
    reason: Literal["identity", "number"]


def contacts_of(tx: Tx, contact: model.Contact) -> list[contacts.Known]:
    """Return every contact of the citizen behind this one, oldest first; it alone where nobody is linked."""
    if contact.citizen_id is None:
        return [contacts.get(tx, contact.id)]
    return [contacts.get(tx, ids.ContactId(row.id)) for row in tx.all(_OF_CITIZEN, citizen_id=contact.citizen_id)]


def proposals(tx: Tx, contact: model.Contact) -> list[Proposal]:
    """Return who may be the same person and is not linked yet, nor kept apart by somebody who knows better."""
    found = {
        ids.ContactId(row.id): Proposal(ids.ContactId(row.id), "identity")
        for row in tx.all(_SAME_IDENTITY, contact_id=contact.id)
    }
    for row in tx.all(_SAME_NUMBER, contact_id=contact.id):
        found.setdefault(ids.ContactId(row.id), Proposal(ids.ContactId(row.id), "number"))
    return [proposal for proposal in found.values() if _is_open(tx, contact, proposal.contact_id)]


def link(tx: Tx, first: model.Contact, second: model.Contact) -> ids.CitizenId:
    """Make two contacts, and all who are linked with either, one citizen's; return which."""
    citizen_id = first.citizen_id or second.citizen_id or ids.CitizenId(tx.new_id())
    for known in (*contacts_of(tx, first), *contacts_of(tx, second)):
        contacts.set_citizen(tx, known.contact.id, citizen_id)
    tx.run(_FORGET_APART, **dict(zip(("first_is", "second_is"), sorted((first.id, second.id)), strict=True)))
    return citizen_id


def unlink(tx: Tx, contact: model.Contact) -> Iterable[ids.ComplaintId]:
    """Make a contact nobody's but its own again; return the complaints of either side that the other was answered."""
    answered = [
        ids.ComplaintId(row.id)
        for row in tx.all(_ANSWERED_ACROSS, contact_id=contact.id, citizen_id=contact.citizen_id or 0)
    ]
    contacts.set_citizen(tx, contact.id, None)
    return answered


def keep_apart(tx: Tx, office_id: str, first: ids.ContactId, second: ids.ContactId) -> None:
    """Remember that two contacts are two persons."""
    low, high = sorted((first, second))
    tx.run(_KEEP_APART[tx.dialect_name], office_id=office_id, first_id=low, second_id=high)


def are_apart(tx: Tx, first: ids.ContactId, second: ids.ContactId) -> bool:
    """Whether a person has said that these two contacts are two persons."""
    low, high = sorted((first, second))
    return tx.one(_ARE_APART, first_id=low, second_id=high) is not None


def _is_open(tx: Tx, contact: model.Contact, other_id: ids.ContactId) -> bool:
    if are_apart(tx, contact.id, other_id):
        return False
    other = contacts.get(tx, other_id).contact
    return other.citizen_id is None or other.citizen_id != contact.citizen_id
