"""What is measured from outside: a few counts that stay cheap however much is stored.

Each reads a partial index of what is open, or the newest rows, and never more than a fixed number of either.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import tables
from storage.statements import among
from storage.transaction import Tx

MOST = 20_000  # rows looked at for any one count
_NEWEST_RAW = 1_000

_c, _o, _a, _r, _m = tables.complaint, tables.outbox, tables.alarm, tables.raw_item, tables.message

_READABLE = sa.select(tables.node.c.id).limit(1)
_work = (
    sa.select(_c.c.office_id, _c.c.queue, _c.c.due_at)
    .where(among(_c.c.state, "new", "in_progress"))
    .order_by(_c.c.office_id, _c.c.due_at, _c.c.id)  # else SQLite walks another index, with all that is closed
    .limit(sa.literal_column(str(MOST)))
    .subquery()
)
_late = sa.case((_work.c.due_at < sa.bindparam("now", type_=_c.c.due_at.type), 1), else_=0).label("late")
_WORK = sa.select(
    _work.c.office_id, _work.c.queue, sa.func.count().label("count"), sa.func.sum(_late).label("late")
).group_by(_work.c.office_id, _work.c.queue)
_pending = (
    sa.select(_o.c.account, _o.c.state, _o.c.created_at)
    .where(among(_o.c.state, "queued", "sending", "uncertain"), _o.c.next_at.is_not(None))
    .limit(sa.literal_column(str(MOST)))
    .subquery()
)
_OUTBOX = sa.select(
    _pending.c.account,
    _pending.c.state,
    sa.func.count().label("count"),
    sa.func.min(_pending.c.created_at).label("oldest_at"),
).group_by(_pending.c.account, _pending.c.state)
_open = (
    sa.select(_a.c.office_id, _a.c.kind).where(_a.c.cleared_at.is_(None)).limit(sa.literal_column(str(MOST))).subquery()
)
_ALARMS = sa.select(_open.c.office_id, _open.c.kind, sa.func.count().label("count")).group_by(
    _open.c.office_id, _open.c.kind
)
_kept = sa.select(_r.c.office_id).where(among(_r.c.state, "quarantined")).limit(sa.literal_column(str(MOST))).subquery()
_QUARANTINE = sa.select(_kept.c.office_id, sa.func.count().label("count")).group_by(_kept.c.office_id)
_newest = (
    sa.select(_r.c.account, _r.c.received_at)
    .order_by(_r.c.id.desc())
    .limit(sa.literal_column(str(_NEWEST_RAW)))
    .subquery()
)
_written = (
    sa.select(_m.c.account, _m.c.kind, _m.c.created_at)
    .order_by(_m.c.id.desc())
    .limit(sa.literal_column(str(_NEWEST_RAW)))
    .subquery()
)
# A webhook may bring what was written to several accounts of its provider: their messages say to which.
_reached = sa.union_all(
    sa.select(_newest.c.account, _newest.c.received_at.label("at")),
    sa.select(_written.c.account, _written.c.created_at.label("at")).where(among(_written.c.kind, "complaint")),
).subquery()
_INBOUND = sa.select(_reached.c.account, sa.func.max(_reached.c.at).label("at")).group_by(_reached.c.account)
_SUSPENDED = sa.select(tables.health.c.account).where(tables.health.c.suspended_at.is_not(None))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts, each of at most MOST rows. Keys: office and queue; account and state; office and kind; office; account.

    `oldest_at`: when the oldest entry of an account that has not left yet was written. `last_inbound_at`: only of
    accounts among the newest raw items and messages.
    """

    open: dict[tuple[str, str], int]
    late: dict[tuple[str, str], int]
    outbox: dict[tuple[str, str], int]
    oldest_at: dict[str, datetime]
    alarms: dict[tuple[str, str], int]
    quarantined: dict[str, int]
    last_inbound_at: dict[str, datetime]
    suspended: frozenset[str]


def look(tx: Tx) -> None:
    """Read one row, to learn whether anything can be read."""
    tx.one(_READABLE)


def last_inbound_at(tx: Tx) -> dict[str, datetime]:
    """Return when something last reached each account, of those among the newest raw items and messages."""
    return {row.account: row.at for row in tx.all(_INBOUND)}


def snapshot(tx: Tx, now: datetime) -> Snapshot:
    work, outbox = tx.all(_WORK, now=now), tx.all(_OUTBOX)
    oldest_at: dict[str, datetime] = {}
    for row in outbox:
        oldest_at[row.account] = min(row.oldest_at, oldest_at.get(row.account, row.oldest_at))
    return Snapshot(
        open={(row.office_id, row.queue): row.count for row in work},
        late={(row.office_id, row.queue): int(row.late) for row in work},
        outbox={(row.account, row.state): row.count for row in outbox},
        oldest_at=oldest_at,
        alarms={(row.office_id, row.kind): row.count for row in tx.all(_ALARMS)},
        quarantined={row.office_id: row.count for row in tx.all(_QUARANTINE)},
        last_inbound_at=last_inbound_at(tx),
        suspended=frozenset(row.account for row in tx.all(_SUSPENDED)),
    )
