"""From a raw request to a complaint: verified, read, stored and acknowledged in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import structlog

from core import errors, ids, model, ports, privacy
from core import text as plain
from router import acknowledge, escalation, receipts, texts
from router.desk import SYSTEM, WORKERS, Desk, actor, require
from storage import alarms, audit, complaints, contacts, messages, raw
from storage.transaction import Tx

_log = structlog.get_logger()
_PREVIEW = 160
_MOST_UNPROVEN = 5_000  # in one office's quarantine; anybody can send them, and catching up brings what was genuine


@dataclass(frozen=True, slots=True)
class Registered:
    """What the citizen is told of his complaint."""

    number: ids.Number
    pin: str
    due_at: datetime | None


async def receive(desk: Desk, request: ports.RawRequest, keeps_unproven: Callable[[], bool] = lambda: True) -> None:
    """Take in a webhook: on return it is stored, and the provider may be told so.

    Raises NotFound for an account that takes no webhooks, StorageUnavailable, and SignatureError: the request is then
    in quarantine, unless `keeps_unproven` says that whoever forges them has filled it enough.
    """
    account = desk.account(request.account)
    connector = _webhook(desk, account)
    try:
        connector.verify(request)
    except errors.SignatureError as error:
        if keeps_unproven():
            await quarantine(desk, account, request, f"signature: {error}", most=_MOST_UNPROVEN)
        raise
    await _take_in(desk, account, connector, request, "webhook")


def _webhook(desk: Desk, account: model.Account) -> ports.WebhookConnector:
    connector = desk.connectors[account.name]
    if not hasattr(connector, "verify"):
        raise errors.NotFound("this account takes no webhooks")
    return cast("ports.WebhookConnector", connector)


async def _take_in(
    desk: Desk, account: model.Account, connector: ports.WebhookConnector, request: ports.RawRequest, origin: str
) -> None:
    try:
        events = connector.parse(request)
    except Exception as error:  # noqa: BLE001
        if not isinstance(error, errors.PayloadError):
            _log.exception("parse_failed", account=account.name)
        await quarantine(
            desk,
            account,
            request,
            f"payload: {error if isinstance(error, errors.PayloadError) else type(error).__name__}",
        )
        return
    try:
        await desk.store.write(lambda tx: _store(tx, desk, account, request, events, origin))
    except errors.StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001
        _log.exception("intake_failed", account=account.name)
        await quarantine(desk, account, request, f"intake: {type(error).__name__}")


async def receive_message(
    desk: Desk, request: ports.RawRequest, inbound: model.InboundMessage, origin: str
) -> Registered:
    """Take in one message that an edge has already read (form, catch-up); the same one twice gives the same answer.

    NotFound for one that belongs to no complaint: a STOP of somebody who has none, which is heeded all the same.
    """
    account = desk.account(request.account)

    def act(tx: Tx) -> Registered | None:
        raw_id = raw.add(tx, account.office_id, origin, request)
        _message(tx, desk, account, inbound, raw_id, request.received_at)
        complaint_id = messages.complaint_of(tx, account.name, inbound.provider_id)
        if complaint_id is None:
            return None
        complaint = complaints.get(tx, complaint_id)
        return Registered(complaint.number, complaints.pin(tx, complaint), complaint.due_at)

    registered = await desk.store.write(act)
    if registered is None:
        raise errors.NotFound("the message belongs to no complaint")
    return registered


async def quarantine(
    desk: Desk, account: model.Account, request: ports.RawRequest, reason: str, origin: str = "webhook", *,
    most: int | None = None,
) -> None:  # fmt: skip
    """Keep what cannot be trusted or read where an admin sees it; from the `most`th on only the alarm counts it."""

    def act(tx: Tx) -> None:
        if most is None or raw.count_quarantined(tx, account.office_id) < most:
            raw_id = raw.add(tx, account.office_id, origin, request, reason)
            audit.append_office(
                tx,
                account.office_id,
                request.received_at,
                SYSTEM,
                "quarantined",
                raw=raw_id,
                account=account.name,
                reason=reason,
            )
        alarms.raise_(
            tx,
            account.office_id,
            model.AlarmKind.QUARANTINE,
            f"quarantine:{account.name}",
            request.received_at,
            account=account.name,
            note=reason,
        )

    await desk.store.write(act)


async def in_quarantine(desk: Desk, office_id: str) -> list[raw.RawItem]:
    """Return what waits in quarantine, newest first, at most 1,000."""
    return await desk.store.read(raw.quarantined, office_id, 1000)


async def replay(desk: Desk, raw_id: int, by: model.Person | None = None) -> bool:
    """Read a raw item again with today's connector; return whether it is settled now.

    What failed its signature is verified again (tokens may have been mended), unless a person vouches for it. Its
    clocks run from when it first reached us. NotFound for an item of another office.
    """
    item = await desk.store.read(lambda tx: raw.get(tx, raw_id))
    if by is not None:
        require(by, *WORKERS)
        if item.office_id != by.office_id:
            raise errors.NotFound("no such item")
    account = desk.account(item.request.account)
    connector = _webhook(desk, account)
    try:
        if by is None:
            connector.verify(item.request)
        events = connector.parse(item.request)
    except (errors.SignatureError, errors.PayloadError):
        return False
    except Exception:  # noqa: BLE001
        _log.exception("parse_failed", account=account.name)
        return False
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        for event in events:
            if isinstance(event, model.InboundMessage):
                received_at = item.request.received_at
                event = replace(event, sent_at=min(event.sent_at or received_at, received_at))  # noqa: PLW2901
            _event(tx, desk, account, event, item.id, now)
        raw.settle(tx, item, "processed", None, SYSTEM if by is None else actor(by), now)
        _clear_if_last(tx, item, SYSTEM, now)

    await desk.store.write(act)
    return True


async def dismiss(desk: Desk, raw_id: int, by: model.Person, reason: str) -> None:
    """Take an item out of quarantine unread, with the reason."""
    reason = privacy.mask(plain.one_line(reason, 200))
    require(by, *WORKERS)
    reason = privacy.mask(plain.one_line(reason, 200))
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        item = raw.get(tx, raw_id)
        if item.office_id != by.office_id or item.state != "quarantined":
            raise errors.NotFound("no such item in quarantine")
        raw.settle(tx, item, "dismissed", reason, actor(by), now)
        _clear_if_last(tx, item, actor(by), now)

    await desk.store.write(act)


def _clear_if_last(tx: Tx, item: raw.RawItem, by: str, now: datetime) -> None:
    account = item.request.account
    if raw.count_quarantined(tx, item.office_id, account) == 0:
        alarms.clear(tx, item.office_id, f"quarantine:{account}", now, by)


def _store(
    tx: Tx,
    desk: Desk,
    account: model.Account,
    request: ports.RawRequest,
    events: Sequence[model.InboundEvent],
    origin: str,
) -> None:
    raw_id = raw.add(tx, account.office_id, origin, request)
    for event in events:
        _event(tx, desk, account, event, raw_id, request.received_at)


def _event(tx: Tx, desk: Desk, account: model.Account, event: model.InboundEvent, raw_id: int, now: datetime) -> None:
    if isinstance(event, model.DeliveryReceipt):
        receipts.record(tx, account.name, event, now)
    else:
        _message(tx, desk, account, event, raw_id, now)


def _message(
    tx: Tx, desk: Desk, account: model.Account, inbound: model.InboundMessage, raw_id: int, now: datetime
) -> None:
    """Store one message, once. The unique index decides; this look only spares what comes twice."""
    if messages.is_known(tx, account.name, inbound.provider_id):
        return
    contact = contacts.seen(tx, account.office_id, account.name, inbound, min(inbound.sent_at or now, now))
    latest = None if contact.is_new else complaints.lock_latest_of_contact(tx, contact.id)
    wants_out = inbound.consent is model.Consent.OUT
    if contact.is_latest and wants_out != (contact.opted_out_at is not None):
        # Whoever writes again wants an answer; only a bare STOP closes the line.
        contacts.set_opted_out(tx, contact.id, now if wants_out else None)
    if inbound.consent is not None and (latest is None or not latest.complaint.state.is_open):
        audit.append_office(
            tx, account.office_id, now, SYSTEM, f"consent_{inbound.consent}", contact=contact.id, raw=raw_id
        )
        return
    if latest is not None and _joins(desk, latest.complaint, inbound, now):
        _join(tx, desk, account, latest, contact, inbound, raw_id, now)
    else:
        _register(tx, desk, account, contact, latest, inbound, raw_id, now)


def _joins(desk: Desk, latest: model.Complaint, inbound: model.InboundMessage, now: datetime) -> bool:
    if latest.state.is_open or latest.closed_at is None or inbound.is_automatic:
        return True  # what a machine writes after the end is kept there, and opens nothing
    return now < latest.closed_at + desk.offices.get(latest.office_id).reopen_within


def _register(
    tx: Tx, desk: Desk, account: model.Account, contact: contacts.Seen, latest: complaints.Locked | None,
    inbound: model.InboundMessage, raw_id: int, now: datetime,
) -> None:  # fmt: skip
    """Open a new complaint: number, clock, queue, acknowledgement."""
    office = desk.offices.get(account.office_id)
    received_at = min(inbound.sent_at or now, now)
    intake = account.capabilities.intake
    deadline = desk.offices.start_clock(tx, office.id, desk.offices.response_rule(office.id, intake), received_at)
    complaint = model.Complaint(
        id=ids.ComplaintId(tx.new_id()), office_id=office.id,
        number=complaints.next_number(tx, office.id, office.number_prefix, office.local(now).year),
        contact_id=contact.id, account=account.name, channel=account.channel, intake=intake,
        state=model.ComplaintState.NEW, queue=model.Queue.ADMIN, assignee_id=None, preview=_preview(inbound),
        received_at=received_at, due_at=deadline.due_at, breached_at=None, answered_at=None, closed_at=None,
        last_message_at=now, previous_id=latest.complaint.id if latest else None, category=inbound.category,
    )  # fmt: skip
    facts = {"account": account.name, "due_at": deadline.due_at.isoformat(), "rule": deadline.clock, "raw": raw_id}
    complaints.add(tx, complaint, now + office.burst_window, SYSTEM, facts)
    _add_message(tx, complaint, inbound, raw_id, now)
    escalation.promise(tx, complaint.id, account, deadline, now)
    if _is_acknowledged(account, inbound):
        acknowledge.first(tx, desk.offices, account, complaint, contact, now)


def _join(
    tx: Tx, desk: Desk, account: model.Account, locked: complaints.Locked, contact: contacts.Seen,
    inbound: model.InboundMessage, raw_id: int, now: datetime,
) -> None:  # fmt: skip
    """Add a message to the contact's complaint, opening it again where it was closed or answered."""
    complaint = locked.complaint
    message_id = _add_message(tx, complaint, inbound, raw_id, now)
    columns: dict[str, object] = {"last_message_at": now, "preview": _preview(inbound)}
    was_closed = not complaint.state.is_open
    if (
        (was_closed or complaint.state is model.ComplaintState.WAITING_CITIZEN)
        and not inbound.is_automatic
        and inbound.consent is None
    ):
        columns |= _restart(tx, desk, account, complaint, min(inbound.sent_at or now, now), now)
    action = "reopened" if was_closed and "state" in columns else "message_received"
    locked = complaints.change(tx, locked, now, SYSTEM, action, {"message": message_id, "raw": raw_id}, **columns)
    if not _is_acknowledged(account, inbound):
        return
    until: datetime | None
    if was_closed:
        acknowledge.reopened(tx, desk.offices, account, locked.complaint, contact, message_id, now)
        until = now + desk.offices.get(account.office_id).burst_window
    else:
        until = acknowledge.further(tx, desk.offices, account, locked, contact, message_id, now)
    if until is not None:
        complaints.cover(tx, complaint.id, until)


def _restart(
    tx: Tx, desk: Desk, account: model.Account, complaint: model.Complaint, received_at: datetime, now: datetime
) -> dict[str, object]:
    """Start the response clock anew for what the citizen wrote after our answer; return the complaint's columns."""
    rule = desk.offices.response_rule(complaint.office_id, complaint.intake)
    deadline = desk.offices.start_clock(tx, complaint.office_id, rule, received_at)
    escalation.promise(tx, complaint.id, account, deadline, now)
    state = model.ComplaintState.NEW if complaint.assignee_id is None else model.ComplaintState.IN_PROGRESS
    return {
        "state": state, "due_at": deadline.due_at, "closed_at": None, "close_reason": None, "breached_at": None,
        "answered_at": None, "queue": model.Queue.ADMIN,
    }  # fmt: skip


def _add_message(
    tx: Tx, complaint: model.Complaint, inbound: model.InboundMessage, raw_id: int, now: datetime
) -> ids.MessageId:
    message_id = messages.add(
        tx, office_id=complaint.office_id, complaint_id=complaint.id, account=complaint.account,
        kind=model.MessageKind.COMPLAINT, text=inbound.text, created_at=now, content=inbound.content,
        details=dict(inbound.details), provider_id=inbound.provider_id, raw_id=raw_id, sent_at=inbound.sent_at,
    )  # fmt: skip
    for file in inbound.files:
        messages.add_file(
            tx,
            office_id=complaint.office_id,
            complaint_id=complaint.id,
            message_id=message_id,
            account=complaint.account,
            file=file,
            now=now,
        )
    return message_id


def _is_acknowledged(account: model.Account, inbound: model.InboundMessage) -> bool:
    return account.capabilities.answerable and not inbound.is_automatic and inbound.consent is None


def _preview(inbound: model.InboundMessage) -> str:
    kinds = tuple(file.media_type or "" for file in inbound.files)
    return plain.one_line(privacy.mask(texts.visible(inbound.content, inbound.text, inbound.details, kinds)), _PREVIEW)
