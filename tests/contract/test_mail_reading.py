"""The contract of e-mail in: what a raw mail becomes. One fixture for each kind of program that writes mails."""

import base64
import hashlib
import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.mail import parts, reading, tokens
from core import ids, model

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = b"kunci-uji-0000000000000000000000"
KNOWN = reading.Known(
    addresses=frozenset({"pengaduan@kota-contoh.example"}),
    thread_key=KEY,
    instance="kota-contoh",
    authserv_id="mx.kota-contoh.example",
)
NUMBER = ids.Number("ADU", 2026, 123)
OWN_ID = tokens.message_id(7, NUMBER, KEY, "kota-contoh.example")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def fixture(name):
    return (FIXTURES / f"{name}.eml").read_bytes()


def read(raw, known=KNOWN):
    (event,) = reading.read(raw, known, NOW)
    return event


def mail(*fields, body="Isi aduan.", **named):
    """Make a mail of some fields; `named` replace the usual ones, None leaves one out."""
    usual = {"From": "siti@example.org", "Message_ID": "<a1@example.org>", "Subject": "Aduan", **named}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in usual.items() if value is not None]
    return "\n".join([*lines, *fields, "", body]).encode("utf-8", "surrogateescape")


def mixed(*members, boundary="b"):
    body = "".join(f"--{boundary}\n{member}\n" for member in members) + f"--{boundary}--\n"
    return mail(f'Content-Type: multipart/mixed; boundary="{boundary}"', body=body)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_plain_mail_is_read_as_it_was_written(line_end):
    assert read(fixture("plain").replace(b"\n", line_end)) == model.InboundMessage(
        provider_id="<20261122025857.9A1@surat.example.org>",
        address="siti.rahma@example.org",
        text=(
            "Yth. Bapak/Ibu petugas,\n\nKTP-el saya sudah tiga bulan belum dicetak. Syarat yang sudah saya bawa:\n"
            "- KK asli\n- surat pengantar dari kecamatan\n\nTerima kasih & salam,\nSiti Rahma"
        ),
        sent_at=datetime(2026, 11, 22, 2, 58, 59, tzinfo=UTC),
        name="Siti Rahma",
        details={
            "subject": "KTP-el belum dicetak – mohon bantuan",
            "message_id": "<20261122025857.9A1@surat.example.org>",
            "cc": "kecamatan@kota-contoh.example",
            "authentication": "pass",
        },
        identity="siti.rahma@example.org",
    )


@pytest.mark.parametrize(
    ("name", "text", "quoted"),
    [
        ("reply_gmail", "Baik, besok saya datang ke kantor.", "Pada Sen, 3 Mar 2025 pukul 10.15"),
        ("reply_outlook", "Saya sudah ke kantor, “mesin rusak” kata petugas.", "Dari: Dinas Dukcapil"),
        ("reply_iphone", "Terlampir fotonya, mohon dicek kembali.", "Dikirim dari iPhone saya"),
    ],
)
def test_a_reply_is_what_was_written_now(name, text, quoted):
    message = read(fixture(name))
    assert message.text == text
    assert message.quoted.startswith(quoted)
    assert "Yth." in message.quoted


def test_answers_between_the_lines_stay_with_what_they_answer():
    message = read(fixture("reply_inline"))
    assert message.text.endswith(
        "> Kapan Ibu datang?\n\nTanggal 20 November.\n\n> Siapa petugasnya?\n\nTidak tahu namanya."
    )
    assert message.quoted == "-- \nSiti Rahma\nKota Contoh"


def test_a_reply_names_what_it_answers_nearest_first():
    message = read(fixture("reply_gmail"))
    nearest = "<1.adu-2026-000123.aaaaaaaaaaaaaaaa@kota-contoh.example>"
    assert message.replies_to == (nearest, "<awal@mail.example.org>")
    assert message.details["references"] == f"<awal@mail.example.org> {nearest}"
    assert message.number == NUMBER  # by the subject


def test_html_alone_becomes_its_visible_text():
    message = read(fixture("html_tracking"))
    assert message.text.startswith("KTP saya hilang.\n\nMohon bantuan.")
    assert not any(word in message.text for word in ("tersembunyi", "Judul", "@import", "alert"))
    assert [(file.name, file.media_type, file.content[:4]) for file in message.files] == [
        ("foto.png", "image/png", PNG[:4]),
        (None, "image/png", b"<svg"),
    ]


def test_every_file_is_kept_under_a_name_without_a_path():
    message = read(fixture("files"))
    assert message.text == "Terlampir berkas saya.\n\nMohon ditindaklanjuti."
    assert [(file.name, file.media_type, file.content[:5]) for file in message.files] == [
        ("passwd", "application/pdf", b"%PDF-"),
        ("kartu keluarga 📄 dan akta.pdf", "application/pdf", b"%PDF-"),
        ("foto – KTP.jpg", "image/jpeg", b"\xff\xd8\xff\xe0\x00"),
        ("winmail.dat", "application/ms-tnef", base64.b64decode("eJ8+IgAAAAA=")[:5]),
        (None, "application/octet-stream", b"\0\1\2"),
        ("catatan.txt", "text/plain", b"isi c"),
        ("smime.p7s", "application/pkcs7-signature", base64.b64decode("MIAGCSqGSIb3")[:5]),
    ]


def test_a_forwarded_mail_is_the_complaint():
    message = read(fixture("forward_gmail"))
    assert "Mohon dibantu tetangga saya." in message.text
    assert "Akta anak saya salah nama.\n> kata petugas: tunggu" in message.text
    assert (message.quoted, message.details["forwarded"]) == ("", "1")


def test_a_mail_forwarded_as_a_file_is_read_and_kept():
    message = read(fixture("forward_attached"))
    assert message.text == "Akta anak saya salah nama."
    (file,) = message.files
    assert (file.name, file.media_type) == ("surat.eml", "message/rfc822")
    assert b"<dalam@example.org>" in file.content


def test_an_encrypted_mail_keeps_its_parts_and_says_so():
    message = read(fixture("encrypted"))
    assert (message.text, message.details["encrypted"]) == ("Rahasia", "1")
    assert [file.name for file in message.files] == [None, "encrypted.asc"]
    assert b"BEGIN PGP MESSAGE" in message.files[1].content


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # 5.3.1: a charset nobody knows
        (mail("Content-Type: text/plain; charset=x-unknown", body="Pengaduan é"), "Pengaduan é"),
        (mail("Content-Type: text/plain; charset=iso-8859-1").replace(b"Isi", b"\x93Isi\x94"), "“Isi” aduan."),
        (mail("Content-Type: text/plain; charset=utf-8").replace(b"Isi", b"caf\xe9"), "café aduan."),
        (mail("Content-Type: text/plain; charset=zip"), "Isi aduan."),
        # 5.3.8: without a boundary; with another one; cut off
        (mail("Content-Type: multipart/mixed"), "Isi aduan."),
        (mail('Content-Type: multipart/mixed; boundary="x"'), "Isi aduan."),
        (mail("Content-Type: multipart/mixed; boundary=x", body="--y\nContent-Type: text/plain\n\nIsi\n--y--"), "Isi"),
        (mail("Content-Type: multipart/mixed; boundary=x", body="--x\n\nTerpo"), "Terpo"),
        # 5.3.9: base64 that is none; an encoding nobody knows
        (mail("Content-Transfer-Encoding: base64", body="SGFsbyEh!\n*S*GFsbyE="), "Halo!!Halo!"),
        (
            mail("Content-Transfer-Encoding: base64", body="Ini bukan base64, Bapak/Ibu."),
            "Ini bukan base64, Bapak/Ibu.",
        ),
        (mail("Content-Transfer-Encoding: base64", body="SGFsbw==SGFsbw="), "HaloHalo"),
        (mail("Content-Transfer-Encoding: quoted-printable", body="Hal=6F =\nBapak=ZZ"), "Halo Bapak=ZZ"),
        (mail("Content-Transfer-Encoding: x-aneh"), "Isi aduan."),
        # no text: the subject is all he said
        (mail(body=""), "Aduan"),
        (mail("Content-Type: text/plain\x00; charset=utf-8"), "Isi aduan."),
        (mail("Content-Type: omong kosong"), "Isi aduan."),
        (mail("baris rusak tanpa titik dua", "Date: x"), "Isi aduan."),
        (b"KTP saya hilang\nsejak tiga bulan", "KTP saya hilang\nsejak tiga bulan"),
        (b"Subject: Aduan\nKTP saya hilang\nsejak tiga bulan", "KTP saya hilang\nsejak tiga bulan"),
        (b"From siti@example.org Sun Nov 22\nFrom: siti@example.org\n\nIsi", "Isi"),
        (b"From: siti@example.org\rSubject: Aduan\r\rIsi", "Isi"),
    ],
)
def test_text_is_found_in_a_broken_mail(raw, expected):
    assert read(raw).text == expected


@pytest.mark.parametrize("raw", [b"", b"\n", b"\n\n", b"\0", b"Subject:\n\n", b"From: siti@example.org\n\n \n"])
def test_an_empty_mail_is_an_empty_message(raw):
    message = read(raw)
    assert (message.text, message.content) == ("", model.Content.EMPTY)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<[abc]@x>", "<[abc]@x>"),  # 5.3.2
        ("<abc def@x> foo", "<abcdef@x>"),
        ("abc@example.org", "<abc@example.org>"),
        ("<=?utf-8?q?a?=@x>", "<=?utf-8?q?a?=@x>"),
    ],
)
def test_a_message_id_has_one_form(given, expected):
    assert read(mail(Message_ID=given)).provider_id == expected


@pytest.mark.parametrize("given", [None, "", "<>", "<@>", "<1>", "<" + "a" * 300 + "@x>"])
def test_without_a_usable_message_id_the_content_tells_mails_apart(given):
    """5.3.3; the same mail in two mailboxes (5.3.18) is one."""
    body = "Isi\naduan.\n"
    first = read(mail("Delivered-To: a@kota-contoh.example", Message_ID=given, body=body))
    second = mail("Delivered-To: b@kota-contoh.example", Message_ID=given, body=body + "\n")
    second = read(second.replace(b"\n", b"\r\n"))
    other = read(mail(Message_ID=given, body="Isi lain."))
    assert first.provider_id.startswith("sha256:")
    assert first.provider_id == second.provider_id != other.provider_id


@pytest.mark.parametrize(
    ("fields", "address", "name"),
    [
        ({"From": "Siti Rahma <Siti.Rahma@EXAMPLE.org>"}, "Siti.Rahma@example.org", "Siti Rahma"),
        ({"From": "siti@example.org (Siti (Kota) Rahma)"}, "siti@example.org", "Siti (Kota) Rahma"),
        ({"From": '"Rahma, Siti" <siti@example.org>'}, "siti@example.org", "Rahma, Siti"),
        ({"From": "siti@example.org <siti@example.org>"}, "siti@example.org", None),
        ({"From": "=?utf-8?q?Bad=0D=0ABcc=3A_x?= <siti@example.org>"}, "siti@example.org", "Bad Bcc: x"),  # 5.3.5
        ({"From": "(" * 900 + " siti@example.org"}, "unknown", None),  # 5.3.6
        ({"From": "(" * 900 + ")" * 900 + " siti@example.org"}, "siti@example.org", "(" * 119),
        ({"From": "Warga: siti@example.org, budi@example.org;"}, "siti@example.org", None),  # 5.3.4
        ({"From": "undisclosed-recipients:;", "Sender": "siti@example.org"}, "siti@example.org", None),
        ({"From": None, "Return_Path": "<siti@example.org>"}, "siti@example.org", None),  # 5.3.3
        ({"From": None}, "unknown", None),
        ({"From": "Siti Rahma"}, "unknown", None),
        (
            {"From": "=?utf-8?b?U2l0aQ==?= =?utf-8?b?IFJhaG1h?= <siti@exämple.org>"},
            "siti@xn--exmple-cua.org",
            "Siti Rahma",
        ),
        ({"From": "sïti@example.org"}, "sïti@example.org", None),
        ({"From": "Siti Rahma siti@example.org"}, "siti@example.org", None),
        ({"From": "<@relay.example,@b.example:siti@example.org>"}, "siti@example.org", None),
        ({"From": "mailto:siti@example.org"}, "siti@example.org", None),
        ({"From": "Siti \u202egnp.exe <siti@example.org>"}, "siti@example.org", "Siti gnp.exe"),
        ({"From": "a@b@example.org"}, "unknown", None),
    ],
)
def test_the_author_is_who_the_mail_names(fields, address, name):
    message = read(mail(**fields))
    if address == "unknown":
        assert message.address.startswith("unknown:")
        assert message.is_automatic
    else:
        assert message.address == address
    assert (message.name or "")[:119] == (name or "")


def test_of_two_authors_none_is_vouched_for():
    vouched = "Authentication-Results: mx.kota-contoh.example; dmarc=pass header.from=example.org"
    assert read(mail(vouched)).identity == "siti@example.org"
    for other in ("From: budi@example.org", "From: Budi", "X: x\nFrom: siti@example.org"):
        message = read(mail(vouched, other))
        assert (message.address, message.identity) == ("siti@example.org", None)
        assert message.details["authentication"] == "fail"


def test_two_mails_without_an_author_are_of_two_contacts():
    first, second = (read(mail(From=None, Message_ID=f"<{each}@example.org>")) for each in ("a1", "a2"))
    assert first.address != second.address


@pytest.mark.parametrize(
    ("value", "reply_address"),
    [
        ("budi@example.org", "budi@example.org"),
        ("Siti <siti@EXAMPLE.org>", None),
        ("Pengaduan@Kota-Contoh.example", None),
        ("omong kosong", None),
    ],
)
def test_another_address_to_answer_at_is_kept(value, reply_address):
    message = read(mail(Reply_To=value))
    assert (message.address, message.reply_address) == ("siti@example.org", reply_address)
    assert message.details.get("reply_to") == reply_address


@pytest.mark.parametrize(
    ("fields", "sent_at"),
    [
        ({"Date": "Sun, 22 Nov 2026 09:00:00 +0700"}, datetime(2026, 11, 22, 2, 0, tzinfo=UTC)),
        ({"Date": "Sun, 22 Nov 2026 02:00:00 -0000"}, datetime(2026, 11, 22, 2, 0, tzinfo=UTC)),
        ({"Date": "Sun, 22 Nov 2026 20:00:00 +0700"}, NOW),  # a clock that is fast
        ({"Date": "Wed, 25 Nov 2026 20:00:00 +0700"}, None),
        ({"Date": "Thu, 1 Jan 1970 00:00:00 +0000"}, None),
        ({"Date": "kemarin"}, None),
        ({"Date": "Sun, 99 Nov 99999 00:00:00 +9999"}, None),
        ({"Date": None}, None),
        (
            {"Received": "by mx.kota-contoh.example; Sat, 21 Nov 2026 09:00:00 +0700", "Date": "x"},
            datetime(2026, 11, 21, 2, 0, tzinfo=UTC),
        ),
    ],
)
def test_the_server_that_took_the_mail_says_when(fields, sent_at):
    assert read(mail(**fields)).sent_at == sent_at


def test_personal_marks_that_break_databases_are_taken_out():
    """5.3.10."""
    message = read(mail(Subject="Ad\0uan \udcff\u202e =?utf-8?b?AGE=?=", body="Isi\0 aduan\x85\u2028baru"))
    assert (message.details["subject"], message.text) == ("Aduan ÿ a", "Isi aduan\n\nbaru")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a" * 300 + ".pdf", "a" * 116 + ".pdf"),
        ("a" * 300, "a" * 120),
        ("C:\\fakepath\\foto.jpg", "foto.jpg"),
        ("..", None),
        ("foto\0\u202egpj.exe", "fotogpj.exe"),
    ],
)
def test_a_file_name_is_fit_for_every_disk(name, expected):
    """5.3.13."""
    (file,) = (
        read(mixed(f'Content-Type: application/pdf; name="{name}"\n\nx')).files
        if "\\" not in name
        else read(mixed(f"Content-Type: application/pdf; name={name}\n\nx")).files
    )
    assert file.name == expected


def test_1200_nested_multiparts_keep_what_cannot_be_looked_into():
    """5.3.7."""
    nested = "".join(f'Content-Type: multipart/mixed; boundary="b{each}"\n\n--b{each}\n' for each in range(1200))
    raw = b"From: siti@example.org\nSubject: Aduan\n" + nested.encode() + b"Content-Type: text/plain\n\nIsi"
    message = read(raw)
    assert message.text == "Aduan"
    (file,) = message.files
    assert file.content.endswith(b"Isi")


def test_of_3000_parts_the_first_are_read_and_the_rest_counted():
    """5.3.7."""
    message = read(mixed(*["Content-Type: image/png\n\nx"] * 3000))
    assert len(message.files) == KNOWN.max_files
    assert int(message.details["left_out"]) == 3000 - KNOWN.max_files


def test_many_parts_with_a_boundary_at_every_level_take_no_longer():
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 3000
    )
    assert isinstance(read(raw), model.InboundMessage)
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bx\n" * 300_000
    assert isinstance(read(raw), model.InboundMessage)


def test_a_mail_beyond_the_limit_is_read_as_far_as_it_goes():
    """5.3.24, the part of it that is reading."""
    known = reading.Known(KNOWN.addresses, KEY, "kota-contoh", max_bytes=10_000)
    message = read(mail(body="Isi aduan.\n" + "x" * 50_000), known)
    assert message.text.startswith("Isi aduan.")
    assert message.details["text_cut"] == "1"
    assert len(read(mail(body="kata " * 50_000)).text) <= 100_000


def test_flowed_text_gets_its_paragraphs_back():
    flowed = "Satu dua \ntiga.\n Berspasi\n> kutipan \n> lanjut\n-- \nSiti"
    message = read(mail("Content-Type: text/plain; format=flowed", body=flowed))
    assert message.text == "Satu dua tiga.\nBerspasi\n> kutipan lanjut"
    assert message.quoted == "-- \nSiti"


@pytest.mark.parametrize(
    "field", ["To: Pengaduan <{}>", "Cc: x@example.org, <{}>", "Delivered-To: {}", "X-Original-To: {}"]
)
def test_an_address_with_our_token_names_the_complaint(field):
    address = tokens.reply_address("pengaduan@kota-contoh.example", NUMBER, KEY)
    assert read(mail(field.format(address))).number == NUMBER
    assert read(mail(field.format(address.upper()))).number == NUMBER
    assert read(mail(field.format(address.replace("000123", "000124")))).number is None  # 5.3.19: guessed


def test_the_token_counts_more_than_the_subject():
    """5.3.21."""
    address = tokens.reply_address("pengaduan@kota-contoh.example", NUMBER, KEY)
    message = read(mail(f"To: {address}", Subject="Re: [ADU-2026-000999] lain"))
    assert message.number == NUMBER
    assert read(mail(Subject="Re: Fwd: [ADU-2026-000999] lain")).number == ids.Number("ADU", 2026, 999)


def test_the_references_are_bounded():
    many = " ".join(f"<r{each}@example.org>" for each in range(1000))
    message = read(mail(f"References: {many}"))
    assert len(message.replies_to) == tokens.MAX_REFERENCES
    assert message.replies_to[0] == "<r999@example.org>"


def test_our_own_mail_that_comes_back_says_nothing_new():
    """5.3.17: a forwarding rule, a copy to ourselves."""
    returned = mail(Message_ID=OWN_ID, From="Dinas <Pengaduan@kota-contoh.example>")
    assert read(returned) == model.DeliveryReceipt(OWN_ID, model.DeliveryState.ACCEPTED)
    assert read(mail(Message_ID=OWN_ID)).provider_id.startswith("sha256:")  # a citizen's words under our id
    forged = OWN_ID.replace("adu-2026-000123", "adu-2026-000124")
    assert read(mail(Message_ID=forged)).provider_id == forged


def test_a_form_that_writes_in_our_name_is_of_whom_it_names():
    message = read(mail(From="pengaduan@kota-contoh.example", Reply_To="siti@example.org"))
    assert (message.address, message.is_automatic) == ("siti@example.org", True)


def test_a_mail_no_reader_foresaw_is_a_placeholder(monkeypatch):
    """The one way to see the guard work: a limit of a type that breaks the reader."""
    broken = reading.Known(KNOWN.addresses, KEY, "kota-contoh", limits=parts.Limits(parts=None))
    raw = mixed("\nIsi")
    assert read(raw, broken) == model.InboundMessage(
        provider_id=f"sha256:{hashlib.sha256(raw).hexdigest()}",
        address=f"unknown:{hashlib.sha256(raw).hexdigest()[:16]}",
        content=model.Content.UNSUPPORTED,
        is_automatic=True,
    )


def test_the_original_is_a_file_and_safe_html():
    original = reading.original(fixture("html_tracking"))
    assert original.content == fixture("html_tracking")
    assert (original.name[:6], original.name[-4:], original.media_type) == ("surat-", ".eml", "message/rfc822")
    assert "data:image/png;base64," in original.html
    assert reading.original(fixture("plain")).html is None


def test_times_are_clamped_to_when_it_was_fetched():
    late = mail(Received=f"by x; {NOW + timedelta(hours=3):%a, %d %b %Y %H:%M:%S +0000}")
    assert read(late).sent_at == NOW


def test_every_detail_is_documented():
    documented = inspect.getdoc(reading.read)
    seen = {key for path in FIXTURES.glob("*.eml") for each in [read(path.read_bytes())] for key in each.details}
    assert {key for key in seen if key not in documented} == set()
