"""What a raw request holds: read by its connector, each item taken to where it belongs."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core import model, ports
from router import elsewhere, receipts, registration
from router.desk import SYSTEM, Desk
from storage import alarms, audit, complaints, contacts, messages, outbox, raw, revisions
from storage.transaction import Tx

_LARGE = 64 * 1024  # bytes; what takes longer to read is read in a thread


@dataclass(frozen=True, slots=True)
class Origin:
    """The raw item that an event came in."""

    raw_id: int
    request: ports.RawRequest


async def read(desk: Desk, connector: ports.Reader, request: ports.RawRequest) -> Sequence[model.InboundEvent]:
    """Return what a request holds, the files within it stored. Raises as the connector's `parse`."""
    if len(request.body) > _LARGE:
        events = await asyncio.to_thread(connector.parse, request)
    else:
        events = connector.parse(request)
    return [await _with_files_stored(desk, event) for event in events]


async def _with_files_stored(desk: Desk, event: model.InboundEvent) -> model.InboundEvent:
    if isinstance(event, model.Revision):
        return model.Revision(await keep_files(desk, event.message))
    return await keep_files(desk, event) if isinstance(event, model.InboundMessage) else event


async def keep_files(desk: Desk, inbound: model.InboundMessage) -> model.InboundMessage:
    """Return the message with the files that came within it in our store."""
    if not any(isinstance(file, model.InlineFile) for file in inbound.files):
        return inbound
    kept = [
        await asyncio.to_thread(desk.files.put, file.content, file.name) if isinstance(file, model.InlineFile) else file
        for file in inbound.files
    ]
    return replace(inbound, files=tuple(kept))


def take(
    tx: Tx, desk: Desk, account: model.Account, events: Sequence[model.InboundEvent], origin: Origin, now: datetime
) -> None:
    """Take in every item of a request. It is quarantined, once, where any is for an account that is not configured."""
    is_whole = True
    for event in events:
        its = desk.at(account, event.destination)
        if its is None:
            is_whole = False
        else:
            _take(tx, desk, its, event, origin, now)
    if not is_whole:
        quarantine(tx, account, origin.request, "no account for this recipient")


def _take(tx: Tx, desk: Desk, its: model.Account, event: model.InboundEvent, origin: Origin, now: datetime) -> None:
    match event:
        case model.InboundMessage():
            registration.take(tx, desk, its, event, origin.raw_id, now)
        case model.DeliveryReceipt():
            receipts.record(tx, its.name, event, now, desk.names_of(its.office_id))
        case model.Watermark():
            _watermark(tx, its, event, now)
        case model.Revision():
            _revision(tx, desk, its, event.message, origin.raw_id, now)
        case model.Withdrawal():
            _withdrawal(tx, its, event, now)
        case model.Reaction():
            _reaction(tx, its, event)
        case model.ColleagueAnswer():
            elsewhere.by_colleague(tx, desk, its, event, now)
        case model.Unreadable():
            quarantine(tx, its, replace(origin.request, body=event.body), f"payload: {event.reason}")


def quarantine(tx: Tx, account: model.Account, request: ports.RawRequest, reason: str, origin: str = "webhook") -> int:
    """Keep a request that cannot be trusted or read, and raise the alarm; return the raw item's id."""
    raw_id = raw.add(tx, account.office_id, origin, request, reason)
    facts = {"raw": raw_id, "account": request.account, "reason": reason}
    audit.append_office(tx, account.office_id, request.received_at, SYSTEM, "quarantined", **facts)
    alarm(tx, account, reason, request.received_at)
    return raw_id


def alarm(tx: Tx, account: model.Account, reason: str, at: datetime) -> None:
    """Say that something waits in quarantine."""
    alarms.raise_(
        tx, account.office_id, model.AlarmKind.QUARANTINE, f"quarantine:{account.name}", at, account=account.name,
        note=reason,
    )  # fmt: skip


def _watermark(tx: Tx, account: model.Account, mark: model.Watermark, now: datetime) -> None:
    contact = contacts.find(tx, account.name, mark.address)
    latest = None if contact is None else registration.lock_latest(tx, contact)
    if contact is None or latest is None:
        return
    for sent in outbox.unread(tx, latest.complaint.id, contact.id, mark.until):
        receipts.apply(tx, sent, model.DeliveryReceipt(sent.provider_id or "", mark.state), now)


def _revision(
    tx: Tx, desk: Desk, account: model.Account, inbound: model.InboundMessage, raw_id: int, now: datetime
) -> None:
    """Put what the author changed beside what he wrote first: both are shown, as a register asks."""
    known = messages.find(tx, account.name, inbound.provider_id)
    if known is None:
        registration.take(tx, desk, account, inbound, raw_id, now)
        return
    if messages.is_text_of(known, inbound.text):
        return
    digest = hashlib.sha256(inbound.text.encode()).hexdigest()[:16]
    changed = replace(
        inbound,
        provider_id=messages.revised_id(inbound.provider_id, digest),
        details={**inbound.details, "revises": str(known.id)},
        files=(),
        replies_to=(inbound.provider_id,),
        is_automatic=True,  # it is no further message to acknowledge
    )
    registration.take(tx, desk, account, changed, raw_id, now)


def _withdrawal(tx: Tx, account: model.Account, withdrawal: model.Withdrawal, now: datetime) -> None:
    known = messages.find(tx, account.name, withdrawal.provider_id)
    if known is None:
        revisions.keep_early(tx, account.name, withdrawal.provider_id, now)
        return
    locked = complaints.lock(tx, known.complaint_id)
    revisions.withdraw(tx, known.id, withdrawal.at or now)
    complaints.change(tx, locked, now, SYSTEM, "message_withdrawn", {"message": known.id})


def _reaction(tx: Tx, account: model.Account, reaction: model.Reaction) -> None:
    """Note a sign beside the message it was put to; it answers nothing and starts nothing."""
    own = outbox.message_of(tx, account.name, reaction.provider_id)
    known = messages.find(tx, account.name, reaction.provider_id) if own is None else messages.get(tx, own)
    if known is None:
        return
    details = {name: value for name, value in known.details.items() if name != "reaction"}
    if reaction.sign is not None:
        details["reaction"] = reaction.sign[:8]
    revisions.set_details(tx, known.id, details)
    tx.publish(model.Event(account.office_id, "complaint", str(known.complaint_id)))
