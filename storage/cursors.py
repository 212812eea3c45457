"""Cursors: how far each polled account has been read, and which process reads it, by a lease.

Whoever lost his lease moves no cursor: the holder is part of every statement.
"""

from datetime import datetime

import sqlalchemy as sa

from storage import tables
from storage.dialect import insert_or_ignore
from storage.transaction import Tx

_t = tables.cursor
_at = _t.c.lease_until.type
_account = _t.c.account == sa.bindparam("account_is")
_held = _t.c.holder == sa.bindparam("holder_is")
_BEGIN = {
    name: insert_or_ignore(_t, name).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _t.columns})
    for name in ("sqlite", "postgresql")
}
_ACQUIRE = (
    sa.update(_t)
    .where(_account, sa.or_(_t.c.holder.is_(None), _held, _t.c.lease_until < sa.bindparam("now", type_=_at)))
    .values(holder=sa.bindparam("holder"), lease_until=sa.bindparam("until", type_=_at))
)
_BODY = sa.select(_t.c.body).where(_account)
_SEIZE = sa.update(_t).where(_account).values(holder=None, lease_until=None)
_RENEW = sa.update(_t).where(_account, _held).values(lease_until=sa.bindparam("until", type_=_at))
_ADVANCE = sa.update(_t).where(_account, _held).values(body=sa.bindparam("body"))
_RELEASE = sa.update(_t).where(_account, _held).values(holder=None, lease_until=None)


def acquire(tx: Tx, office_id: str, account: str, holder: str, now: datetime, until: datetime) -> bool:
    """Take the lease of an account until then; False while another process has it."""
    tx.run(_BEGIN[tx.dialect_name], account=account, office_id=office_id, body=None, holder=None, lease_until=None)
    return tx.run(_ACQUIRE, account_is=account, holder_is=holder, holder=holder, now=now, until=until) > 0


def seize(tx: Tx, account: str) -> None:
    """End whoever's lease: for the only process there can be, whose predecessor died with it."""
    tx.run(_SEIZE, account_is=account)


def body(tx: Tx, account: str) -> str | None:
    """Return how far an account has been read; None when it never was."""
    value: str | None = tx.scalar(_BODY, account_is=account)
    return value


def renew(tx: Tx, account: str, holder: str, until: datetime) -> bool:
    """Keep a lease until then; False when another process has taken it."""
    return tx.run(_RENEW, account_is=account, holder_is=holder, until=until) > 0


def advance(tx: Tx, account: str, holder: str, new_body: str) -> bool:
    """Move the cursor; False, and nothing is changed, when another process has the lease."""
    return tx.run(_ADVANCE, account_is=account, holder_is=holder, body=new_body) > 0


def release(tx: Tx, account: str, holder: str) -> None:
    """Give the lease up, so that another process need not wait for its end."""
    tx.run(_RELEASE, account_is=account, holder_is=holder)
