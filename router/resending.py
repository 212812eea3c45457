"""What people decide of a message that failed, or of which nobody knows whether it arrived."""

from datetime import datetime

from core import errors, ids, model
from router import answers, receipts
from router.desk import WORKERS, Desk, actor, require
from storage import alarms, complaints, outbox
from storage.transaction import Tx

_UNANSWERED = (model.ComplaintState.NEW, model.ComplaintState.IN_PROGRESS)


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
            answers.answered(tx, locked, actor(person), now, {"message": sent.id})
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
