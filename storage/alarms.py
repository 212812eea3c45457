"""Alarms, one open per key; and how each account fares."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from core import errors, ids, model
from storage import tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx

_t = tables.alarm
_h = tables.health
_c = tables.complaint
_open = sa.text("cleared_at IS NULL")


def _upsert(table: sa.Table, make: Any, where: Any, keys: list[Any], columns: dict[str, Any]) -> Any:
    statement = make(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.columns})
    return statement.on_conflict_do_update(index_elements=keys, index_where=where, set_=columns)


_RAISE = {
    name: _upsert(
        _t, make, _open, [_t.c.office_id, _t.c.key],
        {
            "count": _t.c.count + 1,
            "last_at": sa.bindparam("last_at", type_=_t.c.last_at.type),
            "note": sa.bindparam("note", type_=sa.Text),
        },
    ).returning(_t.c.count)
    for name, make in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}  # fmt: skip
_CLEAR = (
    sa.update(_t)
    .where(_t.c.office_id == sa.bindparam("office_is"), _t.c.key == sa.bindparam("key_is"), _t.c.cleared_at.is_(None))
    .values(cleared_at=sa.bindparam("at", type_=_t.c.cleared_at.type), cleared_by=sa.bindparam("by", type_=sa.Text))
)
_CLEAR_COMPLAINT = (
    sa.update(_t)
    .where(
        _t.c.complaint_id == sa.bindparam("complaint_is"),
        _t.c.kind == sa.bindparam("kind_is", type_=_t.c.kind.type),
        _t.c.cleared_at.is_(None),
    )
    .values(cleared_at=sa.bindparam("at", type_=_t.c.cleared_at.type), cleared_by=sa.bindparam("by", type_=sa.Text))
)
_OPEN = (
    sa.select(_t)
    .where(_t.c.office_id == sa.bindparam("office_id"), _t.c.cleared_at.is_(None))
    .order_by(_t.c.raised_at.desc())
    .limit(sa.bindparam("count"))
)
_COUNT = sa.select(sa.func.count()).where(_t.c.office_id == sa.bindparam("office_id"), _t.c.cleared_at.is_(None))
_NUMBERS = (
    sa.select(_c.c.id, _c.c.prefix, _c.c.year, _c.c.sequence)
    .select_from(_t.join(_c, _c.c.id == _t.c.complaint_id))
    .where(_t.c.office_id == sa.bindparam("office_id"), _t.c.cleared_at.is_(None))
    .order_by(_t.c.raised_at.desc())
    .limit(sa.bindparam("count"))
)
_OF_COMPLAINT = sa.select(_t).where(_t.c.complaint_id == sa.bindparam("complaint_id"), _t.c.cleared_at.is_(None))
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"), _t.c.cleared_at.is_(None))
_HEALTH = sa.select(_h).where(_h.c.office_id == sa.bindparam("office_id"))
_HEALTH_OF = sa.select(_h).where(_h.c.account == sa.bindparam("account"))
_KEEP_HEALTH = {
    name: insert_or_ignore(_h, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _h.columns})
    for name in ("sqlite", "postgresql")
}
_CLAIM_EXAMINATION = (
    sa.update(_h)
    .where(
        _h.c.account == sa.bindparam("account_is"),
        sa.or_(_h.c.examined_at.is_(None), _h.c.examined_at <= sa.bindparam("before", type_=_h.c.examined_at.type)),
    )
    .values(examined_at=sa.bindparam("now", type_=_h.c.examined_at.type))
)
_SET_HEALTH: dict[frozenset[str], sa.Update] = {}


def raise_(
    tx: Tx, office_id: str, kind: model.AlarmKind, key: str, now: datetime, *,
    complaint_id: ids.ComplaintId | None = None,
    account: str | None = None, note: str | None = None,
) -> bool:  # fmt: skip
    """Raise an alarm, or count it once more where one with this key is open; return whether it is new."""
    count = tx.scalar(
        _RAISE[tx.dialect_name],
        id=tx.new_id(),
        office_id=office_id,
        kind=kind,
        key=key,
        complaint_id=complaint_id,
        account=account,
        note=note,
        count=1,
        raised_at=now,
        last_at=now,
        cleared_at=None,
        cleared_by=None,
    )
    tx.publish(model.Event(office_id, "alarm", key))
    return bool(count == 1)


def clear(tx: Tx, office_id: str, key: str, now: datetime, by: str) -> bool:
    """Clear the open alarm of this key; return whether there was one."""
    done = tx.run(_CLEAR, office_is=office_id, key_is=key, at=now, by=by) > 0
    if done:
        tx.publish(model.Event(office_id, "alarm", key))
    return done


def clear_for_complaint(
    tx: Tx, office_id: str, complaint_id: ids.ComplaintId, kind: model.AlarmKind, now: datetime, by: str
) -> None:
    if tx.run(_CLEAR_COMPLAINT, complaint_is=complaint_id, kind_is=kind, at=now, by=by):
        tx.publish(model.Event(office_id, "alarm", str(complaint_id)))


def open_(tx: Tx, office_id: str, count: int = 100) -> list[model.Alarm]:
    """Return open alarms, newest first."""
    return [_alarm(row) for row in tx.all(_OPEN, office_id=office_id, count=count)]


def numbers(tx: Tx, office_id: str, count: int = 100) -> dict[ids.ComplaintId, ids.Number]:
    """Return the public numbers of the complaints that the newest open alarms speak of."""
    rows = tx.all(_NUMBERS, office_id=office_id, count=count)
    return {ids.ComplaintId(row.id): ids.Number(row.prefix, row.year, row.sequence) for row in rows}


def count_open(tx: Tx, office_id: str) -> int:
    return int(tx.scalar(_COUNT, office_id=office_id))


def get(tx: Tx, alarm_id: int) -> model.Alarm:
    """Return an open alarm; NotFound."""
    row = tx.one(_BY_ID, id=alarm_id)
    if row is None:
        raise errors.NotFound("no such open alarm")
    return _alarm(row)


def of_complaint(tx: Tx, complaint_id: ids.ComplaintId) -> list[model.Alarm]:
    return [_alarm(row) for row in tx.all(_OF_COMPLAINT, complaint_id=complaint_id)]


def health(tx: Tx, office_id: str) -> dict[str, model.Health]:
    """Return the health of every account of an office that has any, by account."""
    return {row.account: _health(row) for row in tx.all(_HEALTH, office_id=office_id)}


def health_of(tx: Tx, account: str) -> model.Health:
    row = tx.one(_HEALTH_OF, account=account)
    return model.Health(account) if row is None else _health(row)


def set_health(tx: Tx, /, office_id: str, account: str, **columns: Any) -> None:
    """Set facts of an account's health."""
    names = frozenset(columns)
    statement = _SET_HEALTH.get(names)
    if statement is None:
        statement = _SET_HEALTH[names] = (
            sa.update(_h)
            .where(_h.c.account == sa.bindparam("account_is"))
            .values({name: sa.bindparam(name, type_=_h.c[name].type) for name in sorted(names)})
        )
    if tx.run(statement, account_is=account, **columns) == 0:
        empty = dict.fromkeys(c.name for c in _h.columns)
        tx.insert(_h, **{**empty, "account": account, "office_id": office_id, **columns})
    tx.publish(model.Event(office_id, "health", account))


def claim_examination(tx: Tx, office_id: str, account: str, now: datetime, before: datetime) -> bool:
    """Write down that an account is examined now, unless that was done since `before`; return whether it is ours."""
    empty = dict.fromkeys(c.name for c in _h.columns)
    tx.run(_KEEP_HEALTH[tx.dialect_name], **{**empty, "account": account, "office_id": office_id})
    return tx.run(_CLAIM_EXAMINATION, account_is=account, now=now, before=before) > 0


def _alarm(row: Any) -> model.Alarm:
    complaint_id = None if row.complaint_id is None else ids.ComplaintId(row.complaint_id)
    return model.Alarm(
        row.id, row.office_id, row.kind, row.key, row.raised_at, row.count, complaint_id, row.account, row.note
    )


def _health(row: Any) -> model.Health:
    return model.Health(
        row.account,
        row.last_outbound_at,
        row.suspended_at,
        row.retry_at,
        row.error,
        row.caught_up_to,
        row.compared_at,
        row.listed,
        row.missing,
        row.examined_at,
    )
