"""Fetching from a mailbox over one connection: committed first, then marked, and nothing twice.

What is new is whatever has a higher UID than the last that was committed (RFC 3501 section 2.3.1.1). Whether it counts
as seen, which people and other programs decide, says nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from connectors.mail import handover, watermark
from core import clock, errors, ports

if TYPE_CHECKING:
    from connectors.mail import imap, sessions

_WINDOW = 10_000  # UIDs asked for at once; imaplib takes no line of more than a million bytes
_PAGE = 200  # mails whose sizes are asked for at once
_CHUNK, _CHUNK_BYTES = 100, 8 * 1024 * 1024  # fetched and handed over at once
_IDLE_SECONDS = 60.0  # bounds a lost wake-up, and tells of a dead connection
_RESCAN_DAYS = 30  # of a folder that was made anew: what is known already is swallowed
_OLD = timedelta(days=1)  # at the first look: nobody waits for an acknowledgement any more
_TRIES = 5  # of one mail that cannot be taken in, in one connection
_MOST_FAILED = 500
_log = structlog.get_logger()

Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Fetched:
    uid: int
    is_whole: bool
    request: ports.RawRequest


class Fetching:
    """From one call of `listen` to its end. `call` runs a method of the session in the session's thread."""

    def __init__(
        self,
        account: str,
        settings: "imap.Settings",
        session: "sessions.Session",
        call: Call,
        take: ports.Take,
        now: clock.Clock,
    ) -> None:
        self._account = account
        self._settings = settings
        self._session = session
        self._call = call
        self._take = take
        self._clock = now
        self._mark = watermark.Watermark(session.validity, 0)
        self._attempts: dict[int, int] = {}  # of mails that could not be taken in

    async def run(self, cursor: str | None) -> None:
        """Fetch until cancelled, or until the connection fails."""
        await self._begin(watermark.read(cursor))
        while True:
            await self._catch_up()
            await self._take_all(await self._call(self._session.search, self._mark.uid + 1, None, None))
            await self._try_failed_again()
            await self._rest()

    async def _begin(self, known: watermark.Watermark | None) -> None:
        if known is not None and known.validity == self._session.validity:
            # We may have been stopped between commit and mark.
            await self._call(self._session.mark, known.unmarked)
            self._mark = replace(known, unmarked=())
            self._attempts = dict.fromkeys(known.failed, 0)
            return
        days = self._settings.first_fetch_days
        if known is not None:
            days = max(days, _RESCAN_DAYS)
            _log.warning("mailbox_renumbered", account=self._account)
        since = self._clock.now().date() - timedelta(days=days + 1)  # a day more: SINCE goes by the server's zone
        self._mark = replace(self._mark, first=watermark.FirstLook(self._session.last_uid, since))

    async def _catch_up(self) -> None:
        """Take what was there when the folder was opened, in pages: it may be years of mail."""
        first = self._mark.first
        if first is not None:
            await self._take_up_to(first.until, first.since)
            self._mark = replace(self._mark, first=None)
        await self._take_up_to(self._session.last_uid, None)

    async def _take_up_to(self, last: int, since: date | None) -> None:
        width = _WINDOW
        while (after := self._mark.uid) < last:
            end = min(after + width, last)
            uids = await self._call(self._session.search, after + 1, end, since)
            await self._take_all(uids)
            self._mark = replace(self._mark, uid=end)
            width = _WINDOW if uids else width * 2  # numbers may have gaps of millions

    async def _take_all(self, uids: Sequence[int]) -> None:
        for start in range(0, len(uids), _PAGE):
            found = await self._call(self._session.find, uids[start : start + _PAGE])
            for chunk in self._chunks(found):
                await self._hand_over(await self._fetch(chunk))

    def _chunks(self, found: "Sequence[sessions.Found]") -> "list[list[sessions.Found]]":
        chunks: list[list[sessions.Found]] = []
        size = 0
        for mail in found:
            fetched = mail.size_bytes if mail.size_bytes <= self._settings.max_bytes else handover.HEAD_BYTES
            if not chunks or len(chunks[-1]) == _CHUNK or size + fetched > _CHUNK_BYTES:
                chunks.append([])
                size = 0
            chunks[-1].append(mail)
            size += fetched
        return chunks

    async def _fetch(self, chunk: "Sequence[sessions.Found]") -> list[_Fetched]:
        """Return what is still there of it; of a mail that is too large, the beginning."""
        whole = [mail.uid for mail in chunk if mail.size_bytes <= self._settings.max_bytes]
        bodies: dict[int, bytes] = await self._call(self._session.fetch, whole) if whole else {}
        for mail in chunk:
            if mail.size_bytes > self._settings.max_bytes:
                bodies |= await self._call(self._session.fetch_head, mail.uid, handover.HEAD_BYTES)
        return [self._fetched(mail, bodies[mail.uid]) for mail in chunk if mail.uid in bodies]

    def _fetched(self, mail: "sessions.Found", body: bytes) -> _Fetched:
        now = self._clock.now()
        received_at = min(mail.received_at or now, now)
        is_whole = mail.size_bytes <= self._settings.max_bytes
        headers = {"content-type": "message/rfc822"}
        if not is_whole:
            headers[handover.TRUNCATED] = str(mail.size_bytes)
        first = self._mark.first
        if first is not None and mail.uid <= first.until and received_at < now - _OLD:
            headers[handover.BACKFILL] = "1"
        target = f"imap:{self._session.validity}/{mail.uid}"
        request = ports.RawRequest(self._account, target, headers, body, received_at.astimezone(UTC))
        return _Fetched(mail.uid, is_whole, request)

    async def _hand_over(self, mails: Sequence[_Fetched]) -> None:
        """Have mails committed, then mark them; remember which could not be."""
        if not mails:
            return
        uid = max(self._mark.uid, mails[-1].uid)

        def after(failed: frozenset[int]) -> watermark.Watermark:
            refused = {mails[place].uid for place in failed}
            taken = [mail for mail in mails if mail.uid not in refused]
            left = (set(self._mark.failed) - {mail.uid for mail in taken}) | refused
            whole = tuple(mail.uid for mail in taken if mail.is_whole)
            return replace(self._mark, uid=uid, unmarked=whole, failed=tuple(sorted(left)))

        requests = [mail.request for mail in mails]
        failed = await handover.hand_over(self._take, requests, lambda failed: str(after(failed)))
        self._mark = after(failed)
        for each in self._mark.failed:
            self._attempts.setdefault(each, 0)
        if len(self._mark.failed) > _MOST_FAILED:
            raise errors.TransientSendError("too many mails cannot be taken in")
        await self._call(self._session.mark, self._mark.unmarked)
        cut = [mail.uid for place, mail in enumerate(mails) if not mail.is_whole and place not in failed]
        await self._call(self._session.mark, cut, True)
        self._mark = replace(self._mark, unmarked=())

    async def _try_failed_again(self) -> None:
        """Try each alone; what will not go is left where it is, unmarked, for the next connection."""
        for uid in self._mark.failed:
            if self._attempts[uid] == _TRIES:
                continue
            self._attempts[uid] += 1
            mails = await self._fetch(await self._call(self._session.find, [uid]))
            if mails:
                await self._hand_over(mails)
            else:  # somebody has removed it
                self._mark = replace(self._mark, failed=tuple(each for each in self._mark.failed if each != uid))

    async def _rest(self) -> None:
        if self._session.can_idle:
            await self._call(self._session.wait, min(_IDLE_SECONDS, self._settings.poll_seconds))
        else:
            await asyncio.sleep(self._settings.poll_seconds)
            await self._call(self._session.look)
