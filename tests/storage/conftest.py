"""A migrated database with one open transaction, which every test leaves as it found it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from core import ids, model
from storage import complaints, contacts, dialect, schema, statements
from storage.transaction import Tx
from storage.vault import Vault

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)


@dataclass
class Book:
    """A connection to write through, a clock that the test moves, and ways to fill tables."""

    database: dialect.Database
    connection: Any
    now: datetime = NOW
    vault: Vault = field(default_factory=lambda: Vault((b"k" * 32,)))

    def __post_init__(self) -> None:
        self._prepare = statements.Prepare(self.database.dialect)
        self._ids = ids.Ids(SimpleNamespace(now=lambda: self.now), 1)
        self._sequence = 0

    def tx(self) -> Tx:
        return Tx(self.connection, self._prepare, self.vault, self._ids)

    def contact(self, tx: Tx, office_id: str = "contoh") -> ids.ContactId:
        inbound = model.InboundMessage("SM1", f"whatsapp:+62812000{tx.new_id() % 10**5:05}")
        return contacts.seen(tx, office_id, f"wa-{office_id}", inbound, self.now).id

    def complaint(self, tx: Tx, office_id: str = "contoh", **columns: Any) -> model.Complaint:
        self._sequence += 1
        contact_id = self.contact(tx, office_id)
        complaint = model.Complaint(
            id=ids.ComplaintId(tx.new_id()), office_id=office_id, number=ids.Number("ADU", 2026, self._sequence),
            contact_id=contact_id, account=f"wa-{office_id}", channel="whatsapp",
            intake=model.Intake.INDIRECT, state=model.ComplaintState.NEW, queue=model.Queue.ADMIN, assignee_id=None,
            preview="KTP", received_at=self.now, due_at=self.now + timedelta(days=2), breached_at=None,
            answered_at=None, closed_at=None, last_message_at=self.now,
            reply_account=f"wa-{office_id}", reply_contact_id=contact_id,
        )  # fmt: skip
        complaint = replace(complaint, **columns)
        complaint = replace(complaint, reply_account=complaint.account, reply_contact_id=complaint.contact_id)
        complaints.add(tx, complaint, self.now, "system", {})
        return complaint


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    database = dialect.open_database(database_url)
    schema.migrate(database)
    connection = database.connect(read_only=False)
    yield Book(database, connection)
    connection.close()


@pytest.fixture(scope="module")
def sqlite_book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """One book on SQLite for a whole module: for what writes nothing."""
    database = dialect.open_database(f"sqlite:///{tmp_path_factory.mktemp('book')}/aduan.db")
    schema.migrate(database)
    connection = database.connect(read_only=False)
    yield Book(database, connection)
    connection.close()
