"""Raw items: what arrived, as it arrived, sealed; the quarantine is those that could not be trusted or read."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import errors, model, ports
from storage import audit, tables
from storage.columns import canonical
from storage.statements import among
from storage.transaction import Tx, changes

_t = tables.raw_item
_BY_ID = sa.select(_t).where(_t.c.id == sa.bindparam("id"))
_QUARANTINED = (
    sa.select(
        _t.c.id, _t.c.office_id, _t.c.account, _t.c.origin, _t.c.state, _t.c.reason, _t.c.received_at, _t.c.sealed
    )
    .where(_t.c.office_id == sa.bindparam("office_id"), among(_t.c.state, "quarantined"))
    .order_by(_t.c.id.desc())
    .limit(sa.bindparam("count"))
)
_COUNT_OF_ACCOUNT = sa.select(sa.func.count()).where(
    _t.c.office_id == sa.bindparam("office_id"),
    _t.c.account == sa.bindparam("account"),
    among(_t.c.state, "quarantined"),
)
_COUNT = sa.select(sa.func.count()).where(_t.c.office_id == sa.bindparam("office_id"), among(_t.c.state, "quarantined"))
_SET_STATE = changes(_t, "id", "state", "reason")
_PURGE = sa.delete(_t).where(_t.c.id < sa.bindparam("before"), _t.c.state != sa.literal_column("'quarantined'"))
_LAPSED = (
    sa.select(_t.c.id, _t.c.office_id, _t.c.account, _t.c.reason)
    .where(among(_t.c.state, "quarantined"), _t.c.id < sa.bindparam("before"))
    .order_by(_t.c.id)
    .limit(sa.bindparam("count"))
)
_REMOVE = sa.delete(_t).where(_t.c.id == sa.bindparam("id_is"))
_LEAVE_OUT = frozenset({"cookie", "authorization", "x-forwarded-for", "x-real-ip", "forwarded"})


@dataclass(frozen=True, slots=True)
class RawItem:
    id: int
    office_id: str
    origin: str
    state: str
    reason: str | None
    request: ports.RawRequest


def add(tx: Tx, office_id: str, origin: str, request: ports.RawRequest, reason: str | None = None) -> int:
    """Keep a request; with a `reason` it goes to quarantine and raises an alarm. Returns its id."""
    raw_id = tx.new_id()
    state = "processed" if reason is None else "quarantined"
    tx.add(
        _t,
        id=raw_id,
        office_id=office_id,
        account=request.account,
        origin=origin,
        state=state,
        reason=reason,
        received_at=request.received_at,
        sealed=tx.vault.seal(_pack(request), f"raw/{raw_id}"),
    )
    return raw_id


def get(tx: Tx, raw_id: int) -> RawItem:
    row = tx.one(_BY_ID, id=raw_id)
    if row is None:
        raise errors.NotFound("no such raw item")
    return _item(tx, row)


def quarantined(tx: Tx, office_id: str, count: int = 200) -> list[RawItem]:
    """Return what waits in quarantine, newest first."""
    return [_item(tx, row) for row in tx.all(_QUARANTINED, office_id=office_id, count=count)]


def count_quarantined(tx: Tx, office_id: str, account: str | None = None) -> int:
    """Return how many wait in an office's quarantine, of one account or of all."""
    if account is None:
        return int(tx.scalar(_COUNT, office_id=office_id))
    return int(tx.scalar(_COUNT_OF_ACCOUNT, office_id=office_id, account=account))


def settle(tx: Tx, item: RawItem, state: str, reason: str | None, actor: str, at: datetime) -> None:
    """Take an item out of quarantine (`processed` or `dismissed`), or back into it, with its reason, audited."""
    tx.run(_SET_STATE, id_is=item.id, state=state, reason=reason)
    audit.append_office(
        tx, item.office_id, at, actor, f"raw_{state}", raw=item.id, account=item.request.account, reason=reason
    )
    tx.publish(model.Event(item.office_id, "alarm", "quarantine"))


def purge(tx: Tx, before_id: int) -> int:
    """Remove what is older and not in quarantine; return how many."""
    return tx.run(_PURGE, before=before_id)


def purge_quarantined(tx: Tx, before_id: int, actor: str, at: datetime, count: int = 500) -> set[tuple[str, str]]:
    """Remove the oldest items of the quarantine, each with a line in the log; return the offices and accounts."""
    lapsed = tx.all(_LAPSED, before=before_id, count=count)
    for row in lapsed:
        tx.run(_REMOVE, id_is=row.id)
        audit.append_office(
            tx, row.office_id, at, actor, "raw_lapsed", raw=row.id, account=row.account, reason=row.reason
        )  # fmt: skip
    for office_id in {row.office_id for row in lapsed}:
        tx.publish(model.Event(office_id, "alarm", "quarantine"))
    return {(row.office_id, row.account) for row in lapsed}


def _pack(request: ports.RawRequest) -> bytes:
    headers = {name: value for name, value in request.headers.items() if name not in _LEAVE_OUT}
    head = canonical({"target": request.target, "headers": headers}).encode("utf-8", "surrogateescape")
    return len(head).to_bytes(4, "big") + head + request.body


def _item(tx: Tx, row: Any) -> RawItem:
    plain = tx.vault.open(row.sealed, f"raw/{row.id}")
    length = int.from_bytes(plain[:4], "big")
    head = json.loads(plain[4 : 4 + length].decode("utf-8", "surrogateescape"))
    request = ports.RawRequest(row.account, head["target"], head["headers"], plain[4 + length :], row.received_at)
    return RawItem(row.id, row.office_id, row.origin, row.state, row.reason, request)
