"""Handing mails to a server: every answer, silence and downgrade over real sockets, against aiosmtpd."""

import asyncio
import base64
import contextlib
import ipaddress
import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pydantic
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.mail import oauth, smtp, smtp_errors
from connectors.mail.smtp_errors import Reply, Stage
from core import errors, model
from tests.ports import free_port

CITIZEN = "siti.rahma@surel.example"
MAIL = smtp.Envelope("pengaduan@kota-contoh.example", CITIZEN, b"Subject: Uji\r\n\r\nIsi.\r\n.titik\r\n..dua\r\n")
PERMANENT, TRANSIENT = errors.PermanentSendError, errors.TransientSendError
SUSPENDED, UNCERTAIN = errors.AccountSuspended, errors.UncertainSendError


@dataclass
class Server:
    """An SMTP server that answers as scripted: `answers` by command, used up one by one, then as any server."""

    port: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict)
    hangs_at: str = ""
    drops_at: str = ""
    taken: list[tuple[str, list[str], bytes, list[str]]] = field(default_factory=list)
    logins: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    sessions: int = 0
    most_at_once: int = 0
    open: set[object] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def at(self, command: str, server: SMTP, default: str) -> str:
        if command == self.hangs_at:
            self.reached.set()
            await self.released.wait()
        if command == self.drops_at:
            server.transport.abort()
        return self.answers[command].pop(0) if self.answers.get(command) else default

    async def handle_MAIL(self, server, _session, envelope, address, options):
        envelope.mail_from, envelope.mail_options = address, options
        return await self.at("MAIL", server, "250 OK")

    async def handle_RCPT(self, server, _session, envelope, address, _options):
        envelope.rcpt_tos.append(address)
        return await self.at("RCPT", server, "250 OK")

    async def handle_DATA(self, server, _session, envelope):
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, envelope.mail_options))
        return await self.at("DATA", server, "250 OK")

    async def handle_RSET(self, server, _session, _envelope):
        return await self.at("RSET", server, "250 OK")

    async def auth_XOAUTH2(self, server, args):
        self.logins.append(("XOAUTH2", b"", base64.b64decode(args[1])))
        if self.answers.get("AUTH"):
            await server.push("334 " + base64.b64encode(b'{"status":"401"}').decode())
            await server._reader.readline()
            await server.push(self.answers["AUTH"].pop(0))
            return AuthResult(success=False)
        return AuthResult(success=True)

    def authenticate(self, _server, _session, _envelope, mechanism, given):
        self.logins.append((mechanism, given.login, given.password))
        if self.answers.get("AUTH"):
            return AuthResult(success=False, handled=False, message=self.answers["AUTH"].pop(0))
        return AuthResult(success=given.password == b"rahasia", handled=False)


class Session(SMTP):
    """Counts connections; greets as scripted."""

    def connection_made(self, transport):
        it = self.event_handler
        if it.answers.get("GREETING"):
            transport.write(it.answers["GREETING"].pop(0).encode() + b"\r\n")
            transport.close()
            return
        it.sessions += 1
        it.open.add(self)
        it.most_at_once = max(it.most_at_once, len(it.open))
        super().connection_made(transport)

    def connection_lost(self, error):
        it = self.event_handler
        it.open.discard(self)
        it.ended.set()
        with contextlib.suppress(AttributeError):  # as it was never made
            super().connection_lost(error)

    async def smtp_STARTTLS(self, arg):
        if self.event_handler.answers.get("STARTTLS"):
            await self.push(self.event_handler.answers["STARTTLS"].pop(0))
            return
        await super().smtp_STARTTLS(arg)


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)


@pytest.fixture
async def start():
    """Start a scripted server; `implicit`: TLS from the first byte."""
    servers = []

    async def make(*, tls=None, implicit=False, **options) -> Server:
        it = Server()
        loop = asyncio.get_running_loop()
        options = {"hostname": "mx.example", "ident": "uji", "loop": loop, "authenticator": it.authenticate, **options}
        options.setdefault("auth_require_tls", tls is not None and not implicit)
        server = await loop.create_server(
            lambda: Session(it, tls_context=None if implicit else tls, **options),
            "127.0.0.1",
            0,
            ssl=tls if implicit else None,
        )
        it.port = server.sockets[0].getsockname()[1]
        servers.append((it, server))
        return it

    yield make
    for it, server in servers:
        it.released.set()
        server.close()
        for each in list(it.open):
            if each.transport is not None:
                each.transport.abort()
        await server.wait_closed()


@pytest.fixture
async def sender():
    """Make senders, and close them afterwards."""
    made = []

    def make(server: Server, *, total_seconds=10.0, keep_seconds=5.0, hourly_limit=None, seconds=None, **settings):
        values = {"host": "127.0.0.1", "port": server.port, "security": "none", "timeout_seconds": 5, **settings}
        clock = {} if seconds is None else {"seconds": seconds}
        made.append(
            smtp.Sender(
                smtp.Settings.model_validate(values),
                "kota-contoh.example",
                hourly_limit,
                total_seconds=total_seconds,
                keep_seconds=keep_seconds,
                **clock,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


class Authority:
    """Makes certificates, as an authority that nobody knows."""

    def __init__(self, directory):
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Otoritas Uji")])
        self.file = self._write("ca.pem", self._certificate(self._name, self._key.public_key(), None))

    def context(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        chain = self._write(f"{host}.pem", self._certificate(name, key.public_key(), host), key.private_bytes(*form))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _certificate(self, name, public_key, host) -> bytes:
        day = datetime(2026, 1, 1, tzinfo=UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(day - timedelta(days=3650))
            .not_valid_after(day + timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            with contextlib.suppress(ValueError):
                host = x509.IPAddress(ipaddress.ip_address(host))
            names = [host if isinstance(host, x509.IPAddress) else x509.DNSName(host)]
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name, *parts) -> str:
        path = self._directory / name
        path.write_bytes(b"".join(parts))
        return str(path)


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


async def failure(sending) -> errors.SendError:
    with pytest.raises(errors.SendError) as caught:
        await sending
    assert CITIZEN not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


class TestHandingOver:
    async def test_a_mail_arrives_byte_by_byte_for_one_recipient(self, start, sender):
        server = await start()
        await sender(server).send(MAIL)
        ((envelope_sender, recipients, content, options),) = server.taken
        assert (envelope_sender, recipients) == (MAIL.sender, [CITIZEN])
        assert content == MAIL.content
        assert f"SIZE={len(MAIL.content)}" in options

    async def test_the_connection_is_kept_for_the_next_mail(self, start, sender):
        server = await start()
        sending = sender(server)
        await sending.send(MAIL)
        await sending.send(MAIL)
        assert (len(server.taken), server.sessions) == (2, 1)

    async def test_and_not_for_long(self, start, sender):
        server = await start()
        await sender(server, keep_seconds=0).send(MAIL)
        await asyncio.wait_for(server.ended.wait(), 5)
        assert not server.open

    async def test_a_connection_that_ended_meanwhile_is_replaced(self, start, sender):
        server = await start()
        sending = sender(server)
        await sending.send(MAIL)
        server.answers["RSET"] = ["421 4.4.2 idle for too long"]
        await sending.send(MAIL)
        assert (len(server.taken), server.sessions) == (2, 2)

    async def test_a_server_that_closed_it_meanwhile_is_asked_anew(self, start, sender):
        server = await start()
        sending = sender(server)
        await sending.send(MAIL)
        for each in list(server.open):
            each.transport.abort()
        await asyncio.wait_for(server.ended.wait(), 5)
        await sending.send(MAIL)
        assert (len(server.taken), server.sessions) == (2, 2)

    async def test_many_mails_share_two_connections(self, start, sender):
        server = await start()
        sending = sender(server)
        await asyncio.gather(*(sending.send(MAIL) for _ in range(12)))
        assert len(server.taken) == 12
        assert server.most_at_once <= 2

    async def test_after_a_refusal_the_next_mail_leaves(self, start, sender):
        server = await start()
        server.answers["RCPT"] = ["550 5.1.1 no such user"]
        sending = sender(server)
        await failure(sending.send(MAIL))
        await sending.send(MAIL)
        assert len(server.taken) == 1

    async def test_a_mail_that_is_too_large_is_not_even_offered(self, start, sender):
        server = await start(data_size_limit=1000)
        error = await failure(sender(server).send(smtp.Envelope(MAIL.sender, CITIZEN, b"x" * 1001)))
        assert (type(error), error.refusal, error.code) == (PERMANENT, model.Refusal.TOO_LARGE, None)
        assert not server.taken

    async def test_an_address_beyond_ascii_needs_a_server_that_knows_them(self, start, sender):
        mail = smtp.Envelope(MAIL.sender, "sitî@surel.example", "To: sitî@surel.example\r\n\r\n".encode(), utf8=True)
        server = await start(enable_SMTPUTF8=True)
        await sender(server).send(mail)
        assert server.taken[0][1] == ["sitî@surel.example"]
        assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(server.taken[0][3])
        plain = await start(enable_SMTPUTF8=False)
        error = await failure(sender(plain).send(mail))
        assert (type(error), error.refusal) == (PERMANENT, model.Refusal.UNREACHABLE)


# Over the socket: command, answer, error, refusal.
ANSWERS = [
    ("RCPT", "550 5.1.1 User unknown", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
    ("RCPT", "550 No such user here", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
    ("RCPT", "552 5.2.2 Over quota", PERMANENT, model.Refusal.MAILBOX_FULL),
    ("RCPT", "452 4.2.2 Over quota", TRANSIENT, model.Refusal.MAILBOX_FULL),
    ("RCPT", "451 4.7.1 Greylisted, please try again later", TRANSIENT, model.Refusal.UNREACHABLE),
    ("RCPT", "450 4.2.0 Try again", TRANSIENT, model.Refusal.UNREACHABLE),
    ("RCPT", "450 4.7.1 Rate limit of this hour exceeded", TRANSIENT, None),
    ("RCPT", "421 4.3.2 Shutting down", TRANSIENT, None),
    ("RCPT", "554 5.7.1 Relay access denied", SUSPENDED, None),
    ("RCPT", "550 5.7.1 Blocked, see spamhaus", PERMANENT, model.Refusal.SPAM),
    ("MAIL", "553 5.1.8 Sender domain does not exist", SUSPENDED, None),
    ("MAIL", "552 5.3.4 Too large", PERMANENT, model.Refusal.TOO_LARGE),
    ("MAIL", "530 5.7.0 Authentication required", SUSPENDED, None),
    ("MAIL", "421 4.7.0 Too many connections", TRANSIENT, None),
    ("DATA", "552 5.3.4 Message too big", PERMANENT, model.Refusal.TOO_LARGE),
    ("DATA", "554 5.7.1 Rejected as spam", PERMANENT, model.Refusal.SPAM),
    ("DATA", "550 5.6.0 Malformed", PERMANENT, model.Refusal.CONTENT),
    ("DATA", "451 4.3.0 Local error", TRANSIENT, None),
    ("DATA", "421 4.7.28 Unusual rate of mail", TRANSIENT, None),
    ("DATA", "250-", UNCERTAIN, None),
]


class TestAnswers:
    @pytest.mark.parametrize(("command", "answer", "kind", "refusal"), ANSWERS)
    async def test_every_answer_has_one_meaning(self, start, sender, command, answer, kind, refusal):
        server = await start()
        server.answers[command] = [answer if answer != "250-" else "299 neither yes nor no"]
        error = await failure(sender(server).send(MAIL))
        assert (type(error), error.refusal) == (kind, refusal)
        assert error.code.startswith(server_code(answer))

    @pytest.mark.parametrize(
        ("answer", "pause"),
        [
            ("451 4.7.1 Greylisted", smtp_errors.GREYLISTED),
            ("450 4.7.1 sent too many", smtp_errors.RATE_LIMITED),
            ("452 4.2.2 full", smtp_errors.MAILBOX_FULL),
        ],
    )
    async def test_a_delay_says_how_long_to_wait(self, start, sender, answer, pause):
        server = await start()
        server.answers["RCPT"] = [answer]
        assert (await failure(sender(server).send(MAIL))).retry_after == pause

    async def test_a_server_that_greets_with_a_refusal_is_out_of_reach_or_does_not_know_us(self, start, sender):
        server = await start()
        server.answers["GREETING"] = ["421 4.3.2 Service not available", "554 No service for you"]
        sending = sender(server)
        assert type(await failure(sending.send(MAIL))) is TRANSIENT
        assert type(await failure(sending.send(MAIL))) is SUSPENDED

    # What no script above says: the table itself.
    @pytest.mark.parametrize(
        ("stage", "code", "text", "kind", "refusal"),
        [
            (Stage.RECIPIENT, 550, "5.1.10 null MX", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
            (Stage.RECIPIENT, 556, "the domain takes no mail", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
            (Stage.RECIPIENT, 550, "5.2.1 disabled", PERMANENT, model.Refusal.UNREACHABLE),
            (Stage.RECIPIENT, 550, "5.4.4 no route", PERMANENT, model.Refusal.UNREACHABLE),
            (Stage.RECIPIENT, 553, "5.1.3 syntax", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
            (Stage.RECIPIENT, 554, "denied", PERMANENT, model.Refusal.NOT_PERMITTED),
            (Stage.RECIPIENT, 550, "5.7.1 denied", PERMANENT, model.Refusal.NOT_PERMITTED),
            (Stage.RECIPIENT, 550, "4.2.2 contradicts its code", PERMANENT, model.Refusal.NO_SUCH_ADDRESS),
            (Stage.RECIPIENT, 553, "5.7.1 Sender address rejected: not owned by user", SUSPENDED, None),
            (Stage.RECIPIENT, 452, "insufficient storage", TRANSIENT, model.Refusal.MAILBOX_FULL),
            (Stage.CONTENT, 550, "5.7.26 unauthenticated mail", PERMANENT, model.Refusal.SPAM),
            (Stage.CONTENT, 552, "too big", PERMANENT, model.Refusal.TOO_LARGE),
            (Stage.CONTENT, 500, "5.5.2 what?", PERMANENT, None),
            (Stage.CONTENT, -1, "no SMTP at all", UNCERTAIN, None),
            (Stage.RECIPIENT, -1, "no SMTP at all", TRANSIENT, None),
            (Stage.LOGIN, 535, "5.7.8 wrong", SUSPENDED, None),
            (Stage.LOGIN, 454, "4.7.0 later", TRANSIENT, None),
            (Stage.CONNECT, 521, "no mail here", SUSPENDED, None),
        ],
    )
    def test_the_table(self, stage, code, text, kind, refusal):
        error = smtp_errors.of_reply(Reply(code, text), stage)
        assert (type(error), error.refusal) == (kind, refusal)


def server_code(answer: str) -> str:
    return "299" if answer == "250-" else answer[:3]


class TestSilence:
    @pytest.mark.parametrize(("command", "kind"), [("MAIL", TRANSIENT), ("RCPT", TRANSIENT), ("DATA", UNCERTAIN)])
    async def test_is_uncertain_once_the_content_was_sent(self, start, sender, command, kind):
        server = await start()
        server.hangs_at = command
        sending = sender(server, total_seconds=0.4)
        assert type(await failure(sending.send(MAIL))) is kind

    @pytest.mark.parametrize(("command", "kind"), [("MAIL", TRANSIENT), ("RCPT", TRANSIENT), ("DATA", UNCERTAIN)])
    async def test_a_lost_connection_likewise(self, start, sender, command, kind):
        server = await start()
        server.drops_at = command
        assert type(await failure(sender(server).send(MAIL))) is kind

    async def test_nobody_there_is_transient(self, sender):
        assert type(await failure(sender(Server(port=free_port())).send(MAIL))) is TRANSIENT

    async def test_a_mail_that_waits_too_long_for_a_connection_was_not_sent(self, start, sender, monkeypatch):
        monkeypatch.setattr(smtp, "_SLOT_SECONDS", 0.1)
        server = await start()
        server.hangs_at = "DATA"
        sending = sender(server)
        busy = [asyncio.create_task(sending.send(MAIL)) for _ in range(2)]
        await asyncio.wait_for(server.reached.wait(), 5)
        assert type(await failure(sending.send(MAIL))) is TRANSIENT
        server.hangs_at = ""
        server.released.set()
        await asyncio.gather(*busy)


class TestEncryption:
    async def test_starttls_is_used_and_the_certificate_verified(self, start, sender, authority):
        server = await start(tls=authority.context("127.0.0.1"), require_starttls=True)
        sending = sender(server, security="starttls", ca_file=authority.file, username="u", password="rahasia")
        await sending.send(MAIL)
        assert len(server.taken) == 1
        assert server.logins == [("PLAIN", b"u", b"rahasia")]

    async def test_tls_from_the_first_byte(self, start, sender, authority):
        server = await start(tls=authority.context("127.0.0.1"), implicit=True)
        await sender(server, security="tls", ca_file=authority.file).send(MAIL)
        assert len(server.taken) == 1

    async def test_starttls_that_was_stripped_suspends_before_a_password_is_said(self, start, sender):
        server = await start()
        sending = sender(server, security="starttls", username="u", password="rahasia")
        assert type(await failure(sending.send(MAIL))) is SUSPENDED
        assert (server.taken, server.logins) == ([], [])

    @pytest.mark.parametrize(("answer", "kind"), [("454 4.7.0 not now", TRANSIENT), ("501 5.5.4 no", SUSPENDED)])
    async def test_starttls_that_is_refused_does_not_go_on_in_clear(self, start, sender, authority, answer, kind):
        server = await start(tls=authority.context("127.0.0.1"))
        server.answers["STARTTLS"] = [answer]
        sending = sender(server, security="starttls", ca_file=authority.file, username="u", password="rahasia")
        assert type(await failure(sending.send(MAIL))) is kind
        assert (server.taken, server.logins) == ([], [])

    @pytest.mark.parametrize("implicit", [False, True])
    async def test_a_certificate_of_an_unknown_authority_suspends(self, start, sender, authority, implicit):
        server = await start(tls=authority.context("127.0.0.1"), implicit=implicit)
        sending = sender(server, security="tls" if implicit else "starttls")
        assert type(await failure(sending.send(MAIL))) is SUSPENDED
        assert not server.taken

    @pytest.mark.parametrize("implicit", [False, True])
    async def test_a_certificate_of_another_host_suspends(self, start, sender, authority, implicit):
        server = await start(tls=authority.context("mx.example"), implicit=implicit)
        sending = sender(server, security="tls" if implicit else "starttls", ca_file=authority.file)
        assert type(await failure(sending.send(MAIL))) is SUSPENDED

    async def test_a_server_without_tls_behind_a_tls_port_is_transient(self, start, sender):
        server = await start()
        assert type(await failure(sender(server, security="tls").send(MAIL))) is TRANSIENT

    async def test_an_authority_file_that_is_not_there_suspends(self, start, sender, tmp_path):
        server = await start()
        sending = sender(server, security="starttls", ca_file=str(tmp_path / "none.pem"))
        assert type(await failure(sending.send(MAIL))) is SUSPENDED


class TestSigningIn:
    async def test_a_wrong_password_is_tried_once_and_suspends(self, start, sender):
        server = await start()
        error = await failure(sender(server, username="u", password="salah").send(MAIL))
        assert type(error) is SUSPENDED
        assert len(server.logins) == 1
        assert "salah" not in str(error)

    async def test_a_server_that_cannot_check_now_is_transient(self, start, sender):
        server = await start()
        server.answers["AUTH"] = ["454 4.7.0 Temporary authentication failure"]
        assert type(await failure(sender(server, username="u", password="rahasia").send(MAIL))) is TRANSIENT

    async def test_checking_signs_in_and_sends_nothing(self, start, sender):
        server = await start()
        await sender(server, username="u", password="rahasia").check()
        assert (len(server.logins), server.taken) == (1, [])
        assert type(await failure(sender(server, username="u", password="salah").check())) is SUSPENDED
        assert type(await failure(sender(Server(port=free_port())).check())) is TRANSIENT

    async def test_a_server_that_offers_no_sign_in_suspends(self, start, sender):
        server = await start(auth_require_tls=True)
        assert type(await failure(sender(server, username="u", password="rahasia").send(MAIL))) is SUSPENDED

    async def test_the_password_is_in_no_text_of_the_settings(self):
        given = smtp.Settings(host="mx.example", username="u", password="rahasia")
        assert "rahasia" not in f"{given!r} {given}"


@dataclass
class TokenProvider:
    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)


@pytest.fixture
def provider():
    it = TokenProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            it.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = it.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", f"{it.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.url = f"http://127.0.0.1:{server.server_address[1]}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield it
    server.shutdown()
    thread.join()
    server.server_close()


class TestTokens:
    @pytest.fixture
    def tokens(self, provider) -> Callable[..., oauth.Tokens]:
        settings = oauth.Settings(
            token_url=provider.url, client_id="aduan", refresh_token="segar", client_secret="kunci"
        )
        return lambda **more: oauth.Tokens(settings, **more)

    async def test_a_token_signs_in_and_serves_until_it_ends(self, start, sender, provider):
        provider.answers = [(200, b'{"access_token": "satu", "expires_in": 3600}')]
        server = await start()
        access = {"token_url": provider.url, "client_id": "aduan", "refresh_token": "segar"}
        sending = sender(server, username="kotak@kota-contoh.example", oauth=access, keep_seconds=0)
        await sending.send(MAIL)
        await sending.check()
        assert server.logins == [("XOAUTH2", b"", b"user=kotak@kota-contoh.example\x01auth=Bearer satu\x01\x01")] * 2
        assert provider.asked == [b"grant_type=refresh_token&client_id=aduan&refresh_token=segar"]

    async def test_a_token_the_server_refuses_suspends_and_is_not_used_again(self, start, sender, provider):
        provider.answers = [(200, b'{"access_token": "satu"}'), (200, b'{"access_token": "dua"}')]
        server = await start()
        server.answers["AUTH"] = ["535 5.7.8 not accepted"]
        access = {"token_url": provider.url, "client_id": "aduan", "refresh_token": "segar"}
        sending = sender(server, username="u", oauth=access)
        error = await failure(sending.send(MAIL))
        assert type(error) is SUSPENDED
        assert "satu" not in str(error)
        await sending.send(MAIL)
        assert b"Bearer dua" in server.logins[-1][2]

    def test_a_token_is_renewed_before_it_ends(self, tokens, provider):
        now = [0.0]
        it = tokens(seconds=lambda: now[0])
        provider.answers = [
            (200, b'{"access_token": "satu", "expires_in": 300, "refresh_token": "lebih-segar"}'),
            (200, b'{"access_token": "dua", "expires_in": "300"}'),
        ]
        assert [it.fetch(), it.fetch()] == ["satu", "satu"]
        now[0] = 239.0
        assert it.fetch() == "satu"
        now[0] = 240.0
        assert it.fetch() == "dua"
        assert b"refresh_token=segar" in provider.asked[0]
        assert b"client_secret=kunci" in provider.asked[0]
        assert b"refresh_token=lebih-segar" in provider.asked[1]

    @pytest.mark.parametrize(
        ("status", "body", "kind", "code"),
        [
            (
                400,
                b'{"error": "invalid_grant", "error_description": "pengaduan@kota-contoh.example"}',
                SUSPENDED,
                "invalid_grant",
            ),
            (401, b"no JSON", SUSPENDED, None),
            (400, b'{"error": "temporarily_unavailable"}', TRANSIENT, "temporarily_unavailable"),
            (503, b"", TRANSIENT, None),
            (302, b"", TRANSIENT, None),
            (200, b"no JSON", TRANSIENT, None),
            (200, b"[]", TRANSIENT, None),
            (200, b'{"token_type": "Bearer"}', TRANSIENT, None),
        ],
    )
    def test_what_the_provider_answers_has_one_meaning(self, tokens, provider, status, body, kind, code):
        provider.answers = [(status, body)]
        with pytest.raises(errors.SendError) as caught:
            tokens().fetch()
        assert (type(caught.value), caught.value.code) == (kind, code)
        assert "kota-contoh" not in str(caught.value)
        assert len(provider.asked) == 1

    def test_a_provider_out_of_reach_is_transient(self):
        settings = oauth.Settings(token_url=f"http://127.0.0.1:{free_port()}/", client_id="a", refresh_token="b")
        with pytest.raises(TRANSIENT):
            oauth.Tokens(settings).fetch()

    def test_secrets_are_only_sent_over_https(self):
        with pytest.raises(pydantic.ValidationError):
            oauth.Settings(token_url="http://tokens.example/", client_id="a", refresh_token="b")


class TestHourlyLimit:
    async def test_lets_no_more_leave_within_an_hour(self, start, sender):
        now = [0.0]
        server = await start()
        sending = sender(server, hourly_limit=2, seconds=lambda: now[0])
        await sending.send(MAIL)
        now[0] = 600.0
        await sending.send(MAIL)
        waits = [(await failure(sending.send(MAIL))).retry_after for _ in range(2)]
        assert waits == [timedelta(seconds=3000), timedelta(seconds=3000 + 1800)]  # one after the other
        now[0] = 3600.0
        await sending.send(MAIL)
        assert type(await failure(sending.send(MAIL))) is TRANSIENT
        assert len(server.taken) == 3

    async def test_does_not_count_what_never_reached_the_server(self, start, sender):
        server = await start()
        server.answers["GREETING"] = ["421 later", "421 later"]
        sending = sender(server, hourly_limit=1)
        for _ in range(2):
            await failure(sending.send(MAIL))
        await sending.send(MAIL)
        assert len(server.taken) == 1


class TestSettings:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
    def test_plain_text_is_for_this_machine(self, host):
        assert smtp.Settings(host=host, security="none").port is None

    @pytest.mark.parametrize(
        "values",
        [
            {"security": "none"},
            {"host": "10.0.0.1", "security": "none"},
            {"host": "localhost.example", "security": "none"},
            {"host": "mx.example\r\nRCPT"},
            {"username": "u"},
            {"password": "rahasia"},
            {
                "username": "u",
                "password": "p",
                "oauth": {"token_url": "https://t.example", "client_id": "a", "refresh_token": "b"},
            },
            {"verify": False},
            {"timeout_seconds": 60},
        ],
    )
    def test_what_is_unsafe_or_incomplete_is_refused(self, values):
        with pytest.raises(pydantic.ValidationError):
            smtp.Settings.model_validate({"host": "mx.example", **values})

    def test_a_relative_path_starts_at_the_configuration(self, tmp_path):
        given = smtp.Settings.model_validate({"host": "mx.example", "ca_file": "ca.pem"}, context={"base": tmp_path})
        assert given.ca_file == tmp_path / "ca.pem"
