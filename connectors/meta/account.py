"""An account at Meta: what Messenger, Instagram and the comments on both have in common.

Meta calls one address for everything of an app, so any of its accounts can be the one whose webhook is entered there:
each reads the whole of a batch, and every event says to which account it belongs.

Source: Meta, "Webhooks: getting started", "Send API" (Messenger Platform), "Instagram Platform".
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors import download
from connectors.meta import attachments, batches, client, listing, signature, standing
from core import clock, model, ports

_SECRET = Annotated[SecretStr, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]

Send = Callable[[client.GraphTransport, model.OutboundMessage], Awaitable[model.Sent]]
Listed = AsyncIterator[listing.Listed]
Listing = Callable[[listing.Source, datetime], Listed]


class Settings(BaseModel):
    """What every account at Meta has.

    `app_secrets`: the first makes our requests, each proves webhooks: a second replaces the first, and an app of
    Instagram login has a secret of its own. `verify_token` is entered with the webhook's address. `base_url`: where the
    API is reached (a proxy or stand-in). `media_hosts`: hosts allowed for files besides Meta's, `*.` for all names
    below one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: Id
    app_secrets: Annotated[tuple[_SECRET, ...], Field(min_length=1, max_length=4)]
    verify_token: _SECRET
    access_token: _SECRET
    version: Annotated[str, Field(pattern=r"^v[0-9]{1,3}\.[0-9]$")] = client.VERSION
    base_url: str | None = None
    media_hosts: tuple[str, ...] = ()
    timeout_seconds: Annotated[float, Field(gt=0, le=40)] = 20
    media_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http(s) address without query")
        return value.rstrip("/")


class PageSettings(Settings):
    """A Facebook page; the token is the page's."""

    page_id: Id


@dataclass(frozen=True, slots=True)
class Standing:
    """What is looked at once a day: the token's `permissions` and the webhook's `fields`.

    `named_by` is the field in which the API names the token's owner, empty where that is the page beside the account.
    `expires_on`: the end of a token of Instagram login, which no API tells; `has_debugger` is False for such a one.
    """

    permissions: Sequence[str]
    fields: Sequence[str]
    named_by: str = "id"
    has_debugger: bool = True
    expires_on: date | None = None


class Connector:
    """A channel by one account at Meta: core.ports' Handshake, Sender, CatchUp, MediaSource, Reachable and Examined.

    `identity` is the page's or Instagram account's id; `base_url` where its API is, unless the settings say.
    """

    def __init__(
        self,
        channel: str,
        capabilities: model.Capabilities,
        identity: str,
        settings: Settings,
        *,
        send: Send,
        listed: Listing,
        stands: Standing,
        base_url: str = client.FACEBOOK,
        now: clock.Clock | None = None,
    ) -> None:
        self.channel = channel
        self.capabilities = capabilities
        self.identity = identity
        self._settings = settings
        self._send = send
        self._listed = listed
        self._stands = stands
        self._clock = now or clock.SystemClock()
        secrets = [secret.get_secret_value() for secret in settings.app_secrets]
        self.base_url = settings.base_url or base_url
        self._signatures = signature.Signatures(secrets, settings.verify_token.get_secret_value())
        self._token = settings.access_token.get_secret_value()
        self._graph = client.Client(
            self._token,
            app_id=settings.app_id,
            app_secret=secrets[0],
            base_url=self.base_url,
            version=settings.version,
            timeout_seconds=settings.timeout_seconds,
        )
        hosts = (*attachments.HOSTS, *settings.media_hosts)
        self._files = download.Download(self.base_url, hosts, settings.media_timeout_seconds)

    def verify(self, request: ports.RawRequest) -> None:
        """Raise SignatureError unless Meta signed exactly this body for one of our apps."""
        self._signatures.verify(request)

    def answer_handshake(self, query: Mapping[str, str]) -> str:
        """Return the challenge of Meta's question whether the webhook is ours; SignatureError for anybody else's."""
        return self._signatures.answer_handshake(query)

    def parse(self, request: ports.RawRequest) -> Sequence[model.InboundEvent]:
        """Return every event of the batch but what payload.Ignored names; PayloadError when it is no batch."""
        return self._read(batches.load(request.body))

    def reply(self) -> tuple[str, str]:
        return "text/plain", "EVENT_RECEIVED"

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        """Return what Meta accepted; raise a SendError when it was not, or may not have been, accepted."""
        return await self._send(self._graph, message)

    def catch_up(self, since: datetime) -> AsyncIterator[model.InboundMessage | model.ColleagueAnswer]:
        """Yield what Meta holds since `since` (aware UTC), our own messages too; TransientSendError on failure."""
        return self._listed(listing.Source(self._graph, self.identity, self._read), since)

    def fetch(self, file: model.RemoteFile, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield the file in pieces; MediaNotReady when it may come later, MediaRefused when it never will."""
        return self._files.stream(file.url, max_bytes)

    async def check(self) -> None:
        """Raise AccountSuspended for a refused token or that of another account, TransientSendError out of reach."""
        await standing.check(self._graph, self.identity, field=self._stands.named_by)

    async def examine(self) -> Sequence[str]:
        """Return what is to be seen to: a token that ends, missing permissions, a lost subscription."""
        now, stands = self._clock.now(), self._stands
        if stands.has_debugger:
            app_id = self._settings.app_id
            of_token = await standing.examine_token(self._graph, self._token, app_id, stands.permissions, now)
        else:
            of_token = standing.examine_expiry(stands.expires_on, now)
        return [*of_token, *await standing.examine_subscription(self._graph, self._settings.app_id, stands.fields)]

    async def close(self) -> None:
        """End all connections; call in the loop that used the connector."""
        await self._graph.close()
        await self._files.close()

    def _read(self, batch: Mapping[str, object]) -> list[model.InboundEvent]:
        return batches.read(batch, self._settings.app_id)
