"""The *form aduan*: empty, to be filled in by hand, and filled in from what was registered; on A4.

Source: SOP Layanan Pengaduan Langsung, Kota Pasuruan, step 2: the official who receives a complaint writes it on it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reports import pdf
from router import counter, texts
from router.offices import Office


async def empty(office: Office, channels: Sequence[str], made_at: datetime) -> bytes:
    """Return the form with lines to write on; `channels` are to be ticked. TimeoutError."""
    return await _draw(office, channels, made_at, None)


async def filled(paper: counter.Paper, about: str, channels: Sequence[str]) -> bytes:
    """Return the form of a complaint, its text as `paper` has it; `about`: words of the category. TimeoutError."""
    office, complaint, message = paper.office, paper.complaint, paper.message
    values = {
        "number": str(complaint.number),
        "received": texts.moment(complaint.received_at, office.zone),
        "entered": texts.moment(message.created_at, office.zone),
        "due": texts.moment(complaint.due_at, office.zone) if complaint.due_at else "",
        "channel": paper.channel,
        "name": paper.name or "Tanpa nama",
        "contact": paper.contact or "Tidak ada",
        "about": about,
        "recorded": [list(pair) for pair in paper.recorded],
        "text": texts.visible(message.content, message.text, message.details, ()),
        "files": [file.name or "Lampiran" for file in message.attachments],
        "signer": paper.name or "",
        "officer": paper.officer,
        "printed": texts.moment(paper.printed_at, office.zone),
    }
    known = [*channels, *([] if paper.channel in channels else [paper.channel])]
    return await _draw(office, known, paper.printed_at, values)


async def _draw(office: Office, channels: Sequence[str], made_at: datetime, values: Mapping[str, Any] | None) -> bytes:
    content = {"office": office.name, "channels": list(channels), "safety": texts.SAFETY, "filled": values}
    return await pdf.draw("complaint_form.typ", content, made_at)
