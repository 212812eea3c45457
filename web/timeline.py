"""The one timeline of a complaint: messages, notes and events of the log in the order of their time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core import model
from router.complaints import Details
from router.offices import Office
from web import events, texts

# Types that a browser shows as a picture and nothing else; the bytes themselves were looked at when they were stored.
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SHOWN_DETAILS = ("label", "name", "title", "address", "button_text")


@dataclass(frozen=True, slots=True)
class File:
    attachment: model.Attachment
    name: str
    is_picture: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on the timeline. `key` names it for as long as it looks the same."""

    kind: Literal["day", "event", "citizen", "office", "note"]
    key: str
    at: datetime
    words: str = ""
    is_grave: bool = False
    message: model.Message | None = None
    author: str = ""
    placeholder: str = ""
    files: tuple[File, ...] = ()
    failure: str = ""
    how: str = ""
    has_masked_number: bool = False


_ORDER = {"citizen": 0, "event": 1, "office": 2, "note": 2}  # of what happened at the same instant
_GRAVE = frozenset({"breached", "breached_again", "delivery_failed"})


def entries(details: Details, office: Office) -> list[Entry]:
    """Return the timeline with a separator before each day of the office's zone."""
    merged = sorted([*_messages(details), *_events(details, office)], key=lambda entry: (entry.at, _ORDER[entry.kind]))
    result: list[Entry] = []
    last: date | None = None
    for entry in merged:
        day = office.local(entry.at).date()
        if day != last:
            result.append(Entry("day", f"hari-{day}", entry.at))
            last = day
        result.append(entry)
    return result


def _messages(details: Details) -> Iterator[Entry]:
    for message in details.timeline:
        files = tuple(
            File(file, _file_name(file, i), file.media_type in PICTURES)
            for i, file in enumerate(message.attachments, 1)
        )
        states = "".join(file.state[0] for file in message.attachments)
        yield Entry(
            kind=_kind(message),
            key=f"pesan-{message.id}-{message.delivery or ''}-{states}",
            at=min(message.created_at, message.sent_at or message.created_at),
            message=message,
            author=message.author or "",
            placeholder=_placeholder(message),
            files=files,
            failure=texts.failure(message.delivery_error)
            if message.delivery in (model.DeliveryState.FAILED, model.DeliveryState.UNCERTAIN)
            else "",
            how=message.details.get("how", "") if message.kind is model.MessageKind.ANSWER else "",
            has_masked_number=texts.has_masked_number(message.text),
        )


def _kind(message: model.Message) -> Literal["citizen", "office", "note"]:
    if message.kind is model.MessageKind.NOTE:
        return "note"
    return "office" if message.kind.is_outgoing else "citizen"


def _placeholder(message: model.Message) -> str:
    """Say what a message carries besides text and files."""
    if message.content is model.Content.TEXT or (message.content is model.Content.EMPTY and message.attachments):
        return ""
    shown = [message.details[name] for name in _SHOWN_DETAILS if name in message.details]
    if "latitude" in message.details and "longitude" in message.details:
        shown.append(f"{message.details['latitude']}, {message.details['longitude']}")
    return ": ".join([texts.CONTENTS[message.content], *([" · ".join(shown)] if shown else [])])


def _file_name(file: model.Attachment, position: int) -> str:
    return file.name or f"Lampiran {position}"


def _events(details: Details, office: Office) -> Iterator[Entry]:
    for line in details.history:
        words = events.event(line, details.names, office.zone)
        if words is not None:
            yield Entry("event", f"kejadian-{line.id}", line.at, words, is_grave=line.action in _GRAVE)
