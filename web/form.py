"""Reading the public form as it streams in, capped; and the stamp that says when a form was given out."""

import asyncio
import contextlib
import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PureWindowsPath
from typing import IO

from aiohttp import BodyPartReader, http_exceptions, web

from core import errors, model, text

FILES = "files"  # the name of the field
MAX_FILES, MAX_FILE_BYTES, MAX_TOTAL_BYTES = 5, 8 * 1024**2, 25 * 1024**2

# What is wrong with the files, or with the form as a whole.
TOO_MANY, FILE_TOO_LARGE, FILES_TOO_LARGE, FILE_EMPTY = "too_many", "file_too_large", "files_too_large", "file_empty"
TOO_FAST, EXPIRED = "too_fast", "expired"
UNREADABLE, UNAVAILABLE = "unreadable", "unavailable"

_MAX_FIELDS_BYTES = 256 * 1024  # of all fields together
_MAX_PARTS = 64
_CHUNK = 64 * 1024
_IN_MEMORY = 512 * 1024  # of each file; the rest goes to a temporary file until the form is known to be whole
_READ_SECONDS = 20 * 60  # 8 MB over a 2G connection at its best
_MAX_FILE_NAME = 120

_LEAST_FILL_TIME = timedelta(seconds=3)  # nobody writes a complaint faster; programs do
_VALID = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    content: IO[bytes]


@dataclass(slots=True)
class Filled:
    """A form as far as it was read. `mistakes` are those of its files, `problem` what hindered the reading."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)
    mistakes: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


async def read(request: web.Request, opened: contextlib.ExitStack, *, with_files: bool = True) -> Filled:
    """Read a multipart form; the files stay open in `opened`. ConnectionError when the sender goes away.

    The page has its text fields before its files, so that the text is known whatever becomes of the files: reading ends
    at the first file when `with_files` is False, and where the files together are too large.
    """
    filled = Filled()
    if not request.content_type.startswith("multipart/"):
        filled.problem = UNREADABLE
        return filled
    try:
        async with asyncio.timeout(_READ_SECONDS):
            await _read_parts(request, filled, opened, with_files)
    except errors.StorageUnavailable:
        filled.problem = UNAVAILABLE
    except (ValueError, RuntimeError, AssertionError, TimeoutError, http_exceptions.HttpProcessingError):
        filled.problem = UNREADABLE
    return filled


async def _read_parts(request: web.Request, filled: Filled, opened: contextlib.ExitStack, with_files: bool) -> None:
    room, room_for_fields = MAX_TOTAL_BYTES, _MAX_FIELDS_BYTES
    parts = 0
    async for part in await request.multipart():
        parts += 1
        if parts > _MAX_PARTS or not isinstance(part, BodyPartReader) or part.name is None:
            raise ValueError("not the form of this page")
        if part.filename is None and part.name != FILES:
            value = await _read_field(part, room_for_fields)
            room_for_fields -= len(value)
            filled.fields[part.name] = value.decode("utf-8", "replace")
        elif not with_files:
            return
        else:
            room -= await _read_file(part, filled, opened, room)
            if room < 0:
                filled.mistakes[FILES] = FILES_TOO_LARGE
                return


async def _read_field(part: BodyPartReader, room: int) -> bytearray:
    value = bytearray()
    async for chunk in _chunks(part):
        value += chunk
        if len(value) > room:
            raise ValueError("the fields are too long")
    return value


async def _read_file(part: BodyPartReader, filled: Filled, opened: contextlib.ExitStack, room: int) -> int:
    """Read one file into `filled`; return its size. What is too large is read on, unkept, until `room` is used up."""
    content: IO[bytes] = opened.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - it does
    size = 0
    async for chunk in _chunks(part):
        size += len(chunk)
        if size <= MAX_FILE_BYTES:
            _keep(content, chunk)
        if size > room:
            break
    if not part.filename and size == 0:
        return 0  # the field was left empty
    if size > MAX_FILE_BYTES:
        filled.mistakes[FILES] = FILE_TOO_LARGE
    elif size == 0:
        filled.mistakes[FILES] = FILE_EMPTY
    elif len(filled.files) == MAX_FILES:
        filled.mistakes[FILES] = TOO_MANY
    else:
        filled.files.append(Upload(_file_name(part.filename or ""), content))
    return size


def _keep(content: IO[bytes], chunk: bytes) -> None:
    try:
        content.write(chunk)
    except OSError as error:
        raise errors.StorageUnavailable("no room for temporary files") from error


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield await part.read_chunk(_CHUNK)


def _file_name(given: str) -> str:
    """Return the last part of a path of any system: some browsers send the whole path."""
    return text.one_line(PureWindowsPath(text.clean(given)).name, _MAX_FILE_NAME) or "lampiran"


def keep(put: Callable[[bytes, str], model.StoredFile], uploads: Iterable[Upload]) -> list[model.StoredFile]:
    """Put the files where they last; StorageUnavailable when that cannot be done. Blocks."""
    kept = []
    try:
        for upload in uploads:
            upload.content.seek(0)
            kept.append(put(upload.content.read(), upload.name))
    except OSError as error:
        raise errors.StorageUnavailable("the files cannot be kept") from error
    return kept


def stamp(secret: bytes, account: str, key: str, at: datetime) -> str:
    """Return what proves that the form `key` of `account` was given out at `at`."""
    seconds = str(int(at.timestamp()))
    return f"{seconds}.{_signature(secret, account, key, seconds)}"


def stamp_mistake(secret: bytes, account: str, key: str, value: str, now: datetime) -> str | None:
    """Say what is wrong with a stamp: TOO_FAST, EXPIRED (also for one that is not ours), None for nothing."""
    seconds, _, signature = value.partition(".")
    if not hmac.compare_digest(_signature(secret, account, key, seconds).encode(), signature.encode(errors="replace")):
        return EXPIRED
    age = now - datetime.fromtimestamp(int(seconds), UTC)
    if age > _VALID:
        return EXPIRED
    return TOO_FAST if age < _LEAST_FILL_TIME else None


def _signature(secret: bytes, account: str, key: str, seconds: str) -> str:
    content = f"form\0{account}\0{key}\0{seconds}".encode(errors="replace")
    return hmac.digest(secret, content, hashlib.sha256).hex()
