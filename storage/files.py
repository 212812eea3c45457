"""Attachments: inert bytes in a directory, named by their SHA-256; an S3-compatible store would offer the same.

What is made of a file (a preview) stands beside it, under its name and another ending, and goes with it.
"""

import asyncio
import codecs
import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import filetype

from core import errors, model
from storage.scanner import Scanner

DIRECTORIES = 256
_SNIFF_BYTES = 8192
_CHUNK_BYTES = 1024 * 1024
_NOT_PLAIN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f<]")
_FALLBACK = "application/octet-stream"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ENDING = re.compile(r"[a-z0-9]{1,16}")
_GOING = "going"  # the ending of a file that is about to be removed


class FileStore:
    """Keeps each distinct content once. Nothing is ever executed or served by its own word for its type.

    With a `scanner` no file may be opened before it was examined: what is put is `held`.
    """

    def __init__(self, root: Path, scanner: Scanner | None = None) -> None:
        self._root = root
        self._scanner = scanner
        root.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes, name: str | None = None) -> model.StoredFile:
        """Keep `content`, durable on return; its type is what its bytes say. Blocks."""
        with self._draft() as draft:
            draft.write(content)
            return self._keep(draft, name)

    async def put_stream(
        self, chunks: AsyncIterator[bytes], max_bytes: int, name: str | None = None
    ) -> model.StoredFile:
        """Keep what a stream brings, as it comes; MediaRefused as soon as it is more than `max_bytes`.

        The stream is closed when nothing more is read of it.
        """
        async with contextlib.AsyncExitStack() as opened:
            if hasattr(chunks, "aclose"):
                opened.push_async_callback(chunks.aclose)
            with self._draft() as draft:
                waiting = bytearray()
                async for chunk in chunks:
                    waiting += chunk
                    if draft.size + len(waiting) > max_bytes:
                        raise errors.MediaRefused("too large")
                    if len(waiting) >= _CHUNK_BYTES:
                        await asyncio.to_thread(draft.write, bytes(waiting))
                        waiting.clear()
                draft.write(bytes(waiting))
                return await asyncio.to_thread(self._keep, draft, name)

    def get(self, sha256: str) -> bytes:
        """Return a kept content; NotFound, also for what is no longer what was kept. Blocks."""
        return self.checked(sha256).read_bytes()

    def checked(self, sha256: str) -> Path:
        """Return where a content is kept, to be read and nothing else. NotFound as `get`. Blocks."""
        path = self._path(sha256)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise errors.NotFound("no such file") from None
        if found != sha256:
            raise errors.NotFound("the file was changed")
        return path

    async def examine(self, sha256: str) -> str | None:
        """Return the name of the virus in a kept file, None where there is none or nobody looks.

        Raises ScannerUnavailable, NotFound.
        """
        if self._scanner is None:
            return None
        return await self._scanner.scan(await asyncio.to_thread(self.checked, sha256))

    async def check_scanner(self) -> None:
        """Raise ScannerUnavailable where there should be a scanner and none answers."""
        if self._scanner is not None:
            await self._scanner.check()

    # --- What is made of a file ---

    def derived(self, sha256: str, ending: str) -> bytes | None:
        """Return what was made of a file before. Blocks."""
        try:
            return self._path(sha256, ending).read_bytes()
        except FileNotFoundError:
            return None

    def put_derived(self, sha256: str, ending: str, content: bytes) -> None:
        """Keep what was made of a file. It need not last: it can be made again. Blocks."""
        with self._draft() as draft:
            draft.write(content)
            draft.move(self._path(sha256, ending))

    # --- What nobody needs any more ---

    def old(self, directory: int, before: datetime) -> list[str]:
        """Return the hashes of the files in one of the DIRECTORIES that were put before then, in no order. Blocks.

        What an interrupted write or `remove` left there is cleared up.
        """
        found = []
        for entry in self._entries(directory):
            digest, _, ending = entry.name.partition(".")
            if _DIGEST.fullmatch(digest) is None:
                if _put_at(entry) < before:
                    entry.unlink(missing_ok=True)
            elif ending == _GOING:
                with contextlib.suppress(FileNotFoundError):
                    entry.replace(self._path(digest))
            elif ending:
                if not self._path(digest).exists():
                    entry.unlink(missing_ok=True)
            elif _put_at(entry) < before:
                found.append(digest)
        return found

    def remove(self, sha256: str, before: datetime) -> bool:
        """Remove a file and what was made of it, unless it was put again since `before`. Blocks.

        Whoever asks has seen that nothing refers to it. Somebody may put it just now, before his transaction: so it
        is first moved away, which no `put` can see, and looked at then.
        """
        path, going = self._path(sha256), self._path(sha256, _GOING)
        try:
            path.replace(going)
        except FileNotFoundError:
            return False
        if _put_at(going) >= before:
            going.replace(path)
            return False
        going.unlink(missing_ok=True)
        for made in path.parent.glob(f"{sha256}.*"):
            made.unlink(missing_ok=True)
        return True

    def _entries(self, directory: int) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from list((self._root / f"{directory:02x}").iterdir())

    @contextlib.contextmanager
    def _draft(self) -> Iterator["_Draft"]:
        # In one of the directories, so that what a crash leaves of it is found.
        directory = self._root / "00"
        directory.mkdir(parents=True, exist_ok=True)
        draft = _Draft(directory)
        try:
            yield draft
        finally:
            draft.close()

    def _keep(self, draft: "_Draft", name: str | None) -> model.StoredFile:
        digest = draft.digest
        draft.sync()
        # Also where it is kept already: its time becomes that of now, and what was damaged is whole again.
        draft.move(self._path(digest))
        return model.StoredFile(digest, draft.size, sniff(draft.head), name, held=self._scanner is not None)

    def _path(self, digest: str, ending: str = "") -> Path:
        if _DIGEST.fullmatch(digest) is None or (ending and _ENDING.fullmatch(ending) is None):
            raise errors.NotFound("not the name of a file")
        return self._root / digest[:2] / (f"{digest}.{ending}" if ending else digest)


class _Draft:
    """A file while it is written, under a name that nothing asks for."""

    def __init__(self, directory: Path) -> None:
        handle, name = tempfile.mkstemp(dir=directory)
        self._file = os.fdopen(handle, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)
        self.head += chunk[: max(0, _SNIFF_BYTES - len(self.head))]

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def move(self, path: Path) -> None:
        """Give it its name, durable where it was synced."""
        self._file.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(path)
        _sync_directory(path.parent)
        _sync_directory(path.parent.parent)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written cannot be written now
            self._file.close()
        self._path.unlink(missing_ok=True)


def sniff(content: bytes) -> str:
    """Return the media type that the bytes themselves show, `application/octet-stream` where they show none.

    Text is plain where nothing in it could be taken for markup.
    """
    head = content[:_SNIFF_BYTES]
    kind = filetype.guess(head)
    if kind is not None:
        return str(kind.mime)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut
    except UnicodeDecodeError:
        return _FALLBACK
    return "text/plain" if text.strip() and _NOT_PLAIN.search(text) is None else _FALLBACK


def _put_at(path: Path) -> datetime:
    """Return when a file was put; what is gone meanwhile counts as put for ever."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
