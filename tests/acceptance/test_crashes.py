"""Power cuts and a lost database under load: what was promised is kept, what was sent is sent once."""

import asyncio
import collections
import random
from datetime import UTC, datetime, timedelta

import pytest

from app import config, wiring
from core import model
from router import delivery
from router.desk import Desk
from storage import dialect
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault
from tests.acceptance.harness import KEY, text_message

MESSAGES, KILLS, SENDERS = 2000, 6, 12


class _Later:
    """A clock past every lease."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=5)


async def _settle_leases(service) -> None:
    """Do what the next tick does once the leases of the dead have ended."""
    configured = config.load(service.place / "config.toml", service.environment)
    connected = wiring.connect(configured, {})
    store = Store(dialect.open_database(service.database_url), Vault((KEY.encode(),)), _Later())
    desk = Desk(
        store,
        FileStore(service.place / "files"),
        wiring.offices(configured),
        connected.accounts,
        connected.connectors,
        _Later(),
    )
    store.start(serving=False)
    await delivery.sweep(desk)
    await store.stop()


@pytest.mark.parametrize("seed", [1])
async def test_kill_nine_in_a_loop_loses_nothing_and_sends_nothing_twice(service, seed):
    chance = random.Random(seed)
    is_postgresql = service.database_url.startswith("postgresql")
    if is_postgresql:
        assert (await service.aduan("migrate")).returncode == 0
        starts = {"web": ("web",), "worker-1": ("worker",), "worker-2": ("worker",)}
    else:
        starts = {"run": ("run",)}
    for name, words in starts.items():
        service.start(*words, name=name)
    await service.ready()
    waiting = collections.deque(range(MESSAGES))
    kept: set[int] = set()

    async def send() -> None:
        while waiting:
            number = waiting.popleft()
            while await service.post(text_message(number, f"pesan {number}"), "sms") != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # as a provider waits before it tries again
            kept.add(number)

    async def kill() -> None:
        for n in range(1, KILLS + 1):
            await service.until(lambda n=n: len(kept) >= n * MESSAGES // (KILLS + 1))
            name = chance.choice(list(starts))
            service.kill(name)
            service.start(*starts[name], name=name)

    await asyncio.gather(kill(), *(send() for _ in range(SENDERS)))
    await service.until(lambda: not service.rows("outbox", "state = 'queued'"))
    for name in list(service.processes):
        assert service.stop(name) == 0
    await _settle_leases(service)

    assert len(service.rows("complaint")) == len(service.rows("message", "kind = 'complaint'")) == MESSAGES
    assert sorted(row.sequence for row in service.rows("complaint")) == list(range(1, MESSAGES + 1))
    made = collections.Counter(sent.recipient for sent in service.provider.messages(direction="outbound-api"))
    assert max(made.values()) == 1
    states = collections.Counter(row.state for row in service.rows("outbox"))
    arrived = sum(
        states[s] for s in (model.DeliveryState.ACCEPTED, model.DeliveryState.DELIVERED, model.DeliveryState.READ)
    )
    assert arrived + states[model.DeliveryState.UNCERTAIN] == MESSAGES
    assert states[model.DeliveryState.UNCERTAIN] <= 64 * KILLS
    assert arrived <= sum(made.values())
    checked = await service.aduan("audit", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr
