"""A Maildir that the office's own mail server delivers into: what is in `new` is taken, then moved to `cur` as seen.

A mail under delivery is in `tmp`, which is never looked at; the move within one file system is atomic.
Source: D. J. Bernstein, "Using maildir format".
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from connectors.mail import handover
from core import clock, errors, ports

_CHUNK, _CHUNK_BYTES = 100, 8 * 1024 * 1024  # read and handed over at once
_OLD = timedelta(days=1)  # at the first look: nobody waits for an acknowledgement any more
_TRIES = 5  # of one mail that cannot be taken in, until the next start
_READ_BEFORE = "read"  # the cursor: this is not the first look
_log = structlog.get_logger()


class Settings(BaseModel):
    """A folder with `new` and `cur`; of a mail larger than `max_bytes` only the beginning is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    poll_seconds: Annotated[float, Field(gt=0, le=600)] = 5
    max_bytes: Annotated[int, Field(ge=512 * 1024, le=200 * 1024 * 1024)] = 35 * 1024 * 1024

    @field_validator("path")
    @classmethod
    def _from_its_directory(cls, value: Path, info: ValidationInfo) -> Path:
        base = info.context.get("base") if isinstance(info.context, dict) else None
        return value if base is None else base / value


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file in `new`."""

    path: Path
    size_bytes: int
    received_at: datetime


class Maildir:
    """The Maildir of one account; `listen` and `check` are those of core.ports."""

    def __init__(self, account: str, settings: Settings, now: clock.Clock | None = None) -> None:
        self._account = account
        self._settings = settings
        self._new, self._cur = settings.path / "new", settings.path / "cur"
        self._clock = now or clock.SystemClock()
        self._unreadable: frozenset[Path] = frozenset()
        self._failures: Counter[Path] = Counter()

    @property
    def unreadable_count(self) -> int:
        """How many mails could not be opened at the last look: somebody must mend their permissions."""
        return len(self._unreadable)

    async def listen(self, cursor: str | None, take: ports.Take) -> None:
        """Hand over every mail in `new`, then each as it comes. See core.ports.PollingConnector.

        An item's target is `maildir:<name>`, its body the mail, its time of receipt that of its file. Its headers may
        hold `handover.TRUNCATED` and `handover.BACKFILL`.
        """
        is_first = cursor is None
        while True:
            waiting = await self._look()
            unreadable: set[Path] = set()
            taken = 0
            for chunk in _chunks(waiting, self._settings.max_bytes):
                taken += len(chunk)
                # A first look that is broken off goes on as one: until its end nothing says that there was one.
                new_cursor = None if is_first and taken < len(waiting) else _READ_BEFORE
                unreadable |= await self._take_in(chunk, take, new_cursor, is_first=is_first)
            if unreadable - self._unreadable:
                _log.warning("mails_unreadable", account=self._account, count=len(unreadable))
            self._unreadable = frozenset(unreadable)
            is_first = False
            await asyncio.sleep(self._settings.poll_seconds)

    async def check(self) -> None:
        """TransientSendError when the folder cannot be read, or nothing be moved in it."""
        await self._look()

    async def _look(self) -> list[_Waiting]:
        try:
            return await asyncio.to_thread(self._waiting)
        except OSError as error:
            raise errors.TransientSendError(f"the mail folder cannot be used: {error.strerror}") from None

    def _waiting(self) -> list[_Waiting]:
        """Return what is in `new`, the oldest first."""
        for folder in (self._new, self._cur):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                folder.stat()  # says which it is, where it is not there
                raise PermissionError(13, "no permission to read it and move mails in it")
        found = []
        with os.scandir(self._new) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # somebody has taken it
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    received_at = datetime.fromtimestamp(about.st_mtime, UTC)
                    found.append(_Waiting(Path(entry.path), about.st_size, received_at))
        return sorted(found, key=lambda mail: (mail.received_at, mail.path.name))

    async def _take_in(
        self, chunk: Sequence[_Waiting], take: ports.Take, cursor: str | None, *, is_first: bool
    ) -> set[Path]:
        """Have mails committed, then move them; return those that cannot be read."""
        mails: list[tuple[Path, ports.RawRequest]] = []
        unreadable = set()
        for mail in chunk:
            if self._failures[mail.path] == _TRIES:
                continue
            try:
                body = await asyncio.to_thread(self._read, mail)
            except FileNotFoundError:
                continue
            except OSError:
                unreadable.add(mail.path)
            else:
                mails.append((mail.path, self._request(mail, body, is_first=is_first)))
        if mails:
            requests = [request for _, request in mails]
            failed = await handover.hand_over(take, requests, lambda _: cursor)
            taken = [path for place, (path, _) in enumerate(mails) if place not in failed]
            self._failures.update(path for place, (path, _) in enumerate(mails) if place in failed)
            await asyncio.to_thread(self._move, taken)
        return unreadable

    def _read(self, mail: _Waiting) -> bytes:
        is_whole = mail.size_bytes <= self._settings.max_bytes
        with mail.path.open("rb") as file:
            return file.read(mail.size_bytes if is_whole else handover.HEAD_BYTES)

    def _request(self, mail: _Waiting, body: bytes, *, is_first: bool) -> ports.RawRequest:
        now = self._clock.now()
        headers = {"content-type": "message/rfc822"}
        if mail.size_bytes > self._settings.max_bytes:
            headers[handover.TRUNCATED] = str(mail.size_bytes)
        if is_first and mail.received_at < now - _OLD:
            headers[handover.BACKFILL] = "1"
        target = f"maildir:{mail.path.name.partition(':')[0]}"
        return ports.RawRequest(self._account, target, headers, body, min(mail.received_at, now))

    def _move(self, paths: Sequence[Path]) -> None:
        for path in paths:
            name = path.name if ":2," in path.name else f"{path.name}:2,"
            try:
                path.rename(self._cur / (name if name.endswith("S") else f"{name}S"))
            except FileNotFoundError:
                continue
            except OSError as error:  # it will be handed over again, and known
                raise errors.TransientSendError(f"mails cannot be moved: {error.strerror}") from None


def _chunks(waiting: Sequence[_Waiting], max_bytes: int) -> Iterator[Sequence[_Waiting]]:
    start = size = 0
    for end, mail in enumerate(waiting):
        read = mail.size_bytes if mail.size_bytes <= max_bytes else handover.HEAD_BYTES
        if end > start and (end - start == _CHUNK or size + read > _CHUNK_BYTES):
            yield waiting[start:end]
            start, size = end, 0
        size += read
    if start < len(waiting):
        yield waiting[start:]
