"""What the stand-in for Twilio remembers, and how Twilio's API shows it.

Source: Twilio, "Messages resource" and "Media subresource" (API 2010-04-01), as read by its client library.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

API_VERSION = "2010-04-01"
ROOT = f"/{API_VERSION}/Accounts"
WHATSAPP = "whatsapp:"

_RANK = {"accepted": 0, "queued": 1, "sent": 2, "failed": 3, "undelivered": 3, "delivered": 4, "read": 5}


class Outage(StrEnum):
    """How the API fails while the provider is down."""

    NONE = "none"
    DROPPED = "dropped"  # the connection closes without an answer
    UNAVAILABLE = "unavailable"  # 503


class LostAnswer(StrEnum):
    """How the answer to a create gets lost."""

    SILENT = "silent"  # the request hangs until the client gives up
    DROPPED = "dropped"  # the connection closes


@dataclass(frozen=True, slots=True)
class Refusal:
    """One create to refuse; `status` None: it is accepted, and fails in the status callback. Seconds to wait."""

    code: int
    status: int | None
    retry_after: int | None = None


@dataclass(slots=True)
class Faults:
    """What goes wrong on one account, until it is set right again or used up.

    `statuses` are the callbacks of a message in the order they are sent; `statuses_early` sends them before the
    answer to the create. `reads_at_once`: a WhatsApp message is read as soon as it is delivered. `media_misses`
    counts down. `webhooks_suspended`: what arrives is only listed. `webhooks_held`: it waits for a release.
    """

    outage: Outage = Outage.NONE
    refusals: deque[Refusal] = field(default_factory=deque)
    lost_answers: deque[tuple[LostAnswer, bool]] = field(default_factory=deque)
    webhook_copies: int = 1
    webhooks_held: bool = False
    webhooks_suspended: bool = False
    statuses: Sequence[str] = ("queued", "sent", "delivered")
    statuses_early: bool = False
    reads_at_once: bool = False
    media_misses: int = 0
    window_closed: bool = False

    def lose_answer(self, how: LostAnswer, count: int = 1, *, accepted: bool = True) -> None:
        """Never answer the next `count` creates; `accepted` says whether their messages are sent all the same."""
        self.lost_answers.extend([(how, accepted)] * count)


@dataclass(frozen=True, slots=True)
class Line:
    """Where messages to one sender of the office are announced."""

    webhook_url: str
    status_url: str | None
    messaging_service_sid: str | None


@dataclass(slots=True)
class Account:
    """One Twilio account. `lines` by sender (`+62...` or `whatsapp:+62...`), `templates` are texts by content SID.

    `auth_token` may be changed to rotate it; webhooks are signed with the one set. `last_inbound` and `opted_out`
    know pairs of sender and citizen.
    """

    sid: str
    auth_token: str
    created_at: datetime
    lines: dict[str, Line] = field(default_factory=dict)
    api_keys: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    last_inbound: dict[tuple[str, str], datetime] = field(default_factory=dict)
    opted_out: set[tuple[str, str]] = field(default_factory=set)

    def senders_of(self, messaging_service_sid: str) -> list[str]:
        return [sender for sender, line in self.lines.items() if line.messaging_service_sid == messaging_service_sid]

    def accepts(self, username: str, password: str) -> bool:
        return (username, password) == (self.sid, self.auth_token) or self.api_keys.get(username) == password


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees; the label and address a citizen's phone adds, empty where it adds none."""

    latitude: float
    longitude: float
    label: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    sid: str
    content_type: str
    content: bytes
    created_at: datetime


class Handover(StrEnum):
    """How far a citizen's message got to the office."""

    PENDING = "pending"
    DONE = "done"  # the webhook was answered 2xx
    FAILED = "failed"
    HELD = "held"
    SUSPENDED = "suspended"


@dataclass(slots=True)
class Message:
    """One message in either direction. `fields` are the webhook's parameters besides the ones every message has."""

    sid: str
    account_sid: str
    direction: str
    sender: str
    recipient: str
    body: str
    status: str
    segments: int
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    content_sid: str | None = None
    media: list[Media] = field(default_factory=list)
    media_urls: tuple[str, ...] = ()
    failure: int | None = None  # the code it is going to fail with
    error_code: int | None = None
    error_message: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    location: Location | None = None
    handover: Handover = Handover.PENDING
    reporting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def is_whatsapp(self) -> bool:
        return self.recipient.startswith(WHATSAPP)

    @property
    def media_bytes(self) -> int:
        return sum(len(media.content) for media in self.media)

    @property
    def has_reached_phone(self) -> bool:
        return self.status in ("delivered", "read")

    @property
    def has_failed(self) -> bool:
        return self.status in ("failed", "undelivered")

    def advance(self, status: str, now: datetime) -> None:
        """Move on to `status`; never back, whatever order the callbacks are sent in."""
        if _RANK[status] > _RANK[self.status]:
            self.status = status
            self.updated_at = now
            if status == "sent" or (self.sent_at is None and _RANK[status] > _RANK["sent"]):
                self.sent_at = now


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, as it was answered; `status` None: it was not."""

    at: datetime
    account_sid: str
    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    status: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of ours to a webhook; `status` None: no answer within the time, `error` says why."""

    at: datetime
    message_sid: str
    url: str
    params: Mapping[str, str]
    status: int | None
    content_type: str = ""
    body: str = ""
    error: str | None = None

    @property
    def message_status(self) -> str | None:
        """The state a status callback tells; None for an incoming message."""
        return self.params.get("MessageStatus")


def message_uri(message: Message) -> str:
    return f"{ROOT}/{message.account_sid}/Messages/{message.sid}"


def message_json(message: Message) -> dict[str, Any]:
    uri = message_uri(message)
    unassigned = message.status == "accepted"  # a Messaging Service picks the sender after it has answered
    return {
        "account_sid": message.account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": format_datetime(message.created_at),
        "date_sent": format_datetime(message.sent_at) if message.sent_at else None,
        "date_updated": format_datetime(message.updated_at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": message.error_message,
        "from": None if unassigned else message.sender,
        "messaging_service_sid": message.messaging_service_sid,
        "num_media": str(len(message.media) + len(message.media_urls)),
        "num_segments": "0" if unassigned else str(message.segments),
        "price": None,
        "price_unit": None if message.is_inbound else "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json", "feedback": f"{uri}/Feedback.json"},
        "to": message.recipient,
        "uri": f"{uri}.json",
    }


def media_json(message: Message, media: Media) -> dict[str, Any]:
    return {
        "account_sid": message.account_sid,
        "content_type": media.content_type,
        "date_created": format_datetime(media.created_at),
        "date_updated": format_datetime(media.created_at),
        "parent_sid": message.sid,
        "sid": media.sid,
        "uri": f"{message_uri(message)}/Media/{media.sid}.json",
    }


def account_json(account: Account) -> dict[str, Any]:
    uri = f"{ROOT}/{account.sid}"
    return {
        "auth_token": account.auth_token,
        "date_created": format_datetime(account.created_at),
        "date_updated": format_datetime(account.created_at),
        "friendly_name": account.sid,
        "owner_account_sid": account.sid,
        "sid": account.sid,
        "status": "active",
        "subresource_uris": {"messages": f"{uri}/Messages.json"},
        "type": "Full",
        "uri": f"{uri}.json",
    }
