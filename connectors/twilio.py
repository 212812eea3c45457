"""An account at Twilio: what WhatsApp and SMS by it have in common, which is all but the wording of a message.

Source: Twilio, "Messages resource", "Messaging webhooks", "Status callbacks".
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from twilio.base.exceptions import TwilioException

from connectors import twilio_errors, twilio_forms, twilio_media
from core import errors, model, ports

if TYPE_CHECKING:
    from twilio.rest import Client

    from connectors.twilio_http import HttpClient

_PAGE_SIZE = 200
_SECRET = Annotated[SecretStr, Field(min_length=1)]
# What the vendor's code raises on an answer of another shape than it was made for.
_MISSHAPEN = (TwilioException, AttributeError, LookupError, TypeError, ValueError)
_FAILED = (twilio_errors.RefusedError, twilio_errors.NotSentError, twilio_errors.NoAnswerError)

Content = Callable[[model.OutboundMessage], Mapping[str, str]]


class Settings(BaseModel):
    """One account in the configuration.

    `auth_tokens`: one, or two while the second replaces the first; each proves webhooks, the first sends unless an
    API key is given. `sender`: number or sender id; `messaging_service_sid`: a pool of them; at least one of both.
    `base_url`: where the API is reached (a proxy or stand-in). `media_hosts`: hosts allowed for files besides
    Twilio's own, `*.` for all names below one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_tokens: Annotated[tuple[_SECRET, ...], Field(min_length=1, max_length=2)]
    api_key_sid: Annotated[str | None, Field(pattern=r"^SK[0-9a-fA-F]{32}$")] = None
    api_key_secret: _SECRET | None = None
    sender: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    messaging_service_sid: Annotated[str | None, Field(pattern=r"^MG[0-9a-fA-F]{32}$")] = None
    base_url: str = "https://api.twilio.com"
    media_hosts: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ("BERHENTI", "STOP")
    start_words: tuple[str, ...] = ("MULAI", "START")
    validity_period_seconds: Annotated[int, Field(ge=1, le=36_000)] = 14_400
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    media_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http(s) address without query")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.sender is None and self.messaging_service_sid is None:
            raise ValueError("sender or messaging_service_sid is needed")
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("api_key_sid and api_key_secret belong together")
        return self

    @property
    def credentials(self) -> tuple[str, str]:
        """User name and password for the API."""
        if self.api_key_sid is not None and self.api_key_secret is not None:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        return self.account_sid, self.auth_tokens[0].get_secret_value()


class Connector:
    """A channel by one Twilio account: core.ports' WebhookConnector, Sender, CatchUp, MediaSource and Reachable.

    `scheme` is how the channel's addresses begin (`whatsapp:`, or nothing); `content` gives the part of a create that
    the channel words, and may raise ReplyWindowClosed. `may_write_first`: also to who has not written to us by it.
    """

    def __init__(
        self,
        channel: str,
        capabilities: model.Capabilities,
        account_name: str,
        settings: Settings,
        public_url: str,
        *,
        scheme: str,
        content: Content,
        may_write_first: bool = True,
    ) -> None:
        self.channel = channel
        self.capabilities = capabilities
        self._settings = settings
        self._scheme = scheme
        self._content = content
        self._may_write_first = may_write_first
        self._status_url = f"{public_url.rstrip('/')}/hooks/{account_name}/status?ob="
        tokens = [token.get_secret_value() for token in settings.auth_tokens]
        self._signatures = twilio_forms.Signatures(tokens, settings.account_sid, public_url)
        self._words = twilio_forms.Words(settings.stop_words, settings.start_words)
        self._media = twilio_media.source(
            settings.account_sid,
            settings.credentials,
            settings.base_url,
            settings.media_hosts,
            settings.media_timeout_seconds,
        )
        self._transport: HttpClient | None = None
        self._opened: Client | None = None

    def verify(self, request: ports.RawRequest) -> None:
        """Raise SignatureError unless Twilio signed this exact address and form for our account."""
        self._signatures.verify(request)

    def parse(self, request: ports.RawRequest) -> Sequence[model.InboundEvent]:
        """Return the one message or receipt of the request; PayloadError when a required field is missing."""
        return [twilio_forms.read_event(request.target, twilio_forms.read_form(request.body), self._words)]

    def reply(self) -> tuple[str, str]:
        """Return empty TwiML: any plain text would be sent to the citizen as a message."""
        return "text/xml", '<?xml version="1.0" encoding="UTF-8"?><Response/>'

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        """Return Twilio's message SID; raise a SendError when it was not, or may not have been, accepted."""
        parameters: dict[str, Any] = dict(self._content(message))
        if self._settings.messaging_service_sid is not None:
            parameters["messaging_service_sid"] = self._settings.messaging_service_sid
        if self._settings.sender is not None:
            parameters["from_"] = self._settings.sender
        try:
            sent = await self._client().messages.create_async(
                to=message.address,
                status_callback=self._status_url + quote(message.reference, safe=""),
                validity_period=self._settings.validity_period_seconds,
                **parameters,
            )
        except _FAILED as error:
            raise twilio_errors.of_sending(error) from error
        except _MISSHAPEN as error:
            raise errors.UncertainSendError("Twilio's answer cannot be read") from error
        if not isinstance(sent.sid, str) or not sent.sid:
            raise errors.UncertainSendError("Twilio's answer names no message")
        return model.Sent(sent.sid)

    def address_of(self, left: str) -> str | None:
        """Return the address of a telephone number (+62...) left elsewhere, None for anything else."""
        return self._scheme + left if self._may_write_first and left.startswith("+") else None

    async def catch_up(self, since: datetime) -> AsyncIterator[model.InboundMessage]:
        """Yield every message received since `since` (aware UTC); TransientSendError on failure.

        The list says less than a webhook: no name, place or pressed button.
        """
        settings = self._settings
        # A sender's own messages; of a service's many senders, all that the account received.
        only: dict[str, Any] = {}
        if settings.sender is not None and settings.messaging_service_sid is None:
            only["to"] = settings.sender
        try:
            records = await self._client().messages.stream_async(date_sent_after=since, page_size=_PAGE_SIZE, **only)
            async for record in records:
                if self._is_ours(record):
                    yield await self._listed(record)
        except _FAILED as error:
            raise twilio_errors.of_reading(error) from error
        except (*_MISSHAPEN, errors.PayloadError) as error:
            raise errors.TransientSendError("Twilio's answer cannot be read") from error

    def fetch(self, file: model.RemoteFile, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield the file; MediaNotReady when it may come later, MediaRefused when it never will."""
        return self._media.stream(file.url, max_bytes)

    async def check(self) -> None:
        """Raise AccountSuspended for refused credentials or a closed account, TransientSendError out of reach."""
        client = self._client()
        try:
            if self._settings.api_key_sid is not None:  # a standard API key may not read the account itself
                await client.messages.list_async(limit=1, page_size=1)
                return
            account = await client.api.accounts(self._settings.account_sid).fetch_async()
        except _FAILED as error:
            raise twilio_errors.of_checking(error) from error
        except _MISSHAPEN as error:
            raise errors.TransientSendError("Twilio's answer cannot be read") from error
        if str(account.status) in ("suspended", "closed"):
            raise errors.AccountSuspended(f"the account is {account.status}")

    async def close(self) -> None:
        """End all connections; call in the loop that used the connector."""
        await self._media.close()
        if self._transport is not None:
            await self._transport.close()

    def _client(self) -> "Client":
        if self._opened is None:
            # Loaded with the first request: see there.
            from connectors import twilio_http  # noqa: PLC0415

            settings = self._settings
            self._transport = twilio_http.HttpClient(settings.base_url, settings.timeout_seconds)
            self._opened = twilio_http.connect(settings.account_sid, settings.credentials, self._transport)
        return self._opened

    def _is_ours(self, record: Any) -> bool:
        """Whether a listed message came in by this channel and account: without `to`, all of them are listed."""
        sender = record.from_ or ""
        on_channel = sender.startswith(self._scheme) if self._scheme else ":" not in sender
        return (
            record.direction == "inbound"
            and on_channel
            and (
                record.to == self._settings.sender
                or record.messaging_service_sid in (None, self._settings.messaging_service_sid)
            )
        )

    async def _listed(self, record: Any) -> model.InboundMessage:
        """Return a listed message by way of the fields its webhook had."""
        fields = {"MessageSid": record.sid, "From": record.from_, "Body": record.body or ""}
        if record.num_media not in (None, "", "0"):
            fields["NumMedia"] = str(record.num_media)
            for number, file in enumerate(await self._listed_files(record.sid)):
                fields[f"MediaUrl{number}"] = self._settings.base_url + file.uri.removesuffix(".json")
                fields[f"MediaContentType{number}"] = file.content_type or ""
        sent_at = record.date_sent or record.date_created
        return replace(
            twilio_forms.read_message(fields, self._words),
            sent_at=sent_at if isinstance(sent_at, datetime) else None,
        )

    async def _listed_files(self, sid: str) -> Sequence[Any]:
        try:
            return list(await self._client().messages(sid).media.list_async())
        except twilio_errors.RefusedError as error:
            if error.status == 404:  # deleted meanwhile: the message itself must not be lost
                return ()
            raise
