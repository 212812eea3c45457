"""Previews of pictures and PDFs: made once, by a process of their own that may die of a file, and kept beside it."""

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog

from router import rendering
from storage.files import FileStore

MEDIA_TYPE = "image/webp"
# What a preview is made of: the types as the bytes themselves showed them when the file was stored.
MADE_OF = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/tiff", "application/pdf"}
)
_SECONDS = 30
_SHARP, _BLURRED = "sharp", "blurred"  # the endings of what is kept
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Preview:
    """A WebP picture; `pages` of the PDF whose first page it shows, None for a picture."""

    content: bytes
    pages: int | None = None


class Previews:
    """Makes previews, one at a time: each may take a gigabyte of memory while it is made."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def sharp(self, files: FileStore, sha256: str) -> Preview | None:
        """Return a kept file's preview to read; None where none can be made. NotFound."""
        kept = await self._kept(files, sha256, _SHARP)
        if not kept:
            return None
        head, _, content = kept.partition(b"\n")
        return Preview(content, json.loads(head))

    async def blurred(self, files: FileStore, sha256: str) -> bytes | None:
        """Return a preview of which nothing can be made out but colours; None where none can be made. NotFound."""
        return await self._kept(files, sha256, _BLURRED) or None

    async def _kept(self, files: FileStore, sha256: str, ending: str) -> bytes:
        found = await asyncio.to_thread(files.derived, sha256, ending)
        if found is not None:
            return found
        async with self._turn:
            found = await asyncio.to_thread(files.derived, sha256, ending)
            if found is not None:
                return found
            made = await self._make(files, sha256)
            for each, content in made.items():
                await asyncio.to_thread(files.put_derived, sha256, each, content)
            return made[ending]

    async def _make(self, files: FileStore, sha256: str) -> dict[str, bytes]:
        """Return both previews by their endings, empty where none can be made: it is not tried again."""
        path = await asyncio.to_thread(files.checked, sha256)
        written = await asyncio.to_thread(_rendered, path)
        try:
            head, _, rest = written.partition(b"\n")
            said = json.loads(head)
            sharp, blurred = rest[: said["sharp"]], rest[said["sharp"] :]
            if not sharp or len(blurred) != said["blurred"]:
                raise ValueError("cut short")  # noqa: TRY301
        except (ValueError, KeyError, TypeError):
            _log.info("preview_not_made", sha256=sha256)
            return {_SHARP: b"", _BLURRED: b""}
        return {_SHARP: json.dumps(said.get("pages")).encode() + b"\n" + sharp, _BLURRED: blurred}


def _rendered(path: Path) -> bytes:
    """Return what the rendering of a file wrote, of whatever use; nothing where it failed or took too long. Blocks."""
    # Into a file: its size has a limit, which the process sets itself and cannot raise again.
    with path.open("rb") as file, tempfile.TemporaryFile() as written:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", "-B", rendering.__file__],
                stdin=file, stdout=written, stderr=subprocess.DEVNULL, cwd="/", env={}, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return b""
        written.seek(0)
        return written.read() if done.returncode == 0 else b""
