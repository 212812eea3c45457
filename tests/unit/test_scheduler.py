import asyncio
from datetime import timedelta

import pytest
import structlog

from sla.scheduler import Job, Metronome

SOON, NEVER = timedelta(milliseconds=5), timedelta(days=1)
LIMIT = 5  # seconds; only a failing test waits so long


class Ticks:
    """A tick that counts its calls, raises what it is told to, and can be held in its midst."""

    def __init__(self, *raises: Exception | None, held: bool = False) -> None:
        self.begun = self.ended = self.cancelled = 0
        self._raises = list(raises)
        self._changed = asyncio.Condition()
        self.release = asyncio.Event()
        if not held:
            self.release.set()

    async def __call__(self) -> None:
        async with self._changed:
            self.begun += 1
            self._changed.notify_all()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        async with self._changed:
            self.ended += 1
            self._changed.notify_all()
        error = self._raises.pop(0) if self._raises else None
        if error is not None:
            raise error

    async def until_begun(self, count: int) -> None:
        await self._until(lambda: self.begun >= count)

    async def until_ended(self, count: int) -> None:
        await self._until(lambda: self.ended >= count)

    async def _until(self, condition) -> None:
        async with asyncio.timeout(LIMIT), self._changed:
            await self._changed.wait_for(condition)


async def turns(count: int = 10) -> None:
    """Let the loop go round, so that whatever is ready has run."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def metronome():
    """Starts a metronome with the given jobs; stops it when the test is over."""
    started: list[Metronome] = []

    def start(*jobs: Job) -> Metronome:
        started.append(Metronome(jobs))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        await each.stop(timedelta())


async def test_a_job_ticks_at_every_interval(metronome):
    ticks, slow = Ticks(), Ticks()
    metronome(Job("sweep", ticks, SOON), Job("retention", slow, NEVER, jitter=timedelta(hours=1)))
    await ticks.until_ended(4)
    assert slow.ended == 1  # at start, so that restarts do not put it off for ever


async def test_a_job_can_be_woken(metronome):
    ticks = Ticks()
    beat = metronome(Job("delivery", ticks, NEVER))
    await ticks.until_ended(1)
    await turns()
    beat.wake("delivery")
    await ticks.until_ended(2)


async def test_waking_during_a_tick_gives_exactly_one_more(metronome):
    ticks = Ticks(held=True)
    beat = metronome(Job("delivery", ticks, NEVER))
    await ticks.until_begun(1)
    for _ in range(3):
        beat.wake("delivery")
    await turns()
    assert ticks.begun == 1
    ticks.release.set()
    await ticks.until_ended(2)
    await turns()
    assert ticks.begun == 2


async def test_a_beat_during_a_tick_is_left_out(metronome):
    held, other = Ticks(held=True), Ticks()
    metronome(Job("sweep", held, 20 * SOON), Job("delivery", other, SOON))
    await other.until_ended(30)
    held.release.set()
    await turns()
    assert held.begun == 1
    await held.until_ended(2)


async def test_a_failing_tick_is_logged_once_and_ticks_again(metronome):
    ticks = Ticks(ValueError("a"), ValueError("b"), OSError("c"), None, ValueError("d"))
    with structlog.testing.capture_logs() as logs:
        metronome(Job("sweep", ticks, SOON))
        await ticks.until_ended(7)
    assert [(line["event"], line["job"], line["log_level"]) for line in logs] == [
        ("tick_failed", "sweep", "error"),
        ("tick_failed", "sweep", "error"),  # another error than before
        ("tick_recovered", "sweep", "info"),
        ("tick_failed", "sweep", "error"),
        ("tick_recovered", "sweep", "info"),
    ]
    assert logs[0]["exc_info"]


async def test_stopping_waits_for_the_tick_that_runs(metronome):
    ticks = Ticks(held=True)
    beat = metronome(Job("delivery", ticks, SOON))
    await ticks.until_begun(1)
    beat.wake("delivery")
    stopping = asyncio.create_task(beat.stop())
    await turns()
    assert not stopping.done()
    ticks.release.set()
    await asyncio.wait_for(stopping, LIMIT)
    assert (ticks.begun, ticks.ended, ticks.cancelled) == (1, 1, 0)


async def test_stopping_cancels_what_does_not_end_in_time(metronome):
    ticks = Ticks(held=True)
    beat = metronome(Job("delivery", ticks, SOON))
    await ticks.until_begun(1)
    with structlog.testing.capture_logs() as logs:
        await asyncio.wait_for(beat.stop(drain=timedelta(milliseconds=1)), LIMIT)
    assert (ticks.ended, ticks.cancelled) == (0, 1)
    assert [(line["event"], line["job"]) for line in logs] == [("tick_cancelled", "delivery")]


async def test_nothing_ticks_before_start_and_after_stop(metronome):
    ticks, other = Ticks(), Ticks()
    beat = Metronome([Job("sweep", ticks, SOON)])
    beat.wake("sweep")
    await beat.stop()
    await turns()
    assert ticks.begun == 0
    beat.start()
    await ticks.until_ended(2)
    await beat.stop()
    ended = ticks.ended
    beat.wake("sweep")
    metronome(Job("other", other, SOON))
    await other.until_ended(4)
    assert ticks.begun == ended
    beat.start()
    await ticks.until_ended(ended + 3)
    await beat.stop()


async def test_stopping_in_the_midst_of_a_beat_is_silent(metronome, caplog):
    ticks = Ticks()
    beat = metronome(Job("sweep", ticks, SOON))
    await ticks.until_ended(2)
    loop = asyncio.get_running_loop()
    late = loop.time() + 2 * SOON.total_seconds()
    while loop.time() < late:  # keep the loop busy, so that the next beat is overdue
        pass
    await turns(2)  # its timer has run out and its task is about to be made
    await beat.stop()
    await turns()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_jobs_that_make_no_sense_are_refused():
    ticks = Ticks()
    with pytest.raises(ValueError, match="interval"):
        Job("sweep", ticks, timedelta())
    with pytest.raises(ValueError, match="jitter"):
        Job("sweep", ticks, SOON, jitter=SOON)
    with pytest.raises(ValueError, match="same name"):
        Metronome([Job("sweep", ticks, SOON), Job("sweep", ticks, NEVER)])


async def test_a_job_that_does_not_exist_cannot_be_woken(metronome):
    beat = metronome(Job("sweep", Ticks(), NEVER))
    with pytest.raises(KeyError):
        beat.wake("sweeep")
