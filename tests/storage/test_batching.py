"""Rows of many acts are written together; no statement of the same transaction may tell the difference."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import ids, model
from storage import complaints, contacts, messages, tables, vault
from storage.statements import Prepared

_RECEIPTS = sa.select(tables.receipt.c.provider_id).order_by(tables.receipt.c.provider_id)
_RECEIPT = sa.select(tables.receipt).where(tables.receipt.c.provider_id == sa.bindparam("provider_id"))
_REGISTER = sa.select(tables.register.c.last)


class Spy:
    """A connection that counts the statements it passes on."""

    def __init__(self, connection):
        self.connection = connection
        self.count = 0

    def execute(self, *args):
        self.count += 1
        return self.connection.execute(*args)


@pytest.fixture
def write(book):
    """Run an act in a transaction of its own; return its result."""

    def run(act):
        book.database.begin(book.connection)
        tx = book.tx()
        try:
            result = act(tx)
            tx.finish()
        except BaseException:
            book.connection.execute("ROLLBACK")
            raise
        book.connection.execute("COMMIT")
        return result

    return run


def receipt(tx, book, name):
    state = model.DeliveryState.READ
    tx.add(
        tables.receipt, account="wa", provider_id=name, state=state, error_code=None, refusal=None, received_at=book.now
    )


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 200])
def test_every_row_is_written_once_whatever_their_number(book, write, count):
    names = [f"SM{n:04}" for n in range(count)]
    write(lambda tx: [receipt(tx, book, name) for name in names])
    assert [row.provider_id for row in write(lambda tx: tx.all(_RECEIPTS))] == names


def test_a_row_that_waits_is_seen_by_whatever_asks_for_it(book, write):
    inbound = model.InboundMessage("SM1", "whatsapp:+6281200000001")

    def act(tx):
        first = contacts.seen(tx, "contoh", "wa", inbound, book.now)
        again = contacts.seen(tx, "contoh", "wa", inbound, book.now + timedelta(minutes=1))
        assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
        complaint = book.complaint(tx, contact_id=first.id)
        assert complaints.lock_latest_of_contact(tx, first.id).complaint == complaint
        assert not messages.is_known(tx, "wa", "SM1")
        message = {"office_id": "contoh", "complaint_id": complaint.id, "account": "wa", "created_at": book.now}
        messages.add(tx, **message, kind=model.MessageKind.COMPLAINT, text="KTP", provider_id="SM1")
        assert messages.is_known(tx, "wa", "SM1")
        assert not messages.is_known(tx, "wa", "SM2")
        assert [each.text for each in messages.timeline(tx, complaint.id)] == ["KTP"]

    write(act)


def test_a_row_added_after_another_was_asked_for_is_seen_as_well(book, write):
    def act(tx):
        receipt(tx, book, "SM1")
        assert tx.one(_RECEIPT, provider_id="SM2") is None
        receipt(tx, book, "SM2")
        assert tx.one(_RECEIPT, provider_id="SM2").provider_id == "SM2"

    write(act)


def test_asking_for_other_rows_writes_none_of_those_that_wait(book, write):
    def act(tx):
        tx._connection = spy = Spy(tx._connection)
        for n in range(5):
            assert contacts.seen(tx, "contoh", "wa", model.InboundMessage("SM1", f"+62812{n}"), book.now).is_new
        assert spy.count == 5  # the look-ups alone
        tx.finish()
        assert spy.count == 5 + 2  # four rows and one

    write(act)


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(tables.receipt).where(sa.or_(tables.receipt.c.account == sa.bindparam("account"), sa.true())),
        sa.select(tables.receipt).where(tables.receipt.c.account > sa.bindparam("account")),
        sa.select(tables.receipt),
        sa.select(tables.receipt, tables.health)
        .join(tables.health, tables.health.c.account == tables.receipt.c.account)
        .where(tables.receipt.c.account == sa.bindparam("account")),
    ],
)
def test_a_statement_that_may_see_any_row_names_no_keys(book, statement):
    assert Prepared(statement, book.database.dialect).keys == ()


def test_numbers_follow_each_other_within_and_across_transactions_and_come_back_when_one_fails(write):
    def take(tx, count=3):
        return [complaints.next_number(tx, "contoh", "ADU", 2026).sequence for _ in range(count)]

    def fail(tx):
        take(tx)
        raise ArithmeticError

    assert write(take) == [1, 2, 3]
    with pytest.raises(ArithmeticError):
        write(fail)
    assert write(take) == [4, 5, 6]
    assert write(lambda tx: take(tx, 1)) == [7]
    assert write(lambda tx: tx.scalar(_REGISTER)) == 7
    assert write(lambda tx: complaints.next_number(tx, "contoh", "ADU", 2027)) == ids.Number("ADU", 2027, 1)


def test_no_nonce_is_used_twice_and_a_forked_process_starts_its_own(monkeypatch):
    sealing = vault.Vault((b"k" * 32,))
    nonces = [sealing.seal(b"same", "row/1")[4:16] for _ in range(1000)]
    left = set(sealing._nonces)
    monkeypatch.setattr(vault.os, "getpid", lambda: -1)
    nonces += [sealing.seal(b"same", "row/1")[4:16] for _ in range(300)]
    assert len(set(nonces)) == 1300
    assert left.isdisjoint(nonces[1000:])
