"""Incidents: the same text from many in one public conversation, counted under its keyed hash."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core import ids
from storage import tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx

_t = tables.incident
_at = _t.c.first_at.type
_here = (_t.c.account == sa.bindparam("account_is"), _t.c.fingerprint == sa.bindparam("hmac_is", type_=sa.LargeBinary))
_COUNT = (
    sa.update(_t)
    .where(*_here, _t.c.first_at > sa.bindparam("since", type_=_at))
    .values(seen=_t.c.seen + 1)
    .returning(_t.c.complaint_id, _t.c.seen)
)
_FORGET = sa.delete(_t).where(*_here)
_PURGE = sa.delete(_t).where(_t.c.first_at < sa.bindparam("before", type_=_at))
_BEGIN = {
    name: insert_or_ignore(_t, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _t.columns})
    for name in ("sqlite", "postgresql")
}


@dataclass(frozen=True, slots=True)
class Incident:
    """The complaint that stands for all, and how often the text has come."""

    complaint_id: ids.ComplaintId
    seen: int


def count(tx: Tx, account: str, fingerprint: bytes, since: datetime) -> Incident | None:
    """Count one more of a text; None where none came since then."""
    row = tx.one(_COUNT, account_is=account, hmac_is=fingerprint, since=since)
    return None if row is None else Incident(ids.ComplaintId(row.complaint_id), row.seen)


def begin(
    tx: Tx, office_id: str, account: str, fingerprint: bytes, complaint_id: ids.ComplaintId, at: datetime
) -> None:
    """Remember the first of what may become many."""
    tx.flush()  # the complaint, to which the row refers
    tx.run(_FORGET, account_is=account, hmac_is=fingerprint)
    tx.run(
        _BEGIN[tx.dialect_name], account=account, fingerprint=fingerprint, office_id=office_id,
        complaint_id=complaint_id, seen=1, first_at=at,
    )  # fmt: skip


def purge(tx: Tx, before: datetime) -> int:
    return tx.run(_PURGE, before=before)
