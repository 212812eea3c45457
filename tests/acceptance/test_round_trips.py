"""A citizen asks, is told a number, and gets the answer of an admin: by every channel, through every process."""

import asyncio
import contextlib
import email
import email.policy
import re
import uuid
from datetime import timedelta
from typing import Any

import aiohttp
import imapclient
import pytest
from aiosmtpd.smtp import SMTP

from core import clock
from simulator import graph_records
from tests.acceptance import providers
from tests.acceptance.harness import SENDER, SID, Service
from tests.dovecot import PASSWORD
from web import chat_session

ANSWER = "KTP-el Ibu sudah dapat diambil di loket 2."
PHONE, MAILBOX = "+6281200000001", "siti@contoh.example"
OWNER = {
    "pesan": providers.PAGE,
    "foto": providers.INSTAGRAM,
    "komentar": providers.PAGE,
    "komentar-foto": providers.INSTAGRAM,
}


@pytest.fixture
async def world(service):
    async with providers.around(service) as world:
        yield world


@pytest.fixture
async def inbox(world):
    """The inbox of the whole of it in one process."""
    return await providers.Inbox.of_running(world.service)


class Citizen:
    """Somebody who writes by one channel, and what he finds on his phone, in his mailbox, below the post."""

    def __init__(self, world: providers.World, account: str, which: int = 1) -> None:
        self._world = world
        self._person = f"{'6' if account.endswith('foto') else '5'}00{which}"  # each of Meta's accounts has its own
        self.account = account
        self.name = f"{account} {which}"

    async def write(self, text: str) -> None:
        provider, people = self._world.service.provider, self._world.people
        match self.account:
            case "wa":
                await provider.receive(SID["wa"], f"whatsapp:{PHONE}", SENDER["wa"], text)
            case "sms":
                await provider.receive(SID["sms"], PHONE, SENDER["sms"], text)
            case "surel":
                self._world.mails.write(MAILBOX, "Siti Rahma", providers.OFFICE_MAIL, "KTP saya", text)
            case "pesan" | "foto" as account:
                await people.write(OWNER[account], self._person, text, name="Siti")
            case account:
                await people.comment(self._post.id, self._person, text, name="Siti")

    async def write_privately(self, text: str) -> None:
        """Answer what came to him alone, below no post."""
        await self._world.people.write(OWNER[self.account], self._person, text)

    async def look(self) -> None:
        """Read what came to him alone."""
        if self.account == "wa":
            self._world.service.provider.open_phone(SID["wa"], SENDER["wa"], f"whatsapp:{PHONE}")
        elif self.account in OWNER:
            await self._world.people.read(OWNER[self.account], self._person)

    @property
    def is_public(self) -> bool:
        return self.account.startswith("komentar")

    def told(self, words: str) -> str | None:
        """Return the message to him that has these words, None before it came; fails when it came more than once."""
        found = [text for text in (*self._private(), *self.in_public()) if words in text]
        assert len(found) <= 1, (self.account, found)
        return found[0] if found else None

    def in_public(self) -> list[str]:
        if not self.is_public:
            return []
        his = {comment.id for comment in self._post.comments if comment.author == self._person}
        return [comment.text for comment in self._post.comments if comment.parent_id in his]

    def _private(self) -> list[str]:
        world, provider = self._world, self._world.service.provider
        match self.account:
            case "wa":
                return [each.body for each in provider.messages(to=f"whatsapp:{PHONE}", direction="outbound-api")]
            case "sms":
                return [each.body for each in provider.messages(to=PHONE, direction="outbound-api")]
            case "surel":
                return [mail.text for mail in world.mails.inbox(MAILBOX)]
            case account:
                messages = world.meta.person(OWNER[account], self._person).messages
                return [each.text for each in messages if each.from_us]

    @property
    def _post(self) -> graph_records.Post:
        return self._world.meta.accounts[OWNER[self.account]].posts[0]


def numbers(service: Service, where: str) -> list[str]:
    """Return the numbers of the complaints that have a message of such a kind, in the order they were made."""
    found = {row.complaint_id for row in service.rows("message", where)}
    return [f"{c.prefix}-{c.year}-{c.sequence:06d}" for c in service.rows("complaint") if c.id in found]


def sent(service: Service, number: str, kind: str = "answer") -> Any:
    """Return the one answer to a complaint, or its acknowledgement, as it stands in the outbox."""
    [complaint] = service.rows("complaint", f"sequence = {int(number.rpartition('-')[2])}")
    [row] = service.rows("outbox", f"complaint_id = {complaint.id} AND kind = '{kind}'")
    return row


async def asked(service: Service, citizen: Citizen) -> str:
    """Let a citizen ask; return the number that he was told."""
    question = f"{citizen.name}: KTP saya belum jadi"
    await citizen.write(question)
    [number] = await service.until(lambda: numbers(service, f"text LIKE '{question}%'"))
    await service.until(lambda: citizen.told(number))
    await service.until(lambda: sent(service, number, "acknowledgement").provider_id)  # nobody reads faster
    return str(number)


async def answered(service: Service, inbox: providers.Inbox, citizen: Citizen, number: str) -> None:
    await inbox.answer(number, ANSWER)
    await service.until(lambda: citizen.told(ANSWER))
    await service.until(lambda: sent(service, number).provider_id)


async def test_every_provider_carries_a_question_and_its_answer_and_says_what_became_of_it(world, inbox):
    service = world.service
    private = [Citizen(world, account) for account in ("wa", "sms", "surel", "pesan", "foto")]
    public = [Citizen(world, account, 2) for account in ("komentar", "komentar-foto")]
    turned = [Citizen(world, account, 3) for account in ("komentar", "komentar-foto")]

    async def lead(citizen: Citizen) -> str:
        number = await asked(service, citizen)
        if citizen.is_public:
            assert number not in " ".join(citizen.in_public())  # where everybody reads it
        if citizen in turned:  # he goes on where he alone was told the number: it is the same complaint
            await citizen.write_privately(f"{citizen.name}: nama saya Siti Rahma")
            assert numbers(service, f"text LIKE '{citizen.name}: nama saya%'") == [number]
        await answered(service, inbox, citizen, number)
        assert (ANSWER in " ".join(citizen.in_public())) is (citizen in public)
        return number

    everybody = [*private, *public, *turned]
    led = dict(zip(everybody, await asyncio.gather(*map(lead, everybody)), strict=True))
    assert len(set(led.values())) == len(service.rows("complaint")) == 9

    ends = {"sms": "delivered", "surel": "accepted"} | dict.fromkeys((each.account for each in public), "accepted")
    final = {each.name: "read" if each in turned else ends.get(each.account, "read") for each in everybody}

    async def is_final() -> bool:
        for citizen in everybody:
            await citizen.look()  # at what has arrived by now
        return {each.name: sent(service, led[each]).state for each in everybody} == final

    await service.until(is_final)
    for citizen, number in led.items():
        timeline = await inbox.timeline(number)
        assert f"{citizen.name}: KTP saya belum jadi" in timeline
        assert ANSWER in timeline
    assert not service.rows("raw_item", "state = 'quarantined'")
    assert not service.rows("alarm", "cleared_at IS NULL")


class Chat:
    """A visitor of the office's own page, who writes there and reads what stands there."""

    def __init__(self, world: providers.World, token: str) -> None:
        self._world = world
        self._url = f"{world.service.url}/obrolan/obrolan"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._opened_at = world.clock.now()

    @classmethod
    async def open(cls, world: providers.World) -> "Chat":
        async with world.service.http.get(f"{world.service.url}/obrolan") as page:
            [token] = re.findall(r'data-token="([^"]+)"', await page.text())
        return cls(world, token)

    async def write(self, text: str) -> None:
        """Write as soon as a person could: what comes faster is a program's."""
        world = self._world
        await world.service.until(lambda: world.clock.now() > self._opened_at + chat_session.LEAST_AGE)
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("text", text)
        form.add_field("key", str(uuid.uuid4()))
        async with world.service.http.post(f"{self._url}/pesan", data=form, headers=self._headers) as answer:
            assert answer.status == 200

    async def shown(self, words: str) -> int | None:
        """Return the id of the message with these words."""
        async with self._world.service.http.get(f"{self._url}/pesan", headers=self._headers) as answer:
            told = (await answer.json())["messages"]
        return next((each["id"] for each in told if words in each["text"]), None)

    async def read(self, message_id: int) -> None:
        said = {"ids": [message_id], "state": "read"}
        async with self._world.service.http.post(f"{self._url}/terbaca", json=said, headers=self._headers) as answer:
            assert answer.status == 204


async def test_the_chat_on_our_own_page_carries_a_question_and_its_answer(world, inbox):
    service = world.service
    chat = await Chat.open(world)
    await chat.write("obrolan: KTP saya belum jadi")
    [number] = numbers(service, "account = 'obrolan'")
    await service.until(lambda: chat.shown(number))
    await inbox.answer(number, ANSWER)
    await chat.read(await service.until(lambda: chat.shown(ANSWER)))
    await service.until(lambda: sent(service, number).state == "read")


async def test_an_answer_that_bounces_is_no_answer(world, inbox):
    service, citizen = world.service, Citizen(world, "surel")
    number = await asked(service, citizen)
    world.mailbox.faults.bounces = 1
    await inbox.answer(number, ANSWER)
    await service.until(lambda: sent(service, number).state == "failed")
    assert sent(service, number).refusal == "no_such_address"
    assert [row.kind for row in service.rows("alarm", "cleared_at IS NULL")] == ["answer_failed"]
    [complaint] = service.rows("complaint")
    assert (complaint.state, complaint.answered_at) == ("in_progress", None)
    assert complaint.due_at is not None


# --- Mail by real servers ---------------------------------------------------------------------------------------------


class Relay:
    """The world's mail: takes what the office sends, by SMTP, and has a real server deliver it to its mailboxes."""

    def __init__(self, dovecot: Any) -> None:
        self._dovecot = dovecot

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        for recipient in envelope.rcpt_tos:
            traced = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {recipient}\r\n".encode() + envelope.content
            await asyncio.to_thread(self._dovecot.deliver, recipient.partition("@")[0].partition("+")[0], traced)
        return "250 OK"


@contextlib.asynccontextmanager
async def relay(dovecot: Any):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Relay(dovecot), hostname="mx.example", loop=loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def delivered(dovecot: Any, user: str, words: str) -> Any:
    """Return the letter with these words from a mailbox, as its owner's program fetches it; None before it comes."""
    with contextlib.suppress(imapclient.exceptions.IMAPClientError), dovecot.client(user) as client:
        for found in client.fetch(client.search(), ["BODY.PEEK[]"]).values():
            letter = email.message_from_bytes(found[b"BODY[]"], policy=email.policy.default)
            if words in letter.get_body(("plain",)).get_content():
                return letter
    return None


def mail(author: str, to: str, text: str) -> bytes:
    head = f"From: {author.title()} <{author}@contoh.example>\r\nTo: {to}\r\nSubject: tanpa nomor\r\n"
    return f"{head}Message-ID: <{uuid.uuid4()}@contoh.example>\r\nDelivered-To: {to}\r\n\r\n{text}\r\n".encode()


async def test_an_answer_by_real_mail_servers_joins_by_its_token_and_a_forged_one_does_not(service, own_dovecot):
    async def deliver(*mails: bytes) -> None:
        await asyncio.to_thread(own_dovecot.deliver, "pengaduan", *mails)

    async def lands(user: str, words: str) -> Any:
        return await service.until(lambda: asyncio.to_thread(delivered, own_dovecot, user, words))

    def having(text: str) -> list[str]:
        return numbers(service, f"text LIKE '{text}%'")

    async with relay(own_dovecot) as smtp_port:
        source = (
            f'[account.imap]\nhost = "localhost"\nport = {own_dovecot.imap_port}\nsecurity = "none"\n'
            'username = "pengaduan"\npassword = "env:TEST_MAIL_PASSWORD"\npoll_seconds = 1'
        )
        smtp = f'host = "localhost"\nport = {smtp_port}\nsecurity = "none"'
        account = providers.MAIL.format(
            address=providers.OFFICE_MAIL, authserv_id="mx.example", smtp=smtp, source=source
        )
        providers.add(service, account)
        service.more["TEST_MAIL_PASSWORD"] = PASSWORD
        config = service.place / "config.toml"  # what is closed is closed: the next mail is another complaint
        config.write_text(config.read_text().replace("[[office]]\n", "[[office]]\nreopen_days = 0\n"))
        inbox = await providers.Inbox.of_running(service)

        await deliver(mail("siti", providers.OFFICE_MAIL, "KTP siti belum jadi."))
        [first] = await service.until(lambda: having("KTP siti"))
        assert first in (await lands("siti", first))["Subject"]
        await inbox.answer(first, ANSWER)
        await lands("siti", ANSWER)
        await inbox.close(first)
        [closed] = service.rows("complaint")
        later = closed.closed_at + timedelta(seconds=1)  # mail servers tell whole seconds
        await service.until(lambda: clock.SystemClock().now() > later)
        await deliver(mail("siti", providers.OFFICE_MAIL, "KK siti belum jadi."))
        [second] = await service.until(lambda: having("KK siti"))
        assert second != first
        token = str((await lands("siti", second))["Reply-To"].addresses[0].addr_spec)
        assert second.lower() in token
        forged = token.replace(second.lower(), first.lower())
        assert forged != token
        await deliver(
            mail("siti", token, "Terima kasih, ditunggu."),
            mail("siti", forged, "Bagaimana dengan yang pertama?"),  # genuine, it would take that one up again
            mail("dian", token, "Saya menemukan alamat ini."),  # a token proves nobody's part in a complaint
            mail("rina", forged, "Saya menebak alamat ini."),
        )
        await service.until(lambda: having("Saya menebak"))
        assert having("Terima kasih") == [second]
        assert having("Bagaimana dengan") == [second]
        strangers = [*having("Saya menemukan"), *having("Saya menebak")]
        assert len({*strangers, first, second}) == 4
        assert not service.rows("raw_item", "state = 'quarantined'")
        assert await asyncio.to_thread(service.stop, "run") == 0
