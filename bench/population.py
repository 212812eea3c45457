"""An office with very many complaints, written by SQL alone: a fifth of them open, most of those still new."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from bench import office
from core import ids
from storage import contacts, dialect, schema

_DAY = 86_400_000_000  # in microseconds, which is how SQLite keeps times here

_NUMBERS = """
INSERT INTO number WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c
"""
_CONTACTS = """
INSERT INTO contact (id, office_id, account, address_hmac, address_sealed, name, created_at, last_inbound_at)
SELECT n, :office, :account, randomblob(16), sealed_address(n), 'Siti Rahma', :now - :day, :now - :day FROM number
"""
# Nine of ten open ones wait for an officer, one for the citizen; due from an hour ahead to ten days ahead.
_COMPLAINTS = """
INSERT INTO complaint (id, office_id, prefix, year, sequence, contact_id, account, channel, intake, state, queue,
  preview, received_at, last_message_at, due_at, answered_at, closed_at, acknowledged_until, version,
  audit_sequence, audit_hash)
SELECT :first + n * 4096, :office, 'ADU', 2025, n, n, :account, 'whatsapp', 'tidak_langsung',
  CASE WHEN n % 5 THEN 'closed' WHEN n % 50 = 0 THEN 'waiting_citizen' WHEN n % 15 = 0 THEN 'in_progress'
    ELSE 'new' END,
  'admin', 'KTP elektronik saya rusak sejak bulan lalu, sudah dua kali ke kantor tetapi blanko habis.',
  :now - 2 * :day, :now - n % 1000000 - :day,
  CASE WHEN n % 5 = 0 AND n % 50 THEN :now + :day / 24 + abs(random()) % (10 * :day) END,
  CASE WHEN n % 5 OR n % 50 = 0 THEN :now - :day END, CASE WHEN n % 5 THEN :now - n % 1000000 END,
  :now - 2 * :day, 1, 1, zeroblob(32) FROM number
"""
_DEADLINES = """
INSERT INTO deadline (id, office_id, complaint_id, clock, state, started_at, due_at, next_at, warnings, impossible,
  rule, calendar, met_at)
SELECT id + 1, office_id, id, 'respon_tidak_langsung', iif(due_at IS NULL, 'met', 'pending'), received_at,
  coalesce(due_at, received_at + 2 * :day), due_at, '[]', 0, '{}', '-', answered_at FROM complaint
"""
_LATE = """
UPDATE deadline SET due_at = :then, next_at = :then
WHERE id IN (SELECT id FROM deadline WHERE state = 'pending' ORDER BY next_at LIMIT :count)
"""


def make(path: Path, complaints: int) -> None:
    """Make a database with so many complaints at `path`."""
    database = dialect.SQLite(path)
    schema.migrate(database)
    connection = sqlite3.connect(path)
    connection.create_function("sealed_address", 1, _sealed_address)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -200000")
    now = datetime.now(UTC)
    given = {
        "office": office.OFFICE,
        "account": office.ACCOUNT,
        "now": int(now.timestamp() * 1_000_000),
        "day": _DAY,
        "first": ids.first_at(now) - complaints * 4096 - 1_000_000,
        "count": complaints,
    }
    connection.execute("CREATE TEMP TABLE number (n INTEGER PRIMARY KEY)")
    for statement in (_NUMBERS, _CONTACTS, _COMPLAINTS, _DEADLINES):
        connection.execute(statement, given)
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def _sealed_address(contact_id: int) -> bytes:
    return office.VAULT.seal(b"whatsapp:+6281200000001", contacts.address_place(contact_id))


def make_late(path: Path, count: int) -> None:
    """Let the time of so many pending clocks have passed a minute ago."""
    connection = sqlite3.connect(path, timeout=10)
    with connection:
        then = int(datetime.now(UTC).timestamp() * 1_000_000) - 60_000_000
        done = connection.execute(_LATE, {"then": then, "count": count}).rowcount
    connection.close()
    if done != count:
        raise RuntimeError(f"{done} clocks were made late instead of {count}")
