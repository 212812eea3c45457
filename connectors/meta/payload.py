"""What the events of Meta's webhooks are made of, and words for what becomes of each. Pure.

JSON from outside may hold anything anywhere: these functions return nothing where something else was expected.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

from core import model, text

Platform = Literal["page", "instagram"]

MAX_NAME = 120
MAX_DETAIL = 500
_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,512}")
_KEYWORD = re.compile(r"[A-Za-z_\-]{1,40}")
_ADDRESS = re.compile(r"https?://\S{1,4090}", re.IGNORECASE)
_MILLISECONDS = 100_000_000_000  # a greater time is in milliseconds: in seconds it would be the year 5138
_LATEST = 32_503_680_000  # the year 3000


class Ignored(StrEnum):
    """What is not taken in: nothing that a citizen wrote to the office is among it."""

    OWN = "own"  # done by the page or account itself: comments, posts, reactions, reading; private answers are taken in
    HIDDEN = "hidden"  # a comment hidden or shown again: by ourselves, or by whoever keeps the page
    LIKED = "liked"  # likes and reactions to posts and comments
    SHARED = "shared"  # a post of ours shared without a word
    HANDED_OVER = "handed_over"  # a conversation passed between apps; its messages come all the same
    OPENED = "opened"  # a conversation opened by a link or a button, nothing said yet; accounts linked; games
    FIRST_VERSION = "first_version"  # an edit numbered 0: the message itself comes as one
    COUNTED = "counted"  # statistics
    ABOUT_PAGE = "about_page"  # what the page says of itself, its forms and its live videos


class UnreadableError(Exception):
    """One event cannot be read; the text says why and holds nothing of its content."""


Outcome = Sequence[model.InboundEvent] | Ignored


@dataclass(frozen=True, slots=True)
class Item:
    """One event of a batch. `owner` is the id of the page or account it belongs to, `told_at` when Meta told of it."""

    platform: Platform
    owner: str
    told_at: datetime | None
    content: Mapping[str, Any]


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def identifier(value: object) -> str | None:
    """Return an id, which may come as a number; None for anything that is none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**40:
        return str(value)
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def keyword(value: object) -> str:
    """Return a word of Meta's own, fit for a reason or a detail; `?` for anything else."""
    return value if isinstance(value, str) and _KEYWORD.fullmatch(value) else "?"


def prose(value: object) -> str:
    return text.clean(value) if isinstance(value, str) else ""


def line(value: object, limit: int = MAX_DETAIL) -> str:
    return text.one_line(prose(value), limit)


def address(value: object) -> str | None:
    """Return a web address as it came; None for anything else."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value) or text.clean(value) != value:
        return None
    try:
        return value if urlsplit(value).hostname else None
    except ValueError:
        return None


def moment(value: object) -> datetime | None:
    """Return a time given as seconds or milliseconds since 1970, or written as ISO 8601; None for anything else."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit():
            return _written(value)
        value = int(value[:20])
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    milliseconds = value if value >= _MILLISECONDS else value * 1000
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if 0 < milliseconds < _LATEST * 1000 else None


def _written(value: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def details(**values: object) -> dict[str, str]:
    """Return the details that say anything, each on one line; an id may be a number."""
    lines = {name: line(str(value) if isinstance(value, int) else value) for name, value in values.items()}
    return {name: value for name, value in lines.items() if value}
