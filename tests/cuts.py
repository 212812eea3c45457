"""A wire between a client and a server that a test can cut, hold up and rewrite."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

Rewrite = Callable[[bytes], bytes]


class Wire:
    """Forwards connections to a port of this machine. `heard` is all that clients said."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0
        self.heard = b""
        self._spoken = asyncio.Event()
        self.to_client: Rewrite = bytes
        self.on_command: Callable[[bytes], None] = lambda _: None
        self.is_dead = False  # nothing passes, and nobody is told

    def cut(self) -> None:
        """End every connection, as a fallen wire or a restarted router does."""
        for writer in self._writers:
            writer.transport.abort()

    async def hears(self, words: bytes, times: int = 1) -> None:
        """Return once clients have said it so often; fails after a while."""
        async with asyncio.timeout(15):
            while self.heard.count(words) < times:
                self._spoken.clear()
                await self._spoken.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, ours}
        for pump in (self._pump(reader, ours, is_client=True), self._pump(theirs, writer, is_client=False)):
            self._pumps.add(task := asyncio.ensure_future(pump))
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_client: bool) -> None:
        with contextlib.suppress(OSError):
            while passing := await reader.read(65536):
                if self.is_dead:
                    continue
                if is_client:
                    self.heard += passing
                    self._spoken.set()
                    self.on_command(passing)
                else:
                    passing = self.to_client(passing)
                if passing:
                    writer.write(passing)
                    await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """Lay a wire to a server's port; it listens at its own `port`."""
    laid = Wire(port)
    server = await asyncio.start_server(laid._accept, "127.0.0.1", 0)
    laid.port = server.sockets[0].getsockname()[1]
    try:
        yield laid
    finally:
        server.close()
        laid.cut()
        for pump in list(laid._pumps):
            pump.cancel()
        await asyncio.gather(*laid._pumps, return_exceptions=True)
