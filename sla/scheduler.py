"""A metronome: calls coroutines at intervals and holds no business state; APScheduler keeps the beat.

What is due is in the database and claimed there, so that several processes may tick at once. A beat only asks for a
tick, which runs in a task of ours: APScheduler cancels the coroutines it runs itself when it is shut down.

Source: APScheduler 3.11, user guide and `executors/asyncio.py`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """`tick` is called at start and then `every` so often, each time put off or brought forward by up to `jitter`."""

    name: str
    tick: Callable[[], Coroutine[Any, Any, None]]
    every: timedelta
    jitter: timedelta = timedelta()

    def __post_init__(self) -> None:
        if self.every <= timedelta():
            raise ValueError(f"job {self.name!r}: the interval must be positive")
        if not timedelta() <= self.jitter < self.every:
            raise ValueError(f"job {self.name!r}: the jitter must be shorter than the interval")


class Metronome:
    """Ticks each job one at a time. To be used on the event loop only.

    A tick that raises is logged as `tick_failed`, when the failure begins or changes, and `tick_recovered` when it is
    over; the next tick comes in any case. A beat during a tick is left out. ValueError for two jobs of one name.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) < len(jobs):
            raise ValueError("two jobs have the same name")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._failures: dict[str, type[Exception]] = {}
        self._is_open = False
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin the beat on the running loop. Every job ticks at once, so that long intervals survive restarts."""
        for job in self._jobs.values():
            trigger = IntervalTrigger(
                seconds=job.every.total_seconds(), jitter=job.jitter.total_seconds() or None, timezone=UTC
            )
            self._scheduler.add_job(self._beat, trigger, args=[job.name], id=job.name)
        self._scheduler.start()
        self._is_open = True
        for name in self._jobs:
            self.wake(name)

    def wake(self, name: str) -> None:
        """Ask for a tick now, or for one more after the tick that runs. Nothing happens before start and after stop.

        KeyError for a job that does not exist.
        """
        job = self._jobs[name]
        if not self._is_open:
            return
        if name in self._running:
            self._again.add(name)
        else:
            self._running[name] = asyncio.create_task(self._run(job), name=f"tick {name}")

    async def stop(self, drain: timedelta = timedelta(seconds=10)) -> None:
        """End the beat and wait for the ticks that run, for `drain` at most; what still runs then is cancelled."""
        if not self._is_open:
            return
        self._is_open = False
        self._scheduler.pause()  # a beat just begun would be cancelled by the shutdown, and logged as an error
        running = dict(self._running)
        if running:
            _, late = await asyncio.wait(running.values(), timeout=drain.total_seconds())
            for name, task in running.items():
                if task in late:
                    _log.warning("tick_cancelled", job=name)
                    task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # APScheduler shuts down in the loop's next round

    async def _beat(self, name: str) -> None:
        if name not in self._running:
            self.wake(name)

    async def _run(self, job: Job) -> None:
        try:
            await job.tick()
        except Exception as error:  # noqa: BLE001 - whatever a tick does, the next one must come
            if self._failures.get(job.name) is not type(error):
                self._failures[job.name] = type(error)
                _log.exception("tick_failed", job=job.name)
        else:
            if self._failures.pop(job.name, None):
                _log.info("tick_recovered", job=job.name)
        finally:
            del self._running[job.name]
        if job.name in self._again:
            self._again.remove(job.name)
            self.wake(job.name)
