"""The measured process: the real webhook, and beside it the same one storing nothing and one doing nothing at all.

Started by `serving`; on its standard input it takes `stop`.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from aiohttp import web

from bench import office
from core import errors, ports
from router import holidays
from storage import dialect, schema
from web import application, hooks

HOOK = f"/hooks/{office.ACCOUNT}"
PROVEN = f"/proven/{office.ACCOUNT}"
BARE = "/bare"


@dataclass(frozen=True)
class Service:
    """A running service: the port of the real application, and of the bare one in the same process."""

    port: int
    bare_port: int

    def figures(self) -> dict[str, float]:
        """Return how many transactions it began so far, and how much CPU time (s) it used."""
        with urlopen(f"http://127.0.0.1:{self.bare_port}/figures") as answer:
            return json.load(answer)


@contextlib.contextmanager
def serving(database_url: str) -> Iterator[Service]:
    """Run the service over an empty database until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.service", database_url],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the measured service did not start")
        yield Service(**json.loads(line))
    finally:
        process.communicate("stop\n")


class _Counting:
    """A database that counts the transactions of its writer."""

    def __init__(self, database: dialect.Database) -> None:
        self._database = database
        self.begun = 0

    def begin(self, connection: Any) -> None:
        self.begun += 1
        self._database.begin(connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


async def _proven(request: web.Request) -> web.Response:
    """Do all that `hooks.receive` does but store."""
    desk = request.app[application.DESK]
    raw = ports.RawRequest(
        account=request.match_info["account"],
        target=request.raw_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        received_at=desk.clock.now(),
    )
    connector = desk.connectors[raw.account]
    try:
        connector.verify(raw)
    except errors.SignatureError:
        return web.Response(status=403)
    connector.parse(raw)
    content_type, body = connector.reply()
    return web.Response(body=body.encode(), content_type=content_type)


async def _bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text="ok")


async def _serve(database_url: str, place: Path) -> None:
    database = _Counting(dialect.open_database(database_url))
    await asyncio.to_thread(schema.migrate, database)
    desk = office.desk(database, place)
    desk.store.start()
    await holidays.seed(desk)

    async def figures(_: web.Request) -> web.Response:
        return web.json_response({"begun": database.begun, "cpu_seconds": time.process_time()})

    settings = application.Settings(office.PUBLIC_URL)
    app = application.create(desk, settings, [*hooks.routes(), web.post("/proven/{account}", _proven)])
    bare = web.Application()
    bare.add_routes([web.post(BARE, _bare), web.get("/figures", figures)])
    runners = [web.AppRunner(each, access_log=None, handler_cancellation=False) for each in (app, bare)]
    for runner in runners:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    port, bare_port = (runner.addresses[0][1] for runner in runners)
    print(json.dumps({"port": port, "bare_port": bare_port}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for runner in runners:
        await runner.cleanup()
    await desk.store.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="aduan-bench-") as place:
        asyncio.run(_serve(sys.argv[1], Path(place)))
