"""A Maildir as mail servers deliver into it: taken from `new`, moved to `cur`, and nothing half written."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.mail import handover, maildir
from core import errors, ports

WAIT_SECONDS = 10
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


class Standing:
    def now(self) -> datetime:
        return NOW


@dataclass
class Taken:
    refuse: Callable[[ports.RawRequest], Exception | None] = lambda _: None
    requests: list[ports.RawRequest] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)

    async def take(self, request: ports.RawRequest, cursor: str | None) -> None:
        self.attempts.append(request.target)
        if (error := self.refuse(request)) is not None:
            raise error
        self.requests.append(request)
        self.cursors.append(cursor)

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]


@dataclass
class Folder:
    path: Path

    def deliver(self, name: str, body: bytes = b"From: warga@contoh.example\n\nHalo\n", age: timedelta = timedelta(0)):
        """Write to `tmp`, then link into `new`, as the format asks of whoever delivers."""
        written = self.path / "tmp" / name
        written.write_bytes(body)
        moment = (NOW - age).timestamp()
        os.utime(written, (moment, moment))
        written.rename(self.path / "new" / name)

    def names(self, folder: str) -> set[str]:
        return {path.name for path in (self.path / folder).iterdir()}

    @contextlib.asynccontextmanager
    async def listening(
        self, taken: Taken, cursor: str | None = "read", **settings
    ) -> AsyncIterator[asyncio.Future[None]]:
        given = maildir.Settings(path=self.path, poll_seconds=0.01, **settings)
        task = asyncio.ensure_future(maildir.Maildir("surel", given, Standing()).listen(cursor, taken.take))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    return Folder(tmp_path)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.005)


async def test_takes_the_oldest_first_and_moves_them_as_seen(folder):
    folder.deliver("2.b.host", age=timedelta(minutes=1))
    folder.deliver("9.a.host", age=timedelta(minutes=2))
    taken = Taken()
    async with folder.listening(taken):
        await until(lambda: not folder.names("new"))
        folder.deliver("3.c.host:2,")
        await until(lambda: not folder.names("new"))
    assert taken.targets == ["maildir:9.a.host", "maildir:2.b.host", "maildir:3.c.host"]
    assert folder.names("cur") == {"9.a.host:2,S", "2.b.host:2,S", "3.c.host:2,S"}
    first = taken.requests[0]
    assert (first.account, first.headers) == ("surel", {"content-type": "message/rfc822"})
    assert first.body == b"From: warga@contoh.example\n\nHalo\n"
    assert first.received_at == NOW - timedelta(minutes=2)


async def test_a_time_to_come_is_now(folder):
    folder.deliver("1.a.host", age=-timedelta(days=1))
    taken = Taken()
    async with folder.listening(taken):
        await until(lambda: taken.requests)
    assert taken.requests[0].received_at == NOW


async def test_only_what_is_wholly_delivered_is_looked_at(folder):
    (folder.path / "tmp" / "1.a.host").write_bytes(b"From: war")
    (folder.path / "new" / ".hidden").write_bytes(b"x")
    (folder.path / "new" / "folder").mkdir()
    (folder.path / "new" / "link").symlink_to("/etc/hostname")
    folder.deliver("2.b.host")
    taken = Taken()
    async with folder.listening(taken):
        await until(lambda: folder.names("cur"))
    assert taken.targets == ["maildir:2.b.host"]
    assert folder.names("new") == {".hidden", "folder", "link"}


async def test_moves_nothing_before_it_is_committed(folder):
    folder.deliver("1.a.host")
    seen = []
    taken = Taken(refuse=lambda _: seen.append(folder.names("new")))
    async with folder.listening(taken):
        await until(lambda: folder.names("cur"))
    assert seen == [{"1.a.host"}]


async def test_waits_for_the_database(folder):
    folder.deliver("1.a.host")
    away = [errors.StorageUnavailable("")]
    taken = Taken(refuse=lambda _: away.pop() if away else None)
    async with folder.listening(taken):
        await until(lambda: folder.names("cur"))
    assert len(taken.attempts) == 2


async def test_one_that_is_refused_is_left_and_the_others_go_on(folder):
    for name in ("1.a.host", "2.racun.host", "3.c.host"):
        folder.deliver(name)
    taken = Taken(refuse=lambda request: RuntimeError("a mistake of ours") if "racun" in request.target else None)
    async with folder.listening(taken):
        await until(lambda: len(taken.attempts) >= 2 + maildir._TRIES)
        folder.deliver("4.d.host")
        await until(lambda: len(folder.names("cur")) == 3)
    assert folder.names("new") == {"2.racun.host"}
    assert taken.attempts.count("maildir:2.racun.host") == maildir._TRIES


async def test_one_that_may_not_be_read_is_told_of_once_and_passed(folder, monkeypatch):
    folder.deliver("1.a.host")
    folder.deliver("2.b.host")
    opened = Path.open

    def refused(path: Path, *args, **more):  # tests may run as root, whom no permission stops
        if path.name == "1.a.host":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    given = maildir.Settings(path=folder.path, poll_seconds=0.01)
    source, taken = maildir.Maildir("surel", given, Standing()), Taken()
    with capture_logs() as logs:
        task = asyncio.ensure_future(source.listen("read", taken.take))
        await until(lambda: folder.names("cur"))
        folder.deliver("3.c.host")
        await until(lambda: len(folder.names("cur")) == 2)
        task.cancel()
        await asyncio.wait([task])
    assert taken.targets == ["maildir:2.b.host", "maildir:3.c.host"]
    assert [line["event"] for line in logs] == ["mails_unreadable"]
    assert source.unreadable_count == 1


async def test_of_one_too_large_the_beginning_is_taken(folder):
    folder.deliver("1.a.host", b"From: warga@contoh.example\n\n" + b"a" * 600 * 1024)
    taken = Taken()
    async with folder.listening(taken, max_bytes=512 * 1024):
        await until(lambda: folder.names("cur"))
    assert len(taken.requests[0].body) == handover.HEAD_BYTES
    assert int(taken.requests[0].headers[handover.TRUNCATED]) > 600 * 1024


async def test_what_lay_there_before_us_is_told_apart(folder):
    folder.deliver("1.a.host", age=timedelta(days=3))
    folder.deliver("2.b.host", age=timedelta(hours=3))
    taken = Taken()
    async with folder.listening(taken, cursor=None):
        await until(lambda: len(folder.names("cur")) == 2)
        folder.deliver("3.c.host", age=timedelta(days=3))  # delayed on its way; waited for all the same
        await until(lambda: len(folder.names("cur")) == 3)
    assert [handover.BACKFILL in request.headers for request in taken.requests] == [True, False, False]
    again = Taken()
    folder.deliver("4.d.host", age=timedelta(days=3))
    async with folder.listening(again, cursor=taken.cursors[-1]):
        await until(lambda: again.requests)
    assert handover.BACKFILL not in again.requests[0].headers


async def test_a_first_look_that_is_broken_off_goes_on_as_one(folder, monkeypatch):
    monkeypatch.setattr(maildir, "_CHUNK", 1)
    for n in (1, 2, 3):
        folder.deliver(f"{n}.a.host", age=timedelta(days=3))
    taken = Taken()
    async with folder.listening(taken, cursor=None):
        await until(lambda: len(folder.names("cur")) == 3)
    assert taken.cursors == [None, None, "read"]


async def test_a_folder_that_is_missing_is_told(folder):
    (folder.path / "cur").rmdir()
    async with folder.listening(Taken()) as task:
        await asyncio.wait([task], timeout=WAIT_SECONDS)
    assert isinstance(task.exception(), errors.TransientSendError)
    with pytest.raises(errors.TransientSendError):
        await maildir.Maildir("surel", maildir.Settings(path=folder.path)).check()
