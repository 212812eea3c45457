"""E-mail: read from a mailbox (IMAP, or a Maildir of the office's own server), answered as letters by SMTP.

Decisions:

- **No idempotent send.** The Message-ID is the same at every attempt, and many receivers drop the second copy; not all
  do. What may have been taken (silence after the content) is uncertain, and a bounce may still clear it up.
- **The envelope sender is never empty**, not even of what a machine writes: RFC 3834 section 3.3 allows an address that
  handles bounces, and an acknowledgement that could not be delivered must come back. Bounces start no loop: they are
  stored, and never answered.
- **Answers go to the author**, in From, rather than to his Reply-To: only the former was vouched for.
- **A recipient of ours is one address.** No mail has a second one, in Cc or Bcc neither.

Source: the modules beside this one.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.mail import handover, imap, letter, maildir, reading, smtp, texts, tokens
from core import clock, model, ports

CHANNEL = "email"
_MIB = 1024 * 1024
CAPABILITIES = model.Capabilities(
    label="E-mail",
    mark="EM",
    max_text=model.Limit(100_000),
    text_form=model.TextForm.LETTER,
    receipts=True,
    shared_ids=True,
    automatic_per_day=5,
    max_attachment_bytes=25 * _MIB,
    sent_files=model.SentFiles(
        media_types=(
            "image/*",
            "application/pdf",
            "text/plain",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.spreadsheet",
        ),
        count=10,
        bytes_each=10 * _MIB,
    ),
)
_MAX_LOCAL = 64  # characters before the @ (RFC 5321 section 4.5.3.1.1)
_ADDRESS = re.compile(
    r"[A-Za-z0-9._%\-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9\-]{2,63}"
)


def _mailbox(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or len(value) > 254:
        raise ValueError("must be an e-mail address, without a + in it")
    return value.lower()


_Address = Annotated[str, AfterValidator(_mailbox)]
_Imap = imap.Settings  # within the class below its keys hide the modules
_Maildir = maildir.Settings


class Settings(BaseModel):
    """A mailbox of the office.

    `address`: what stands in From; its domain's SPF and DKIM must cover the `smtp` server. `display_name`: left out,
    the office's name. `aliases`: other addresses whose mails arrive in this mailbox. `thread_secret`: proves that an
    answer belongs to a complaint; answers to mails sent under another one are known by author and number alone.
    `imap` or `maildir`: where mails are read. `plus_addressing`: the server delivers `local+anything@domain` to the
    mailbox. `hourly_limit`: the most mails within an hour. `authserv_id`: how the office's own mail server names itself
    in Authentication-Results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: _Address
    thread_secret: Annotated[SecretStr, Field(min_length=32)]
    smtp: smtp.Settings
    imap: _Imap | None = None
    maildir: _Maildir | None = None
    display_name: Annotated[str | None, Field(min_length=1, max_length=120)] = None
    aliases: tuple[_Address, ...] = ()
    plus_addressing: bool = True
    hourly_limit: Annotated[int | None, Field(ge=1, le=100_000)] = None
    authserv_id: Annotated[str | None, Field(min_length=1, max_length=253)] = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.imap is None) == (self.maildir is None):
            raise ValueError("imap or maildir is needed, and not both")
        return self


class Connector:
    """One mailbox: core.ports' PollingConnector, Original, Sender, Addressing, Reachable and Examined."""

    channel = CHANNEL
    capabilities = CAPABILITIES

    def __init__(self, account_name: str, settings: Settings, public_url: str, now: clock.Clock) -> None:
        self._settings = settings
        self._clock = now
        self._domain = settings.address.rpartition("@")[2]
        self._key = settings.thread_secret.get_secret_value().encode()
        self._instance = f"{urlsplit(public_url).hostname or 'aduan'}/{account_name}"
        self._known = reading.Known(
            addresses=frozenset({settings.address, *settings.aliases}),
            thread_key=self._key,
            instance=self._instance,
            authserv_id=settings.authserv_id,
        )
        self._source: imap.Mailbox | maildir.Maildir
        if settings.imap is not None:
            self._source = imap.Mailbox(account_name, settings.imap, now)
        elif settings.maildir is not None:
            self._source = maildir.Maildir(account_name, settings.maildir, now)
        self._sender = smtp.Sender(settings.smtp, self._domain, settings.hourly_limit)

    async def listen(self, cursor: str | None, take: ports.Take) -> None:
        """Hand over every mail after `cursor`, then each as it comes. See core.ports.PollingConnector."""
        await self._source.listen(cursor, take)

    def parse(self, request: ports.RawRequest) -> Sequence[model.InboundEvent]:
        """Return the message or receipt of one mail; never fails.

        What lay in the mailbox long before us counts as automatic: nobody waits for an acknowledgement of it. `size` in
        `details` is that of a mail of which only the beginning was fetched, in bytes.
        """
        events = reading.read(request.body, self._known, request.received_at)
        return [_with_handover(event, request) for event in events]

    def original(self, request: ports.RawRequest) -> ports.OriginalMessage:
        """Return the mail as a file, and safe HTML where it has any."""
        return reading.original(request.body)

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        """Return the Message-ID once the server has taken the mail; raise a SendError otherwise."""
        message_id = tokens.message_id(message.outbox_id, message.number, self._key, self._domain)
        await self._sender.send(letter.build(message, self._route(message, message_id), self._clock.now()))
        return model.Sent(message_id)

    def address_of(self, left: str) -> str | None:
        """Return an e-mail address that a citizen left elsewhere, as mails from it name it; None for anything else."""
        local, _, domain = left.strip().rpartition("@")
        address = f"{local}@{domain.rstrip('.').lower()}"
        return address if letter.mailbox(address) is not None else None

    async def check(self) -> None:
        """Sign in to both servers; AccountSuspended for refused credentials, TransientSendError out of reach."""
        await self._sender.check()
        await self._source.check()

    async def examine(self) -> Sequence[str]:
        """Return what its operator must see to: mails in the folder that may not be read."""
        await self.check()
        if isinstance(self._source, maildir.Maildir) and self._source.unreadable_count:
            return [texts.UNREADABLE.format(jumlah=self._source.unreadable_count)]
        return []

    async def close(self) -> None:
        """End all connections; call in the loop that used the connector."""
        await self._sender.close()

    def _route(self, message: model.OutboundMessage, message_id: str) -> letter.Route:
        address, reply_to, return_path = self._settings.address, None, self._settings.address
        if self._settings.plus_addressing:
            return_path = self._if_it_fits(tokens.bounce_address(address, message_id))
            if message.number is not None:
                reply_to = self._if_it_fits(tokens.reply_address(address, message.number, self._key))
        name = self._settings.display_name or message.variables.get("dinas")
        return letter.Route(address, name, message_id, reply_to, return_path, self._instance)

    def _if_it_fits(self, address: str) -> str:
        """Return an address with a token, or the plain one where the token makes it longer than addresses may be."""
        return address if len(address.rpartition("@")[0]) <= _MAX_LOCAL else self._settings.address


def create(account_name: str, settings: Settings, public_url: str) -> Connector:
    """Return the connector of one account; `public_url` names this deployment in mails."""
    return Connector(account_name, settings, public_url, clock.SystemClock())


def _with_handover(event: model.InboundEvent, request: ports.RawRequest) -> model.InboundEvent:
    if not isinstance(event, model.InboundMessage):
        return event
    if (size := request.headers.get(handover.TRUNCATED)) is not None:
        event = replace(event, details={**event.details, "text_cut": "1", "size": size})
    return replace(event, is_automatic=True) if handover.BACKFILL in request.headers else event
