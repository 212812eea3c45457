"""What the inbox says: times in words, states, alarms, events of the log. Formal Indonesian."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from core import model
from router import texts as citizen_texts
from router.complaints import View
from sla import calendar, clocks

_DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
_MONTHS = (
    "Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November",
    "Desember",
)  # fmt: skip
_RELATIVE = timedelta(days=2)  # farther off, a date says more than hours
_COUNT_LIMIT = 1000  # queues are counted no further

NO_NAME = "Tanpa nama"

# --- Times ----------------------------------------------------------------------------------------------------------


def time_of_day(at: datetime, zone: ZoneInfo) -> str:
    """`09.12`."""
    return f"{at.astimezone(zone):%H.%M}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """`Kamis, 19 November 2026`."""
    return date_words(at.astimezone(zone).date())


def date_words(of: date) -> str:
    return f"{_DAYS[of.weekday()]}, {of.day} {_MONTHS[of.month - 1]} {of.year}"


def brief_moment(at: datetime, zone: ZoneInfo) -> str:
    """`Kam 19 Nov 09.12`."""
    local = at.astimezone(zone)
    return f"{_DAYS[local.weekday()][:3]} {local.day} {_MONTHS[local.month - 1][:3]} {local:%H.%M}"


def span(length: timedelta) -> str:
    """Return a length in words, rounded down: `3 jam 20 menit`, `23 jam`, `4 hari`."""
    minutes = int(length.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    if minutes < 1:
        return "kurang dari 1 menit"
    if hours == 0:
        return f"{minutes} menit"
    if length >= _RELATIVE:
        return f"{length.days} hari"
    return f"{hours} jam" if hours >= 10 or rest == 0 else f"{hours} jam {rest} menit"


@dataclass(frozen=True, slots=True)
class Remaining:
    """How a deadline stands: in words, and as the tone that gives colour and shape. `exact` is for the tooltip."""

    words: str
    tone: Literal["ok", "soon", "late", "none"]
    due_at: datetime | None = None
    exact: str = ""


def remaining(complaint: model.Complaint, now: datetime, end_of_day: datetime, zone: ZoneInfo) -> Remaining:
    """Say how long there is still; due today is soon, as in the queue of that name."""
    due_at = complaint.due_at
    if due_at is None:
        return Remaining(STATES[complaint.state].lower(), "none")
    exact = f"Batas tanggapan: {citizen_texts.moment(due_at, zone)}"
    if due_at < now:
        return Remaining(f"lewat {span(now - due_at)}", "late", due_at, exact)
    words = f"sisa {span(due_at - now)}" if due_at - now < _RELATIVE else f"sampai {brief_moment(due_at, zone)}"
    return Remaining(words, "soon" if due_at < end_of_day else "ok", due_at, exact)


def opening(serving: calendar.ServiceCalendar, now: datetime, zone: ZoneInfo) -> str:
    """Say whether the office serves now, and when it opens: `Tutup (Hari Raya Natal), buka Sen 28 Des 07.30`."""
    closed = serving.closed_reason(now)
    if closed is None:
        return "Jam layanan"
    return f"Tutup{citizen_texts.closed_because(closed)}, buka {brief_moment(serving.next_open(now), zone)}"


def thousands(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def queue_count(number: int) -> str:
    return f"{_COUNT_LIMIT - 1}+" if number >= _COUNT_LIMIT else str(number)


def size(number_of_bytes: int) -> str:
    """`640 KB`, `2,4 MB`."""
    if number_of_bytes < 1_000_000:
        return f"{max(1, round(number_of_bytes / 1000))} KB"
    return f"{number_of_bytes / 1_000_000:.1f} MB".replace(".", ",")


# --- Complaints -----------------------------------------------------------------------------------------------------

VIEWS: Mapping[View, str] = {
    View.ALL: "Semua pekerjaan",
    View.NEW: "Baru",
    View.TODAY: "Harus dijawab hari ini",
    View.LATE: "Lewat batas",
    View.MINE: "Ditangani saya",
    View.ESCALATED: "Eskalasi",
    View.WAITING: "Menunggu warga",
    View.CLOSED: "Selesai",
}
SHORT_VIEWS: Mapping[View, str] = {View.TODAY: "Hari ini"}  # beside the count, where a long name would wrap
EMPTY: Mapping[View, str] = {
    View.ALL: "Tidak ada pengaduan yang menunggu. Semua sudah ditanggapi.",
    View.NEW: "Tidak ada pengaduan baru.",
    View.TODAY: "Tidak ada lagi yang harus dijawab hari ini.",
    View.LATE: "Tidak ada pengaduan yang lewat batas.",
    View.MINE: "Belum ada pengaduan yang Bapak/Ibu tangani.",
    View.ESCALATED: "Tidak ada pengaduan yang dinaikkan kepada pengawas.",
    View.WAITING: "Tidak ada pengaduan yang menunggu warga.",
    View.CLOSED: "Belum ada pengaduan yang selesai.",
}
STATES: Mapping[model.ComplaintState, str] = {
    model.ComplaintState.NEW: "Baru",
    model.ComplaintState.IN_PROGRESS: "Ditangani",
    model.ComplaintState.WAITING_CITIZEN: "Menunggu warga",
    model.ComplaintState.CLOSED: "Selesai",
}
CLOSE_REASONS: Mapping[model.CloseReason, str] = {
    model.CloseReason.RESOLVED: "Masalah selesai",
    model.CloseReason.NOT_OURS: "Bukan kewenangan kantor ini",
    model.CloseReason.NO_REPLY: "Warga tidak membalas",
    model.CloseReason.NOT_A_COMPLAINT: "Bukan pengaduan",
    model.CloseReason.WITHDRAWN: "Ditarik oleh warga",
}
KINDS: Mapping[model.MessageKind, str] = {
    model.MessageKind.COMPLAINT: "Warga",
    model.MessageKind.ACKNOWLEDGEMENT: "Tanda terima otomatis",
    model.MessageKind.FURTHER_ACKNOWLEDGEMENT: "Tanda terima otomatis",
    model.MessageKind.ANSWER: "Jawaban",
    model.MessageKind.DELAY_NOTICE: "Pemberitahuan keterlambatan",
    model.MessageKind.CLOSING_NOTICE: "Pemberitahuan selesai",
    model.MessageKind.PRIVACY_NOTICE: "Pemberitahuan perlindungan data",
    model.MessageKind.MISSED_NOTICE: "Pemberitahuan bahwa ada jawaban",
    model.MessageKind.HIDING: "Menyembunyikan pesan warga dari umum",
    model.MessageKind.NOTE: "Catatan internal",
}
CONTENTS: Mapping[model.Content, str] = {
    model.Content.LOCATION: "Lokasi",
    model.Content.CONTACT_CARD: "Kartu kontak",
    model.Content.BUTTON: "Menekan tombol",
    model.Content.EMPTY: "Pesan kosong",
    model.Content.UNSUPPORTED: "Jenis pesan ini belum dapat ditampilkan; lihat pesan asli.",
}
DELIVERIES: Mapping[model.DeliveryState, str] = {
    model.DeliveryState.QUEUED: "Menunggu dikirim",
    model.DeliveryState.SENDING: "Sedang dikirim",
    model.DeliveryState.ACCEPTED: "Terkirim",
    model.DeliveryState.DELIVERED: "Sampai",
    model.DeliveryState.READ: "Dibaca",
    model.DeliveryState.FAILED: "Gagal terkirim",
    model.DeliveryState.UNCERTAIN: "Belum pasti terkirim",
    model.DeliveryState.CANCELLED: "Dibatalkan",
}
REFUSALS: Mapping[model.Refusal, str] = {
    model.Refusal.NO_SUCH_ADDRESS: "Nomor atau alamat ini tidak ada. Hubungi warga dengan cara lain.",
    model.Refusal.UNREACHABLE: "Perangkat warga tidak dapat dijangkau. Coba kirim ulang nanti.",
    model.Refusal.MAILBOX_FULL: "Kotak surat warga penuh. Coba kirim ulang nanti, atau hubungi dengan cara lain.",
    model.Refusal.BLOCKED: "Warga memblokir pesan dari kantor ini.",
    model.Refusal.OPTED_OUT: "Warga meminta tidak dikirimi pesan.",
    model.Refusal.WINDOW_CLOSED: (
        "Jendela balas sudah tutup. Kirim ulang bila warga menulis lagi, atau hubungi dengan cara lain."
    ),
    model.Refusal.CONTENT: "Penyedia menolak isi pesan ini.",
    model.Refusal.TOO_LARGE: "Pesan atau lampirannya terlalu besar untuk penerima.",
    model.Refusal.GONE: "Pesan yang dijawab sudah dihapus oleh penulisnya.",
    model.Refusal.SPAM: "Penyaring spam menolak pesan ini.",
    model.Refusal.NOT_PERMITTED: "Penyedia tidak mengizinkan pesan ini kepada warga tersebut.",
}
_FAILURES = (
    ("could not be sent for two days", "Tidak dapat dikirim selama dua hari."),
    ("the account is not configured any more", "Akun saluran ini tidak terpasang lagi."),
    ("no receipt came", "Penyedia tidak memberi kabar apakah pesan ini sampai."),
    ("the sender stopped midway", "Pengiriman terhenti di tengah jalan."),
)


def failure(reason: str | None) -> str:
    """Say why a message did not leave; what only the provider can explain is told in its own words."""
    if reason and reason in REFUSALS:
        return REFUSALS[model.Refusal(reason)]
    known = next((words for begin, words in _FAILURES if (reason or "").startswith(begin)), None)
    return known or (f"Keterangan penyedia: {reason}" if reason else "Penyedia tidak menyebutkan sebabnya.")


# --- Clocks ---------------------------------------------------------------------------------------------------------

_CLOCKS = {
    "respon_tidak_langsung": "Tanggapan (pengaduan tidak langsung)",
    "respon_langsung": "Tanggapan (pengaduan langsung)",
    "tanggapan_susulan": "Tanggapan susulan",
}
CLOCK_STATES: Mapping[model.DeadlineState, str] = {
    model.DeadlineState.PENDING: "berjalan",
    model.DeadlineState.MET: "terpenuhi",
    model.DeadlineState.BREACHED: "terlewat",
    model.DeadlineState.CANCELLED: "dihentikan",
}
_UNITS = {"menit": "menit layanan", "hari": "hari kalender", "hari_kerja": "hari kerja"}


def clock(name: str) -> str:
    return _CLOCKS.get(name, name.replace("_", " ").capitalize())


def rule(text: str) -> str:
    """Say a stored rule in words: `2 hari kalender sejak diterima, sampai menit yang sama`."""
    limit = clocks.Rule.from_json(text)
    words = f"{limit.value} {_UNITS[limit.unit]} sejak diterima"
    if limit.end == "tutup_kantor":
        words += ", sampai kantor tutup"
    elif limit.unit != "menit":
        words += ", sampai jam dan menit yang sama"
    if limit.roll == "hari_kerja_berikutnya":
        words += "; bila jatuh pada hari libur, digeser ke hari kerja berikutnya"
    return words


# --- People, alarms, quarantine, holidays ---------------------------------------------------------------------------

ROLES: Mapping[model.Role, str] = {
    model.Role.ADMIN: "Admin",
    model.Role.SUPERVISOR: "Pengawas",
    model.Role.AUDITOR: "Auditor",
}
ALARMS: Mapping[model.AlarmKind, tuple[str, str]] = {
    model.AlarmKind.QUARANTINE: (
        "Kiriman masuk karantina",
        "Periksa karantina: baca ulang atau kesampingkan dengan alasan.",
    ),
    model.AlarmKind.ACKNOWLEDGEMENT_FAILED: (
        "Tanda terima gagal terkirim",
        "Warga belum tahu nomornya. Kirim ulang dari pengaduan.",
    ),
    model.AlarmKind.ANSWER_FAILED: (
        "Jawaban gagal terkirim",
        "Batas waktu berjalan lagi. Kirim ulang atau sampaikan dengan cara lain.",
    ),
    model.AlarmKind.NOTICE_FAILED: ("Pemberitahuan gagal terkirim", "Kirim ulang dari pengaduan."),
    model.AlarmKind.UNCERTAIN: (
        "Pengiriman belum pasti",
        "Tanyakan kepada warga, lalu tandai sudah sampai atau kirim ulang.",
    ),
    model.AlarmKind.ACCOUNT_SUSPENDED: (
        "Akun saluran ditolak penyedia",
        "Periksa kata kunci dan status akun. Kiriman menunggu sampai pulih.",
    ),
    model.AlarmKind.ACCOUNT_UNREACHABLE: (
        "Penyedia tidak dapat dihubungi",
        "Sistem terus mencoba. Bila berlangsung lama, hubungi pengelola.",
    ),
    model.AlarmKind.IMPOSSIBLE_DEADLINE: (
        "Batas waktu tidak memuat jam layanan",
        "Tentukan siapa yang menjawab di luar jam layanan.",
    ),
    model.AlarmKind.DEADLINE_NEAR: ("Batas waktu sudah dekat", "Jawab pengaduan ini lebih dahulu."),
    model.AlarmKind.BREACHED: ("Batas waktu terlewat", "Pengawas perlu segera menjawab atau menugaskan."),
    model.AlarmKind.VIRUS: (
        "Lampiran berisi virus",
        "Berkasnya tidak dapat dibuka. Sampaikan kepada pengirimnya dengan santun.",
    ),
    model.AlarmKind.SCANNER_UNAVAILABLE: (
        "Pemindai virus tidak dapat dihubungi",
        "Lampiran menunggu sampai pemindai pulih. Hubungi pengelola sistem.",
    ),
    model.AlarmKind.MEDIA_FAILED: ("Lampiran gagal diambil", "Minta warga mengirim ulang lampiran."),
    model.AlarmKind.CALENDAR_ENDS: (
        "Cuti bersama tahun depan belum diisi",
        "Isi hari libur tahun depan menurut SKB terbaru.",
    ),
    model.AlarmKind.PUBLIC_NUMBER: (
        "Nomor pribadi terbaca umum",
        "Sembunyikan pesannya dari umum; warga diberi tahu dengan santun.",
    ),
    model.AlarmKind.RAID: (
        "Serbuan pesan yang sama",
        "Teks yang sama dari banyak akun dicatat pada satu pengaduan. Jawab satu kali secara terbuka.",
    ),
    model.AlarmKind.FLOOD: (
        "Balas-membalas antarmesin dihentikan",
        "Tanda terima otomatis kepada kontak ini berhenti. Periksa apakah pengirimnya orang.",
    ),
    model.AlarmKind.ANSWER_UNREAD: (
        "Jawaban belum dibaca warga",
        "Warga sudah pergi dan tidak meninggalkan alamat yang dapat dihubungi. Cari cara lain bila ada.",
    ),
    model.AlarmKind.ACCOUNT_WARNING: (
        "Akun saluran perlu diurus",
        "Masih berfungsi sekarang, tetapi tidak lama lagi. Hubungi pengelola sistem.",
    ),
}
# While one of these is open something does not come in or go out for everybody.
OUTAGES = frozenset({model.AlarmKind.ACCOUNT_SUSPENDED, model.AlarmKind.ACCOUNT_UNREACHABLE})
_QUARANTINE = {
    "signature": "Keaslian pengirim tidak terbukti",
    "payload": "Isi tidak dapat dibaca",
    "intake": "Gagal disimpan karena kesalahan sistem",
}
HOLIDAYS: Mapping[calendar.HolidayKind, str] = {
    calendar.HolidayKind.NATIONAL: "Libur nasional",
    calendar.HolidayKind.JOINT_LEAVE: "Cuti bersama",
    calendar.HolidayKind.LOCAL: "Libur daerah",
}


def quarantine_reason(reason: str | None) -> str:
    return _QUARANTINE.get((reason or "").partition(":")[0], "Perlu diperiksa")


# --- After an act, and when something is refused --------------------------------------------------------------------

DONE: Mapping[str, str] = {
    "diambil": "Pengaduan ini sekarang Bapak/Ibu tangani.",
    "diserahkan": "Pengaduan sudah diserahkan.",
    "dikembalikan": "Pengaduan dikembalikan ke antrean.",
    "ditutup": "Pengaduan sudah ditutup.",
    "dibuka": "Pengaduan dibuka kembali dan Bapak/Ibu tangani.",
    "dijawab": "Jawaban masuk antrean kirim.",
    "dicatat": "Jawaban yang disampaikan sudah dicatat.",
    "catatan": "Catatan internal sudah disimpan.",
    "disembunyikan": "Pesan akan disembunyikan dari umum, dan penulisnya diberi tahu dengan santun.",
    "ditautkan": "Kontak sudah ditautkan sebagai warga yang sama.",
    "dipisahkan": "Kontak itu tidak akan diusulkan lagi.",
    "dilepas": "Tautan kontak sudah dilepas.",
    "dikirim-ulang": "Pesan masuk antrean kirim lagi.",
    "sampai": "Pesan ditandai sudah sampai.",
    "diketahui": "Kegagalan kirim sudah ditandai diketahui.",
    "dibaca-ulang": "Kiriman berhasil dibaca dan sudah menjadi pengaduan.",
    "dikesampingkan": "Kiriman sudah dikesampingkan.",
    "absen": "Ketidakhadiran sudah disimpan.",
    "hadir": "Petugas sudah ditandai bertugas kembali.",
    "libur": "Hari libur sudah disimpan.",
    "libur-dihapus": "Hari libur sudah dihapus.",
}
# After these the work on a complaint rests: the next one is offered.
RESTS = frozenset({"dijawab", "dicatat", "ditutup", "diserahkan", "dikembalikan"})
STILL_UNREADABLE = (
    "Kiriman ini masih belum dapat dibaca. Hubungi pengelola sistem bila isinya tampak seperti pengaduan."
)
NOT_A_NUMBER = "Tulis nomor pengaduan, misalnya ADU-2026-000123."
WRONG_DATE = "Tanggal tidak dapat dibaca."
FORM_EXPIRED = "Formulir ini sudah kedaluwarsa. Muat ulang halaman, lalu coba lagi."
FILE_MISTAKES: Mapping[str, str] = {
    "too_many": "Paling banyak lima berkas. Mohon pilih kembali berkasnya.",
    "file_too_large": "Ada berkas yang lebih besar dari 8 MB. Mohon pilih berkas yang lebih kecil.",
    "files_too_large": "Seluruh berkas bersama-sama paling besar 25 MB. Mohon kurangi berkasnya.",
    "file_empty": "Ada berkas yang kosong. Mohon pilih kembali berkasnya.",
}
UPLOAD_FAILED = "Kiriman terputus atau tidak terbaca. Mohon coba sekali lagi."
HANDOVERS = ("loket", "pos", "telepon", "e-mail")  # ways by which answers are handed over, to choose from
NOT_PRINTED = "Dokumen belum selesai dibuat. Mohon coba lagi sebentar lagi."
TOO_MANY_SIGN_INS = "Terlalu banyak percobaan dari jaringan ini. Silakan coba lagi beberapa menit lagi."
ROLE_FORBIDS = "Peran Bapak/Ibu hanya dapat melihat halaman ini, tidak mengubahnya."
ERRORS: Mapping[int, tuple[str, str]] = {
    403: ("Tidak diizinkan", ROLE_FORBIDS),
    404: ("Tidak ditemukan", "Halaman atau pengaduan ini tidak ada di kantor Bapak/Ibu."),
    409: ("Tidak dapat dilakukan", ""),
    503: ("Sistem belum dapat menyimpan", "Tidak ada yang hilang. Mohon coba lagi sebentar lagi."),
}

_MASK = re.compile(r"\*{12}\d{4}")


def has_masked_number(text: str) -> bool:
    return _MASK.search(text) is not None


# --- The composer ---------------------------------------------------------------------------------------------------

BLOCKED_CLOSED = "Pengaduan ini sudah ditutup. Buka kembali sebelum menjawab."
BLOCKED_HELD = "Sedang ditangani {name}. Minta petugas tersebut menyerahkan, atau tulis catatan internal."
NO_REASON = "Pilih alasan menutup pengaduan."
NO_DISMISSAL_REASON = "Sebutkan alasan mengesampingkan kiriman ini."
