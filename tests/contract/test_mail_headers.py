"""Header fields and parts of a mail: read from whatever there is, and like the standard library where that can."""

import email
import signal
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail import charsets, headers, parts


@pytest.fixture
def within_cpu_seconds():
    """Give a block so much processor time and no more, far above what it needs on any machine."""

    @contextmanager
    def limit(seconds):
        def over(*_):
            raise AssertionError("it takes too long")

        before = signal.signal(signal.SIGVTALRM, over)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    return limit


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?utf-8?q?Siti_Rahma?=", "Siti Rahma"),
        ("=?UTF-8?B?S1RQ?= =?UTF-8?B?LWVs?=", "KTP-el"),
        ("=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€"),  # cut within a character
        ("=?utf-8*id?q?KTP?=", "KTP"),
        ("=?iso-8859-1?q?caf=E9?= dan =?utf-8?q?t=C3=A9h?=", "café dan téh"),
        ("a=?utf-8?q?b?=c", "abc"),
        ("=?x-unknown?q?caf=E9?=", "café"),
        ("=?utf-8?b?!!!?=", ""),
        ("=?utf-8?q?KTP saya?=", "KTP saya"),
        ("=?utf-8?x?KTP?=", "=?utf-8?x?KTP?="),
        ("=?utf-8?q?KTP", "=?utf-8?q?KTP"),
        ("=?gb2312?b?xOO6ww==?=", "你好"),
        ("=?utf-8?q?a=00b=0Ac?=", "ab c"),
    ],
)
def test_encoded_words_are_decoded_wherever_they_stand(value, expected):
    assert headers.readable(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@x.example, B <b@x.example>", [("", "a@x.example"), ("B", "b@x.example")]),
        ('"B, C" <b@x.example>;', [("B, C", "b@x.example")]),
        ('"B \\"C\\"" <b@x.example>', [('B "C"', "b@x.example")]),
        ("Grup: a@x.example, b@x.example; c@x.example", [("", f"{each}@x.example") for each in "abc"]),
        ("=?utf-8?q?B=2C_C?= <b@x.example>", [("B, C", "b@x.example")]),
        ('"=?utf-8?q?Siti?=" <b@x.example>', [("Siti", "b@x.example")]),
        ('"siti rahma"@x.example', []),
        ("<>", []),
        ("@", []),
        ("a@[127.0.0.1]", []),
        ("a@x.example" + "b" * 300, []),
        ("<a@x.example", [("", "a@x.example")]),
        ("a@X.Example.", [("", "a@x.example")]),
    ],
)
def test_addresses_are_read_with_their_names(value, expected):
    assert headers.addresses(value) == expected


def test_3000_recipients_are_cut():
    assert len(headers.addresses(", ".join(f"a{each}@x.example" for each in range(3000)))) == headers.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('Text/HTML; Charset="UTF-8"', ("text/html", {"charset": "UTF-8"})),
        ("text/plain", ("text/plain", {})),
        ("text/plain (teks); charset=utf-8", ("text/plain", {"charset": "utf-8"})),
        ('a/b; name="x;y\\"z"', ("a/b", {"name": 'x;y"z'})),
        ("a/b; name*=utf-8'id'%e2%82%ac.pdf", ("a/b", {"name": "€.pdf"})),
        ("a/b; name*1=c.pdf; name*0*=utf-8''a%20b", ("a/b", {"name": "a bc.pdf"})),
        ("a/b; name==?utf-8?q?=E2=82=AC?=", ("a/b", {"name": "€"})),
        ("a/b; name=foto saya.jpg", ("a/b", {"name": "foto saya.jpg"})),
        ('a/b; name="tak selesai', ("a/b", {"name": "tak selesai"})),
        (";;;=;", ("", {})),
    ],
)
def test_parameters_are_read(value, expected):
    assert headers.parameters(value) == expected


@pytest.mark.parametrize("value", ["", "x", "Sun, 32 Nov 2026", "0", "Fri, 31 Dec 9999 23:59:59 -2359", "9" * 5000])
def test_a_date_that_is_none_is_none(value):
    assert headers.date(value) is None


def test_a_date_without_a_zone_is_utc():
    assert headers.date("22 Nov 2026 03:00:00 -0000") == datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "zip",
        "hex",
        "rot13",
        "idna",
        "punycode",
        "unicode_escape",
        "undefined",
        "\udcff",
        "a" * 9999,
        "\0",
        "utf-8-",
    ],
)
def test_no_label_makes_decoding_fail(label):
    assert charsets.text_of(b"caf\xc3\xa9", label) == "café"


@given(
    st.binary(max_size=200),
    st.sampled_from(["utf-8", "ascii", "iso-8859-1", "utf-16", "utf-7", "hz", "gb2312", "iso-2022-jp"]),
)
def test_every_bytes_decode(content, label):
    assert isinstance(charsets.text_of(content, label), str)


@given(st.binary(max_size=200))
def test_base64_comes_back_whatever_stands_between(content):
    encoded = email.base64mime.body_encode(content, maxlinelen=20, eol="\r\n*\n").encode()
    assert charsets.from_base64(encoded) == content


# --- The parts, against the standard library --------------------------------------------------------------------------

LEAF = st.tuples(st.sampled_from(["text/plain", "text/html", "image/png"]), st.text("ab -\n", max_size=30))
TREE = st.recursive(LEAF, lambda members: st.lists(members, min_size=1, max_size=3), max_leaves=8)


def written(tree, depth=0, name="r"):
    if isinstance(tree, tuple):
        kind, body = tree
        return f"Content-Type: {kind}\n\n{body}"
    boundary = f"batas-{name}"
    members = [written(each, depth + 1, f"{name}{index}") for index, each in enumerate(tree)]
    body = "".join(f"--{boundary}\n{each}\n" for each in members)
    return f'Content-Type: multipart/mixed; boundary="{boundary}"\n\npembuka\n{body}--{boundary}--\npenutup\n'


@given(TREE, st.booleans())
def test_parts_are_those_the_standard_library_finds(tree, crlf):
    raw = written(tree).encode()
    raw = raw.replace(b"\n", b"\r\n") if crlf else raw
    ours = [
        (part.media_type, None if part.parts else part.content())
        for part in parts.parse(b"Subject: x\n" + raw, parts.LIMITS).root.walk()
    ]
    theirs = [
        (part.get_content_type(), None if part.is_multipart() else part.get_payload(decode=True))
        for part in email.message_from_bytes(b"Subject: x\n" + raw).walk()
    ]
    assert ours == theirs


def test_what_is_nested_too_deeply_is_not_looked_into():
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (each, each) for each in range(50))
    *_, last = parts.parse(raw + b"\nIsi", parts.LIMITS).root.walk()
    assert (last.depth, last.is_opaque) == (parts.LIMITS.depth, True)
    assert last.body.endswith(b"Isi")


def test_what_comes_after_too_many_lines_like_boundaries_stays_together():
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSatu\n" + b"--bx\n" * 30_000 + b"--b\n\nDua\n--b--\n"
    (part,) = parts.parse(raw, parts.LIMITS).root.parts
    assert part.body.startswith(b"Satu")
    assert b"Dua" in part.body


HOSTILE = {
    "nested": lambda size: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (each, each) for each in range(size // 60)
    ),
    "same boundary": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * (size // 48),
    "nearly boundaries": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bb\n" * (size // 5),
    "boundaries": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * (size // 4),
    "fields": lambda size: b"A: b\n" * (size // 5),
    "one field": lambda size: b"Subject: " + b"=?utf-8?q?a?= " * (size // 14),
    "folds": lambda size: b"Subject: a\n" + b" b\n" * (size // 3),
    "no colon": lambda size: b"a" * size,
    "parameters": lambda size: b"Content-Type: a/b" + b"; a*0=b" * (size // 7) + b"\n\nx",
    "quotes": lambda size: b'Content-Type: a/b; c="' + b'\\"' * (size // 2) + b"\n\nx",
    "parentheses": lambda size: b"From: " + b"(" * size,
    "angles": lambda size: b"From: " + b"<" * size,
    "newlines": lambda size: b"\n" * size,
    "base64": lambda size: b"Content-Transfer-Encoding: base64\n\n" + b"a=" * (size // 2),
    "spaces": lambda size: b"From:" + b" " * size + b"x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_over_soon(name, within_cpu_seconds):
    """Two megabytes take a fraction of a second where time grows with size, hours where it grows with its square."""
    with within_cpu_seconds(20):
        for part in parts.parse(HOSTILE[name](2_000_000), parts.LIMITS).root.walk():
            part.text()
            headers.addresses(part.headers.raw("from"))
            part.headers.text("subject")
