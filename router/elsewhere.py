"""Answers that did not go by us: told at the counter, or written by a colleague in the provider's own page."""

from datetime import datetime

from core import errors, ids, model, ports, privacy
from core import text as plain
from router import answers, receipts, registration
from router.desk import SYSTEM, WORKERS, Desk, actor, require
from storage import contacts, messages, outbox, raw
from storage.transaction import Tx


async def record_elsewhere(
    desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, how: str, key: str
) -> None:
    """Record an answer that the citizen got by other means (`how`: telephone, counter, letter). It stops the clock."""
    require(person, *WORKERS)
    body = answers.checked(body)
    how = privacy.mask(plain.one_line(how, 100))
    if not how:
        raise errors.NotAllowed("Sebutkan cara jawaban disampaikan.")
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = answers.lock_to_work(tx, person, complaint_id, now)
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
        answers.answered(tx, locked, actor(person), now, {"how": how})

    await desk.store.write(act)


def by_colleague(tx: Tx, account: model.Account, event: model.ColleagueAnswer, now: datetime) -> bool:
    """Put an answer that somebody of the office gave past us on the timeline; return whether it was one to record."""
    if messages.is_known(tx, account.name, event.provider_id):
        return False
    if outbox.message_of(tx, account.name, event.provider_id) is not None:
        receipts.record(tx, account.name, model.DeliveryReceipt(event.provider_id, model.DeliveryState.ACCEPTED), now)
        return False
    contact = contacts.find(tx, account.name, event.address)
    locked = None if contact is None else registration.lock_latest(tx, contact)
    if contact is None or locked is None or not locked.complaint.state.is_open:
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
    answers.answered(tx, locked, SYSTEM, now, {"message": message_id, "by": "colleague"})
    return True


async def take_in_colleague(
    desk: Desk, account: model.Account, request: ports.RawRequest, event: model.ColleagueAnswer
) -> bool:
    """Take in an answer that a provider lists and no webhook told us of; return whether it was new."""

    def act(tx: Tx) -> bool:
        raw.add(tx, account.office_id, "catch_up", request)
        return by_colleague(tx, account, event, request.received_at)

    return await desk.store.write(act)
