"""How far a mailbox has been read, as one opaque text.

`1795309716:150;unmarked=101-150;failed=57;first=900@2026-11-08` says: of the folder with that UIDVALIDITY every mail
up to UID 150 is committed, but 57; 101 to 150 may not have been marked on the server yet; and up to UID 900, which was
there when we first looked, only mails since 8 November 2026 are wanted. Source: RFC 3501 section 2.3.1.1.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Up to the UID `until`, which was there before us, only what the server got on `since` or later is fetched."""

    until: int
    since: date


@dataclass(frozen=True, slots=True)
class Watermark:
    """Everything up to `uid` is committed, except `failed`. `first`: while a first look goes on."""

    validity: int
    uid: int
    unmarked: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    first: FirstLook | None = None

    def __str__(self) -> str:
        parts = [f"{self.validity}:{self.uid}"]
        parts += [f"{name}={_written(uids)}" for name in ("unmarked", "failed") if (uids := getattr(self, name))]
        if self.first is not None:
            parts.append(f"first={self.first.until}@{self.first.since.isoformat()}")
        return ";".join(parts)


def read(text: str | None) -> Watermark | None:
    """Return the watermark of a text; None for None, and for a text that is none: the mailbox is then read anew."""
    if text is None:
        return None
    try:
        head, *parts = text.split(";")
        validity, uid = map(int, head.split(":"))
        named = dict(part.split("=", 1) for part in parts)
        first = None
        if "first" in named:
            until, since = named["first"].split("@")
            first = FirstLook(int(until), date.fromisoformat(since))
        return Watermark(validity, uid, _uids(named.get("unmarked", "")), _uids(named.get("failed", "")), first)
    except ValueError:
        return None


def _written(uids: Iterable[int]) -> str:
    """Return `1-3,7` for 1, 2, 3 and 7."""
    runs = []
    # Within a run, a number less its place in the row stays the same.
    for _, run in itertools.groupby(enumerate(sorted(uids)), lambda pair: pair[1] - pair[0]):
        numbers = [uid for _, uid in run]
        runs.append(f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}")
    return ",".join(runs)


def _uids(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for run in filter(None, text.split(",")):
        first, _, last = run.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)
