"""The composer: by which way an answer goes, who will read it, how long it may be, and why none can be given now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from core import model, privacy
from core import text as plain
from router import acknowledge
from router import texts as citizen_texts
from router.citizens import Way
from router.complaints import Details
from router.offices import Office
from web import channel_texts, file_texts, form, texts

_GAPS = 4  # characters between the office's words and the admin's
_ANSWERED_LENGTH = 90  # of the message that is answered, as it is shown
_NOT_SENT = (model.DeliveryState.FAILED, model.DeliveryState.CANCELLED)
Tone = Literal["none", "ok", "soon", "late"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What an address or a form asks for, '' where it leaves it open.

    `contact`: to which contact; `openness`: "umum" or "pribadi"; `message`: which message is answered.
    """

    contact: str = ""
    openness: str = ""
    message: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Choice":
        return cls(fields.get("lewat", ""), fields.get("terbaca", ""), fields.get("pesan", ""))

    @property
    def query(self) -> str:
        """Return the part of an address that asks for it, with a `&` before it, '' where nothing is asked for."""
        fields = {"lewat": self.contact, "terbaca": self.openness, "pesan": self.message}
        chosen = urlencode({name: value for name, value in fields.items() if value})
        return f"&{chosen}" if chosen else ""


ANY = Choice()


@dataclass(frozen=True, slots=True)
class Option:
    """A way that can be chosen; `query` asks for it."""

    label: str
    mark: str
    name: str | None
    address: str
    state: str
    tone: Tone
    query: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Composer:
    """What will become of what is typed.

    `can_send`: some way can be answered at all. `blocked` says why nobody may answer now, `unable` why not by the way
    chosen, each with the way forward. `limit` is that of one message; `one_piece`: more is refused rather than cut.
    `openness`: the one chosen, where a channel is public; `other_openness` asks for the other, '' where there is none.
    `answered`: the message that is answered, where one was chosen. `files` says which files may go along, '' for none;
    `accept` is their types as a browser asks for them.
    """

    can_send: bool
    blocked: str
    unable: str
    way: Option
    options: Sequence[Option]
    choice: Choice
    closes_early: str
    openness: Literal["", "umum", "pribadi"]
    other_openness: str
    openness_note: str
    answered: str
    frame: tuple[str, str]
    frame_length: int
    limit: model.Limit
    one_piece: bool
    files: str
    accept: str

    @property
    def version(self) -> str:
        """What changes whenever it looks different, time alone left aside."""
        return f"{self.blocked}|{self.unable}|{self.choice}|{self.way.tone}|{self.openness_note}|{self.closes_early}"


def build(details: Details, person: model.Person, now: datetime, office: Office, asked: Choice) -> Composer:
    """Return the composer for what was asked for, as far as it can be had."""
    complaint, answered = details.complaint, _asked_message(details, asked)
    way = _way(details, asked, answered, now)
    able = way.account.capabilities
    openness, is_used = _openness(details, way, asked, answered)
    choice = Choice(str(way.contact_id), openness, str(answered.id) if answered else "")
    private = openness == "pribadi"
    limit = able.max_private_text if private and able.max_private_text is not None else able.max_text
    given = acknowledge.variables(office, complaint, way.name)
    frame = citizen_texts.answer_frame(model.TextForm.CHAT if private else able.text_form, given)
    frame_length = sum(plain.measure(part, limit.unit) for part in frame) + _GAPS
    sent = able.sent_files if not able.is_public or private else None
    other = {"umum": "" if is_used or not able.private_replies else "pribadi", "pribadi": "umum", "": ""}[openness]
    return Composer(
        can_send=any(each.account.capabilities.answerable for each in details.ways),
        blocked=_blocked(details, person),
        unable=_unable(way, now),
        way=_option(way, choice, now, office, is_chosen=True),
        options=[
            _option(each, Choice(str(each.contact_id)), now, office, is_chosen=each is way) for each in details.ways
        ],
        choice=choice,
        closes_early=_closes_early(way, complaint, now),
        openness=openness,
        other_openness=Choice(choice.contact, other, choice.message).query if other else "",
        openness_note=_openness_note(openness, limit, frame_length, is_used=is_used),
        answered=_shown(answered),
        frame=frame,
        frame_length=frame_length,
        limit=limit,
        one_piece=private,
        files="" if sent is None else file_texts.sent_files(sent, form.MAX_FILES, form.MAX_FILE_BYTES),
        accept="" if sent is None else ",".join(sent.media_types),
    )


def holds_number(body: str) -> bool:
    """Tell whether a text holds what should not stand where everybody reads it: a long number, an address."""
    return privacy.mask_public(body) != body


def goes_public(details: Details, choice: Choice) -> bool:
    """Tell whether everybody will read what goes by this choice."""
    chosen = [way for way in details.ways if str(way.contact_id) == choice.contact] or details.ways
    return chosen[0].account.capabilities.is_public and choice.openness != "pribadi"


def _blocked(details: Details, person: model.Person) -> str:
    complaint = details.complaint
    if not complaint.state.is_open:
        return texts.BLOCKED_CLOSED
    if complaint.assignee_id not in (None, person.id) and person.role is not model.Role.SUPERVISOR:
        return texts.BLOCKED_HELD.format(name=details.assignee.name if details.assignee else "")
    return ""


# --- The way ----------------------------------------------------------------------------------------------------------


def _way(details: Details, asked: Choice, answered: model.Message | None, now: datetime) -> Way:
    """Return the way of the message to be answered, or the one asked for; else the first by which an answer can go."""
    wanted = asked.contact if answered is None else str(answered.contact_id or details.complaint.contact_id)
    for way in details.ways:
        if str(way.contact_id) == wanted:
            return way
    return next((way for way in details.ways if not _unable(way, now)), details.ways[0])


def _unable(way: Way, now: datetime) -> str:
    """Say why nothing can be sent by a way, and what to do instead; '' where it can."""
    able = way.account.capabilities
    if not able.answerable:
        return channel_texts.UNABLE_NOT_ANSWERABLE.format(label=able.label)
    if way.has_opted_out:
        return channel_texts.UNABLE_OPTED_OUT
    if able.reply_window is None or able.templates:
        return ""
    if way.closes_at is None:
        return channel_texts.UNABLE_UNOPENED
    return "" if now < way.closes_at else channel_texts.UNABLE_CLOSED


def _option(way: Way, choice: Choice, now: datetime, office: Office, *, is_chosen: bool) -> Option:
    able = way.account.capabilities
    state, tone = _state(way, now, office)
    return Option(able.label, able.mark, way.name, way.address, state, tone, choice.query, is_chosen)


def _state(way: Way, now: datetime, office: Office) -> tuple[str, Tone]:
    able, closes_at = way.account.capabilities, way.closes_at
    if not able.answerable:
        return channel_texts.NOT_ANSWERABLE, "none"
    if way.has_opted_out:
        return channel_texts.OPTED_OUT, "late"
    if able.reply_window is None:
        return "", "none"
    if closes_at is not None and now < closes_at:
        at = texts.brief_moment(closes_at, office.zone)
        return channel_texts.WINDOW_OPEN.format(at=at, left=texts.span(closes_at - now)), "ok"
    if able.templates:
        return channel_texts.WINDOW_CLOSED_TEMPLATES, "soon"
    return channel_texts.WINDOW_UNOPENED if closes_at is None else channel_texts.WINDOW_CLOSED, "late"


def _closes_early(way: Way, complaint: model.Complaint, now: datetime) -> str:
    """Say what to do while a window is open that will close before the answer is due."""
    if way.closes_at is None or complaint.due_at is None or not now < way.closes_at < complaint.due_at:
        return ""
    return channel_texts.CLOSES_EARLY_TEMPLATES if way.account.capabilities.templates else channel_texts.CLOSES_EARLY


# --- Who reads it -----------------------------------------------------------------------------------------------------


def _asked_message(details: Details, asked: Choice) -> model.Message | None:
    """Return the citizen's message that shall be answered, where one was asked for that can be."""
    contacts = {way.contact_id for way in details.ways}
    for message in details.timeline:
        is_his = (message.contact_id or details.complaint.contact_id) in contacts
        if str(message.id) == asked.message and message.kind is model.MessageKind.COMPLAINT and is_his:
            return message if message.provider_id is not None else None
    return None


def _openness(
    details: Details, way: Way, asked: Choice, answered: model.Message | None
) -> tuple[Literal["", "umum", "pribadi"], bool]:
    """Return who shall read the answer, and whether the one private reply was used; in private, unless asked else."""
    able = way.account.capabilities
    if not able.is_public:
        return "", False
    if not able.private_replies:
        return "umum", False
    answered = answered or _latest(details, way)
    is_used = answered is not None and any(
        m.private and m.details.get("answers") == answered.provider_id and m.delivery not in _NOT_SENT
        for m in details.timeline
    )
    return ("umum" if is_used or asked.openness == "umum" else "pribadi"), is_used


def _latest(details: Details, way: Way) -> model.Message | None:
    for message in reversed(details.timeline):
        contact_id = message.contact_id or details.complaint.contact_id
        is_his = message.kind is model.MessageKind.COMPLAINT and message.provider_id is not None
        if is_his and (message.account, contact_id) == (way.account.name, way.contact_id):
            return message
    return None


def _openness_note(openness: str, limit: model.Limit, frame_length: int, *, is_used: bool) -> str:
    if openness == "pribadi":
        room = model.Limit(max(0, limit.count - frame_length), limit.unit)
        return channel_texts.IN_PRIVATE.format(length=channel_texts.length(room))
    if openness == "umum":
        return f"{channel_texts.IN_PUBLIC} {channel_texts.PRIVATE_USED}" if is_used else channel_texts.IN_PUBLIC
    return ""


def _shown(message: model.Message | None) -> str:
    if message is None:
        return ""
    own = message.text[: message.quoted_from]
    kinds = tuple(file.media_type for file in message.attachments)
    return plain.one_line(citizen_texts.visible(message.content, own, message.details, kinds), _ANSWERED_LENGTH)
