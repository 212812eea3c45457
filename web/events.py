"""What a line of the audit log says on the timeline of its complaint."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core import model
from web import texts

_Telling = Callable[[Mapping[str, str], str, Mapping[str, str], ZoneInfo], str]  # facts, who did it, names, zone


def _due(name: str, words: str) -> _Telling:
    return lambda facts, _, __, zone: words.format(texts.brief_moment(datetime.fromisoformat(facts[name]), zone))


def _registered(facts: Mapping[str, str], who: str, _: Mapping[str, str], zone: ZoneInfo) -> str:
    due = texts.brief_moment(datetime.fromisoformat(facts["due_at"]), zone)
    if "entered_at" not in facts:
        return f"dicatat; batas tanggapan {due}"
    entered = texts.brief_moment(datetime.fromisoformat(facts["entered_at"]), zone)
    return f"dicatat oleh {who} pada {entered}; batas tanggapan {due}"


def _handed_over(facts: Mapping[str, str], who: str, names: Mapping[str, str], _: ZoneInfo) -> str:
    return f"diserahkan kepada {names.get('person:' + facts['to'], 'petugas lain')} oleh {who}"


def _closed(facts: Mapping[str, str], who: str, *_: Any) -> str:
    return f"ditutup oleh {who}: {texts.CLOSE_REASONS[model.CloseReason(facts['reason'])].lower()}"


def _reopened(facts: Mapping[str, str], who: str, *_: Any) -> str:
    return (
        f"dibuka kembali oleh {who}: {facts['reason']}" if "reason" in facts else "dibuka kembali: warga menulis lagi"
    )


def _revealed(facts: Mapping[str, str], who: str, *_: Any) -> str:
    return f"nomor pribadi ditampilkan kepada {who}: {facts['purpose']}"


def _answered(facts: Mapping[str, str], who: str, *_: Any) -> str:
    if facts.get("by") == "colleague":
        who = "petugas langsung di kanal penyedia"
    return f"batas tanggapan dihentikan oleh jawaban {who}"


# What a line of the log says on the timeline. What the timeline shows anyway has no line.
_EVENTS: Mapping[str, str | _Telling] = {
    "claimed": "diambil oleh {who}",
    "given_back": "dikembalikan ke antrean oleh {who}",
    "returned_holder_absent": "dikembalikan ke antrean karena petugasnya tidak bertugas",
    "warned": "peringatan: batas waktu sudah dekat",
    "breached": "batas waktu terlewat; dinaikkan kepada pengawas",
    "breached_again": "batas tanggapan susulan terlewat",
    "answered": _answered,
    "answer_recorded": "jawaban yang disampaikan dicatat oleh {who}; pesan sesudahnya masih menunggu",
    "marked_arrived": "ditandai sudah sampai oleh {who}",
    "sent_again": "dikirim ulang oleh {who}",
    "failure_noted": "kegagalan kirim diketahui {who}",
    "delivery_failed": "pesan gagal terkirim",
    "answer_delivered_after_all": "jawaban ternyata sampai; batas tanggapan dihentikan",
    "registered": _registered,
    "deadline_moved": _due("after", "batas waktu dihitung ulang menjadi {}"),
    "reassigned": _handed_over,
    "closed": _closed,
    "reopened": _reopened,
    "revealed": _revealed,
    "message_withdrawn": "warga menarik pesannya",
    "message_hidden": "pesan disembunyikan dari umum oleh {who}",
    "contact_opened": "percakapan pribadi dengan warga dibuka oleh balasan pribadi",
    "contacts_linked": "kontak lain ditautkan sebagai warga yang sama oleh {who}",
    "contacts_kept_apart": "kontak lain dinyatakan bukan orang yang sama oleh {who}",
    "contacts_unlinked": "tautan kontak dilepas oleh {who}",
    "answered_where_it_began": "jawaban kembali ditujukan kepada kontak semula",
}
_SILENT = frozenset({"attachment_opened", "joined_by_raid", "message_received", "noted"})


def event(entry: model.AuditEntry, names: Mapping[str, str], zone: ZoneInfo) -> str | None:
    """Return what the timeline says of a line of the log; None for what it shows by itself."""
    if entry.action in _SILENT:
        return None
    who = names.get(entry.actor, "sistem")
    told = _EVENTS.get(entry.action, "tercatat: " + entry.action.replace("_", " "))
    return told(entry.facts, who, names, zone) if callable(told) else told.format(who=who)
