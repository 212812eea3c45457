"""The stand-in for the mail world, driven by the standard library's own SMTP client, and the page of the mailbox."""

import asyncio
import email
import email.policy
import mailbox
import re
import smtplib
from collections.abc import AsyncIterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer

from core.clock import SystemClock
from simulator import mail_letters, mail_pages, mail_server, mail_switches, mail_texts
from simulator import mail_records as records
from simulator.mail import MailStandIn

OFFICE, CITIZEN = "pengaduan@kota-contoh.example", "siti.rahma@surel.example"
LETTER = (
    b"From: Dinas Contoh <pengaduan@kota-contoh.example>\r\nReply-To: pengaduan+t1@kota-contoh.example\r\n"
    b"To: siti.rahma@surel.example\r\nSubject: Re: KTP-el\r\nMessage-ID: <1@kota-contoh.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nSudah selesai.\r\n"
)


@pytest.fixture
def stand_in(tmp_path) -> MailStandIn:
    it = MailStandIn(SystemClock(), tmp_path)
    it.register(OFFICE, password="rahasia")
    return it


@pytest.fixture
async def port(stand_in) -> AsyncIterator[int]:
    async with mail_server.serve(stand_in, stand_in.accounts[OFFICE]) as port:
        yield port


async def send(port, content=LETTER, to=CITIZEN, sender=OFFICE, password="rahasia", seconds=5):
    """Send as a mail program does; whatever it raises comes through."""

    def talk():
        with smtplib.SMTP("127.0.0.1", port, timeout=seconds) as client:
            if password is not None:
                client.login(OFFICE, password)
            return client.sendmail(sender, [to], content)

    return await asyncio.to_thread(talk)


def delivered(stand_in) -> list[email.message.EmailMessage]:
    """Return what lies in the office's Maildir, as the standard library reads it."""
    box = mailbox.Maildir(stand_in.accounts[OFFICE].maildir, create=False)
    return [email.message_from_bytes(box.get_bytes(key), policy=email.policy.default) for key in sorted(box.keys())]


class TestTowardsTheCitizen:
    async def test_a_letter_of_the_office_lies_in_the_citizens_mailbox(self, stand_in, port):
        await send(port)
        (mail,) = stand_in.inbox(CITIZEN)
        assert (mail.sender, mail.subject, mail.text.strip()) == (OFFICE, "Re: KTP-el", "Sudah selesai.")
        assert mail.reply_to == "pengaduan+t1@kota-contoh.example"
        assert mail.content == LETTER
        assert stand_in.inbox("budi@surel.example") == []

    @pytest.mark.parametrize("password", [None, "salah"])
    async def test_only_who_signs_in_sends(self, stand_in, port, password):
        with pytest.raises(smtplib.SMTPException):
            await send(port, password=password)
        assert stand_in.inbox(CITIZEN) == []

    async def test_only_in_the_offices_own_name(self, stand_in, port):
        await send(port, sender="pengaduan+b1@kota-contoh.example")
        with pytest.raises(smtplib.SMTPSenderRefused):
            await send(port, sender="bupati@kota-contoh.example")
        assert len(stand_in.inbox(CITIZEN)) == 1

    async def test_a_refusal_is_used_up(self, stand_in, port):
        stand_in.refuse(OFFICE, records.Stage.RECIPIENT, "451 4.7.1 Greylisted")
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            await send(port)
        assert caught.value.recipients[CITIZEN] == (451, b"4.7.1 Greylisted")
        await send(port)
        assert len(stand_in.inbox(CITIZEN)) == 1

    async def test_an_outage_turns_everybody_away_and_ends(self, stand_in, port):
        stand_in.faults(OFFICE).outage = True
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            await send(port)
        assert caught.value.smtp_code == 421
        stand_in.faults(OFFICE).outage = False
        await send(port)

    async def test_silence_after_the_content_leaves_the_sender_in_doubt(self, stand_in, port):
        stand_in.faults(OFFICE).silent = 1
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            await send(port, seconds=0.3)
        assert len(stand_in.inbox(CITIZEN)) == 1

    async def test_a_dropped_connection_likewise(self, stand_in, port):
        stand_in.faults(OFFICE).dropped = 1
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            await send(port)
        assert len(stand_in.inbox(CITIZEN)) == 1

    async def test_a_letter_too_large_is_refused(self, stand_in):
        async with mail_server.serve(stand_in, stand_in.accounts[OFFICE], max_bytes=100) as port:
            with pytest.raises(smtplib.SMTPException) as caught:
                await send(port)
            assert caught.value.smtp_code == 552

    async def test_a_bounce_comes_back_to_the_envelope_sender_in_the_standard_form(self, stand_in, port):
        stand_in.faults(OFFICE).bounces = 1
        await send(port, sender="pengaduan+b1@kota-contoh.example")
        (mail,) = stand_in.inbox(CITIZEN)
        assert mail.handover is records.Handover.RETURNED
        (report,) = delivered(stand_in)
        assert report["Return-Path"] == "<>"
        assert report["Delivered-To"] == "pengaduan+b1@kota-contoh.example"
        assert report.get_content_type() == "multipart/report"
        assert report.get_param("report-type") == "delivery-status"
        explanation, status, original = report.get_payload()
        assert explanation.get_content_type() == "text/plain"
        assert [dict(block) for block in status.get_payload()][1]["Status"] == "5.1.1"
        assert original.get_content_type() == "text/rfc822-headers"
        assert b"Message-ID: <1@kota-contoh.example>" in original.get_payload(decode=True)

    async def test_a_machine_answers_where_answers_are_wanted(self, stand_in, port):
        stand_in.faults(OFFICE).automatic_replies = True
        await send(port)
        (reply,) = delivered(stand_in)
        assert reply["Auto-Submitted"] == "auto-replied"
        assert reply["Delivered-To"] == "pengaduan+t1@kota-contoh.example"
        assert reply["In-Reply-To"] == "<1@kota-contoh.example>"


class TestTowardsTheOffice:
    def test_a_mail_lies_in_the_maildir_with_what_a_server_writes_above_it(self, stand_in):
        picture = records.File("ktp.png", "image/png", b"\x89PNG\r\n\x1a\n")
        stand_in.write(
            CITIZEN, "Siti Rahma", OFFICE, "KTP-el — kapan?", "Mohon informasinya.", "<b>Mohon</b>", [picture]
        )
        (mail,) = delivered(stand_in)
        assert mail["Return-Path"] == f"<{CITIZEN}>"
        assert mail["Authentication-Results"] == f"{mail_letters.HOST}; dmarc=pass header.from=surel.example"
        assert str(mail["From"]) == f"Siti Rahma <{CITIZEN}>"
        assert mail["Subject"] == "KTP-el — kapan?"
        assert mail.get_body(("plain",)).get_content().strip() == "Mohon informasinya."
        assert mail.get_body(("html",)).get_content().strip() == "<b>Mohon</b>"
        assert [part.get_content() for part in mail.iter_attachments()] == [picture.content]
        folder = stand_in.accounts[OFFICE].maildir
        assert not list((folder / "tmp").iterdir())

    async def test_an_answer_goes_on_with_the_thread_and_quotes(self, stand_in, port):
        await send(port)
        (received,) = stand_in.inbox(CITIZEN)
        stand_in.write(CITIZEN, "Siti", received.reply_to, "Re: KTP-el", "Terima kasih.", in_reply_to=received)
        (mail,) = delivered(stand_in)
        assert mail["To"] == "pengaduan+t1@kota-contoh.example"
        assert (mail["In-Reply-To"], mail["References"]) == ("<1@kota-contoh.example>",) * 2
        body = mail.get_content().replace("\r\n", "\n")
        assert re.search(r"Terima kasih\.\n\nPada tanggal .* menulis:\n> Sudah selesai\.", body)

    def test_what_is_held_arrives_at_the_release_in_its_order(self, stand_in):
        stand_in.faults(OFFICE).held = True
        for subject in ("satu", "dua"):
            stand_in.write(CITIZEN, "Siti", OFFICE, subject, "isi")
        assert delivered(stand_in) == []
        stand_in.release(OFFICE)
        stand_in.write(CITIZEN, "Siti", OFFICE, "tiga", "isi")
        assert sorted(mail["Subject"] for mail in delivered(stand_in)) == ["dua", "satu", "tiga"]
        assert {mail.handover for mail in stand_in.mailbox(CITIZEN)} == {records.Handover.DELIVERED}

    def test_a_provider_may_deliver_twice(self, stand_in):
        stand_in.faults(OFFICE).copies = 2
        stand_in.write(CITIZEN, "Siti", OFFICE, "satu", "isi")
        one, other = delivered(stand_in)
        assert one["Message-ID"] == other["Message-ID"]

    def test_nobodys_address_takes_nothing(self, stand_in):
        with pytest.raises(KeyError):
            stand_in.write(CITIZEN, "Siti", "lain@kota-contoh.example", "satu", "isi")


@pytest.fixture
async def page(stand_in, port) -> AsyncIterator[TestClient]:
    application = web.Application()
    accounts = [mail_pages.SimulatedAccount("surel", "E-mail", OFFICE)]
    zone = ZoneInfo("Asia/Jakarta")
    application.add_subapp("/simulator/surel", mail_pages.subapp(stand_in, accounts, office="Dinas Contoh", zone=zone))
    async with TestClient(TestServer(application)) as page:
        yield page


def form(**fields) -> FormData:
    data = FormData(default_to_multipart=True)
    for name, value in {"akun": "surel", "alamat": CITIZEN, "nama": "Siti Rahma", **fields}.items():
        data.add_field(name, value)
    return data


async def post(page, path, data, **headers):
    return await page.post(f"/simulator/surel{path}", data=data, headers={"Sec-Fetch-Site": "same-origin", **headers})


class TestPage:
    async def test_a_letter_written_there_reaches_the_office_with_its_file(self, stand_in, page):
        data = form(perihal="KTP-el", isi="Kapan\r\nselesai?")
        data.add_field("lampiran", b"%PDF-1.7", filename="bukti.pdf", content_type="application/pdf")
        response = await post(page, "/kirim", data)
        assert response.status == 200
        (mail,) = delivered(stand_in)
        assert str(mail["From"]) == f"Siti Rahma <{CITIZEN}>"
        assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n").strip() == "Kapan\nselesai?"
        (file,) = mail.iter_attachments()
        assert (file.get_filename(), file.get_content_type(), file.get_content()) == (
            "bukti.pdf", "application/pdf", b"%PDF-1.7",
        )  # fmt: skip
        shown = await response.text()
        assert "Kapan\nselesai?" in shown
        link = re.search(r"/simulator/surel/lampiran/\d+/0", shown)[0]
        fetched = await page.get(link)
        assert await fetched.read() == b"%PDF-1.7"
        assert fetched.headers["Content-Disposition"].startswith("attachment")

    async def test_an_answer_goes_where_the_office_asked_for_it(self, stand_in, port, page):
        await send(port)
        (received,) = stand_in.inbox(CITIZEN)
        opened = await (await page.get("/simulator/surel", params={"surat": str(received.id), "balas": "1"})).text()
        assert "Sudah selesai." in opened
        assert "Kirim balasan" in opened
        await post(page, "/kirim", form(surat=str(received.id), isi="Terima kasih."))
        (mail,) = delivered(stand_in)
        assert mail["Delivered-To"] == "pengaduan+t1@kota-contoh.example"
        assert mail["Subject"] == "Re: KTP-el"
        assert mail["In-Reply-To"] == "<1@kota-contoh.example>"

    async def test_nobody_reads_anothers_mail(self, stand_in, port, page):
        await send(port)
        (received,) = stand_in.inbox(CITIZEN)
        query = {"surat": str(received.id), "alamat": "budi@surel.example"}
        assert "Sudah selesai." not in await (await page.get("/simulator/surel", params=query)).text()

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"isi": "  "}, mail_texts.EMPTY),
            ({"isi": "x" * 20_001}, mail_texts.TOO_LONG),
            ({"isi": "x", "alamat": "siti"}, mail_texts.BAD_ADDRESS),
        ],
    )
    async def test_what_cannot_be_sent_is_said(self, stand_in, page, fields, problem):
        assert problem in await (await post(page, "/kirim", form(**fields))).text()
        assert delivered(stand_in) == []

    async def test_what_people_write_is_no_markup(self, stand_in, page):
        stand_in.write(CITIZEN, "<b>Siti</b>", OFFICE, "<script>1</script>", "<img src=x>")
        (mail,) = stand_in.mailbox(CITIZEN)
        shown = await (await page.get("/simulator/surel", params={"surat": str(mail.id)})).text()
        assert "<script>1" not in shown
        assert "<img" not in shown

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}])
    async def test_a_foreign_form_is_refused(self, stand_in, page, headers):
        for path in ("/kirim", "/sakelar"):
            assert (await post(page, path, form(isi="x", sakelar="outage", ke="nyala"), **headers)).status == 403
        assert delivered(stand_in) == []
        assert not stand_in.faults(OFFICE).outage

    @pytest.mark.parametrize("key", [key for key, _, _ in mail_texts.SWITCHES])
    async def test_every_switch_goes_on_and_off(self, stand_in, page, key):
        def is_on() -> bool:
            return next(switch.is_on for switch in mail_switches.states(stand_in, OFFICE) if switch.key == key)

        assert not is_on()
        shown = await (await post(page, "/sakelar", form(sakelar=key, ke="nyala"))).text()
        assert is_on()
        assert shown.count('aria-checked="true"') == 1
        await post(page, "/sakelar", form(sakelar=key, ke="padam"))
        assert not is_on()

    async def test_the_page_hears_of_changes_and_ends_with_the_service(self, stand_in, page):
        stream = await page.get("/simulator/surel/alur")
        stand_in.write(CITIZEN, "Siti", OFFICE, "satu", "isi")
        assert await asyncio.wait_for(stream.content.readline(), 5) == b"event: change\n"
        stream.close()

    async def test_every_answer_forbids_what_it_does_not_need(self, page):
        answer = await page.get("/simulator/surel")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert (await page.get("/simulator/surel/static/mail.js")).status == 200


async def test_waiting_has_an_end(stand_in):
    with pytest.raises(TimeoutError):
        await stand_in.wait_for(lambda: False, timedelta(milliseconds=50).total_seconds())
