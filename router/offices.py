"""The offices of this deployment: their settings, and the calendar each serves by now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from core import errors, model
from sla import calendar, clocks
from storage import deadlines, people
from storage.transaction import Tx

FOLLOW_UP = clocks.Rule("tanggapan_susulan", 1, "hari_kerja", end="tutup_kantor")


@dataclass(frozen=True, slots=True)
class Office:
    """What an office configures. `tracking_url` is where a citizen follows his complaint."""

    id: str
    name: str
    short_name: str
    zone: ZoneInfo
    number_prefix: str
    weekly: calendar.Weekly
    periods: tuple[calendar.Period, ...]
    reading: clocks.Reading
    burst_window: timedelta
    reopen_within: timedelta
    acknowledge_further: bool
    tracking_url: str

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def end_of_day(self, now: datetime) -> datetime:
        """Return the next local midnight."""
        return datetime.combine(self.local(now).date() + timedelta(days=1), time(), self.zone)


class Offices:
    """Every office with its present calendar; `load` reads the holidays anew."""

    def __init__(self, offices: Iterable[Office]) -> None:
        self._offices = {office.id: office for office in offices}
        self._calendars: dict[str, calendar.ServiceCalendar] = {
            office.id: _calendar(office, ()) for office in self._offices.values()
        }
        self._kept: set[str] = set()  # versions of calendars that are known to be stored

    def __iter__(self) -> Iterator[Office]:
        return iter(self._offices.values())

    def get(self, office_id: str) -> Office:
        try:
            return self._offices[office_id]
        except KeyError:
            raise errors.NotFound("no such office") from None

    def calendar(self, office_id: str) -> calendar.ServiceCalendar:
        return self._calendars[office_id]

    def load(self, holidays: Mapping[str, Iterable[people.HolidayEntry]]) -> None:
        """Reckon by these holidays, per office, from now on."""
        for office_id, entries in holidays.items():
            self._calendars[office_id] = _calendar(self._offices[office_id], entries)

    def response_rule(self, office_id: str, intake: model.Intake) -> clocks.Rule:
        return clocks.response_rules(self.get(office_id).reading)[intake]

    def start_clock(self, tx: Tx, office_id: str, rule: clocks.Rule, started_at: datetime) -> model.Deadline:
        """Reckon a deadline and keep the calendar that it was reckoned by."""
        serving = self._calendars[office_id]
        if serving.version not in self._kept:
            deadlines.keep_calendar(tx, serving.version, serving.to_json())
            tx.committed.append(lambda: self._kept.add(serving.version))
        return clocks.start(rule, started_at, serving)


def read_holidays(tx: Tx, office_ids: Iterable[str]) -> dict[str, list[people.HolidayEntry]]:
    return {office_id: people.holidays(tx, office_id) for office_id in office_ids}


def _calendar(office: Office, entries: Iterable[people.HolidayEntry]) -> calendar.ServiceCalendar:
    holidays = {e.day: calendar.Holiday(e.day, e.name, calendar.HolidayKind(e.kind), e.is_closed) for e in entries}
    return calendar.ServiceCalendar(str(office.zone), office.weekly, office.periods, holidays)
