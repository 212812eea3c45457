"""Handing fetched mails over, many at once, so that one commit takes them all."""

import asyncio
import re
from collections.abc import Callable, Sequence

import structlog

from core import errors, ports

TRUNCATED = "x-aduan-truncated"  # the full size in bytes of a mail of which only the beginning was fetched
BACKFILL = "x-aduan-backfill"  # "1": it was in the mailbox long before us; nobody waits for an acknowledgement of it
HEAD_BYTES = 256 * 1024  # fetched of a mail that is too large: its headers, and mostly its text

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 30.0
_FROM = re.compile(rb"^From:(.*)", re.IGNORECASE | re.MULTILINE)
_SEARCHED_BYTES = 32 * 1024
_log = structlog.get_logger()


async def hand_over(
    take: ports.Take, requests: Sequence[ports.RawRequest], cursor_after: Callable[[frozenset[int]], str | None]
) -> frozenset[int]:
    """Return which of the requests, by their places, were refused; all others are committed.

    The cursor goes with the last, once the fate of all others is known: `cursor_after` is told which of those failed.
    Mails of one author follow each other. While the database is away this waits: nothing is given up for that.
    """
    *others, last = requests
    by_author: dict[bytes, list[int]] = {}
    for place, request in enumerate(others):
        by_author.setdefault(_author(request.body), []).append(place)

    async def one_by_one(places: Sequence[int]) -> set[int]:
        return {place for place in places if not await _is_taken(take, others[place], None)}

    failed = set[int]().union(*await asyncio.gather(*map(one_by_one, by_author.values())))
    if not await _is_taken(take, last, cursor_after(frozenset(failed))):
        failed.add(len(others))
    return frozenset(failed)


def _author(mail: bytes) -> bytes:
    """Return the line that names the author, to tell authors apart and for nothing else."""
    found = _FROM.search(mail, 0, _SEARCHED_BYTES)
    return b"" if found is None else found[1].strip().lower()


async def _is_taken(take: ports.Take, request: ports.RawRequest, cursor: str | None) -> bool:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            await take(request, cursor)
        except errors.StorageUnavailable:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        except Exception:  # noqa: BLE001 - one mail that cannot be stored must not hold up the others
            _log.exception("mail_not_taken", account=request.account, item=request.target)
            return False
        else:
            return True
