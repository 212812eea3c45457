"""What reaches the office past every wire: people at the counter, calls, faxes, letters, the suggestion box.

An official writes it down. Every record is a contact of its own, so that a name or number that somebody only said opens
nobody else's complaint; an answer is handed over, posted or telephoned, and recorded as that. The clock runs from when
it reached the office, not from when it was entered; for slips of a box that is when the box was opened.

Source: SOP Layanan Pengaduan Langsung, Kota Pasuruan (form aduan; direct complaints within one working day); SOP
Layanan Pengaduan Offline (kotak saran); SOP Pelayanan Pengaduan, Kota Metro (telp/fax, surat, kotak pengaduan).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from connectors import normalise
from core import errors, ids, model, ports, privacy, text

WALK_IN, PHONE, FAX, LETTER, SUGGESTION_BOX = "walk_in", "phone", "fax", "letter", "suggestion_box"
MAX_TEXT = 10_000

# What else than normalise's may be wrong with a field.
FUTURE, TOO_OLD = "future", "too_old"

# Who complains: the values of the field `who`.
PERSON, ANONYMOUS, AGENCY = "person", "anonymous", "agency"

# Writing down takes a while; what lies farther back needs a reason. What lies a year back is a slip of the pen.
_AT_ONCE, _OLDEST = timedelta(minutes=15), timedelta(days=366)
_NIK_LINE = "NIK pelapor: {}"


class Settings(BaseModel):
    """A counter needs none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the channels: what they can do, how they ask for `received_at`, and for what else.

    `is_pile`: many come at once, of the same hour, and are entered one after the other.
    """

    capabilities: model.Capabilities
    received: ports.Field
    own: Sequence[ports.Field] = ()
    who: str = PERSON
    is_pile: bool = False


def _capabilities(label: str, mark: str, intake: model.Intake = model.Intake.INDIRECT) -> model.Capabilities:
    return model.Capabilities(
        label=label, mark=mark, max_text=model.Limit(MAX_TEXT), intake=intake, text_form=model.TextForm.LETTER,
        answerable=False, is_recorded=True,
    )  # fmt: skip


def _received(label: str, hint: str, *, required: bool = False, kept: bool = False) -> ports.Field:
    return ports.Field("received_at", label, "moment", hint=hint, required=required, kept=kept)


_NOW = "Kosongkan bila baru saja."
_PAPER = (
    ports.Field("letter_number", "Nomor surat", most=80),
    ports.Field("letter_date", "Tanggal surat", "date"),
    ports.Field("agenda", "Nomor agenda pada cap terima", most=80),
)
KINDS: Mapping[str, Kind] = {
    WALK_IN: Kind(_capabilities("Tatap muka", "TM", model.Intake.DIRECT), _received("Datang pada", _NOW)),
    PHONE: Kind(
        _capabilities("Telepon", "TLP"),
        _received("Telepon diterima pada", _NOW),
        (ports.Field("taken_by", "Penerima telepon", hint="Kosongkan bila Bapak/Ibu sendiri.", most=120, kept=True),),
    ),
    FAX: Kind(
        _capabilities("Faksimile", "FAX"),
        _received("Faksimile diterima pada", _NOW, kept=True),
        (*_PAPER, ports.Field("sender_number", "Nomor faksimile pengirim", most=40)),
        is_pile=True,
    ),
    LETTER: Kind(
        _capabilities("Surat", "SRT"),
        _received("Surat diterima pada", "Menurut cap terima. " + _NOW, kept=True),
        _PAPER,
        is_pile=True,
    ),
    SUGGESTION_BOX: Kind(
        _capabilities("Kotak saran", "KS"),
        _received("Kotak dibuka pada", "Batas waktu dihitung sejak kotak dibuka.", required=True, kept=True),
        (
            ports.Field("opened_by", "Dibuka oleh", required=True, most=120, kept=True),
            ports.Field("witness", "Saksi", required=True, most=120, kept=True),
        ),
        who=ANONYMOUS,
        is_pile=True,
    ),
}
_WHO = (
    ports.Field("name", "Nama", part="who", most=normalise.MAX_NAME, required=True, only_for=(PERSON,)),
    ports.Field("nik", "NIK", part="who", most=40, hint="Hanya bila perlu; disimpan tertutup.", only_for=(PERSON,)),
    ports.Field("agency", "Nama instansi", part="who", most=120, required=True, only_for=(AGENCY,)),
    ports.Field("agency_letter", "Nomor surat pengantar", part="who", most=80, only_for=(AGENCY,)),
    ports.Field("officer", "Pejabat yang dapat dihubungi", part="who", most=120, only_for=(AGENCY,)),
    ports.Field(
        "domicile", "Alamat", part="who", hint="Boleh kosong. Kelurahan dan kecamatan cukup.", only_for=(PERSON, AGENCY)
    ),
    ports.Field(
        "contact", "Nomor HP atau e-mail", part="who", most=normalise.MAX_CONTACT,
        hint="Boleh kosong; jawaban lalu ditanyakan pelapor dengan nomor dan PIN.",
    ),
)  # fmt: skip
_WHAT = (
    ports.Field("text", "Uraian", "text", "what", required=True, most=MAX_TEXT),
    ports.Field("category", "Tentang", "category", "what"),
    ports.Field(
        "about", "Nomor pengaduan terdahulu", part="what", most=40,
        hint="Bila menyangkut pengaduan yang sudah tercatat.",
    ),
)  # fmt: skip
# Kept in the details of the message, as typed. The others have places of their own.
_DETAILS = frozenset(
    {
        "letter_number", "letter_date", "agenda", "taken_by", "sender_number", "opened_by", "witness", "late_reason",
        "agency", "agency_letter", "officer", "domicile",
    }
)  # fmt: skip


def fields_of(kind: Kind) -> tuple[ports.Field, ...]:
    """Return what is asked, in the order of the page."""
    who = ports.Field(
        "who", "Pelapor", "choice", "who", default=kind.who, kept=kind.is_pile,
        choices=((PERSON, "Perorangan"), (ANONYMOUS, "Tanpa nama"), (AGENCY, "Instansi lain")),
    )  # fmt: skip
    reason = ports.Field(
        "late_reason", "Alasan baru dicatat sekarang", kept=kind.is_pile,
        hint="Diisi bila dicatat lebih dari 15 menit sesudah diterima.",
    )  # fmt: skip
    return (*_WHAT, who, *_WHO, kind.received, reason, *kind.own)


class Connector:
    """Reads what officials wrote down; nothing leaves by it."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.capabilities = KINDS[channel].capabilities
        self.fields = fields_of(KINDS[channel])

    def parse_record(self, values: Mapping[str, str], entered_at: datetime) -> model.InboundMessage:
        """See core.ports.Recorder. The values of fields that are not asked of this complainant are left out."""
        read = _Reading(values.get("who", "").strip() or KINDS[self.channel].who, entered_at)
        for field in self.fields:
            read.field(field, values.get(field.name, ""))
        key = normalise.key(values.get("key", ""))
        if key is None:
            read.mistakes["key"] = normalise.INVALID
        received_at = read.received_at()
        if read.mistakes or key is None:
            raise errors.FormMistakes(read.mistakes)
        taken = read.taken
        body = [taken["text"], *([_NIK_LINE.format(taken["nik"])] if "nik" in taken else [])]
        return model.InboundMessage(
            provider_id=key,
            address=f"{self.channel}:{key}",
            text="\n\n".join(body),
            sent_at=received_at.astimezone(UTC),
            name=taken.get("name") or taken.get("agency"),
            details={name: privacy.seal_points(value)[0] for name, value in taken.items() if name in _DETAILS},
            reply_address=taken.get("contact"),
            category=taken.get("category"),
            number=ids.Number.parse(taken["about"]) if "about" in taken else None,
        )


class _Reading:
    """A form on its way to being a message: `taken` holds what stood in it, `mistakes` what is wrong, by field."""

    def __init__(self, who: str, entered_at: datetime) -> None:
        self.taken: dict[str, str] = {}
        self.mistakes: dict[str, str] = {}
        self._who, self._entered_at = who, entered_at

    def field(self, field: ports.Field, given: str) -> None:
        if field.only_for and self._who not in field.only_for:
            return
        value = text.clean(given).strip()
        if field.kind != "text":
            value = text.one_line(value, field.most + 1)
        if not value:
            if field.required:
                self.mistakes[field.name] = normalise.REQUIRED
            return
        if len(value) > field.most:
            self.mistakes[field.name] = normalise.TOO_LONG
            return
        read, mistake = self._read(field, value)
        if mistake is not None:
            self.mistakes[field.name] = mistake
        elif read is not None:
            self.taken[field.name] = read

    def _read(self, field: ports.Field, value: str) -> tuple[str | None, str | None]:
        """Return a value as it is kept, and what is wrong with it."""
        if field.kind == "moment":
            return self._moment(value)
        if field.kind == "date":
            return self._date(value)
        if field.kind == "choice":
            return (value, None) if value in dict(field.choices) else (None, normalise.INVALID)
        if field.kind == "category":
            return normalise.category(value)
        reader = _READERS.get(field.name)
        return (value, None) if reader is None else reader(value)

    def _moment(self, value: str) -> tuple[str | None, str | None]:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None, normalise.INVALID
        if at.tzinfo is not None:  # a browser's field has none: the office's zone is meant
            return None, normalise.INVALID
        at = at.replace(tzinfo=self._entered_at.tzinfo)
        if at > self._entered_at:
            return None, FUTURE
        return (at.isoformat(), None) if self._entered_at - at <= _OLDEST else (None, TOO_OLD)

    def _date(self, value: str) -> tuple[str | None, str | None]:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return None, normalise.INVALID
        return (day.isoformat(), None) if day <= self._entered_at.date() else (None, FUTURE)

    def received_at(self) -> datetime:
        """Return when it reached the office; a reason is missing where that is longer ago than writing takes."""
        if "received_at" not in self.taken:
            self.taken.pop("late_reason", None)
            return self._entered_at
        at = datetime.fromisoformat(self.taken["received_at"])
        if self._entered_at - at <= _AT_ONCE:
            self.taken.pop("late_reason", None)
        elif "late_reason" not in self.taken:
            self.mistakes.setdefault("late_reason", normalise.REQUIRED)
        return at


def _nik(value: str) -> tuple[str | None, str | None]:
    """Return the sixteen digits. There is no check digit: what has the form may still be wrong."""
    found = privacy.find_numbers(value)
    is_whole = len(found) == 1 and (found[0].start, found[0].end) == (0, len(value))
    return (found[0].digits, None) if is_whole else (None, normalise.INVALID)


def _number(value: str) -> tuple[str | None, str | None]:
    try:
        return str(ids.Number.parse(value)), None
    except ValueError:
        return None, normalise.INVALID


_READERS = {"nik": _nik, "contact": normalise.contact, "about": _number}


def factory(channel: str) -> Callable[[str, Settings, str], Connector]:
    """Return what makes the connectors of a channel, as the registry asks for it."""
    return lambda account_name, settings, public_url: Connector(channel)  # noqa: ARG005 - as all factories
