"""E-mail as a whole: what leaves comes back as an answer, a bounce or a copy, and is known again."""

import asyncio
import email
import email.policy
import logging
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pydantic
import pytest
from aiosmtpd.smtp import SMTP

from connectors import registry
from connectors.mail import connector as mail
from connectors.mail import handover
from core import clock, errors, model, ports
from core.ids import Number
from simulator import mail_records as records
from simulator import mail_server
from simulator.mail import MailStandIn
from tests.dovecot import PASSWORD

ADDRESS, CITIZEN = "pengaduan@kota-contoh.example", "siti.rahma@surel.example"
SECRET = "s" * 32
NUMBER = Number("ADU", 2026, 123)
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
PUBLIC_URL = "https://aduan.contoh.id"


def settings(**changes) -> mail.Settings:
    values = {
        "address": ADDRESS,
        "thread_secret": SECRET,
        "smtp": {"host": "127.0.0.1", "port": 9, "security": "none"},
        "maildir": {"path": "/nowhere", "poll_seconds": 0.02},
        **changes,
    }
    return mail.Settings.model_validate({key: value for key, value in values.items() if value is not None})


def connect(**changes) -> mail.Connector:
    return registry.CHANNELS["email"].create("surel", settings(**changes), PUBLIC_URL)


def raw(body: bytes, **headers: str) -> ports.RawRequest:
    return ports.RawRequest("surel", "maildir:1", {"content-type": "message/rfc822", **headers}, body, NOW)


def outbound(**changes) -> model.OutboundMessage:
    values = {
        "outbox_id": 7,
        "kind": model.MessageKind.ANSWER,
        "address": CITIZEN,
        "text": "Yth. Bapak/Ibu Siti,\n\nKTP-el sudah dapat diambil.",
        "reference": "7.1",
        "variables": {"dinas": "Dinas Contoh"},
        "number": NUMBER,
        **changes,
    }
    return model.OutboundMessage(**values)


class TestSettings:
    def test_what_they_need_decides_whether_an_account_is_simulated(self):
        needed = {name for name, field in mail.Settings.model_fields.items() if field.is_required()}
        assert needed == {"address", "thread_secret", "smtp"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"address": "pengaduan"},
            {"address": "pengaduan+a@kota-contoh.example"},
            {"address": "pengaduan@kota-contoh.example\r\nBcc: x@y.example"},
            {"aliases": ["lain"]},
            {"thread_secret": "pendek"},
            {"smtp": None},
            {"maildir": None},
            {"imap": {"host": "imap.example", "username": "u", "password": "p"}},
            {"hourly_limit": 0},
            {"lain": 1},
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, changes):
        with pytest.raises(pydantic.ValidationError):
            settings(**changes)

    def test_secrets_are_in_no_text(self):
        given = settings(smtp={"host": "mx.example", "username": "u", "password": "rahasia-sekali"})
        assert not re.search(f"rahasia-sekali|{SECRET}", f"{given!r} {given}")


class TestReading:
    LETTER = (
        f"From: Siti <{CITIZEN}>\r\nTo: {ADDRESS}\r\nSubject: KTP-el\r\nMessage-ID: <1@x>\r\n\r\nKapan?\r\n".encode()
    )

    def test_a_mail_is_a_message(self):
        (message,) = connect().parse(raw(self.LETTER))
        assert (message.address, message.name, message.text) == (CITIZEN, "Siti", "Kapan?")
        assert not message.is_automatic

    def test_what_lay_there_before_us_is_not_acknowledged(self):
        (message,) = connect().parse(raw(self.LETTER, **{handover.BACKFILL: "1"}))
        assert message.is_automatic
        assert message.text == "Kapan?"

    def test_what_was_not_fetched_whole_says_so(self):
        (message,) = connect().parse(raw(self.LETTER, **{handover.TRUNCATED: "50000000"}))
        assert (message.details["text_cut"], message.details["size"]) == ("1", "50000000")
        assert message.details["subject"] == "KTP-el"

    def test_anything_is_something(self):
        assert isinstance(connect().parse(raw(b"\xff\x00"))[0], model.InboundMessage)

    def test_the_original_is_the_mail(self):
        original = connect().original(raw(self.LETTER))
        assert (original.media_type, original.content, original.html) == ("message/rfc822", self.LETTER, None)

    def test_aliases_are_our_own_addresses(self):
        to_ourselves = self.LETTER.replace(CITIZEN.encode(), b"halo@kota-contoh.example")
        (message,) = connect(aliases=["Halo@kota-contoh.example"]).parse(raw(to_ourselves))
        assert message.is_automatic
        (message,) = connect().parse(raw(to_ourselves))
        assert not message.is_automatic

    @pytest.mark.parametrize(
        ("left", "address"),
        [
            ("Siti.Rahma@Surel.Example", "Siti.Rahma@surel.example"),
            (" siti@surel.example. ", "siti@surel.example"),
            ("+6281200000001", None),
            ("siti@", None),
            ("", None),
        ],
    )
    def test_an_address_left_elsewhere_can_be_written_to(self, left, address):
        assert connect().address_of(left) == address


@pytest.fixture
def world(tmp_path) -> MailStandIn:
    it = MailStandIn(clock.SystemClock(), tmp_path)
    it.register(ADDRESS, password="rahasia")
    return it


@pytest.fixture
async def make(world) -> AsyncIterator:
    """Make connectors of the mailbox in the stand-in's world, and close them afterwards."""
    made = []
    account = world.accounts[ADDRESS]
    async with mail_server.serve(world, account) as port:

        def build(**changes) -> mail.Connector:
            given = mail_server.credentials(account, port) | changes
            made.append(connect(**given))
            return made[-1]

        yield build
        for each in made:
            await each.close()


async def taken(connector: mail.Connector, count: int, cursor: str | None = "read") -> list[ports.RawRequest]:
    """Listen until `count` mails were taken, and return them."""
    requests: list[ports.RawRequest] = []
    enough = asyncio.Event()

    async def take(request: ports.RawRequest, cursor: str | None) -> None:
        requests.append(request)
        if len(requests) >= count:
            enough.set()

    listening = asyncio.ensure_future(connector.listen(cursor, take))
    waiting = asyncio.ensure_future(enough.wait())
    try:
        async with asyncio.timeout(15):
            await asyncio.wait([listening, waiting], return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            listening.result()
    finally:
        for task in (listening, waiting):
            task.cancel()
        await asyncio.wait([listening, waiting])
    return requests


async def events(connector: mail.Connector, count: int = 1) -> list[model.InboundEvent]:
    return [event for request in await taken(connector, count) for event in connector.parse(request)]


class TestLeaving:
    async def test_a_letter_has_one_id_at_every_attempt(self, make, world):
        connector = make()
        first = await connector.send(outbound())
        again = await connector.send(outbound(reference="7.2"))
        other = await connector.send(outbound(outbox_id=8))
        assert first == again != other
        assert {letter.message_id for letter in world.inbox(CITIZEN)} == {first.provider_id, other.provider_id}

    async def test_it_comes_from_the_office_and_answers_and_bounces_find_back(self, make, world):
        await make().send(outbound())
        (letter,) = world.inbox(CITIZEN)
        assert str(letter.message["From"]) == f"Dinas Contoh <{ADDRESS}>"
        assert re.fullmatch(r"pengaduan\+adu-2026-000123\.[a-z2-7]{16}@kota-contoh\.example", letter.reply_to)
        assert re.fullmatch(r"pengaduan\+7\.adu-2026-000123\.[a-z2-7]{16}@kota-contoh\.example", letter.sender)
        assert letter.message["X-Aduan-Loop"] == "aduan.contoh.id/surel"
        assert letter.recipient == CITIZEN

    async def test_a_server_without_plus_addresses_gets_none(self, make, world):
        await make(plus_addressing=False, display_name="Loket Surel").send(outbound())
        (letter,) = world.inbox(CITIZEN)
        assert letter.sender == letter.reply_to == ADDRESS
        assert letter.message["Reply-To"] is None
        assert letter.message["From"].addresses[0].display_name == "Loket Surel"

    async def test_a_long_address_gets_no_token_that_makes_it_too_long(self, make, world):
        address = f"{'pengaduan-dan-informasi-' * 2}kita@kota-contoh.example"
        account = world.register(address, password="rahasia")
        async with mail_server.serve(world, account) as port:
            await make(**mail_server.credentials(account, port)).send(outbound())
        (letter,) = world.inbox(CITIZEN)
        assert letter.sender == letter.reply_to == address

    async def test_a_refusal_is_raised_as_what_it_means(self, make, world):
        world.refuse(ADDRESS, records.Stage.RECIPIENT, "550 5.1.1 User unknown")
        connector = make()
        with pytest.raises(errors.PermanentSendError) as caught:
            await connector.send(outbound())
        assert caught.value.refusal is model.Refusal.NO_SUCH_ADDRESS
        with pytest.raises(errors.PermanentSendError):
            await connector.send(outbound(address="unknown:0123456789abcdef"))
        assert world.inbox(CITIZEN) == []

    async def test_the_hours_limit_holds_it_back(self, make, world):
        connector = make(hourly_limit=1)
        await connector.send(outbound())
        with pytest.raises(errors.TransientSendError) as caught:
            await connector.send(outbound(outbox_id=8))
        assert caught.value.retry_after.total_seconds() > 3500
        assert len(world.inbox(CITIZEN)) == 1

    async def test_files_come_along(self, make, world):
        await make().send(outbound(files=(model.Enclosure("surat.pdf", "application/pdf", b"%PDF-1.7\x00\xff"),)))
        (file,) = world.inbox(CITIZEN)[0].files
        assert (file.name, file.media_type, file.content) == ("surat.pdf", "application/pdf", b"%PDF-1.7\x00\xff")


class TestComingBack:
    async def test_an_answer_joins_by_the_address_it_was_sent_to(self, make, world):
        connector = make()
        sent = await connector.send(outbound())
        (letter,) = world.inbox(CITIZEN)
        world.write(CITIZEN, "Siti", letter.reply_to, "tanpa nomor", "Terima kasih.", in_reply_to=letter)
        (message,) = await events(connector)
        assert (message.address, message.number, message.text) == (CITIZEN, NUMBER, "Terima kasih.")
        assert message.replies_to[0] == sent.provider_id
        assert "KTP-el sudah dapat diambil." in message.quoted
        assert not message.is_automatic

    async def test_a_forged_token_joins_nothing(self, make, world):
        connector = make()
        forged = "pengaduan+adu-2026-000123.aaaaaaaaaaaaaaaa@kota-contoh.example"
        world.write(CITIZEN, "Siti", forged, "tanpa nomor", "Bukan saya.")
        (message,) = await events(connector)
        assert message.number is None

    async def test_a_token_of_another_secret_joins_nothing(self, make, world):
        await make().send(outbound())
        (letter,) = world.inbox(CITIZEN)
        world.write(CITIZEN, "Siti", letter.reply_to, "tanpa nomor", "Terima kasih.")
        (message,) = await events(make(thread_secret="t" * 32))
        assert message.number is None

    @pytest.mark.parametrize("plus_addressing", [True, False])
    async def test_a_bounce_is_the_receipt_of_its_letter(self, make, world, plus_addressing):
        connector = make(plus_addressing=plus_addressing)
        world.faults(ADDRESS).bounces = 1
        sent = await connector.send(outbound())
        (receipt,) = await events(connector)
        assert receipt == model.DeliveryReceipt(
            sent.provider_id,
            model.DeliveryState.FAILED,
            error_code="5.1.1",
            refusal=model.Refusal.NO_SUCH_ADDRESS,
        )

    async def test_a_delay_is_no_failure(self, make, world):
        connector = make()
        sent = await connector.send(outbound())
        world.bounce(world.inbox(CITIZEN)[0], status="4.4.1", action="delayed")
        (receipt,) = await events(connector)
        assert (receipt.provider_id, receipt.state) == (sent.provider_id, model.DeliveryState.ACCEPTED)

    @pytest.mark.parametrize("kind", [model.MessageKind.ANSWER, model.MessageKind.ACKNOWLEDGEMENT])
    async def test_a_machines_answer_is_known_as_one(self, make, world, kind):
        connector = make()
        world.faults(ADDRESS).automatic_replies = True
        await connector.send(outbound(kind=kind))
        (message,) = await events(connector)
        assert message.is_automatic
        assert message.number == NUMBER

    async def test_our_own_letter_come_back_is_no_complaint(self, make):
        connector = make()
        sent = await connector.send(outbound(address=ADDRESS))
        (receipt,) = await events(connector)
        assert receipt == model.DeliveryReceipt(sent.provider_id, model.DeliveryState.ACCEPTED)

    async def test_our_own_letter_of_another_deployment_is_not_acknowledged(self, make):
        connector = make()
        await connector.send(outbound(address=ADDRESS))
        (request,) = await taken(connector, 1)
        (message,) = make(thread_secret="t" * 32, address="lain@kota-contoh.example").parse(request)
        assert message.is_automatic


class TestChecking:
    async def test_both_servers_are_asked(self, make, world):
        await make().check()
        with pytest.raises(errors.TransientSendError):
            await make(maildir={"path": "/nowhere/at/all"}).check()
        world.faults(ADDRESS).login_refused = True
        with pytest.raises(errors.AccountSuspended):
            await make().check()

    async def test_a_folder_that_can_be_read_needs_nothing(self, make):
        assert await make().examine() == []

    async def test_a_mail_that_may_not_be_read_is_told_of(self, make, monkeypatch):
        connector = make()
        monkeypatch.setattr(type(connector._source), "unreadable_count", 3)
        (told,) = await connector.examine()
        assert told.startswith("3 surat")


class Forwarding:
    """The server that takes the office's letters: hands each on, over LMTP, to a mailbox named like its recipient."""

    def __init__(self, dovecot) -> None:
        self._dovecot = dovecot

    async def handle_DATA(self, _server, _session, envelope) -> str:
        for recipient in envelope.rcpt_tos:
            traced = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {recipient}\r\n".encode() + envelope.content
            await asyncio.to_thread(self._dovecot.deliver, recipient.partition("@")[0], traced)
        return "250 OK"


async def test_a_letter_and_its_answer_by_real_servers(dovecot):
    """Our SMTP, a forwarding server, LMTP, a citizen's IMAP mailbox; his answer by LMTP, and our IMAP."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    office, citizen = f"kantor-{secrets.token_hex(6)}", f"warga-{secrets.token_hex(6)}"
    server = await loop.create_server(lambda: SMTP(Forwarding(dovecot), hostname="mx.example", loop=loop), "127.0.0.1")
    source = {"host": "127.0.0.1", "port": dovecot.imap_port, "security": "none", "username": office}
    connector = connect(
        address=f"{office}@kota-contoh.example",
        smtp={"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "security": "none"},
        imap={**source, "password": PASSWORD},
        maildir=None,
    )
    try:
        await connector.check()
        sent = await connector.send(outbound(address=f"{citizen}@surel.example"))
        letter = email.message_from_bytes(
            await asyncio.to_thread(read_only, dovecot, citizen), policy=email.policy.default
        )
        assert letter["Message-ID"] == sent.provider_id
        assert letter["Subject"] == "Pengaduan [ADU-2026-000123]"

        def answered(to: str) -> bytes:
            return (
                f"From: Siti <{citizen}@surel.example>\r\nTo: {to}\r\nSubject: tanpa nomor\r\n"
                f"Message-ID: <{secrets.token_hex(8)}@surel.example>\r\n\r\nTerima kasih.\r\n"
            ).encode()

        forged = str(letter["Reply-To"]).replace("adu-2026-000123", "adu-2026-000124")
        await asyncio.to_thread(dovecot.deliver, office, answered(letter["Reply-To"]), answered(forged))
        requests = await taken(connector, 2, None)
        numbers = [event.number for request in requests for event in connector.parse(replace(request))]
        assert sorted(map(str, numbers)) == ["ADU-2026-000123", "None"]
    finally:
        await connector.close()
        server.close()
        await server.wait_closed()


def read_only(dovecot, user: str) -> bytes:
    """Return the one mail of a mailbox, as its owner's program fetches it."""
    with dovecot.client(user) as client:
        (found,) = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
    return found[b"BODY[]"]


def test_the_capabilities_are_as_promised():
    assert mail.CAPABILITIES.text_form is model.TextForm.LETTER
    assert mail.CAPABILITIES.receipts
    assert not mail.CAPABILITIES.idempotent_send
    assert mail.CAPABILITIES.shared_ids
    assert mail.CAPABILITIES.reply_window is None
    assert mail.CAPABILITIES.automatic_per_day == 5
    assert mail.CAPABILITIES.sent_files.takes("image/png")
    assert mail.CAPABILITIES.sent_files.takes("application/pdf")
    assert not mail.CAPABILITIES.sent_files.takes("application/x-msdownload")
