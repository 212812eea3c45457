"""The SMTP server of the stand-in: takes the office's mails, and refuses, hangs or goes away as its faults say.

Source: RFC 5321, RFC 4954; aiosmtpd 1.4.
"""

import asyncio
import contextlib
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from simulator import mail_letters as letters
from simulator import mail_records as records
from simulator.mail import MailStandIn

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

MAX_BYTES = 25 * 1024 * 1024
_POLL_SECONDS = 0.5  # people watch


@contextlib.asynccontextmanager
async def serve(
    stand_in: MailStandIn,
    account: records.Account,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: ssl.SSLContext | None = None,
    max_bytes: int = MAX_BYTES,
) -> AsyncIterator[int]:
    """Serve one mailbox of the office on a port of its own (0: a free one) and yield the port.

    `tls`: what STARTTLS is offered with; None offers none.
    """
    # Not at the top: a program without simulated mailboxes does without it.
    from aiosmtpd.smtp import SMTP  # noqa: PLC0415

    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # its lines hold every command, addresses included
    loop = asyncio.get_running_loop()

    def session() -> asyncio.Protocol:
        if account.faults.outage:
            return _Closed()
        handler = _Handler(stand_in, account)
        return SMTP(
            handler,
            hostname=letters.HOST,
            ident="stand-in",
            data_size_limit=max_bytes,
            enable_SMTPUTF8=True,
            tls_context=None if account.faults.without_tls else tls,
            authenticator=handler.sign_in,
            auth_require_tls=tls is not None,
            loop=loop,
        )

    server = await loop.create_server(session, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        stand_in.closing.set()
        await server.wait_closed()


def credentials(account: records.Account, port: int) -> dict[str, Any]:
    """Return what a simulated account signs in with, by the keys of its configuration.

    The secret that signs addresses must outlast a restart, or answers to yesterday's letters would belong to nothing;
    in training it need not be one.
    """
    return {
        "address": account.address,
        "thread_secret": hashlib.sha256(f"training {account.address}".encode()).hexdigest(),
        "authserv_id": letters.HOST,
        "smtp": {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "username": account.username,
            "password": account.password,
        },
        "maildir": {"path": str(account.maildir), "poll_seconds": _POLL_SECONDS},
    }


class _Closed(asyncio.Protocol):
    """A server that is going away: one line, and the connection ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"421 4.3.2 {letters.HOST} Service not available\r\n".encode())
        transport.close()


class _Handler:
    """The hooks of one session; aiosmtpd calls them by their names, and each returns the line to answer with."""

    def __init__(self, stand_in: MailStandIn, account: records.Account) -> None:
        self._stand_in = stand_in
        self._account = account

    def sign_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> "AuthResult":
        from aiosmtpd.smtp import AuthResult  # noqa: PLC0415

        wanted = (self._account.username.encode(), self._account.password.encode())
        if self._account.faults.login_refused or (given.login, given.password) != wanted:
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True)

    async def handle_MAIL(  # noqa: N802 - the hook's name
        self, _server: "SMTP", session: "Session", envelope: "Envelope", address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (refusal := self._refusal(records.Stage.SENDER)) is not None:
            return refusal
        if address and not self._account.owns(address):
            return "553 5.7.1 Sender address rejected: not owned by user"
        envelope.mail_from, envelope.mail_options = address, options
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: "SMTP", _session: "Session", envelope: "Envelope", address: str, _options: list[str]
    ) -> str:
        if (refusal := self._refusal(records.Stage.RECIPIENT)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: "SMTP", _session: "Session", envelope: "Envelope") -> str:  # noqa: N802
        if (refusal := self._refusal(records.Stage.CONTENT)) is not None:
            return refusal
        content, faults = envelope.content, self._account.faults
        assert isinstance(content, bytes)
        for recipient in envelope.rcpt_tos:
            self._stand_in.accept(self._account, envelope.mail_from or "", recipient, content)
        if faults.silent > 0:
            faults.silent -= 1
            self._stand_in.changed()
            await self._stand_in.closing.wait()
        if faults.dropped > 0:
            faults.dropped -= 1
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 2.0.0 Ok: queued"

    def _refusal(self, stage: records.Stage) -> str | None:
        refusals = self._account.faults.refusals
        if not refusals or refusals[0].stage is not stage:
            return None
        self._stand_in.changed()
        return refusals.popleft().answer
