"""The receipt that is handed to whoever complained at the counter, on A5."""

from urllib.parse import urlencode

from reports import pdf
from router import counter, texts


async def draw(paper: counter.Paper, about: str) -> bytes:
    """Return the receipt as PDF; `about` are the words of the category, '' for none. TimeoutError.

    The code leads to the page where the complaint is followed, with its number. The PIN stands beside it and not in it:
    a picture of the code alone opens nothing.
    """
    office, complaint = paper.office, paper.complaint
    message = paper.message
    received_at, entered_at = complaint.received_at, message.created_at
    address = f"{office.tracking_url}?{urlencode({'nomor': str(complaint.number)})}"
    values = {
        "office": office.name,
        "number": str(complaint.number),
        "pin": paper.pin,
        "rows": [
            ["Diterima", texts.moment(received_at, office.zone)],
            *([["Dicatat", texts.moment(entered_at, office.zone)]] if is_late(paper) else []),
            ["Melalui", paper.channel],
            ["Pelapor", paper.name or "Tanpa nama"],
            *([["Tentang", about]] if about else []),
            *([["Lampiran", f"{len(message.attachments)} berkas"]] if message.attachments else []),
        ],
        "due": texts.moment(complaint.due_at, office.zone) if complaint.due_at else "",
        "address": office.tracking_url,
        "code": pdf.qr_code(address),
        "safety": texts.SAFETY,
        "signer": paper.name or "",
        "officer": paper.officer,
        "printed": texts.moment(paper.printed_at, office.zone),
    }
    return await pdf.draw("receipt.typ", values, paper.printed_at)


def is_late(paper: counter.Paper) -> bool:
    """Whether it was written down in another minute than that in which it was received."""
    return (paper.message.created_at - paper.complaint.received_at).total_seconds() >= 60
