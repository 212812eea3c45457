"""Mails nobody would write: mutated fixtures and mails built of odd pieces. Nothing raises, nothing is lost in silence.

The number of inputs of each kind is ADUAN_FUZZ (default 1,500); each is made from its index, so that one that fails
can be made again.
"""

import base64
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.mail import reading, tokens
from core import ids, model, text

COUNT = int(os.environ.get("ADUAN_FUZZ", "1500"))
FIXTURES = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "fixtures" / "mail").glob("*.eml"))]
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = b"kunci-uji-0000000000000000000000"
KNOWN = reading.Known(frozenset({"pengaduan@kota-contoh.example"}), KEY, "kota-contoh", "mx.kota-contoh.example")
OWN_ID = tokens.message_id(7, ids.Number("ADU", 2026, 123), KEY, "kota-contoh.example")

PIECES = [
    *(bytes([each]) for each in range(256)),
    *[b"\r\n", b"\n\n", b"--", b"=?utf-8?q?", b"?=", b"=?x?b?4oI=?=", b"\r", b"\xed\xa0\x80", b"\xf0\x9f", b"(" * 99],
    *[b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"boundary=", b"charset=utf-16", b"charset=idna"],
    *[b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"message/rfc822"],
    *[b"From: <a@b> (", b"Message-ID: <", b"Received: ;", b"Date: -1 Feb 99999999999 99:99 -9999\n", b"<" * 99],
    *[b"multipart/report", b"message/delivery-status", b"Action: failed\n", b"format=flowed", b"; name*0*=x'y'%zz;"],
    *[
        b"menulis:\n> ",
        "\u202e\u2028\ufeff".encode(),
        OWN_ID.encode(),
        b"<blockquote>",
        b"<div>" * 300,
        b"&#xd800;",
    ],
]
HEADERS = [
    *[
        "From: Siti =?utf-8?b?U2l0aQ==?= <siti@example.org>",
        "From: ((((",
        "From: a@b, c@d",
        "From:",
        "From: \udcff@\udcfe",
    ],
    *["Subject: Re: [ADU-2026-000123] KTP\0", "Subject: =?utf-8?q?=00=0A?=", "Subject: Fwd: x", "Date: kemarin"],
    *[
        "Message-ID: <[abc]@x>",
        "Message-ID: <>",
        "Message-ID: a b",
        f"Message-ID: {OWN_ID}",
        "In-Reply-To: <",
        "References: <a@b>\n <c",
    ],
    *["Authentication-Results: mx.kota-contoh.example; dmarc=pass", "Return-Path: <>", "List-Id: x", "Received: x; y"],
    *["To: undisclosed-recipients:;", "Cc: \udc80", "Reply-To: <x@y>", "X-Aduan-Loop: kota-contoh", "tanpa titik dua"],
]
TEXTS = [
    *[
        "Isi aduan.",
        "",
        "\0\u202e",
        "> a\nPada 1 x <a@b> menulis:\n> b\nc",
        "<p>a<blockquote>b",
        "\udcff\udcfe",
        "-- \nx",
    ],
    *[
        "-----Pesan Asli-----\nDari: x",
        "---------- Forwarded message ---------\nx",
        "=3D=\n=ZZ",
        "SGFsbw==",
        "<div>" * 400,
    ],
]


def check(raw):
    """Read without the guard that makes a placeholder of what fails, and look at everything that comes out."""
    event = reading._event(raw, KNOWN, NOW)
    assert reading.read(raw, KNOWN, NOW) == [event]
    assert event.provider_id
    if isinstance(event, model.DeliveryReceipt):
        assert tokens.outbox_of(event.provider_id, KEY) == 7
        return event
    strings = [
        event.provider_id,
        event.address,
        event.text,
        event.quoted,
        event.name,
        event.reply_address,
        event.identity,
    ]
    strings += [*event.details, *event.details.values(), *event.replies_to]
    strings += [each for file in event.files for each in (file.name, file.media_type)]
    for each in strings:
        assert each is None or each.encode().decode() == text.clean(each)
    assert event.address
    assert event.sent_at is None or event.sent_at <= NOW
    assert (event.content is model.Content.EMPTY) == (not event.text and not event.quoted and not event.files)
    return event


def mutated(chance):
    raw = bytearray(chance.choice(FIXTURES))
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(raw) + 1), chance.choice([0, 1, 1, 5, 50, 500])
        piece = chance.choice([chance.choice(PIECES), raw[at : at + 80], chance.choice(FIXTURES)[:at]])
        raw[at : at + length] = piece
    return bytes(raw[: chance.choice([len(raw), len(raw), len(raw) // 2])])


def built(chance, kept, depth=0):
    """Return a part, its fields first; the bytes of its files are put into `kept`."""
    kind = chance.choice(
        ["text/plain", "text/html", "file", "file", "message"] + ["multipart"] * (3 if depth < 4 else 0)
    )
    if kind == "multipart":
        boundary = chance.choice(["b", "b" * 70, "a b", "b'()+_,-./:=?", "=_b"]) + str(depth)
        subtype = chance.choice(["mixed", "mixed", "alternative", "related", "signed", "digest", "report", "x-baru"])
        members = [built(chance, kept, depth + 1) for _ in range(chance.randint(1, 4))]
        body = "".join(f"\n--{boundary}\n{each}" for each in members) + chance.choice([f"\n--{boundary}--\n", "\n", ""])
        return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{body}'
    if kind.startswith("text"):
        charset = chance.choice(["utf-8", "x-unknown", "utf-16", "utf-7", "us-ascii", "idna"])
        return f"Content-Type: {kind}; charset={charset}; format=flowed\n\n{chance.choice(TEXTS)}"
    content = chance.randbytes(chance.randint(1, 40))
    encoded = base64.encodebytes(content).decode()
    kept.append(content)
    name = chance.choice(["foto.jpg", "../../x", "a" * 300, "\0", "=?utf-8?q?=E2=82=AC?=", ".", "\udcff"])
    media_type = (
        "message/rfc822"
        if kind == "message"
        else chance.choice(["image/png", "application/ms-tnef", "text/csv", "x/y"])
    )
    return (
        f'Content-Type: {media_type}; name="{name}"\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{encoded}"
    )


@pytest.fixture
def said(record_property, capsys):
    def say(what):
        record_property("inputs", COUNT)
        with capsys.disabled():
            sys.stdout.write(f"\n{COUNT} {what} read")

    return say


def test_a_mutated_mail_never_fails(said):
    for index in range(COUNT):
        raw = mutated(random.Random(f"mutated {index}"))
        check(raw)
        if index % 10 == 0:
            reading._shown(raw)
    said("mutated mails")


def test_a_built_mail_never_fails_and_loses_no_file(said):
    for index in range(COUNT):
        chance, kept = random.Random(f"built {index}"), []
        fields = chance.sample(HEADERS, chance.randint(0, 6))
        raw = "\n".join([*fields, built(chance, kept)]).encode("utf-8", "surrogateescape")
        event = check(raw.replace(b"\n", b"\r\n") if chance.random() < 0.3 else raw)
        if isinstance(event, model.InboundMessage) and "tanpa titik dua" not in fields:
            assert sorted(file.content for file in event.files) == sorted(kept), index
            assert "left_out" not in event.details
    said("built mails")


@pytest.mark.parametrize("size", [0, 1, 10, 1000])
def test_noise_never_fails(size):
    for index in range(COUNT // 10 + 1):
        check(random.Random(f"noise {size} {index}").randbytes(size))
