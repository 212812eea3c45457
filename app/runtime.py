"""Processes: starting in order, serving until a signal, stopping so that nothing under way is lost."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiohttp import web

from app import config, training, wiring
from core import clock, errors, model
from router import holidays
from router.desk import Desk

SERVING_SECONDS = 20.0  # how long open requests may finish
_log = structlog.get_logger()


async def run(configured: config.Config, parts: Sequence[str], *, is_alone: bool, announce: bool = True) -> None:
    """Serve `parts` ("web", "worker") until SIGTERM or SIGINT. `is_alone`: this is all of the deployment."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        simulated = await _simulated(stack, configured) if is_alone else None
        _require_credentials(configured, simulated)
        if is_alone:
            await asyncio.to_thread(wiring.prepare, configured)
        else:
            await asyncio.to_thread(wiring.require_current, configured)
        desk = wiring.desk(configured, simulated.credentials if simulated else {})
        await stack.enter_async_context(opened(desk))
        if is_alone and simulated is not None:
            await training.prepare(desk, configured)
        if "worker" in parts:
            await stack.enter_async_context(_working(configured, desk))
        if "web" in parts:
            await stack.enter_async_context(_serving(configured, desk, simulated.page if simulated else None))
        _settle_memory()
        if announce:
            _announce(configured, parts, simulated is not None)
        await stopping.wait()
        _log.info("stopping")


@asynccontextmanager
async def opened(desk: Desk, *, serving: bool = True) -> AsyncIterator[Desk]:
    """Start a desk's store; at the end close its connectors and the store."""
    desk.store.start(serving=serving)
    try:
        await holidays.load(desk)

        def heard(event: model.Event) -> None:
            if event.topic == "calendar":
                reloading.add(task := asyncio.ensure_future(holidays.load(desk)))
                task.add_done_callback(reloading.discard)

        reloading: set[asyncio.Future[None]] = set()
        desk.store.subscribe(heard)
        yield desk
    finally:
        for connector in desk.connectors.values():
            if hasattr(connector, "close"):
                await connector.close()
        await desk.store.stop()


@asynccontextmanager
async def _working(configured: config.Config, desk: Desk) -> AsyncIterator[None]:
    worker = wiring.worker(desk)
    delivering = asyncio.create_task(worker.run())
    listener = wiring.listener(configured, desk)
    listening = asyncio.create_task(listener.run())
    metronome = wiring.metronome(configured, desk)
    metronome.start()
    try:
        yield
    finally:
        await metronome.stop()
        listener.stop()
        await listening
        worker.stop()
        await delivering


@asynccontextmanager
async def _serving(configured: config.Config, desk: Desk, simulator: web.Application | None) -> AsyncIterator[None]:
    runner = wiring.server(wiring.website(configured, desk, simulator), SERVING_SECONDS)
    await runner.setup()
    listen = configured.server.listen
    try:
        await web.TCPSite(runner, listen.host, listen.port, backlog=1024).start()
    except OSError as error:
        await runner.cleanup()
        raise errors.ConfigError([f"server.listen: {listen.host}:{listen.port}: {error.strerror}"]) from None
    try:
        yield
    finally:
        await runner.cleanup()


async def _simulated(stack: AsyncExitStack, configured: config.Config) -> Any:
    """Start the stand-ins that simulated accounts need; None when there are none."""
    if not any(account.account.simulated for account in configured.accounts):
        return None
    from app import simulation  # noqa: PLC0415 - a real deployment has no use for stand-ins

    return await simulation.start(stack, configured, clock.SystemClock())


def _settle_memory() -> None:
    """Leave what start-up made out of garbage collection, and collect less often: a full round costs 50 ms and more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 20)


def _require_credentials(configured: config.Config, simulated: Any) -> None:
    if simulated is None and (without := [a.account.name for a in configured.accounts if a.account.simulated]):
        raise errors.ConfigError(
            [f"account {name}: credentials are missing; only `aduan run` simulates an account" for name in without]
        )


def _announce(configured: config.Config, parts: Sequence[str], is_training: bool) -> None:
    listen = configured.server.listen
    address = configured.server.public_url if "web" in parts else None
    _log.info("started", parts=",".join(parts), listen=f"{listen.host}:{listen.port}", node=socket.gethostname())
    if address is None:
        return
    print(f"\n  Aduan  {address}/inbox\n  Formulir  {address}/lapor")  # noqa: T201
    if is_training:
        print(f"  Simulator  {address}/simulator   (training: nothing real is sent)")  # noqa: T201
