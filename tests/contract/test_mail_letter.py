"""A message of the office as a mail, read back by the standard library and as bytes on the wire."""

import email
import email.policy
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail import letter, tokens
from core import errors, model
from core.ids import Number

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
NUMBER = Number("ADU", 2026, 123)
OFFICE = "Dinas Kependudukan dan Pencatatan Sipil Kota Contoh"
ROUTE = letter.Route(
    sender="pengaduan@kota-contoh.example",
    name=OFFICE,
    message_id="<7.abc@kota-contoh.example>",
    reply_to="pengaduan+t.abc@kota-contoh.example",
    return_path="pengaduan+b.abc@kota-contoh.example",
    instance="kota",
)
DETAILS = {"subject": "KTP-el belum dicetak", "message_id": "<satu@surel.example>"}
PDF = model.Enclosure("Surat jawaban – Siti.pdf", "application/pdf", b"%PDF-1.7\r\n\x00\xff")


def outbound(**changes) -> model.OutboundMessage:
    values = {
        "outbox_id": 7,
        "kind": model.MessageKind.ANSWER,
        "address": "siti.rahma@surel.example",
        "text": "Yth. Bapak/Ibu Siti,\n\nKTP-el sudah dapat diambil.\nMohon membawa KK.",
        "reference": "7.1",
        "number": NUMBER,
        "answers": model.Answered("<satu@surel.example>", DETAILS),
        **changes,
    }
    return model.OutboundMessage(**values)


def build(route=ROUTE, **changes):
    envelope = letter.build(outbound(**changes), route, NOW)
    return envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)


def answered(**details) -> model.Answered:
    return model.Answered("<satu@surel.example>", {**DETAILS, **details})


class TestHeaders:
    def test_say_who_writes_to_whom_and_where_answers_go(self):
        envelope, mail = build()
        assert (envelope.sender, envelope.recipient) == (ROUTE.return_path, "siti.rahma@surel.example")
        (sender,) = mail["From"].addresses
        assert (sender.display_name, sender.addr_spec) == (OFFICE, "pengaduan@kota-contoh.example")
        assert [each.addr_spec for each in mail["To"].addresses] == ["siti.rahma@surel.example"]
        assert [each.addr_spec for each in mail["Reply-To"].addresses] == [ROUTE.reply_to]
        assert mail["Date"].datetime == NOW
        assert mail["Message-ID"] == ROUTE.message_id
        assert mail["X-Aduan-Loop"] == "kota"
        assert not {"Bcc", "Cc", "Sender"} & set(mail.keys())
        assert len(mail.keys()) == len(set(mail.keys()))

    def test_without_plus_addresses_answers_go_to_the_sender(self):
        route = letter.Route(ROUTE.sender, None, ROUTE.message_id, None, ROUTE.sender, ROUTE.instance)
        envelope, mail = build(route)
        assert envelope.sender == ROUTE.sender
        assert mail["Reply-To"] is None
        assert str(mail["From"]) == ROUTE.sender

    @pytest.mark.parametrize(
        ("subject", "read"),
        [
            ("KTP-el belum dicetak", "Re: KTP-el belum dicetak [ADU-2026-000123]"),
            ("Re: Bls: RE: KTP-el", "Re: KTP-el [ADU-2026-000123]"),
            ("Re: KTP-el [ADU-2026-000123]", "Re: KTP-el [ADU-2026-000123]"),
            ("", "Re: Pengaduan [ADU-2026-000123]"),
            ("NIK 3599010101900001 hilang", "Re: NIK ************0001 hilang [ADU-2026-000123]"),
        ],
    )
    def test_the_subject_is_the_citizens_and_the_number(self, subject, read):
        _, mail = build(answers=answered(subject=subject))
        assert mail["Subject"] == read

    def test_the_first_letter_of_the_office_has_a_subject_as_well(self):
        _, mail = build(answers=None)
        assert mail["Subject"] == "Pengaduan [ADU-2026-000123]"
        assert mail["In-Reply-To"] is None
        assert mail["References"] is None

    @pytest.mark.parametrize("kind", [kind for kind in model.MessageKind if kind.is_outgoing])
    def test_all_but_a_persons_answer_say_that_a_machine_wrote(self, kind):
        _, mail = build(kind=kind)
        in_answer = kind.name in ("ACKNOWLEDGEMENT", "FURTHER_ACKNOWLEDGEMENT", "PRIVACY_NOTICE")
        expected = None if kind is model.MessageKind.ANSWER else "auto-replied" if in_answer else "auto-generated"
        assert mail["Auto-Submitted"] == expected
        assert mail["X-Auto-Response-Suppress"] == (None if expected is None else "All")

    def test_the_thread_goes_on(self):
        _, mail = build(answers=answered(references="<a@x> <b@x>"))
        assert mail["In-Reply-To"] == "<satu@surel.example>"
        assert mail["References"].split() == ["<a@x>", "<b@x>", "<satu@surel.example>"]

    def test_a_long_thread_keeps_its_beginning_and_its_end_in_short_lines(self):
        ids = [f"<{number}.{'x' * 200}@x>" for number in range(40)]
        envelope, mail = build(answers=answered(references=" ".join(ids)))
        read = mail["References"].split()
        assert len(read) == tokens.MAX_REFERENCES
        assert (read[0], read[-2:]) == (ids[0], [ids[39], "<satu@surel.example>"])
        assert max(map(len, envelope.content.split(b"\r\n"))) <= 998

    @pytest.mark.parametrize("bad", ["", "no id", "<a b@x>", "<" + "x" * 300 + "@x>", "<é@x>", "<>"])
    def test_what_is_no_id_is_left_out(self, bad):
        _, mail = build(answers=answered(message_id=bad, references=f"{bad} <b@x>"))
        assert mail["In-Reply-To"] is None
        assert mail["References"] is None

    def test_a_name_with_commas_quotes_and_accents_stays_one_address(self):
        route = letter.Route(ROUTE.sender, 'Dinas "Adminduk", Kota Contöh <a@b>', "<i@x>", None, "b@x", ROUTE.instance)
        _, mail = build(route)
        (sender,) = mail["From"].addresses
        assert (sender.display_name, sender.addr_spec) == ('Dinas "Adminduk", Kota Contöh <a@b>', ROUTE.sender)


class TestAddresses:
    def test_a_domain_beyond_ascii_is_written_in_ascii(self):
        envelope, mail = build(address="siti@köta.example")
        assert (envelope.recipient, envelope.utf8) == ("siti@xn--kta-sna.example", False)
        assert mail["To"] == "siti@xn--kta-sna.example"

    def test_a_mailbox_beyond_ascii_needs_smtputf8(self):
        envelope, _ = build(address="sitî@köta.example")
        assert (envelope.recipient, envelope.utf8) == ("sitî@xn--kta-sna.example", True)
        assert "To: sitî@xn--kta-sna.example\r\n".encode() in envelope.content

    @pytest.mark.parametrize(
        "address",
        [
            "siti",
            "@surel.example",
            "siti@",
            "siti@surel..example",
            "siti@-surel.example",
            "siti rahma@surel.example",
            "siti@surel.example\r\nBcc: x@y.example",
            "siti\r\n@surel.example",
            "a@b@surel.example",
            "siti@surel.example>, <x@y.example",
            "siti@su_rel.example",
            "siti@" + "ä" * 70 + ".example",
            "s" * 65 + "@surel.example",
            "siti@" + "surel." * 45 + "example",
        ],
    )
    def test_what_can_be_no_mailbox_is_refused(self, address):
        with pytest.raises(errors.PermanentSendError) as caught:
            build(address=address)
        assert caught.value.refusal is model.Refusal.NO_SUCH_ADDRESS
        assert "siti" not in str(caught.value)


class Text(HTMLParser):
    """What a reader of the HTML sees, and every element and address in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen, self.tags, self.links = "", set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("href", "src", "background")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.seen += data


class TestBody:
    def test_both_forms_have_letterhead_number_subject_text_and_foot(self):
        _, mail = build()
        plain = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
        seen = Text(mail.get_body(("html",)).get_content()).seen
        for form in (plain, seen):
            for part in (OFFICE, "ADU-2026-000123", "KTP-el belum dicetak", "Mohon membawa KK.", "Nomor 27 Tahun 2022"):
                assert part in form
        assert plain.startswith(OFFICE)
        assert "Nomor   : ADU-2026-000123\nPerihal : KTP-el belum dicetak\n" in plain
        assert "otomatis" not in plain

    def test_a_machine_says_so(self):
        _, mail = build(kind=model.MessageKind.ACKNOWLEDGEMENT)
        assert "dikirim secara otomatis" in mail.get_body(("plain",)).get_content()

    def test_nothing_of_a_text_becomes_markup(self):
        text = '<script>alert(1)</script> <img src=x onerror=y> &amp; "kutip"'
        _, mail = build(text=text, answers=answered(subject="<b>tebal</b>"))
        html = Text(mail.get_body(("html",)).get_content())
        assert text in html.seen
        assert "<b>tebal</b>" in html.seen
        assert html.tags <= {"html", "head", "meta", "body", "div", "p", "table", "tr", "td", "br", "a"}

    def test_web_addresses_are_links_that_show_where_they_lead(self):
        _, mail = build(text="<b>Lihat</b> https://aduan.contoh.id/lacak?nomor=1&pin=2. Atau <https://lapor.go.id>")
        html = mail.get_body(("html",)).get_content()
        assert Text(html).links == ["https://aduan.contoh.id/lacak?nomor=1&pin=2", "https://lapor.go.id"]
        assert "https://aduan.contoh.id/lacak?nomor=1&amp;pin=2</a>." in html
        assert "<b>Lihat</b> https" in Text(html).seen

    def test_nothing_is_fetched_from_anywhere(self):
        html = build()[1].get_body(("html",)).get_content()
        assert not re.search(r"src=|url\(|@import|<link", html)

    def test_files_come_along_as_they_are(self):
        eml = model.Enclosure("../surat.eml", "message/rfc822", b"From: a\n\nisi")
        odd = model.Enclosure('a"b\r\nX: y', "no type", b"")
        _, mail = build(files=(PDF, eml, odd))
        files = [(part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()]
        assert files == [
            ("Surat jawaban – Siti.pdf", "application/pdf", PDF.content),
            (".._surat.eml", "application/octet-stream", eml.content),
            ('a"b X: y', "application/octet-stream", b""),
        ]
        assert "Lampiran : 3 berkas" in mail.get_body(("plain",)).get_content()

    def test_everything_is_seven_bit_in_short_lines(self):
        long = "Ibu Sítî — " + "panjang " * 400 + "x" * 2000
        envelope, mail = build(text=long, files=(PDF,))
        assert envelope.content.isascii()
        assert b"\n" not in envelope.content.replace(b"\r\n", b"")
        assert max(map(len, envelope.content.split(b"\r\n"))) <= 998
        assert long in mail.get_body(("plain",)).get_content()


ANY = st.text(max_size=200) | st.text("<>\"'\r\n\0 :@,;=?é\u202e\ud800A", max_size=60)


@settings(deadline=None)  # the machine may be busy
@given(subject=ANY, name=ANY, body=ANY, file_name=ANY, ids=ANY)
def test_whatever_people_write_no_header_and_no_recipient_is_added(subject, name, body, file_name, ids):
    route = letter.Route(ROUTE.sender, name, ROUTE.message_id, ROUTE.reply_to, ROUTE.return_path, ROUTE.instance)
    enclosure = model.Enclosure(file_name, "image/png", b"x")
    details = answered(subject=subject, references=ids, in_reply_to=ids)
    envelope, mail = build(route, text=body, files=(enclosure,), answers=details)
    assert set(mail.keys()) == {
        "Message-ID", "In-Reply-To", "References", "Date", "From", "To", "Reply-To", "Subject", "X-Aduan-Loop",
        "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert [each.addr_spec for each in mail["From"].addresses] == [ROUTE.sender]
    assert [each.addr_spec for each in mail["To"].addresses] == ["siti.rahma@surel.example"]
    assert len(list(mail.iter_attachments())) == 1
    assert envelope.content.isascii()
