"""The virus scanner: ClamAV's daemon at a socket, which is handed each file and says what is in it.

Source: clamd(8), command INSTREAM. (aioclamd knows no Unix socket, which is where the daemon listens as Debian sets it
up, and hands a file over in pieces of 1 kB.)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from core import errors

_CHUNK_BYTES = 256 * 1024
_ANSWER_BYTES = 4096
_SECONDS = 120  # for one file, its unpacking by the scanner included


class Scanner:
    """Asks the daemon at `address`: tcp://host:port or unix:///path."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address)

    async def scan(self, path: Path) -> str | None:
        """Return the name of the virus in a file, None where there is none; ScannerUnavailable when nobody can say."""
        answer = await self._ask(b"zINSTREAM\0", path)
        if answer == "stream: OK":
            return None
        if answer.startswith("stream: ") and answer.endswith(" FOUND"):
            return answer.removeprefix("stream: ").removesuffix(" FOUND")
        if "size limit exceeded" in answer:
            raise errors.ScannerUnavailable("the scanner takes no file of this size: raise its StreamMaxLength")
        raise errors.ScannerUnavailable("the scanner gave no verdict")

    async def check(self) -> None:
        """Raise ScannerUnavailable unless the daemon answers."""
        if await self._ask(b"zPING\0") != "PONG":
            raise errors.ScannerUnavailable("what answers is no virus scanner")

    async def _ask(self, command: bytes, path: Path | None = None) -> str:
        try:
            async with asyncio.timeout(_SECONDS), self._connected() as (reader, writer):
                writer.write(command)
                if path is not None:
                    # What it has heard enough of it closes, with its answer on the way.
                    with contextlib.suppress(ConnectionError):
                        await _hand_over(path, writer)
                answer = await reader.read(_ANSWER_BYTES)
        except (OSError, TimeoutError) as error:
            raise errors.ScannerUnavailable(f"the scanner cannot be reached ({type(error).__name__})") from None
        return answer.decode("utf-8", "replace").strip("\0\n ")

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if self._address.scheme == "unix":
            reader, writer = await asyncio.open_unix_connection(self._address.path)
        else:
            reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _hand_over(path: Path, writer: asyncio.StreamWriter) -> None:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
    writer.write(bytes(4))
    await writer.drain()
