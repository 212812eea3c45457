"""Everything the system writes to a citizen by itself: formal Indonesian, per form of text."""

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from core.model import Content, MessageKind, TextForm
from sla import calendar

_DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
_MONTHS = (
    "Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November",
    "Desember",
)  # fmt: skip
_ZONES = {7: "WIB", 8: "WITA", 9: "WIT"}

SAFETY = "Seluruh layanan kami tidak dipungut biaya. Petugas tidak pernah meminta kode OTP atau kata sandi."

_RECEIVED = """\
Yth. Bapak/Ibu$nama, terima kasih telah menghubungi $dinas.

Pengaduan Bapak/Ibu telah kami terima dan dicatat dengan nomor $nomor pada $diterima.
Kami akan memberikan tanggapan paling lambat $batas.

Perkembangannya dapat dilihat di $tautan dengan PIN $pin.

$aman"""
_RECEIVED_CLOSED = """\
Yth. Bapak/Ibu$nama, terima kasih telah menghubungi $dinas.

Pengaduan Bapak/Ibu telah kami terima dan dicatat dengan nomor $nomor.
Saat ini kami di luar jam layanan$sebab. Pesan akan dibaca petugas mulai $buka dan ditanggapi paling lambat $batas.

Perkembangannya dapat dilihat di $tautan dengan PIN $pin.

$aman"""
_LETTER = """\
Yth. Bapak/Ibu$nama,

Dengan hormat, bersama ini kami sampaikan bahwa pengaduan Bapak/Ibu telah kami terima pada $diterima dan dicatat \
dengan nomor $nomor.

Tanggapan akan kami sampaikan paling lambat $batas. Perkembangannya dapat dilihat di $tautan dengan PIN $pin.

$aman

Hormat kami,
Pengelola Layanan Pengaduan $dinas"""
_SHORT = (
    "$singkat: Laporan tercatat no $nomor, PIN $pin. Dijawab paling lambat $batas_singkat. "
    "Cek $tautan. Gratis; kami tidak meminta OTP."
)
_SHORT_CLOSED = (
    "$singkat: Laporan tercatat no $nomor, PIN $pin. Kami buka $buka_singkat, dijawab paling lambat $batas_singkat. "
    "Cek $tautan. Gratis; kami tidak meminta OTP."
)
_FURTHER = """\
Yth. Bapak/Ibu$nama, pesan tambahan Bapak/Ibu telah kami terima dan dicatat pada pengaduan nomor $nomor.$janji"""
_REOPENED = """\
Yth. Bapak/Ibu$nama, pesan Bapak/Ibu telah kami terima dan pengaduan nomor $nomor kami buka kembali.
Kami akan memberikan tanggapan paling lambat $batas.

$aman"""
_DELAY = """\
Yth. Bapak/Ibu$nama, mohon maaf, pengaduan nomor $nomor belum dapat kami jawab sesuai batas waktu $batas.
Penanganannya telah kami naikkan kepada pengawas layanan dan akan kami tanggapi paling lambat $batas_baru.
Terima kasih atas kesabaran Bapak/Ibu."""
_CLOSING = """\
Yth. Bapak/Ibu$nama, pengaduan nomor $nomor telah selesai dan kami tutup pada $ditutup.
Apabila masalah belum selesai, silakan membalas pesan ini paling lambat $batas_buka; pengaduan akan kami buka kembali.
Terima kasih."""

_PUBLIC = """\
Yth. Bapak/Ibu, terima kasih telah menghubungi $dinas. Pengaduan Bapak/Ibu telah kami terima dan akan kami tanggapi. \
Demi keamanan data, mohon tidak menuliskan NIK, nomor KK, atau data pribadi lain di kolom komentar; \
silakan mengirimkannya melalui pesan pribadi kepada kami."""
_PUBLIC_DELAY = """\
Yth. Bapak/Ibu, mohon maaf, kami memerlukan waktu tambahan untuk menanggapi pengaduan ini. \
Penanganannya telah kami naikkan kepada pengawas layanan. Terima kasih atas kesabaran Bapak/Ibu."""
_PUBLIC_CLOSING = """\
Yth. Bapak/Ibu, pengaduan ini telah selesai kami tangani. Apabila masih ada kendala, silakan menulis kembali \
atau mengirim pesan pribadi kepada kami. Terima kasih."""
_PRIVACY = """\
Yth. Bapak/Ibu, demi melindungi data pribadi Bapak/Ibu, komentar yang memuat nomor kependudukan kami sembunyikan dari \
umum. Pengaduannya tetap kami tangani. Silakan mengirimkan data yang diperlukan melalui pesan pribadi kepada kami."""
_MISSED = """\
Yth. Bapak/Ibu$nama, $dinas telah menjawab pengaduan nomor $nomor. Jawabannya dapat dibaca di percakapan pada \
situs kami; perkembangannya dapat dilihat di $tautan.

$aman"""
_SHORT_MISSED = "$singkat: Laporan no $nomor sudah kami jawab. Baca di percakapan situs kami. Cek $tautan."

ANSWER_OPENING = "Yth. Bapak/Ibu$nama, menindaklanjuti pengaduan nomor $nomor, dapat kami sampaikan:"
ANSWER_CLOSING = (
    "Apabila jawaban ini belum menyelesaikan masalah, silakan membalas pesan ini. Keberatan juga dapat disampaikan "
    "melalui SP4N-LAPOR! (lapor.go.id) atau Ombudsman RI.\n$dinas"
)

_ANSWER_PUBLIC = "Yth. Bapak/Ibu, terima kasih atas pengaduannya. "

_BY_FORM: Mapping[tuple[MessageKind, TextForm], str] = {
    (MessageKind.ACKNOWLEDGEMENT, TextForm.CHAT): _RECEIVED,
    (MessageKind.ACKNOWLEDGEMENT, TextForm.LETTER): _LETTER,
    (MessageKind.ACKNOWLEDGEMENT, TextForm.SHORT): _SHORT,
    (MessageKind.ACKNOWLEDGEMENT, TextForm.PUBLIC): _PUBLIC,
    (MessageKind.DELAY_NOTICE, TextForm.PUBLIC): _PUBLIC_DELAY,
    (MessageKind.CLOSING_NOTICE, TextForm.PUBLIC): _PUBLIC_CLOSING,
    (MessageKind.PRIVACY_NOTICE, TextForm.PUBLIC): _PRIVACY,
    (MessageKind.MISSED_NOTICE, TextForm.CHAT): _MISSED,
    (MessageKind.MISSED_NOTICE, TextForm.LETTER): _MISSED,
    (MessageKind.MISSED_NOTICE, TextForm.SHORT): _SHORT_MISSED,
    (MessageKind.FURTHER_ACKNOWLEDGEMENT, TextForm.CHAT): _FURTHER,
    (MessageKind.FURTHER_ACKNOWLEDGEMENT, TextForm.LETTER): _FURTHER,
    (
        MessageKind.FURTHER_ACKNOWLEDGEMENT,
        TextForm.SHORT,
    ): "$singkat: Pesan tambahan dicatat pada no $nomor.$janji_singkat",
    (MessageKind.DELAY_NOTICE, TextForm.CHAT): _DELAY,
    (MessageKind.DELAY_NOTICE, TextForm.LETTER): _DELAY,
    (MessageKind.DELAY_NOTICE, TextForm.SHORT): (
        "$singkat: Mohon maaf, laporan no $nomor belum dapat kami jawab tepat waktu. "
        "Dijawab paling lambat $batas_baru_singkat."
    ),
    (MessageKind.CLOSING_NOTICE, TextForm.CHAT): _CLOSING,
    (MessageKind.CLOSING_NOTICE, TextForm.LETTER): _CLOSING,
    (MessageKind.CLOSING_NOTICE, TextForm.SHORT): (
        "$singkat: Laporan no $nomor telah selesai. "
        "Bila belum tuntas, balas pesan ini paling lambat $batas_buka_singkat."
    ),
}


def _fill(template: str, variables: Mapping[str, str]) -> str:
    """Put in the value of each `$name`; KeyError when one is missing."""
    return _printf(template) % {**variables, "aman": SAFETY}


@functools.cache
def _printf(template: str) -> str:
    # The % operator fills ten times as fast as string.Template, whose form reads better.
    return re.sub(r"\$(\w+)", r"%(\1)s", template.replace("%", "%%"))


def render(kind: MessageKind, form: TextForm, variables: Mapping[str, str]) -> str:
    """Return the text of a kind of message; KeyError when a variable of it is missing."""
    return _fill(_BY_FORM[kind, form], variables)


def received_while_closed(form: TextForm, variables: Mapping[str, str]) -> str:
    if form is TextForm.PUBLIC:
        return _fill(_PUBLIC, variables)
    return _fill(_SHORT_CLOSED if form is TextForm.SHORT else _RECEIVED_CLOSED, variables)


def reopened(form: TextForm, variables: Mapping[str, str]) -> str:
    short = "$singkat: Laporan no $nomor kami buka kembali, dijawab paling lambat $batas_singkat."
    return _fill(short if form is TextForm.SHORT else _REOPENED, variables)


def further(form: TextForm, variables: Mapping[str, str], *, has_deadline: bool) -> str:
    promise = " Tanggapan kami sampaikan paling lambat $batas."
    short = " Dijawab paling lambat $batas_singkat."
    given = {
        **variables,
        "janji": _fill(promise, variables) if has_deadline else "",
        "janji_singkat": _fill(short, variables) if has_deadline else "",
    }
    return render(MessageKind.FURTHER_ACKNOWLEDGEMENT, form, given)


def answer(form: TextForm, body: str, variables: Mapping[str, str]) -> str:
    """Return the text that leaves for an answer: what the admin wrote, between the office's opening and closing."""
    if form is TextForm.SHORT:
        return f"{_fill('$singkat $nomor', variables)}: {body}"
    if form is TextForm.PUBLIC:  # nothing of the complaint, where everybody reads
        return f"{_ANSWER_PUBLIC}{body}"
    opening, closing = answer_frame(form, variables)
    return f"{opening}\n\n{body}\n\n{closing}"


def answer_frame(form: TextForm, variables: Mapping[str, str]) -> tuple[str, str]:
    """Return what stands before and after the admin's own words, for showing beside the composer."""
    if form is TextForm.PUBLIC:
        return _ANSWER_PUBLIC.strip(), ""
    if form is TextForm.SHORT:
        return _fill("$singkat $nomor:", variables), ""
    return _fill(ANSWER_OPENING, variables), _fill(ANSWER_CLOSING, variables)


def salutation(name: str | None) -> str:
    """Return what follows `Bapak/Ibu`: a blank and the name, or nothing."""
    return f" {name}" if name else ""


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`Selasa, 24 November 2026 pukul 09.12 WIB`."""
    local = at.astimezone(zone)
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year} pukul {_clock_time(local)}"


def short_moment(at: datetime, zone: ZoneInfo) -> str:
    """`24/11/2026 09.12 WIB`."""
    local = at.astimezone(zone)
    return f"{local.day:02}/{local.month:02}/{local.year} {_clock_time(local)}"


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    """`09.12 WIB`; a zone that is not Indonesian shows its own abbreviation."""
    return _clock_time(at.astimezone(zone))


def _clock_time(local: datetime) -> str:
    offset = local.utcoffset()
    hours = 0 if offset is None else offset.total_seconds() / 3600
    return f"{local.hour:02}.{local.minute:02} {_ZONES.get(int(hours)) or local.tzname()}"


def closed_because(reason: calendar.ClosedReason) -> str:
    """Return the bracketed reason why the office is closed, with a blank before it; '' outside the day's hours."""
    match reason.kind:
        case calendar.Closed.HOLIDAY:
            return f" ({reason.holiday})"
        case calendar.Closed.WEEKEND:
            return " (hari libur)"
    return ""


_PLACEHOLDERS: Mapping[Content, str] = {
    Content.LOCATION: "[Lokasi]",
    Content.CONTACT_CARD: "[Kartu kontak]",
    Content.BUTTON: "[Tombol]",
    Content.EMPTY: "[Pesan kosong]",
    Content.UNSUPPORTED: "[Jenis pesan ini belum dapat ditampilkan]",
}
_FILES = {"image": "[Gambar]", "audio": "[Pesan suara]", "video": "[Video]"}


def visible(content: Content, text: str, details: Mapping[str, str], media_types: tuple[str, ...]) -> str:
    """Return one line that stands for a message in lists, whatever it carries."""
    parts = (
        [_PLACEHOLDERS[content]] if content in _PLACEHOLDERS and not (content is Content.EMPTY and media_types) else []
    )
    parts += [_FILES.get(kind.partition("/")[0], "[Dokumen]") for kind in media_types]
    parts += [value for key, value in details.items() if key in ("label", "address", "name", "title")]
    return " ".join([*parts, text]).strip()
