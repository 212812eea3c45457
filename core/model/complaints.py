"""A complaint and its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from core.ids import CitizenId, ComplaintId, ContactId, MessageId, Number, OutboxId, PersonId
from core.model.channels import Intake
from core.model.inbound import Content
from core.model.outbound import DeliveryState, MessageKind


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
    """A citizen at one opaque address on one account; `citizen_id` is shared by the contacts of one person."""

    id: ContactId
    office_id: str
    account: str
    name: str | None
    address: str
    last_inbound_at: datetime | None
    opted_out_at: datetime | None
    citizen_id: CitizenId | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """One case and all its messages. `due_at` is its nearest pending deadline, None when nothing is promised now.

    `account` and `contact_id` are where it began, `reply_account` and `reply_contact_id` where its citizen wrote last:
    answers go there.
    """

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
    reply_account: str
    reply_contact_id: ContactId
    previous_id: ComplaintId | None = None
    category: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. Only what is stored may be opened.

    Pending is what is still to be fetched and, with a `sha256`, what is here and still to be examined for viruses.
    `reason` says why it is refused or waits; of a refused one only the name is left.
    """

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
    """One entry of the timeline. `text` has its personal numbers masked; `delivery` is None for what came in.

    `quoted_from` is where in `text` begins what was written earlier and only repeated. `withdrawn_at`: its author took
    it back. `private`: of a public channel, but shown to its author alone. `provider_id` is the channel's name for it.
    """

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
    delivery_error: str | None = None  # a Refusal, where the connector knew one
    outbox_id: OutboxId | None = None
    raw_id: int | None = None
    attachments: tuple[Attachment, ...] = ()
    contact_id: ContactId | None = None
    provider_id: str | None = None
    quoted_from: int | None = None
    withdrawn_at: datetime | None = None
    private: bool = False


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
