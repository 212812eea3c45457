"""What people write: answers to citizens, internal notes, answers given by other means; and sending again."""

from datetime import datetime

from core import errors, ids, model, privacy
from core import text as plain
from router import acknowledge, receipts, texts
from router.assignment import hold, lock_own
from router.desk import WORKERS, Desk, actor, require
from storage import alarms, complaints, contacts, deadlines, messages, outbox
from storage.transaction import Tx

MAX_ANSWER = 10_000  # characters
_UNANSWERED = (model.ComplaintState.NEW, model.ComplaintState.IN_PROGRESS)


async def answer(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, key: str) -> None:
    """Queue a person's answer, which stops the response clock. The same `key` twice sends once.

    Raises NotAllowed with the way forward when the channel cannot carry it, StaleDecision when somebody else holds it.
    """
    require(person, *WORKERS)
    body = _checked(body)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        if outbox.has_key(tx, f"answer:{key}:0"):
            return
        locked = _lock_to_work(tx, person, complaint_id, now)
        account = desk.account_of(locked.complaint)
        if not account.capabilities.answerable:
            raise errors.NotAllowed(
                "Saluran ini tidak dapat dibalas. Sampaikan jawaban lewat kontak warga, lalu catat sebagai jawaban "
                "yang disampaikan."
            )
        known = contacts.get(tx, locked.complaint.contact_id).contact
        given = acknowledge.variables(desk.offices.get(person.office_id), locked.complaint, known.name)
        text = texts.answer(account.capabilities.text_form, body, given)
        parts = plain.split(text, account.capabilities.max_text)
        for i, part in enumerate(parts):
            variables = given | {"jawaban": plain.one_line(body, 1000)}
            acknowledge.send(
                tx,
                locked.complaint,
                model.MessageKind.ANSWER,
                part,
                variables,
                f"answer:{key}:{i}",
                now,
                author_id=person.id,
            )
        _answered(tx, locked, person, now, {"parts": len(parts)})

    await desk.store.write(act)


async def record_elsewhere(
    desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, how: str, key: str
) -> None:
    """Record an answer that the citizen got by other means (`how`: telephone, counter, letter). It stops the clock."""
    require(person, *WORKERS)
    body = _checked(body)
    how = privacy.mask(plain.one_line(how, 100))
    if not how:
        raise errors.NotAllowed("Sebutkan cara jawaban disampaikan.")
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = _lock_to_work(tx, person, complaint_id, now)
        if messages.is_known(tx, locked.complaint.account, f"elsewhere:{key}"):
            return
        messages.add(
            tx,
            office_id=person.office_id,
            complaint_id=complaint_id,
            account=locked.complaint.account,
            kind=model.MessageKind.ANSWER,
            text=body,
            created_at=now,
            author_id=person.id,
            details={"how": how},
            provider_id=f"elsewhere:{key}",
        )
        _answered(tx, locked, person, now, {"how": how})

    await desk.store.write(act)


async def note(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, key: str) -> None:
    """Add an internal note, which no citizen ever sees."""
    require(person, *WORKERS)
    body = _checked(body)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        if messages.is_known(tx, locked.complaint.account, f"note:{key}"):
            return
        message_id = messages.add(
            tx,
            office_id=person.office_id,
            complaint_id=complaint_id,
            account=locked.complaint.account,
            kind=model.MessageKind.NOTE,
            text=body,
            created_at=now,
            author_id=person.id,
            provider_id=f"note:{key}",
        )
        complaints.change(tx, locked, now, actor(person), "noted", {"message": message_id})

    await desk.store.write(act)


async def send_again(desk: Desk, person: model.Person, outbox_id: ids.OutboxId) -> None:
    """Really send a failed or uncertain message again: a new attempt with nothing left of the old one.

    A failed answer sent again is an answer: it stops the clocks that its failure let run on.
    """
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        sent = _own(tx, person, outbox_id)
        if sent.state not in (model.DeliveryState.FAILED, model.DeliveryState.UNCERTAIN):
            raise errors.StaleDecision("Pesan ini tidak sedang gagal.")
        outbox.settle(tx, sent, model.DeliveryState.QUEUED, now, next_at=now)
        _settled(tx, sent, person, now, "sent_again")
        locked = complaints.lock(tx, sent.complaint_id)
        if sent.kind is model.MessageKind.ANSWER and locked.complaint.state in _UNANSWERED:
            _answered(tx, locked, person, now, {"message": sent.id})
        tx.publish(model.Event(sent.office_id, "outbox", "queued"))

    await desk.store.write(act)


async def mark_arrived(desk: Desk, person: model.Person, outbox_id: ids.OutboxId) -> None:
    """Settle an uncertain message that the person has seen to have arrived."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        sent = _own(tx, person, outbox_id)
        if sent.state is not model.DeliveryState.UNCERTAIN:
            raise errors.StaleDecision("Pesan ini tidak lagi berstatus belum pasti.")
        outbox.settle(tx, sent, model.DeliveryState.ACCEPTED, now, provider_id=sent.provider_id)
        receipts.arrived(tx, sent, model.DeliveryState.ACCEPTED, now)
        _settled(tx, sent, person, now, "marked_arrived")

    await desk.store.write(act)


async def give_up(desk: Desk, person: model.Person, outbox_id: ids.OutboxId) -> None:
    """Take note of a failed message that shall not be sent again; its alarm is cleared, its failure stays visible."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        sent = _own(tx, person, outbox_id)
        if sent.state not in (model.DeliveryState.FAILED, model.DeliveryState.UNCERTAIN):
            raise errors.StaleDecision("Pesan ini tidak sedang gagal.")
        _settled(tx, sent, person, now, "failure_noted")

    await desk.store.write(act)


def _settled(tx: Tx, sent: outbox.Sent, person: model.Person, now: datetime, action: str) -> None:
    by = actor(person)
    complaints.change(tx, complaints.lock(tx, sent.complaint_id), now, by, action, {"message": sent.id})
    alarms.clear(tx, sent.office_id, receipts.failure_key(sent), now, by)
    alarms.clear(tx, sent.office_id, receipts.uncertain_key(sent), now, by)


def _own(tx: Tx, person: model.Person, outbox_id: ids.OutboxId) -> outbox.Sent:
    sent = outbox.get(tx, outbox_id)
    if sent.office_id != person.office_id:
        raise errors.NotFound("no such message")
    return sent


def _lock_to_work(tx: Tx, person: model.Person, complaint_id: ids.ComplaintId, now: datetime) -> complaints.Locked:
    """Lock a complaint to answer it: answering claims it; what a colleague holds, only a supervisor answers."""
    locked = lock_own(tx, person, complaint_id)
    complaint = locked.complaint
    if not complaint.state.is_open:
        raise errors.NotAllowed("Pengaduan ini sudah ditutup. Buka kembali sebelum menjawab.")
    if complaint.assignee_id is None:
        return hold(tx, locked, person, now)
    if complaint.assignee_id != person.id and person.role is not model.Role.SUPERVISOR:
        raise errors.StaleDecision("Pengaduan ini sedang ditangani petugas lain.")
    return locked


def _answered(tx: Tx, locked: complaints.Locked, person: model.Person, now: datetime, facts: dict[str, object]) -> None:
    """A person's substantive answer stops the response clocks and waits for the citizen."""
    unmet = deadlines.unmet_of(tx, locked.complaint.id)
    for clock in unmet:
        deadlines.met(tx, clock, now)
    for kind in (model.AlarmKind.DEADLINE_NEAR, model.AlarmKind.IMPOSSIBLE_DEADLINE, model.AlarmKind.BREACHED):
        alarms.clear_for_complaint(tx, locked.complaint.office_id, locked.complaint.id, kind, now, actor(person))
    complaints.change(
        tx,
        locked,
        now,
        actor(person),
        "answered",
        facts,
        state=model.ComplaintState.WAITING_CITIZEN,
        due_at=None,
        answered_at=now if unmet else locked.complaint.answered_at or now,  # of what stopped the clocks
        last_message_at=now,
        queue=model.Queue.ADMIN,
    )


def _checked(body: str) -> str:
    body = plain.clean(body).strip()
    if not body:
        raise errors.NotAllowed("Tulisan masih kosong.")
    if len(body) > MAX_ANSWER:
        raise errors.NotAllowed(f"Tulisan terlalu panjang: paling banyak {MAX_ANSWER:,} huruf.".replace(",", "."))
    return body
