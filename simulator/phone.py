"""What the citizen's phone shows and takes: numbers, forms, bubbles by day, the trace of the protocol."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from aiohttp import BodyPartReader, web

from simulator import texts
from simulator import twilio_records as records
from simulator import twilio_rules as rules
from simulator.twilio import TwilioStandIn

MAX_PICTURE_BYTES = 5 * 1024 * 1024
_MAX_FIELD_BYTES = 32 * 1024
_MAX_FIELDS = 20
_TRACE_LENGTH = 8
PLACE = records.Location(-6.2, 106.8, texts.PLACE)
PICTURES = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
PROBLEMS = {
    "nomor": texts.BAD_NUMBER,
    "kosong": texts.EMPTY,
    "panjang": texts.TOO_LONG,
    "besar": texts.TOO_LARGE,
    "jenis": texts.NOT_A_PICTURE,
}
_MOBILE = re.compile(r"(?:\+?62|0)(8\d{7,11})")
_DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")


@dataclass(frozen=True, slots=True)
class Form:
    """A posted form; `problem` is a key of PROBLEMS."""

    fields: Mapping[str, str]
    pictures: Sequence[tuple[str, bytes]]
    problem: str | None

    @property
    def text(self) -> str:
        return self.fields.get("pesan", "").replace("\r\n", "\n").replace("\x00", "").strip()

    @property
    def has_location(self) -> bool:
        return self.fields.get("lokasi") == "ya"


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message on the phone. `tick` names how far it got; `error_code` stands where one did not arrive."""

    message: records.Message
    time: str
    tick: str
    pictures: Sequence[records.Media]

    @property
    def kind(self) -> str:
        if self.message.is_inbound:
            return "citizen"
        return "failed" if self.message.has_failed else "office"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the trace."""

    time: str
    kind: str
    detail: str
    result: str
    is_good: bool


def read_number(text: str) -> str | None:
    """Return an Indonesian mobile number as +62..., however it was typed; None if it is none."""
    match = _MOBILE.fullmatch(re.sub(r"[\s.()-]", "", text))
    return f"+62{match[1]}" if match else None


def dial(number: str) -> str:
    """Return a number as people write it: 0812-0000-0001."""
    local = "0" + number.removeprefix(records.WHATSAPP).removeprefix("+62")
    return "-".join(part for part in (local[:4], local[4:8], local[8:]) if part)


async def read_form(request: web.Request) -> Form:
    """Read a form of either encoding, no more of it than is allowed."""
    if not request.content_type.startswith("multipart/"):
        return Form({name: str(value) for name, value in (await request.post()).items()}, [], None)
    fields: dict[str, str] = {}
    pictures: list[tuple[str, bytes]] = []
    problem: str | None = None
    reader = await request.multipart()
    for _ in range(_MAX_FIELDS):
        part = await reader.next()
        if part is None:
            break
        if not isinstance(part, BodyPartReader):
            continue
        is_file = part.filename is not None
        content = await _read(part, MAX_PICTURE_BYTES if is_file else _MAX_FIELD_BYTES)
        if content is None:
            problem = "besar" if is_file else "panjang"
        elif not is_file:
            fields[part.name or ""] = content.decode(errors="replace")
        elif content:
            kind = next((kind for kind, start in PICTURES.items() if start.match(content)), None)
            if kind is None:
                problem = "jenis"
            else:
                pictures.append((kind, content))
    return Form(fields, pictures, problem)


async def _read(part: BodyPartReader, most: int) -> bytes | None:
    """Return the part's content; None if it has more than `most` bytes, of which the rest is passed over."""
    content = bytearray()
    while chunk := await part.read_chunk():
        if len(content) <= most:
            content += chunk
    return bytes(content) if len(content) <= most else None


def problem_of(form: Form, is_whatsapp: bool) -> str | None:
    """Return the key of what keeps this form from being sent; None if nothing does."""
    if read_number(form.fields.get("nomor", "")) is None:
        return "nomor"
    if len(form.text) > rules.MAX_BODY:
        return "panjang"
    if not (form.text or (is_whatsapp and (form.pictures or form.has_location))):
        return "kosong"
    return None


def days(messages: Sequence[records.Message], zone: tzinfo, now: datetime) -> list[tuple[str, list[Bubble]]]:
    """Return the bubbles under the name of their day; a message of the office that is still on its way has none."""
    shown = [each for each in messages if each.is_inbound or each.has_reached_phone or each.has_failed]
    today = now.astimezone(zone).date()
    by_day = itertools.groupby(shown, key=lambda each: each.created_at.astimezone(zone).date())
    return [(_day(day, today), [_bubble(each, zone) for each in group]) for day, group in by_day]


def _day(day: date, today: date) -> str:
    if day == today:
        return "Hari ini"
    return f"{_DAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def _bubble(message: records.Message, zone: tzinfo) -> Bubble:
    pictures = [media for media in message.media if media.content_type in PICTURES]
    tick = message.handover.value if message.is_inbound else message.status
    return Bubble(message, _time(message.created_at, zone), tick, pictures)


def _time(moment: datetime, zone: tzinfo, form: str = "%H.%M") -> str:
    return moment.astimezone(zone).strftime(form)


def trace(stand_in: TwilioStandIn, account_sid: str, zone: tzinfo) -> list[Step]:
    """Return the last requests in both directions, the newest first; texts and numbers are left out."""
    calls = [
        (each.at, "API", f"{each.method} {each.path.rpartition('/')[2]}", each.status)
        for each in itertools.islice(reversed(stand_in.calls), _TRACE_LENGTH)
        if each.account_sid == account_sid
    ]
    posts = [
        (each.at, "Status" if each.message_status else "Webhook", each.message_status or "pesan warga", each.status)
        for each in itertools.islice(reversed(stand_in.deliveries), _TRACE_LENGTH)
        if each.params.get("AccountSid") == account_sid
    ]
    newest = sorted(calls + posts, key=lambda step: step[0], reverse=True)[:_TRACE_LENGTH]
    return [
        Step(
            _time(at, zone, "%H.%M.%S"),
            kind,
            detail,
            "tanpa jawaban" if status is None else str(status),
            status is not None and status < 400,
        )
        for at, kind, detail, status in newest
    ]
