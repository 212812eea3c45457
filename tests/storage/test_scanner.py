"""The virus scanner: ClamAV's protocol over real sockets, spoken by a daemon that knows one virus."""

import asyncio
import os
from pathlib import Path

import pytest

from core import errors
from storage.files import FileStore
from storage.scanner import Scanner

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Clamd:
    """Takes INSTREAM and PING as clamd(8) says; `answer` replaces what it would say."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.limit = 30_000_000
        self.answer: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        said = b"PONG\0" if command == b"zPING\0" else await self._instream(reader)
        writer.write(said if self.answer is None else self.answer)
        await writer.drain()
        writer.close()

    async def _instream(self, reader: asyncio.StreamReader) -> bytes:
        content = b""
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(length)
            if len(content) > self.limit:
                return b"INSTREAM size limit exceeded. ERROR\0"
        self.seen.append(content)
        return b"stream: Eicar-Signature FOUND\0" if EICAR in content else b"stream: OK\0"


@pytest.fixture
def clamd():
    return Clamd()


@pytest.fixture(params=["tcp", "unix"])
async def scanner(request, clamd, tmp_path):
    if request.param == "unix":
        server = await asyncio.start_unix_server(clamd.serve, tmp_path / "clamd.ctl")
        address = f"unix://{tmp_path}/clamd.ctl"
    else:
        server = await asyncio.start_server(clamd.serve, "127.0.0.1", 0)
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield Scanner(address)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "berkas"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"surat", os.urandom(600_000)])
async def test_a_clean_file_is_seen_whole(scanner, clamd, tmp_path, content):
    assert await scanner.scan(written(tmp_path, content)) is None
    assert clamd.seen == [content]


async def test_a_virus_is_named(scanner, tmp_path):
    assert await scanner.scan(written(tmp_path, b"a" * 300_000 + EICAR)) == "Eicar-Signature"


async def test_a_file_too_large_for_the_scanner_is_not_taken_for_clean(scanner, clamd, tmp_path):
    clamd.limit = 100_000
    with pytest.raises(errors.ScannerUnavailable, match=r"StreamMaxLength|cannot be reached|no verdict"):
        await scanner.scan(written(tmp_path, os.urandom(3_000_000)))


@pytest.mark.parametrize("answer", [b"", b"stream: nanti ERROR\0", b"OK", b"FOUND\0", b"HTTP/1.1 400 Bad Request"])
async def test_an_answer_that_is_no_verdict_is_not_taken_for_one(scanner, clamd, tmp_path, answer):
    clamd.answer = answer
    with pytest.raises(errors.ScannerUnavailable):
        await scanner.scan(written(tmp_path, b"surat"))
    with pytest.raises(errors.ScannerUnavailable):
        await scanner.check()


async def test_it_says_that_it_is_there(scanner):
    await scanner.check()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "unix:///tidak/ada.ctl"])
async def test_one_that_is_away_is_said_to_be(address, tmp_path):
    with pytest.raises(errors.ScannerUnavailable, match="cannot be reached"):
        await Scanner(address).scan(written(tmp_path, b"surat"))


async def test_files_are_held_where_there_is_a_scanner_and_examined_by_it(scanner, tmp_path):
    guarded, free = FileStore(tmp_path / "a", scanner), FileStore(tmp_path / "b")
    stored = guarded.put(EICAR)
    assert stored.held
    assert await guarded.examine(stored.sha256) == "Eicar-Signature"
    stored = free.put(EICAR)
    assert not stored.held
    assert await free.examine(stored.sha256) is None
    await free.check_scanner()
