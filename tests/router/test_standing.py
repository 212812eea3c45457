"""How accounts stand: looked at once a day, told as one alarm each, taken back when it is mended."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core import errors, model
from router import delivery, standing
from storage import alarms

ENDS = "Token berakhir pada 30-11-2026. Buat token baru."
LOST = "Langganan webhook hilang. Pasang kembali."


class Account:
    """An account whose provider says of it what the test wants."""

    channel = "percakapan"
    capabilities = model.Capabilities(label="Percakapan", mark="PC", max_text=model.Limit(2000))

    def __init__(self):
        self.says = []
        self.asked = 0

    async def examine(self):
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def check(self):
        if isinstance(self.says, Exception):
            raise self.says


@pytest.fixture
def accounts(world):
    """Two accounts besides the world's own, which nobody can examine."""
    made = {"pesan": Account(), "lain": Account()}
    known = {name: model.Account(name, each.channel, "contoh", each.capabilities) for name, each in made.items()}
    world.desk = replace(
        world.desk, accounts={**world.desk.accounts, **known}, connectors={**world.desk.connectors, **made}
    )
    return made


async def warnings(world):
    found = await world.look(alarms.open_, "contoh")
    return {a.account: a.note for a in found if a.kind is model.AlarmKind.ACCOUNT_WARNING}


async def kinds(world):
    return {a.kind for a in await world.look(alarms.open_, "contoh")}


async def test_every_account_is_examined_once_a_day(world, accounts):
    assert await standing.tick(world.desk) == 2
    world.clock.forward(hours=23)
    assert await standing.tick(world.desk) == 0
    world.clock.forward(hours=1)
    assert await standing.tick(world.desk) == 2
    assert (accounts["pesan"].asked, accounts["lain"].asked) == (2, 2)
    assert (await world.look(alarms.health_of, "pesan")).examined_at == world.clock.at


async def test_what_is_to_be_seen_to_is_one_alarm_until_it_is_mended(world, accounts):
    accounts["pesan"].says = [ENDS, LOST]
    await standing.tick(world.desk)
    assert await warnings(world) == {"pesan": f"{ENDS}\n{LOST}"}
    accounts["pesan"].says = [LOST]
    world.clock.forward(days=1)
    await standing.tick(world.desk)
    assert await warnings(world) == {"pesan": LOST}
    accounts["pesan"].says = []
    world.clock.forward(days=1)
    await standing.tick(world.desk)
    assert await warnings(world) == {}


async def test_what_cannot_be_reached_is_asked_again_soon_and_keeps_its_warning(world, accounts):
    accounts["pesan"].says = [ENDS]
    await standing.tick(world.desk)
    accounts["pesan"].says = errors.TransientSendError("out of reach")
    world.clock.forward(days=1)
    await standing.tick(world.desk)
    world.clock.forward(hours=1)
    assert await standing.tick(world.desk) == 1
    assert accounts["pesan"].asked == 3
    assert await warnings(world) == {"pesan": ENDS}
    assert model.AlarmKind.ACCOUNT_SUSPENDED not in await kinds(world)


async def test_refused_credentials_suspend_the_account_until_they_are_mended(world, accounts):
    accounts["pesan"].says = errors.AccountSuspended("the token is not valid")
    await standing.tick(world.desk)
    health = await world.look(alarms.health_of, "pesan")
    assert (health.suspended_at, health.examined_at) == (world.clock.at, None)
    assert model.AlarmKind.ACCOUNT_SUSPENDED in await kinds(world)
    world.clock.forward(hours=1)
    assert await standing.tick(world.desk) == 0  # nobody hammers it
    accounts["pesan"].says = [ENDS]
    await delivery.probe(world.desk)
    assert model.AlarmKind.ACCOUNT_SUSPENDED not in await kinds(world)
    assert await standing.tick(world.desk) == 1
    assert await warnings(world) == {"pesan": ENDS}


async def test_one_account_that_fails_does_not_keep_the_others_from_being_examined(world, accounts):
    accounts["pesan"].says = RuntimeError("nobody foresaw this")
    accounts["lain"].says = [LOST]
    assert await standing.tick(world.desk) == 2
    assert await warnings(world) == {"lain": LOST}
    world.clock.forward(hours=1)
    assert await standing.tick(world.desk) == 0


async def test_two_processes_examine_an_account_once(world, accounts):
    await asyncio.gather(*(standing.tick(world.desk) for _ in range(4)))
    assert accounts["pesan"].asked == 1


async def test_what_was_examined_since_is_not_claimed_again(world, accounts):
    now = world.clock.at
    claim = alarms.claim_examination
    assert await world.desk.store.write(claim, "contoh", "pesan", now, now - timedelta(days=1))
    assert not await world.desk.store.write(claim, "contoh", "pesan", now, now - timedelta(days=1))
    assert await world.desk.store.write(claim, "contoh", "pesan", now, now)
