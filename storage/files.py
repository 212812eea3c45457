"""Attachments: inert bytes in a directory, named by their SHA-256; an S3-compatible store would offer the same."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import filetype

from core import errors, model

_SNIFF_BYTES = 8192
_FALLBACK = "application/octet-stream"


class FileStore:
    """Keeps each distinct content once. Nothing is ever executed or served by its own word for its type."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes, name: str | None = None) -> model.StoredFile:
        """Keep `content`, durable on return; its type is what its bytes say. Blocks."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync_directory(path.parent)
            _sync_directory(self._root)
        return model.StoredFile(digest, len(content), sniff(content), name)

    async def put_stream(
        self, chunks: AsyncIterator[bytes], max_bytes: int, name: str | None = None
    ) -> model.StoredFile:
        """Keep what a stream brings; MediaRefused as soon as it is more than `max_bytes`."""
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > max_bytes:
                raise errors.MediaRefused("too large")
        return await asyncio.to_thread(self.put, bytes(content), name)

    def get(self, sha256: str) -> bytes:
        """Return a kept content; NotFound, also for what is no longer what was kept. Blocks."""
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise errors.NotFound("no such file") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise errors.NotFound("the file was changed")
        return content

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
            raise errors.NotFound("not the name of a file")
        return self._root / digest[:2] / digest


def sniff(content: bytes) -> str:
    """Return the media type that the bytes themselves show, `application/octet-stream` where they show none."""
    kind = filetype.guess(content[:_SNIFF_BYTES])
    return _FALLBACK if kind is None else str(kind.mime)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
