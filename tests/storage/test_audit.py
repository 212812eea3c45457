"""The audit log: whoever changes, removes or adds a row, even past the triggers, is found."""

from contextlib import contextmanager
from datetime import timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import audit, complaints, tables

COLUMNS = [column.name for column in tables.audit.columns]
_ALL = sa.select(tables.audit).order_by(tables.audit.c.id)
_SEAL = sa.select(tables.audit_seal)
_quiet = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def log(book):
    """Two offices with three complaints each, two days of which the first is sealed, and a morning that is not."""
    book.database.begin(book.connection)
    tx = book.tx()
    chains = []
    for day in range(3):
        for office_id in ("contoh", "lain"):
            chains.append(complaints.lock(tx, book.complaint(tx, office_id).id))
            book.now += timedelta(seconds=1)
            audit.append_office(tx, office_id, book.now, "person:1", "signed_in", raw=day)
        for index, locked in enumerate(chains):
            book.now += timedelta(seconds=1)
            chains[index] = complaints.change(tx, locked, book.now, "person:1", "noted", {"message": day})
        if day < 2:
            book.now += timedelta(days=1)
            for office_id in ("contoh", "lain"):
                assert audit.seal(tx, office_id, book.now, book.now)
    tx.flush()
    book.connection.execute("COMMIT")
    return book


def faults(tx):
    return [fault for office_id in ("contoh", "lain") for fault in audit.verify(tx, office_id)]


@contextmanager
def attack(log):
    """A transaction of somebody who may do anything in the database; nothing of it remains."""
    log.database.begin(log.connection)
    tx = log.tx()
    if tx.dialect_name == "sqlite":
        for act in ("update", "delete"):
            log.connection.execute(f"DROP TRIGGER audit_no_{act}")
    else:
        log.connection.execute("DROP TRIGGER audit_append_only ON audit")
    try:
        yield tx
    finally:
        log.connection.execute("ROLLBACK")


@st.composite
def edits(draw):
    """Return which row, what is done to it, and new values for the columns that are changed."""
    values = {
        "id": st.integers(-3, 2**62),
        "office_id": st.sampled_from(["contoh", "lain"]),
        "chain": st.one_of(st.integers(-5, 5), st.integers(2**57, 2**58)),
        "sequence": st.integers(-3, 9),
        "at": st.integers(-(10**6), 10**6),
        "actor": st.sampled_from(["person:1", "person:2", "system", ""]),
        "action": st.sampled_from(["noted", "signed_in", "closed"]),
        "facts": st.sampled_from(["{}", '{"message":"1"}', '{"message": "0"}', '{"message":"0"}']),
        "hash": st.binary(min_size=32, max_size=32),
    }
    kind = draw(st.sampled_from(["change", "remove", "add"]))
    if kind == "change":
        columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True))
    else:
        columns = draw(st.lists(st.sampled_from(COLUMNS), max_size=9, unique=True))
    return draw(st.integers(0, 10**6)), kind, {name: draw(values[name]) for name in columns}


def _row_after(row, changes):
    new = row._asdict()
    for name, value in changes.items():
        new[name] = row.at + timedelta(microseconds=value) if name == "at" else value
    return new


@_quiet
@given(edit=edits())
def test_any_single_edit_removal_or_addition_is_found(log, edit):
    which, kind, changes = edit
    with attack(log) as tx:
        rows = tx.all_once(_ALL)
        row = rows[which % len(rows)]
        new = _row_after(row, changes)
        if kind == "remove":
            tx.run(_REMOVE, id_is=row.id)
        elif kind == "change":
            taken = {(r.office_id, r.chain, r.sequence) for r in rows if r.id != row.id}
            if new == row._asdict() or (new["office_id"], new["chain"], new["sequence"]) in taken:
                return
            if new["id"] in {r.id for r in rows if r.id != row.id}:
                return
            tx.run(_CHANGE, id_is=row.id, **new)
        else:
            new["id"] = max(r.id for r in rows) + 1 if "id" not in changes else new["id"]
            if "sequence" not in changes and "chain" not in changes:
                new["sequence"] += 1000
            if {(r.office_id, r.chain, r.sequence) for r in rows} & {(new["office_id"], new["chain"], new["sequence"])}:
                return
            if new["id"] in {r.id for r in rows}:
                return
            tx.insert(tables.audit, **new)
        assert faults(tx)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("change", {"id": 1}),  # told by nothing but the row's own hash: it is not sealed yet, and stays the last
        ("change", {"at": 1}),
        ("add", {"chain": -1}),
        ("add", {"chain": -(2**63), "sequence": -(2**31)}),
        ("add", {"sequence": -1}),
        ("add", {"sequence": 1000}),
    ],
)
def test_an_edit_at_the_very_edge_is_found(log, kind, changes):
    with attack(log) as tx:
        row = tx.all_once(_ALL)[-1]
        new = _row_after(row, changes)
        new["id"] = row.id + 1
        if kind == "change":
            new["id"] = row.id + changes.get("id", 0)
            tx.run(_CHANGE, id_is=row.id, **new)
        else:
            tx.insert(tables.audit, **new)
        assert faults(tx)


_REMOVE = sa.delete(tables.audit).where(tables.audit.c.id == sa.bindparam("id_is"))
_CHANGE = (
    sa.update(tables.audit)
    .where(tables.audit.c.id == sa.bindparam("id_is"))
    .values({c.name: sa.bindparam(c.name, type_=c.type) for c in tables.audit.columns})
)


def test_the_untouched_log_is_whole(log):
    log.database.begin(log.connection)
    assert faults(log.tx()) == []
    log.connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "UPDATE audit SET facts = '{}' WHERE id = (SELECT max(id) FROM audit)",
    ],
)
def test_the_database_itself_refuses_to_change_or_remove(log, statement):
    log.database.begin(log.connection)
    with pytest.raises(Exception, match="append-only"):
        log.connection.execute(statement)
    log.connection.execute("ROLLBACK")
    if log.database.dialect.name == "postgresql":
        with pytest.raises(Exception, match="append-only"):
            log.connection.execute("TRUNCATE audit")


def test_a_sealed_end_cannot_be_cut_off_with_its_heads_turned_back(log):
    with attack(log) as tx:
        newest = [row for row in tx.all_once(_ALL) if row.office_id == "contoh" and row.chain != 0][-1]
        sealed = tx.all_once(_SEAL)
        chain = [row for row in tx.all_once(_ALL) if row.chain == min(r.chain for r in tx.all_once(_ALL) if r.chain)]
        assert chain[-1].id <= newest.id
        for row in chain[1:]:
            tx.run(_REMOVE, id_is=row.id)
        tx.run(
            complaints._update(frozenset(("audit_sequence", "audit_hash"))),
            id_is=chain[0].chain, audit_sequence=1, audit_hash=chain[0].hash,
        )  # fmt: skip
        assert [fault for fault in faults(tx) if fault.startswith("seal of")]
        assert len(sealed) == 4


def test_a_changed_seal_is_found_and_a_day_is_sealed_once(log):
    log.database.begin(log.connection)
    tx = log.tx()
    before = log.now - timedelta(days=1)
    assert not audit.seal(tx, "contoh", log.now, before)
    assert audit.seal(tx, "contoh", log.now, log.now + timedelta(days=1))
    assert faults(tx) == []
    tx._connection.execute("UPDATE audit_seal SET entries = entries + 1 WHERE office_id = 'lain'")
    assert len([fault for fault in faults(tx) if fault.startswith("seal of")]) == 2
    log.connection.execute("ROLLBACK")


def test_a_time_given_in_another_zone_is_the_same_moment_when_it_is_verified(log):
    log.database.begin(log.connection)
    tx = log.tx()
    wib = log.now.astimezone(timezone(timedelta(hours=7)))
    audit.append_office(tx, "contoh", wib, "system", "signed_in")
    assert faults(tx) == []
    log.connection.execute("ROLLBACK")


def test_the_log_needs_its_own_secret(log):
    from storage.vault import Vault

    log.vault = Vault((b"another secret of thirty-two bytes",))
    log.database.begin(log.connection)
    assert faults(log.tx())
    log.connection.execute("ROLLBACK")
