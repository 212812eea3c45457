"""The contract of the web chat: a session's words are its contact's message; what is sent is there to be read."""

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import registry, webchat
from core import errors, ids, model

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SESSION = "0190c0de-0000-4000-8000-00000000000a"
OTHER = "0190c0de-0000-4000-8000-00000000000b"
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
ENTRY = registry.CHANNELS["webchat"]


def connector(**settings):
    return ENTRY.create("obrolan", ENTRY.settings(**settings), "https://aduan.contoh.id")


def parse(session=SESSION, files=(), **changes):
    return connector().parse_chat(session, {**FULL, **changes}, files, NOW)


def mistakes(**changes):
    with pytest.raises(errors.FormMistakes) as caught:
        parse(**changes)
    return caught.value.mistakes


def test_what_is_written_is_the_sessions_message():
    message = parse(files=[FILE])
    assert message.provider_id.startswith(f"{KEY}.")
    assert dataclasses.replace(message, provider_id="") == model.InboundMessage(
        provider_id="",
        address=f"obrolan:{SESSION}",
        text="KTP-el saya belum dicetak.\nMohon bantuan.",
        sent_at=NOW,
        name="Siti Rahma",
        files=(FILE,),
        reply_address="+6281200001234",
        category="ktp_el.cetak",
    )
    assert message.address == connector().address(SESSION)


def test_the_same_message_sent_twice_is_one():
    assert parse().provider_id == parse(key=f" {KEY.upper()} ").provider_id


def test_a_key_in_another_session_leads_nowhere():
    assert parse().provider_id != parse(session=OTHER).provider_id


@pytest.mark.parametrize("change", [{"text": "Yang lain."}, {"files": [FILE]}])
def test_other_words_under_the_same_key_are_another_message(change):
    assert parse().provider_id != parse(**change).provider_id


def test_nothing_but_text_or_a_file_is_needed():
    message = connector().parse_chat(SESSION, {"text": "Ada pungli di loket.", "key": KEY}, [], NOW)
    assert (message.name, message.reply_address, message.category) == (None, None, None)
    assert connector().parse_chat(SESSION, {"key": KEY}, [FILE], NOW).files == (FILE,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": " \n\x00"}, {"text": "required"}),
        ({"text": "a" * 10_001}, {"text": "too_long"}),
        ({"text": "\U0001f600" * 5_001}, {"text": "too_long"}),
        ({"name": "a" * 121}, {"name": "too_long"}),
        ({"contact": "siti@contoh"}, {"contact": "invalid"}),
        ({"contact": "a@" + "b" * 300 + ".id"}, {"contact": "too_long"}),
        ({"category": "../x"}, {"category": "invalid"}),
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
def test_anything_is_a_message_or_a_mistake(changes):
    try:
        message = parse(**changes)
    except errors.FormMistakes:
        return
    assert message.text
    assert "\x00" not in f"{message.text}{message.name}{message.reply_address}{message.category}"
    uuid.UUID(message.provider_id.partition(".")[0])


@pytest.mark.parametrize(
    ("left", "kept"), [("0812 0000 1234", "+6281200001234"), (" siti@Contoh.ID", "siti@contoh.id")]
)
def test_an_address_left_is_normalised(left, kept):
    assert connector().parse_contact(left) == kept


@pytest.mark.parametrize(("left", "mistake"), [("", "required"), ("0812", "invalid"), ("1" * 255, "too_long")])
def test_what_is_no_address_is_not_kept(left, mistake):
    with pytest.raises(errors.FormMistakes) as caught:
        connector().parse_contact(left)
    assert caught.value.mistakes == {"contact": mistake}


async def test_what_is_sent_is_accepted_at_once_and_the_same_attempt_is_the_same():
    message = model.OutboundMessage(
        ids.OutboxId(7), model.MessageKind.ANSWER, f"obrolan:{SESSION}", "Sudah jadi.", reference="7.1"
    )
    assert await connector().send(message) == await connector().send(message) == model.Sent("chat:7.1")
    assert await connector().send(dataclasses.replace(message, reference="7.2")) == model.Sent("chat:7.2")


@pytest.mark.parametrize("origin", ["https://dukcapil.kota-contoh.example", "http://localhost:8080", "https://a.b:1"])
def test_a_site_may_be_named(origin):
    assert connector(origins=[origin]).origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*",
        "kota-contoh.example",
        "https://kota-contoh.example/",
        "https://kota-contoh.example/chat",
        "https://Kota-Contoh.example",
        "https://a b",
        "https://a; script-src *",
        "https://a\nX: y",
        "https://-a",
        "javascript:alert(1)",
        "",
    ],
)
def test_what_is_no_site_gets_into_no_header(origin):
    with pytest.raises(pydantic.ValidationError, match="is no site"):
        ENTRY.settings(origins=[origin])


@pytest.mark.parametrize("minutes", [0, 1441])
def test_an_answer_is_missed_after_minutes_to_a_day(minutes):
    with pytest.raises(pydantic.ValidationError):
        ENTRY.settings(missed_after_minutes=minutes)
    assert connector().missed_after == timedelta(minutes=5)


def test_what_the_channel_promises():
    capabilities = connector().capabilities
    assert (connector().channel, capabilities) == ("webchat", ENTRY.capabilities)
    assert capabilities.max_text == model.Limit(10_000)
    assert capabilities.text_form is model.TextForm.CHAT
    assert capabilities.presence
    assert capabilities.idempotent_send
    assert capabilities.receipts
    assert capabilities.read_receipts
    assert capabilities.reply_window is None
    assert capabilities.sent_files is not None
    assert not capabilities.is_public
    assert capabilities.sent_files.bytes_each <= capabilities.max_attachment_bytes
    assert not hasattr(connector(), "verify")
    assert webchat.CHANNEL == "webchat"


# --- Who can be written to at an address he left here ---------------------------------------------------------------

ACCOUNT = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["token"], "sender": "+6281200000009"}
TEMPLATE = {"missed_notice": {"content_sid": "HX" + "0" * 32, "variables": ["nomor"]}}


@pytest.mark.parametrize(
    ("channel", "more", "left", "address"),
    [
        ("sms", {}, "+6281200000001", "+6281200000001"),
        ("sms", {}, "siti@contoh.id", None),
        ("whatsapp", {}, "+6281200000001", None),
        ("whatsapp", {"templates": TEMPLATE}, "+6281200000001", "whatsapp:+6281200000001"),
        ("whatsapp", {"templates": TEMPLATE}, "siti@contoh.id", None),
    ],
)
def test_a_number_left_is_written_to_where_that_may_be(channel, more, left, address):
    entry = registry.CHANNELS[channel]
    by = entry.create("lain", entry.settings(**ACCOUNT, **more), "https://aduan.contoh.id")
    assert by.address_of(left) == address
