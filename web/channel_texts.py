"""What the inbox says of ways to a citizen, and of what their channels can do and bring along. Formal Indonesian."""

from collections.abc import Mapping

from core import model, privacy

# --- With a message -------------------------------------------------------------------------------------------------

PUBLIC, PRIVATE = "dibaca umum", "hanya dibaca penulis"
HIDDEN, BEING_HIDDEN, NOT_HIDDEN = "disembunyikan dari umum", "sedang disembunyikan", "masih dibaca umum"
OTHER_AUTHOR = "Penulis lain"
ELSEWHERE = "Dijawab petugas langsung di kanal penyedia"
REVISES = ("Warga mengubah ", "pesan semula", ".")
REVISED = ("Diubah warga: lihat ", "pesan terbarunya", ".")
NAMES = ("Menyebut pengaduan ", "{number}", "; pengirimnya bukan peserta pengaduan itu.")
NOT_GENUINE = "Keaslian alamat pengirim tidak terbukti. Pastikan dengan cara lain sebelum menyampaikan data."
COPIES = "Tembusan: {addresses}"
PLACE = ("Lihat di ", "tempat aslinya", ".")
_FORWARDED = {"often": "Sering diteruskan"}
_AUTOMATIC = {
    "auto_submitted": "dibuat oleh mesin",
    "bounce": "laporan gagal kirim",
    "hops": "berputar antarserver surat",
    "list": "dari milis",
    "loop": "surat kami sendiri yang berputar",
    "no_reply": "dari alamat yang tidak dapat dibalas",
    "no_sender": "tanpa alamat pengirim",
    "null_sender": "dibuat oleh mesin",
    "own": "dari alamat kantor sendiri",
    "precedence": "kiriman massal",
    "report": "laporan sistem surat",
    "subject": "balasan otomatis",
    "suppress": "dibuat oleh mesin",
}


def remarks(details: Mapping[str, str]) -> list[str]:
    """Return what is worth knowing of a message besides what it says, by the names that connectors give it."""
    found = []
    if details.get("item") == "mention":
        found.append("Menyebut akun kantor di kiriman orang lain.")
    if details.get("item") == "rating":
        found.append("Ditulis sebagai ulasan.")
    if "automatic" in details:
        why = _AUTOMATIC.get(details["automatic"], "dibuat oleh mesin")
        found.append(f"Surat otomatis ({why}); sistem tidak membalasnya.")
    if "forwarded" in details:
        found.append(f"{_FORWARDED.get(details['forwarded'], 'Diteruskan')} dari orang lain.")
    if "list" in details:
        found.append("Dikirim lewat milis.")
    if "cc" in details:
        found.append(COPIES.format(addresses=privacy.mask(details["cc"])))
    if "encrypted" in details:
        found.append("Surat terenkripsi: isinya tidak dapat dibaca di sini. Mohon warga mengirim tanpa enkripsi.")
    if "text_cut" in details:
        found.append("Terlalu panjang dan dipotong; selengkapnya ada di pesan asli.")
    if "left_out" in details:
        found.append(f"{details['left_out']} lampiran lagi hanya ada di pesan asli.")
    return found


# --- Ways to answer -------------------------------------------------------------------------------------------------

WINDOW_OPEN = "jendela tutup {at} ({left})"
WINDOW_CLOSED = "jendela balas sudah tutup"
WINDOW_CLOSED_TEMPLATES = "jendela balas sudah tutup; jawaban dikirim dengan templat yang disetujui, tanpa ganti baris"
WINDOW_UNOPENED = "warga belum pernah menulis lewat saluran ini"
OPTED_OUT = "warga meminta tidak dikirimi pesan"
NOT_ANSWERABLE = "tidak dapat dibalas"

CLOSES_EARLY = "Jendela tutup sebelum batas tanggapan: jawab sekarang."
CLOSES_EARLY_TEMPLATES = (
    "Jendela tutup sebelum batas tanggapan: jawab sekarang. Sesudahnya hanya templat yang dapat dikirim."
)

UNABLE_CLOSED = (
    "Jendela balas sudah tutup, dan saluran ini tidak mengenal templat. Jawab lewat cara lain, atau sampaikan langsung "
    "lalu catat di “Sudah disampaikan”."
)
UNABLE_UNOPENED = (
    "Warga belum pernah menulis lewat saluran ini, sehingga belum dapat dijawab di sini. Jawab lewat cara lain, atau "
    "tunggu balasannya."
)
UNABLE_OPTED_OUT = (
    "Warga meminta tidak dikirimi pesan lewat saluran ini. Jawab lewat cara lain, atau sampaikan langsung lalu catat "
    "di “Sudah disampaikan”."
)
UNABLE_NOT_ANSWERABLE = (
    "{label} tidak dapat dibalas. Sampaikan jawaban lewat kontak warga, lalu catat di “Sudah disampaikan”."
)

OPENNESS: Mapping[str, str] = {"pribadi": "Pribadi", "umum": "Terbuka"}
IN_PUBLIC = "Dibaca umum: jangan menulis nama, nomor pengaduan, atau data pribadi."
IN_PRIVATE = "Hanya penulisnya yang membaca. Satu pesan saja, paling panjang {length}."
PRIVATE_USED = "Balasan pribadi sudah terpakai; hanya satu untuk tiap pesan."
NUMBER_IN_PUBLIC = (
    "Jawaban ini akan dibaca umum dan memuat nomor panjang atau alamat. Hapus bila milik warga, atau tandai bahwa "
    "nomor itu memang untuk umum."
)
HOLDS_NUMBER = "Ada nomor panjang atau alamat di dalam tulisan ini."
NUMBER_IS_PUBLIC = "Nomor atau alamat ini memang untuk umum"
_UNITS = {"characters": "huruf", "bytes": "bita"}


def length(limit: model.Limit) -> str:
    """`2.000 huruf`."""
    return f"{limit.count:,} {_UNITS[limit.unit]}".replace(",", ".")


# --- One person on several channels ---------------------------------------------------------------------------------

REASONS: Mapping[str, str] = {
    "identity": "Nomor atau alamat yang sama, dibuktikan oleh penyedianya",
    "number": "Nama dan nomor kependudukan yang sama",
}


# --- Accounts -------------------------------------------------------------------------------------------------------

WELL, SIMULATED, RECORDED = "Baik", "Simulasi", "Dicatat petugas"
DISTURBED, TO_BE_SEEN_TO = "Ada gangguan", "Berfungsi, perlu diurus"
REFUSED, UNREACHED = "Ditolak penyedia sejak {since}", "Tidak terhubung sejak {since}"
NEVER, NEVER_SENDS = "belum ada", "tidak mengirim"
COMPARED = "Dibandingkan {at}: {listed} pesan di penyedia, {missing}"
NOTHING_LISTED = "Dibandingkan {at}: tidak ada yang baru di penyedia"
NONE_MISSING = "semua sudah ada di sini"
SOME_MISSING = "{count} tidak ada di sini dan sudah diambil"


def compared(at: str, listed: int, missing: int) -> str:
    """Say what the last comparison with a provider found: `Dibandingkan 10.15: 42 pesan di penyedia, ...`."""
    if not listed:
        return NOTHING_LISTED.format(at=at)
    found = SOME_MISSING.format(count=missing) if missing else NONE_MISSING
    return COMPARED.format(at=at, listed=listed, missing=found)
