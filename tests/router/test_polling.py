"""Listening to polled accounts: one process at a time, every item once, and no cursor ahead of what is committed."""

import asyncio
import contextlib
import re
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from connectors import registry
from core import errors, model, ports
from router.desk import Desk
from router.polling import Pace, Supervisor
from storage import alarms, cursors

WAIT_SECONDS = 15
LARGE = b" " * 1_000_000  # of such a size an item is read in a thread
PACE = Pace(
    renewal=timedelta(milliseconds=20), settled=timedelta(milliseconds=100), pause=timedelta(milliseconds=2),
    longest_pause=timedelta(milliseconds=5), refused=timedelta(milliseconds=5),
    longest_refused=timedelta(milliseconds=5),
)  # fmt: skip


@dataclass
class Postbox:
    """A provider that holds numbered items and is asked for them; a cursor is the number of the last one taken."""

    channel = "postbox"
    capabilities = model.Capabilities("Kotak", "KT", model.Limit(1000))
    items: list[bytes] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    listening: list[str | None] = field(default_factory=list)  # every cursor it was asked from
    now_listening: int = 0
    most_listening: int = 0
    reading: threading.Event = field(default_factory=threading.Event)
    may_read: threading.Event = field(default_factory=threading.Event)
    hand_over: Callable[["Postbox", int, ports.Take], object] | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, cursor: str | None, take: ports.Take) -> None:
        self.listening.append(cursor)
        if self.troubles:
            raise self.troubles.pop(0)
        self.now_listening += 1
        self.most_listening = max(self.most_listening, self.now_listening)
        try:
            if self.hand_over is not None:
                await self.hand_over(self, int(cursor or 0), take)
            number = int(cursor or 0)
            while True:
                while number < len(self.items):
                    number += 1
                    await take(self.request(number), str(number))
                self.came.clear()
                await self.came.wait()
        finally:
            self.now_listening -= 1

    def request(self, number: int) -> ports.RawRequest:
        from tests.router.conftest import WEDNESDAY_MORNING

        return ports.RawRequest("pos", f"pos/{number}", {}, self.items[number - 1], WEDNESDAY_MORNING)

    def parse(self, request: ports.RawRequest) -> list[model.InboundEvent]:
        if request.body.startswith(b"rusak"):
            raise errors.PayloadError("no item")
        if request.body.startswith(b"lambat"):
            self.reading.set()
            self.may_read.wait(WAIT_SECONDS)
        text = request.body.strip().decode()
        return [model.InboundMessage(f"{request.target}/{text}", f"warga-{text}", text)]

    def add(self, *items: str) -> None:
        self.items += [item.encode() for item in items]
        self.came.set()


@pytest.fixture
def box() -> Postbox:
    return Postbox()


@pytest.fixture
def desk(world, box) -> Desk:
    account = model.Account("pos", box.channel, "contoh", box.capabilities)
    return replace(world.desk, accounts={"pos": account}, connectors={"pos": box})


@contextlib.asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(desk, PACE)
    task = asyncio.ensure_future(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await task


async def until(condition: Callable[[], object]):
    """Return the first true value of a condition that some process changes."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (value := await condition()):  # noqa: ASYNC110 - of what stands in the database nobody tells
            await asyncio.sleep(0.005)
    return value


@pytest.fixture
def texts(world):
    async def stored() -> list[str]:  # sorted: rows that are made at once have no order
        return sorted(row.text for row in await world.rows("message", "kind = 'complaint'"))

    return stored


@pytest.fixture
def cursor(world):
    async def stands() -> str | None:
        return await world.look(cursors.body, "pos")

    return stands


@pytest.fixture
def alarmed(world):
    async def kinds() -> set[model.AlarmKind]:
        return {alarm.kind for alarm in await world.look(alarms.open_, "contoh")}

    return kinds


class TestListening:
    async def test_every_item_is_a_complaint_and_the_next_start_goes_on_after_it(self, desk, box, texts, cursor):
        box.add("satu", "dua")
        async with running(desk):
            await until(lambda: _equals(cursor, "2"))
            box.add("tiga")
            await until(lambda: _equals(cursor, "3"))
        box.add("empat")
        async with running(desk):
            await until(lambda: _equals(cursor, "4"))
        assert await texts() == ["dua", "empat", "satu", "tiga"]
        assert box.listening == [None, "3"]

    async def test_what_cannot_be_read_is_quarantined_and_passed(self, desk, box, texts, cursor, world):
        box.add("satu", "rusak", "tiga")
        async with running(desk):
            await until(lambda: _equals(cursor, "3"))
        assert await texts() == ["satu", "tiga"]
        states = [row.state for row in await world.rows("raw_item")]
        assert sorted(states) == ["processed", "processed", "quarantined"]

    async def test_a_cursor_waits_for_all_that_was_handed_over_before_it(self, desk, box, texts, cursor):
        async def hand_over(box: Postbox, number: int, take: ports.Take) -> None:
            if number == 0:
                await asyncio.gather(
                    take(box.request(1), None), take(box.request(2), "2"), take(box.request(3), None)
                )  # fmt: skip

        box.hand_over = hand_over
        box.items = [b"lambat" + LARGE, b"dua", b"tiga"]
        async with running(desk):
            await until(texts)
            assert box.reading.is_set()
            assert await texts() == ["tiga"]
            assert await cursor() is None
            box.may_read.set()
            await until(lambda: _equals(cursor, "2"))
            assert await texts() == ["dua", "lambat", "tiga"]

    async def test_what_is_handed_over_when_it_stops_is_committed_first(self, desk, box, texts, cursor):
        box.items = [b"lambat" + LARGE]
        supervisor = Supervisor(desk, PACE)
        task = asyncio.ensure_future(supervisor.run())
        await asyncio.to_thread(box.reading.wait, WAIT_SECONDS)
        supervisor.stop()
        await until(lambda: _equals(lambda: _value(box.now_listening), 0))
        assert not task.done()
        box.may_read.set()
        await task
        assert await texts() == ["lambat"]
        assert await cursor() == "1"


class TestOneAtATime:
    async def test_of_many_processes_one_listens_and_another_follows_it(self, desk, box, cursor, texts):
        box.add("satu")
        async with running(desk):
            async with running(desk), running(desk):
                await until(lambda: _equals(cursor, "1"))
            box.add("dua")
            await until(lambda: _equals(cursor, "2"))
        assert box.most_listening == 1
        assert await texts() == ["dua", "satu"]

    async def test_the_only_one_there_can_be_waits_for_no_lease_of_the_dead(self, desk, box, cursor, world):
        until_at = world.clock.now() + timedelta(hours=1)
        await desk.store.write(cursors.acquire, "contoh", "pos", "mati", world.clock.now(), until_at)
        box.add("satu")
        supervisor = Supervisor(desk, PACE, is_alone=True)
        task = asyncio.ensure_future(supervisor.run())
        await until(lambda: _equals(cursor, "1"))
        supervisor.stop()
        await task

    async def test_whose_lease_was_taken_stops_and_has_changed_nothing(self, desk, box, cursor, texts, world):
        box.items = [b"lambat" + LARGE]
        async with running(desk):
            await asyncio.to_thread(box.reading.wait, WAIT_SECONDS)
            # As if this process had slept through its lease.
            until_at = world.clock.now() + timedelta(hours=1)
            world.clock.forward(minutes=2)
            await desk.store.write(cursors.acquire, "contoh", "pos", "lain", world.clock.now(), until_at)
            box.may_read.set()
            await until(lambda: _equals(lambda: _value(box.now_listening), 0))
            assert await cursor() is None
            assert await texts() == []

    async def test_who_lost_it_before_the_next_renewal_learns_by_the_cursor(self, desk, box, cursor, texts, world):
        slow = replace(PACE, renewal=timedelta(hours=1))
        supervisor = Supervisor(desk, slow)
        task = asyncio.ensure_future(supervisor.run())
        await until(lambda: _equals(lambda: _value(box.now_listening), 1))
        world.clock.forward(minutes=2)
        assert await desk.store.write(
            cursors.acquire, "contoh", "pos", "lain", world.clock.now(), world.clock.now() + timedelta(hours=1)
        )
        box.add("satu")
        await until(lambda: _equals(lambda: _value(box.now_listening), 0))
        assert await cursor() is None
        assert await texts() == []
        supervisor.stop()
        await task


class TestTrouble:
    async def test_refused_credentials_raise_an_alarm_at_once_and_success_clears_it(self, desk, box, alarmed, cursor):
        box.troubles = [errors.AccountSuspended("refused")]
        hold = asyncio.Event()

        async def hand_over(*_) -> None:
            await hold.wait()

        box.hand_over = hand_over
        box.add("satu")
        async with running(desk):
            await until(alarmed)
            assert await alarmed() == {model.AlarmKind.ACCOUNT_SUSPENDED}
            hold.set()
            await until(lambda: _equals(alarmed, set()))
            await until(lambda: _equals(cursor, "1"))

    async def test_an_account_out_of_reach_raises_one_after_some_attempts(self, desk, box, alarmed):
        box.troubles = [errors.TransientSendError("cut")] * 3
        async with running(desk):
            await until(lambda: _equals(lambda: _value(box.now_listening), 1))
            assert await alarmed() == set()
        box.troubles = [errors.TransientSendError("cut"), RuntimeError("a mistake of ours")] * 3
        async with running(desk):
            await until(lambda: _equals(alarmed, {model.AlarmKind.ACCOUNT_UNREACHABLE}))
            await until(lambda: _equals(alarmed, set()))  # it listens for a while without an item: that is well too

    async def test_it_is_not_asked_before_the_provider_allows(self, desk, box):
        box.troubles = [errors.TransientSendError("slow down", retry_after=timedelta(hours=1))]
        async with running(desk):
            await until(lambda: _value(box.listening))
            await asyncio.sleep(0.1)  # many times the pause it would else have made
        assert box.listening == [None]


class TestAMailbox:
    """The same with a real connector and a real server."""

    @pytest.fixture
    def desk(self, world, dovecot) -> Desk:
        entry = registry.CHANNELS["email"]
        settings = entry.settings.model_validate(
            {
                "address": "pengaduan@kota-contoh.example",
                "thread_secret": secrets.token_hex(32),
                "smtp": {"host": "localhost", "security": "none"},
                "imap": {
                    "host": "localhost",
                    "port": dovecot.imap_port,
                    "security": "none",
                    "username": f"u{secrets.token_hex(6)}",
                    "password": "secret",
                },
            }
        )
        account = model.Account("pos", "email", "contoh", entry.capabilities)
        connectors = {"pos": entry.create("pos", settings, "https://aduan.contoh.go.id")}
        return replace(world.desk, accounts={"pos": account}, connectors=connectors)

    async def test_asked_by_two_processes_gives_each_mail_once(self, desk, dovecot, texts, world):
        user = desk.connectors["pos"]._settings.imap.username
        mails = [
            f"From: warga{n}@contoh.example\r\nMessage-ID: <{n}@contoh.example>\r\nSubject: KTP {n}\r\n\r\n"
            f"KTP {n} belum jadi.\r\n".encode()
            for n in range(60)
        ]
        dovecot.deliver(user, *mails[:30])
        async with running(desk):
            async with running(desk):
                await until(lambda: _reaches(texts, 30))
            dovecot.deliver(user, *mails[30:])
            await until(lambda: _reaches(texts, 60))
        found = [re.search(r"KTP (\d+) belum", text)[1] for text in await texts()]
        assert sorted(map(int, found)) == list(range(60))
        assert len(await world.rows("outbox", "kind = 'acknowledgement'")) == 60
        with dovecot.client(user) as client:
            assert len(client.search(["KEYWORD", "$Aduan"])) == 60


async def _equals(read: Callable[[], object], wanted: object) -> bool:
    return await read() == wanted


async def _reaches(read: Callable[[], object], count: int) -> bool:
    return len(await read()) >= count


async def _value(value: object) -> object:
    return value
