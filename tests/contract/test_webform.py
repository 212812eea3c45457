"""The contract of the web form: what is filled in becomes a message, or every mistake is named at once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import registry, webform
from core import errors, model

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = "0190c0de-0000-4000-8000-000000000001"
FILE = model.StoredFile("ab" * 32, 1_000, "image/jpeg", "bukti.jpg")
FULL = {
    "name": "Siti Rahma",
    "contact": "0812-0000-1234",
    "category": "ktp_el.cetak",
    "text": "KTP-el saya belum dicetak.\r\nMohon bantuan.",
    "key": KEY,
    "website": "",
}


def parse(**changes):
    return webform.parse_form({**FULL, **changes}, [], NOW)


def mistakes(**changes):
    with pytest.raises(errors.FormMistakes) as caught:
        parse(**changes)
    assert isinstance(caught.value, errors.PayloadError)
    return caught.value.mistakes


def test_a_full_form_is_a_message():
    assert webform.parse_form(FULL, [FILE], NOW) == model.InboundMessage(
        provider_id=KEY,
        address=f"form:{KEY}",
        text="KTP-el saya belum dicetak.\nMohon bantuan.",
        sent_at=NOW,
        name="Siti Rahma",
        files=(FILE,),
        reply_address="+6281200001234",
        category="ktp_el.cetak",
    )


def test_a_complaint_may_be_anonymous():
    message = webform.parse_form({"text": "Ada pungli di loket.", "key": KEY}, [], NOW)
    assert (message.name, message.reply_address, message.category) == (None, None, None)


def test_two_forms_of_one_citizen_are_two_contacts():
    other = "0190c0de-0000-4000-8000-000000000002"
    assert parse().address != parse(key=other).address


def test_the_same_form_sent_twice_is_one_message():
    assert parse(key=KEY.upper()).provider_id == parse(key=f" {KEY} ").provider_id == KEY


@pytest.mark.parametrize(
    ("contact", "reply_address"),
    [
        ("081200001234", "+6281200001234"),
        ("+62 812 0000 1234", "+6281200001234"),
        ("62812.0000.1234", "+6281200001234"),
        ("(0343) 420-0001", "+623434200001"),
        ("+60123456789", "+60123456789"),
        (" Siti.Rahma@Contoh.ID ", "Siti.Rahma@contoh.id"),
        ("", None),
        ("  ", None),
    ],
)
def test_a_contact_is_normalised(contact, reply_address):
    assert parse(contact=contact).reply_address == reply_address


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": ""}, {"text": "required"}),
        ({"text": " \n\x00"}, {"text": "required"}),
        ({"text": "a" * 10_001}, {"text": "too_long"}),
        ({"name": "a" * 121}, {"name": "too_long"}),
        ({"contact": "0812"}, {"contact": "invalid"}),
        ({"contact": "+62812000"}, {"contact": "invalid"}),
        ({"contact": "812000012345"}, {"contact": "invalid"}),
        ({"contact": "siti@contoh"}, {"contact": "invalid"}),
        ({"contact": "siti@@contoh.id"}, {"contact": "invalid"}),
        ({"contact": "siti@contoh.id\nBcc: x@contoh.id"}, {"contact": "invalid"}),
        ({"contact": "a@" + "b" * 300 + ".id"}, {"contact": "too_long"}),
        ({"category": "../x"}, {"category": "invalid"}),
        ({"key": ""}, {"key": "invalid"}),
        ({"key": "1"}, {"key": "invalid"}),
        ({"website": "http://jahat.contoh"}, {"website": "filled"}),
        ({"text": "", "contact": "x", "key": "y"}, {"text": "required", "contact": "invalid", "key": "invalid"}),
    ],
)
def test_every_mistake_is_named_at_once(changes, expected):
    assert mistakes(**changes) == expected


def test_text_at_the_limit_and_hostile_names_are_taken():
    assert len(parse(text="é" * 10_000).text) == 10_000
    assert parse(name="\u202eamhaR\n<b>").name == "amhaR <b>"


@given(st.dictionaries(st.sampled_from(list(FULL)), st.text(max_size=50)))
def test_any_form_is_a_message_or_a_payload_error(changes):
    try:
        message = parse(**changes)
    except errors.PayloadError:
        return
    assert message.text
    assert "\x00" not in f"{message.text}{message.name}{message.reply_address}{message.category}"


@pytest.mark.parametrize("contact", ["0" * 100_000, "a@" * 50_000, "-" * 100_000, "a." * 50_000 + "@x"])
def test_a_hostile_contact_is_refused_at_once(contact):
    assert mistakes(contact=contact) == {"contact": "too_long"}


def test_what_the_channel_promises():
    entry = registry.CHANNELS["webform"]
    connector = entry.create("formulir", entry.settings(), "https://aduan.contoh.id")
    assert (connector.channel, connector.capabilities) == ("webform", entry.capabilities)
    assert (entry.capabilities.label, entry.capabilities.mark) == ("Situs web", "WW")
    assert entry.capabilities.max_text == model.Limit(10_000)
    assert not entry.capabilities.answerable
    assert not entry.capabilities.receipts
    assert not hasattr(connector, "send")
