"""The contract of the counter: what an official fills in becomes a message, or every mistake is named at once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import counter, registry
from core import errors, ids, model

ZONE = ZoneInfo("Asia/Jakarta")
NOW = datetime(2026, 11, 18, 10, 0, tzinfo=ZONE)
KEY = "0190c0de-0000-4000-8000-000000000001"
NIK = "9971014708900001"
BOX = {"opened_by": "Dewi Lestari", "witness": "Joko Contoh", "received_at": "2026-11-18T09:55"}


def connector(channel):
    entry = registry.CHANNELS[channel]
    return entry.create("loket", entry.settings(), "https://aduan.contoh.id")


def parse(channel="walk_in", now=NOW, **values):
    given = {"text": "KTP-el saya belum dicetak.", "key": KEY, "who": "person", "name": "Siti Rahma", **values}
    return connector(channel).parse_record(given, now)


def mistakes(channel="walk_in", **values):
    with pytest.raises(errors.FormMistakes) as caught:
        parse(channel, **values)
    return caught.value.mistakes


def test_only_what_is_said_at_the_counter_is_a_direct_complaint():
    intakes = {channel: kind.capabilities.intake for channel, kind in counter.KINDS.items()}
    assert [channel for channel, intake in intakes.items() if intake is model.Intake.DIRECT] == ["walk_in"]


@pytest.mark.parametrize("channel", counter.KINDS)
def test_nothing_arrives_or_leaves_by_itself(channel):
    made = connector(channel)
    assert made.channel == channel
    assert made.capabilities.is_recorded
    assert not made.capabilities.answerable
    assert not any(hasattr(made, name) for name in ("verify", "parse", "parse_form", "send", "listen"))


def test_a_full_record_is_a_message():
    assert parse(
        nik="9971 0147 0890 0001",
        contact="0812-0000-1234",
        domicile="Kelurahan Contoh",
        category="ktp_el.cetak",
        text="KTP-el saya belum dicetak.\r\nMohon bantuan.",
    ) == model.InboundMessage(
        provider_id=KEY,
        address=f"walk_in:{KEY}",
        text=f"KTP-el saya belum dicetak.\nMohon bantuan.\n\nNIK pelapor: {NIK}",
        sent_at=NOW.astimezone(UTC),
        name="Siti Rahma",
        details={"domicile": "Kelurahan Contoh"},
        reply_address="+6281200001234",
        category="ktp_el.cetak",
    )


def test_a_citizen_may_leave_no_contact_and_no_number():
    message = parse()
    assert (message.reply_address, message.details, message.category) == (None, {}, None)


def test_whoever_stays_nameless_leaves_nothing_else_behind():
    message = parse(who="anonymous", nik=NIK, domicile="Kelurahan Contoh", agency="Kantor Contoh")
    assert (message.name, message.details, message.text) == (None, {}, "KTP-el saya belum dicetak.")


def test_another_agency_complains_with_its_letter_and_the_official_to_ask():
    asked = {"agency": "Puskesmas Contoh", "agency_letter": "440/12/2026", "officer": "Budi Contoh"}
    message = parse(who="agency", name="", **asked)
    assert message.name == "Puskesmas Contoh"
    assert message.details == asked


def test_the_clock_runs_from_when_it_reached_the_office():
    message = parse("letter", received_at="2026-11-16T09:12", late_reason="Surat menunggu disposisi")
    assert message.sent_at == datetime(2026, 11, 16, 2, 12, tzinfo=UTC)
    assert message.details == {"late_reason": "Surat menunggu disposisi"}


@pytest.mark.parametrize(
    ("received_at", "wrong"),
    [
        ("2026-11-18T10:01", {"received_at": "future"}),
        ("2026-11-18T09:44", {"late_reason": "required"}),
        ("2025-11-17T09:59", {"received_at": "too_old"}),
        ("0001-01-01T00:00", {"received_at": "too_old"}),
        ("9999-12-31T23:59", {"received_at": "future"}),
        ("kemarin", {"received_at": "invalid"}),
        ("2026-11-18T09:00+00:00", {"received_at": "invalid"}),
    ],
)
def test_a_time_that_cannot_be_or_has_no_reason_is_a_mistake(received_at, wrong):
    assert mistakes(received_at=received_at) == wrong


@pytest.mark.parametrize("received_at", ["", "2026-11-18T09:45", "2026-11-18T10:00"])
def test_what_is_written_down_at_once_needs_no_reason_and_keeps_none(received_at):
    assert parse(received_at=received_at, late_reason="sisa kemarin").details == {}


def test_the_zone_is_the_offices():
    wit = NOW.astimezone(ZoneInfo("Asia/Jayapura"))  # 12.00
    assert parse(now=wit, received_at="2026-11-18T11:50").sent_at == datetime(2026, 11, 18, 2, 50, tzinfo=UTC)


def test_of_a_box_it_is_known_who_opened_it_when_and_before_whom():
    message = parse("suggestion_box", who="anonymous", **BOX)
    assert message.sent_at == datetime(2026, 11, 18, 2, 55, tzinfo=UTC)
    assert message.details == {"opened_by": "Dewi Lestari", "witness": "Joko Contoh"}
    missing = mistakes("suggestion_box", who="anonymous")
    assert missing == dict.fromkeys(("received_at", "opened_by", "witness"), "required")


@pytest.mark.parametrize("channel", ["letter", "fax"])
def test_a_paper_has_number_date_and_the_stamp_of_its_receipt(channel):
    paper = {"letter_number": "470/123/2026", "letter_date": "2026-11-10", "agenda": "A-77"}
    assert parse(channel, **paper).details == paper
    assert mistakes(channel, letter_date="2026-11-19") == {"letter_date": "future"}
    assert mistakes(channel, letter_date="10 November") == {"letter_date": "invalid"}


def test_a_call_says_who_took_it():
    message = parse("phone", contact="0812 0000 1234", taken_by="Joko Contoh")
    assert (message.reply_address, message.details) == ("+6281200001234", {"taken_by": "Joko Contoh"})


def test_a_number_of_sixteen_digits_stands_in_no_detail():
    message = parse("letter", agenda=f"surat {NIK}", domicile="RT 1 NIK 9971-0147-0890-0001")
    assert message.details == {"agenda": "surat ************0001", "domicile": "RT 1 NIK ************0001"}


def test_it_may_belong_to_an_earlier_complaint():
    assert parse("phone", about="adu 2026 7").number == ids.Number("ADU", 2026, 7)


def test_every_mistake_is_named_at_once():
    wrong = {
        "text": " ", "name": "", "nik": "123", "contact": "08", "category": "KTP!", "about": "tujuh", "key": "x",
        "received_at": "2026-11-01T00:00",
    }  # fmt: skip
    assert mistakes(**wrong) == {
        "text": "required", "name": "required", "nik": "invalid", "contact": "invalid", "category": "invalid",
        "about": "invalid", "key": "invalid", "late_reason": "required",
    }  # fmt: skip
    assert mistakes(who="raja") == {"who": "invalid"}
    assert mistakes(name="x" * 121, text="x" * 10_001) == {"name": "too_long", "text": "too_long"}
    assert mistakes(who="agency") == {"agency": "required"}


def test_a_text_at_the_limit_is_taken():
    assert parse(text="x" * 10_000).text == "x" * 10_000


def test_two_records_are_two_contacts_and_the_same_twice_is_one():
    other = "0190c0de-0000-4000-8000-000000000002"
    assert parse().address != parse(key=other).address
    assert parse(key=KEY.upper()).provider_id == parse(key=f" {KEY} ").provider_id == KEY


@pytest.mark.parametrize("channel", counter.KINDS)
def test_the_page_is_told_of_every_field_once(channel):
    fields = connector(channel).fields
    names = [field.name for field in fields]
    assert len(set(names)) == len(names)
    assert {"text", "category", "who", "name", "contact", "received_at", "late_reason"} <= set(names)
    assert {field.part for field in fields} == {"what", "who", "source"}


def test_of_people_at_the_counter_nothing_is_kept_for_the_next():
    assert not [field.name for field in connector("walk_in").fields if field.kept]


def test_what_is_the_same_for_a_whole_box_is_kept_for_the_next_slip():
    kept = {field.name for field in connector("suggestion_box").fields if field.kept}
    assert kept == {"who", "received_at", "late_reason", "opened_by", "witness"}


@given(
    channel=st.sampled_from(list(counter.KINDS)),
    values=st.dictionaries(
        st.sampled_from([field.name for kind in counter.KINDS.values() for field in counter.fields_of(kind)] + ["key"]),
        st.text(max_size=60) | st.sampled_from([KEY, NIK, "person", "agency", "2026-11-18T09:50", "9999-12-31"]),
    ),
    age=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_whatever_is_typed_gives_a_message_or_mistakes(channel, values, age):
    try:
        message = connector(channel).parse_record({"key": KEY, "text": "x", **values}, NOW - age)
    except errors.FormMistakes:
        return
    assert message.sent_at <= NOW - age
    assert message.text
