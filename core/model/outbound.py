"""What leaves, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.ids import ComplaintId, ContactId, MessageId, Number, OutboxId
from core.model.channels import Destination


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


class Refusal(StrEnum):
    """Why a message was not delivered, in words that every channel shares; the pages say it in full."""

    NO_SUCH_ADDRESS = "no_such_address"
    UNREACHABLE = "unreachable"
    MAILBOX_FULL = "mailbox_full"
    BLOCKED = "blocked"  # by the recipient
    OPTED_OUT = "opted_out"
    WINDOW_CLOSED = "window_closed"
    CONTENT = "content"
    TOO_LARGE = "too_large"
    GONE = "gone"  # what was to be answered is not there any more
    SPAM = "spam"
    NOT_PERMITTED = "not_permitted"


class MessageKind(StrEnum):
    """Why a message exists. Only ANSWER is a person's substantive reply and stops the response clock."""

    COMPLAINT = "complaint"
    ACKNOWLEDGEMENT = "acknowledgement"
    FURTHER_ACKNOWLEDGEMENT = "further_acknowledgement"
    ANSWER = "answer"
    DELAY_NOTICE = "delay_notice"
    CLOSING_NOTICE = "closing_notice"
    PRIVACY_NOTICE = "privacy_notice"
    MISSED_NOTICE = "missed_notice"  # there is an answer the citizen was not there to read
    HIDING = "hiding"  # no text: the message it answers is hidden from the public
    NOTE = "note"

    @property
    def is_outgoing(self) -> bool:
        return self not in (MessageKind.COMPLAINT, MessageKind.NOTE)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that leaves with an answer."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """The contact's message that one of ours answers: its provider id and details, and when it was written."""

    provider_id: str
    details: Mapping[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One attempt to send. `reference` names outbox entry and attempt, and comes back with receipts.

    `variables` are the values of the text by name, for channels that fill an approved template when the reply
    window is closed (`window_open` is False). `answers` is the contact's message this one answers, his latest where
    nobody chose; `private` asks a public channel to show it to its author alone. Only what is of kind ANSWER was
    written by a person.
    """

    outbox_id: OutboxId
    kind: MessageKind
    address: str
    text: str
    reference: str
    window_open: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    number: Number | None = None
    answers: Answered | None = None
    private: bool = False
    files: tuple[Enclosure, ...] = ()

    @property
    def is_by_person(self) -> bool:
        return self.kind is MessageKind.ANSWER


@dataclass(frozen=True, slots=True)
class Sent:
    """What the provider accepted. `opened`: the contact's address elsewhere, where he can answer what was private.

    `further`: the ids of what was sent besides, where one answer takes several messages.
    """

    provider_id: str
    opened: tuple[Destination, str] | None = None
    further: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A message that must leave, as the delivery worker claims it. `files` are digests in the file store."""

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
    number: Number | None = None
    answers: Answered | None = None
    private: bool = False
    files: tuple[tuple[str, str, str], ...] = ()  # (sha256, name, media type)

    @property
    def reference(self) -> str:
        return f"{self.id}.{self.attempts}"
