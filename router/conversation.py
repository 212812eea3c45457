"""A conversation on our own page: what its citizen reads there, what he has seen, and telling him when he has left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, ids, model, ports
from router import acknowledge, receipts, texts
from router.desk import SYSTEM, Desk
from storage import alarms, audit, complaints, contacts, conversation, messages, outbox
from storage.transaction import Tx

MOST = 200  # messages read at a time
_OVERLAP = timedelta(seconds=30)  # longer than a commit can come after the id it commits
_LOOK_BACK = timedelta(days=2)
_BATCH = 100
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a citizen has not been shown yet, oldest first, with the complaint it is about.

    Reading on from `cursor` misses nothing and may bring a message again: what waits to leave has its id already.
    `is_all` is False where more than MOST messages were to be read. `complaint_ids`: whose changes may matter here.
    """

    messages: Sequence[model.Message]
    cursor: int
    is_all: bool
    complaint: model.Complaint | None
    has_reply_address: bool
    complaint_ids: frozenset[str]


async def read(desk: Desk, account: model.Account, address: str, after: int = 0) -> Conversation | None:
    """Return what the contact at `address` may read, from after the message `after`; None where he never wrote."""
    settled_before = ids.first_at(desk.clock.now() - _OVERLAP)

    def act(tx: Tx) -> Conversation | None:
        contact = contacts.find(tx, account.name, address)
        if contact is None:
            return None
        who = (contact.id, contact.citizen_id)
        found = conversation.messages(tx, *who, after, MOST + 1)
        shown = found[:MOST]
        last = shown[-1].id if shown else after
        held = conversation.held_back(tx, contact.id)
        is_all = len(found) == len(shown)
        bounds = [last, settled_before] if held is None else [last, settled_before, held - 1]
        latest = conversation.latest_complaint(tx, *who)
        return Conversation(
            messages=shown, cursor=min(bounds) if is_all else last, is_all=is_all,
            complaint=None if latest is None else complaints.get(tx, latest),
            has_reply_address=contacts.get(tx, contact.id).reply_address is not None,
            complaint_ids=frozenset(str(each) for each in conversation.complaint_ids(tx, *who)),
        )  # fmt: skip

    return await desk.store.read(act)


async def seen(
    desk: Desk, account: model.Account, address: str, shown: Sequence[int], state: model.DeliveryState
) -> None:
    """Note that messages of ours (their ids) came to the contact's page (DELIVERED) or before his eyes (READ).

    Ids that are not his, or say nothing new, are passed over.
    """
    now = desk.clock.now()
    contact = await desk.store.read(contacts.find, account.name, address)
    if contact is None:
        return
    unread = await desk.store.read(_unread, contact.id, shown)

    def act(tx: Tx) -> None:
        for outbox_id in _unread(tx, contact.id, shown):
            sent = outbox.get(tx, outbox_id)
            if sent.provider_id is not None:
                receipts.apply(tx, sent, model.DeliveryReceipt(sent.provider_id, state), now)
            if state is model.DeliveryState.READ and not conversation.has_unread_answer(
                tx, sent.complaint_id, contact.id
            ):
                alarms.clear(tx, sent.office_id, _unread_key(sent.complaint_id), now, SYSTEM)

    if unread:
        await desk.store.write(act)


def _unread(tx: Tx, contact_id: ids.ContactId, shown: Sequence[int]) -> list[ids.OutboxId]:
    return [ids.OutboxId(each) for each in shown if conversation.is_unread(tx, contact_id, each)]


def _unread_key(complaint_id: ids.ComplaintId) -> str:
    return f"unread:{complaint_id}"


async def leave_address(desk: Desk, account: model.Account, address: str, reply_address: str) -> None:
    """Keep where the contact wants to be told of answers when he has left; NotFound for one who never wrote."""
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        contact = contacts.find(tx, account.name, address)
        if contact is None:
            raise errors.NotFound("no such conversation")
        if contacts.get(tx, contact.id).reply_address == reply_address:
            return
        contacts.set_reply_address(tx, contact.id, reply_address)
        audit.append_office(tx, account.office_id, now, SYSTEM, "reply_address_left", contact=contact.id)

    await desk.store.write(act)


async def file(desk: Desk, account: model.Account, address: str, file_id: int) -> model.Attachment:
    """Return a stored file that went to the contact; its bytes are `desk.files.get(sha256)`. NotFound."""

    def act(tx: Tx) -> model.Attachment:
        contact = contacts.find(tx, account.name, address)
        _, attachment = messages.get_file(tx, file_id)
        if contact is not None:
            found = conversation.messages(tx, contact.id, contact.citizen_id, attachment.message_id - 1, 1)
            is_his = bool(found) and found[0].id == attachment.message_id and found[0].kind.is_outgoing
            if is_his and attachment.state == "stored":
                return attachment
        raise errors.NotFound("no such file")

    return await desk.store.read(act)


# --- Who has left ---------------------------------------------------------------------------------------------------


async def remind(desk: Desk) -> int:
    """Tell each citizen who left before he read an answer that it is there, or have a person tell him; return how many.

    Once for all answers that he has missed. Safe in several processes at once.
    """
    now = desk.clock.now()
    told = 0
    for account in desk.accounts.values():
        if not account.capabilities.presence:
            continue
        until = now - cast("ports.Conversation", desk.connectors[account.name]).missed_after
        span = (ids.first_at(now - _LOOK_BACK), ids.first_at(until))
        for outbox_id in await desk.store.read(conversation.missed, account.name, *span, until, _BATCH):
            try:
                told += await desk.store.write(_remind, desk, account, outbox_id, until, now)
            except errors.StorageUnavailable:
                raise
            except Exception:  # noqa: BLE001
                _log.exception("reminder_failed", outbox=outbox_id)
    return told


def _remind(
    tx: Tx, desk: Desk, account: model.Account, outbox_id: ids.OutboxId, until: datetime, now: datetime
) -> bool:
    complaint = complaints.lock(tx, outbox.get(tx, outbox_id).complaint_id).complaint
    if not conversation.missed(tx, account.name, outbox_id, outbox_id + 1, until, 1):
        return False  # read meanwhile, or told with another answer
    sent = outbox.get(tx, outbox_id)
    left = contacts.get(tx, sent.contact_id).reply_address
    way = None if left is None else _way(desk, account, left)
    if way is None:
        alarms.raise_(
            tx, sent.office_id, model.AlarmKind.ANSWER_UNREAD, _unread_key(complaint.id), now,
            complaint_id=complaint.id, account=account.name, note="no_address" if left is None else "no_account",
        )  # fmt: skip
        return True
    by, address = way
    # Whoever has that number or address is not proven to be this citizen: it stays a contact of its own, which is
    # told that there is an answer, and neither whose complaint it is nor what the answer says.
    contact_id = contacts.opened(tx, by.office_id, by.name, address, None, None, now)
    given = acknowledge.variables(desk.offices.get(complaint.office_id), complaint, None)
    kind = model.MessageKind.MISSED_NOTICE
    text = texts.render(kind, by.capabilities.text_form, given)
    route = acknowledge.Route(by.name, contact_id)
    acknowledge.send(tx, complaint, kind, text, given, f"missed:{outbox_id}", now, route=route)
    return True


def _way(desk: Desk, account: model.Account, left: str) -> tuple[model.Account, str] | None:
    """Return an account of the office that can write to what a citizen left, and his address there.

    One that may always write goes before one that needs a template for it.
    """
    ways = []
    for name, other in desk.accounts.items():
        connector = desk.connectors[name]
        if other.office_id == account.office_id and hasattr(connector, "address_of"):
            address = cast("ports.Addressing", connector).address_of(left)
            if address is not None:
                ways.append((other, address))
    return min(ways, key=lambda way: way[0].capabilities.reply_window is not None, default=None)
