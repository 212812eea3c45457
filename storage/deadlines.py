"""Deadlines: clocks as rows, looked at when their `next_at` has come; and the calendars they were reckoned by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import ids, model
from storage import tables
from storage.dialect import insert_or_ignore
from storage.statements import among
from storage.transaction import Tx, changes

_t = tables.deadline
_at = _t.c.next_at.type
_DUE = (
    sa.select(_t)
    .where(among(_t.c.state, "pending"), _t.c.next_at <= sa.bindparam("now", type_=_at))
    .order_by(_t.c.next_at, _t.c.id)
    .limit(sa.bindparam("count"))
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_OF_COMPLAINT = sa.select(_t).where(_t.c.complaint_id == sa.bindparam("complaint_id")).order_by(_t.c.id)
_OPEN_OF_COMPLAINT = _OF_COMPLAINT.where(
    _t.c.state.in_([sa.literal_column("'pending'"), sa.literal_column("'breached'")])
)
_PENDING = (
    sa.select(_t)
    .where(
        _t.c.office_id == sa.bindparam("office_id"),
        among(_t.c.state, "pending"),
        _t.c.id > sa.bindparam("after"),
        _t.c.calendar != sa.bindparam("version", type_=sa.Text),
    )
    .order_by(_t.c.id)
    .limit(sa.bindparam("count"))
)
_SET = changes(_t, "id", "state", "next_at", "met_at", "breached_at")
_RECKON = changes(_t, "id", "started_at", "due_at", "next_at", "warnings", "impossible", "calendar")
_CALENDAR = sa.select(tables.calendar.c.body).where(tables.calendar.c.version == sa.bindparam("version"))
_KEEP_CALENDAR = {
    name: insert_or_ignore(tables.calendar, name).values(
        {c.name: sa.bindparam(c.name, type_=c.type) for c in tables.calendar.columns}
    )
    for name in ("sqlite", "postgresql")
}


@dataclass(frozen=True, slots=True)
class Clock:
    """A deadline of a complaint as stored."""

    id: int
    office_id: str
    complaint_id: ids.ComplaintId
    state: model.DeadlineState
    deadline: model.Deadline
    met_at: datetime | None
    breached_at: datetime | None


def add(tx: Tx, office_id: str, complaint_id: ids.ComplaintId, deadline: model.Deadline) -> None:
    tx.add(
        _t, id=tx.new_id(), office_id=office_id, complaint_id=complaint_id, clock=deadline.clock,
        state=model.DeadlineState.PENDING, started_at=deadline.started_at, due_at=deadline.due_at,
        next_at=_next(deadline, None), warnings=_warnings(deadline), impossible=deadline.impossible, rule=deadline.rule,
        calendar=deadline.calendar, met_at=None, breached_at=None,
    )  # fmt: skip


def get(tx: Tx, clock_id: int) -> Clock | None:
    row = tx.one(_BY_ID, id=clock_id)
    return None if row is None else _clock(row)


def due(tx: Tx, now: datetime, count: int) -> list[Clock]:
    """Return clocks that want attention: a warning or the due time has come. Lock the complaint, then look again."""
    return [_clock(row) for row in tx.all(_DUE, now=now, count=count)]


def of_complaint(tx: Tx, complaint_id: ids.ComplaintId) -> list[Clock]:
    return [_clock(row) for row in tx.all(_OF_COMPLAINT, complaint_id=complaint_id)]


def unmet_of(tx: Tx, complaint_id: ids.ComplaintId) -> list[Clock]:
    """Return the clocks still waiting for an answer, in time or late."""
    return [
        c for c in (_clock(row) for row in tx.all(_OPEN_OF_COMPLAINT, complaint_id=complaint_id)) if c.met_at is None
    ]


def pending_under_other_calendar(tx: Tx, office_id: str, version: str, after: int, count: int) -> list[Clock]:
    """Return pending clocks not yet reckoned by calendar `version`, by id. Lock the complaint, then look again."""
    return [_clock(row) for row in tx.all(_PENDING, office_id=office_id, version=version, after=after, count=count)]


def warned(tx: Tx, clock: Clock, now: datetime) -> None:
    """Move a pending clock on to its next warning, or to its due time."""
    tx.run(_SET, id_is=clock.id, state=clock.state, next_at=_next(clock.deadline, now), met_at=None, breached_at=None)


def met(tx: Tx, clock: Clock, at: datetime) -> None:
    """The promise is kept, or a broken one at last answered: a breach stays a breach, noticed before or not."""
    is_broken = clock.state is model.DeadlineState.BREACHED or at > clock.deadline.due_at
    state = model.DeadlineState.BREACHED if is_broken else model.DeadlineState.MET
    breached_at = clock.breached_at or (at if is_broken else None)
    tx.run(_SET, id_is=clock.id, state=state, next_at=None, met_at=at, breached_at=breached_at)


def resumed(tx: Tx, clock: Clock, now: datetime) -> None:
    """Take back that a clock was met: it runs on, or is breached as before.

    One that was found broken only by the answer that met it has alarmed nobody yet: it runs on, and the next look at
    the clocks sees to it.
    """
    is_breached = clock.breached_at is not None and clock.breached_at != clock.met_at
    tx.run(
        _SET,
        id_is=clock.id,
        state=model.DeadlineState.BREACHED if is_breached else model.DeadlineState.PENDING,
        next_at=None if is_breached else _next(clock.deadline, now),
        met_at=None,
        breached_at=clock.breached_at if is_breached else None,
    )


def breached(tx: Tx, clock: Clock, at: datetime) -> None:
    tx.run(_SET, id_is=clock.id, state=model.DeadlineState.BREACHED, next_at=None, met_at=None, breached_at=at)


def cancelled(tx: Tx, clock: Clock) -> None:
    """Nothing is promised any more: a breach stays a breach."""
    is_breached = clock.state is model.DeadlineState.BREACHED
    tx.run(
        _SET,
        id_is=clock.id,
        state=clock.state if is_breached else model.DeadlineState.CANCELLED,
        next_at=None,
        met_at=clock.met_at,
        breached_at=clock.breached_at,
    )


def reckoned(tx: Tx, clock: Clock, deadline: model.Deadline, now: datetime) -> None:
    """Give a pending clock the times that another calendar, or an earlier start, makes of its rule."""
    tx.run(
        _RECKON,
        id_is=clock.id,
        started_at=deadline.started_at,
        due_at=deadline.due_at,
        next_at=_next(deadline, now),
        warnings=_warnings(deadline),
        impossible=deadline.impossible,
        calendar=deadline.calendar,
    )


def keep_calendar(tx: Tx, version: str, body: str) -> None:
    """Keep the text of a calendar, so that a deadline's reckoning can be read years later."""
    tx.run(_KEEP_CALENDAR[tx.dialect_name], version=version, body=body)


def calendar_of(tx: Tx, version: str) -> str | None:
    body = tx.scalar(_CALENDAR, version=version)
    return None if body is None else str(body)


def _next(deadline: model.Deadline, after: datetime | None) -> datetime:
    return min((w.at for w in deadline.warnings if after is None or w.at > after), default=deadline.due_at)


def _warnings(deadline: model.Deadline) -> list[list[Any]]:
    return [[w.at.isoformat(), w.reason] for w in deadline.warnings]


def _clock(row: Any) -> Clock:
    warnings = tuple(model.DueWarning(datetime.fromisoformat(at), reason) for at, reason in row.warnings)
    deadline = model.Deadline(row.clock, row.started_at, row.due_at, warnings, row.impossible, row.rule, row.calendar)
    return Clock(
        row.id, row.office_id, ids.ComplaintId(row.complaint_id), row.state, deadline, row.met_at, row.breached_at
    )
