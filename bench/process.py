"""The real process: how long it takes to start, what it holds in memory, and how soon a citizen is acknowledged."""

import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from aiohttp import web

from app import runtime
from bench import office
from bench.figures import Figure
from bench.service import HOOK
from core import clock
from router.delivery import DeliveryWorker
from simulator import twilio, twilio_api
from storage import dialect, schema
from web import application, hooks

_PATIENCE = 30.0  # seconds
_SETTLING = 3.0  # seconds until what runs once at the start is over
_CITIZENS = 20
_CONFIG = """
[server]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
[[office]]
id = "contoh"
name = "Dinas Dukcapil Kota Contoh"
[[account]]
name = "wa"
channel = "whatsapp"
office = "contoh"
[[account]]
name = "sms"
channel = "sms"
office = "contoh"
[[account]]
name = "formulir"
channel = "webform"
office = "contoh"
"""


def measure(place: Path, *, rounds: int) -> list[Figure]:
    """Start `aduan run` so many times on an empty database and again on the one it made."""
    first, again = zip(*(_twice(place) for _ in range(rounds)), strict=True)
    figures = []
    for name, started, goals in (("first start", first, (None, None)), ("start", again, (1.5, 90))):
        seconds, megabytes = (statistics.median(each) for each in zip(*started, strict=True))
        figures += [
            Figure(f"{name} of `aduan run`, to its first 200", seconds, " s", goals[0], "at most"),
            Figure(f"{name}: idle memory, simulator included", megabytes, " MB", goals[1], "at most"),
        ]
    taken = asyncio.run(_acknowledge(place))
    return [*figures, Figure("message to acknowledgement at the provider", taken, " s", 0.5, "at most")]


def _twice(place: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    with tempfile.TemporaryDirectory(prefix="run-", dir=place) as folder:
        port = _free_port()
        Path(folder, "config.toml").write_text(_CONFIG.format(port=port))
        return _start(folder, port), _start(folder, port)


def _start(folder: str, port: int) -> tuple[float, float]:
    """Return seconds to the first 200 of /health/live and, three seconds later, the resident megabytes."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--config", "config.toml", "run"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_alive(port):
            if process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                raise RuntimeError("`aduan run` did not start")
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        time.sleep(_SETTLING)
        return seconds, _resident_megabytes(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _is_alive(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000


async def _acknowledge(place: Path) -> float:
    """Return the median time (s) from a citizen's writing to the acknowledgement's arrival at the provider."""
    provider = twilio.TwilioStandIn(clock.SystemClock())
    database = dialect.SQLite(place / "acknowledge.db")
    await asyncio.to_thread(schema.migrate, database)
    public_url = f"http://127.0.0.1:{_free_port()}"
    provider.register(office.ACCOUNT_SID, office.TOKEN, f"{public_url}{HOOK}", senders=[office.SENDER])
    async with twilio_api.serve(provider) as base_url:
        desk = office.desk(database, place, base_url, public_url)
        async with runtime.opened(desk):
            worker = DeliveryWorker(desk)
            working = asyncio.create_task(worker.run())
            app = application.create(desk, application.Settings(public_url), hooks.routes())
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", int(public_url.rpartition(":")[2])).start()
            taken = [await _once(provider, f"whatsapp:+62812{number:010d}") for number in range(_CITIZENS)]
            await runner.cleanup()
            worker.stop()
            await working
        await provider.close()
    return statistics.median(taken)


async def _once(provider: twilio.TwilioStandIn, citizen: str) -> float:
    begun = time.perf_counter()
    writing = asyncio.create_task(provider.receive(office.ACCOUNT_SID, citizen, office.SENDER, "KTP saya rusak"))
    await provider.wait_for(lambda: provider.messages(direction="outbound-api", to=citizen))
    taken = time.perf_counter() - begun
    await writing
    await provider.settle()
    return taken


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
