import dataclasses
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import errors
from sla.calendar import (
    DEFAULT_WEEKLY,
    RAMADAN_WEEKLY,
    Closed,
    ClosedReason,
    Holiday,
    HolidayKind,
    Period,
    ServiceCalendar,
    Slot,
    seed_holidays,
)

WIB = ZoneInfo("Asia/Jakarta")
CALENDARS = st.from_type(ServiceCalendar)
INSTANTS = st.datetimes(datetime(2026, 2, 1), datetime(2026, 5, 31), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
MORNING, AFTERNOON = Slot(time(8), time(12)), Slot(time(13), time(16))
WITH_BREAK = ((MORNING, AFTERNOON),) * 5 + ((MORNING,), ())


def wib(month: int, day: int, hour: int = 0, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=WIB)


def by_date(*holidays: Holiday) -> dict[date, Holiday]:
    return {holiday.date: holiday for holiday in holidays}


@pytest.fixture(scope="module")
def office() -> ServiceCalendar:
    ramadan = Period("Ramadan", date(2026, 2, 18), date(2026, 3, 19), RAMADAN_WEEKLY)
    return ServiceCalendar("Asia/Jakarta", DEFAULT_WEEKLY, [ramadan], by_date(*seed_holidays([2026])))


# --- Days and instants ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "opens_at"),
    [
        (wib(11, 20, 7, 29), wib(11, 20, 7, 30)),  # a Friday
        (wib(11, 20, 7, 30), wib(11, 20, 7, 30)),
        (wib(11, 20, 16, 29), wib(11, 20, 16, 29)),
        (wib(11, 20, 16, 30), wib(11, 23, 7, 30)),
        (wib(11, 19, 16, 0), wib(11, 20, 7, 30)),  # Thursdays end earlier
        (wib(3, 17, 14, 59), wib(3, 17, 14, 59)),
        (wib(3, 17, 15, 0), wib(3, 25, 7, 30)),  # Ramadan hours; then Nyepi, Lebaran and their cuti bersama
        (wib(12, 23, 16, 0), wib(12, 28, 7, 30)),
    ],
)
def test_the_office_opens_next(office, at, opens_at):
    assert office.next_open(at) == opens_at
    assert office.next_open(at).tzinfo is UTC
    assert office.is_open(at) is (at == opens_at)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (wib(11, 20, 9, 0), None),
        (wib(11, 20, 7, 0), ClosedReason(Closed.HOURS)),
        (wib(11, 20, 16, 30), ClosedReason(Closed.HOURS)),
        (wib(11, 21, 9, 0), ClosedReason(Closed.WEEKEND)),
        (wib(8, 17, 9, 0), ClosedReason(Closed.HOLIDAY, "Hari Kemerdekaan Republik Indonesia")),
        (wib(12, 24, 3, 0), ClosedReason(Closed.HOLIDAY, "Cuti Bersama Hari Raya Natal")),
    ],
)
def test_why_the_office_is_closed(office, at, reason):
    assert office.closed_reason(at) == reason


def test_an_office_may_serve_on_cuti_bersama(office):
    eve = date(2026, 12, 24)
    serving = dataclasses.replace(
        office, holidays={**office.holidays, eve: dataclasses.replace(office.holidays[eve], is_closed=False)}
    )
    assert not office.is_working_day(eve)
    assert serving.is_working_day(eve)
    assert serving.is_open(wib(12, 24, 9))
    assert serving.closed_reason(wib(12, 24, 17)) == ClosedReason(Closed.HOURS)


def test_closing_is_the_end_of_the_last_slot():
    calendar = ServiceCalendar("Asia/Jakarta", WITH_BREAK)
    assert calendar.closing(date(2026, 11, 20)) == wib(11, 20, 16)
    assert calendar.closing(date(2026, 11, 21)) == wib(11, 21, 12)
    assert calendar.closing(date(2026, 11, 22)) is None
    assert [tuple(span) for span in calendar.slots(date(2026, 11, 20))] == [
        (wib(11, 20, 8), wib(11, 20, 12)),
        (wib(11, 20, 13), wib(11, 20, 16)),
    ]


def test_a_period_has_its_own_hours_from_its_first_to_its_last_day():
    ramadan = Period("Ramadan", date(2027, 2, 9), date(2027, 2, 10), RAMADAN_WEEKLY)
    calendar = ServiceCalendar("Asia/Jakarta", periods=[ramadan])
    closing = [calendar.local(calendar.closing(date(2027, 2, day))).hour for day in (8, 9, 10, 11)]
    assert closing == [16, 15, 15, 16]


@pytest.mark.parametrize(
    ("at", "closes_at"),
    [
        (wib(11, 22, 20), wib(11, 21, 12)),
        (wib(11, 20, 12, 30), wib(11, 20, 12)),
        (wib(11, 20, 16), wib(11, 20, 12)),  # a closing time is not before itself
        (wib(11, 20, 16, 1), wib(11, 20, 16)),
        (wib(11, 20, 3), wib(11, 19, 16)),
    ],
)
def test_last_closing_before(at, closes_at):
    assert ServiceCalendar("Asia/Jakarta", WITH_BREAK).last_closing_before(at) == closes_at


def test_the_same_hours_are_other_instants_in_other_zones():
    opened = {
        zone: ServiceCalendar(zone).next_open(datetime(2026, 11, 19, 12, tzinfo=UTC))
        for zone in ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")
    }
    assert [opens_at.isoformat() for opens_at in opened.values()] == [
        "2026-11-20T00:30:00+00:00",
        "2026-11-19T23:30:00+00:00",
        "2026-11-19T22:30:00+00:00",
    ]


def test_a_naive_time_is_refused(office):
    for reckon in (office.is_open, office.next_open, office.closed_reason, office.last_closing_before):
        with pytest.raises(ValueError, match="zone"):
            reckon(datetime(2026, 11, 20, 9))


# --- Service minutes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (wib(11, 20, 9), 20, wib(11, 20, 9, 20)),
        (wib(11, 20, 16, 20), 20, wib(11, 23, 7, 40)),
        (wib(11, 20, 16, 20), 10, wib(11, 20, 16, 30)),  # closing time, not the next opening
        (wib(11, 21, 9), 2, wib(11, 23, 7, 32)),
        (wib(3, 17, 14, 50), 15, wib(3, 25, 7, 35)),
        (wib(2, 17, 15, 0), 60, wib(2, 18, 9, 0)),  # Imlek, then the first day of Ramadan
        (wib(11, 21, 9), 0, wib(11, 21, 9)),
        (wib(11, 16, 7, 30), 4 * 510 + 540, wib(11, 20, 16, 30)),
    ],
)
def test_service_minutes_pass_in_service_hours_only(office, start, minutes, end):
    assert office.add_service_minutes(start, minutes) == end
    assert office.service_minutes_between(start, end) == minutes


def test_minutes_stop_in_a_break():
    calendar = ServiceCalendar("Asia/Jakarta", WITH_BREAK)
    assert calendar.add_service_minutes(wib(11, 20, 11, 50), 20) == wib(11, 20, 13, 10)
    assert calendar.service_minutes_between(wib(11, 20, 12, 10), wib(11, 20, 12, 50)) == 0
    assert calendar.service_minutes_between(wib(11, 20, 15), wib(11, 20, 9)) == 0
    with pytest.raises(ValueError, match="negative"):
        calendar.add_service_minutes(wib(11, 20), -1)


@given(CALENDARS, INSTANTS, st.integers(0, 60 * 30))
def test_service_minutes_are_the_minutes_in_which_the_office_serves(calendar, start, minutes):
    start = start.replace(second=0)
    end = start + timedelta(minutes=minutes)

    def serves(at: datetime) -> bool:
        local = at.astimezone(ZoneInfo(calendar.zone))
        holiday = calendar.holidays.get(local.date())
        periods = [period for period in calendar.periods if period.start <= local.date() <= period.until]
        weekly = periods[0].weekly if periods else calendar.weekly
        closed = holiday is not None and holiday.is_closed
        return not closed and any(a <= local.time() < b for a, b in weekly[local.weekday()])

    served = [serves(start + timedelta(minutes=minute)) for minute in range(minutes)]
    assert calendar.service_minutes_between(start, end) == sum(served)
    assert [calendar.is_open(start + timedelta(minutes=minute)) for minute in range(minutes)] == served


@given(CALENDARS, INSTANTS, st.integers(0, 20_000))
def test_adding_and_counting_service_minutes_are_inverse(calendar, start, minutes):
    end = calendar.add_service_minutes(start, minutes)
    assert calendar.service_minutes_between(start, end) == minutes
    assert calendar.add_service_minutes(start, calendar.service_minutes_between(start, end)) == end
    if minutes:  # the earliest such instant
        assert calendar.service_minutes_between(start, end - timedelta(seconds=1)) < minutes


@given(CALENDARS, INSTANTS)
def test_nothing_is_served_until_the_next_opening(calendar, at):
    opens_at = calendar.next_open(at)
    assert calendar.is_open(opens_at)
    assert calendar.service_minutes_between(at, opens_at) == 0
    assert (opens_at == at) is calendar.is_open(at) is (calendar.closed_reason(at) is None)


@given(CALENDARS, INSTANTS)
def test_nothing_closes_between_the_last_closing_and_now(calendar, at):
    opens_at, closes_at = calendar.last_span_before(at)
    assert closes_at < at
    assert calendar.is_open(opens_at)
    assert calendar.is_open(closes_at - timedelta(seconds=1))
    assert calendar.service_minutes_between(closes_at, at) in (
        0,
        (at - calendar.next_open(closes_at)) / timedelta(minutes=1),
    )


# --- Days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "days", "end", "due_at"),
    [
        (wib(11, 18, 10), 1, "tutup_kantor", wib(11, 19, 16)),
        (wib(11, 19, 10), 1, "tutup_kantor", wib(11, 20, 16, 30)),
        (wib(11, 20, 16, 29), 1, "tutup_kantor", wib(11, 23, 16)),
        (wib(11, 20, 16, 30), 1, "tutup_kantor", wib(11, 24, 16)),  # after closing: received on Monday
        (wib(11, 21, 9), 1, "tutup_kantor", wib(11, 24, 16)),
        (wib(11, 20, 3), 1, "tutup_kantor", wib(11, 23, 16)),  # before opening: received on that day
        (wib(3, 17, 14), 2, "tutup_kantor", wib(3, 26, 16)),  # Nyepi and Lebaran, with their cuti bersama
        (wib(3, 17, 15), 2, "tutup_kantor", wib(3, 27, 16, 30)),  # closing time in Ramadan
        (wib(11, 18, 10), 0, "tutup_kantor", wib(11, 18, 16)),
        (wib(11, 20, 10, 15), 2, "persis", wib(11, 24, 10, 15)),
        (wib(11, 21, 10, 15), 2, "persis", wib(11, 25, 7, 30)),  # received when Monday opens
        (wib(11, 20, 3), 2, "persis", wib(11, 24, 7, 30)),
        (wib(11, 20, 10), 5, "akhir_hari", wib(11, 27, 23, 59) + timedelta(seconds=59)),
    ],
)
def test_working_days_count_from_the_day_after_receipt(office, start, days, end, due_at):
    assert office.add_working_days(start, days, end) == due_at


def test_days_do_not_run_backwards(office):
    with pytest.raises(ValueError, match="negative"):
        office.add_working_days(wib(11, 20), -1)


@given(CALENDARS, INSTANTS, st.integers(0, 40), st.sampled_from(["persis", "tutup_kantor", "akhir_hari"]))
def test_so_many_working_days_lie_after_the_day_of_receipt(calendar, start, days, end):
    due_on = calendar.local(calendar.add_working_days(start, days, end)).date()
    received_on = calendar.local(calendar.next_open(start)).date()
    passed = [received_on + timedelta(days=n) for n in range(1, (due_on - received_on).days + 1)]
    assert sum(map(calendar.is_working_day, passed)) == days
    assert calendar.is_working_day(due_on)


@given(CALENDARS, INSTANTS, st.integers(0, 400))
def test_calendar_days_keep_the_clock_time(calendar, start, days):
    end = calendar.add_calendar_days(start, days)
    assert end - start == timedelta(days=days)
    assert calendar.local(end).time() == calendar.local(start).time()


# --- Zones that change their clocks -----------------------------------------------------------------------------------


def test_calendar_days_keep_the_clock_time_when_clocks_change():
    berlin = ZoneInfo("Europe/Berlin")
    calendar = ServiceCalendar("Europe/Berlin")
    end = calendar.add_calendar_days(datetime(2026, 3, 28, 14, tzinfo=berlin), 1)
    assert end == datetime(2026, 3, 29, 12, tzinfo=UTC)  # 23 hours later


@pytest.mark.parametrize(
    ("day", "spans"),
    [
        (date(2026, 3, 29), [("00:00", "01:30"), ("01:30", "03:00")]),  # 02:30 is 03:30 then, and 02:45 after 03:00
        (date(2026, 10, 25), [("23:00", "00:30"), ("00:45", "02:00"), ("02:00", "04:00")]),  # the first 02:30
    ],
)
def test_hours_in_the_night_in_which_clocks_change_do_not_overlap(day, spans):
    night = (Slot(time(1), time(2, 30)), Slot(time(2, 45), time(3)), Slot(time(3), time(5)))
    calendar = ServiceCalendar("Europe/Berlin", (night,) * 7)
    assert [(f"{opens_at:%H:%M}", f"{closes_at:%H:%M}") for opens_at, closes_at in calendar.slots(day)] == spans


# --- Entering a calendar ----------------------------------------------------------------------------------------------


def test_all_mistakes_are_reported_at_once():
    crossed = (Slot(time(13), time(16)), Slot(time(8), time(14)))
    backwards = (Slot(time(7, 30), time(7, 30)), Slot(time(16), time(15)))
    with pytest.raises(errors.ConfigError) as caught:
        ServiceCalendar(
            "Asia/Surabaya",
            (crossed, backwards, (), (), (), (), ()),
            [
                Period("Ramadan", date(2026, 3, 19), date(2026, 2, 18), RAMADAN_WEEKLY),
                Period("Pindah kantor", date(2026, 5, 1), date(2026, 5, 31), ((),) * 7),
                Period("Pelayanan malam", date(2026, 5, 31), date(2026, 6, 30), DEFAULT_WEEKLY[:6]),
            ],
            {date(2026, 6, 1): Holiday(date(2026, 6, 2), "Hari Jadi Kota", HolidayKind.LOCAL)},
        )
    assert caught.value.mistakes == (
        "zone: unknown time zone 'Asia/Surabaya'",
        "weekly, Monday: the hours from 13:00 overlap those from 08:00",
        "weekly, Tuesday: closes 07:30, which is not after it opens, 07:30",
        "weekly, Tuesday: closes 15:00, which is not after it opens, 16:00",
        "period 'Ramadan': until 2026-02-18 is before start 2026-03-19",
        "period 'Pindah kantor': no service hour at all",
        "period 'Pelayanan malam': 6 days instead of seven",
        "period 'Pelayanan malam': overlaps period 'Pindah kantor'",
        "holiday 2026-06-01: entered for another date, 2026-06-02",
    )


@pytest.mark.parametrize("zone", ["", "WIB+7", "../Jakarta", "Asia", "/etc/passwd"])
def test_a_zone_that_is_no_zone_is_refused(zone):
    with pytest.raises(errors.ConfigError, match="time zone"):
        ServiceCalendar(zone)


def test_a_calendar_without_any_hour_is_refused():
    with pytest.raises(errors.ConfigError, match="no service hour"):
        ServiceCalendar("Asia/Jakarta", ((),) * 7)


def test_the_order_in_which_things_were_entered_does_not_matter():
    first, second = (
        Period("Ramadan", date(2026, 2, 18), date(2026, 3, 19), RAMADAN_WEEKLY),
        Period("Ramadan", date(2027, 2, 8), date(2027, 3, 8), RAMADAN_WEEKLY),
    )
    holidays = by_date(*seed_holidays([2026]))
    one = ServiceCalendar("Asia/Jakarta", WITH_BREAK, [first, second], holidays)
    other = ServiceCalendar(
        "Asia/Jakarta",
        tuple(tuple(reversed(slots)) for slots in WITH_BREAK),
        [second, first],
        dict(reversed(holidays.items())),
    )
    assert one == other
    assert one.to_json() == other.to_json()
    assert one.version == other.version


@given(CALENDARS)
def test_a_calendar_survives_its_json(calendar):
    again = ServiceCalendar.from_json(calendar.to_json())
    assert again == calendar
    assert again.version == calendar.version
    assert ServiceCalendar.from_json(calendar.to_json()) is again


@given(CALENDARS, st.dates(date(2026, 6, 1), date(2026, 7, 1)))
def test_any_change_gives_another_version(calendar, day):
    added = {**calendar.holidays, day: Holiday(day, "Hari Jadi Kota", HolidayKind.LOCAL)}
    assert dataclasses.replace(calendar, holidays=added).version != calendar.version


def test_versions_stay_the_same_over_releases():
    """Deadlines in the database name their calendar by it."""
    assert ServiceCalendar("Asia/Jakarta").version == "7567e12ac117f48d"


# --- Holidays ---------------------------------------------------------------------------------------------------------

# SKB 3 Menteri; national holidays and cuti bersama as month: days
NATIONAL = {
    2025: {1: [1, 27, 29], 3: [29, 31], 4: [1, 18, 20], 5: [1, 12, 29], 6: [1, 6, 27], 8: [17], 9: [5], 12: [25]},
    2026: {1: [1, 16], 2: [17], 3: [19, 21, 22], 4: [3, 5], 5: [1, 14, 27, 31], 6: [1, 16], 8: [17, 25], 12: [25]},
}
JOINT_LEAVE = {
    2025: {1: [28], 3: [28], 4: [2, 3, 4, 7], 5: [13, 30], 6: [9], 8: [18], 12: [26]},
    2026: {2: [16], 3: [18, 20, 23, 24], 5: [15, 28], 12: [24]},
}


@pytest.mark.parametrize("year", [2025, 2026])
@pytest.mark.parametrize(("kind", "table"), [(HolidayKind.NATIONAL, NATIONAL), (HolidayKind.JOINT_LEAVE, JOINT_LEAVE)])
def test_seeded_holidays_are_those_of_the_joint_decree(year, kind, table):
    seeded = [holiday for holiday in seed_holidays([year]) if holiday.kind is kind]
    assert [holiday.date for holiday in seeded] == [date(year, m, d) for m, days in table[year].items() for d in days]
    assert all(holiday.is_closed for holiday in seeded)


def test_names_of_holidays_are_indonesian_whatever_the_server_speaks(monkeypatch):
    for variable in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.setenv(variable, "en_US.UTF-8")
    names = {holiday.date: holiday.name for holiday in seed_holidays([2026])}
    assert names[date(2026, 12, 25)] == "Hari Raya Natal"
    assert names[date(2026, 12, 24)] == "Cuti Bersama Hari Raya Natal"


def test_a_year_without_cuti_bersama_is_named():
    calendar = ServiceCalendar("Asia/Jakarta", holidays=by_date(*seed_holidays([2026, 2027, 2028])))
    assert calendar.years_without_joint_leave(range(2026, 2030)) == [2028, 2029]


def test_a_running_service_does_not_load_the_holiday_tables(pytestconfig):
    code = "import sys, sla.calendar; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=pytestconfig.rootpath, check=False).returncode == 0
