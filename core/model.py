"""The words of the domain as frozen values. Times are aware UTC; ids come from core.ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from core.ids import ComplaintId, ContactId, MessageId, Number, OutboxId, PersonId

# --- Channels -----------------------------------------------------------------------------------------------------


class Intake(StrEnum):
    """How a complaint reached the office; the SOP's limits differ."""

    DIRECT = "langsung"
    INDIRECT = "tidak_langsung"


class TextForm(StrEnum):
    """Which wording a channel carries."""

    SHORT = "short"  # one text message
    CHAT = "chat"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text of one message, counted as the channel counts."""

    count: int
    unit: Literal["characters", "bytes"] = "characters"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do; the middle of the program knows channels by this alone.

    `label` and `mark` are its name and its short mark on the pages. `reply_window` is how long after the
    contact's last message free text may be sent (None: always); `templates` says that an approved template may be
    sent after it closed. `idempotent_send`: repeating an attempt with the same reference cannot deliver twice.
    `answerable`: an answer can be sent by the channel at all.
    """

    label: str
    mark: str
    max_text: Limit
    intake: Intake = Intake.INDIRECT
    text_form: TextForm = TextForm.CHAT
    reply_window: timedelta | None = None
    templates: bool = False
    receipts: bool = False
    read_receipts: bool = False
    idempotent_send: bool = False
    is_public: bool = False
    answerable: bool = True
    max_attachment_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Account:
    """One configured instance of a channel. Webhooks arrive at `/hooks/<name>`."""

    name: str
    channel: str
    office_id: str
    capabilities: Capabilities
    simulated: bool = False


# --- What arrives -------------------------------------------------------------------------------------------------


class Content(StrEnum):
    """What an incoming message carries besides text and files; each has a visible form on the timeline."""

    TEXT = "text"
    LOCATION = "location"
    CONTACT_CARD = "contact_card"
    BUTTON = "button"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"


class Consent(StrEnum):
    """The contact tells us to stop, or to go on, writing to him."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file still at the provider. `url` may be secret; it is stored sealed and never logged."""

    url: str
    media_type: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file already in our store, named by the SHA-256 of its bytes (hex)."""

    sha256: str
    size: int
    media_type: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message as its channel delivered it. `provider_id` is unique per account; `address` is opaque.

    `sent_at` is the provider's own time, None where it gives none. `details` holds the parts of `content` that are
    not text (latitude, label, button text ...).
    `is_automatic`: written by a machine; stored, never acknowledged. `reply_to` is the provider id it answers.
    """

    provider_id: str
    address: str
    text: str = ""
    sent_at: datetime | None = None
    name: str | None = None
    content: Content = Content.TEXT
    details: Mapping[str, str] = field(default_factory=dict)
    files: tuple[RemoteFile | StoredFile, ...] = ()
    consent: Consent | None = None
    is_automatic: bool = False
    reply_to: str | None = None
    reply_address: str | None = None
    category: str | None = None


class DeliveryState(StrEnum):
    """Where an outbox entry stands. queued -> sending -> accepted -> delivered -> read, or one of the ends."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"

    @property
    def rank(self) -> int:
        """Receipts never lower this. `failed` ranks with `accepted`: a later proof of delivery overrules it."""
        return _RANK[self]


_RANK = {
    DeliveryState.CANCELLED: 0,
    DeliveryState.QUEUED: 0,
    DeliveryState.SENDING: 1,
    DeliveryState.UNCERTAIN: 2,
    DeliveryState.ACCEPTED: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.DELIVERED: 5,
    DeliveryState.READ: 6,
}


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """What the provider said of a message of ours. `reference` is what we attached when sending, if it came back."""

    provider_id: str
    state: DeliveryState
    error_code: str | None = None
    reference: str | None = None


InboundEvent = InboundMessage | DeliveryReceipt


# --- What leaves --------------------------------------------------------------------------------------------------


class MessageKind(StrEnum):
    """Why a message exists. Only ANSWER is a person's substantive reply and stops the response clock."""

    COMPLAINT = "complaint"
    ACKNOWLEDGEMENT = "acknowledgement"
    FURTHER_ACKNOWLEDGEMENT = "further_acknowledgement"
    ANSWER = "answer"
    DELAY_NOTICE = "delay_notice"
    CLOSING_NOTICE = "closing_notice"
    NOTE = "note"

    @property
    def is_outgoing(self) -> bool:
        return self not in (MessageKind.COMPLAINT, MessageKind.NOTE)


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One attempt to send. `reference` names outbox entry and attempt, and comes back with receipts.

    `variables` are the values of the text by name, for channels that fill an approved template when the reply
    window is closed (`window_open` is False).
    """

    outbox_id: OutboxId
    kind: MessageKind
    address: str
    text: str
    reference: str
    window_open: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A message that must leave, as the delivery worker claims it."""

    id: OutboxId
    office_id: str
    account: str
    contact_id: ContactId
    complaint_id: ComplaintId
    message_id: MessageId
    kind: MessageKind
    attempts: int
    address: str
    text: str
    variables: Mapping[str, str]
    window_opened_at: datetime | None
    created_at: datetime
    opted_out: bool = False

    @property
    def reference(self) -> str:
        return f"{self.id}.{self.attempts}"


# --- Complaints ---------------------------------------------------------------------------------------------------


class ComplaintState(StrEnum):
    NEW = "new"  # waits in a queue for somebody to claim it
    IN_PROGRESS = "in_progress"  # claimed
    WAITING_CITIZEN = "waiting_citizen"  # answered; the citizen may come back
    CLOSED = "closed"

    @property
    def is_open(self) -> bool:
        return self is not ComplaintState.CLOSED


class Queue(StrEnum):
    """Where work waits when nobody holds it."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"


class CloseReason(StrEnum):
    RESOLVED = "resolved"
    NOT_OURS = "not_ours"
    NO_REPLY = "no_reply"
    NOT_A_COMPLAINT = "not_a_complaint"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Contact:
    id: ContactId
    office_id: str
    account: str
    name: str | None
    address: str
    last_inbound_at: datetime | None
    opted_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class Complaint:
    """One case and all its messages. `due_at` is its nearest pending deadline, None when nothing is promised now."""

    id: ComplaintId
    office_id: str
    number: Number
    contact_id: ContactId
    account: str
    channel: str
    intake: Intake
    state: ComplaintState
    queue: Queue
    assignee_id: PersonId | None
    preview: str
    received_at: datetime
    due_at: datetime | None
    breached_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    last_message_at: datetime
    previous_id: ComplaintId | None = None
    category: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. `sha256` is None until it was fetched; `state` is pending, stored or refused."""

    id: int
    message_id: MessageId
    name: str | None
    media_type: str
    size: int | None
    sha256: str | None
    state: Literal["pending", "stored", "refused"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the timeline. `text` has its personal numbers masked; `delivery` is None for what came in."""

    id: MessageId
    complaint_id: ComplaintId
    account: str
    kind: MessageKind
    text: str
    created_at: datetime
    sent_at: datetime | None = None
    author: str | None = None
    content: Content = Content.TEXT
    details: Mapping[str, str] = field(default_factory=dict)
    delivery: DeliveryState | None = None
    delivery_error: str | None = None
    outbox_id: OutboxId | None = None
    raw_id: int | None = None
    attachments: tuple[Attachment, ...] = ()


class DeadlineState(StrEnum):
    PENDING = "pending"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class DueWarning:
    """A warning before a deadline: when, and why (`75`, `90` per cent of the time, or `closing`)."""

    at: datetime
    reason: Literal["75", "90", "closing"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A promise of the SOP on one complaint: the due time, the rule it came from, the calendar it was reckoned by.

    `impossible`: no service hour lies between start and due time, so that nobody on duty could keep it.
    """

    clock: str
    started_at: datetime
    due_at: datetime
    warnings: tuple[DueWarning, ...]
    impossible: bool
    rule: str
    calendar: str


# --- People -------------------------------------------------------------------------------------------------------


class Role(StrEnum):
    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Person:
    id: PersonId
    office_id: str
    username: str
    name: str
    role: Role
    is_active: bool = True
    absent_from: datetime | None = None
    absent_until: datetime | None = None

    def is_absent(self, now: datetime) -> bool:
        return (
            self.absent_from is not None
            and self.absent_from <= now
            and (self.absent_until is None or now < self.absent_until)
        )


# --- Alarms -------------------------------------------------------------------------------------------------------


class AlarmKind(StrEnum):
    QUARANTINE = "quarantine"
    ACKNOWLEDGEMENT_FAILED = "acknowledgement_failed"
    ANSWER_FAILED = "answer_failed"
    NOTICE_FAILED = "notice_failed"
    UNCERTAIN = "uncertain"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_UNREACHABLE = "account_unreachable"
    IMPOSSIBLE_DEADLINE = "impossible_deadline"
    DEADLINE_NEAR = "deadline_near"
    BREACHED = "breached"
    MEDIA_FAILED = "media_failed"
    CALENDAR_ENDS = "calendar_ends"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must look at. One open alarm per `key`; repeated raising only counts."""

    id: int
    office_id: str
    kind: AlarmKind
    key: str
    raised_at: datetime
    count: int = 1
    complaint_id: ComplaintId | None = None
    account: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How an account fares. `suspended_at` set: nothing leaves by it until `retry_at`."""

    account: str
    last_outbound_at: datetime | None = None
    suspended_at: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    caught_up_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log: who did what to which chain, and the hash over it and its predecessor (hex)."""

    id: int
    office_id: str
    chain: int
    sequence: int
    at: datetime
    actor: str
    action: str
    facts: Mapping[str, str]
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed: told to open pages after the commit. `topic` is 'complaint', 'alarm' or 'health'."""

    office_id: str
    topic: str
    key: str
