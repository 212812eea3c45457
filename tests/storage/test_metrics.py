"""The measures read what is open, never the whole of what is stored."""

import secrets
from datetime import UTC, datetime

import pytest

from storage import dialect, metrics, schema, statements
from storage.store import Store
from storage.vault import Vault

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


class StandingClock:
    def now(self):
        return NOW


async def test_an_empty_database_gives_nothing(database_url):
    database = dialect.open_database(database_url)
    schema.migrate(database)
    store = Store(database, Vault((secrets.token_bytes(32),)), StandingClock())
    store.start()
    found = await store.read(lambda tx: metrics.snapshot(tx, NOW))
    await store.read(metrics.look)
    await store.stop()
    assert found == metrics.Snapshot({}, {}, {}, {}, {}, {}, {}, frozenset())


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (metrics._WORK, "ix_complaint_work"),
        (metrics._OUTBOX, "ix_outbox_due"),
        (metrics._ALARMS, "uq_alarm_open"),
        (metrics._QUARANTINE, "ix_raw_item_quarantine"),
    ],
)
def test_each_count_reads_a_partial_index(tmp_path, statement, index):
    database = dialect.open_database(f"sqlite:///{tmp_path}/aduan.db")
    schema.migrate(database)
    connection = database.connect(read_only=True)
    prepared = statements.Prepared(statement, database.dialect)
    values = prepared.values({"now": NOW})
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {prepared.sql}", values)]
    connection.close()
    assert any(index in line for line in plan), plan
