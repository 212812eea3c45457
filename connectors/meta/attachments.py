"""What a message of Messenger or Instagram carries besides its text. Pure.

Source: Meta, "messages" (Messenger Platform webhook events), "Webhook notification examples" (Instagram Platform).
"""

import fnmatch
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors.meta import payload
from core import model

# Where Meta keeps files. An address elsewhere is a link that somebody shared.
HOSTS = ("*.fbcdn.net", "*.cdninstagram.com", "*.fbsbx.com", "lookaside.facebook.com", "lookaside.instagram.com")

_TYPES = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mp4", "sticker": "image/png", "file": None}
_SHARED = frozenset({"fallback", "share", "reel", "ig_reel", "post", "ig_post", "story_mention", "ig_story"})
_LIKE = "👍"
_LIKES = frozenset({"369239263222822", "369239343222814", "369239383222810"})  # the thumb in its three sizes


@dataclass(slots=True)
class Parts:
    """The attachments of one message: files, text that stands for the others, and what the content is, if not text."""

    files: list[model.RemoteFile] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    content: model.Content | None = None
    details: dict[str, str] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, attachment: object) -> None:
        parts = payload.mapping(attachment)
        kind = payload.keyword(parts.get("type"))
        inner = payload.mapping(parts.get("payload"))
        url = payload.address(inner.get("url")) or payload.address(parts.get("url"))
        sticker = payload.identifier(inner.get("sticker_id"))
        if self._is_known(url, sticker):
            return
        if sticker in _LIKES:
            self.lines.append(_LIKE)
        elif kind == "location":
            self._add_place(payload.mapping(inner.get("coordinates")), parts.get("title"))
        elif kind in _SHARED:
            self._add_shared(kind, url, inner.get("title") or parts.get("title"))
        elif kind in _TYPES and url is not None:
            self.files.append(model.RemoteFile(url, _TYPES[kind], _name(url) if kind == "file" else None))
        else:
            self._cannot_show(kind, inner.get("title") or parts.get("title"))

    def _is_known(self, url: str | None, sticker: str | None) -> bool:
        """Whether it came already: until August 2026 a sticker came as an image too."""
        keys = {key for key in (url, sticker) if key is not None}
        if keys & self._seen:
            return True
        self._seen |= keys
        return False

    def _add_place(self, coordinates: Any, title: object) -> None:
        latitude, longitude = _degrees(coordinates.get("lat")), _degrees(coordinates.get("long"))
        if latitude is None or longitude is None:
            self._cannot_show("location", title)
            return
        self.content = model.Content.LOCATION
        self.details |= payload.details(latitude=latitude, longitude=longitude, label=title)

    def _add_shared(self, kind: str, url: str | None, title: object) -> None:
        if url is None:  # of a private account, or gone already
            self._cannot_show(kind, title)
            return
        self.details |= payload.details(type=kind, title=title)
        if is_kept_by_meta(url):
            self.files.append(model.RemoteFile(url))
        else:
            self.lines.append(url)

    def _cannot_show(self, kind: str, title: object) -> None:
        self.content = self.content or model.Content.UNSUPPORTED
        self.details |= payload.details(type=kind, title=title)


def read(attachments: object) -> Parts:
    """Return what a message's list of attachments holds; what cannot be shown makes its content UNSUPPORTED."""
    parts = Parts()
    for attachment in attachments if isinstance(attachments, list) else [attachments] if attachments else []:
        parts.add(attachment)
    return parts


def is_kept_by_meta(url: str) -> bool:
    host = (urlsplit(url).hostname or "").casefold()
    return any(fnmatch.fnmatchcase(host, pattern) for pattern in HOSTS)


def _degrees(value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and -180 <= value <= 180 else None  # type: ignore[operator]  # it is a number


def _name(url: str) -> str | None:
    """Return the file's name as its address ends."""
    return payload.line(unquote(urlsplit(url).path.rpartition("/")[2]), payload.MAX_NAME) or None
