"""What the inbox says of files: what one is, what becomes of it, which may be sent."""

import mimetypes

from core import model

# What a file is, by the beginning of its type.
_FILE_KINDS = (
    ("image/", "gambar"),
    ("application/pdf", "PDF"),
    ("audio/", "rekaman suara"),
    ("video/", "video"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml", "lembar kerja"),
    ("application/vnd.oasis.opendocument.spreadsheet", "lembar kerja"),
    ("application/vnd.ms-excel", "lembar kerja"),
    ("application/vnd.openxmlformats-officedocument", "dokumen"),
    ("application/vnd.oasis.opendocument", "dokumen"),
    ("application/msword", "dokumen"),
    ("text/plain", "teks"),
    ("application/zip", "arsip"),
)
UNKNOWN_KIND = "jenis tidak dikenali; jangan dibuka bila ragu"
FETCHING, EXAMINING = "sedang diambil dari penyedia", "sedang diperiksa dari virus"
_FILE_REFUSALS = (
    ("virus", "mengandung virus dan tidak dapat dibuka. Sampaikan kepada pengirimnya."),
    ("too large", "terlalu besar untuk disimpan. Minta berkas yang lebih kecil."),
    ("the file is too large", "terlalu besar untuk disimpan. Minta berkas yang lebih kecil."),
    ("HTTP 4", "sudah tidak ada di penyedia. Minta pengirim mengirim ulang."),
)
_FILE_REFUSED = "tidak dapat diambil. Minta pengirim mengirim ulang."
CHOOSE_AGAIN = "Lampiran perlu dipilih lagi."


def file_kind(media_type: str) -> str:
    """Say what a file is: `gambar`, `PDF`; UNKNOWN_KIND for what its bytes do not show."""
    return next((words for begin, words in _FILE_KINDS if media_type.startswith(begin)), UNKNOWN_KIND)


def file_refusal(reason: str | None) -> str:
    """Say why a file cannot be had, and what to do; it follows the file's name."""
    return next((words for begin, words in _FILE_REFUSALS if (reason or "").startswith(begin)), _FILE_REFUSED)


def unnamed_file(file: model.Attachment) -> str:
    """Return a name to save a nameless file under."""
    ending = mimetypes.guess_extension(file.media_type) if file_kind(file.media_type) != UNKNOWN_KIND else None
    return f"lampiran-{file.id}{ending or ''}"


def sent_files(sent: model.SentFiles, most: int, most_bytes: int) -> str:
    """Say which files an answer may carry, by number, size and kind."""
    kinds = list(dict.fromkeys(file_kind(media_type) for media_type in sent.media_types))
    megabytes = min(sent.bytes_each, most_bytes) // 1024**2
    return f"Paling banyak {min(sent.count, most)} berkas, masing-masing sampai {megabytes} MB: {', '.join(kinds)}."
