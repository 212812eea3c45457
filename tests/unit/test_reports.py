"""Papers: what stands on them, that no citizen's words become a part of their code, and that they fit."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
import segno

from core import ids, model
from reports import complaint_form, pdf, receipt
from router.counter import Paper
from router.offices import Office
from sla import calendar, clocks

NOW = datetime(2026, 11, 18, 3, 12, tzinfo=UTC)
OFFICE = Office(
    id="kota-contoh", name="Dinas Kependudukan dan Pencatatan Sipil Kota Contoh", short_name="Dukcapil Kota Contoh",
    zone=ZoneInfo("Asia/Jakarta"), number_prefix="ADU", weekly=calendar.DEFAULT_WEEKLY, periods=(),
    reading=clocks.Reading.CALENDAR, burst_window=timedelta(seconds=60), reopen_within=timedelta(days=14),
    acknowledge_further=True, tracking_url="https://aduan.kota-contoh.example/lacak",
)  # fmt: skip
CHANNELS = ("Tatap muka", "Telepon", "Surat")
# What means something in the code of a template, and must stay the words of whoever wrote it.
HOSTILE = '#panic("x") $x^2$ *tebal* _miring_ `kode` \\ @acuan <label> [isi] ]]] // /* #sys.inputs #read("pdf.py") "'


def paper(text: str = "KTP-el saya belum dicetak.", **changes) -> Paper:
    complaint = model.Complaint(
        id=ids.ComplaintId(1), office_id="kota-contoh", number=ids.Number("ADU", 2026, 123),
        contact_id=ids.ContactId(1), account="loket", channel="counter", intake=model.Intake.DIRECT,
        state=model.ComplaintState.NEW, queue=model.Queue.ADMIN, assignee_id=None, preview="",
        received_at=NOW - timedelta(hours=2),
        due_at=datetime(2026, 11, 19, 9, 0, tzinfo=UTC), breached_at=None, answered_at=None, closed_at=None,
        last_message_at=NOW, reply_account="loket", reply_contact_id=ids.ContactId(1),
    )  # fmt: skip
    files = (model.Attachment(1, ids.MessageId(1), "bukti.jpg", "image/jpeg", 10, "a" * 64, "stored"),)
    message = model.Message(
        ids.MessageId(1), complaint.id, "loket", model.MessageKind.COMPLAINT, text, NOW, attachments=files
    )
    values = {
        "office": OFFICE, "complaint": complaint, "message": message, "channel": "Tatap muka", "name": "Siti Rahma",
        "contact": "+6281200001234", "recorded": [("Alamat", "Kelurahan Contoh")], "officer": "Dewi Lestari",
        "pin": "482913", "printed_at": NOW,
    }  # fmt: skip
    return Paper(**{**values, **changes})


def pages(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def bare(text: str) -> str:
    """Return the text without what only breaks lines."""
    return re.sub(r"[\s\u200b\ufffe\u00ad]", "", text)


async def test_a_receipt_says_number_pin_times_and_where_to_follow():
    (text,) = pages(await receipt.draw(paper(), "KTP elektronik"))
    for words in (
        "ADU-2026-000123", "482913", "Rabu, 18 November 2026 pukul 08.12 WIB", "Rabu, 18 November 2026 pukul 10.12 WIB",
        "Kamis, 19 November 2026 pukul 16.00 WIB", "https://aduan.kota-contoh.example/lacak", "Siti Rahma",
        "Dewi Lestari", "Tatap muka", "KTP elektronik", "1 berkas", "tidak dipungut biaya", "KOTA CONTOH",
    ):  # fmt: skip
        assert bare(words) in bare(text), words


async def test_the_code_leads_to_the_tracking_page_with_the_number_and_without_the_pin():
    content = await receipt.draw(paper(), "")
    address = f"{OFFICE.tracking_url}?nomor={quote('ADU-2026-000123')}"
    assert is_on_page(content, address)
    assert not is_on_page(content, f"{address}&pin=482913")


def is_on_page(content: bytes, text: str) -> bool:
    """Whether the receipt carries this code: as wide as the template has it, at whatever height."""
    matrix = [[module == 1 for module in row] for row in segno.make(text, error="m", micro=False).matrix]
    scale = 4
    document = pypdfium2.PdfDocument(content)
    picture = document[0].render(scale=scale).to_pil().convert("L")
    document.close()
    pixels, width = picture.tobytes(), picture.width
    mm = scale * 72 / 25.4
    module = 25 * mm / len(matrix)
    columns = [round(15.5 * mm + (i + 0.5) * module) for i in range(len(matrix))]
    offsets = [round((i + 0.5) * module) for i in range(len(matrix))]

    def fits(top: int) -> bool:
        return all(
            (pixels[(top + offset) * width + x] < 128) == dark
            for offset, row in zip(offsets, matrix, strict=True)
            for x, dark in zip(columns, row, strict=True)
        )

    return any(fits(top) for top in range(picture.height - round(25 * mm)))


async def test_an_answered_complaint_promises_nothing():
    answered = dataclasses.replace(paper().complaint, due_at=None)
    (text,) = pages(await receipt.draw(paper(complaint=answered, name=None, officer=""), ""))
    assert "paling lambat" not in text
    assert "Tanpa nama" in text


async def test_the_empty_form_is_one_page_to_write_on():
    (text,) = pages(await complaint_form.empty(OFFICE, CHANNELS, NOW))
    for words in ("FORMULIR ADUAN", "Data pelapor", "NIK", "Uraian", "Diisi petugas", *CHANNELS):
        assert bare(words) in bare(text), words
    assert "ADU-" not in text


async def test_the_filled_form_holds_what_was_registered():
    (text,) = pages(
        await complaint_form.filled(paper("Belum jadi.\n\nNIK ************0001"), "KTP elektronik", CHANNELS)
    )
    for words in (
        "ADU-2026-000123",
        "Belum jadi.",
        "************0001",
        "+6281200001234",
        "Kelurahan Contoh",
        "bukti.jpg",
    ):
        assert bare(words) in bare(text), words


async def test_what_came_by_another_channel_has_a_box_of_its_own():
    (text,) = pages(await complaint_form.filled(paper(channel="Obrolan"), "", CHANNELS))
    assert "Obrolan" in text


async def test_a_citizens_words_are_never_part_of_the_code():
    hostile = paper(
        HOSTILE, name=HOSTILE, contact=HOSTILE, officer=HOSTILE, recorded=[(HOSTILE, HOSTILE)], channel=HOSTILE,
        office=dataclasses.replace(OFFICE, name=HOSTILE),
    )  # fmt: skip
    form = "".join(pages(await complaint_form.filled(hostile, HOSTILE, CHANNELS)))
    assert bare(form).count(bare(HOSTILE)) >= 7
    assert bare(HOSTILE.upper()) in bare(form)
    assert bare(HOSTILE) in bare("".join(pages(await receipt.draw(hostile, HOSTILE))))


@pytest.mark.parametrize(
    "text", ["", "x" * 10_000, "kata " * 2000, "\n" * 9_000, "😀 مرحبا ꦗꦮ 中文\u202f\ufffd", "\u0301" * 500]
)
async def test_whatever_was_written_can_be_printed(text):
    content = await complaint_form.filled(paper(text, name=text[:120] or None), "", CHANNELS)
    assert content.startswith(b"%PDF-")
    assert all("Halaman" in page for page in pages(content))


async def test_a_long_word_stays_on_the_page():
    content = await complaint_form.filled(paper("x" * 3000), "", CHANNELS)
    assert bare("".join(pages(content))).count("x") >= 3000
    document = pypdfium2.PdfDocument(content)
    page = document[0]
    text = page.get_textpage()
    right = max(text.get_charbox(i)[2] for i in range(text.count_chars()))
    assert right <= page.get_width() - 18 / 25.4 * 72 + 1
    document.close()


async def test_the_same_paper_is_the_same_file():
    assert await receipt.draw(paper(), "") == await receipt.draw(paper(), "")


async def test_a_paper_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(pdf, "_LIMIT_SECONDS", 0)
    with pytest.raises(TimeoutError):
        await receipt.draw(paper(), "")
