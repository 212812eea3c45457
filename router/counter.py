"""What officials write down: complaints that reached the office itself, answers handed over, and their papers."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from core import errors, ids, model, ports, privacy
from core import text as plain
from router import answers, complaints, intake
from router.desk import WORKERS, Desk, actor, require
from router.offices import Office
from storage import audit, contacts, deadlines, messages, people
from storage import complaints as stored
from storage.transaction import Tx

UNKNOWN = "unknown"  # what is wrong with the number of an earlier complaint

_AT_ONCE = timedelta(minutes=1)  # a page gives its moments in whole minutes


def accounts(desk: Desk, office_id: str) -> list[model.Account]:
    """Return the accounts of an office of which its officials write down what reached it."""
    return [a for a in desk.accounts.values() if a.office_id == office_id and a.capabilities.is_recorded]


def account(desk: Desk, person: model.Person, name: str) -> model.Account:
    """Return such an account of the person's office; NotFound."""
    found = [each for each in accounts(desk, person.office_id) if each.name == name]
    if not found:
        raise errors.NotFound("no such account")
    return found[0]


def fields(desk: Desk, name: str) -> Sequence[ports.Field]:
    """Return what the connector of an account asks for; nothing where nobody writes down what arrives."""
    connector = desk.connectors.get(name)
    return cast("ports.Recorder", connector).fields if hasattr(connector, "parse_record") else ()


async def read(desk: Desk, person: model.Person, at: model.Account, values: Mapping[str, str]) -> model.InboundMessage:
    """Return the message of what was filled in, by the names of `fields` and `key`.

    FormMistakes, also for an earlier complaint that does not exist (UNKNOWN).
    """
    entered_at = desk.offices.get(at.office_id).local(desk.clock.now())
    inbound = cast("ports.Recorder", desk.connectors[at.name]).parse_record(values, entered_at)
    number = inbound.number
    if number is not None:
        known = await desk.store.read(lambda tx: stored.find_by_number(tx, person.office_id, number))
        if known is None:
            raise errors.FormMistakes({"about": UNKNOWN})
    return inbound


async def record(
    desk: Desk, person: model.Person, at: model.Account, inbound: model.InboundMessage, values: Mapping[str, str],
    files: Sequence[model.StoredFile],
) -> intake.Registered:  # fmt: skip
    """Register what `read` made of `values`, as of when it reached the office; the same twice is one.

    The same page with other words, sent again after the button "back", is a further message of the same complaint.
    Raises NotAllowed, StorageUnavailable.
    """
    require(person, *WORKERS)
    content = {"fields": dict(values), "files": [dataclasses.asdict(file) for file in files]}
    body = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()[:16]
    message = dataclasses.replace(inbound, provider_id=f"{inbound.provider_id}.{digest}", files=tuple(files))
    now = desk.clock.now()
    request = ports.RawRequest(at.name, "/inbox/catat", {"content-type": "application/json"}, body, now)
    return await intake.receive_message(desk, request, message, "counter", by=person)


# --- Papers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paper:
    """What is printed of a complaint. Name and contact are masked for who only reads, numbers in the text for all.

    `message` is the first; `recorded` label and words of what was asked besides; `officer` who wrote it down, ''
    where nobody did.
    """

    office: Office
    complaint: model.Complaint
    message: model.Message
    channel: str
    name: str | None
    contact: str | None
    recorded: Sequence[tuple[str, str]]
    officer: str
    pin: str
    printed_at: datetime


async def paper(desk: Desk, person: model.Person, number: ids.Number) -> Paper:
    """Return what is printed of a complaint of the person's office; NotFound."""
    office, now = desk.offices.get(person.office_id), desk.clock.now()
    is_worker = person.role in WORKERS

    def act(tx: Tx) -> Paper:
        complaint = stored.by_number(tx, person.office_id, number)
        known = contacts.get(tx, complaint.contact_id)
        at = desk.known_account(complaint.account, complaint.channel, complaint.office_id)
        written = [m for m in messages.timeline(tx, complaint.id) if m.kind is model.MessageKind.COMPLAINT]
        names = {f"person:{p.id}": p.name for p in people.all_(tx, person.office_id)}
        name, contact = known.contact.name, known.reply_address
        if not is_worker:
            name, contact = name and privacy.mask_name(name), contact and privacy.mask_address(contact)
        return Paper(
            office, complaint, written[0], at.capabilities.label, name, contact,
            recorded(desk, at.name, written[0].details),
            names.get(audit.of_chain(tx, complaint.office_id, complaint.id)[0].actor, ""),
            stored.pin(tx, complaint), now,
        )  # fmt: skip

    return await desk.store.read(act)


async def receipt(desk: Desk, person: model.Person, number: ids.Number) -> Paper:
    """Return what a receipt says. That somebody printed one is written down: its PIN opens the complaint. NotFound."""
    require(person, *WORKERS)
    printed, now = await paper(desk, person, number), desk.clock.now()
    facts = {"complaint": printed.complaint.id}
    await desk.store.write(
        lambda tx: audit.append_office(tx, person.office_id, now, actor(person), "receipt_printed", **facts)
    )
    return printed


async def paper_with_numbers(desk: Desk, person: model.Person, number: ids.Number, purpose: str) -> Paper:
    """Return the same with the personal numbers in its text, for a purpose that is logged; NotAllowed without."""
    masked = await paper(desk, person, number)
    text = await complaints.reveal(desk, person, number, masked.message.id, purpose)
    return dataclasses.replace(masked, message=dataclasses.replace(masked.message, text=text))


def recorded(desk: Desk, name: str, details: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return label and words of what was written down beside a message that came by this account."""
    return [(field.label, _words(field, details[field.name])) for field in fields(desk, name) if field.name in details]


def _words(field: ports.Field, value: str) -> str:
    return f"{date.fromisoformat(value):%d/%m/%Y}" if field.kind == "date" else value


# --- Answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handover:
    """How an answer got to the citizen past every channel: in which way, to whom, when (None: just now), the proof."""

    how: str
    to: str = ""
    at: datetime | None = None
    proof: Sequence[model.StoredFile] = ()


async def record_answer(
    desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, handover: Handover, key: str
) -> None:
    """Record an answer that was handed over, posted or telephoned. It stops the clocks that ran when it was given.

    The same `key` twice records once. NotAllowed without a way, or with a time that cannot be.
    """
    require(person, *WORKERS)
    body = answers.checked(body)
    how, to = (privacy.mask(plain.one_line(plain.clean(each), 100)) for each in (handover.how, handover.to))
    if not how:
        raise errors.NotAllowed("Sebutkan cara jawaban disampaikan.")
    now = desk.clock.now()
    given_at = min(handover.at or now, now)
    if handover.at is not None and handover.at > now + _AT_ONCE:
        raise errors.NotAllowed("Waktu jawaban disampaikan belum tiba.")

    def act(tx: Tx) -> None:
        locked = answers.lock_to_work(tx, person, complaint_id, now)
        complaint = locked.complaint
        if messages.is_known(tx, complaint.account, f"elsewhere:{key}"):
            return
        if given_at < complaint.received_at - _AT_ONCE:
            raise errors.NotAllowed("Jawaban tidak mungkin disampaikan sebelum pengaduan diterima.")
        message_id = messages.add(
            tx, office_id=person.office_id, complaint_id=complaint_id, account=complaint.account,
            kind=model.MessageKind.ANSWER, text=body, created_at=now, sent_at=given_at, author_id=person.id,
            details={"how": how} | ({"to": to} if to else {}), provider_id=f"elsewhere:{key}",
        )  # fmt: skip
        for file in handover.proof:
            messages.add_file(
                tx, office_id=person.office_id, complaint_id=complaint_id, message_id=message_id,
                account=complaint.account, file=file, now=now,
            )  # fmt: skip
        facts: dict[str, object] = {
            "how": how, "given_at": given_at.isoformat(), "message": message_id, "proofs": len(handover.proof),
        }  # fmt: skip
        unmet = deadlines.unmet_of(tx, complaint_id)
        if unmet and all(clock.deadline.started_at > given_at for clock in unmet):
            # The citizen wrote again after it was given: that message still waits for an answer.
            stored.change(tx, locked, now, actor(person), "answer_recorded", facts, last_message_at=now)
        else:
            answers.answered(tx, locked, actor(person), now, facts, given_at)

    await desk.store.write(act)
