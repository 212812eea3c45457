"""The promises of an SOP: a rule and a start give a deadline with its warnings.

Times are aware and come out in UTC. Words of rules (`menit`, `hari_kerja`, `tutup_kantor` ...) are those of the SOP
files. Source of the response limits: SOP Layanan Pengaduan Langsung, Kota Pasuruan, catatan: "PENGADUAN LANGSUNG
PALING LAMBAT 1 HARI KERJA" and "2 (DUA) HARI SEJAK NOTIFIKASI DITERIMA".
"""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, get_args

from core import errors, model
from sla.calendar import End, ServiceCalendar

Unit = Literal["menit", "hari", "hari_kerja"]  # service minutes, calendar days, working days
Roll = Literal["tidak", "hari_kerja_berikutnya"]
Percent = Literal[75, 90]

CLOSING_LEAD = timedelta(hours=2)
LONGEST = {"menit": 100_000, "hari": 1000, "hari_kerja": 1000}


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit of an SOP. `id` names its clock.

    `end` and `roll` are for limits in days: `roll` moves a limit in calendar days off a closed date. `warn_at` are
    percentages of the limit; `warn_before_closed_time` asks for a warning while somebody can still act when the due
    time lies in closed hours. Raises ConfigError with every mistake.
    """

    id: str
    value: int
    unit: Unit
    end: End = "persis"
    roll: Roll = "tidak"
    warn_before_closed_time: bool = False
    warn_at: tuple[Percent, ...] = (75, 90)

    def __post_init__(self) -> None:
        if mistakes := [f"clock {self.id!r}: {mistake}" for mistake in _mistakes(self)]:
            raise errors.ConfigError(mistakes)

    def to_json(self) -> str:
        """Return the canonical form: equal rules give equal text."""
        return _to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "Rule":
        return _from_json(text)


def due(rule: Rule, started_at: datetime, calendar: ServiceCalendar) -> datetime:
    """Return the last instant at which the promise is kept.

    A later start never gives an earlier due time, except for rules that roll with the end 'persis': what falls due on
    Sunday evening is moved to Monday evening, what falls due on Monday morning stays there.
    """
    if rule.unit == "menit":
        return calendar.add_service_minutes(started_at, rule.value)
    if rule.unit == "hari_kerja":
        return calendar.add_working_days(started_at, rule.value, rule.end)
    started = calendar.local(started_at)
    day = started.date() + timedelta(days=rule.value)
    if rule.roll == "hari_kerja_berikutnya":
        day = calendar.first_working_day(day)
    return calendar.finish(day, rule.end, started.time())


def start(
    rule: Rule, started_at: datetime, calendar: ServiceCalendar, closing_lead: timedelta = CLOSING_LEAD
) -> model.Deadline:
    """Return the deadline of `rule` from `started_at`; its warnings lie between the two, in order.

    `closing_lead` is how long before closing time the office is told of a deadline that lies in closed hours.
    """
    due_at = due(rule, started_at, calendar)
    warnings = [*_percent_warnings(rule, started_at, due_at, calendar)]
    if rule.warn_before_closed_time:
        warnings += _closing_warnings(started_at, due_at, calendar, closing_lead)
    return model.Deadline(
        clock=rule.id,
        started_at=started_at,
        due_at=due_at,
        warnings=tuple(sorted(warnings, key=lambda warning: warning.at)),
        impossible=calendar.next_open(started_at) >= due_at,
        rule=rule.to_json(),
        calendar=calendar.version,
    )


def recompute(
    deadline: model.Deadline, calendar: ServiceCalendar, closing_lead: timedelta = CLOSING_LEAD
) -> model.Deadline:
    """Return the deadline as its own rule gives it in a changed calendar."""
    return start(Rule.from_json(deadline.rule), deadline.started_at, calendar, closing_lead)


# --- The response limits --------------------------------------------------------------------------------------------


class Reading(StrEnum):
    """How an office reads '2 hari': as written, as working days, or off closed dates to the next working day."""

    CALENDAR = "kalender"
    WORKING = "hari_kerja"
    ROLLED = "kalender_gulir"


@functools.cache
def response_rules(reading: Reading) -> Mapping[model.Intake, Rule]:
    """Return the rule of the first substantive answer for either kind of intake.

    Only the reading as written runs to the minute. The others count dates and end at closing time, so that who came
    later is never answered earlier.
    """
    indirect = Rule("respon_tidak_langsung", 2, "hari", warn_before_closed_time=True)
    if reading == Reading.WORKING:
        indirect = replace(indirect, unit="hari_kerja", end="tutup_kantor")
    elif reading == Reading.ROLLED:
        indirect = replace(indirect, roll="hari_kerja_berikutnya", end="tutup_kantor")
    direct = Rule("respon_langsung", 1, "hari_kerja", end="tutup_kantor")
    return MappingProxyType({model.Intake.DIRECT: direct, model.Intake.INDIRECT: indirect})


# --- Inside ---------------------------------------------------------------------------------------------------------


def _percent_warnings(
    rule: Rule, started_at: datetime, due_at: datetime, calendar: ServiceCalendar
) -> Iterator[model.DueWarning]:
    """Yield a warning at each percentage of the limit: of elapsed time for calendar days, else of service time."""
    elapsed = due_at - started_at
    minutes = 0.0 if rule.unit == "hari" else calendar.service_minutes_between(started_at, due_at)
    for percent in rule.warn_at:
        if rule.unit == "hari":
            at = started_at + elapsed * percent / 100
        else:
            at = calendar.add_service_minutes(started_at, minutes * percent / 100)
        yield model.DueWarning(at, "75" if percent == 75 else "90")


def _closing_warnings(
    started_at: datetime, due_at: datetime, calendar: ServiceCalendar, lead: timedelta
) -> Iterator[model.DueWarning]:
    """Yield the warning before the last closing time, if the office does not serve between it and the due time."""
    opens_at, closes_at = calendar.last_span_before(due_at)
    if closes_at <= started_at or calendar.next_open(closes_at) < due_at:
        return
    at = max(opens_at, closes_at - lead)
    if at <= started_at:  # came in shortly before closing: half of what is left
        at = started_at + (closes_at - started_at) / 2
    yield model.DueWarning(at, "closing")


def _mistakes(rule: Rule) -> Iterator[str]:
    for name, allowed in (("unit", Unit), ("end", End), ("roll", Roll)):
        if getattr(rule, name) not in get_args(allowed):
            yield f"{name} {getattr(rule, name)!r} is not one of {', '.join(get_args(allowed))}"
    longest = LONGEST.get(rule.unit)
    if longest is not None and not 1 <= rule.value <= longest:
        yield f"value {rule.value} is not between 1 and {longest}"
    if not rule.id:
        yield "id is empty"
    if any(percent not in get_args(Percent) for percent in rule.warn_at):
        yield f"warn_at {list(rule.warn_at)} knows 75 and 90 only"
    if rule.unit == "menit" and rule.end != "persis":
        yield "a limit in minutes ends 'persis'"
    if rule.unit != "hari" and rule.roll != "tidak":
        yield "only a limit in calendar days can roll"
    if rule.unit == "hari" and rule.end == "tutup_kantor" and rule.roll == "tidak":
        yield "calendar days that end 'tutup_kantor' must roll: a closed date has no closing time"


@functools.lru_cache(maxsize=256)
def _to_json(rule: Rule) -> str:
    return json.dumps(asdict(rule), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@functools.lru_cache(maxsize=256)
def _from_json(text: str) -> Rule:
    content: dict[str, Any] = json.loads(text)
    return Rule(**content | {"warn_at": tuple(content["warn_at"])})
