"""Acknowledgements: every message is acknowledged, a burst shares one, machines get none."""

from collections.abc import Mapping
from datetime import datetime

from core import ids, model
from router import texts
from router.offices import Office, Offices
from storage import complaints, contacts, messages, outbox
from storage.transaction import Tx

_HIDDEN_PIN = "•" * ids.PIN_DIGITS


def variables(office: Office, complaint: model.Complaint, name: str | None) -> dict[str, str]:
    """Return what any text about a complaint may name. Times are the office's."""
    given = {
        "nama": texts.salutation(name),
        "dinas": office.name,
        "singkat": office.short_name,
        "nomor": str(complaint.number),
        "diterima": texts.moment(complaint.received_at, office.zone),
        "tautan": office.tracking_url,
    }
    return given if complaint.due_at is None else given | due("batas", complaint.due_at, office)


def due(name: str, at: datetime, office: Office) -> dict[str, str]:
    """Return an instant under `name` and, for short texts, `name`_singkat."""
    return {name: texts.moment(at, office.zone), f"{name}_singkat": texts.short_moment(at, office.zone)}


def first(
    tx: Tx, offices: Offices, account: model.Account, complaint: model.Complaint, contact: contacts.Seen, now: datetime
) -> None:
    """Queue the full acknowledgement of a new complaint: number, PIN, link, deadline, safety line."""
    office = offices.get(complaint.office_id)
    serving = offices.calendar(office.id)
    pin = complaints.pin(tx, complaint)
    given = variables(office, complaint, contact.name) | {"pin": pin}
    form = account.capabilities.text_form
    closed = serving.closed_reason(now)
    if closed is None:
        text = texts.render(model.MessageKind.ACKNOWLEDGEMENT, form, given)
    else:
        given |= due("buka", serving.next_open(now), office) | {"sebab": texts.closed_because(closed)}
        text = texts.received_while_closed(form, given)
    send(
        tx,
        complaint,
        model.MessageKind.ACKNOWLEDGEMENT,
        text,
        given,
        f"ack:{complaint.id}",
        now,
        shown=text.replace(pin, _HIDDEN_PIN),
    )


def further(
    tx: Tx, offices: Offices, account: model.Account, locked: complaints.Locked, contact: contacts.Seen,
    message_id: ids.MessageId, now: datetime,
) -> datetime | None:  # fmt: skip
    """Queue a brief acknowledgement of a later message, unless one is on its way that covers it.

    Returns until when it covers what else may come, None where none was queued.
    """
    office = offices.get(locked.complaint.office_id)
    if not office.acknowledge_further or now < locked.acknowledged_until:
        return None
    given = variables(office, locked.complaint, contact.name)
    form = account.capabilities.text_form
    due_at = locked.complaint.due_at
    text = texts.further(form, given, has_deadline=due_at is not None and due_at > now)
    until = now + office.burst_window
    send(
        tx,
        locked.complaint,
        model.MessageKind.FURTHER_ACKNOWLEDGEMENT,
        text,
        given,
        f"ack:{locked.complaint.id}:{message_id}",
        now,
        not_before=until,
    )
    return until


def reopened(
    tx: Tx, offices: Offices, account: model.Account, complaint: model.Complaint, contact: contacts.Seen,
    message_id: ids.MessageId, now: datetime,
) -> None:  # fmt: skip
    """Queue the acknowledgement of a message that opened a closed complaint again."""
    office = offices.get(complaint.office_id)
    given = variables(office, complaint, contact.name)
    text = texts.reopened(account.capabilities.text_form, given)
    send(tx, complaint, model.MessageKind.FURTHER_ACKNOWLEDGEMENT, text, given, f"ack:{complaint.id}:{message_id}", now)


def send(
    tx: Tx, complaint: model.Complaint, kind: model.MessageKind, text: str, given: Mapping[str, str], key: str,
    now: datetime, *, not_before: datetime | None = None, author_id: ids.PersonId | None = None,
    shown: str | None = None,
) -> ids.MessageId:  # fmt: skip
    """Put a message of ours on the timeline and into the outbox. `shown`: the text with secrets left out."""
    message_id = messages.add(
        tx,
        office_id=complaint.office_id,
        complaint_id=complaint.id,
        account=complaint.account,
        kind=kind,
        text=text if shown is None else shown,
        created_at=now,
        author_id=author_id,
    )
    outbox.add(
        tx,
        message_id=message_id,
        office_id=complaint.office_id,
        account=complaint.account,
        contact_id=complaint.contact_id,
        complaint_id=complaint.id,
        kind=kind,
        text=text,
        variables=given,
        key=key,
        now=now,
        not_before=not_before,
    )
    return message_id
