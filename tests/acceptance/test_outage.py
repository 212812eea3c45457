"""The database goes away under load: refused clearly, nothing promised is lost, recovery by itself.

ADUAN_OUTAGE_SECONDS=60 keeps it away for a minute; otherwise for as long as it takes to see enough refusals.
"""

import asyncio
import collections
import os
import time

import pytest

from tests.acceptance.harness import text_message

BEFORE, DURING, AFTER, SENDERS = 150, 60, 150, 6
OUTAGE_SECONDS = float(os.environ.get("ADUAN_OUTAGE_SECONDS", "0"))


@pytest.fixture
def database_url(own_postgresql_server) -> str:
    return own_postgresql_server.new_database()


@pytest.mark.postgres
async def test_a_stopped_database_is_answered_with_503_and_everything_recovers(running, own_postgresql_server):
    answers: collections.Counter[int] = collections.Counter()
    kept: set[int] = set()
    numbers = iter(range(1_000_000))

    async def send(until) -> None:
        while not until():
            number = next(numbers)
            status = await running.post(text_message(number, "halo"), "sms")
            answers[status] += 1
            if status == 200:
                kept.add(number)

    await asyncio.gather(*(send(lambda: len(kept) >= BEFORE) for _ in range(SENDERS)))
    assert set(answers) == {200}
    own_postgresql_server.stop()
    answers.clear()
    ends = time.monotonic() + OUTAGE_SECONDS
    is_long_enough = lambda: answers[503] >= DURING and time.monotonic() >= ends  # noqa: E731
    await asyncio.gather(*(send(is_long_enough) for _ in range(SENDERS)))
    assert set(answers) == {503}
    async with (
        running.http.get(f"{running.url}/health/live") as live,
        running.http.get(f"{running.url}/health/ready") as ready,
    ):
        assert (live.status, ready.status) == (200, 503)
    async with running.http.get(f"{running.url}/lapor") as form:
        assert form.status == 200

    await asyncio.to_thread(own_postgresql_server.start)
    await running.until(running.is_ready)
    answers.clear()
    goal = len(kept) + AFTER
    await asyncio.gather(*(send(lambda: len(kept) >= goal) for _ in range(SENDERS)))
    await running.until(lambda: not running.rows("outbox", "state IN ('queued', 'sending')"))
    stored = {row.provider_id for row in running.rows("message", "kind = 'complaint'")}
    assert stored >= {f"SM{number:032x}" for number in kept}
    sent = collections.Counter(message.recipient for message in running.provider.messages(direction="outbound-api"))
    assert max(sent.values()) == 1
    assert len(running.rows("complaint")) == len(stored)
