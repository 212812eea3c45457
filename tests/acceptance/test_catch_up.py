"""An hour without us: what every provider still holds is there once, in order, as of when it was written."""

import asyncio
import collections
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from simulator import graph_records, mail_records, twilio_records
from storage import alarms, dialect
from storage.store import Store
from storage.vault import Vault
from tests.acceptance import providers
from tests.acceptance.harness import KEY, SENDER, SID

OUTAGE = timedelta(hours=1)
PICTURE = ("image/png", b"\x89PNG\r\n\x1a\n" + b"picture")
LISTED = ("wa", "sms", "pesan", "komentar", "foto", "komentar-foto")  # what is caught up on; mails simply wait
ANSWERED_PAST_US = "5009"
MEANWHILE = "pesan 5001: halo, apakah sudah dibaca?"

Sent = twilio_records.Message | graph_records.Message | graph_records.Comment | mail_records.Mail


@dataclass(frozen=True)
class Written:
    """One message of a citizen, as its provider has it."""

    account: str
    citizen: str
    text: str
    at: datetime
    its: Sent


class Citizens:
    """Everybody who writes to the office, on every channel; remembers it all."""

    def __init__(self, world: providers.World) -> None:
        self._world = world
        self.written: list[Written] = []
        self._posts = {account: world.meta.accounts[account].posts[0].id for account in world.meta.accounts}

    async def write(self, account: str, citizen: str, text: str, **more: Any) -> None:
        world = self._world
        provider, people = world.service.provider, world.people
        its: Sent
        match account:
            case "wa":
                its = await provider.receive(SID["wa"], f"whatsapp:{citizen}", SENDER["wa"], text)
            case "sms":
                its = await provider.receive(SID["sms"], citizen, SENDER["sms"], text)
            case "pesan":
                its = await people.write(providers.PAGE, citizen, text, name="Siti Rahma", **more)
            case "foto":
                its = await people.write(providers.INSTAGRAM, citizen, text, name="siti.rahma", **more)
            case "komentar":
                its = await people.comment(self._posts[providers.PAGE], citizen, text, name="Siti Rahma")
            case "komentar-foto":
                its = await people.comment(self._posts[providers.INSTAGRAM], citizen, text, name="siti.rahma")
            case _:
                its = world.mails.write(citizen, "Siti Rahma", providers.OFFICE_MAIL, "KTP", text)
        at = its.created_at if isinstance(its, twilio_records.Message) else its.at
        self.written.append(Written(account, citizen, text, at, its))

    async def tell_again(self) -> None:
        """Let every provider tell once more of all that it could not tell, and of what it told already."""
        world = self._world
        for each in self.written:
            match each.its:
                case twilio_records.Message():
                    await world.service.provider.announce(each.its)
                case mail_records.Mail():
                    world.mails.receive(each.its.sender, each.its.recipient, each.its.content)
        await world.meta.try_again()

    def conversations(self) -> dict[tuple[str, str], list[Written]]:
        """Return what each citizen wrote by each channel, in order."""
        found = collections.defaultdict(list)
        for each in self.written:
            found[each.account, each.citizen].append(each)
        return dict(found)


def citizens_of(account: str) -> list[str]:
    if account in ("wa", "sms"):
        return [f"+6281200001{n:03d}" for n in range(3)]
    if account == "surel":
        return [f"warga{n}@contoh.example" for n in range(3)]
    start = {"pesan": 5000, "foto": 6000, "komentar": 7000, "komentar-foto": 8000}[account]
    return [str(start + n) for n in range(2)]


@pytest.fixture
async def world(service):
    async with providers.around(service) as world:
        yield world


@pytest.fixture
def citizens(world):
    return Citizens(world)


async def _set_back(world: providers.World, until: datetime) -> None:
    """Let it be as if we had stopped then: nothing was compared with the providers since."""
    store = Store(dialect.open_database(world.service.database_url), Vault((KEY.encode(),)), world.clock)
    store.start(serving=False)
    for name in LISTED:
        await store.write(alarms.set_health, "contoh", name, caught_up_to=until)
    await store.stop()


async def _started(world: providers.World) -> None:
    """Start the service and return once it has compared every account with what its provider holds."""
    service, began = world.service, world.clock.now()
    service.start("run")
    await service.ready()
    await _compared(world, began)


async def _compared(world: providers.World, since: datetime) -> None:
    def done() -> bool:
        rows = world.service.rows("health")
        return {row.account for row in rows if row.compared_at and row.compared_at > since} >= set(LISTED)

    await world.service.until(done)


async def _live_an_hour(world: providers.World, citizens: Citizens, began: datetime) -> None:
    accounts = (*LISTED, "surel")
    for n in range(3):
        for i, account in enumerate(accounts):
            for j, citizen in enumerate(citizens_of(account)):
                world.clock.at = began + timedelta(minutes=20 * n, seconds=100 * i + 10 * j)
                more = {"media": [PICTURE]} if account == "pesan" and n == 1 else {}
                await citizens.write(account, citizen, f"{account} {citizen} {n}: KTP saya belum jadi.", **more)
    world.clock.at = began + timedelta(minutes=58)
    await world.people.answer_as_colleague(providers.PAGE, ANSWERED_PAST_US, "Sudah jadi, silakan diambil.")
    world.clock.at = None


async def test_an_hours_outage_loses_repeats_and_reorders_nothing(world, citizens):
    service, now = world.service, world.clock.now().replace(microsecond=0)
    began = now - OUTAGE
    await _started(world)
    for n, account in enumerate(("pesan", "foto", "komentar", "surel")):  # whose webhooks say when it was written
        world.clock.at = began - timedelta(minutes=30 - n)
        await citizens.write(account, citizens_of(account)[0], f"{account}: sebelum padam.")
    await citizens.write("pesan", ANSWERED_PAST_US, "Kapan KK saya jadi?")
    world.clock.at = None
    await service.until(lambda: len(service.rows("message", "kind = 'complaint'")) == 5)
    await service.until(lambda: not service.rows("outbox", "state NOT IN ('accepted', 'delivered', 'read')"))
    assert await asyncio.to_thread(service.stop, "run") == 0
    await _set_back(world, began)

    await _live_an_hour(world, citizens, began)
    kept, again = len(service.rows("message", "kind = 'complaint'")), world.clock.now()
    service.start("run")
    await service.ready()
    # While we still catch up, somebody goes on writing.
    await citizens.write("pesan", "5001", MEANWHILE)
    await service.until(lambda: len(service.rows("message", "kind = 'complaint'")) == len(citizens.written))
    await _compared(world, again)
    missing = {row.account: row.missing for row in service.rows("health") if row.account in LISTED}
    assert kept == 5
    assert missing == {"wa": 9, "sms": 9, "pesan": 7, "komentar": 6, "foto": 6, "komentar-foto": 6}
    _check(world, citizens)
    await service.until(lambda: len(service.rows("attachment", "state = 'stored'")) == 2)

    # Then the providers tell late what they could not tell, and what they told already.
    before = _everything_written(service)
    await citizens.tell_again()
    await citizens.write("surel", "terakhir@contoh.example", "surel terakhir: yang paling akhir.")
    await service.until(lambda: service.rows("message", "text LIKE 'surel terakhir%'"))
    assert not [each for each in world.meta.deliveries if each.status not in (200, None)]
    assert await asyncio.to_thread(service.stop, "run") == 0
    await _started(world)
    assert {row.account: row.missing for row in service.rows("health") if row.listed is not None} == dict.fromkeys(
        LISTED, 0
    )
    _check(world, citizens)
    after = _everything_written(service)
    assert before < after
    assert len(after) == len(before) + 1


def _everything_written(service: Any) -> set[tuple[Any, ...]]:
    """Return what citizens and colleagues wrote, each with where it stands."""
    rows = service.rows("message", "kind IN ('complaint', 'answer')")
    return {(row.id, row.complaint_id, row.provider_id, row.text, row.sent_at) for row in rows}


def _check(world: providers.World, citizens: Citizens) -> None:
    """Each citizen's messages are one complaint, once, in order, as of when they were written."""
    service = world.service
    messages = collections.defaultdict(list)
    for row in service.rows("message", "kind = 'complaint'"):
        messages[row.complaint_id].append(row)
    clocks = collections.defaultdict(list)
    for row in service.rows("deadline"):
        clocks[row.complaint_id].append(row)
    complaints = {}
    for complaint in service.rows("complaint"):
        shown = sorted(messages[complaint.id], key=lambda row: (row.sent_at or row.created_at, row.id))
        complaints[complaint.account, tuple(row.text for row in shown)] = complaint, shown
    conversations = citizens.conversations()
    assert set(complaints) == {(who[0], tuple(each.text for each in said)) for who, said in conversations.items()}
    for (account, _), said in conversations.items():
        complaint, shown = complaints[account, tuple(each.text for each in said)]
        apart = [abs(row.sent_at - each.at) for row, each in zip(shown, said, strict=True)]
        assert max(apart) < timedelta(seconds=1), account  # no provider tells it finer
        assert complaint.received_at == shown[0].sent_at, account
        stored = [row.id for row in shown if row.text != MEANWHILE]
        assert stored == sorted(stored), account
        (clock,) = clocks[complaint.id]
        assert clock.started_at == complaint.received_at, account
        assert clock.due_at == complaint.received_at + timedelta(days=2), account
        assert complaint.due_at == (None if clock.met_at else clock.due_at), account
    acknowledged = collections.Counter(row.complaint_id for row in service.rows("outbox", "kind = 'acknowledgement'"))
    assert acknowledged == dict.fromkeys((complaint.id for complaint, _ in complaints.values()), 1)
    assert not service.rows("raw_item", "state = 'quarantined'")
    past_us = [row for row in service.rows("message", "kind = 'answer'") if row.details == {"how": "elsewhere"}]
    answered, _ = complaints["pesan", ("Kapan KK saya jadi?",)]
    assert [(row.complaint_id, row.sent_at) for row in past_us] == [(answered.id, answered.answered_at)]
    assert answered.state == "waiting_citizen"
