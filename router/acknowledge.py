"""Acknowledgements: every message is acknowledged, a burst shares one, machines get none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class About:
    """What a later acknowledgement is about: the complaint, who wrote, and his message."""

    complaint: model.Complaint
    name: str | None
    answers: model.Answered
    message_id: ids.MessageId


def first(
    tx: Tx, offices: Offices, account: model.Account, complaint: model.Complaint, contact: contacts.Seen,
    answers: model.Answered, now: datetime,
) -> None:  # fmt: skip
    """Queue the full acknowledgement of a new complaint: number, PIN, link, deadline, safety line.

    In public it goes to the author alone where the channel can do so, and else says nothing of the complaint.
    """
    office = offices.get(complaint.office_id)
    serving = offices.calendar(office.id)
    pin = complaints.pin(tx, complaint)
    given = variables(office, complaint, contact.name) | {"pin": pin}
    private = account.capabilities.is_public and account.capabilities.private_replies
    form = model.TextForm.CHAT if private else account.capabilities.text_form
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
        answers=answers,
        private=private,
    )


def further(
    tx: Tx, offices: Offices, account: model.Account, about: About, acknowledged_until: datetime, now: datetime
) -> datetime | None:
    """Queue a brief acknowledgement of a later message, unless one is on its way that covers it, or all would read it.

    Returns until when it covers what else may come, None where none was queued.
    """
    office = offices.get(about.complaint.office_id)
    if not office.acknowledge_further or now < acknowledged_until or account.capabilities.is_public:
        return None
    given = variables(office, about.complaint, about.name)
    due_at = about.complaint.due_at
    text = texts.further(account.capabilities.text_form, given, has_deadline=due_at is not None and due_at > now)
    until = now + office.burst_window
    key = f"ack:{about.complaint.id}:{about.message_id}"
    kind = model.MessageKind.FURTHER_ACKNOWLEDGEMENT
    send(tx, about.complaint, kind, text, given, key, now, not_before=until, answers=about.answers)
    return until


def reopened(tx: Tx, offices: Offices, account: model.Account, about: About, now: datetime) -> None:
    """Queue the acknowledgement of a message that opened a closed complaint again."""
    if account.capabilities.is_public:
        return
    given = variables(offices.get(about.complaint.office_id), about.complaint, about.name)
    text = texts.reopened(account.capabilities.text_form, given)
    key = f"ack:{about.complaint.id}:{about.message_id}"
    send(tx, about.complaint, model.MessageKind.FURTHER_ACKNOWLEDGEMENT, text, given, key, now, answers=about.answers)


@dataclass(frozen=True, slots=True)
class Route:
    """By which account, and to which contact, something goes to a citizen."""

    account: str
    contact_id: ids.ContactId


def route_of(complaint: model.Complaint) -> Route:
    """Return where the citizen of a complaint wrote last."""
    return Route(complaint.reply_account, complaint.reply_contact_id)


def send(
    tx: Tx, complaint: model.Complaint, kind: model.MessageKind, text: str, given: Mapping[str, str], key: str,
    now: datetime, *, not_before: datetime | None = None, author_id: ids.PersonId | None = None,
    shown: str | None = None, answers: model.Answered | None = None, private: bool = False,
    files: Sequence[model.StoredFile] = (), route: Route | None = None,
) -> ids.MessageId:  # fmt: skip
    """Put a message of ours on the timeline and into the outbox. `shown`: the text with secrets left out.

    `answers`: None for the latest message that came by the same route; `route`: None for where he wrote last.
    """
    route = route or route_of(complaint)
    answers = answers or messages.last_of(tx, complaint, route.account, route.contact_id)
    contact_id = None if route.contact_id == complaint.contact_id else route.contact_id
    # A message is answered privately once, and hidden once: the inbox must know which ones were.
    names_answered = private or kind is model.MessageKind.HIDING
    message_id = messages.add(
        tx, office_id=complaint.office_id, complaint_id=complaint.id, account=route.account, kind=kind,
        text=text if shown is None else shown, created_at=now, author_id=author_id, contact_id=contact_id,
        private=private,
        details={"answers": answers.provider_id} if names_answered and answers is not None else None,
    )  # fmt: skip
    for file in files:
        messages.add_file(
            tx, office_id=complaint.office_id, complaint_id=complaint.id, message_id=message_id,
            account=route.account, file=file, now=now,
        )  # fmt: skip
    outbox.add(
        tx, message_id=message_id, office_id=complaint.office_id, account=route.account, contact_id=route.contact_id,
        complaint_id=complaint.id, kind=kind, text=text, variables=given, key=key, now=now, not_before=not_before,
        number=complaint.number, private=private, files=files, answers=answers,
    )  # fmt: skip
    return message_id
