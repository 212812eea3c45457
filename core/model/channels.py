"""Channels as the middle of the program knows them: by what they can do."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal


class Intake(StrEnum):
    """How a complaint reached the office; the SOP's limits differ."""

    DIRECT = "langsung"
    INDIRECT = "tidak_langsung"


class TextForm(StrEnum):
    """Which wording a channel carries."""

    SHORT = "short"  # one text message
    CHAT = "chat"
    LETTER = "letter"
    PUBLIC = "public"  # everybody reads it: nothing of the complaint may stand there


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text of one message, counted as the channel counts."""

    count: int
    unit: Literal["characters", "bytes"] = "characters"


@dataclass(frozen=True, slots=True)
class SentFiles:
    """Which files an answer may carry: media types (`image/*` stands for all pictures), how many, how large each."""

    media_types: tuple[str, ...]
    count: int
    bytes_each: int

    def takes(self, media_type: str) -> bool:
        return media_type in self.media_types or f"{media_type.partition('/')[0]}/*" in self.media_types


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do; the middle of the program knows channels by this alone.

    `label` and `mark` are its name and its short mark on the pages. `reply_window` is how long after the
    contact's last message text may be sent (None: always), `human_reply_window` how long what a person wrote may
    (None: no longer than anything); `templates` says that an approved template may be sent after it closed.
    `idempotent_send`: repeating an attempt with the same reference cannot deliver twice.
    `is_public`: everybody can read what is written there; `private_replies`: an answer may be sent to the author
    alone, once for each message and in one piece of at most `max_private_text`; `hiding`: a message there can be
    hidden from the public; `withdrawals`: its author can take it back.
    `answerable`: an answer can be sent by the channel at all. `is_recorded`: nothing arrives by itself, officials write
    down what reached them. `shared_ids`: one message keeps its provider id in every account of the channel it
    reaches. `automatic_per_day`: the most automatic messages to one contact within 24 hours, a guard against loops.
    `presence`: an answer is only read while the citizen is there; what he missed is announced at the address he left.
    """

    label: str
    mark: str
    max_text: Limit
    intake: Intake = Intake.INDIRECT
    text_form: TextForm = TextForm.CHAT
    reply_window: timedelta | None = None
    human_reply_window: timedelta | None = None
    templates: bool = False
    receipts: bool = False
    read_receipts: bool = False
    idempotent_send: bool = False
    is_public: bool = False
    private_replies: bool = False
    max_private_text: Limit | None = None
    hiding: bool = False
    withdrawals: bool = False
    answerable: bool = True
    is_recorded: bool = False
    shared_ids: bool = False
    presence: bool = False
    automatic_per_day: int | None = None
    max_attachment_bytes: int = 16 * 1024 * 1024
    sent_files: SentFiles | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One configured instance of a channel. Webhooks arrive at `/hooks/<name>`."""

    name: str
    channel: str
    office_id: str
    capabilities: Capabilities
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom something was written to, where one request carries what belongs to several accounts of a provider.

    `identity` is the provider's own name for the account's owner (a page's id), as its connector has it.
    """

    channel: str
    identity: str
