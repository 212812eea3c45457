"""The writer: many acts, one commit; a bad act fails alone; what is lost is told, and comes back by itself."""

import asyncio
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa

from core import errors, model
from storage import dialect, people, schema, tables
from storage.dialect import embedded
from storage.store import Store
from storage.vault import Vault

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)


def new_store(database):
    return Store(database, Vault((b"k" * 32,)), SimpleNamespace(now=lambda: NOW))


@pytest.fixture
async def store(database_url):
    database = dialect.open_database(database_url)
    await asyncio.to_thread(schema.migrate, database)
    store = new_store(database)
    store.start()
    yield store
    await store.stop()


def add(tx, username):
    return people.add(tx, "contoh", username, username, model.Role.ADMIN, "no password", None, NOW)


async def usernames(store):
    return sorted(person.username for person in await store.read(people.all_, "contoh"))


class Gate:
    """Acts that keep every writer thread busy until it opens, so that what comes next waits together."""

    def __init__(self, store):
        self.event, self._store = threading.Event(), store
        self._held = threading.Semaphore(0)
        self.tasks = []

    async def __aenter__(self):
        for _ in range(self._store._database.writer_threads):
            self.tasks.append(asyncio.ensure_future(self._store.write(self._hold)))
            await asyncio.to_thread(self._held.acquire)
        return self

    def _hold(self, _):
        self._held.release()
        self.event.wait(10)

    async def __aexit__(self, *_):
        self.event.set()
        await asyncio.gather(*self.tasks)


async def test_a_bad_act_fails_alone_and_learns_why(store):
    def bad(tx):
        add(tx, "tidak-boleh-ada")
        raise ValueError("of its own")

    async with Gate(store) as gate:
        acts = [asyncio.ensure_future(store.write(add, f"orang{n}")) for n in range(6)]
        acts.insert(3, asyncio.ensure_future(store.write(bad)))
        acts.append(asyncio.ensure_future(store.write(add, "orang0")))  # taken: by a row of its own group
        await asyncio.sleep(0)
        gate.event.set()
        outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [model.Person] * 3 + [ValueError] + [model.Person] * 3 + [
        errors.NotAllowed
    ]
    assert await usernames(store) == [f"orang{n}" for n in range(6)]


async def test_a_group_of_128_is_one_commit(store, monkeypatch):
    commits = []
    transact = store._writer._transact

    def counted(connection, number, acts):
        commits.append(len(acts))
        return transact(connection, number, acts)

    monkeypatch.setattr(store._writer, "_transact", counted)
    async with Gate(store) as gate:
        commits.clear()
        acts = [asyncio.ensure_future(store.write(add, f"orang{n:03}")) for n in range(200)]
        await asyncio.sleep(0)
        gate.event.set()
        await asyncio.gather(*acts)
    assert max(commits) == 128
    assert sum(commits) == 200
    assert len(commits) <= 1 + store._database.writer_threads


async def test_nobody_is_told_before_the_commit_and_readers_see_no_half_of_an_act(store):
    async with Gate(store) as gate:
        act = asyncio.ensure_future(store.write(add, "siti"))
        assert await usernames(store) == []
        assert not act.done()
        gate.event.set()
        await act
    assert await usernames(store) == ["siti"]


async def test_subscribers_hear_of_what_was_committed_and_of_nothing_else(store):
    heard, done = [], asyncio.Event()

    def note(event):
        heard.append(event.key)
        if event.key == "last":
            done.set()

    def act(tx, key, fails=False):
        tx.publish(model.Event("contoh", "alarm", key))
        if fails:
            raise ValueError

    store.subscribe(note)
    await store.write(act, "first")
    with pytest.raises(ValueError):
        await store.write(act, "never", True)
    async with asyncio.timeout(5):
        while not done.is_set():  # a listener that is only just connecting has missed the first
            await store.write(act, "last")
            await asyncio.wait([asyncio.ensure_future(done.wait())], timeout=0.1)
    assert "never" not in heard


async def test_acts_of_two_processes_that_meet_at_the_same_row_all_succeed(database_url, store):
    if store._database.writer_threads == 1:
        with pytest.raises(errors.ConfigError, match="another aduan process"):
            new_store(dialect.open_database(database_url)).start()
        return
    other = new_store(dialect.open_database(database_url))
    other.start()

    def crossing(tx, first, second):
        for name in (first, second):
            tx.run(_RENAME, username_is=name, name="x")

    await store.write(add, "a")
    await store.write(add, "b")
    await asyncio.gather(
        *(one.write(crossing, *pair) for one, pair in [(store, ("a", "b")), (other, ("b", "a"))] for _ in range(10))
    )
    await other.stop()


_RENAME = (
    sa.update(tables.person)
    .where(tables.person.c.username == sa.bindparam("username_is"))
    .values(name=sa.bindparam("name", type_=sa.Text))
)


async def test_two_processes_that_add_the_same_thing_are_told_apart_by_the_database(database_url, store):
    if store._database.writer_threads == 1:
        return
    other = new_store(dialect.open_database(database_url))
    other.start()
    outcomes = await asyncio.gather(
        *(one.write(add, "siti") for one in (store, other) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotAllowed"] * 9 + ["Person"]
    await other.stop()


@pytest.mark.postgres
async def test_while_the_server_is_away_nothing_is_promised_and_afterwards_all_works_by_itself(own_postgresql_server):
    database = dialect.open_database(own_postgresql_server.new_database())
    await asyncio.to_thread(schema.migrate, database)
    store = new_store(database)
    store.start()
    await store.write(add, "sebelum")
    assert await usernames(store) == ["sebelum"]
    await asyncio.to_thread(own_postgresql_server.stop)
    for _ in range(2):
        outcomes = await asyncio.gather(*(store.write(add, f"saat{n}") for n in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {errors.StorageUnavailable}
        with pytest.raises(errors.StorageUnavailable):
            await store.read(people.all_, "contoh")
    await asyncio.to_thread(own_postgresql_server.start)
    await store.write(add, "sesudah")
    assert await usernames(store) == ["sebelum", "sesudah"]
    assert len(store._reading) <= 4
    await store.stop()


@pytest.mark.postgres
async def test_a_cut_connection_costs_one_group_and_the_acts_committed_before_it_know_so(postgresql_url):
    database = dialect.open_database(postgresql_url)
    await asyncio.to_thread(schema.migrate, database)
    database.writer_threads = 1
    store = new_store(database)
    store.start()

    def cut(tx):
        pid = tx._connection.info.backend_pid
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        tx.scalar(sa.select(sa.func.count()).select_from(tables.person))

    def bad(tx):
        raise ValueError

    async with Gate(store) as gate:
        acts = [bad, lambda tx: add(tx, "sebelum"), cut, lambda tx: add(tx, "sesudah")]
        waiting = [asyncio.ensure_future(store.write(act)) for act in acts]
        await asyncio.sleep(0)
        gate.event.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        ValueError,
        model.Person,
        errors.StorageUnavailable,
        errors.StorageUnavailable,
    ]
    assert await usernames(store) == ["sebelum"]
    await store.write(add, "lagi")
    await store.stop()


async def test_a_full_disk_refuses_clearly_and_room_made_later_is_used(tmp_path, monkeypatch):
    database = embedded.SQLite(tmp_path / "aduan.db")
    await asyncio.to_thread(schema.migrate, database)
    connect = database.connect
    room = {"pages": 10**6}

    def limited(*, read_only):
        connection = connect(read_only=read_only)
        if not read_only:
            connection.execute(f"PRAGMA max_page_count = {room['pages']}")
        return connection

    monkeypatch.setattr(database, "connect", limited)
    store = new_store(database)
    store.start()
    await store.write(add, "sebelum")
    room["pages"] = 1  # no less than it has now
    await store.write(lambda tx: tx._connection.execute("PRAGMA max_page_count = 1"))

    def fill(tx):
        for n in range(2000):
            add(tx, f"{n:0100}")

    with pytest.raises(errors.StorageUnavailable):
        await store.write(fill)
    assert await usernames(store) == ["sebelum"]
    room["pages"] = 10**6
    await store.write(lambda _: None)  # on a new connection
    await store.write(fill)
    assert len(await usernames(store)) == 2001
    await store.stop()


async def test_a_value_that_no_index_takes_is_the_acts_own_fault(store):
    name = "".join(chr(0x4E00 + n * 7 % 20000) for n in range(5000))
    if store._database.writer_threads == 1:
        await store.write(add, name)
        return
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        await store.write(add, name)
    await store.write(add, "siti")


async def test_what_comes_after_the_end_is_refused_and_what_came_before_is_committed(database_url):
    database = dialect.open_database(database_url)
    await asyncio.to_thread(schema.migrate, database)
    store = new_store(database)
    store.start()
    acts = [asyncio.ensure_future(store.write(add, f"orang{n}")) for n in range(20)]
    await asyncio.sleep(0)
    await store.stop()
    assert len(await asyncio.gather(*acts)) == 20
    with pytest.raises(errors.StorageUnavailable):
        await store.write(add, "terlambat")


async def test_a_reader_cannot_write_and_sees_one_moment(store):
    with pytest.raises(Exception, match="read"):
        await store.read(lambda tx: tx.run(_RENAME, username_is="a", name="b"))
    with pytest.raises(RuntimeError):
        await store.read(lambda tx: tx.new_id())
    read, written = threading.Event(), threading.Event()
    count = sa.select(sa.func.count()).select_from(tables.person)

    def twice(tx):
        before = tx.scalar(count)
        read.set()
        written.wait(10)
        return before, tx.scalar(count)

    reading = asyncio.ensure_future(store.read(twice))
    await asyncio.to_thread(read.wait)
    await store.write(add, "siti")
    written.set()
    assert await reading == (0, 0)
