"""One message: whose it is, which complaint it joins or begins, what clock runs, what acknowledgement is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core import ids, model, privacy
from core import text as plain
from router import acknowledge, escalation, texts
from router.desk import SYSTEM, Desk
from router.offices import Office
from storage import alarms, audit, citizens, complaints, contacts, deadlines, incidents, messages, outbox, revisions
from storage.transaction import Tx

RAID_FROM = 4  # the same public text from so many is one incident
RAID_WITHIN = timedelta(hours=24)
_PREVIEW = 160
# Details that are the provider's names for messages: 16 digits in them are no citizen's, and masked they name nothing.
_IDS = frozenset({"message_id", "references", "comment_id", "post_id", "parent_id", "media_id", "story_id", "link"})


def take(
    tx: Tx, desk: Desk, account: model.Account, inbound: model.InboundMessage, raw_id: int, now: datetime,
    by: str = SYSTEM,
) -> None:  # fmt: skip
    """Store one message, once. The unique index decides; this look only spares what comes twice."""
    siblings = desk.siblings(account)
    if len(siblings) > 1:
        messages.take_alone(tx, inbound.provider_id)
    if any(messages.is_known(tx, name, inbound.provider_id) for name in siblings):
        return
    contact = contacts.seen(tx, account.office_id, account.name, inbound, min(inbound.sent_at or now, now))
    if account.capabilities.presence and inbound.reply_address is not None and not contact.is_new:
        contacts.set_reply_address(tx, contact.id, inbound.reply_address)  # what he left last counts
    latest = None if contact.is_new else lock_latest(tx, contact)
    wants_out = inbound.consent is model.Consent.OUT
    if contact.is_latest and wants_out != (contact.opted_out_at is not None):
        # Whoever writes again wants an answer; only a bare STOP closes the line.
        contacts.set_opted_out(tx, contact.id, now if wants_out else None)
    if inbound.consent is not None and (latest is None or not latest.complaint.state.is_open):
        audit.append_office(
            tx, account.office_id, now, SYSTEM, f"consent_{inbound.consent}", contact=contact.id, raw=raw_id
        )
        return
    arrival = _Arrival(tx, desk, account, contact, inbound, raw_id, now, by)
    meant = arrival.meant()
    if meant is not None:
        latest = meant
    if latest is not None and arrival.joins(latest.complaint):
        arrival.join(latest)
    else:
        arrival.register(latest)


def lock_latest(tx: Tx, contact: contacts.Seen) -> complaints.Locked | None:
    """Return the latest complaint of the contact, or of the citizen behind it, locked."""
    if contact.citizen_id is not None:
        return complaints.lock_latest_of_citizen(tx, contact.citizen_id)
    return complaints.lock_latest_of_contact(tx, contact.id)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A message on its way to a complaint, with what every step needs to know."""

    tx: Tx
    desk: Desk
    account: model.Account
    contact: contacts.Seen
    inbound: model.InboundMessage
    raw_id: int
    now: datetime
    by: str

    @property
    def office(self) -> Office:
        return self.desk.offices.get(self.account.office_id)

    @property
    def received_at(self) -> datetime:
        return min(self.inbound.sent_at or self.now, self.now)

    def meant(self) -> complaints.Locked | None:
        """Return the complaint that the message itself names, if its author takes part in that."""
        complaint = self._named()
        if complaint is None or self.inbound.is_doubtful or not self._takes_part(complaint):
            return None
        return complaints.lock(self.tx, complaint.id)

    def _named(self) -> model.Complaint | None:
        inbound = self.inbound
        if inbound.number is not None:
            named = complaints.find_by_number(self.tx, self.account.office_id, inbound.number)
            if named is not None:
                return named
        for provider_id in inbound.replies_to:
            for name in self.desk.siblings(self.account):
                known = messages.find(self.tx, name, provider_id)
                if known is None and (own := outbox.message_of(self.tx, name, provider_id)) is not None:
                    known = messages.get(self.tx, own)
                if known is not None:
                    return complaints.get(self.tx, known.complaint_id)
        return None

    def _takes_part(self, complaint: model.Complaint) -> bool:
        if self.account.capabilities.is_recorded:
            return True  # an official wrote it down, and says where it belongs
        if self._is_the_citizen(complaint):
            return True
        # Who was taken out of this citizen's contacts may have written to the complaint while he was one of them.
        return messages.takes_part(self.tx, complaint, self.contact.id) and not citizens.are_apart(
            self.tx, complaint.contact_id, self.contact.id
        )

    def _is_the_citizen(self, complaint: model.Complaint) -> bool:
        """Whether the author is he whose complaint it is, and not one of many who wrote the same in public."""
        if self.contact.id == complaint.contact_id:
            return True
        citizen_id = self.contact.citizen_id
        return citizen_id is not None and contacts.get(self.tx, complaint.contact_id).contact.citizen_id == citizen_id

    def joins(self, latest: model.Complaint) -> bool:
        if self.inbound.is_doubtful:
            return False
        if latest.state.is_open or latest.closed_at is None or self.inbound.is_automatic:
            return True  # what a machine writes after the end is kept there, and opens nothing
        return self.now < latest.closed_at + self.office.reopen_within

    def register(self, latest: complaints.Locked | None) -> None:
        """Open a new complaint: number, clock, queue, acknowledgement."""
        fingerprint = self._fingerprint()
        incident = None if fingerprint is None else self._counted(fingerprint)
        if incident is not None and incident.seen >= RAID_FROM:
            self._join_raid(incident)
            return
        tx, account, now, inbound = self.tx, self.account, self.now, self.inbound
        intake = account.capabilities.intake
        rule = self.desk.offices.response_rule(self.office.id, intake)
        deadline = self.desk.offices.start_clock(tx, self.office.id, rule, self.received_at)
        complaint = model.Complaint(
            id=ids.ComplaintId(tx.new_id()), office_id=self.office.id,
            number=complaints.next_number(tx, self.office.id, self.office.number_prefix, self.office.local(now).year),
            contact_id=self.contact.id, account=account.name, channel=account.channel, intake=intake,
            state=model.ComplaintState.NEW, queue=model.Queue.ADMIN, assignee_id=None, preview=_preview(inbound),
            received_at=self.received_at, due_at=deadline.due_at, breached_at=None, answered_at=None, closed_at=None,
            last_message_at=now, reply_account=account.name, reply_contact_id=self.contact.id,
            previous_id=latest.complaint.id if latest else None, category=inbound.category,
        )  # fmt: skip
        facts = {
            "account": account.name, "due_at": deadline.due_at.isoformat(), "rule": deadline.clock, "raw": self.raw_id,
            "entered_at": None if self.by == SYSTEM else now.isoformat(),
        }  # fmt: skip
        complaints.add(tx, complaint, now + self.office.burst_window, self.by, facts)
        self._add_message(complaint)
        escalation.promise(tx, complaint.id, account, deadline, now)
        if fingerprint is not None and incident is None:
            incidents.begin(tx, self.office.id, account.name, fingerprint, complaint.id, now)
        if account.capabilities.is_public:
            self._guard_the_public(complaint)
        if self._is_acknowledged():
            acknowledge.first(tx, self.desk.offices, account, complaint, self.contact, self._as_answered(), now)

    def join(self, locked: complaints.Locked) -> None:
        """Add the message to a complaint, opening it again where it was closed or answered."""
        tx, now, inbound, complaint = self.tx, self.now, self.inbound, locked.complaint
        message_id = self._add_message(complaint)
        columns: dict[str, object] = {"last_message_at": now, "preview": _preview(inbound)}
        is_way = self.account.capabilities.answerable and self._is_the_citizen(complaint)
        if is_way and self.contact.is_latest and complaint.reply_contact_id != self.contact.id:
            columns |= {"reply_account": self.account.name, "reply_contact_id": self.contact.id}
        was_closed = not complaint.state.is_open
        if (
            (was_closed or complaint.state is model.ComplaintState.WAITING_CITIZEN)
            and not inbound.is_automatic
            and inbound.consent is None
        ):
            columns |= self._restart(complaint)
        elif self._is_overtaken(complaint):
            columns |= self._begin_earlier(complaint)
        action = "reopened" if was_closed and "state" in columns else "message_received"
        facts = {"message": message_id, "raw": self.raw_id}
        locked = complaints.change(tx, locked, now, self.by, action, facts, **columns)
        if self.account.capabilities.is_public:
            self._guard_the_public(locked.complaint)
        if self._is_acknowledged() and not self._is_flooding(locked.complaint):
            self._acknowledge_further(locked, message_id, was_closed=was_closed)

    def _acknowledge_further(self, locked: complaints.Locked, message_id: ids.MessageId, *, was_closed: bool) -> None:
        tx, offices, account, now = self.tx, self.desk.offices, self.account, self.now
        about = acknowledge.About(locked.complaint, self.contact.name, self._as_answered(), message_id)
        until: datetime | None
        if was_closed:
            acknowledge.reopened(tx, offices, account, about, now)
            until = now + self.office.burst_window
        else:
            until = acknowledge.further(tx, offices, account, about, locked.acknowledged_until, now)
        if until is not None:
            complaints.cover(tx, locked.complaint.id, until)

    def _restart(self, complaint: model.Complaint) -> dict[str, object]:
        """Start the response clock anew for what the citizen wrote after our answer; return the complaint's columns."""
        rule = self.desk.offices.response_rule(complaint.office_id, complaint.intake)
        deadline = self.desk.offices.start_clock(self.tx, complaint.office_id, rule, self.received_at)
        escalation.promise(self.tx, complaint.id, self.account, deadline, self.now)
        state = model.ComplaintState.NEW if complaint.assignee_id is None else model.ComplaintState.IN_PROGRESS
        return {
            "state": state, "due_at": deadline.due_at, "closed_at": None, "close_reason": None, "breached_at": None,
            "answered_at": None, "queue": model.Queue.ADMIN,
        }  # fmt: skip

    def _is_overtaken(self, complaint: model.Complaint) -> bool:
        """Whether something later came first: catching up finds what no webhook told, and meanwhile people write on."""
        is_earlier = not self.contact.is_latest or self.received_at < complaint.received_at
        return is_earlier and not self.inbound.is_automatic and self.inbound.consent is None

    def _begin_earlier(self, complaint: model.Complaint) -> dict[str, object]:
        """Let the response clock run from this message where it began with a later one; return the columns."""
        columns: dict[str, object] = {}
        rule = self.desk.offices.response_rule(complaint.office_id, complaint.intake)
        for clock in deadlines.unmet_of(self.tx, complaint.id):
            is_running = clock.state is model.DeadlineState.PENDING and clock.deadline.clock == rule.id
            if is_running and self.received_at < clock.deadline.started_at:
                deadline = self.desk.offices.start_clock(self.tx, complaint.office_id, rule, self.received_at)
                deadlines.reckoned(self.tx, clock, deadline, self.now)
                columns["due_at"] = deadline.due_at
        if self.received_at < complaint.received_at:
            columns["received_at"] = self.received_at
        return columns

    def _add_message(self, complaint: model.Complaint) -> ids.MessageId:
        tx, inbound, account = self.tx, self.inbound, self.account
        details = {
            name: value if name in _IDS else privacy.seal_points(value)[0] for name, value in inbound.details.items()
        }
        if inbound.number is not None and inbound.number != complaint.number:
            details["names"] = str(inbound.number)  # for the admin: a complaint in which its author takes no part
        withdrawn_at = None
        if account.capabilities.withdrawals:
            withdrawn_at = revisions.withdrawn_early(tx, account.name, inbound.provider_id)
        message_id = messages.add(
            tx, office_id=complaint.office_id, complaint_id=complaint.id, account=account.name,
            kind=model.MessageKind.COMPLAINT, text=inbound.text, quoted=inbound.quoted, created_at=self.now,
            content=inbound.content, details=details, provider_id=inbound.provider_id, raw_id=self.raw_id,
            sent_at=inbound.sent_at, contact_id=None if self.contact.id == complaint.contact_id else self.contact.id,
            withdrawn_at=withdrawn_at,
        )  # fmt: skip
        for file in inbound.files:
            if isinstance(file, model.InlineFile):
                raise TypeError("the files of a message are stored before it is")
            messages.add_file(
                tx, office_id=complaint.office_id, complaint_id=complaint.id, message_id=message_id,
                account=account.name, file=file, now=self.now,
            )  # fmt: skip
        return message_id

    def _as_answered(self) -> model.Answered:
        return model.Answered(self.inbound.provider_id, self.inbound.details, self.received_at)

    def _is_acknowledged(self) -> bool:
        inbound = self.inbound
        return self.account.capabilities.answerable and not inbound.is_automatic and inbound.consent is None

    def _is_flooding(self, complaint: model.Complaint) -> bool:
        """Whether so much went out by itself that only another machine can be listening."""
        most = self.account.capabilities.automatic_per_day
        if most is None or messages.count_automatic(self.tx, complaint.id, self.now - timedelta(days=1)) < most:
            return False
        alarms.raise_(
            self.tx, complaint.office_id, model.AlarmKind.FLOOD, f"flood:{complaint.id}", self.now,
            complaint_id=complaint.id, account=self.account.name,
        )  # fmt: skip
        return True

    def _guard_the_public(self, complaint: model.Complaint) -> None:
        """Say at once that a personal number stands where everybody reads it."""
        if privacy.find_numbers(self.inbound.text):
            alarms.raise_(
                self.tx, complaint.office_id, model.AlarmKind.PUBLIC_NUMBER, f"public:{complaint.id}", self.now,
                complaint_id=complaint.id, account=self.account.name,
            )  # fmt: skip

    def _fingerprint(self) -> bytes | None:
        """Return what the same text in the same public conversation has in common, None elsewhere."""
        inbound = self.inbound
        if not self.account.capabilities.is_public or inbound.thread is None or not inbound.text.strip():
            return None
        text = "".join(c for c in inbound.text.casefold() if c.isalnum()) or "".join(inbound.text.split())
        return self.tx.vault.find_key("incident", f"{inbound.thread}\0{text}")

    def _counted(self, fingerprint: bytes) -> incidents.Incident | None:
        return incidents.count(self.tx, self.account.name, fingerprint, self.now - RAID_WITHIN)

    def _join_raid(self, incident: incidents.Incident) -> None:
        """Put the same text of one more author to the complaint that stands for all; nobody is told a number."""
        tx = self.tx
        locked = complaints.lock(tx, incident.complaint_id)
        facts = {"message": self._add_message(locked.complaint), "raw": self.raw_id, "seen": incident.seen}
        complaints.change(tx, locked, self.now, SYSTEM, "joined_by_raid", facts, last_message_at=self.now)
        self._guard_the_public(locked.complaint)
        alarms.raise_(
            tx, locked.complaint.office_id, model.AlarmKind.RAID, f"raid:{locked.complaint.id}", self.now,
            complaint_id=locked.complaint.id, account=self.account.name, note=str(incident.seen),
        )  # fmt: skip


def _preview(inbound: model.InboundMessage) -> str:
    kinds = tuple(file.media_type or "" for file in inbound.files)
    return plain.one_line(privacy.mask(texts.visible(inbound.content, inbound.text, inbound.details, kinds)), _PREVIEW)
