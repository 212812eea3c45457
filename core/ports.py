"""What an edge must offer, and what it is given."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from core import model


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request as it arrived. `target` is path and query, still percent-encoded; header names lower case."""

    account: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Connector(Protocol):
    """What every channel's connector has.

    `identity`, where a connector has it, is how its provider names the account's owner in a `model.Destination`.
    """

    channel: str
    capabilities: model.Capabilities


class Reader(Connector, Protocol):
    """A channel whose raw items can be read: now, and again by `replay`."""

    def parse(self, request: RawRequest) -> Sequence[model.InboundEvent]:
        """Return every item of the request, unknown kinds as placeholders; PayloadError when it cannot be read.

        Pure. It may be called in a thread when the body is large.
        """


class WebhookConnector(Reader, Protocol):
    """A channel whose provider calls us."""

    def verify(self, request: RawRequest) -> None:
        """Raise SignatureError unless the provider made this exact request; never any other error."""

    def reply(self) -> tuple[str, str]:
        """Return content type and body of the 200 that tells the provider nothing but 'received'."""


class Handshake(WebhookConnector, Protocol):
    """A provider that first asks, by GET, whether the webhook is ours."""

    def answer_handshake(self, query: Mapping[str, str]) -> str:
        """Return the plain text to answer with; SignatureError when it does not know our secret."""


Take = Callable[[RawRequest, str | None], Awaitable[None]]


class PollingConnector(Reader, Protocol):
    """A provider that we ask: a mailbox. One process at a time listens to an account."""

    async def listen(self, cursor: str | None, take: Take) -> None:
        """Hand over every item the provider holds after `cursor` and then each as it comes, until cancelled.

        `take(item, cursor)` returns once the item and the cursor (opaque, or None to leave it) are committed; only
        then may the item be marked with the provider. Several may be handed over at once. Raises AccountSuspended for
        refused credentials and TransientSendError for a lost connection; it is then called again, later.
        """


class Original(Protocol):
    """A channel whose raw items are worth more than their text: a mail with its letterhead."""

    def original(self, request: RawRequest) -> "OriginalMessage":
        """Return a raw item as a file to keep, and as safe HTML to look at where it has such a form."""


@dataclass(frozen=True, slots=True)
class OriginalMessage:
    """`html` is sanitised: no script, no style that reaches out, no address that is fetched by showing it."""

    name: str
    media_type: str
    content: bytes
    html: str | None = None


class Form(Connector, Protocol):
    """A channel whose messages are written on our own public page."""

    def parse_form(
        self, fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
    ) -> model.InboundMessage:
        """Return the message of a filled-in form; FormMistakes names every field that is wrong.

        The fields: `text`, and where the citizen wishes `name`, `contact` (phone or e-mail) and `category`; `key` is
        the UUID the page was given out with, `website` a trap that only programs fill in.
        """


class Conversation(Connector, Protocol):
    """A channel whose messages are written and read on our own page, by whoever holds the session.

    `origins` are the sites that may show the page in a frame; `missed_after` is how long an answer may stay unread
    before the citizen is told elsewhere that it is there.
    """

    origins: Sequence[str]
    missed_after: timedelta

    def address(self, session: str) -> str:
        """Return the contact's address of a session (a UUID)."""

    def parse_chat(
        self, session: str, fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
    ) -> model.InboundMessage:
        """Return a message written in a session; FormMistakes names every field that is wrong.

        The fields are those of `Form.parse_form`; of text and files one may be missing. The provider id begins with
        the `key` of the message and a full stop.
        """

    def parse_contact(self, value: str) -> str:
        """Return the telephone number or e-mail address that a citizen leaves; FormMistakes where it is none."""


class Addressing(Protocol):
    """A channel that can write first, to a telephone number or e-mail address that a citizen left elsewhere."""

    def address_of(self, left: str) -> str | None:
        """Return the contact's address on this channel for +62... or an e-mail address; None: it cannot write there."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in when an official writes down what reached the office. `label` and `hint` are shown.

    `kind`: "moment" is a date and time, "date" a date, both local as a browser sends them; "choice" is one of `choices`
    (value, words), "category" the code of one. `part`: of the source, the complainant, or what he says. `kept`: stays
    as it is for the next one of a pile. `only_for`: asked where the field `who` has one of these values alone.
    """

    name: str
    label: str
    kind: Literal["line", "text", "moment", "date", "choice", "category"] = "line"
    part: Literal["source", "who", "what"] = "source"
    required: bool = False
    hint: str = ""
    most: int = 200
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    kept: bool = False
    only_for: tuple[str, ...] = ()


class Recorder(Connector, Protocol):
    """A channel of which officials write down what reached them (`capabilities.is_recorded`).

    Not a Form: what has `parse_form` is offered to the public.
    """

    fields: Sequence[Field]

    def parse_record(self, values: Mapping[str, str], entered_at: datetime) -> model.InboundMessage:
        """Return the message of what was filled in; FormMistakes names every field that is wrong.

        `values` by the names of `fields`, besides `key`, the UUID that the page was given out with. `entered_at` is now
        in the office's zone, which is that of every moment and date. What the message's `details` hold is named as the
        fields are.
        """


class Sender(Connector, Protocol):
    """A channel that can carry our messages."""

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        """Make one attempt of less than a minute; return what was accepted, or raise a SendError.

        What is not mapped is uncertain.
        """


class CatchUp(Protocol):
    """A provider that can list what it holds, so that an outage of ours loses nothing."""

    def catch_up(self, since: datetime) -> AsyncIterator[model.InboundMessage | model.ColleagueAnswer]:
        """Yield every message received by the account since `since`, in any order; TransientSendError on failure."""


class MediaSource(Protocol):
    """A provider that keeps the files of its messages for us to fetch."""

    def fetch(self, file: model.RemoteFile, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield the file in pieces, never more than `max_bytes`; what was yielded before an error is thrown away.

        Not a coroutine: an async generator, commonly that of `connectors.download.Download.stream`. While it is read
        it raises MediaNotReady when the file may come later, MediaRefused when it never will.
        """


class Reachable(Protocol):
    """A provider whose credentials can be tried without sending anything."""

    async def check(self) -> None:
        """Raise AccountSuspended for refused credentials, TransientSendError when it cannot be reached."""


class Examined(Protocol):
    """An account whose standing is looked at once a day: what works today and will not for long."""

    async def examine(self) -> Sequence[str]:
        """Return what its operator must see to (a token that expires, a lost subscription), each with the remedy.

        In Indonesian: the inbox shows it. Raises as `check`.
        """
