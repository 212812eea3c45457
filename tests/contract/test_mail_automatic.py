"""Which mails a machine wrote, and whether our own server vouches for an author."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.mail import authentication, automatic, reading

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KNOWN = reading.Known(frozenset({"pengaduan@kota-contoh.example"}), b"k" * 32, "kota-contoh", "mx.kota-contoh.example")


def reason(*fields, sender="siti@example.org", subject="Aduan"):
    raw = "\n".join([f"From: {sender}", f"Subject: {subject}", "Message-ID: <a1@example.org>", *fields, "", "Isi"])
    (message,) = reading.read(raw.encode(), KNOWN, NOW)
    assert message.is_automatic == ("automatic" in message.details)
    return message.details.get("automatic")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["Auto-Submitted: auto-replied"], "auto_submitted"),
        (["Auto-Submitted: Auto-Generated; owner-email=x"], "auto_submitted"),
        (["Auto-Submitted: no"], None),
        (["X-Autoreply: yes"], "auto_submitted"),
        (["X-Auto-Response-Suppress: All"], "suppress"),
        (["X-Auto-Response-Suppress: None"], None),
        (["Precedence: bulk"], "precedence"),
        (["Precedence: list"], "precedence"),
        (["Precedence: first-class"], None),
        (["List-Id: Warga <warga.example.org>"], "list"),
        (["List-Unsubscribe: <https://example.org/x>"], "list"),
        (["List-Post: <mailto:warga@example.org>", "List-Id: <warga.example.org>"], "list"),
        # a group that hands the office's own mail to several officials
        (["List-Post: <mailto:Pengaduan@kota-contoh.example>", "List-Id: <x>", "Precedence: list"], None),
        (["Return-Path: <>"], "null_sender"),
        (["Return-Path: <siti@example.org>"], None),
        ([f"{automatic.LOOP_HEADER}: Kota-Contoh"], "loop"),
        ([f"{automatic.LOOP_HEADER}: kota-lain"], None),
        (["Received: x; Sun, 22 Nov 2026 09:00:00 +0700"] * 31, "hops"),
        (["Received: x; Sun, 22 Nov 2026 09:00:00 +0700"] * 30, None),
    ],
)
def test_fields_that_machines_set(fields, expected):
    assert reason(*fields) == expected


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("MAILER-DAEMON@example.org", "null_sender"),
        ("postmaster@example.org", "null_sender"),
        ("noreply@example.org", "no_reply"),
        ("no-reply+x@example.org", "no_reply"),
        ("akun.no_reply@example.org", "no_reply"),
        ("donotreply@example.org", "no_reply"),
        ("tidak-dibalas@example.org", "no_reply"),
        ("bounces+123=siti=example.org@example.org", "no_reply"),
        ("Pengaduan@Kota-Contoh.example", "own"),
        ("noreen@example.org", None),
        ("reply@example.org", None),
        ("Siti", "no_sender"),
    ],
)
def test_senders_that_are_machines(sender, expected):
    assert reason(sender=sender) == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        # 5.3.14: nothing but the subject says so
        ("Balasan otomatis: KTP", "subject"),
        ("Jawaban Otomatis", "subject"),
        ("Sedang cuti hingga 30 November", "subject"),
        ("Di luar kantor", "subject"),
        ("Balasan automatik: KTP", "subject"),
        ("Automatic reply: KTP", "subject"),
        ("Auto-Reply: KTP", "subject"),
        ("Out of Office Re: KTP", "subject"),
        ("Automatische Antwort: KTP", "subject"),
        ("Abwesenheitsnotiz", "subject"),
        ("Automatisch antwoord: KTP", "subject"),
        ("Afwezigheidsbericht", "subject"),
        ("Réponse automatique : KTP", "subject"),
        ("Respuesta automática: KTP", "subject"),
        # what citizens write
        ("Di luar kantor Dukcapil banyak calo", None),
        ("Sedang cuti, petugas tidak melayani", None),
        ("Re: out of office", None),
        ("KTP otomatis hilang", None),
        ("Automatic door is broken", None),
    ],
)
def test_subjects_of_absence(subject, expected):
    assert reason(subject=subject) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("out_of_office", "subject"), ("newsletter", "list"), ("bounce_odd", "bounce"), ("plain", None), ("files", None)],
)
def test_whole_mails(name, expected):
    (message,) = reading.read((FIXTURES / f"{name}.eml").read_bytes(), KNOWN, NOW)
    assert message.details.get("automatic") == expected


RESULTS = "mx.kota-contoh.example; "


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([RESULTS + "dmarc=pass header.from=example.org"], "pass"),
        ([RESULTS + "dmarc=pass (p=none (x) y) header.from=EXAMPLE.org"], "pass"),
        ([RESULTS + "dmarc=fail header.from=example.org; spf=pass smtp.mailfrom=a@example.org"], "fail"),
        ([RESULTS + "dmarc=pass header.from=lain.example"], "fail"),
        ([RESULTS + "spf=pass smtp.mailfrom=a@example.org"], "pass"),
        ([RESULTS + "spf=pass smtp.mailfrom=bounce.example.org"], "pass"),
        ([RESULTS + "spf=pass smtp.mailfrom=a@lain.example"], "none"),
        ([RESULTS + "spf=pass smtp.mailfrom=a@notexample.org"], "none"),
        ([RESULTS + "spf=fail smtp.mailfrom=a@example.org; dkim=pass header.d=example.org"], "pass"),
        ([RESULTS + "spf=softfail smtp.mailfrom=a@example.org"], "none"),
        ([RESULTS + "dkim=fail header.d=example.org"], "fail"),
        ([RESULTS + "dkim=fail header.d=x.example; dkim=pass header.i=@example.org"], "pass"),
        ([RESULTS + "dmarc=none; spf=none"], "none"),
        ([RESULTS + "none"], "none"),
        # somebody else's word, and a forged one below our server's own
        (["mx.lain.example; dmarc=pass header.from=example.org"], "none"),
        (["mx.kota-contoh.example.lain; dmarc=pass header.from=example.org"], "none"),
        ([RESULTS + "dmarc=fail", RESULTS + "dmarc=pass header.from=example.org"], "fail"),
        ([RESULTS + "none", RESULTS + "dmarc=pass header.from=example.org"], "none"),
        (["(" * 9000 + RESULTS + "dmarc=pass header.from=example.org"], "none"),
        ([], "none"),
        (["", ";", "=", "mx.kota-contoh.example"], "none"),
    ],
)
def test_only_our_own_server_vouches_for_an_author(fields, expected):
    assert authentication.verdict(fields, "mx.kota-contoh.example", "example.org") == expected


def test_without_a_server_of_our_own_nobody_is_vouched_for():
    assert authentication.verdict([RESULTS + "dmarc=pass"], None, "example.org") is authentication.Verdict.NONE
