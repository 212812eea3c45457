import dataclasses
import itertools
import tomllib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import errors, model
from sla import clocks
from sla.calendar import DEFAULT_WEEKLY, RAMADAN_WEEKLY, Holiday, HolidayKind, Period, ServiceCalendar, seed_holidays
from sla.clocks import Reading, Rule

WIB = ZoneInfo("Asia/Jakarta")
CALENDARS = st.from_type(ServiceCalendar)
INSTANTS = st.datetimes(datetime(2026, 2, 1), datetime(2026, 5, 31), timezones=st.just(UTC))
MINUTES = st.builds(
    Rule, st.just("langkah"), st.integers(1, 3000), st.just("menit"), warn_before_closed_time=st.booleans()
)
ENDS = ["persis", "tutup_kantor", "akhir_hari"]
WORKING_DAYS = st.builds(
    Rule,
    st.just("langkah"),
    st.integers(1, 15),
    st.just("hari_kerja"),
    st.sampled_from(ENDS),
    warn_before_closed_time=st.booleans(),
)
ROLLED = st.builds(
    Rule,
    st.just("respon"),
    st.integers(1, 15),
    st.just("hari"),
    st.sampled_from(ENDS),
    st.just("hari_kerja_berikutnya"),
    warn_before_closed_time=st.booleans(),
)
CALENDAR_DAYS = st.builds(
    Rule,
    st.just("respon"),
    st.integers(1, 15),
    st.just("hari"),
    st.sampled_from(["persis", "akhir_hari"]),
    warn_before_closed_time=st.booleans(),
)
RULES = MINUTES | WORKING_DAYS | ROLLED | CALENDAR_DAYS


def wib(month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=WIB)


@pytest.fixture(scope="module")
def office() -> ServiceCalendar:
    ramadan = Period("Ramadan", date(2026, 2, 18), date(2026, 3, 19), RAMADAN_WEEKLY)
    holidays = {holiday.date: holiday for holiday in seed_holidays([2026])}
    return ServiceCalendar("Asia/Jakarta", DEFAULT_WEEKLY, [ramadan], holidays)


def warnings(deadline: model.Deadline) -> list[tuple[str, datetime]]:
    return [(warning.reason, warning.at) for warning in deadline.warnings]


# --- The response limits of the SOP -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started_at", "reading", "due_at", "impossible"),
    [
        (wib(11, 20, 20), Reading.CALENDAR, wib(11, 22, 20), True),  # Friday night: the office closed at 16:30
        (wib(11, 21, 7, 30), Reading.CALENDAR, wib(11, 23, 7, 30), True),  # due when Monday opens
        (wib(11, 20, 20), Reading.WORKING, wib(11, 25, 16), False),
        (wib(11, 20, 20), Reading.ROLLED, wib(11, 23, 16), False),
        (wib(3, 17, 14), Reading.CALENDAR, wib(3, 19, 14), False),  # one hour of service is left
        (wib(3, 17, 14), Reading.WORKING, wib(3, 26, 16), False),
        (wib(3, 17, 14), Reading.ROLLED, wib(3, 25, 16), False),
        (wib(3, 17, 15), Reading.CALENDAR, wib(3, 19, 15), True),
        (wib(11, 17, 9, 12), Reading.CALENDAR, wib(11, 19, 9, 12), False),
        (wib(11, 17, 9, 12), Reading.WORKING, wib(11, 19, 16), False),
        (wib(11, 17, 9, 12), Reading.ROLLED, wib(11, 19, 16), False),
    ],
)
def test_indirect_complaints_are_answered_in_two_days(office, started_at, reading, due_at, impossible):
    deadline = clocks.start(clocks.response_rules(reading)[model.Intake.INDIRECT], started_at, office)
    assert deadline.clock == "respon_tidak_langsung"
    assert deadline.started_at == started_at
    assert (deadline.due_at, deadline.impossible) == (due_at, impossible)
    assert deadline.due_at.tzinfo is UTC


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize(
    ("started_at", "due_at"),
    [
        (wib(11, 19, 10), wib(11, 20, 16, 30)),
        (wib(11, 20, 10), wib(11, 23, 16)),
        (wib(11, 20, 16, 30), wib(11, 24, 16)),
        (wib(3, 17, 14), wib(3, 25, 16)),
    ],
)
def test_direct_complaints_are_answered_by_closing_time_of_the_next_working_day(office, reading, started_at, due_at):
    deadline = clocks.start(clocks.response_rules(reading)[model.Intake.DIRECT], started_at, office)
    assert deadline.clock == "respon_langsung"
    assert deadline.due_at == due_at
    assert not deadline.impossible


def test_the_clocks_of_an_sop_file_are_rules():
    table = tomllib.loads("""
        [[clock]]
        id = "respon_langsung"
        value = 1
        unit = "hari_kerja"
        end = "tutup_kantor"

        [[clock]]
        id = "respon_tidak_langsung"
        value = 2
        unit = "hari"
        end = "persis"
        warn_before_closed_time = true
    """)
    assert [Rule(**clock) for clock in table["clock"]] == list(clocks.response_rules(Reading.CALENDAR).values())


# --- Limits of steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "started_at", "due_at"),
    [
        (Rule("kasi", 10, "menit"), wib(11, 20, 16, 25), wib(11, 23, 7, 35)),
        (Rule("petugas", 1, "hari_kerja", "tutup_kantor"), wib(11, 20, 8), wib(11, 23, 16)),
        (Rule("tim", 5, "hari_kerja", "persis"), wib(11, 20, 8), wib(11, 27, 8)),
        (Rule("tim", 5, "hari_kerja", "akhir_hari"), wib(11, 20, 8), wib(11, 27, 23, 59, 59)),
        (Rule("klarifikasi", 5, "hari", "akhir_hari"), wib(11, 17, 8), wib(11, 22, 23, 59, 59)),
        (Rule("klarifikasi", 5, "hari", "akhir_hari", "hari_kerja_berikutnya"), wib(11, 17), wib(11, 23, 23, 59, 59)),
        (Rule("klarifikasi", 5, "hari", "persis", "hari_kerja_berikutnya"), wib(11, 17, 8), wib(11, 23, 8)),
        (Rule("klarifikasi", 3, "hari", "persis", "hari_kerja_berikutnya"), wib(11, 17, 20), wib(11, 20, 20)),
    ],
)
def test_a_limit_runs_out(office, rule, started_at, due_at):
    assert clocks.due(rule, started_at, office) == due_at


# --- Warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "started_at", "expected"),
    [
        (
            Rule("kasi", 20, "menit"),
            wib(11, 20, 16, 20),
            [("75", wib(11, 23, 7, 35)), ("90", wib(11, 23, 7, 38))],
        ),
        (  # 510 service minutes on Monday after 30 on Friday
            Rule("petugas", 1, "hari_kerja", "tutup_kantor"),
            wib(11, 20, 16),
            [("75", wib(11, 23, 13, 45)), ("90", wib(11, 23, 15, 6))],
        ),
        (
            Rule("respon", 2, "hari"),
            wib(11, 17, 8),
            [("75", wib(11, 18, 20)), ("90", wib(11, 19, 3, 12))],
        ),
        (Rule("respon", 2, "hari", warn_at=(90,)), wib(11, 17, 8), [("90", wib(11, 19, 3, 12))]),
        (Rule("respon", 2, "hari", warn_at=()), wib(11, 17, 8), []),
    ],
)
def test_warnings_come_at_three_quarters_and_nine_tenths_of_the_limit(office, rule, started_at, expected):
    assert warnings(clocks.start(rule, started_at, office)) == expected


@pytest.mark.parametrize(
    ("started_at", "warned_at"),
    [
        (wib(11, 20, 9), wib(11, 20, 14, 30)),  # due on Sunday: two hours before Friday's closing time
        (wib(11, 20, 14, 30), wib(11, 20, 15, 30)),  # came in within those hours: half of what is left
        (wib(11, 20, 16), wib(11, 20, 16, 15)),
        (wib(11, 20, 16, 30), None),  # impossible instead
        (wib(11, 20, 20), None),
        (wib(11, 18, 7, 30), wib(11, 19, 14)),  # due at opening time: the evening before is the last chance
        (wib(11, 17, 18), wib(11, 19, 14)),
        (wib(11, 17, 16), None),  # due at closing time, in service hours
        (wib(11, 17, 9), None),
    ],
)
def test_the_office_is_warned_before_it_closes_over_a_deadline(office, started_at, warned_at):
    rule = Rule("respon", 2, "hari", warn_before_closed_time=True, warn_at=())
    expected = [] if warned_at is None else [("closing", warned_at)]
    assert warnings(clocks.start(rule, started_at, office)) == expected
    assert warnings(clocks.start(dataclasses.replace(rule, warn_before_closed_time=False), started_at, office)) == []


def test_the_warning_before_closing_waits_for_opening(office):
    rule = Rule("respon", 2, "hari", warn_before_closed_time=True, warn_at=())
    deadline = clocks.start(rule, wib(11, 19, 20), office, closing_lead=timedelta(hours=12))
    assert warnings(deadline) == [("closing", wib(11, 20, 7, 30))]


def test_warnings_are_in_order_of_time(office):
    rule = clocks.response_rules(Reading.CALENDAR)[model.Intake.INDIRECT]
    assert warnings(clocks.start(rule, wib(11, 20, 9), office)) == [
        ("closing", wib(11, 20, 14, 30)),
        ("75", wib(11, 21, 21)),
        ("90", wib(11, 22, 4, 12)),
    ]


# --- Properties -------------------------------------------------------------------------------------------------------


@given(RULES, INSTANTS, CALENDARS, st.integers(0, 600))
def test_warnings_lie_in_order_between_start_and_due_time(rule, started_at, calendar, lead_minutes):
    deadline = clocks.start(rule, started_at, calendar, timedelta(minutes=lead_minutes))
    times = [started_at, *(warning.at for warning in deadline.warnings), deadline.due_at]
    assert times == sorted(times)
    assert started_at not in times[1:]
    assert deadline.due_at not in times[:-1]
    assert {"75", "90"} <= {warning.reason for warning in deadline.warnings}


@given(RULES, INSTANTS, CALENDARS)
def test_a_deadline_over_closed_hours_is_impossible_or_warned_of_while_the_office_serves(rule, started_at, calendar):
    rule = dataclasses.replace(rule, warn_before_closed_time=True)
    deadline = clocks.start(rule, started_at, calendar)
    just_before = deadline.due_at - timedelta(microseconds=1)
    closing = [warning.at for warning in deadline.warnings if warning.reason == "closing"]
    served = calendar.service_minutes_between(started_at, deadline.due_at) > 0
    assert deadline.impossible is not served
    assert len(closing) == (served and not calendar.is_open(just_before))
    assert all(calendar.service_minutes_between(at, deadline.due_at) > 0 for at in closing)


@given(MINUTES | WORKING_DAYS | ROLLED, INSTANTS, CALENDARS, st.lists(st.integers(-3, 30), min_size=1, max_size=4))
def test_a_new_holiday_never_makes_a_working_time_deadline_earlier(rule, started_at, calendar, offsets):
    days = [started_at.date() + timedelta(days=offset) for offset in offsets]
    added = {day: Holiday(day, "Cuti Bersama", HolidayKind.JOINT_LEAVE) for day in days}
    changed = dataclasses.replace(calendar, holidays={**calendar.holidays, **added})
    before = clocks.start(rule, started_at, calendar)
    after = clocks.recompute(before, changed)
    assert after.due_at >= before.due_at
    assert not (after.impossible and rule.unit != "hari")
    assert after == clocks.start(rule, started_at, changed)
    assert after.calendar == changed.version


@given(CALENDAR_DAYS, INSTANTS, CALENDARS)
def test_holidays_do_not_move_calendar_days(rule, started_at, calendar):
    bare = dataclasses.replace(calendar, holidays={})
    assert clocks.due(rule, started_at, calendar) == clocks.due(rule, started_at, bare)


@given(
    RULES.filter(lambda rule: (rule.roll, rule.end) != ("hari_kerja_berikutnya", "persis")),
    st.lists(INSTANTS, min_size=2, max_size=8),
    CALENDARS,
)
def test_who_comes_later_is_never_answered_earlier(rule, starts, calendar):
    due_times = [clocks.due(rule, started_at, calendar) for started_at in sorted(starts)]
    assert all(first <= second for first, second in itertools.pairwise(due_times))


@given(ROLLED, INSTANTS, CALENDARS)
def test_a_rolled_deadline_is_on_the_first_working_day_that_is_not_too_early(rule, started_at, calendar):
    due_on = calendar.local(clocks.due(rule, started_at, calendar)).date()
    earliest = calendar.local(started_at).date() + timedelta(days=rule.value)
    assert calendar.is_working_day(due_on)
    skipped = [earliest + timedelta(days=n) for n in range((due_on - earliest).days)]
    assert not any(map(calendar.is_working_day, skipped))


@given(st.integers(1, 60), INSTANTS, CALENDARS)
def test_calendar_days_to_the_minute_keep_the_clock_time(days, started_at, calendar):
    due_at = clocks.due(Rule("respon", days, "hari"), started_at, calendar)
    assert due_at == calendar.add_calendar_days(started_at, days)
    assert calendar.local(due_at).time() == calendar.local(started_at).time()


# --- Rules ------------------------------------------------------------------------------------------------------------


@given(RULES)
def test_a_rule_survives_its_json(rule):
    assert Rule.from_json(rule.to_json()) == rule
    assert dataclasses.replace(rule, id="lain").to_json() != rule.to_json()


@pytest.mark.parametrize(
    ("fields", "mistakes"),
    [
        ({"unit": "jam"}, ["unit 'jam' is not one of menit, hari, hari_kerja"]),
        ({"end": "sore"}, ["end 'sore' is not one of persis, tutup_kantor, akhir_hari"]),
        ({"value": 0}, ["value 0 is not between 1 and 1000"]),
        ({"value": 1001}, ["value 1001 is not between 1 and 1000"]),
        ({"id": ""}, ["id is empty"]),
        ({"warn_at": (50, 90)}, ["warn_at [50, 90] knows 75 and 90 only"]),
        ({"unit": "menit", "end": "tutup_kantor"}, ["a limit in minutes ends 'persis'"]),
        ({"unit": "hari_kerja", "roll": "hari_kerja_berikutnya"}, ["only a limit in calendar days can roll"]),
        (
            {"end": "tutup_kantor"},
            ["calendar days that end 'tutup_kantor' must roll: a closed date has no closing time"],
        ),
        (
            {"unit": "menit", "value": -5, "end": "akhir_hari", "roll": "besok"},
            [
                "roll 'besok' is not one of tidak, hari_kerja_berikutnya",
                "value -5 is not between 1 and 100000",
                "a limit in minutes ends 'persis'",
                "only a limit in calendar days can roll",
            ],
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_every_mistake(fields, mistakes):
    with pytest.raises(errors.ConfigError) as caught:
        Rule(**{"id": "respon", "value": 2, "unit": "hari", **fields})
    named = fields.get("id", "respon")
    assert list(caught.value.mistakes) == [f"clock {named!r}: {mistake}" for mistake in mistakes]
