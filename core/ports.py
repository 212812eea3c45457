"""What an edge must offer, and what it is given."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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
    """What every channel's connector has."""

    channel: str
    capabilities: model.Capabilities


class WebhookConnector(Connector, Protocol):
    """A channel whose provider calls us."""

    def verify(self, request: RawRequest) -> None:
        """Raise SignatureError unless the provider made this exact request; never any other error."""

    def parse(self, request: RawRequest) -> Sequence[model.InboundEvent]:
        """Return every item of the request, unknown kinds as placeholders; PayloadError when it cannot be read."""

    def reply(self) -> tuple[str, str]:
        """Return content type and body of the 200 that tells the provider nothing but 'received'."""


class Form(Connector, Protocol):
    """A channel whose messages are written on our own public page."""

    def parse_form(
        self, fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
    ) -> model.InboundMessage:
        """Return the message of a filled-in form; FormMistakes names every field that is wrong.

        The fields: `text`, and where the citizen wishes `name`, `contact` (phone or e-mail) and `category`; `key` is
        the UUID the page was given out with, `website` a trap that only programs fill in.
        """


class Sender(Connector, Protocol):
    """A channel that can carry our messages."""

    async def send(self, message: model.OutboundMessage) -> str:
        """Make one attempt of less than a minute; return the provider's id, or raise a SendError.

        What is not mapped is uncertain.
        """


class CatchUp(Protocol):
    """A provider that can list what it holds, so that an outage of ours loses nothing."""

    def catch_up(self, since: datetime) -> AsyncIterator[model.InboundMessage]:
        """Yield every message received by the account since `since`, in any order; TransientSendError on failure."""


class MediaSource(Protocol):
    """A provider that keeps the files of its messages for us to fetch."""

    async def fetch(self, file: model.RemoteFile, max_bytes: int) -> bytes:
        """Return the file; MediaNotReady when it may come later, MediaRefused when it never will."""


class Reachable(Protocol):
    """A provider whose credentials can be tried without sending anything."""

    async def check(self) -> None:
        """Raise AccountSuspended for refused credentials, TransientSendError when it cannot be reached."""
