"""Handing mails to the office's SMTP server: one recipient each, over TLS that is never given up.

Source: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 6531 (SMTPUTF8); aiosmtplib 5.1.
"""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.mail import hourly, oauth, smtp_errors
from connectors.mail.smtp_errors import Stage
from core import errors

_Access = oauth.Settings  # within the class below its key hides the module
_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_TOTAL_SECONDS = 50.0  # of one attempt; a Sender has less than a minute
_SLOT_SECONDS = 20.0
_KEEP_SECONDS = 5.0
_PARTING_SECONDS = 2.0
_PARALLEL = 2  # connections; providers allow a few for each mailbox


class Settings(BaseModel):
    """The server that takes the office's mails.

    `security`: "tls" (from the first byte), "starttls" (required: nothing is sent without it), "none" for a server
    on this machine. `port`: left out, the usual one. `ca_file`: certificates to trust instead of the system's.
    `password` or `oauth` to sign in as `username`; neither for a server that knows us by our address.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:\-]+$")]
    port: Annotated[int | None, Field(ge=1, le=65_535)] = None
    security: Literal["tls", "starttls", "none"] = "tls"
    username: Annotated[str | None, Field(min_length=1, max_length=254)] = None
    password: Annotated[SecretStr | None, Field(min_length=1)] = None
    oauth: _Access | None = None
    ca_file: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=40)] = 20

    @field_validator("ca_file")
    @classmethod
    def _from_its_directory(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base = info.context.get("base") if isinstance(info.context, dict) else None
        return base / value if base is not None and value is not None else value

    @model_validator(mode="after")
    def _is_safe_and_complete(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError('security "none" is for a server on this machine only')
        if self.password is not None and self.oauth is not None:
            raise ValueError("password or oauth, not both")
        if (self.username is None) != (self.password is None and self.oauth is None):
            raise ValueError("username and password (or oauth) belong together")
        return self


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name or address: no name server is asked."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail ready to leave. `utf8`: its headers or addresses hold more than ASCII, which the server must offer."""

    sender: str
    recipient: str
    content: bytes = field(repr=False)
    utf8: bool = False


class Sender:
    """Sends by at most two connections, each kept for `keep_seconds` after a mail; one mail at a time on each.

    `helo` is our name in EHLO. `hourly_limit`: the most mails within an hour, by this process. `seconds` is a clock
    that never steps; `total_seconds` the limit of one attempt, waiting for a connection included.
    """

    def __init__(
        self,
        settings: Settings,
        helo: str,
        hourly_limit: int | None = None,
        *,
        seconds: Callable[[], float] = time.monotonic,
        total_seconds: float = _TOTAL_SECONDS,
        keep_seconds: float = _KEEP_SECONDS,
    ) -> None:
        self._settings = settings
        self._total_seconds = total_seconds
        self._keep_seconds = keep_seconds
        self._helo = helo
        self._hourly = None if hourly_limit is None else hourly.HourlyLimit(hourly_limit, seconds)
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._idle: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}
        self._parting: set[asyncio.Task[None]] = set()
        self._trust: ssl.SSLContext | None = None
        self._token = oauth.Tokens(settings.oauth) if settings.oauth is not None else None

    async def send(self, mail: Envelope) -> None:
        """Return once the server has taken responsibility for the mail; raise a SendError otherwise."""
        step = _Step()
        with _meaning(step):
            async with asyncio.timeout(self._total_seconds), self._slot():
                if self._hourly is not None:
                    self._hourly.require_room()
                client = await self._connected()
                try:
                    await self._transfer(client, mail, step)
                except aiosmtplib.SMTPResponseException:
                    self._part(client)
                    raise
                except BaseException:  # silent, lost, or given up: it would not answer a goodbye either
                    client.close()
                    raise
                self._keep(client)

    async def check(self) -> None:
        """Sign in and leave; AccountSuspended or TransientSendError when that cannot be done."""
        with _meaning(_Step()):
            async with asyncio.timeout(self._total_seconds):
                self._part(await self._open())

    async def close(self) -> None:
        """End all connections; call in the loop that used the sender."""
        for client in list(self._idle):
            self._idle.pop(client).cancel()
            self._part(client)
        if self._parting:
            await asyncio.wait(self._parting)

    async def _transfer(self, client: aiosmtplib.SMTP, mail: Envelope, step: "_Step") -> None:
        options = _options(client, mail)
        encoding = "utf-8" if mail.utf8 else "ascii"
        if self._hourly is not None:
            self._hourly.count()
        step.stage = Stage.SENDER
        await client.mail(mail.sender, options=options, encoding=encoding)
        step.stage = Stage.RECIPIENT
        await client.rcpt(mail.recipient, encoding=encoding)
        step.stage = Stage.CONTENT
        await client.data(mail.content, timeout=self._total_seconds)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._slots.acquire(), _SLOT_SECONDS)
        except TimeoutError:
            raise errors.TransientSendError("earlier mails still occupy the mail server") from None
        try:
            yield
        finally:
            self._slots.release()

    async def _connected(self) -> aiosmtplib.SMTP:
        """Return a connection kept from an earlier mail if the server still answers on it, or a new one."""
        while self._idle:
            client, timer = self._idle.popitem()
            timer.cancel()
            try:
                await client.rset()
            except (aiosmtplib.SMTPException, OSError):
                client.close()
            else:
                return client
        return await self._open()

    async def _open(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if settings.security != "none" and self._trust is None:
            self._trust = await asyncio.to_thread(_trust, settings.ca_file)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port or _PORTS[settings.security],
            use_tls=settings.security == "tls",
            start_tls=False,  # below: the library would fall back, or fail without saying why
            tls_context=self._trust,
            local_hostname=self._helo,
            timeout=settings.timeout_seconds,
        )
        await client.connect()
        try:
            await client.ehlo()
            if settings.security == "starttls":
                await _encrypt(client)
            await self._sign_in(client)
        except BaseException:
            client.close()
            raise
        return client

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        """Make one attempt by one mechanism: several would count as several wrong passwords."""
        settings, offered = self._settings, client.server_auth_methods
        if settings.username is None:
            return
        with _meaning(_Step(Stage.LOGIN)):
            if self._token is not None:
                _require("xoauth2", offered)
                token = await self._token.get()
                try:
                    await client.auth_xoauth2(settings.username, token)
                except aiosmtplib.SMTPAuthenticationError:
                    self._token.forget()  # revoked, perhaps: the next attempt brings a new one
                    raise
                return
            password = settings.password.get_secret_value() if settings.password is not None else ""
            if "plain" in offered:
                await client.auth_plain(settings.username, password)
            elif "login" in offered:
                await client.auth_login(settings.username, password)
            else:
                _require("cram-md5", offered)
                await client.auth_crammd5(settings.username, password)

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._idle[client] = asyncio.get_running_loop().call_later(self._keep_seconds, self._expire, client)

    def _expire(self, client: aiosmtplib.SMTP) -> None:
        if self._idle.pop(client, None) is not None:
            self._part(client)

    def _part(self, client: aiosmtplib.SMTP) -> None:
        """Say goodbye without waiting for it."""
        task = asyncio.create_task(_quit(client))
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)


@dataclass(slots=True)
class _Step:
    """How far an attempt got."""

    stage: Stage = Stage.CONNECT


@contextmanager
def _meaning(step: _Step) -> Iterator[None]:
    """Turn what the library raises into what it means; its texts may carry addresses and stay behind."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        raise smtp_errors.of_reply(smtp_errors.Reply(error.code, error.message), step.stage) from None
    except (aiosmtplib.SMTPException, OSError) as error:  # time-outs and TLS among them
        if _is_untrusted(error):
            raise errors.AccountSuspended("the mail server's certificate is not trusted") from None
        raise smtp_errors.of_silence(step.stage, type(error).__name__) from None


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__
    return error is not None


async def _encrypt(client: aiosmtplib.SMTP) -> None:
    if not client.supports_extension("starttls"):
        raise errors.AccountSuspended("the mail server does not offer STARTTLS: nothing is sent in clear")
    await client.starttls()
    await client.ehlo()


def _options(client: aiosmtplib.SMTP, mail: Envelope) -> list[str]:
    """Return the parameters of MAIL; PermanentSendError when the server cannot carry this mail."""
    options = []
    if client.supports_extension("size"):
        limit = client.esmtp_extensions["size"]
        if limit.isascii() and limit.isdigit() and 0 < int(limit) < len(mail.content):
            raise smtp_errors.too_large(int(limit))
        options.append(f"SIZE={len(mail.content)}")
    if mail.utf8:
        if not client.supports_extension("smtputf8"):
            raise smtp_errors.no_utf8()
        options += ["BODY=8BITMIME", "SMTPUTF8"]
    return options


def _require(mechanism: str, offered: list[str]) -> None:
    if mechanism not in offered:
        raise errors.AccountSuspended("the mail server does not offer the sign-in that is configured")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise errors.AccountSuspended("ca_file cannot be read") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_PARTING_SECONDS):
            await client.quit()
    client.close()
