"""Looking at complaints, closing and opening them, and the citizen's tracking page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core import errors, ids, model, privacy
from core import text as plain
from router import acknowledge, citizens, escalation, texts
from router.assignment import lock_own
from router.desk import WORKERS, Desk, actor, require
from storage import alarms, audit, complaints, contacts, deadlines, listing, messages, people, raw
from storage.transaction import Tx

_AFTER_ANSWER = (model.CloseReason.RESOLVED, model.CloseReason.NO_REPLY)
View = listing.View
Page = listing.Page
Item = listing.Item
Clock = deadlines.Clock
RawItem = raw.RawItem

# Alarms whose cause nobody but a person can end; the others are cleared by what mends them.
SETTLED_BY_PEOPLE = frozenset(
    {
        model.AlarmKind.MEDIA_FAILED,
        model.AlarmKind.VIRUS,
        model.AlarmKind.IMPOSSIBLE_DEADLINE,
        model.AlarmKind.ACKNOWLEDGEMENT_FAILED,
        model.AlarmKind.NOTICE_FAILED,
        model.AlarmKind.CALENDAR_ENDS,
        model.AlarmKind.ANSWER_UNREAD,
        model.AlarmKind.PUBLIC_NUMBER,
        model.AlarmKind.RAID,
        model.AlarmKind.FLOOD,
        model.AlarmKind.ACCOUNT_WARNING,
    }
)


@dataclass(frozen=True, slots=True)
class Details:
    """All that the page of one complaint shows. `ways` are those to the citizen, the one he wrote by last first."""

    complaint: model.Complaint
    account: model.Account
    contact_name: str | None
    reply_address: str | None
    assignee: model.Person | None
    timeline: Sequence[model.Message]
    clocks: Sequence[Clock]
    alarms: Sequence[model.Alarm]
    history: Sequence[model.AuditEntry]
    others: Sequence[model.Complaint]
    names: dict[str, str]
    ways: Sequence[citizens.Way]
    proposals: Sequence[citizens.Proposal]


async def page(
    desk: Desk, person: model.Person, view: View, after: tuple[datetime, int] | None = None, count: int = 50
) -> Page:
    """Return a page of a queue as the person sees it."""
    now = desk.clock.now()
    until = desk.offices.get(person.office_id).end_of_day(now)
    return await desk.store.read(
        lambda tx: listing.page(tx, person.office_id, view, now, until, person.id, after, count)
    )


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands beside every list: counts, open alarms, quarantine, health of the accounts."""

    counts: dict[View, int]
    quarantined: int
    alarms: Sequence[model.Alarm]
    alarm_count: int
    health: dict[str, model.Health]
    numbers: dict[ids.ComplaintId, ids.Number]


async def overview(desk: Desk, person: model.Person) -> Overview:
    now = desk.clock.now()
    until = desk.offices.get(person.office_id).end_of_day(now)

    def act(tx: Tx) -> Overview:
        open_ = alarms.open_(tx, person.office_id)
        return Overview(
            listing.counts(tx, person.office_id, now, until, person.id),
            raw.count_quarantined(tx, person.office_id),
            open_,
            alarms.count_open(tx, person.office_id),
            alarms.health(tx, person.office_id),
            alarms.numbers(tx, person.office_id),
        )

    return await desk.store.read(act)


async def details(desk: Desk, person: model.Person, number: ids.Number) -> Details:
    """Return a complaint of the person's office by its number; NotFound."""

    def act(tx: Tx) -> Details:
        complaint = complaints.by_number(tx, person.office_id, number)
        ways = citizens.ways(tx, desk, complaint)
        known = contacts.get(tx, complaint.reply_contact_id)
        account = desk.account_of(complaint)
        return Details(
            complaint=complaint, account=account, contact_name=known.contact.name,
            reply_address=known.reply_address,
            assignee=None if complaint.assignee_id is None else people.get(tx, complaint.assignee_id),
            timeline=messages.timeline(tx, complaint.id), clocks=deadlines.of_complaint(tx, complaint.id),
            alarms=alarms.of_complaint(tx, complaint.id), history=audit.of_chain(tx, complaint.office_id, complaint.id),
            others=_others(tx, complaint, ways),
            names={f"person:{p.id}": p.name for p in people.all_(tx, person.office_id)},
            ways=ways, proposals=citizens.proposals(tx, desk, complaint),
        )  # fmt: skip

    return await desk.store.read(act)


def _others(tx: Tx, complaint: model.Complaint, ways: Sequence[citizens.Way]) -> list[model.Complaint]:
    """Return the citizen's other complaints, whichever way they came, newest first."""
    found = {c.id: c for way in ways for c in complaints.of_contact(tx, way.contact_id) if c.id != complaint.id}
    return sorted(found.values(), key=lambda c: c.id, reverse=True)


async def close(
    desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, reason: model.CloseReason, *, tell: bool
) -> None:
    """Close a complaint; `tell` sends the citizen the closing notice.

    NotAllowed while no person has answered, unless the reason is one that needs no answer.
    """
    require(person, *WORKERS)
    now = desk.clock.now()
    office = desk.offices.get(person.office_id)

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        complaint = locked.complaint
        if not complaint.state.is_open:
            return
        if complaint.assignee_id not in (None, person.id) and person.role is not model.Role.SUPERVISOR:
            raise errors.StaleDecision("Pengaduan ini sedang ditangani petugas lain.")
        if reason in _AFTER_ANSWER and complaint.answered_at is None:
            raise errors.NotAllowed("Jawab warga terlebih dahulu, lalu tutup pengaduan.")
        for clock in deadlines.unmet_of(tx, complaint.id):
            deadlines.cancelled(tx, clock)
        for alarm in alarms.of_complaint(tx, complaint.id):
            alarms.clear(tx, office.id, alarm.key, now, actor(person))
        locked = complaints.change(
            tx,
            locked,
            now,
            actor(person),
            "closed",
            {"reason": reason},
            state=model.ComplaintState.CLOSED,
            closed_at=now,
            close_reason=reason,
            due_at=None,
        )
        account = desk.account_of(complaint)
        if tell and account.capabilities.answerable:
            known = contacts.get(tx, complaint.contact_id).contact
            given = acknowledge.variables(office, locked.complaint, known.name)
            given |= {"ditutup": texts.moment(now, office.zone)} | acknowledge.due(
                "batas_buka", now + office.reopen_within, office
            )
            kind = model.MessageKind.CLOSING_NOTICE
            text = texts.render(kind, account.capabilities.text_form, given)
            acknowledge.send(
                tx, locked.complaint, kind, text, given, f"close:{complaint.id}:{locked.complaint.version}", now
            )

    await desk.store.write(act)


async def reopen(desk: Desk, person: model.Person, complaint_id: ids.ComplaintId, reason: str) -> None:
    """Open a closed complaint again, with the reason; the response clock starts anew."""
    require(person, *WORKERS)
    reason = privacy.mask(plain.one_line(reason, 200))
    if not reason:
        raise errors.NotAllowed("Sebutkan alasan membuka kembali.")
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        locked = lock_own(tx, person, complaint_id)
        if locked.complaint.state.is_open:
            return
        rule = desk.offices.response_rule(person.office_id, locked.complaint.intake)
        deadline = desk.offices.start_clock(tx, person.office_id, rule, now)
        escalation.promise(tx, complaint_id, desk.account_of(locked.complaint), deadline, now)
        complaints.change(
            tx,
            locked,
            now,
            actor(person),
            "reopened",
            {"reason": reason},
            state=model.ComplaintState.IN_PROGRESS,
            assignee_id=person.id,
            due_at=deadline.due_at,
            closed_at=None,
            close_reason=None,
            answered_at=None,
            breached_at=None,
        )

    await desk.store.write(act)


async def reveal(desk: Desk, person: model.Person, number: ids.Number, message_id: ids.MessageId, purpose: str) -> str:
    """Return a message's text with its personal numbers, for a purpose that is logged."""
    require(person, *WORKERS)
    purpose = privacy.mask(plain.one_line(purpose, 200))
    if not purpose:
        raise errors.NotAllowed("Sebutkan keperluan menampilkan nomor.")
    now = desk.clock.now()

    def act(tx: Tx) -> str:
        locked = lock_own(tx, person, complaints.by_number(tx, person.office_id, number).id)
        found = [m for m in messages.timeline(tx, locked.complaint.id) if m.id == message_id]
        if not found:
            raise errors.NotFound("no such message")
        complaints.change(tx, locked, now, actor(person), "revealed", {"message": message_id, "purpose": purpose})
        return privacy.unseal(found[0].text, messages.numbers_of(tx, message_id))

    return await desk.store.write(act)


async def original(desk: Desk, person: model.Person, raw_id: int) -> raw.RawItem:
    """Return a raw item as it arrived. Seeing it is a logged act: it holds what the pages mask."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> raw.RawItem:
        item = raw.get(tx, raw_id)
        if item.office_id != person.office_id:
            raise errors.NotFound("no such item")
        audit.append_office(tx, person.office_id, now, actor(person), "original_seen", raw=raw_id)
        return item

    return await desk.store.write(act)


async def settle_alarm(desk: Desk, person: model.Person, alarm_id: int) -> None:
    """Note that somebody has seen to an alarm; it comes back if its cause does. NotFound, NotAllowed."""
    require(person, *WORKERS)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        alarm = alarms.get(tx, alarm_id)
        if alarm.office_id != person.office_id:
            raise errors.NotFound("no such alarm")
        if alarm.kind not in SETTLED_BY_PEOPLE:
            raise errors.NotAllowed("Tanda bahaya ini hilang dengan sendirinya setelah penyebabnya diatasi.")
        alarms.clear(tx, person.office_id, alarm.key, now, actor(person))
        audit.append_office(tx, person.office_id, now, actor(person), "alarm_settled", alarm=alarm.key, kind=alarm.kind)

    await desk.store.write(act)


async def quarantined(desk: Desk, person: model.Person) -> list[raw.RawItem]:
    return await desk.store.read(lambda tx: raw.quarantined(tx, person.office_id))


@dataclass(frozen=True, slots=True)
class Progress:
    """What a citizen sees of his complaint: no content."""

    number: ids.Number
    state: model.ComplaintState
    received_at: datetime
    due_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    is_late: bool
    level: model.Queue


async def track(desk: Desk, office_id: str, number: str, pin: str) -> Progress | None:
    """Return the progress of a complaint for whoever knows its number and PIN, None when they do not fit.

    NotAllowed while too many wrong PINs were tried.
    """
    now = desk.clock.now()
    try:
        parsed = ids.Number.parse(number)
    except ValueError:
        return None

    found = await desk.store.write(lambda tx: listing.track(tx, office_id, parsed, pin.strip(), now))
    if found is None:
        return None
    return Progress(
        found.number, found.state, found.received_at, found.due_at, found.answered_at, found.closed_at,
        found.breached_at is not None, found.queue,
    )  # fmt: skip
