"""Service hours, holidays and zone of an office: the one place that reckons in local time.

Instants go in aware and come out in UTC. A local time that a change of clocks skips or doubles is read as PEP 495
reads `fold=0`; Indonesia has no such changes. A slot holds its opening instant and not its closing instant.

Sources: Perpres 21/2023 (hours of work), the yearly SKB 3 Menteri (national holidays and cuti bersama).
"""

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from core import errors

End = Literal["persis", "tutup_kantor", "akhir_hari"]  # same clock time, closing time, end of the day

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_LAST_SECOND = time(23, 59, 59)  # not midnight, which would be printed as the next day
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Slot(NamedTuple):
    """Service hours within one day, local time."""

    opens: time
    closes: time


Weekly = tuple[tuple[Slot, ...], ...]  # seven days, Monday first; a day without slots is closed


class Span(NamedTuple):
    """A slot of a certain date, in UTC."""

    opens_at: datetime
    closes_at: datetime


def _week(four_days: Slot, friday: Slot) -> Weekly:
    return ((four_days,),) * 4 + ((friday,), (), ())


DEFAULT_WEEKLY = _week(Slot(time(7, 30), time(16)), Slot(time(7, 30), time(16, 30)))
RAMADAN_WEEKLY = _week(Slot(time(8), time(15)), Slot(time(8), time(15, 30)))


class HolidayKind(StrEnum):
    NATIONAL = "nasional"
    JOINT_LEAVE = "cuti_bersama"
    LOCAL = "lokal"


@dataclass(frozen=True, slots=True)
class Holiday:
    """A named date. `is_closed` is False where the office serves all the same, as front desks do on cuti bersama."""

    date: date
    name: str
    kind: HolidayKind
    is_closed: bool = True


@dataclass(frozen=True, slots=True)
class Period:
    """Dates with hours of their own, such as Ramadan; `start` and `until` both belong to it."""

    name: str
    start: date
    until: date
    weekly: Weekly


class Closed(StrEnum):
    HOLIDAY = "hari_libur"
    WEEKEND = "akhir_pekan"  # a weekday on which the office never serves
    HOURS = "luar_jam"  # before opening, after closing, or in a break


class ClosedReason(NamedTuple):
    """Why the office is closed; `holiday` is the name of the holiday where that is the reason."""

    kind: Closed
    holiday: str | None = None


@dataclass(frozen=True)
class ServiceCalendar:
    """When an office serves. `zone` is an IANA name; slots and periods are put in order.

    Raises ConfigError with every mistake: a zone that does not exist, hours that end before they begin or overlap,
    periods that do, a week (the ordinary one or that of a period) without any service hour.
    """

    zone: str
    weekly: Weekly = DEFAULT_WEEKLY
    periods: Sequence[Period] = ()
    holidays: Mapping[date, Holiday] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if mistakes := _mistakes(self):
            raise errors.ConfigError(mistakes)
        periods = [dataclasses.replace(period, weekly=_ordered(period.weekly)) for period in self.periods]
        object.__setattr__(self, "weekly", _ordered(self.weekly))
        object.__setattr__(self, "periods", tuple(sorted(periods, key=lambda period: period.start)))
        object.__setattr__(self, "holidays", MappingProxyType(dict(sorted(self.holidays.items()))))

    # --- Days -----------------------------------------------------------------------------------------------------

    def local(self, at: datetime) -> datetime:
        """Return the instant as the office's clock shows it; ValueError for a naive time."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(self._zone)

    def slots(self, day: date) -> tuple[Span, ...]:
        """Return the service hours of a local date in order; empty when closed."""
        spans = self._spans.get(day)
        if spans is None:
            spans = self._spans[day] = tuple(self._read(day))
        return spans

    def is_working_day(self, day: date) -> bool:
        return bool(self.slots(day))

    def first_working_day(self, day: date) -> date:
        """Return `day` itself or, when it is closed, the next working day."""
        while not self.slots(day):
            day += _DAY
        return day

    def closing(self, day: date) -> datetime | None:
        """Return when the last slot of the date ends; None on a closed date."""
        spans = self.slots(day)
        return spans[-1].closes_at if spans else None

    def finish(self, day: date, end: End, clock_time: time) -> datetime:
        """Return when a limit that runs out on `day` does so: at `clock_time` for 'persis'.

        ValueError for 'tutup_kantor' on a closed date.
        """
        if end == "persis":
            return self._instant(day, clock_time)
        if end == "akhir_hari":
            return self._instant(day, _LAST_SECOND)
        closes_at = self.closing(day)
        if closes_at is None:
            raise ValueError(f"no closing time on {day}")
        return closes_at

    # --- Instants -------------------------------------------------------------------------------------------------

    def is_open(self, at: datetime) -> bool:
        return any(opens_at <= at < closes_at for opens_at, closes_at in self.slots(self.local(at).date()))

    def next_open(self, at: datetime) -> datetime:
        """Return the first instant from `at` on at which the office is open: `at` itself when it is."""
        return max(at.astimezone(UTC), next(self._spans_from(at)).opens_at)

    def last_span_before(self, at: datetime) -> Span:
        """Return the last service hours that end before `at`."""
        day = self.local(at).date()
        while True:
            for span in reversed(self.slots(day)):
                if span.closes_at < at:
                    return span
            day -= _DAY

    def last_closing_before(self, at: datetime) -> datetime:
        return self.last_span_before(at).closes_at

    def closed_reason(self, at: datetime) -> ClosedReason | None:
        """Say why the office is closed at `at`; None when it is open."""
        day = self.local(at).date()
        if self.is_open(at):
            return None
        holiday = self.holidays.get(day)
        if holiday is not None and holiday.is_closed:
            return ClosedReason(Closed.HOLIDAY, holiday.name)
        return ClosedReason(Closed.HOURS if self.slots(day) else Closed.WEEKEND)

    # --- Reckoning ------------------------------------------------------------------------------------------------

    def service_minutes_between(self, start: datetime, until: datetime) -> float:
        """Return the service time from `start` to `until` in minutes; 0 when `until` is not later."""
        served = timedelta()
        for opens_at, closes_at in self._spans_from(start):
            if opens_at >= until:
                break
            served += max(min(closes_at, until) - max(opens_at, start), timedelta())
        return served / _MINUTE

    def add_service_minutes(self, start: datetime, minutes: float) -> datetime:
        """Return the earliest instant with so much service time since `start`: a closing time, not the next opening.

        ValueError when `minutes` is negative.
        """
        if minutes < 0:
            raise ValueError("minutes must not be negative")
        left = timedelta(minutes=minutes)
        begin = start.astimezone(UTC)
        for opens_at, closes_at in self._spans_from(start) if left else ():
            begin = max(start, opens_at)
            if left <= closes_at - begin:
                break
            left -= closes_at - begin
        return begin.astimezone(UTC) + left

    def add_calendar_days(self, start: datetime, days: int) -> datetime:
        """Return the same local clock time, so many dates later."""
        local = self.local(start)
        return self._instant(local.date() + _DAY * days, local.time())

    def add_working_days(self, start: datetime, days: int, end: End = "persis") -> datetime:
        """Return when so many working days after the day of receipt have passed; ValueError when `days` is negative.

        The day of receipt is day 0. What comes after closing time, or on a closed date, counts as received when the
        next working day opens, and what comes before opening as received at opening. 'persis' is that clock time.
        """
        if days < 0:
            raise ValueError("days must not be negative")
        received = self.local(start)
        day = received.date()
        closes_at = self.closing(day)
        if closes_at is None or start >= closes_at:
            day = self.first_working_day(day + _DAY)
        received = max(received, self.local(self.slots(day)[0].opens_at))
        for _ in range(days):
            day = self.first_working_day(day + _DAY)
        return self.finish(day, end, received.time())

    # --- Kept with deadlines --------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return the canonical form: equal calendars give equal text."""
        content = {
            "zone": self.zone,
            "weekly": self.weekly,
            "periods": [dataclasses.asdict(period) for period in self.periods],
            "holidays": [dataclasses.asdict(holiday) for holiday in self.holidays.values()],
        }
        return json.dumps(content, default=str, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ServiceCalendar":
        """Read what `to_json` wrote; the same text gives the same object, as long as it is in the cache."""
        return _from_json(text)

    @functools.cached_property
    def version(self) -> str:
        """The name of exactly this calendar: 16 hex digits of the SHA-256 of its canonical form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def years_without_joint_leave(self, years: Iterable[int]) -> list[int]:
        """Return those `years` for which no cuti bersama is entered yet: a deadline in them may still move."""
        known = {day.year for day, holiday in self.holidays.items() if holiday.kind is HolidayKind.JOINT_LEAVE}
        return [year for year in years if year not in known]

    # --- Inside ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @functools.cached_property
    def _spans(self) -> dict[date, tuple[Span, ...]]:
        return {}  # every reckoning walks over days; working out each of them once makes that cheap

    def _instant(self, day: date, clock_time: time) -> datetime:
        return datetime.combine(day, clock_time, self._zone).astimezone(UTC)

    def _read(self, day: date) -> Iterator[Span]:
        holiday = self.holidays.get(day)
        if holiday is not None and holiday.is_closed:
            return
        weekly = next((period.weekly for period in self.periods if period.start <= day <= period.until), self.weekly)
        free_from = datetime.min.replace(tzinfo=UTC)
        for opens, closes in weekly[day.weekday()]:
            # Where clocks change, two slots may come to overlap, or one to end before it begins.
            opens_at, closes_at = max(free_from, self._instant(day, opens)), self._instant(day, closes)
            if opens_at < closes_at:
                yield Span(opens_at, closes_at)
                free_from = closes_at

    def _spans_from(self, at: datetime) -> Iterator[Span]:
        """Yield all service hours that end after `at`, without end."""
        day = self.local(at).date()
        while True:
            for span in self.slots(day):
                if span.closes_at > at:
                    yield span
            day += _DAY


def seed_holidays(years: Iterable[int]) -> list[Holiday]:
    """Return Indonesia's national holidays and cuti bersama by date, to fill an office's own table once."""
    import holidays  # noqa: PLC0415 - 19 MB that a running service does not need

    found: dict[date, Holiday] = {}
    # Cuti bersama is in "government", which is not in the default; without a language names depend on LANG.
    for category, kind in (("government", HolidayKind.JOINT_LEAVE), ("public", HolidayKind.NATIONAL)):
        table = holidays.country_holidays("ID", years=list(years), categories=category, language="id")
        found |= {day: Holiday(day, name, kind) for day, name in table.items()}
    return [found[day] for day in sorted(found)]


def _ordered(weekly: Weekly) -> Weekly:
    return tuple(tuple(Slot(*slot) for slot in sorted(slots)) for slots in weekly)


def _mistakes(calendar: ServiceCalendar) -> list[str]:
    mistakes = []
    try:
        ZoneInfo(calendar.zone)
    except (KeyError, ValueError, OSError):  # unknown; not a name; a directory of the zone database
        mistakes.append(f"zone: unknown time zone {calendar.zone!r}")
    mistakes += _weekly_mistakes("weekly", calendar.weekly)
    for period in calendar.periods:
        if period.until < period.start:
            mistakes.append(f"period {period.name!r}: until {period.until} is before start {period.start}")
        mistakes += _weekly_mistakes(f"period {period.name!r}", period.weekly)
    for first, second in itertools.pairwise(sorted(calendar.periods, key=lambda period: period.start)):
        if second.start <= first.until:
            mistakes.append(f"period {second.name!r}: overlaps period {first.name!r}")
    mistakes += [
        f"holiday {day}: entered for another date, {holiday.date}"
        for day, holiday in calendar.holidays.items()
        if day != holiday.date
    ]
    return mistakes


def _weekly_mistakes(place: str, weekly: Weekly) -> Iterator[str]:
    if len(weekly) != len(_WEEKDAYS):
        yield f"{place}: {len(weekly)} days instead of seven"
        return
    if not any(weekly):
        yield f"{place}: no service hour at all"
    for weekday, slots in zip(_WEEKDAYS, weekly, strict=True):
        for opens, closes in slots:
            if closes <= opens:
                yield f"{place}, {weekday}: closes {closes:%H:%M}, which is not after it opens, {opens:%H:%M}"
        for first, second in itertools.pairwise(sorted(slots)):
            if second[0] < first[1]:
                yield f"{place}, {weekday}: the hours from {second[0]:%H:%M} overlap those from {first[0]:%H:%M}"


def _weekly_from_json(weekly: list[list[list[str]]]) -> Weekly:
    return tuple(tuple(Slot(time.fromisoformat(a), time.fromisoformat(b)) for a, b in slots) for slots in weekly)


@functools.lru_cache(maxsize=64)
def _from_json(text: str) -> ServiceCalendar:
    content: dict[str, Any] = json.loads(text)
    periods = [
        Period(
            row["name"],
            date.fromisoformat(row["start"]),
            date.fromisoformat(row["until"]),
            _weekly_from_json(row["weekly"]),
        )
        for row in content["periods"]
    ]
    holidays = [
        Holiday(date.fromisoformat(row["date"]), row["name"], HolidayKind(row["kind"]), row["is_closed"])
        for row in content["holidays"]
    ]
    by_date = {holiday.date: holiday for holiday in holidays}
    return ServiceCalendar(content["zone"], _weekly_from_json(content["weekly"]), periods, by_date)
