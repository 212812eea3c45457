"""The inbox's pages and the deadline sweep, with ten thousand complaints and with a million."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from app import runtime
from bench import office, population
from bench.figures import Figure
from core import model
from router import complaints, escalation, people
from router.desk import Desk
from storage import dialect
from web import application, inbox

FEW, MANY = 10_000, 1_000_000
_DUE = 500
_COOKIE = "aduan"  # of a session, over http
_VIEWS = [complaints.View.NEW, complaints.View.TODAY, complaints.View.ALL, complaints.View.CLOSED]


def measure(place: Path, *, quick: bool) -> list[Figure]:
    """Measure on SQLite; with `quick` the large office has a tenth of its complaints."""
    many = MANY // 10 if quick else MANY
    found = {count: asyncio.run(_measure(place, count)) for count in (FEW, many)}
    figures = []
    for name in found[FEW]:
        few, lots = found[FEW][name], found[many][name]
        goal = {"idle sweep": 0.1, "inbox page, HTML included": 20.0}.get(name)
        figures.append(
            Figure(f"{name} at {many:,} complaints", lots, " ms", goal, "at most", f"{few:.3g} ms at {FEW:,}")
        )
        if name == "inbox page, HTML included":
            figures.append(Figure(f"{name}: {many:,} / {FEW:,}", lots / few, goal=1.2, bound="at most"))
    return figures


async def _measure(place: Path, count: int) -> dict[str, float]:
    """Return times in ms."""
    path = place / f"{count}.db"
    await asyncio.to_thread(population.make, path, count)
    desk = office.desk(dialect.SQLite(path), place)
    found = {}
    async with runtime.opened(desk):
        person = await people.add(
            desk, office.OFFICE, "admin", "Dewi Lestari", model.Role.ADMIN, "a long enough password"
        )
        for view in _VIEWS:
            found[f"query of a page, {view}"] = await _time(lambda view=view: complaints.page(desk, person, view))
        found["counts of all queues"] = await _time(lambda: complaints.overview(desk, person))
        found["inbox page, HTML included"] = await _page(desk)
        found["idle sweep"] = await _time(lambda: escalation.tick(desk), 200)
        await asyncio.to_thread(population.make_late, path, _DUE)
        begun = time.perf_counter()
        acted = await escalation.tick(desk)
        found[f"sweep with {_DUE} due, each"] = (time.perf_counter() - begun) / acted * 1000
        if acted != _DUE:
            raise RuntimeError(f"the sweep acted on {acted} clocks of {_DUE}")
    return found


async def _page(desk: Desk) -> float:
    """Return the time of a whole request for the inbox, by a client in the same process."""
    app = application.create(desk, application.Settings("http://127.0.0.1"), inbox.routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    token = await people.enter(desk, office.OFFICE, "admin")
    async with aiohttp.ClientSession(cookies={_COOKIE: token}) as client:

        async def get() -> None:
            async with client.get(f"http://127.0.0.1:{port}/inbox", allow_redirects=False) as answer:
                body = await answer.text()
                if answer.status != 200 or body.count("ADU-2025-") < 50:
                    raise RuntimeError(f"the inbox answered {answer.status} without its list")

        found = await _time(get)
    await runner.cleanup()
    return found


async def _time(act: Callable[[], Awaitable[Any]], count: int = 50) -> float:
    """Return the median time of `act` in ms, after three runs to warm up."""
    taken = []
    for _ in range(count + 3):
        begun = time.perf_counter()
        await act()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[3:]) * 1000
