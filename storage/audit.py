"""The audit log: append-only, a hash chain per complaint, one per office for the rest, sealed daily.

Each row's hash is keyed and covers its predecessor's, so a changed or missing row breaks its chain; the head of a
chain stands on its complaint, so a cut-off end is seen; a seal covers all rows since the seal before it.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from core import ids, model
from storage import tables
from storage.columns import canonical
from storage.transaction import Tx, changes
from storage.vault import Vault

OFFICE_CHAIN = 0
_START = bytes(32)
_BATCH = 5000
_BELOW_ALL = -(2**63)


class Head(NamedTuple):
    """Where a chain ends: how many rows, and the hash of the last."""

    sequence: int
    hash: bytes


EMPTY = Head(0, _START)

_OFFICE_HEAD = sa.select(tables.audit_chain.c.audit_sequence, tables.audit_chain.c.audit_hash).where(
    tables.audit_chain.c.office_id == sa.bindparam("office_id")
)
_LOCK_OFFICE_HEAD = _OFFICE_HEAD.with_for_update()
_SET_OFFICE_HEAD = changes(tables.audit_chain, "office_id", "audit_sequence", "audit_hash")
_OF_CHAIN = (
    sa.select(tables.audit)
    .where(tables.audit.c.office_id == sa.bindparam("office_id"), tables.audit.c.chain == sa.bindparam("chain"))
    .order_by(tables.audit.c.sequence)
)
_PAGE = (
    sa.select(tables.audit)
    .where(
        tables.audit.c.office_id == sa.bindparam("office_id"),
        tables.audit.c.id > sa.bindparam("after"),
        tables.audit.c.id <= sa.bindparam("through"),
    )
    .order_by(tables.audit.c.id)
    .limit(sa.bindparam("count"))
)
_CHAINS = (
    sa.select(tables.audit)
    .where(
        tables.audit.c.office_id == sa.bindparam("office_id"),
        sa.tuple_(tables.audit.c.chain, tables.audit.c.sequence)
        > sa.tuple_(sa.bindparam("chain", type_=sa.BigInteger), sa.bindparam("sequence", type_=sa.BigInteger)),
    )
    .order_by(tables.audit.c.chain, tables.audit.c.sequence)
    .limit(sa.bindparam("count"))
)
_HEADS = (
    sa.select(tables.complaint.c.id, tables.complaint.c.audit_sequence, tables.complaint.c.audit_hash)
    .where(tables.complaint.c.office_id == sa.bindparam("office_id"), tables.complaint.c.id > sa.bindparam("after"))
    .order_by(tables.complaint.c.id)
    .limit(sa.bindparam("count"))
)
_LAST_SEAL = (
    sa.select(tables.audit_seal)
    .where(tables.audit_seal.c.office_id == sa.bindparam("office_id"))
    .order_by(tables.audit_seal.c.through_id.desc())
    .limit(1)
)
_SEALS = (
    sa.select(tables.audit_seal)
    .where(tables.audit_seal.c.office_id == sa.bindparam("office_id"))
    .order_by(tables.audit_seal.c.through_id)
)
_NEWEST_BEFORE = (
    sa.select(tables.audit.c.id)
    .where(tables.audit.c.office_id == sa.bindparam("office_id"), tables.audit.c.id < sa.bindparam("before"))
    .order_by(tables.audit.c.id.desc())
    .limit(1)
)


def append(
    tx: Tx, office_id: str, chain: int, head: Head, at: datetime, actor: str, action: str, facts: Mapping[str, Any]
) -> Head:
    """Add a row after `head`; return the new head, which the caller stores with the chain's owner."""
    text = canonical({key: str(value) for key, value in facts.items() if value is not None})
    row_id = tx.new_id()
    sequence = head.sequence + 1
    digest = _digest(tx.vault, row_id, office_id, chain, sequence, at, actor, action, text, head.hash)
    tx.add(
        tables.audit,
        id=row_id,
        office_id=office_id,
        chain=chain,
        sequence=sequence,
        at=at,
        actor=actor,
        action=action,
        facts=text,
        hash=digest,
    )
    return Head(sequence, digest)


def append_office(tx: Tx, office_id: str, at: datetime, actor: str, action: str, **facts: Any) -> None:
    """Add a row to the office's own chain: sign-ins, people, holidays, quarantine."""
    row = tx.one(_LOCK_OFFICE_HEAD, office_id=office_id)
    head = append(tx, office_id, OFFICE_CHAIN, EMPTY if row is None else Head(*row), at, actor, action, facts)
    if row is None:
        tx.insert(tables.audit_chain, office_id=office_id, audit_sequence=head.sequence, audit_hash=head.hash)
    else:
        tx.run(_SET_OFFICE_HEAD, office_id_is=office_id, audit_sequence=head.sequence, audit_hash=head.hash)


def of_chain(tx: Tx, office_id: str, chain: int) -> list[model.AuditEntry]:
    return [_entry(row) for row in tx.all(_OF_CHAIN, office_id=office_id, chain=chain)]


def seal(tx: Tx, office_id: str, now: datetime, before: datetime) -> bool:
    """Seal every row older than `before`, since the last seal; return whether there was one.

    `before` must lie further back than any transaction lasts, or a row could appear behind its seal.
    """
    last = tx.one(_LAST_SEAL, office_id=office_id)
    after = last.through_id if last else 0
    through = tx.scalar(_NEWEST_BEFORE, office_id=office_id, before=ids.first_at(before))
    if through is None or through <= after:
        return False
    entries, digest = _seal_digest(tx, office_id, after, through, last.hash if last else _START)
    tx.insert(tables.audit_seal, office_id=office_id, through_id=through, sealed_at=now, entries=entries, hash=digest)
    return True


def verify(tx: Tx, office_id: str) -> list[str]:
    """Return every fault found in the log of an office, in plain words; an empty list means that it is whole."""
    return [*_verify_chains(tx, office_id), *_verify_seals(tx, office_id)]


def _verify_chains(tx: Tx, office_id: str) -> Iterator[str]:  # noqa: C901
    heads = _heads(tx, office_id)
    expected = next(heads, None)
    for chain, rows in itertools.groupby(_rows(tx, office_id), key=lambda row: row.chain):
        while expected is not None and expected[0] < chain:
            if expected[1].sequence:
                yield f"chain {expected[0]}: all {expected[1].sequence} rows are missing"
            expected = next(heads, None)
        head = EMPTY
        fault = None
        for row in rows:
            right = _digest(
                tx.vault,
                row.id,
                office_id,
                chain,
                head.sequence + 1,
                row.at,
                row.actor,
                row.action,
                row.facts,
                head.hash,
            )
            if fault is None and (row.sequence != head.sequence + 1 or right != bytes(row.hash)):
                fault = f"chain {chain}: row {row.sequence} was changed, added, or follows a missing one"
            head = Head(row.sequence, bytes(row.hash))
        if fault is not None:
            yield fault
        if expected is None or expected[0] != chain:
            yield f"chain {chain}: belongs to nothing"
            continue
        if fault is None and head != expected[1]:
            yield f"chain {chain}: ends at row {head.sequence}, its owner says {expected[1].sequence}"
        expected = next(heads, None)
    while expected is not None:
        if expected[1].sequence:
            yield f"chain {expected[0]}: all {expected[1].sequence} rows are missing"
        expected = next(heads, None)


def _verify_seals(tx: Tx, office_id: str) -> Iterator[str]:
    after, previous = 0, _START
    for row in tx.all(_SEALS, office_id=office_id):
        entries, digest = _seal_digest(tx, office_id, after, row.through_id, previous)
        if (entries, digest) != (row.entries, bytes(row.hash)):
            yield f"seal of {row.sealed_at:%Y-%m-%d}: covers {row.entries} rows, {entries} are there or were changed"
        after, previous = row.through_id, bytes(row.hash)


def _rows(tx: Tx, office_id: str) -> Iterator[Any]:
    chain, sequence = _BELOW_ALL, _BELOW_ALL
    while page := tx.all(_CHAINS, office_id=office_id, chain=chain, sequence=sequence, count=_BATCH):
        yield from page
        chain, sequence = page[-1].chain, page[-1].sequence


def _heads(tx: Tx, office_id: str) -> Iterator[tuple[int, Head]]:
    own = tx.one(_OFFICE_HEAD, office_id=office_id)
    if own is not None:
        yield OFFICE_CHAIN, Head(own.audit_sequence, bytes(own.audit_hash))
    after = 0
    while page := tx.all(_HEADS, office_id=office_id, after=after, count=_BATCH):
        for row in page:
            yield row.id, Head(row.audit_sequence, bytes(row.audit_hash))
        after = page[-1].id


def _seal_digest(tx: Tx, office_id: str, after: int, through: int, previous: bytes) -> tuple[int, bytes]:
    digest, entries = previous, 0
    while page := tx.all(_PAGE, office_id=office_id, after=after, through=through, count=_BATCH):
        digest = tx.vault.chain_hash(digest + b"".join(bytes(row.hash) for row in page))
        entries += len(page)
        after = page[-1].id
    return entries, tx.vault.chain_hash(digest + str(entries).encode())


def _digest(
    seals: Vault,
    row_id: int,
    office_id: str,
    chain: int,
    sequence: int,
    at: datetime,
    actor: str,
    action: str,
    facts: str,
    previous: bytes,
) -> bytes:
    moment = at.astimezone(UTC).isoformat()  # as it will be read back
    content = canonical([row_id, office_id, chain, sequence, moment, actor, action, facts, previous.hex()])
    return seals.chain_hash(content.encode())


def _entry(row: Any) -> model.AuditEntry:
    return model.AuditEntry(
        row.id,
        row.office_id,
        row.chain,
        row.sequence,
        row.at,
        row.actor,
        row.action,
        json.loads(row.facts),
        bytes(row.hash).hex(),
    )
