"""Leases and cursors of polled accounts: one holder, and nobody else moves anything."""

from datetime import timedelta

import pytest

from storage import cursors

MINUTE = timedelta(minutes=1)


@pytest.fixture
def run(book):
    """Run one act of storage.cursors in a transaction of its own."""

    def act(function, *args):
        book.database.begin(book.connection)
        tx = book.tx()
        outcome = function(tx, *args)
        tx.finish()
        book.connection.execute("COMMIT")
        return outcome

    return act


def test_one_process_has_an_account_until_its_lease_ends(book, run):
    now = book.now
    assert run(cursors.acquire, "contoh", "surel", "satu", now, now + MINUTE)
    assert not run(cursors.acquire, "contoh", "surel", "dua", now + MINUTE, now + 2 * MINUTE)
    assert run(cursors.renew, "surel", "satu", now + 2 * MINUTE)
    assert not run(cursors.acquire, "contoh", "surel", "dua", now + 2 * MINUTE, now + 3 * MINUTE)
    later = now + 2 * MINUTE + timedelta(microseconds=1)
    assert run(cursors.acquire, "contoh", "surel", "dua", later, later + MINUTE)
    assert not run(cursors.renew, "surel", "satu", later + MINUTE)


def test_a_lease_that_is_given_up_is_to_be_had_at_once(book, run):
    assert run(cursors.acquire, "contoh", "surel", "satu", book.now, book.now + MINUTE)
    run(cursors.release, "surel", "dua")
    assert not run(cursors.acquire, "contoh", "surel", "dua", book.now, book.now + MINUTE)
    run(cursors.release, "surel", "satu")
    assert run(cursors.acquire, "contoh", "surel", "dua", book.now, book.now + MINUTE)


def test_the_only_process_waits_for_nobodys_lease(book, run):
    assert run(cursors.acquire, "contoh", "surel", "satu", book.now, book.now + MINUTE)
    assert run(cursors.advance, "surel", "satu", "9:1")
    run(cursors.seize, "surel")
    assert run(cursors.acquire, "contoh", "surel", "dua", book.now, book.now + MINUTE)
    assert run(cursors.body, "surel") == "9:1"


def test_accounts_have_leases_of_their_own(book, run):
    assert run(cursors.acquire, "contoh", "surel", "satu", book.now, book.now + MINUTE)
    assert run(cursors.acquire, "contoh", "surel-2", "dua", book.now, book.now + MINUTE)


def test_only_the_holder_moves_the_cursor_which_outlives_his_lease(book, run):
    assert run(cursors.body, "surel") is None
    assert run(cursors.acquire, "contoh", "surel", "satu", book.now, book.now + MINUTE)
    assert run(cursors.body, "surel") is None
    assert run(cursors.advance, "surel", "satu", "9:1")
    assert not run(cursors.advance, "surel", "dua", "9:2")
    run(cursors.release, "surel", "satu")
    assert not run(cursors.advance, "surel", "satu", "9:3")
    assert run(cursors.acquire, "contoh", "surel", "dua", book.now, book.now + MINUTE)
    assert run(cursors.body, "surel") == "9:1"
