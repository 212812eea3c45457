"""The one timeline of a complaint: messages, notes and events of the log in the order of their time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core import ids, model
from router import citizens, previews
from router.complaints import Details
from router.offices import Office
from web import channel_texts, events, file_texts, texts

_SHOWN_DETAILS = ("label", "name", "title", "address", "button_text")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message. `words` say what it is, or what becomes of it while it cannot be opened."""

    attachment: model.Attachment
    name: str
    words: str
    has_preview: bool


@dataclass(frozen=True, slots=True)
class By:
    """By which channel a message went, and with which contact of the citizen; '' where nobody knows who it is."""

    label: str
    mark: str
    name: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be known of a message, perhaps with a link within the words."""

    words: str
    link: str = ""
    href: str = ""
    rest: str = ""
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on the timeline. `key` names it for as long as it looks the same.

    `by`: None where a complaint has one way only. `openness` says who can read what stands in public, '' elsewhere.
    `quoted_from` is that of the message. `hiding`: "offered", or "urgent" where a personal number stands in public.
    """

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
    is_automatic: bool = False
    by: By | None = None
    openness: str = ""
    subject: str = ""
    remarks: tuple[Remark, ...] = ()
    hiding: Literal["", "offered", "urgent"] = ""
    may_be_answered: bool = False


_ORDER = {"citizen": 0, "event": 1, "office": 2, "note": 2}  # of what happened at the same instant
_GRAVE = frozenset({"breached", "breached_again", "delivery_failed"})
_FAILED = (model.DeliveryState.FAILED, model.DeliveryState.UNCERTAIN)
_NOT_DONE = (*_FAILED, model.DeliveryState.CANCELLED)
_UNDER_WAY = (model.DeliveryState.QUEUED, model.DeliveryState.SENDING)


def entries(details: Details, office: Office, accounts: Mapping[str, model.Account]) -> list[Entry]:
    """Return the timeline with a separator before each day of the office's zone."""
    shown = _Shown(details, accounts)
    merged = sorted([*shown.messages(), *_events(details, office)], key=lambda entry: (entry.at, _ORDER[entry.kind]))
    result: list[Entry] = []
    last: date | None = None
    for entry in merged:
        day = office.local(entry.at).date()
        if day != last:
            result.append(Entry("day", f"hari-{day}", entry.at))
            last = day
        result.append(entry)
    return result


class _Shown:
    """The messages of a complaint, as what stands around them tells how to show them."""

    def __init__(self, details: Details, accounts: Mapping[str, model.Account]) -> None:
        self._details = details
        self._accounts = accounts
        self._ways: Mapping[ids.ContactId, citizens.Way] = {way.contact_id: way for way in details.ways}
        exchanged = [m for m in details.timeline if m.kind is not model.MessageKind.NOTE]
        self._has_several_ways = len({(m.account, self._contact_id(m)) for m in exchanged}) > 1
        self._revisions = {m.details["revises"]: m.id for m in exchanged if "revises" in m.details}
        self._hidings = {
            (m.account, m.details.get("answers")): m.delivery for m in exchanged if m.kind is model.MessageKind.HIDING
        }

    def messages(self) -> Iterator[Entry]:
        for message in self._details.timeline:
            yield self._entry(message)

    def _entry(self, message: model.Message) -> Entry:
        files = tuple(
            File(file, _file_name(file, i), _file_words(file), file.media_type in previews.MADE_OF)
            for i, file in enumerate(message.attachments, 1)
        )
        kind, has_failed = _kind(message), message.delivery in _FAILED
        openness, by, hiding = self._openness(message), self._by(message), self._hiding(message)
        return Entry(
            kind=kind,
            key=_key(message, f"{openness}{hiding}{by is not None}{self._revisions.get(str(message.id))}"),
            at=min(message.created_at, message.sent_at or message.created_at),
            message=message,
            author=message.author or "",
            placeholder=_placeholder(message),
            files=files,
            failure=texts.failure(message.delivery_error) if has_failed else "",
            how=message.details.get("how", "") if message.kind is model.MessageKind.ANSWER else "",
            has_masked_number=texts.has_masked_number(message.text),
            is_automatic=kind == "office" and not message.author and message.kind is not model.MessageKind.ANSWER,
            by=by,
            openness=openness,
            subject=message.details.get("subject", ""),
            remarks=tuple(self._remarks(message)),
            hiding=hiding,
            may_be_answered=self._is_public(message)
            and kind == "citizen"
            and message.withdrawn_at is None
            and self._details.complaint.state.is_open
            and self._contact_id(message) in self._ways,
        )

    def _contact_id(self, message: model.Message) -> ids.ContactId:
        return message.contact_id or self._details.complaint.contact_id

    def _is_public(self, message: model.Message) -> bool:
        account = self._accounts.get(message.account)
        return account is not None and account.capabilities.is_public

    def _by(self, message: model.Message) -> By | None:
        if not self._has_several_ways or message.kind is model.MessageKind.NOTE:
            return None
        account, way = self._accounts.get(message.account), self._ways.get(self._contact_id(message))
        label, mark = (account.capabilities.label, account.capabilities.mark) if account else (message.account, "?")
        if way is None or way.account.name != message.account:
            return By(label, mark, None, "")
        return By(label, mark, way.name, way.address)

    def _openness(self, message: model.Message) -> str:
        if not self._is_public(message) or message.kind in (model.MessageKind.NOTE, model.MessageKind.HIDING):
            return ""
        if message.private:
            return channel_texts.PRIVATE
        name = (message.account, message.provider_id)
        if message.kind.is_outgoing or name not in self._hidings:
            return channel_texts.PUBLIC
        hiding = self._hidings[name]
        if hiding in _UNDER_WAY:
            return channel_texts.BEING_HIDDEN
        return channel_texts.NOT_HIDDEN if hiding in _NOT_DONE else channel_texts.HIDDEN

    def _hiding(self, message: model.Message) -> Literal["", "offered", "urgent"]:
        is_citizens = message.kind is model.MessageKind.COMPLAINT and message.withdrawn_at is None
        if not is_citizens or self._openness(message) != channel_texts.PUBLIC:
            return ""
        if not self._accounts[message.account].capabilities.hiding:
            return ""
        return "urgent" if texts.has_masked_number(message.text) else "offered"

    def _remarks(self, message: model.Message) -> Iterator[Remark]:
        if message.kind is not model.MessageKind.COMPLAINT:
            return
        told = message.details
        if told.get("authentication") == "fail":
            yield Remark(channel_texts.NOT_GENUINE, is_grave=True)
        if "revises" in told:
            before, link, rest = channel_texts.REVISES
            yield Remark(before, link, f"#pesan-{told['revises']}", rest)
        if str(message.id) in self._revisions:
            before, link, rest = channel_texts.REVISED
            yield Remark(before, link, f"#pesan-{self._revisions[str(message.id)]}", rest)
        if "names" in told:
            before, link, rest = channel_texts.NAMES
            yield Remark(before, link.format(number=told["names"]), f"/inbox/{told['names']}", rest)
        for words in channel_texts.remarks(told):
            yield Remark(words)
        if told.get("link", "").startswith("https://"):
            before, link, rest = channel_texts.PLACE
            yield Remark(before, link, told["link"], rest)


def _key(message: model.Message, looks: str) -> str:
    """Return what changes whenever a message looks different."""
    files = "".join(f"{file.state[0]}{'h' if file.sha256 else ''}" for file in message.attachments)
    reaction, is_withdrawn = message.details.get("reaction", ""), message.withdrawn_at is not None
    return f"pesan-{message.id}-{message.delivery or ''}-{files}-{reaction}-{is_withdrawn}-{looks}"


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


def _file_words(file: model.Attachment) -> str:
    match file.state:
        case "stored":
            return file_texts.file_kind(file.media_type)
        case "refused":
            return file_texts.file_refusal(file.reason)
    return file_texts.FETCHING if file.sha256 is None else file_texts.EXAMINING


def _events(details: Details, office: Office) -> Iterator[Entry]:
    for line in details.history:
        words = events.event(line, details.names, office.zone)
        if words is not None:
            yield Entry("event", f"kejadian-{line.id}", line.at, words, is_grave=line.action in _GRAVE)
