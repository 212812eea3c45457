"""What people write: answers to citizens, internal notes; and hiding what should not stand in public."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core import errors, ids, model
from core import text as plain
from router import acknowledge, texts
from router.assignment import hold, lock_own
from router.desk import WORKERS, Desk, actor, require
from storage import alarms, complaints, contacts, deadlines, messages, outbox
from storage.transaction import Tx

MAX_ANSWER = 10_000  # characters


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person answers with: the text, files that are stored already, and how it shall go.

    `contact_id`: to which of the citizen's contacts, None for where he wrote last. `message_id`: which of his messages
    it answers, None for the last by the same way. `private`: to the author alone, where others read what is public.
    """

    body: str
    files: Sequence[model.StoredFile] = ()
    contact_id: ids.ContactId | None = None
    message_id: ids.MessageId | None = None
    private: bool = False


async def answer(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, reply: Reply, key: str) -> None:
    """Queue a person's answer, which stops the response clock. The same `key` twice sends once.

    Raises NotAllowed with the way forward when the channel cannot carry it, StaleDecision when somebody else holds it.
    """
    require(person, *WORKERS)
    body = checked(reply.body)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        if outbox.has_key(tx, f"answer:{key}:0"):
            return
        locked = lock_to_work(tx, person, complaint_id, now)
        complaint = locked.complaint
        route = _route(tx, complaint, reply.contact_id)
        account = desk.known_account(route.account, complaint.channel, complaint.office_id)
        _require_carried(account, reply)
        known = contacts.get(tx, route.contact_id).contact
        given = acknowledge.variables(desk.offices.get(person.office_id), complaint, known.name)
        form = model.TextForm.CHAT if reply.private else account.capabilities.text_form
        text = texts.answer(form, body, given)
        parts = [_in_one_piece(account, text)] if reply.private else plain.split(text, account.capabilities.max_text)
        answers = None if reply.message_id is None else messages.incoming(tx, complaint.id, reply.message_id)
        for i, part in enumerate(parts):
            acknowledge.send(
                tx, complaint, model.MessageKind.ANSWER, part, given | {"jawaban": plain.one_line(body, 1000)},
                f"answer:{key}:{i}", now, author_id=person.id, answers=answers, private=reply.private, route=route,
                files=reply.files if i == len(parts) - 1 else (),
            )  # fmt: skip
        answered(tx, locked, actor(person), now, {"parts": len(parts)})

    await desk.store.write(act)


def _in_one_piece(account: model.Account, text: str) -> str:
    limit = account.capabilities.max_private_text
    if limit is not None and not plain.fits(text, limit):
        raise errors.NotAllowed("Balasan pribadi terlalu panjang: hanya satu pesan pendek yang dapat dikirim.")
    return text


def _route(tx: Tx, complaint: model.Complaint, contact_id: ids.ContactId | None) -> acknowledge.Route:
    """Return the way to one of the citizen's contacts; NotFound for somebody else's."""
    if contact_id is None or contact_id == complaint.reply_contact_id:
        return acknowledge.route_of(complaint)
    contact = contacts.get(tx, contact_id).contact
    began_with = contacts.get(tx, complaint.contact_id).contact
    is_same_citizen = contact.citizen_id is not None and contact.citizen_id == began_with.citizen_id
    if contact_id != began_with.id and not is_same_citizen and not messages.takes_part(tx, complaint, contact_id):
        raise errors.NotFound("no contact of this complaint")
    return acknowledge.Route(contact.account, contact_id)


def _require_carried(account: model.Account, reply: Reply) -> None:
    able = account.capabilities
    if not able.answerable:
        raise errors.NotAllowed(
            "Saluran ini tidak dapat dibalas. Sampaikan jawaban lewat kontak warga, lalu catat sebagai jawaban "
            "yang disampaikan."
        )
    if reply.private and not (able.is_public and able.private_replies):
        raise errors.NotAllowed("Saluran ini tidak mengenal balasan pribadi.")
    if not reply.files:
        return
    if able.sent_files is None or (able.is_public and not reply.private):
        raise errors.NotAllowed("Saluran ini tidak dapat membawa lampiran.")
    if len(reply.files) > able.sent_files.count:
        raise errors.NotAllowed(f"Paling banyak {able.sent_files.count} lampiran untuk satu jawaban di saluran ini.")
    for file in reply.files:
        if not able.sent_files.takes(file.media_type):
            raise errors.NotAllowed("Jenis berkas ini tidak dapat dikirim lewat saluran ini.")
        if file.size > able.sent_files.bytes_each:
            raise errors.NotAllowed("Berkas terlalu besar untuk saluran ini.")


async def hide(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, message_id: ids.MessageId) -> None:
    """Hide a citizen's message from the public, and tell him kindly why. Twice hides once."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        complaint = locked.complaint
        written = messages.incoming(tx, complaint_id, message_id)
        route = messages.route_of(tx, complaint, message_id)
        account = desk.known_account(route[0], complaint.channel, complaint.office_id)
        if not account.capabilities.hiding:
            raise errors.NotAllowed("Pesan di saluran ini tidak dapat disembunyikan.")
        if outbox.has_key(tx, f"hide:{message_id}"):
            return
        given = acknowledge.variables(desk.offices.get(person.office_id), complaint, None)
        way = acknowledge.Route(*route)
        kind = model.MessageKind.PRIVACY_NOTICE
        text = texts.render(kind, account.capabilities.text_form, given)
        # The notice first: what is hidden cannot be answered everywhere.
        acknowledge.send(tx, complaint, kind, text, given, f"privacy:{message_id}", now, answers=written, route=way)
        acknowledge.send(
            tx, complaint, model.MessageKind.HIDING, "", given, f"hide:{message_id}", now, author_id=person.id,
            answers=written, route=way,
        )  # fmt: skip
        alarms.clear(tx, complaint.office_id, f"public:{complaint_id}", now, actor(person))
        complaints.change(tx, locked, now, actor(person), "message_hidden", {"message": message_id})

    await desk.store.write(act)


async def note(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, body: str, key: str) -> None:
    """Add an internal note, which no citizen ever sees."""
    require(person, *WORKERS)
    body = checked(body)
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


def lock_to_work(tx: Tx, person: model.Person, complaint_id: ids.ComplaintId, now: datetime) -> complaints.Locked:
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


def answered(
    tx: Tx, locked: complaints.Locked, by: str, now: datetime, facts: dict[str, object],
    given_at: datetime | None = None,
) -> None:  # fmt: skip
    """A person's substantive answer stops the response clocks and waits for the citizen.

    `given_at`: when the citizen got it, None for now.
    """
    at, complaint = given_at or now, locked.complaint
    unmet = deadlines.unmet_of(tx, complaint.id)
    for clock in unmet:
        deadlines.met(tx, clock, at)
    broken = [clock.deadline.due_at for clock in unmet if at > clock.deadline.due_at]
    for kind in (model.AlarmKind.DEADLINE_NEAR, model.AlarmKind.IMPOSSIBLE_DEADLINE, model.AlarmKind.BREACHED):
        alarms.clear_for_complaint(tx, complaint.office_id, complaint.id, kind, now, by)
    complaints.change(
        tx,
        locked,
        now,
        by,
        "answered",
        facts,
        state=model.ComplaintState.WAITING_CITIZEN,
        due_at=None,
        answered_at=at if unmet else complaint.answered_at or at,  # of what stopped the clocks
        breached_at=complaint.breached_at or min(broken, default=None),  # perhaps before anybody noticed
        last_message_at=now,
        queue=model.Queue.ADMIN,
    )


def checked(body: str) -> str:
    body = plain.clean(body).strip()
    if not body:
        raise errors.NotAllowed("Tulisan masih kosong.")
    if len(body) > MAX_ANSWER:
        raise errors.NotAllowed(f"Tulisan terlalu panjang: paling banyak {MAX_ANSWER:,} huruf.".replace(",", "."))
    return body
