"""One person on several channels: proposed, never assumed; linked and unlinked by an admin's decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core import errors, ids, model, privacy
from router.assignment import lock_own
from router.desk import WORKERS, Desk, actor, require
from storage import citizens, complaints, contacts
from storage.transaction import Tx


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a citizen: a contact of his, and until when it takes text (None: always). The address is masked."""

    contact_id: ids.ContactId
    account: model.Account
    name: str | None
    address: str
    closes_at: datetime | None
    has_opted_out: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """Somebody who may be the same person: what speaks for it, and the complaints he has here."""

    contact_id: ids.ContactId
    account: model.Account
    name: str | None
    address: str
    reason: Literal["identity", "number"]
    numbers: Sequence[ids.Number]


def ways(tx: Tx, desk: Desk, complaint: model.Complaint) -> list[Way]:
    """Return every way to the citizen of a complaint, the one he wrote by last first."""
    began_with = contacts.get(tx, complaint.contact_id).contact
    found = [_way(desk, complaint, known.contact) for known in citizens.contacts_of(tx, began_with)]
    if complaint.reply_contact_id not in {way.contact_id for way in found}:
        found.append(_way(desk, complaint, contacts.get(tx, complaint.reply_contact_id).contact))
    return sorted(found, key=lambda way: not way.is_current)


def _way(desk: Desk, complaint: model.Complaint, contact: model.Contact) -> Way:
    account = desk.known_account(contact.account, complaint.channel, complaint.office_id)
    able = account.capabilities
    window = able.human_reply_window or able.reply_window
    last = contact.last_inbound_at
    return Way(
        contact.id, account, contact.name, privacy.mask_address(contact.address),
        None if window is None or last is None else last + window,
        contact.opted_out_at is not None, contact.id == complaint.reply_contact_id,
    )  # fmt: skip


def proposals(tx: Tx, desk: Desk, complaint: model.Complaint) -> list[Proposal]:
    """Return who may be the citizen of a complaint on another channel."""
    contact = contacts.get(tx, complaint.contact_id).contact
    found = []
    for proposal in citizens.proposals(tx, contact):
        other = contacts.get(tx, proposal.contact_id).contact
        found.append(
            Proposal(
                other.id, desk.known_account(other.account, other.account, complaint.office_id), other.name,
                privacy.mask_address(other.address), proposal.reason,
                [c.number for c in complaints.of_contact(tx, other.id)],
            )
        )  # fmt: skip
    return found


async def link(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, contact_id: ids.ContactId) -> None:
    """Decide that a proposed contact is the citizen of this complaint. Only what is proposed can be linked."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        contact = contacts.get(tx, locked.complaint.contact_id).contact
        if contact_id not in {proposal.contact_id for proposal in citizens.proposals(tx, contact)}:
            raise errors.StaleDecision(
                "Kedua kontak ini sudah ditautkan, atau tidak lagi diusulkan sebagai satu warga."
            )
        citizens.link(tx, contact, contacts.get(tx, contact_id).contact)
        complaints.change(tx, locked, now, actor(person), "contacts_linked", {"contact": contact_id})

    await desk.store.write(act)


async def keep_apart(
    desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, contact_id: ids.ContactId
) -> None:
    """Decide that a proposed contact is somebody else; it is not proposed again."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        if contacts.get(tx, contact_id).contact.office_id != person.office_id:
            raise errors.NotFound("no such contact")
        citizens.keep_apart(tx, person.office_id, locked.complaint.contact_id, contact_id)
        complaints.change(tx, locked, now, actor(person), "contacts_kept_apart", {"contact": contact_id})

    await desk.store.write(act)


async def unlink(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, contact_id: ids.ContactId) -> None:
    """Take a contact out of the citizen of this complaint: what it wrote stays where it stands, new things do not join.

    It is not proposed again.
    """
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        began_with = contacts.get(tx, locked.complaint.contact_id).contact
        contact = contacts.get(tx, contact_id).contact
        if contact.citizen_id is None or contact.citizen_id != began_with.citizen_id:
            raise errors.StaleDecision("Kontak ini sudah tidak tertaut.")
        others = [k.contact.id for k in citizens.contacts_of(tx, contact) if k.contact.id != contact_id]
        for answered in citizens.unlink(tx, contact):
            theirs = locked if answered == complaint_id else complaints.lock(tx, answered)
            theirs = complaints.change(
                tx, theirs, now, actor(person), "answered_where_it_began", {"contact": contact_id},
                reply_account=None, reply_contact_id=None,
            )  # fmt: skip
            locked = theirs if answered == complaint_id else locked
        for other in others:
            citizens.keep_apart(tx, person.office_id, contact_id, other)
        complaints.change(tx, locked, now, actor(person), "contacts_unlinked", {"contact": contact_id})

    await desk.store.write(act)
