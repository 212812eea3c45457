"""People, their sessions, and the office's holidays."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from core import errors, ids, model
from storage import tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx, changes

_t = tables.person
_s = tables.session
_d = tables.holiday
_c = tables.complaint
_BY_NAME = (
    sa.select(_t)
    .where(_t.c.office_id == sa.bindparam("office_id"), _t.c.username == sa.bindparam("username"))
    .with_for_update()
)
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_ALL = sa.select(_t).where(_t.c.office_id == sa.bindparam("office_id")).order_by(_t.c.name)
_SET_TRIALS = changes(_t, "id", "failures", "locked_until")
_SET_TOTP_USED = changes(_t, "id", "totp_used")
_SET_ABSENCE = changes(_t, "id", "absent_from", "absent_until")
_SET_SECRETS = changes(_t, "id", "password_hash", "totp_sealed", "failures", "locked_until")
_SET_ACTIVE = changes(_t, "id", "is_active")
_SESSION = (
    sa.select(_t, _s.c.seen_at, _s.c.expires_at)
    .select_from(_s.join(_t, _t.c.id == _s.c.person_id))
    .where(
        _s.c.token_hash == sa.bindparam("token_hash"), _s.c.expires_at > sa.bindparam("now", type_=_s.c.expires_at.type)
    )
)
_TOUCH = changes(_s, "token_hash", "seen_at", "expires_at")
_END = sa.delete(_s).where(_s.c.token_hash == sa.bindparam("token_hash"))
_END_ALL = sa.delete(_s).where(_s.c.person_id == sa.bindparam("person_id"))
_PURGE = sa.delete(_s).where(_s.c.expires_at < sa.bindparam("now", type_=_s.c.expires_at.type))
_HELD_BY_ABSENT = (
    sa.select(_c.c.id)
    .select_from(_t.join(_c, _c.c.assignee_id == _t.c.id))
    .where(
        _c.c.assignee_id.is_not(None),
        _c.c.state != sa.literal_column("'closed'"),
        sa.or_(
            _t.c.is_active.is_(False),
            sa.and_(
                _t.c.absent_from <= sa.bindparam("now", type_=_t.c.absent_from.type),
                sa.or_(
                    _t.c.absent_until.is_(None), _t.c.absent_until > sa.bindparam("now", type_=_t.c.absent_until.type)
                ),
            ),
        ),
    )
    .limit(sa.bindparam("count"))
)
_HOLIDAYS = sa.select(_d).where(_d.c.office_id == sa.bindparam("office_id")).order_by(_d.c.day)
_HOLIDAY = _HOLIDAYS.where(_d.c.day == sa.bindparam("day", type_=sa.Date))
_REMOVE_HOLIDAY = sa.delete(_d).where(
    _d.c.office_id == sa.bindparam("office_id"), _d.c.day == sa.bindparam("day", type_=sa.Date)
)
_ADD_HOLIDAY = {
    name: insert_or_ignore(_d, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _d.columns})
    for name in ("sqlite", "postgresql")
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signing in needs to know of a person."""

    person: model.Person
    password_hash: str
    totp_secret: str | None
    totp_used: int | None
    failures: int
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class HolidayEntry:
    day: date
    name: str
    kind: str
    is_closed: bool


def add(
    tx: Tx,
    office_id: str,
    username: str,
    name: str,
    role: model.Role,
    password_hash: str,
    totp_secret: str | None,
    now: datetime,
) -> model.Person:
    """Add a person; NotAllowed when the user name is taken."""
    if tx.one(_BY_NAME, office_id=office_id, username=username) is not None:
        raise errors.NotAllowed(f"the user name {username} is taken")
    person = model.Person(ids.PersonId(tx.new_id()), office_id, username, name, role)
    tx.insert(
        _t, id=person.id, office_id=office_id, username=username, name=name, role=role, is_active=True,
        password_hash=password_hash, totp_sealed=_seal(tx, person.id, totp_secret), totp_used=None, failures=0,
        locked_until=None, absent_from=None, absent_until=None, created_at=now,
    )  # fmt: skip
    return person


def credentials(tx: Tx, office_id: str, username: str) -> Credentials | None:
    """Return what proves a person, locked until the commit, or None for an unknown user name."""
    row = tx.one(_BY_NAME, office_id=office_id, username=username)
    if row is None:
        return None
    secret = None if row.totp_sealed is None else tx.vault.open(row.totp_sealed, f"person/{row.id}/totp").decode()
    return Credentials(_person(row), row.password_hash, secret, row.totp_used, row.failures, row.locked_until)


def set_trials(tx: Tx, person_id: ids.PersonId, failures: int, locked_until: datetime | None) -> None:
    tx.run(_SET_TRIALS, id_is=person_id, failures=failures, locked_until=locked_until)


def set_totp_used(tx: Tx, person_id: ids.PersonId, counter: int) -> None:
    """Remember the one-time code's time step, so that a code is good once."""
    tx.run(_SET_TOTP_USED, id_is=person_id, totp_used=counter)


def set_secrets(tx: Tx, person_id: ids.PersonId, password_hash: str, totp_secret: str | None) -> None:
    """Give a person a new password; unlocks, and ends every session of his."""
    tx.run(
        _SET_SECRETS,
        id_is=person_id,
        password_hash=password_hash,
        totp_sealed=_seal(tx, person_id, totp_secret),
        failures=0,
        locked_until=None,
    )
    tx.run(_END_ALL, person_id=person_id)


def set_active(tx: Tx, person_id: ids.PersonId, is_active: bool) -> None:
    tx.run(_SET_ACTIVE, id_is=person_id, is_active=is_active)
    if not is_active:
        tx.run(_END_ALL, person_id=person_id)


def set_absence(tx: Tx, person_id: ids.PersonId, absent_from: datetime | None, absent_until: datetime | None) -> None:
    tx.run(_SET_ABSENCE, id_is=person_id, absent_from=absent_from, absent_until=absent_until)


def get(tx: Tx, person_id: ids.PersonId) -> model.Person:
    row = tx.one(_BY_ID, id=person_id)
    if row is None:
        raise errors.NotFound("no such person")
    return _person(row)


def all_(tx: Tx, office_id: str) -> list[model.Person]:
    return [_person(row) for row in tx.all(_ALL, office_id=office_id)]


def held_by_absent(tx: Tx, now: datetime, count: int) -> list[ids.ComplaintId]:
    """Return open complaints assigned to somebody who is away or gone."""
    return [ids.ComplaintId(row.id) for row in tx.all(_HELD_BY_ABSENT, now=now, count=count)]


def open_session(tx: Tx, token: str, person_id: ids.PersonId, now: datetime, expires_at: datetime) -> None:
    tx.insert(_s, token_hash=_key(tx, token), person_id=person_id, created_at=now, seen_at=now, expires_at=expires_at)


def session(tx: Tx, token: str, now: datetime) -> tuple[model.Person, datetime] | None:
    """Return the person of a live session and when it was last seen."""
    row = tx.one(_SESSION, token_hash=_key(tx, token), now=now)
    return None if row is None or not row.is_active else (_person(row), row.seen_at)


def touch_session(tx: Tx, token: str, now: datetime, expires_at: datetime) -> None:
    tx.run(_TOUCH, token_hash_is=_key(tx, token), seen_at=now, expires_at=expires_at)


def end_session(tx: Tx, token: str) -> None:
    tx.run(_END, token_hash=_key(tx, token))


def purge_sessions(tx: Tx, now: datetime) -> int:
    return tx.run(_PURGE, now=now)


def holidays(tx: Tx, office_id: str) -> list[HolidayEntry]:
    return [HolidayEntry(row.day, row.name, row.kind, row.is_closed) for row in tx.all(_HOLIDAYS, office_id=office_id)]


def seed_holidays(tx: Tx, office_id: str, entries: Iterable[HolidayEntry]) -> int:
    """Add holidays for days that have none; return how many were added."""
    return sum(
        max(
            0,
            tx.run(
                _ADD_HOLIDAY[tx.dialect_name],
                office_id=office_id,
                day=e.day,
                name=e.name,
                kind=e.kind,
                is_closed=e.is_closed,
            ),
        )
        for e in entries
    )


def put_holiday(tx: Tx, office_id: str, entry: HolidayEntry) -> HolidayEntry | None:
    """Set the holiday of a day; return what stood there before."""
    before = remove_holiday(tx, office_id, entry.day)
    tx.insert(_d, office_id=office_id, day=entry.day, name=entry.name, kind=entry.kind, is_closed=entry.is_closed)
    return before


def remove_holiday(tx: Tx, office_id: str, day: date) -> HolidayEntry | None:
    """Remove the holiday of a day; return it, or None where there was none."""
    row = tx.one(_HOLIDAY, office_id=office_id, day=day)
    tx.run(_REMOVE_HOLIDAY, office_id=office_id, day=day)
    return None if row is None else HolidayEntry(row.day, row.name, row.kind, row.is_closed)


def _key(tx: Tx, token: str) -> bytes:
    """Return under what a session is stored: who only writes the database cannot make one."""
    return tx.vault.find_key("session", token)


def _seal(tx: Tx, person_id: ids.PersonId, secret: str | None) -> bytes | None:
    return None if secret is None else tx.vault.seal(secret.encode(), f"person/{person_id}/totp")


def _person(row: Any) -> model.Person:
    return model.Person(
        ids.PersonId(row.id),
        row.office_id,
        row.username,
        row.name,
        row.role,
        row.is_active,
        row.absent_from,
        row.absent_until,
    )
