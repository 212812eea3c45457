"""Who holds a complaint: claim, reassign, give back; what an absent person held goes back to the queue."""

from datetime import datetime

from core import errors, ids, model
from router.desk import SYSTEM, WORKERS, Desk, actor, require
from storage import complaints, people
from storage.transaction import Tx

_BATCH = 100


async def claim(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId) -> None:
    """Take a complaint that nobody holds; StaleDecision when somebody does. Claiming one's own changes nothing."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = _lock_open(tx, person, complaint_id)
        holder = locked.complaint.assignee_id
        if holder == person.id:
            return
        if holder is not None:
            raise errors.StaleDecision(f"Pengaduan ini sudah diambil oleh {people.get(tx, holder).name}.")
        hold(tx, locked, person, now)

    await desk.store.write(act)


def hold(tx: Tx, locked: complaints.Locked, person: model.Person, now: datetime) -> complaints.Locked:
    """Give a locked complaint to the person who acts on it."""
    state = locked.complaint.state
    if state is model.ComplaintState.NEW:
        state = model.ComplaintState.IN_PROGRESS
    return complaints.change(tx, locked, now, actor(person), "claimed", {}, assignee_id=person.id, state=state)


async def reassign(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, to: ids.PersonId) -> None:
    """Give a complaint to a colleague: its holder may, and a supervisor may with any."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = _lock_open(tx, person, complaint_id)
        _require_holder(person, locked.complaint)
        colleague = people.get(tx, to)
        if colleague.office_id != person.office_id or colleague.role not in WORKERS or not colleague.is_active:
            raise errors.NotAllowed("Pengaduan hanya dapat diserahkan kepada admin atau pengawas kantor ini.")
        if colleague.is_absent(now):
            raise errors.NotAllowed(f"{colleague.name} sedang tidak bertugas.")
        state = locked.complaint.state
        if state is model.ComplaintState.NEW:
            state = model.ComplaintState.IN_PROGRESS
        complaints.change(
            tx, locked, now, actor(person), "reassigned", {"to": colleague.id}, assignee_id=colleague.id, state=state
        )

    await desk.store.write(act)


async def give_back(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId) -> None:
    """Return a complaint to its queue."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        if locked.complaint.assignee_id is not None:
            _require_holder(person, locked.complaint)
            _release(tx, locked, now, actor(person), "given_back")

    await desk.store.write(act)


async def release_absent(desk: Desk) -> int:
    """Return to the queue what people hold who are away; return how many."""
    now = desk.clock.now()
    held = await desk.store.read(people.held_by_absent, now, _BATCH)

    def act(tx: Tx, complaint_id: ids.ComplaintId) -> None:
        locked = complaints.lock(tx, complaint_id)
        holder = locked.complaint.assignee_id
        if holder is not None:
            absent = people.get(tx, holder)
            if absent.is_absent(now) or not absent.is_active:
                _release(tx, locked, now, SYSTEM, "returned_holder_absent")

    for complaint_id in held:
        await desk.store.write(act, complaint_id)
    return len(held)


def lock_own(tx: Tx, person: model.Person, complaint_id: ids.ComplaintId) -> complaints.Locked:
    """Lock a complaint of the person's office; NotFound for any other."""
    locked = complaints.lock(tx, complaint_id)
    if locked.complaint.office_id != person.office_id:
        raise errors.NotFound("no such complaint")
    return locked


def _lock_open(tx: Tx, person: model.Person, complaint_id: ids.ComplaintId) -> complaints.Locked:
    locked = lock_own(tx, person, complaint_id)
    if not locked.complaint.state.is_open:
        raise errors.NotAllowed("Pengaduan ini sudah ditutup.")
    return locked


def _release(tx: Tx, locked: complaints.Locked, now: datetime, by: str, action: str) -> None:
    state = locked.complaint.state
    if state is model.ComplaintState.IN_PROGRESS:
        state = model.ComplaintState.NEW
    complaints.change(
        tx, locked, now, by, action, {"from": locked.complaint.assignee_id}, assignee_id=None, state=state
    )


def _require_holder(person: model.Person, complaint: model.Complaint) -> None:
    if person.role is not model.Role.SUPERVISOR and complaint.assignee_id not in (None, person.id):
        raise errors.NotAllowed("Pengaduan ini sedang ditangani petugas lain.")
