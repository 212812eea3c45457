"""What arrives: messages as their channel delivered them, and what else a provider tells us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.ids import Number
from core.model.channels import Destination
from core.model.outbound import DeliveryState, Refusal


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
class InlineFile:
    """A file that came within the message itself; intake stores it before the message. The type is as claimed."""

    content: bytes = field(repr=False)
    media_type: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file already in our store, named by the SHA-256 of its bytes (hex).

    `held`: not to be opened before it was examined for viruses.
    """

    sha256: str
    size: int
    media_type: str
    name: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message as its channel delivered it. `provider_id` is unique per account; `address` is opaque.

    `sent_at` is the provider's own time, None where it gives none. `details` holds the parts of `content` that are
    not text (latitude, label, button text ...) and what an answer needs (the subject of a mail).
    `text` is what the contact wrote now, `quoted` what follows it of earlier messages: kept, and folded on the pages.
    `is_automatic`: written by a machine; stored, never acknowledged.
    `is_doubtful`: its provider says that somebody else may have written it; it joins nothing.
    `replies_to`: provider ids of the messages it answers, the nearest first. `number`: the complaint that it names,
    in its text or by the address it was sent to; it joins that complaint only if its author takes part in it.
    `identity`: the contact beyond this account, proven by the provider (a phone as +62..., an e-mail address); equal
    ones are proposed as one person. `thread`: the public conversation it stands in.
    `destination`: None when it belongs to the account the request came to.
    """

    provider_id: str
    address: str
    text: str = ""
    quoted: str = ""
    sent_at: datetime | None = None
    name: str | None = None
    content: Content = Content.TEXT
    details: Mapping[str, str] = field(default_factory=dict)
    files: tuple[RemoteFile | InlineFile | StoredFile, ...] = ()
    consent: Consent | None = None
    is_automatic: bool = False
    is_doubtful: bool = False
    replies_to: tuple[str, ...] = ()
    number: Number | None = None
    reply_address: str | None = None
    identity: str | None = None
    category: str | None = None
    thread: str | None = None
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """What the provider said of a message of ours. `reference` is what we attached when sending, if it came back."""

    provider_id: str
    state: DeliveryState
    error_code: str | None = None
    reference: str | None = None
    refusal: Refusal | None = None
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """Everything we sent to this address up to `until` has come to `state` (delivered or read)."""

    address: str
    state: DeliveryState
    until: datetime
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A message as its author changed it. One we do not know yet is taken as it stands now."""

    message: InboundMessage

    @property
    def destination(self) -> Destination | None:
        return self.message.destination


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The author took a message back, perhaps before it reached us. It is shown as withdrawn; the record keeps it."""

    provider_id: str
    at: datetime | None = None
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """A sign put to a message, ours or his, by the contact at `address`; None takes it away. It is no message."""

    provider_id: str
    address: str
    sign: str | None
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class ColleagueAnswer:
    """What somebody of the office wrote to the contact past this program: a person's answer like any other."""

    provider_id: str
    address: str
    text: str
    sent_at: datetime | None = None
    files: tuple[RemoteFile, ...] = ()
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One item of a request that cannot be read, as a body of its own that `parse` would take; it is quarantined."""

    body: bytes = field(repr=False)
    reason: str
    destination: Destination | None = None


InboundEvent = (
    InboundMessage | DeliveryReceipt | Watermark | Revision | Withdrawal | Reaction | ColleagueAnswer | Unreadable
)
