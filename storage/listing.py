"""What the inbox lists: queues by duty, ordered by deadline, paged by key; counts; the tracking page's look-up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model
from storage import complaints, tables
from storage.statements import among
from storage.transaction import Tx, changes

_c = tables.complaint
_at = _c.c.due_at.type


class View(StrEnum):
    """The queues of the inbox."""

    NEW = "baru"
    TODAY = "hari-ini"
    LATE = "lewat"
    MINE = "saya"
    ESCALATED = "eskalasi"
    WAITING = "warga"
    CLOSED = "selesai"
    ALL = "semua"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list."""

    complaint: model.Complaint
    contact_name: str | None
    assignee: str | None
    has_failed_delivery: bool


_work = among(_c.c.state, "new", "in_progress")
_a = tables.alarm
_FAILURES = ("acknowledgement_failed", "answer_failed", "notice_failed", "uncertain")
_failed = (
    sa.exists()
    .where(_a.c.complaint_id == _c.c.id, _a.c.cleared_at.is_(None), among(_a.c.kind, *_FAILURES))
    .label("has_failed")
)


def _where(view: View) -> list[Any]:  # noqa: PLR0911
    office = _c.c.office_id == sa.bindparam("office_id")
    match view:
        case View.NEW:
            return [office, among(_c.c.state, "new"), among(_c.c.queue, "admin")]
        case View.TODAY:
            return [
                office,
                _work,
                _c.c.due_at < sa.bindparam("until", type_=_at),
                _c.c.due_at >= sa.bindparam("now", type_=_at),
            ]
        case View.LATE:
            return [office, _work, _c.c.due_at < sa.bindparam("now", type_=_at)]
        case View.MINE:
            return [
                _c.c.assignee_id == sa.bindparam("person_id"),
                _c.c.assignee_id.is_not(None),
                _c.c.state != sa.literal_column("'closed'"),
            ]
        case View.ESCALATED:
            return [office, _work, among(_c.c.queue, "supervisor")]
        case View.WAITING:
            return [office, among(_c.c.state, "waiting_citizen")]
        case View.CLOSED:
            return [office, among(_c.c.state, "closed")]
        case View.ALL:
            return [office, _work]


_NEVER = datetime(2999, 1, 1, tzinfo=UTC)


@lru_cache
def _page(view: View, is_next: bool) -> Any:
    """Build the statement of one view's page; lists of what is done run newest first, of work by deadline."""
    is_done = view in (View.CLOSED, View.WAITING)
    column = {
        View.CLOSED: _c.c.closed_at,
        View.WAITING: _c.c.last_message_at,
        View.MINE: sa.func.coalesce(_c.c.due_at, sa.literal(_NEVER, _at)),  # what is answered has no due time
    }.get(view, _c.c.due_at)
    statement = (
        sa.select(_c, tables.contact.c.name.label("contact_name"), tables.person.c.name.label("assignee"), _failed)
        .select_from(
            _c.join(tables.contact, tables.contact.c.id == _c.c.contact_id).outerjoin(
                tables.person, tables.person.c.id == _c.c.assignee_id
            )
        )
        .where(*_where(view))
        .limit(sa.bindparam("count"))
    )
    if is_next:
        key = sa.tuple_(column, _c.c.id)
        last = sa.tuple_(sa.bindparam("after_at", type_=_at), sa.bindparam("after_id", type_=sa.BigInteger))
        statement = statement.where(key < last if is_done else key > last)
    return statement.order_by(column.desc(), _c.c.id.desc()) if is_done else statement.order_by(column, _c.c.id)


@lru_cache
def _counter(view: View) -> Any:
    # Counting stops where a number no longer helps; a queue of a million must not cost a million.
    inner = sa.select(_c.c.id).where(*_where(view)).limit(COUNT_LIMIT).subquery()
    return sa.select(sa.func.count()).select_from(inner)


COUNT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Item]
    next_key: tuple[datetime, int] | None


def page(
    tx: Tx, office_id: str, view: View, now: datetime, until: datetime, person_id: ids.PersonId,
    after: tuple[datetime, int] | None = None, count: int = 50,
) -> Page:  # fmt: skip
    """Return a page of a view; `until` is the end of the office's day, `after` the `next_key` of the page before."""
    values = _values(view, office_id, now, until, person_id) | {"count": count + 1}
    if after is not None:
        values |= {"after_at": after[0], "after_id": after[1]}
    rows = tx.all(_page(view, after is not None), **values)
    items = [
        Item(complaints.from_row(row), row.contact_name, row.assignee, bool(row.has_failed)) for row in rows[:count]
    ]
    if len(rows) <= count:
        return Page(items, None)
    last = rows[count - 1]
    key = {View.CLOSED: last.closed_at, View.WAITING: last.last_message_at}.get(view, last.due_at)
    return Page(items, (key or _NEVER, last.id))


def counts(tx: Tx, office_id: str, now: datetime, until: datetime, person_id: ids.PersonId) -> dict[View, int]:
    """Return how many stand in each queue of work, at most COUNT_LIMIT each."""
    return {
        view: int(tx.scalar(_counter(view), **_values(view, office_id, now, until, person_id)))
        for view in View
        if view not in (View.CLOSED, View.ALL)
    }


def _values(view: View, office_id: str, now: datetime, until: datetime, person_id: ids.PersonId) -> dict[str, Any]:
    given = {"office_id": office_id, "now": now, "until": until, "person_id": person_id}
    needed = {
        View.TODAY: ("office_id", "now", "until"), View.LATE: ("office_id", "now"), View.MINE: ("person_id",),
    }.get(view, ("office_id",))  # fmt: skip
    return {name: given[name] for name in needed}


# --- Tracking -----------------------------------------------------------------------------------------------------

_TRACKED = sa.select(_c).where(
    _c.c.office_id == sa.bindparam("office_id"),
    _c.c.year == sa.bindparam("year"),
    _c.c.sequence == sa.bindparam("sequence"),
    _c.c.prefix == sa.bindparam("prefix"),
)  # fmt: skip
_TRIALS = (
    sa.select(tables.pin_trial).where(tables.pin_trial.c.complaint_id == sa.bindparam("complaint_id")).with_for_update()
)
_SET_TRIALS = changes(tables.pin_trial, "complaint_id", "failures", "locked_until")
_TRIES, _LOCK, _LONGEST_LOCK = 5, timedelta(minutes=15), timedelta(hours=24)


def track(tx: Tx, office_id: str, number: ids.Number, pin: str, now: datetime) -> model.Complaint | None:
    """Return the complaint of a number and its PIN, None when they do not fit; NotAllowed while guessing is locked.

    Five wrong PINs lock the complaint's tracking for 15 minutes, longer each time: 6 digits outlast any patience.
    """
    row = tx.one(_TRACKED, office_id=office_id, year=number.year, sequence=number.sequence, prefix=number.prefix)
    if row is None:
        return None
    trial = tx.one(_TRIALS, complaint_id=row.id)
    if trial is not None and trial.locked_until is not None and trial.locked_until > now:
        raise errors.NotAllowed("tracking is locked for a while")
    if tx.vault.same(complaints.pin(tx, complaints.from_row(row)), pin):
        if trial is not None and trial.failures:
            tx.run(_SET_TRIALS, complaint_id_is=row.id, failures=0, locked_until=None)
        return complaints.from_row(row)
    failures = 1 + (trial.failures if trial else 0)
    locked_until = now + min(_LOCK * (failures // _TRIES), _LONGEST_LOCK) if failures % _TRIES == 0 else None
    if trial is None:
        tx.insert(tables.pin_trial, complaint_id=row.id, failures=failures, locked_until=locked_until)
    else:
        tx.run(_SET_TRIALS, complaint_id_is=row.id, failures=failures, locked_until=locked_until)
    return None
