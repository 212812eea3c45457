"""Answers that did not go by us: written by a colleague in the provider's own page."""

from datetime import datetime

from core import ids, model, ports
from router import answers, listed, receipts, registration
from router.desk import SYSTEM, Desk
from storage import complaints, contacts, deadlines, messages, outbox, raw
from storage.transaction import Tx


def by_colleague(tx: Tx, desk: Desk, account: model.Account, event: model.ColleagueAnswer, now: datetime) -> bool:
    """Put an answer that somebody of the office gave past us on the timeline; return whether it was one to record."""
    if messages.is_known(tx, account.name, event.provider_id):
        return False
    contact = contacts.find(tx, account.name, event.address)
    # Before the look at what has left: it waits for whoever writes down just now that our own send has returned.
    if contact is not None and _is_ours_under_way(tx, contact.id, event, now):
        return False
    # An answer to a public message comes back where private ones are exchanged: at another account of the same owner.
    for name in desk.names_of(account.office_id):
        if outbox.message_of(tx, name, event.provider_id) is not None:
            receipt = model.DeliveryReceipt(event.provider_id, model.DeliveryState.ACCEPTED)
            receipts.record(tx, name, receipt, now)
            return False
    if contact is None or outbox.is_echoed(tx, account.name, event.provider_id):
        return False
    locked = registration.lock_latest(tx, contact)
    if locked is None or not locked.complaint.state.is_open:
        return False
    complaint = locked.complaint
    message_id = messages.add(
        tx, office_id=complaint.office_id, complaint_id=complaint.id, account=account.name,
        kind=model.MessageKind.ANSWER, text=event.text, created_at=now, details={"how": "elsewhere"},
        provider_id=event.provider_id, sent_at=event.sent_at,
        contact_id=None if contact.id == complaint.contact_id else contact.id,
    )  # fmt: skip
    for file in event.files:
        messages.add_file(
            tx, office_id=complaint.office_id, complaint_id=complaint.id, message_id=message_id, account=account.name,
            file=file, now=now,
        )  # fmt: skip
    given_at = min(event.sent_at or now, now)
    facts: dict[str, object] = {"message": message_id, "by": "colleague"}
    unmet = deadlines.unmet_of(tx, complaint.id)
    if unmet and all(clock.deadline.started_at > given_at for clock in unmet):
        # Told late, as after an outage: the citizen wrote again meanwhile, and that still waits for an answer.
        complaints.change(tx, locked, now, SYSTEM, "answer_recorded", facts, last_message_at=now)
    else:
        answers.answered(tx, locked, SYSTEM, now, facts, given_at)
    return True


def _is_ours_under_way(tx: Tx, contact_id: ids.ContactId, event: model.ColleagueAnswer, now: datetime) -> bool:
    """Whether it is the echo of what we are just sending, which came without the reference we gave it."""
    for sent, text in outbox.under_way(tx, contact_id):
        if text == event.text:
            receipts.apply(tx, sent, model.DeliveryReceipt(event.provider_id, model.DeliveryState.ACCEPTED), now)
            return True
    return False


async def take_in_colleague(
    desk: Desk, account: model.Account, request: ports.RawRequest, event: model.ColleagueAnswer
) -> bool:
    """Take in an answer that a provider lists and no webhook told us of; return whether it was new."""

    def act(tx: Tx) -> bool:
        raw.add(tx, account.office_id, listed.ORIGIN, request)
        return by_colleague(tx, desk, account, event, request.received_at)

    return await desk.store.write(act)
