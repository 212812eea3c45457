"""Listening to a mailbox of a real Dovecot: over a wire that breaks, on servers that can little, and once each."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.mail import fetching, handover, imap, sessions, watermark
from core import errors, ports
from tests.cuts import Wire, wire
from tests.dovecot import PASSWORD, Dovecot

WAIT_SECONDS = 15
KEYWORD = b"$Aduan"


class AtOnce:
    """The present, with which Dovecot's own times agree."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Taken:
    """What was handed over; it stands where intake stands, and may refuse as intake may."""

    refuse: Callable[[ports.RawRequest, str | None], Exception | None] = lambda *_: None
    requests: list[ports.RawRequest] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None

    async def take(self, request: ports.RawRequest, cursor: str | None) -> None:
        self.attempts.append(self.text(request))
        self.changed.set()
        if self.hold is not None:
            await self.hold.wait()
        if (error := self.refuse(request, cursor)) is not None:
            raise error
        self.requests.append(request)
        if cursor is not None:
            self.cursors.append(cursor)
        self.changed.set()

    @property
    def texts(self) -> list[str]:
        return [self.text(request) for request in self.requests]

    @staticmethod
    def text(request: ports.RawRequest) -> str:
        return re.search(rb"\nSubject: ([^\r]*)", request.body)[1].decode()


@dataclass
class Box:
    """One user's mailbox, and ways to listen to it."""

    server: Dovecot
    user: str

    def deliver(self, *texts: str, size: int = 0) -> None:
        self.server.deliver(self.user, *(mail(text, size) for text in texts))

    def settings(self, **more) -> imap.Settings:
        given = {
            "host": "127.0.0.1", "port": self.server.imap_port, "security": "none", "username": self.user,
            "password": PASSWORD,
        } | more  # fmt: skip
        return imap.Settings(**given)

    @contextlib.asynccontextmanager
    async def listening(
        self, taken: Taken | None = None, cursor: str | None = None, **settings
    ) -> AsyncIterator["Listening"]:
        taken = taken or Taken()
        mailbox = imap.Mailbox("surel", self.settings(**settings), AtOnce())
        task = asyncio.ensure_future(mailbox.listen(cursor, taken.take))
        try:
            yield Listening(taken, task)
        finally:
            task.cancel()
            await asyncio.wait([task])

    def flags(self, folder: str = "INBOX") -> dict[str, tuple[bytes, ...]]:
        """Return the flags of every mail, by its subject."""
        with self.server.client(self.user, folder) as client:
            found = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"])
        return {
            re.search(rb"\nSubject: ([^\r]*)", parts[b"BODY[]"])[1].decode(): parts[b"FLAGS"]
            for _, parts in sorted(found.items())
        }

    async def until_flags(self, wanted: Callable[[dict[str, tuple[bytes, ...]]], bool], folder: str = "INBOX"):
        async with asyncio.timeout(WAIT_SECONDS):
            while not wanted(flags := await asyncio.to_thread(self.flags, folder)):
                pass
        return flags


@dataclass
class Listening:
    taken: Taken
    task: asyncio.Future[None]

    async def until(self, condition: Callable[[Taken], object]) -> Taken:
        """Wait until it holds of what was taken; fails when listening ends before."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition(self.taken):
                self.taken.changed.clear()
                waiting = asyncio.ensure_future(self.taken.changed.wait())
                await asyncio.wait([waiting, self.task], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self.task.done():
                    self.task.result()
        return self.taken

    async def count(self, number: int) -> Taken:
        return await self.until(lambda taken: len(taken.requests) >= number)

    async def ends(self) -> BaseException:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.wait([self.task])
        return self.task.exception()


def mail(text: str, size: int = 0) -> bytes:
    return f"From: warga@contoh.example\r\nSubject: {text}\r\n\r\n{'x' * 70}\r\n".encode() + b"a" * size + b"\r\n"


@pytest.fixture
def box(dovecot: Dovecot) -> Box:
    return Box(dovecot, f"u{secrets.token_hex(6)}")


@pytest.fixture
async def laid(box: Box) -> AsyncIterator[Wire]:
    async with wire(box.server.imap_port) as laid:
        yield laid


async def idles(laid: Wire, times: int = 1) -> None:
    await laid.hears(b" IDLE\r\n", times)


class TestListening:
    async def test_takes_what_waits_and_what_comes_as_the_server_has_it(self, box):
        box.deliver("satu", "dua")
        async with box.listening() as listening:
            await listening.count(2)
            box.deliver("tiga")
            taken = await listening.count(3)
        assert taken.texts == ["satu", "dua", "tiga"]
        first = taken.requests[0]
        assert first.account == "surel"
        assert re.fullmatch(r"imap:\d+/1", first.target)
        assert first.headers == {"content-type": "message/rfc822"}
        assert first.body.endswith(mail("satu"))
        assert first.received_at.tzinfo is UTC
        assert timedelta() <= datetime.now(UTC) - first.received_at < timedelta(minutes=1)

    async def test_marks_what_was_taken_and_leaves_it_unread(self, box):
        box.deliver("satu", "dua")
        async with box.listening() as listening:
            await listening.count(2)
            flags = await box.until_flags(lambda flags: all(flags.values()))
        assert flags == {"satu": (KEYWORD,), "dua": (KEYWORD,)}

    async def test_takes_what_somebody_has_read_already(self, box):
        box.deliver("satu")
        with box.server.client(box.user) as client:
            client.add_flags([1], [b"\\Seen"])
        async with box.listening() as listening:
            await listening.count(1)

    async def test_marks_nothing_before_it_is_committed(self, box):
        box.deliver("satu", "dua")
        taken = Taken(hold=asyncio.Event())
        async with box.listening(taken) as listening:
            await listening.until(lambda taken: taken.attempts)
            assert box.flags() == {"satu": (), "dua": ()}
            taken.hold.set()
            await box.until_flags(lambda flags: all(flags.values()))

    async def test_hands_one_authors_mails_over_one_after_the_other(self, box):
        rest = b"\r\nSubject: %s\r\n\r\nIsi.\r\n"
        for author, text in ((b"siti", b"satu"), (b"budi", b"dua"), (b"siti", b"tiga"), (b"ani", b"empat")):
            box.server.deliver(box.user, b"From: " + author + b"@contoh.example" + rest % text)
        taken = Taken(hold=asyncio.Event())
        async with box.listening(taken) as listening:
            await listening.until(lambda taken: len(taken.attempts) == 2)
            assert taken.attempts == ["satu", "dua"]
            taken.hold.set()
            texts = (await listening.count(4)).texts
        assert texts.index("satu") < texts.index("tiga")

    async def test_goes_on_where_it_was_left(self, box):
        box.deliver("satu", "dua")
        async with box.listening() as listening:
            cursor = (await listening.count(2)).cursors[-1]
        box.deliver("tiga")
        async with box.listening(cursor=cursor) as listening:
            assert (await listening.count(1)).texts == ["tiga"]

    async def test_ends_at_once_when_cancelled_while_it_idles(self, box, laid):
        async with box.listening(port=laid.port) as listening:
            await idles(laid)
            listening.task.cancel()
            async with asyncio.timeout(1.5):  # the thread has two seconds for its farewell, and needs none
                await asyncio.wait([listening.task])

    async def test_works_over_tls_and_after_starttls(self, box):
        box.deliver("satu")
        secure = {"host": "localhost", "ca_file": box.server.ca_file}
        for more in ({"security": "tls", "port": box.server.imaps_port}, {"security": "starttls"}):
            async with box.listening(**secure, **more) as listening:
                await listening.count(1)

    async def test_reads_a_mail_that_comes_while_tls_idles(self, box):
        secure = {"host": "localhost", "ca_file": box.server.ca_file, "security": "tls", "port": box.server.imaps_port}
        box.deliver("satu")
        async with box.listening(**secure) as listening:
            await listening.count(1)
            await box.until_flags(lambda flags: all(flags.values()))
            box.deliver("dua")
            await listening.count(2)


class TestTheFirstLook:
    async def test_goes_back_so_many_days_and_tells_what_is_old(self, box):
        now = datetime.now(UTC)
        with box.server.client(box.user) as client:
            for days, text in ((40, "purba"), (5, "lama"), (0, "baru")):
                client.append("INBOX", mail(text), msg_time=now - timedelta(days=days))
        async with box.listening(first_fetch_days=10) as listening:
            taken = await listening.count(2)
            box.deliver("kini")
            await listening.count(3)
        assert taken.texts == ["lama", "baru", "kini"]
        assert ["first=" in cursor for cursor in taken.cursors] == [True, False]
        assert [handover.BACKFILL in request.headers for request in taken.requests] == [True, False, False]
        assert abs(taken.requests[0].received_at - (now - timedelta(days=5))) < timedelta(seconds=2)

    async def test_goes_in_pages_and_on_where_it_was_cut_off(self, box, monkeypatch):
        for name, value in (("_WINDOW", 7), ("_PAGE", 5), ("_CHUNK", 3)):
            monkeypatch.setattr(fetching, name, value)
        box.deliver(*(f"surat {n}" for n in range(1, 41)))
        with box.server.client(box.user) as client:
            client.append("INBOX", mail("purba"), msg_time=datetime.now(UTC) - timedelta(days=99))
        taken = Taken(refuse=lambda request, _: errors.StorageUnavailable("") if "20" in Taken.text(request) else None)
        async with box.listening(taken) as listening:
            await listening.until(lambda taken: "surat 20" in taken.attempts)
        assert set(taken.texts) >= {f"surat {n}" for n in range(1, 19)}
        async with box.listening(cursor=taken.cursors[-1]) as listening:
            again = await listening.until(lambda again: "surat 40" in again.texts)
            box.deliver("kini")
            await listening.until(lambda again: "kini" in again.texts)
        assert {*taken.texts, *again.texts} == {*(f"surat {n}" for n in range(1, 41)), "kini"}
        assert len(again.texts) < 30

    async def test_passes_over_numbers_that_are_gone(self, box, monkeypatch):
        monkeypatch.setattr(fetching, "_WINDOW", 2)
        box.deliver(*(str(n) for n in range(1, 31)))
        with box.server.client(box.user) as client:
            client.delete_messages(list(range(1, 30)))
            client.expunge()
        async with box.listening() as listening:
            assert (await listening.count(1)).texts == ["30"]

    async def test_a_mail_that_somebody_removes_meanwhile_is_no_error(self, box, monkeypatch):
        monkeypatch.setattr(fetching, "_CHUNK", 1)
        box.deliver("satu", "dua", "tiga")
        taken = Taken(hold=asyncio.Event())
        async with box.listening(taken) as listening:
            await listening.until(lambda taken: taken.attempts)
            with box.server.client(box.user) as client:
                client.delete_messages([2])
                client.expunge()
            taken.hold.set()
            assert (await listening.count(2)).texts == ["satu", "tiga"]

    async def test_of_a_mail_too_large_the_beginning_is_taken_and_the_rest_left(self, box):
        box.deliver("besar", size=600 * 1024)
        box.deliver("kecil")
        async with box.listening(max_bytes=512 * 1024, processed_folder="Selesai") as listening:
            taken = await listening.count(2)
            await box.until_flags(lambda flags: flags == {"besar": (KEYWORD,)})
        assert taken.texts == ["besar", "kecil"]
        assert int(taken.requests[0].headers[handover.TRUNCATED]) > 600 * 1024
        assert len(taken.requests[0].body) == handover.HEAD_BYTES
        assert handover.TRUNCATED not in taken.requests[1].headers


class TestTheWire:
    async def test_a_mail_told_of_in_the_packet_that_begins_idle_is_not_missed(self, box, laid):
        held = b""

        def join(passing: bytes) -> bytes:
            """Hold `+ idling` back until the next word of the server."""
            nonlocal held
            if passing == b"+ idling\r\n":
                held = passing
                return b""
            passing, held = held + passing, b""
            return passing

        laid.to_client = join
        async with box.listening(port=laid.port) as listening:
            await idles(laid)
            box.deliver("satu")
            await listening.count(1)

    async def test_nor_one_told_of_just_before(self, box, laid):
        laid.to_client = lambda passing: passing.replace(b"+ idling", b"* 1 EXISTS\r\n+ idling")
        async with box.listening(port=laid.port):
            await idles(laid, 3)  # a minute would pass between them, had it not been heard

    async def test_a_line_in_two_packets_is_one_line(self, box, laid):
        async def rest(half: bytes) -> None:
            await asyncio.sleep(0.05)  # the time a second packet takes
            for writer in laid._writers:
                if writer.get_extra_info("sockname")[1] == laid.port:
                    writer.write(half)

        tasks = []

        def split(passing: bytes) -> bytes:
            if b"* 1 EXISTS" in passing and b"SELECT" not in passing and b"FLAGS" not in passing:
                half = passing.index(b"EXISTS") + 3
                tasks.append(asyncio.ensure_future(rest(passing[half:])))
                return passing[:half]
            return passing

        laid.to_client = split
        async with box.listening(port=laid.port) as listening:
            await idles(laid)
            box.deliver("satu")
            await listening.count(1)
        assert tasks

    async def test_a_server_that_cannot_idle_is_asked(self, box, laid):
        laid.to_client = lambda passing: passing.replace(b" IDLE", b" XDLE")
        async with box.listening(port=laid.port, poll_seconds=0.05) as listening:
            await laid.hears(b" NOOP")
            box.deliver("satu")
            await listening.count(1)
        assert b" IDLE" not in laid.heard

    async def test_a_cut_connection_is_told(self, box, laid):
        async with box.listening(port=laid.port) as listening:
            await idles(laid)
            laid.cut()
            assert isinstance(await listening.ends(), errors.TransientSendError)

    async def test_a_farewell_is_told(self, box, laid):
        async with box.listening(port=laid.port) as listening:
            await idles(laid)
            for writer in laid._writers:
                if writer.get_extra_info("sockname")[1] == laid.port:
                    writer.write(b"* BYE shutting down\r\n")
            assert isinstance(await listening.ends(), errors.TransientSendError)

    async def test_a_stopped_server_is_told(self, own_dovecot):
        box = Box(own_dovecot, "warga")
        box.deliver("satu")
        async with box.listening() as listening:
            await listening.count(1)
            own_dovecot.stop()
            assert isinstance(await listening.ends(), errors.TransientSendError)
        async with box.listening() as listening:
            assert isinstance(await listening.ends(), errors.TransientSendError)

    async def test_a_wire_that_is_dead_without_an_end_is_told(self, box, laid, monkeypatch):
        monkeypatch.setattr(sessions, "_READ_SECONDS", 0.3)
        async with box.listening(port=laid.port, poll_seconds=0.2) as listening:
            await idles(laid)
            laid.is_dead = True
            assert isinstance(await listening.ends(), errors.TransientSendError)

    async def test_a_cut_between_commit_and_mark_costs_no_mark(self, box, laid):
        box.deliver("satu", "dua")
        laid.on_command = lambda command: laid.cut() if b" STORE " in command else None
        async with box.listening(port=laid.port) as listening:
            assert isinstance(await listening.ends(), errors.TransientSendError)
        assert listening.taken.texts == ["satu", "dua"]
        async with box.listening(cursor=listening.taken.cursors[-1]) as again:
            await box.until_flags(lambda flags: flags == {"satu": (KEYWORD,), "dua": (KEYWORD,)})
        assert again.taken.requests == []


class TestAFolderMadeAnew:
    async def test_is_read_again_from_its_beginning(self, box):
        box.deliver("satu", "dua")
        async with box.listening() as listening:
            taken = await listening.count(2)
        box.server.renumber(box.user)
        box.deliver("tiga")
        async with box.listening(cursor=taken.cursors[-1]) as listening:
            again = await listening.count(3)
        assert set(again.texts) == {"satu", "dua", "tiga"}
        assert not {r.target for r in again.requests} & {r.target for r in taken.requests}

    async def test_that_is_away_for_now_is_told(self, box):
        async with box.listening(folder="Tidak ada") as listening:
            error = await listening.ends()
        assert isinstance(error, errors.TransientSendError)
        assert "folder" in str(error)


class TestMarking:
    async def test_moves_what_was_taken(self, box):
        box.deliver("satu", "dua")
        async with box.listening(processed_folder="Selesai") as listening:
            await listening.count(2)
            await box.until_flags(lambda flags: not flags)
        assert set(box.flags("Selesai")) == {"satu", "dua"}

    async def test_copies_and_removes_where_nothing_can_be_moved(self, box, laid):
        box.deliver("satu", "dua")
        laid.to_client = lambda passing: passing.replace(b" MOVE", b" XOVE")
        async with box.listening(port=laid.port, processed_folder="Selesai") as listening:
            await listening.count(2)
            await box.until_flags(lambda flags: not flags)
        assert set(box.flags("Selesai")) == {"satu", "dua"}

    async def test_removes_nothing_where_others_would_go_too(self, box, laid):
        box.deliver("satu")
        laid.to_client = lambda passing: passing.replace(b" MOVE", b" XOVE").replace(b" UIDPLUS", b" XIDPLUS")
        async with box.listening(port=laid.port, processed_folder="Selesai") as listening:
            await listening.count(1)
            assert await box.until_flags(lambda flags: all(flags.values())) == {"satu": (KEYWORD,)}

    @pytest.mark.parametrize(
        ("said", "instead"), [(b" \\*)", b")"), (b"[READ-WRITE]", b"[READ-ONLY]")], ids=["no keywords", "read-only"]
    )
    async def test_leaves_a_mailbox_as_it_is_where_it_must(self, box, laid, said, instead):
        laid.to_client = lambda passing: passing.replace(said, instead)
        box.deliver("satu")
        async with box.listening(port=laid.port) as listening:
            taken = await listening.count(1)
            await idles(laid)
            box.deliver("dua")
            await listening.count(2)
            await idles(laid, 2)
        assert b" STORE " not in laid.heard
        async with box.listening(cursor=taken.cursors[-1], port=laid.port) as listening:
            await idles(laid, 3)
        assert listening.taken.requests == []

    async def test_that_the_server_refuses_stops_nothing(self, box, laid):
        laid.on_command = lambda _: None
        laid.to_client = lambda passing: re.sub(rb"(\w+) OK (Store|Move) completed", rb"\1 NO [OVERQUOTA] \2", passing)
        box.deliver("satu")
        async with box.listening(port=laid.port) as listening:
            await listening.count(1)
            box.deliver("dua")
            await listening.count(2)


class TestWhatIsRefused:
    async def test_goes_alone_and_is_tried_again(self, box):
        box.deliver("satu", "dua", "tiga")
        failures = iter([RuntimeError("a mistake of ours")])
        taken = Taken(refuse=lambda request, _: next(failures, None) if Taken.text(request) == "dua" else None)
        async with box.listening(taken) as listening:
            await listening.count(3)
            await box.until_flags(lambda flags: all(flags.values()))
        assert taken.texts == ["satu", "tiga", "dua"]
        assert ";failed=2" in taken.cursors[0]
        assert "failed" not in taken.cursors[-1]

    async def test_for_good_stays_unmarked_until_the_next_connection(self, box, laid):
        box.deliver("satu", "racun", "tiga")
        refused = Taken(refuse=lambda request, _: RuntimeError() if Taken.text(request) == "racun" else None)
        async with box.listening(refused, port=laid.port, poll_seconds=0.05) as listening:
            await idles(laid, 10)
            box.deliver("empat")
            await listening.count(3)
        assert refused.attempts.count("racun") == 1 + fetching._TRIES
        assert box.flags()["racun"] == ()
        async with box.listening(cursor=refused.cursors[-1]) as listening:
            assert (await listening.count(1)).texts == ["racun"]

    async def test_as_the_last_of_its_chunk_it_is_not_passed_over(self, box):
        box.deliver("satu", "racun")
        refused = Taken(refuse=lambda request, _: RuntimeError() if Taken.text(request) == "racun" else None)
        async with box.listening(refused) as listening:
            await listening.until(lambda taken: taken.attempts.count("racun") == 2)
            box.deliver("tiga")
            await listening.count(2)
        async with box.listening(cursor=refused.cursors[-1]) as listening:
            assert (await listening.count(1)).texts == ["racun"]

    async def test_for_want_of_the_database_waits_for_it(self, box):
        box.deliver("satu", "dua")
        away = [errors.StorageUnavailable("")] * 3
        taken = Taken(refuse=lambda *_: away.pop() if away else None)
        async with box.listening(taken) as listening:
            await listening.until(lambda taken: len(taken.attempts) >= 2)
            assert box.flags() == {"satu": (), "dua": ()}
            await listening.count(2)
        assert sorted(taken.texts) == ["dua", "satu"]

    async def test_by_the_thousand_ends_the_connection(self, box, monkeypatch):
        monkeypatch.setattr(fetching, "_MOST_FAILED", 2)
        box.deliver("satu", "dua", "tiga")
        async with box.listening(Taken(refuse=lambda *_: RuntimeError())) as listening:
            assert isinstance(await listening.ends(), errors.TransientSendError)
        assert listening.taken.cursors == []


class TestSigningIn:
    async def test_with_a_wrong_password_suspends_the_account(self, box):
        async with box.listening(password="salah") as listening:
            error = await listening.ends()
        assert isinstance(error, errors.AccountSuspended)
        assert error.code == "AUTHENTICATIONFAILED"
        assert box.user not in str(error)

    async def test_that_is_cut_or_put_off_is_no_refusal(self, box, laid):
        laid.on_command = lambda command: laid.cut() if b" LOGIN " in command else None
        async with box.listening(port=laid.port) as listening:
            assert isinstance(await listening.ends(), errors.TransientSendError)
        laid.on_command = lambda _: None
        laid.to_client = lambda passing: passing.replace(b"[AUTHENTICATIONFAILED]", b"[UNAVAILABLE]")
        async with box.listening(port=laid.port, password="salah") as listening:
            error = await listening.ends()
        assert isinstance(error, errors.TransientSendError)
        assert error.code == "UNAVAILABLE"

    async def test_to_a_server_that_cannot_prove_itself_is_not_tried(self, box):
        async with box.listening(security="tls", host="localhost", port=box.server.imaps_port) as listening:
            error = await listening.ends()
        assert isinstance(error, errors.TransientSendError)
        assert "certificate" in str(error)

    async def test_without_the_tls_that_was_asked_for_is_not_tried(self, box, laid):
        laid.to_client = lambda passing: passing.replace(b" STARTTLS", b" XTARTTLS")
        async with box.listening(security="starttls", host="localhost", port=laid.port) as listening:
            assert isinstance(await listening.ends(), errors.TransientSendError)
        assert b"LOGIN" not in laid.heard

    async def test_is_what_a_check_does(self, box):
        await imap.Mailbox("surel", box.settings()).check()
        with pytest.raises(errors.AccountSuspended):
            await imap.Mailbox("surel", box.settings(password="salah")).check()


class TestSigningInByToken:
    """Dovecot asks our stand-in for the provider whether a token is good, and whose it is."""

    @pytest.fixture
    async def provider(self) -> AsyncIterator["TokenProvider"]:
        provider = TokenProvider()
        app = web.Application()
        app.add_routes([web.post("/token", provider.give), web.get("/whose", provider.whose)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
        await runner.cleanup()

    @pytest.fixture
    async def box(self, dovecot, provider: "TokenProvider", tmp_path: Path) -> AsyncIterator[Box]:  # noqa: ARG002 - skips
        asking = tmp_path / "oauth.conf"
        asking.write_text(
            f"introspection_mode = auth\nintrospection_url = {provider.url}/whose\nusername_attribute = email\n"
            "active_attribute = active\nactive_value = yes\n"
        )
        server = Dovecot(
            "auth_mechanisms = xoauth2 oauthbearer\n"
            f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {asking}\n}}\n"
        )
        await asyncio.to_thread(server.start)
        yield Box(server, provider.user)
        await asyncio.to_thread(server.remove)

    def access(self, provider: "TokenProvider", **more) -> dict[str, object]:
        oauth = {"token_url": f"{provider.url}/token", "client_id": "aduan", "refresh_token": "segar"}
        return {"password": None, "oauth": oauth, **more}

    @pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
    async def test_opens_the_mailbox_and_fetches_a_token_once(self, box, provider, mechanism):
        mailbox = imap.Mailbox("surel", box.settings(**self.access(provider, oauth_mechanism=mechanism)))
        await mailbox.check()
        await mailbox.check()
        assert provider.given == 1

    @pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
    async def test_that_is_not_good_any_more_suspends_and_is_not_used_again(self, box, provider, mechanism):
        mailbox = imap.Mailbox("surel", box.settings(**self.access(provider, oauth_mechanism=mechanism)))
        await mailbox.check()
        provider.good.clear()
        with pytest.raises(errors.AccountSuspended):
            await mailbox.check()
        await mailbox.check()
        assert provider.given == 2

    async def test_that_the_provider_refuses_suspends(self, box, provider):
        provider.is_revoked = True
        async with box.listening(**self.access(provider)) as listening:
            error = await listening.ends()
        assert isinstance(error, errors.AccountSuspended)
        assert error.code == "invalid_grant"


class TokenProvider:
    """Gives tokens for the refresh token `segar`, and knows which of them are good."""

    def __init__(self) -> None:
        self.url = ""
        self.user = f"u{secrets.token_hex(6)}"
        self.good: set[str] = set()
        self.given = 0
        self.is_revoked = False

    async def give(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.is_revoked or form["refresh_token"] != "segar":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.given += 1
        self.good.add(token := secrets.token_urlsafe(20))
        return web.json_response({"access_token": token, "expires_in": 3600})

    async def whose(self, request: web.Request) -> web.Response:
        is_good = request.headers.get("Authorization", "").removeprefix("Bearer ") in self.good
        return web.json_response({"email": self.user, "active": "yes" if is_good else "no"})


class TestSettings:
    @pytest.mark.parametrize(
        "more",
        [
            {"security": "none", "host": "mail.contoh.example"},
            {"password": None},
            {"processed_folder": "INBOX"},
            {"keyword": "dua kata"},
            {"first_fetch_days": 0},
        ],
    )
    def test_refuse_what_is_unsafe_or_incomplete(self, more):
        given = {"host": "localhost", "username": "surel@contoh.example", "password": "rahasia"} | more
        with pytest.raises(ValidationError):
            imap.Settings(**given)


class TestTheBufferOfLines:
    def test_is_where_we_look_for_it(self):
        sessions.require_known_buffer()

    def test_that_is_elsewhere_is_noticed(self, monkeypatch):
        monkeypatch.setattr(sessions, "holds_line", lambda _: False)
        with pytest.raises(RuntimeError, match="buffers lines"):
            sessions.require_known_buffer()


class TestWatermark:
    uids = st.sets(st.integers(1, 2**32 - 1), max_size=20).map(lambda found: tuple(sorted(found)))

    @given(
        st.builds(
            watermark.Watermark,
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            uids,
            uids,
            st.none() | st.builds(watermark.FirstLook, st.integers(0, 2**32 - 1), st.dates()),
        )
    )
    def test_is_read_as_it_was_written(self, mark):
        assert watermark.read(str(mark)) == mark

    def test_is_short_for_a_run(self):
        assert str(watermark.Watermark(9, 200, tuple(range(101, 201)))) == "9:200;unmarked=101-200"

    @pytest.mark.parametrize("text", [None, "", "9", "9:x", "9:1;first=7", "9:1;failed=a-b", "9:1;x"])
    def test_that_is_none_begins_anew(self, text):
        assert watermark.read(text) is None
