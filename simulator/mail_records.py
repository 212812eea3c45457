"""What the stand-in for the mail world remembers."""

import email
import email.policy
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage, Message
from enum import StrEnum
from functools import cached_property
from pathlib import Path


class Stage(StrEnum):
    """Which command of an SMTP session is answered."""

    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    CONTENT = "DATA"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer to give instead of 250, as it stands on the line (`451 4.7.1 Greylisted`)."""

    stage: Stage
    answer: str


@dataclass(slots=True)
class Faults:
    """What goes wrong at one office's provider, until it is set right again or used up.

    `outage`: the server answers every connection with 421. `silent`: that many next mails are taken, and the session
    then hangs without an answer; `dropped`: it is closed instead. `bounces`: that many next mails are accepted and
    come back later as undeliverable. `copies`: how often each mail of a citizen arrives; `held`: it waits for a
    release. `automatic_replies`: the citizens' mailboxes answer everything by machine.
    """

    outage: bool = False
    login_refused: bool = False
    without_tls: bool = False
    refusals: deque[Refusal] = field(default_factory=deque)
    silent: int = 0
    dropped: int = 0
    bounces: int = 0
    copies: int = 1
    held: bool = False
    automatic_replies: bool = False


@dataclass(slots=True)
class Account:
    """A mailbox of the office: what comes to `address` (and `local+anything@domain`) lies in `maildir`."""

    address: str
    username: str
    password: str = field(repr=False)
    maildir: Path
    faults: Faults = field(default_factory=Faults)

    def owns(self, address: str) -> bool:
        local, _, domain = address.rpartition("@")
        return f"{local.partition('+')[0]}@{domain}".lower() == self.address


class Handover(StrEnum):
    """How far a mail got."""

    DELIVERED = "delivered"
    HELD = "held"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class File:
    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass
class Mail:
    """One mail that went through: from whom, to whom by its envelope, and every byte of it."""

    id: int
    sender: str
    recipient: str
    content: bytes = field(repr=False)
    at: datetime
    from_office: bool
    handover: Handover = Handover.DELIVERED

    @cached_property
    def message(self) -> EmailMessage:
        read: Message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        return read

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"] or "").strip()

    @property
    def reply_to(self) -> str:
        """Where an answer goes: the address alone."""
        header = self.message["Reply-To"] or self.message["From"]
        return str(header.addresses[0].addr_spec) if header and header.addresses else self.sender

    @property
    def text(self) -> str:
        """The plain text, as a mail program without pictures and letterhead shows it."""
        part = self.message.get_body(("plain",))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""

    @property
    def html(self) -> str | None:
        part = self.message.get_body(("html",))
        return None if part is None else str(part.get_content())

    @property
    def files(self) -> list[File]:
        return [_file(part) for part in self.message.iter_attachments()]


def _file(part: Message) -> File:
    content = part.get_payload(decode=True)
    return File(
        part.get_filename() or "lampiran", part.get_content_type(), content if isinstance(content, bytes) else b""
    )
