"""The work on files of messages: what is to be fetched or examined, what became of it, which contents are needed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core import ids, model
from storage import tables
from storage.statements import among
from storage.transaction import Tx

_t = tables.attachment
_IS_DUE = (among(_t.c.state, "pending"), _t.c.next_at <= sa.bindparam("now", type_=_t.c.next_at.type))
_IS_ANY_DUE = sa.select(_t.c.id).where(*_IS_DUE).limit(1)
_CLAIM = (
    sa.update(_t)
    .where(
        _t.c.id.in_(
            sa.select(_t.c.id)
            .where(*_IS_DUE)
            .order_by(_t.c.next_at)
            .limit(sa.bindparam("count"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(next_at=sa.bindparam("lease", type_=_t.c.next_at.type), attempts=_t.c.attempts + 1)
    .returning(
        _t.c.id,
        _t.c.office_id,
        _t.c.complaint_id,
        _t.c.account,
        _t.c.name,
        _t.c.media_type,
        _t.c.size,
        _t.c.sha256,
        _t.c.attempts,
        _t.c.url_sealed,
    )
)
_SETTLED = ("state", "reason", "sha256", "size", "media_type", "next_at")
_SET = (
    sa.update(_t)
    .where(_t.c.id == sa.bindparam("id_is"))
    .values({name: sa.bindparam(name, type_=_t.c[name].type) for name in _SETTLED})
)
_PAGE = 100  # hashes asked about at a time
_REFERRED = (
    sa.select(_t.c.sha256).where(_t.c.sha256.in_([sa.bindparam(f"sha256_{i}") for i in range(_PAGE)])).distinct()
)


@dataclass(frozen=True, slots=True)
class Due:
    """A file to fetch, or one that is here already to examine, leased to us."""

    id: int
    office_id: str
    complaint_id: ids.ComplaintId
    account: str
    attempts: int
    file: model.RemoteFile | model.StoredFile


def is_any_due(tx: Tx, now: datetime) -> bool:
    return tx.one(_IS_ANY_DUE, now=now) is not None


def claim(tx: Tx, now: datetime, lease: datetime, count: int) -> list[Due]:
    """Lease files whose time has come; nobody else gets them before `lease`."""
    return [
        Due(row.id, row.office_id, ids.ComplaintId(row.complaint_id), row.account, row.attempts, _file(tx, row))
        for row in tx.all(_CLAIM, now=now, lease=lease, count=count)
    ]


def store(tx: Tx, due: Due, stored: model.StoredFile) -> None:
    """Note that a file is here and may be opened."""
    _settle(tx, due, "stored", sha256=stored.sha256, size=stored.size, media_type=stored.media_type)


def hold(tx: Tx, due: Due, stored: model.StoredFile, next_at: datetime, reason: str) -> None:
    """Note that a file is here and could not be examined; it is tried again at `next_at`."""
    _settle(
        tx, due, "pending", reason, next_at, sha256=stored.sha256, size=stored.size, media_type=stored.media_type
    )  # fmt: skip


def postpone(tx: Tx, due: Due, next_at: datetime, reason: str) -> None:
    """Note that a file could not be fetched; it is asked for again at `next_at`."""
    _settle(tx, due, "pending", reason, next_at, media_type=due.file.media_type or "application/octet-stream")


def refuse(tx: Tx, due: Due, reason: str) -> None:
    """Note that a file will never be had, or never opened: its content is not referred to any more."""
    _settle(tx, due, "refused", reason, media_type=due.file.media_type or "application/octet-stream")


def referred_to(tx: Tx, digests: Collection[str]) -> set[str]:
    """Return those of the contents that a message has."""
    found: set[str] = set()
    asked = sorted(digests)
    for start in range(0, len(asked), _PAGE):
        page = asked[start : start + _PAGE]
        page += page[-1:] * (_PAGE - len(page))
        found |= {row[0] for row in tx.all(_REFERRED, **{f"sha256_{i}": one for i, one in enumerate(page)})}
    return found


def _settle(
    tx: Tx, due: Due, state: str, reason: str | None = None, next_at: datetime | None = None, **facts: Any
) -> None:
    settled = {"sha256": None, "size": None} | facts
    tx.run(_SET, id_is=due.id, state=state, reason=reason, next_at=next_at, **settled)


def _file(tx: Tx, row: Any) -> model.RemoteFile | model.StoredFile:
    if row.sha256 is not None:
        return model.StoredFile(row.sha256, row.size, row.media_type, row.name, held=True)
    return model.RemoteFile(tx.vault.open(row.url_sealed, f"file/{row.id}").decode(), row.media_type, row.name)
