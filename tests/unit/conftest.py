"""Calendars as no office keeps them: `st.from_type(ServiceCalendar)` draws one."""

from datetime import date, time, timedelta

from hypothesis import strategies as st

from sla.calendar import Holiday, HolidayKind, Period, ServiceCalendar, Slot, Weekly

ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")
DATES = st.dates(date(2026, 2, 1), date(2026, 5, 31))


@st.composite
def slots(draw: st.DrawFn) -> tuple[Slot, ...]:
    quarters = draw(st.lists(st.integers(0, 95), min_size=2, max_size=6, unique=True))
    times = [time(quarter // 4, quarter % 4 * 15) for quarter in sorted(quarters)]
    return tuple(Slot(opens, closes) for opens, closes in zip(times[::2], times[1::2], strict=False))


@st.composite
def weeklies(draw: st.DrawFn) -> Weekly:
    served = draw(st.sets(st.integers(0, 6), min_size=1))
    return tuple(draw(slots()) if weekday in served else () for weekday in range(7))


@st.composite
def calendars(draw: st.DrawFn) -> ServiceCalendar:
    bounds = sorted(draw(st.sets(DATES, max_size=4)))
    return ServiceCalendar(
        zone=draw(st.sampled_from(ZONES)),
        weekly=draw(weeklies()),
        periods=[
            Period("Ramadan", first, until - timedelta(days=1), draw(weeklies()))
            for first, until in zip(bounds[::2], bounds[1::2], strict=False)
        ],
        holidays={
            day: Holiday(day, "Libur", draw(st.sampled_from(HolidayKind)), draw(st.booleans()))
            for day in draw(st.sets(DATES, max_size=12))
        },
    )


st.register_type_strategy(ServiceCalendar, calendars())
