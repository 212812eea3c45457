"""What providers say of our messages, and what follows for the complaint when one did or did not arrive."""

from collections.abc import Collection
from datetime import datetime

from core import errors, model
from router.desk import SYSTEM
from storage import alarms, complaints, deadlines, outbox
from storage.transaction import Tx

_ALARM = {
    model.MessageKind.ACKNOWLEDGEMENT: model.AlarmKind.ACKNOWLEDGEMENT_FAILED,
    model.MessageKind.FURTHER_ACKNOWLEDGEMENT: model.AlarmKind.ACKNOWLEDGEMENT_FAILED,
    model.MessageKind.ANSWER: model.AlarmKind.ANSWER_FAILED,
}
_ARRIVED = (model.DeliveryState.ACCEPTED, model.DeliveryState.DELIVERED, model.DeliveryState.READ)


def record(tx: Tx, account: str, receipt: model.DeliveryReceipt, now: datetime, others: Collection[str] = ()) -> None:
    """Apply a receipt; one that overtook our own send is kept until that returns.

    `others`: the accounts by which the message may have left, if not by this one.
    """
    sent = outbox.find(tx, account, receipt, others)
    if sent is None:
        outbox.keep_early(tx, account, receipt, now)
    else:
        apply(tx, sent, receipt, now)


def apply(tx: Tx, sent: outbox.Sent, receipt: model.DeliveryReceipt, now: datetime) -> None:
    """Move an entry forward; a receipt never moves it back."""
    if receipt.state.rank <= sent.state.rank:
        return
    is_failed = receipt.state is model.DeliveryState.FAILED
    if is_failed and sent.state is model.DeliveryState.QUEUED:
        return  # of an attempt that is over: it is going to be sent again
    outbox.settle(
        tx,
        sent,
        receipt.state,
        now,
        provider_id=receipt.provider_id,
        error="refused by the provider" if is_failed else None,
        code=receipt.error_code,
        refusal=receipt.refusal,
    )
    if is_failed:
        failed(tx, sent, now, receipt.refusal or receipt.error_code)
    else:
        arrived(tx, sent, receipt.state, now)


def meaning(error: errors.SendError) -> model.Refusal | None:
    """Return what a refusal means in words that every channel shares, None where nothing is known of it."""
    if error.refusal is not None:
        return error.refusal
    if isinstance(error, errors.ReplyWindowClosed):
        return model.Refusal.WINDOW_CLOSED
    return model.Refusal.OPTED_OUT if isinstance(error, errors.RecipientOptedOut) else None


def arrived(tx: Tx, sent: outbox.Sent, state: model.DeliveryState, now: datetime) -> None:
    """Withdraw the alarms of an entry that left; an answer thought to have failed stops its clocks again."""
    if state not in _ARRIVED:
        return
    alarms.clear(tx, sent.office_id, failure_key(sent), now, SYSTEM)
    alarms.clear(tx, sent.office_id, uncertain_key(sent), now, SYSTEM)
    if sent.kind is model.MessageKind.ANSWER and sent.state is model.DeliveryState.FAILED:
        _stop_clocks(tx, sent, now)


def failed(tx: Tx, sent: outbox.Sent, now: datetime, reason: str | None) -> None:
    """Raise the alarm for an entry that will not arrive; an answer that failed is no answer: its clocks run on."""
    locked = complaints.lock(tx, sent.complaint_id)  # before the alarm: who closes a complaint takes them so
    kind = _ALARM.get(sent.kind, model.AlarmKind.NOTICE_FAILED)
    alarms.raise_(
        tx,
        sent.office_id,
        kind,
        failure_key(sent),
        now,
        complaint_id=sent.complaint_id,
        account=sent.account,
        note=reason,
    )
    columns = {}
    if sent.kind is model.MessageKind.ANSWER and locked.complaint.state is model.ComplaintState.WAITING_CITIZEN:
        columns = _resume(tx, locked.complaint, sent, now)
    complaints.change(
        tx, locked, now, SYSTEM, "delivery_failed", {"message": sent.id, "kind": sent.kind, "reason": reason}, **columns
    )


def failure_key(sent: outbox.Sent) -> str:
    return f"failed:{sent.id}"


def uncertain_key(sent: outbox.Sent) -> str:
    return f"uncertain:{sent.id}"


def _resume(tx: Tx, complaint: model.Complaint, sent: outbox.Sent, now: datetime) -> dict[str, object]:
    """Let the clocks that the failed answer stopped run on; return the complaint's columns.

    What was stopped by an earlier answer, or began after this one was written, does not hang on it.
    """
    resumed = [
        clock
        for clock in deadlines.of_complaint(tx, complaint.id)
        if clock.met_at is not None
        and clock.met_at == complaint.answered_at
        and clock.deadline.started_at <= sent.created_at <= clock.met_at
    ]
    if not resumed:
        return {}
    for clock in resumed:
        deadlines.resumed(tx, clock, now)
    state = model.ComplaintState.NEW if complaint.assignee_id is None else model.ComplaintState.IN_PROGRESS
    due_at = min(clock.deadline.due_at for clock in resumed)
    return {"state": state, "due_at": due_at, "answered_at": None}


def _stop_clocks(tx: Tx, sent: outbox.Sent, now: datetime) -> None:
    locked = complaints.lock(tx, sent.complaint_id)
    if locked.complaint.state not in (model.ComplaintState.NEW, model.ComplaintState.IN_PROGRESS):
        return
    if locked.complaint.last_message_at > sent.created_at:
        return  # the citizen wrote again since: that is not answered
    unmet = deadlines.unmet_of(tx, sent.complaint_id)
    for clock in unmet:
        deadlines.met(tx, clock, now)
    complaints.change(
        tx,
        locked,
        now,
        SYSTEM,
        "answer_delivered_after_all",
        {"message": sent.id},
        state=model.ComplaintState.WAITING_CITIZEN,
        due_at=None,
        answered_at=now,
    )
