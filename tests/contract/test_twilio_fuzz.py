"""Whatever Twilio's forms may hold: one error leaves the reader, and what comes out is fit for storage.

ADUAN_FUZZ is how many mutated forms are read; each is made by its number alone, so that the number in a failure makes
it again.
"""

import os
import random
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import twilio_forms
from core import errors, model, text

COUNT = int(os.environ.get("ADUAN_FUZZ", "3000"))
FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = [path.read_bytes() for folder in ("whatsapp", "sms") for path in sorted((FIXTURES / folder).glob("*.form"))]
NAMES = sorted({name for body in RECORDED for name, _ in parse_qsl(body.decode(), keep_blank_values=True)})
WORDS = twilio_forms.Words(["BERHENTI", "STOP"], ["MULAI", "START"])
TARGETS = ("/hooks/wa", "/hooks/wa/status?ob=7.1", "/hooks/wa/status?ob=%00", "/hooks/wa?ob=" + "9" * 2000, "?&&=", "")
HOSTILE = [
    *("", " ", "0", "-1", "1e999", "NaN", "999", "-7.6453", "٣", "\x00", "a\u202eb", "\u2028", "\r\n", "x" * 5000),
    *("STOP", "stop.", "START", "true", "failed", "read", "received", "HOLOGRAM", "order", "location", "contacts"),
    *("whatsapp:+6281200001234", "whatsapp:US.ABC123", "sms:\x00", "+62 812", "text/vcard", "image/\x00", "[]"),
    *("https://api.twilio.com/x", "http://127.0.0.1/", "javascript:1", "\ufffd\ufeff"),
]  # fmt: skip


def mutated(number: int) -> bytes:
    chance = random.Random(number)
    fields = parse_qsl(chance.choice(RECORDED).decode(), keep_blank_values=True)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(fields) + 1)
        act = chance.randrange(4)
        if act == 0 and place < len(fields):
            del fields[place]
        elif act == 1 and place < len(fields):
            fields[place] = (fields[place][0], chance.choice(HOSTILE))
        elif act == 2 and place < len(fields):
            fields[place] = (chance.choice(NAMES), fields[place][1])
        else:
            fields.insert(place, (chance.choice([*NAMES, "MediaUrl998", "MediaUrl٣"]), chance.choice(HOSTILE)))
    body = bytearray(urlencode(fields).encode())
    if chance.random() < 0.1:
        for _ in range(chance.randint(1, 3)):
            if body:
                body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def check(target: str, body: bytes) -> bool:
    """Read a form and assert all that holds for every one; return whether it could be read."""
    try:
        event = twilio_forms.read_event(target, twilio_forms.read_form(body), WORDS)
    except errors.PayloadError:
        return False
    assert isinstance(event, model.InboundMessage | model.DeliveryReceipt)
    assert event.provider_id
    assert getattr(event, "address", "-")
    words = [event.provider_id, getattr(event, "address", None)]
    words += [getattr(event, name, None) for name in ("text", "name", "error_code", "reference", "identity")]
    words += [*getattr(event, "details", {}).values(), *getattr(event, "replies_to", ())]
    words += [part for file in getattr(event, "files", ()) for part in (file.url, file.name, file.media_type)]
    for each in words:
        assert each is None or text.clean(each) == each
    return True


@pytest.mark.parametrize("body", RECORDED)
def test_what_was_recorded_passes(body):
    assert check("/hooks/wa", body)


def test_mutated_forms_raise_one_error(capsys):
    forms_read = 0
    for number in range(COUNT):
        try:
            forms_read += check(TARGETS[number % len(TARGETS)], mutated(number))
        except Exception as error:
            raise AssertionError(f"form number {number}: {error!r}") from error
    assert forms_read > COUNT / 3  # else the mutations only test the first look
    with capsys.disabled():
        print(f"\n{COUNT} mutated forms of Twilio read, {forms_read} of them as messages or receipts")  # noqa: T201 - the figure is asked for


@given(st.text(), st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]))))
def test_arbitrary_forms_raise_one_error(target, fields):
    check(target, urlencode(fields).encode())


@given(st.text(), st.binary())
def test_arbitrary_bodies_raise_one_error(target, body):
    check(target, body)
