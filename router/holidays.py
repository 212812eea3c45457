"""The office's holidays: seeded, edited by a supervisor; open deadlines are reckoned anew and say so in their audit."""

from datetime import date, timedelta

from core import errors, model
from core import text as plain
from router.desk import SYSTEM, Desk, actor, require
from router.offices import read_holidays
from sla import calendar, clocks
from storage import alarms, audit, complaints, deadlines, people
from storage.transaction import Tx

_BATCH = 200
_SEEDED = (calendar.HolidayKind.NATIONAL, calendar.HolidayKind.JOINT_LEAVE)
HolidayEntry = people.HolidayEntry


async def load(desk: Desk) -> None:
    """Reckon by the holidays as they are stored now."""
    office_ids = [office.id for office in desk.offices]
    desk.offices.load(await desk.store.read(lambda tx: read_holidays(tx, office_ids)))


async def seed(desk: Desk) -> int:
    """Add what is known of this year and the next; what people changed stays. Returns how many were added.

    National holidays and joint leave (cuti bersama) of a year are added once, each as soon as it is known. Also
    reckons anew what a change reached too late: a deadline begun elsewhere meanwhile, changed service hours. Raises
    the alarm for a coming year whose joint leave is not known yet, from December on.
    """
    now = desk.clock.now()
    years = (now.year, now.year + 1)
    wanted = {(year, kind) for year in years for kind in _SEEDED}
    if any(wanted - kinds for kinds in (await desk.store.read(_kinds, desk)).values()):
        entries = [people.HolidayEntry(h.date, h.name, h.kind, h.is_closed) for h in calendar.seed_holidays(years)]
        added = await desk.store.write(_seed, desk, entries)
    else:
        added = 0  # reading the library costs 19 MB that would stay
    await desk.store.write(_warn, desk, years[1])
    await load(desk)
    for office in desk.offices:
        await reckon(desk, office.id)
    return added


def _kinds(tx: Tx, desk: Desk) -> dict[str, set[tuple[int, str]]]:
    """Return of which years each office has which kinds of holidays."""
    return {office.id: {(e.day.year, e.kind) for e in people.holidays(tx, office.id)} for office in desk.offices}


def _seed(tx: Tx, desk: Desk, entries: list[people.HolidayEntry]) -> int:
    known = _kinds(tx, desk)
    return sum(
        people.seed_holidays(tx, office.id, [e for e in entries if (e.day.year, e.kind) not in known[office.id]])
        for office in desk.offices
    )


def _warn(tx: Tx, desk: Desk, year: int) -> None:
    now = desk.clock.now()
    for office_id, kinds in _kinds(tx, desk).items():
        if (year, calendar.HolidayKind.JOINT_LEAVE) in kinds:
            alarms.clear(tx, office_id, f"calendar:{year}", now, SYSTEM)
        elif now.month == 12:
            alarms.raise_(tx, office_id, model.AlarmKind.CALENDAR_ENDS, f"calendar:{year}", now, note=str(year))


async def listed(desk: Desk, person: model.Person) -> list[people.HolidayEntry]:
    return await desk.store.read(lambda tx: people.holidays(tx, person.office_id))


async def put(desk: Desk, person: model.Person, day: date, name: str, kind: str, *, is_closed: bool) -> int:
    """Set the holiday of a day; return how many open deadlines moved."""
    require(person, model.Role.SUPERVISOR)
    name = plain.one_line(name, 100)
    if not name:
        raise errors.NotAllowed("Sebutkan nama hari libur.")
    entry = people.HolidayEntry(day, name, calendar.HolidayKind(kind), is_closed)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        before = people.put_holiday(tx, person.office_id, entry)
        audit.append_office(
            tx,
            person.office_id,
            now,
            actor(person),
            "holiday_set",
            day=day,
            name=name,
            kind=kind,
            is_closed=is_closed,
            before=before,
        )
        tx.publish(model.Event(person.office_id, "calendar", str(day)))

    await desk.store.write(act)
    await load(desk)
    return await reckon(desk, person.office_id)


async def remove(desk: Desk, person: model.Person, day: date) -> int:
    """Remove the holiday of a day; return how many open deadlines moved."""
    require(person, model.Role.SUPERVISOR)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        before = people.remove_holiday(tx, person.office_id, day)
        if before is None:
            raise errors.NotFound("no such holiday")
        audit.append_office(tx, person.office_id, now, actor(person), "holiday_removed", day=day, before=before)
        tx.publish(model.Event(person.office_id, "calendar", str(day)))

    await desk.store.write(act)
    await load(desk)
    return await reckon(desk, person.office_id)


async def reckon(desk: Desk, office_id: str) -> int:
    """Give every pending deadline the times that the present calendar makes of its rule; return how many moved."""
    serving = desk.offices.calendar(office_id)
    moved, after = 0, 0
    while True:
        done, last = await desk.store.write(_reckon, desk, office_id, serving, after)
        moved += done
        if last is None:
            return moved
        after = last


def _reckon(
    tx: Tx, desk: Desk, office_id: str, serving: calendar.ServiceCalendar, after: int
) -> tuple[int, int | None]:
    now = desk.clock.now()
    deadlines.keep_calendar(tx, serving.version, serving.to_json())
    found = deadlines.pending_under_other_calendar(tx, office_id, serving.version, after, _BATCH)
    moved = 0
    for seen in found:
        locked = complaints.lock(tx, seen.complaint_id)
        clock = deadlines.get(tx, seen.id)
        if clock is None or clock.state is not model.DeadlineState.PENDING:
            continue
        deadline = clocks.recompute(clock.deadline, serving)
        deadlines.reckoned(tx, clock, deadline, now - timedelta(seconds=1))
        if deadline.due_at != clock.deadline.due_at:
            moved += 1
            facts = {
                "clock": deadline.clock,
                "before": clock.deadline.due_at.isoformat(),
                "after": deadline.due_at.isoformat(),
            }
            columns = {"due_at": deadline.due_at} if locked.complaint.due_at == clock.deadline.due_at else {}
            complaints.change(tx, locked, now, SYSTEM, "deadline_moved", facts, **columns)
    return moved, found[-1].id if len(found) == _BATCH else None
