"""A mailbox at an IMAP server: its settings, its connection, and listening to it.

Source: RFC 3501, RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE), RFC 5530 (response codes).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.mail import fetching, oauth, smtp, threads
from core import clock, ports

if TYPE_CHECKING:
    from connectors.mail import sessions

_Access = oauth.Settings  # within the class below its key hides the module
_FOLDER = Annotated[str, Field(min_length=1, max_length=255)]


class Settings(BaseModel):
    """A mailbox.

    `security`: "tls" (from the first byte), "starttls" (required: no password without it), "none" for a server on
    this machine. `port`: left out, the usual one. `ca_file`: certificates to trust instead of the system's.
    `password` or `oauth` to sign in as `username`; `oauth_mechanism` as the provider wants it.
    Mails taken from `folder` are moved to `processed_folder`, where one is named, or marked with `keyword`; a server
    that allows neither is left as it is. `poll_seconds`: how often a server is asked that cannot wake us, and the
    longest that one which can is trusted. `max_bytes`: of a larger mail only the beginning is fetched.
    `first_fetch_days`: how far back the first look goes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:\-]+$")]
    port: Annotated[int | None, Field(ge=1, le=65_535)] = None
    security: Literal["tls", "starttls", "none"] = "tls"
    ca_file: Path | None = None
    username: Annotated[str, Field(min_length=1, max_length=254)]
    password: Annotated[SecretStr | None, Field(min_length=1)] = None
    oauth: _Access | None = None
    oauth_mechanism: Literal["XOAUTH2", "OAUTHBEARER"] = "XOAUTH2"
    folder: _FOLDER = "INBOX"
    processed_folder: _FOLDER | None = None
    keyword: Annotated[str, Field(pattern=r"^[A-Za-z0-9$_.\-]{1,64}$")] = "$Aduan"
    poll_seconds: Annotated[float, Field(gt=0, le=600)] = 60
    max_bytes: Annotated[int, Field(ge=512 * 1024, le=200 * 1024 * 1024)] = 35 * 1024 * 1024
    first_fetch_days: Annotated[int, Field(ge=1, le=3650)] = 14

    @field_validator("ca_file")
    @classmethod
    def _from_its_directory(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base = info.context.get("base") if isinstance(info.context, dict) else None
        return base / value if base is not None and value is not None else value

    @model_validator(mode="after")
    def _is_safe_and_complete(self) -> Self:
        if self.security == "none" and not smtp.is_loopback(self.host):
            raise ValueError('security "none" is for a server on this machine only')
        if (self.password is None) == (self.oauth is None):
            raise ValueError("password or oauth is needed, not both")
        if self.processed_folder == self.folder:
            raise ValueError("processed_folder must be another folder")
        return self


class Mailbox:
    """The mailbox of one account; `listen` and `check` are those of core.ports."""

    def __init__(self, account: str, settings: Settings, now: clock.Clock | None = None) -> None:
        self._account = account
        self._settings = settings
        self._clock = now or clock.SystemClock()
        self._tokens = None if settings.oauth is None else oauth.Tokens(settings.oauth)

    async def listen(self, cursor: str | None, take: ports.Take) -> None:
        """Hand over every mail after `cursor`, then each as it comes. See core.ports.PollingConnector.

        An item's target is `imap:<uidvalidity>/<uid>`, its body the mail, its time of receipt the server's. Its
        headers may hold `handover.TRUNCATED` and `handover.BACKFILL`.
        """
        async with self._connected() as (session, call):
            await fetching.Fetching(self._account, self._settings, session, call, take, self._clock).run(cursor)

    async def check(self) -> None:
        """Sign in and open the folder. AccountSuspended for refused credentials, TransientSendError out of reach."""
        async with self._connected():
            pass

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple["sessions.Session", Callable[..., Awaitable[Any]]]]:
        """Open a session; what its calls raise is an error of ours. At the end it is cut, whatever it waits for."""
        from connectors.mail import sessions  # noqa: PLC0415 - imapclient takes memory that an idle office need not pay

        thread = threads.OneThread(f"mailbox-{self._account}")
        session = sessions.Session(self._settings, self._tokens)

        async def call(function: Callable[..., Any], *args: Any) -> Any:
            try:
                return await thread.call(function, *args)
            except Exception as error:  # noqa: BLE001
                raise sessions.meaning(error) from None  # the server's words may name the mailbox, or quote a mail

        try:
            await call(session.open)
            yield session, call
        finally:
            session.abort()
            await thread.end(session.close)
