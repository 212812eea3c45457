"""Deadlines that near or pass: warn, mark, escalate, tell the citizen once."""

import asyncio
from datetime import datetime, timedelta

import structlog

from core import ids, model
from router import acknowledge, texts
from router.desk import SYSTEM, Desk
from router.offices import FOLLOW_UP
from storage import alarms, complaints, contacts, deadlines, messages
from storage.transaction import Tx

_BATCH = 200
_log = structlog.get_logger()


async def tick(desk: Desk) -> int:
    """Act on every clock whose time has come; return how many. Safe in several processes at once."""
    done = 0
    while True:
        now = desk.clock.now()
        due = await desk.store.read(deadlines.due, now, _BATCH)
        acts = [desk.store.write(_act, desk, clock, now) for clock in due]
        faults = [fault for fault in await asyncio.gather(*acts, return_exceptions=True) if fault is not None]
        done += len(due) - len(faults)
        for fault in faults:  # one clock that cannot be handled must not stop the others
            _log.error("clock_failed", reason=repr(fault))
        if len(due) < _BATCH or faults:
            return done


def promise(
    tx: Tx, complaint_id: ids.ComplaintId, account: model.Account, deadline: model.Deadline, now: datetime
) -> None:
    """Start a clock of a complaint; that nobody on duty can keep it is said at once."""
    deadlines.add(tx, account.office_id, complaint_id, deadline)
    if deadline.impossible:
        alarms.raise_(
            tx,
            account.office_id,
            model.AlarmKind.IMPOSSIBLE_DEADLINE,
            f"impossible:{complaint_id}",
            now,
            complaint_id=complaint_id,
            account=account.name,
        )


def _act(tx: Tx, desk: Desk, seen: deadlines.Clock, now: datetime) -> None:
    locked = complaints.lock(tx, seen.complaint_id)
    clock = deadlines.get(tx, seen.id)
    if clock is None or clock.state is not model.DeadlineState.PENDING:
        return  # somebody answered, or another process was first
    if now < clock.deadline.due_at:
        _warn(tx, locked, clock, now)
    elif clock.deadline.clock == FOLLOW_UP.id:
        deadlines.breached(tx, clock, now)
        _alarm(tx, locked, now, note=clock.deadline.clock)
        complaints.change(tx, locked, now, SYSTEM, "breached_again", {"clock": clock.deadline.clock})
    else:
        _breach(tx, desk, locked, clock, now)


def _warn(tx: Tx, locked: complaints.Locked, clock: deadlines.Clock, now: datetime) -> None:
    passed = [w for w in clock.deadline.warnings if w.at <= now]
    deadlines.warned(tx, clock, now)
    if passed:
        alarms.raise_(
            tx,
            locked.complaint.office_id,
            model.AlarmKind.DEADLINE_NEAR,
            f"near:{locked.complaint.id}",
            now,
            complaint_id=locked.complaint.id,
            note=passed[-1].reason,
        )
        complaints.change(
            tx, locked, now, SYSTEM, "warned", {"clock": clock.deadline.clock, "reason": passed[-1].reason}
        )


def _breach(tx: Tx, desk: Desk, locked: complaints.Locked, clock: deadlines.Clock, now: datetime) -> None:
    """Mark the broken promise, hand it to the supervisor's queue, and promise the citizen a new time."""
    office_id = locked.complaint.office_id
    deadlines.breached(tx, clock, now)
    _alarm(tx, locked, now, note=clock.deadline.clock)
    alarms.clear_for_complaint(tx, office_id, locked.complaint.id, model.AlarmKind.DEADLINE_NEAR, now, SYSTEM)
    promised = desk.offices.start_clock(tx, office_id, FOLLOW_UP, now)
    deadlines.add(tx, office_id, locked.complaint.id, promised)
    facts = {"clock": clock.deadline.clock, "due_at": clock.deadline.due_at.isoformat(), "to": model.Queue.SUPERVISOR}
    locked = complaints.change(
        tx, locked, now, SYSTEM, "breached", facts, breached_at=clock.deadline.due_at, queue=model.Queue.SUPERVISOR
    )
    _log.warning("deadline_breached", complaint=locked.complaint.id, clock=clock.deadline.clock)
    account = desk.account_of(locked.complaint)
    contact = contacts.get(tx, locked.complaint.reply_contact_id).contact
    if not account.capabilities.answerable or contact.opted_out_at is not None or _is_a_machines(tx, locked.complaint):
        return
    office = desk.offices.get(office_id)
    given = acknowledge.variables(office, locked.complaint, contact.name)
    given |= acknowledge.due("batas", clock.deadline.due_at, office) | acknowledge.due(
        "batas_baru", promised.due_at, office
    )
    kind = model.MessageKind.DELAY_NOTICE
    text = texts.render(kind, account.capabilities.text_form, given)
    acknowledge.send(tx, locked.complaint, kind, text, given, f"delay:{clock.id}", now)


def _is_a_machines(tx: Tx, complaint: model.Complaint) -> bool:
    """Whether nobody but a machine has written: only such a complaint is not acknowledged where it began."""
    if complaint.reply_account != complaint.account:
        return False
    return messages.count_automatic(tx, complaint.id, complaint.received_at - timedelta(seconds=1)) == 0


def _alarm(tx: Tx, locked: complaints.Locked, now: datetime, note: str) -> None:
    alarms.raise_(
        tx,
        locked.complaint.office_id,
        model.AlarmKind.BREACHED,
        f"breached:{locked.complaint.id}",
        now,
        complaint_id=locked.complaint.id,
        note=note,
    )
