"""What becomes of a message after it was written: taken back, signed with a reaction."""

from datetime import datetime

import sqlalchemy as sa

from core import ids
from storage import tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx, changes

_t = tables.message
_w = tables.withdrawal
_SET_WITHDRAWN = changes(_t, "id", "withdrawn_at")
_SET_DETAILS = changes(_t, "id", "details")
_EARLY = sa.select(_w.c.received_at).where(
    _w.c.account == sa.bindparam("account"), _w.c.provider_id == sa.bindparam("provider_id")
)
_PURGE = sa.delete(_w).where(_w.c.received_at < sa.bindparam("before", type_=_w.c.received_at.type))
_KEEP = {
    name: insert_or_ignore(_w, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _w.columns})
    for name in ("sqlite", "postgresql")
}


def withdraw(tx: Tx, message_id: ids.MessageId, at: datetime) -> None:
    tx.run(_SET_WITHDRAWN, id_is=message_id, withdrawn_at=at)


def keep_early(tx: Tx, account: str, provider_id: str, at: datetime) -> None:
    """Keep word that a message was taken back until the message itself comes."""
    tx.run(_KEEP[tx.dialect_name], account=account, provider_id=provider_id, received_at=at)


def withdrawn_early(tx: Tx, account: str, provider_id: str) -> datetime | None:
    """Return when a message was taken back that comes only now."""
    row = tx.one(_EARLY, account=account, provider_id=provider_id)
    return None if row is None else row.received_at


def purge_early(tx: Tx, before: datetime) -> int:
    return tx.run(_PURGE, before=before)


def set_details(tx: Tx, message_id: ids.MessageId, details: dict[str, str]) -> None:
    tx.run(_SET_DETAILS, id_is=message_id, details=details or None)
