"""What the inbox says: times in words, and that nothing the program knows is left without words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import ids, model
from core.ids import Number
from router.complaints import View
from router.offices import FOLLOW_UP
from sla import calendar, clocks
from web import events, texts

ZONE = ZoneInfo("Asia/Jakarta")
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # Monday, 10.00
END_OF_DAY = datetime(2026, 11, 24, tzinfo=ZONE)
COMPLAINT = model.Complaint(
    id=ids.ComplaintId(1), office_id="kota-contoh", number=Number("ADU", 2026, 1), contact_id=ids.ContactId(1),
    account="a", channel="c", intake=model.Intake.INDIRECT, state=model.ComplaintState.NEW, queue=model.Queue.ADMIN,
    assignee_id=None, preview="", received_at=NOW, due_at=NOW, breached_at=None, answered_at=None,
    closed_at=None, last_message_at=NOW, reply_account="a", reply_contact_id=ids.ContactId(1),
)  # fmt: skip


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"seconds": 59}, "kurang dari 1 menit"),
        ({"minutes": 1}, "1 menit"),
        ({"minutes": 59, "seconds": 59}, "59 menit"),
        ({"hours": 1}, "1 jam"),
        ({"hours": 3, "minutes": 20}, "3 jam 20 menit"),
        ({"hours": 9, "minutes": 59}, "9 jam 59 menit"),
        ({"hours": 10, "minutes": 30}, "10 jam"),
        ({"hours": 47, "minutes": 59}, "47 jam"),
        ({"hours": 48}, "2 hari"),
        ({"days": 9, "hours": 23}, "9 hari"),
    ],
)
def test_a_length_is_told_as_exactly_as_it_matters(length: dict[str, int], words: str) -> None:
    assert texts.span(timedelta(**length)) == words


@pytest.mark.parametrize(
    ("left", "words", "tone"),
    [
        (timedelta(hours=3, minutes=20), "sisa 3 jam 20 menit", "soon"),
        (timedelta(0), "sisa kurang dari 1 menit", "soon"),
        (timedelta(seconds=-1), "lewat kurang dari 1 menit", "late"),
        (timedelta(hours=-2), "lewat 2 jam", "late"),
        (timedelta(hours=13, minutes=59), "sisa 13 jam", "soon"),
        (timedelta(hours=14), "sisa 14 jam", "ok"),  # local midnight is tomorrow
        (timedelta(days=2), "sampai Rab 25 Nov 10.00", "ok"),
    ],
)
def test_remaining_time_has_words_and_a_tone(left: timedelta, words: str, tone: str) -> None:
    told = texts.remaining(replace(COMPLAINT, due_at=NOW + left), NOW, END_OF_DAY, ZONE)
    assert (told.words, told.tone) == (words, tone)
    assert told.exact.startswith("Batas tanggapan: ")
    assert told.exact.endswith("WIB")


def test_a_complaint_without_a_promise_tells_its_state_instead() -> None:
    waiting = replace(COMPLAINT, due_at=None, state=model.ComplaintState.WAITING_CITIZEN)
    assert texts.remaining(waiting, NOW, END_OF_DAY, ZONE) == texts.Remaining("menunggu warga", "none")


def test_a_closed_office_says_why_and_when_it_opens() -> None:
    day = NOW.astimezone(ZONE).date()
    holiday = {day: calendar.Holiday(day, "Hari Jadi Kota", calendar.HolidayKind.LOCAL, is_closed=True)}
    serving = calendar.ServiceCalendar("Asia/Jakarta", calendar.DEFAULT_WEEKLY, (), {})
    assert texts.opening(serving, NOW, ZONE) == "Jam layanan"
    closed = calendar.ServiceCalendar("Asia/Jakarta", calendar.DEFAULT_WEEKLY, (), holiday)
    assert texts.opening(closed, NOW, ZONE).startswith("Tutup (Hari Jadi Kota), buka Sel 24 Nov ")


@pytest.mark.parametrize("reading", clocks.Reading)
def test_every_rule_of_response_has_words(reading: clocks.Reading) -> None:
    for rule in [*clocks.response_rules(reading).values(), FOLLOW_UP]:
        words = texts.rule(rule.to_json())
        assert words.startswith(f"{rule.value} hari ")
        assert "_" not in words
        assert "_" not in texts.clock(rule.id)


@pytest.mark.parametrize(
    ("spoken", "known"),
    [
        (texts.VIEWS, View),
        (texts.EMPTY, View),
        (texts.STATES, model.ComplaintState),
        (texts.CLOSE_REASONS, model.CloseReason),
        (texts.KINDS, model.MessageKind),
        (texts.CONTENTS, set(model.Content) - {model.Content.TEXT}),
        (texts.DELIVERIES, model.DeliveryState),
        (texts.CLOCK_STATES, model.DeadlineState),
        (texts.ROLES, model.Role),
        (texts.ALARMS, model.AlarmKind),
        (texts.HOLIDAYS, calendar.HolidayKind),
    ],
)
def test_nothing_is_left_without_words(spoken: Any, known: Any) -> None:
    assert set(spoken) == set(known)
    assert all(spoken.values())


def _event(action: str, **facts: str) -> str | None:
    entry = model.AuditEntry(1, "kota-contoh", 1, 1, NOW, "person:7", action, facts, "")
    return events.event(entry, {"person:7": "Dewi Lestari", "person:8": "Joko Contoh"}, ZONE)


@pytest.mark.parametrize(
    ("action", "facts", "words"),
    [
        ("registered", {"due_at": NOW.isoformat()}, "dicatat; batas tanggapan Sen 23 Nov 10.00"),
        ("claimed", {}, "diambil oleh Dewi Lestari"),
        ("reassigned", {"to": "8"}, "diserahkan kepada Joko Contoh oleh Dewi Lestari"),
        ("closed", {"reason": "not_ours"}, "ditutup oleh Dewi Lestari: bukan kewenangan kantor ini"),
        ("reopened", {"reason": "warga datang"}, "dibuka kembali oleh Dewi Lestari: warga datang"),
        ("reopened", {"message": "1"}, "dibuka kembali: warga menulis lagi"),
        ("deadline_moved", {"after": NOW.isoformat()}, "batas waktu dihitung ulang menjadi Sen 23 Nov 10.00"),
        ("message_received", {}, None),
        ("noted", {}, None),
        ("something_new", {}, "tercatat: something new"),
    ],
)
def test_the_log_reads_as_plain_sentences(action: str, facts: dict[str, str], words: str | None) -> None:
    assert _event(action, **facts) == words


def test_a_failure_that_only_the_provider_can_explain_is_told_in_its_words() -> None:
    assert texts.failure("window_closed").startswith("Jendela balas sudah tutup")
    assert texts.failure("63013") == "Keterangan penyedia: 63013"
    assert texts.failure(None) == "Penyedia tidak menyebutkan sebabnya."


def test_counts_end_where_counting_ends() -> None:
    assert [texts.queue_count(n) for n in (0, 999, 1000, 5000)] == ["0", "999", "999+", "999+"]
