"""The counter over a real server on loopback and a real store: the form, its mistakes, its papers, and who may."""

import asyncio
import html
import io
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pypdfium2
import pytest
from aiohttp import web

from core import model
from core.ids import Number
from reports import complaint_form, receipt
from router import complaints, people
from router.desk import Desk
from storage import audit
from storage import people as stored_people
from web import counter, inbox, public

NIK = "9971014708900001"
HOSTILE = "<script>alert(1)</script>"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)
FULL = {"who": "person", "name": "Siti Rahma", "text": "KTP-el saya belum dicetak.", "contact": "0812-0000-1234"}


@dataclass
class Counter:
    """A served inbox with a counter, and somebody's browser."""

    desk: Desk
    url: str
    app: web.Application
    http: aiohttp.ClientSession
    people: dict[str, model.Person]
    tokens: dict[str, str]

    async def get(self, path: str, who: str | None = "admin") -> tuple[int, bytes, Any]:
        return await self._ask("GET", path, who, None)

    async def post(self, path: str, who: str = "admin", /, **form: str) -> tuple[int, str, Any]:
        status, body, headers = await self._ask("POST", path, who, {"token": await self.token(who), **form})
        return status, html.unescape(body.decode(errors="replace")), headers

    async def send(
        self, path: str, who: str = "admin", /, *files: tuple[str, bytes], token: str | None = None, **form: str
    ) -> tuple[int, str, Any]:
        """Send the form of a page as its browser does."""
        content = aiohttp.FormData(default_to_multipart=True)
        given = {"token": await self.token(who) if token is None else token, "key": str(uuid.uuid4()), **form}
        for name, value in given.items():
            content.add_field(name, value)
        for name, body in files:
            content.add_field("files", body, filename=name)
        status, page, headers = await self._ask("POST", path, who, content)
        return status, html.unescape(page.decode(errors="replace")), headers

    async def token(self, who: str) -> str:
        _, page, _ = await self.get("/inbox", who)
        found = re.search(rb'name="token" value="([0-9a-f]+)"', page)
        assert found
        return found[1].decode()

    async def _ask(self, method: str, path: str, who: str | None, form: Any) -> tuple[int, bytes, Any]:
        cookies = {"Cookie": f"aduan={self.tokens[who]}"} if who else {}
        async with self.http.request(
            method, self.url + path, data=form, headers=cookies, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read(), answer.headers

    async def details(self, number: str) -> complaints.Details:
        return await complaints.details(self.desk, self.people["admin"], Number.parse(number))

    async def register(self, account: str = "loket", *files: tuple[str, bytes], **form: str) -> str:
        """Write something down; return its number."""
        status, page, _ = await self.send(f"/inbox/catat/{account}", "admin", *files, **{**FULL, **form})
        assert status == 200, page
        return re.search(r"ADU-2026-\d{6}", page)[0]  # type: ignore[index]


@pytest.fixture
async def at(make_desk: Callable[..., Desk], serve: Callable[..., Awaitable[web.AppRunner]]) -> AsyncIterator[Counter]:
    accounts = [
        ("loket", "walk_in", "kota-contoh"), ("surat", "letter", "kota-contoh"),
        ("kotak", "suggestion_box", "kota-contoh"),
        ("formulir", "webform", "kota-contoh"), ("loket-lain", "walk_in", "kota-lain"),
    ]  # fmt: skip
    desk = make_desk({"kota-contoh": "ADU", "kota-lain": "LAI"}, accounts)
    everybody = {}
    for username, name, role, office in (
        ("admin", "Dewi Lestari", model.Role.ADMIN, "kota-contoh"),
        ("auditor", "Rina Contoh", model.Role.AUDITOR, "kota-contoh"),
        ("lain", "Tono Contoh", model.Role.SUPERVISOR, "kota-lain"),
    ):
        everybody[username] = await desk.store.write(
            stored_people.add, office, username, name, role, "no password", None, desk.clock.now()
        )
    tokens = {name: await people.enter(desk, person.office_id, name) for name, person in everybody.items()}
    printer = counter.Printer(receipt.draw, complaint_form.filled, complaint_form.empty)
    routes = [*counter.routes(printer), *inbox.routes, *public.routes()]
    runner = await serve(desk, routes, public_url="http://127.0.0.1")
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Counter(desk, f"http://{host}:{port}", runner.app, http, everybody, tokens)


def text_of(content: bytes) -> str:
    document = pypdfium2.PdfDocument(io.BytesIO(content))
    try:
        return " ".join("".join(page.get_textpage().get_text_bounded() for page in document).split())
    finally:
        document.close()


# --- The form ---------------------------------------------------------------------------------------------------------


async def test_the_form_asks_what_its_channel_needs(at: Counter) -> None:
    status, _, headers = await at.get("/inbox/catat")
    assert (status, headers["Location"]) == (303, "/inbox/catat/loket")
    pages = {name: (await at.get(f"/inbox/catat/{name}"))[1].decode() for name in ("loket", "surat", "kotak")}
    assert all('name="received_at"' in page and 'type="datetime-local"' in page for page in pages.values())
    assert [name for name, page in pages.items() if 'name="letter_number"' in page] == ["surat"]
    assert [name for name, page in pages.items() if 'name="witness"' in page] == ["kotak"]
    assert "1 hari kerja" in pages["loket"]
    assert "2 hari kalender" in pages["surat"]
    assert re.search(r'value="anonymous" checked', pages["kotak"])


async def test_what_was_registered_is_shown_with_number_pin_and_due_time(at: Counter) -> None:
    status, page, _ = await at.send("/inbox/catat/loket", **FULL)
    assert status == 200
    number = re.search(r"ADU-2026-\d{6}", page)[0]  # type: ignore[index]
    assert re.search(r">\d{6}<", page)
    assert "Selasa, 24 November 2026 pukul 16.00 WIB" in page
    assert f"/inbox/{number}/tanda-terima.pdf" in page
    details = await at.details(number)
    assert details.complaint.channel == "walk_in"
    assert details.timeline[0].text == FULL["text"]
    assert details.reply_address == "+6281200001234"


async def test_every_mistake_comes_back_at_once_with_all_that_was_typed(at: Counter) -> None:
    given = {
        "who": "person", "name": "", "text": HOSTILE, "contact": "08", "nik": "12", "received_at": "2026-11-20T09:00",
        "domicile": "Kelurahan Contoh", "category": "kk",
    }  # fmt: skip
    key = str(uuid.uuid4())
    status, page, _ = await at.send("/inbox/catat/loket", "admin", ("kosong.pdf", b""), **given, key=key)
    assert status == 422
    for field in ("name", "contact", "nik", "late_reason", "files"):
        assert f'id="salah-{field}"' in page, field
    for value in (key, "08", "12", "2026-11-20T09:00", "Kelurahan Contoh"):
        assert f'value="{value}"' in page, value
    assert f"{HOSTILE}</textarea>" in page
    assert 'value="kk" selected' in page
    assert "pilih berkasnya kembali" in page


async def test_what_was_typed_is_never_a_part_of_the_page(at: Counter) -> None:
    content = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"token": await at.token("admin"), "text": HOSTILE, "name": HOSTILE, "who": HOSTILE}.items():
        content.add_field(name, value)
    _, page, _ = await at._ask("POST", "/inbox/catat/loket", "admin", content)
    assert HOSTILE.encode() not in page
    number = await at.register("kotak", opened_by=HOSTILE, witness=HOSTILE, received_at="2026-11-23T10:00")
    assert HOSTILE.encode() not in (await at.get(f"/inbox/{number}"))[1]


async def test_a_form_of_another_session_is_given_back_and_not_stored(at: Counter) -> None:
    for token in ("", "0" * 64, await at.token("lain")):
        status, page, _ = await at.send("/inbox/catat/loket", token=token, **FULL)
        assert status == 403
        assert f"{FULL['text']}</textarea>" in page
    assert (await at.get("/inbox/ADU-2026-000001"))[0] == 404


async def test_what_cannot_be_read_is_refused(at: Counter) -> None:
    status, _, _ = await at.post("/inbox/catat/loket", **FULL)
    assert status == 403
    content = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"token": await at.token("admin"), "text": "x" * 300_000}.items():
        content.add_field(name, value)
    status, page, _ = await at._ask("POST", "/inbox/catat/loket", "admin", content)
    assert status == 400
    assert b"tidak terbaca" in page


async def test_pressing_twice_registers_once(at: Counter) -> None:
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(at.send("/inbox/catat/loket", **FULL, key=key) for _ in range(4)))
    assert {status for status, *_ in answers} == {200}
    assert len({re.search(r"ADU-2026-\d{6}", page)[0] for _, page, _ in answers}) == 1  # type: ignore[index]


async def test_scans_are_kept_with_what_was_written_down(at: Counter) -> None:
    paper = {"letter_number": "470/1/2026", "letter_date": "2026-11-20", "agenda": "A-1"}
    number = await at.register("surat", ("surat.png", PICTURE), ("amplop.png", PICTURE), **paper)
    message = (await at.details(number)).timeline[0]
    assert [file.name for file in message.attachments] == ["surat.png", "amplop.png"]
    page = (await at.get(f"/inbox/{number}"))[1].decode()
    for words in ("Nomor surat", "470/1/2026", "20/11/2026", "Nomor agenda", "A-1"):
        assert words in page, words
    assert "dicatat oleh Dewi Lestari" in page


async def test_the_next_of_a_pile_begins_with_what_is_the_same_for_all(at: Counter) -> None:
    opening = {"who": "anonymous", "received_at": "2026-11-23T09:58", "opened_by": "Dewi", "witness": "Joko"}
    status, page, _ = await at.send("/inbox/catat/kotak", text="Antrean terlalu lama.", **opening)
    assert status == 200
    kept = dict(re.findall(r'<input type="hidden" name="(?!token)(\w+)" value="([^"]*)">', page))
    assert kept == opening
    status, page, _ = await at.post("/inbox/catat/kotak/berikutnya", **kept, text="tidak ikut", key=str(uuid.uuid4()))
    assert status == 200
    for value in opening.values():
        assert f'value="{value}"' in page, value
    assert "tidak ikut" not in page
    assert re.search(r'<textarea id="text"[^>]* autofocus>\s*</textarea>', page)


async def test_of_whoever_stays_nameless_nothing_is_kept_that_was_typed_before(at: Counter) -> None:
    number = await at.register(who="anonymous", nik=NIK, domicile="Kelurahan Contoh")
    details = await at.details(number)
    assert details.contact_name is None
    raw_id = details.timeline[0].raw_id
    original = await complaints.original(at.desk, at.people["admin"], raw_id or 0)
    for words in ("Siti", NIK, "Kelurahan Contoh"):
        assert words.encode() not in original.request.body, words


async def test_an_earlier_complaint_is_joined_by_its_number(at: Counter) -> None:
    number = await at.register()
    at.desk.clock.move(minutes=1)  # type: ignore[attr-defined]
    status, page, _ = await at.send("/inbox/catat/surat", **{**FULL, "about": number, "text": "Surat susulan."})
    assert status == 200
    assert "Ditambahkan pada pengaduan" in page
    assert "PIN untuk pelapor" not in page  # who quotes a number need not be whose it is
    assert "tanda-terima.pdf" not in page
    assert [m.account for m in (await at.details(number)).timeline] == ["loket", "surat"]
    status, page, _ = await at.send("/inbox/catat/surat", **{**FULL, "about": "ADU-2026-000099"})
    assert status == 422
    assert "Nomor ini tidak ada" in page


# --- Who may ----------------------------------------------------------------------------------------------------------


def _paths(at: Counter, method: str) -> list[str]:
    found = [
        route.resource.canonical.replace("{account}", "loket").replace("{number}", "ADU-2026-000001")
        for route in at.app.router.routes()
        if route.method == method and route.resource and route.resource.canonical.startswith("/inbox")
    ]
    return [path for path in found if "catat" in path or path.endswith((".pdf", "/disampaikan"))]


async def test_whoever_is_not_signed_in_is_sent_to_sign_in(at: Counter) -> None:
    assert len(_paths(at, "GET")) == 5
    for path in _paths(at, "GET"):
        status, page, headers = await at.get(path, None)
        assert (status, page) == (303, b""), path
        assert headers["Location"].startswith("/inbox/masuk"), path
    assert len(_paths(at, "POST")) == 4
    for path in _paths(at, "POST"):
        status, _, _ = await at._ask("POST", path, None, {})
        assert status == 303, path


async def test_an_auditor_prints_what_he_may_read_and_writes_nothing(at: Counter) -> None:
    number = await at.register(nik=NIK)
    assert "Catat pengaduan" not in (await at.get("/inbox", "auditor"))[1].decode()
    for path in _paths(at, "POST"):
        assert (await at.send(path, "auditor", **FULL))[0] == 403, path
    assert (await at.get("/inbox/catat/loket", "auditor"))[0] == 403
    assert (await at.get(f"/inbox/{number}/tanda-terima.pdf", "auditor"))[0] == 403
    status, content, _ = await at.get(f"/inbox/{number}/formulir-aduan.pdf", "auditor")
    assert status == 200
    text = text_of(content)
    assert "Siti R****" in text
    assert "+6281200001234" not in text
    assert NIK not in text


async def test_that_somebody_printed_a_pin_is_written_down(at: Counter) -> None:
    number = await at.register()
    assert (await at.get(f"/inbox/{number}/tanda-terima.pdf"))[0] == 200
    line = (await at.desk.store.read(audit.of_chain, "kota-contoh", audit.OFFICE_CHAIN))[-1]
    assert (line.action, line.actor) == ("receipt_printed", f"person:{at.people['admin'].id}")
    assert line.facts["complaint"] == str((await at.details(number)).complaint.id)


async def test_another_offices_counter_and_papers_do_not_exist_for_us(at: Counter) -> None:
    number = await at.register()
    assert (await at.send("/inbox/catat/loket-lain", **FULL))[0] == 404
    assert (await at.get("/inbox/catat/formulir"))[0] == 404
    for path in (f"/inbox/{number}/tanda-terima.pdf", f"/inbox/{number}/formulir-aduan.pdf"):
        assert (await at.get(path, "lain"))[0] == 404, path
    form = {"isi": "x", "cara": "loket", "kunci": str(uuid.uuid4())}
    assert (await at.send(f"/inbox/{number}/disampaikan", "lain", **form))[0] == 404


async def test_the_public_cannot_write_down_anything(at: Counter) -> None:
    for path in ("/lapor/loket", "/lapor/kotak"):
        assert (await at.get(path, None))[0] == 404
        content = aiohttp.FormData({"text": "x", "key": str(uuid.uuid4())}, default_to_multipart=True)
        assert (await at._ask("POST", path, None, content))[0] == 404


# --- Papers -----------------------------------------------------------------------------------------------------------


async def test_papers_are_shown_and_can_do_nothing(at: Counter) -> None:
    number = await at.register()
    for path, name in (
        ("/inbox/formulir-aduan.pdf", "formulir-aduan.pdf"),
        (f"/inbox/{number}/tanda-terima.pdf", f"tanda-terima-{number}.pdf"),
        (f"/inbox/{number}/formulir-aduan.pdf", f"formulir-aduan-{number}.pdf"),
    ):
        status, content, headers = await at.get(path)
        assert (status, headers["Content-Type"]) == (200, "application/pdf"), path
        assert headers["Content-Disposition"] == f'inline; filename="{name}"'
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert content.startswith(b"%PDF-"), path


async def test_the_receipt_has_the_pin_that_opens_the_tracking_page(at: Counter) -> None:
    number = await at.register(category="ktp_el")
    text = text_of((await at.get(f"/inbox/{number}/tanda-terima.pdf"))[1])
    pin = re.search(r"PIN (\d{6})", text)
    assert pin, text
    assert "KTP elektronik" in text
    assert "Dewi Lestari" in text
    async with at.http.post(f"{at.url}/lacak", data={"number": number, "pin": pin[1]}) as answer:
        assert answer.status == 200


async def test_the_filled_form_shows_personal_numbers_only_for_a_logged_purpose(at: Counter) -> None:
    number = await at.register(nik=NIK)
    path = f"/inbox/{number}/formulir-aduan.pdf"
    masked = text_of((await at.get(path))[1])
    assert NIK not in masked
    assert "************0001" in masked
    assert (await at.post(path))[0] == 409
    status, content, _ = await at._ask("POST", path, "admin", {"token": await at.token("admin"), "keperluan": "arsip"})
    assert status == 200
    assert NIK in text_of(content)
    assert (await at.details(number)).history[-1].facts["purpose"] == "arsip"


async def test_a_paper_that_is_not_ready_in_time_is_said_so(at: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.pdf._LIMIT_SECONDS", 0)
    status, page, _ = await at.get("/inbox/formulir-aduan.pdf")
    assert status == 503
    assert b"belum selesai dibuat" in page


# --- Answers handed over ----------------------------------------------------------------------------------------------


async def test_an_answer_handed_over_stands_on_the_timeline_with_its_proof(at: Counter) -> None:
    number = await at.register()
    at.desk.clock.move(hours=2)  # type: ignore[attr-defined]
    form = {"isi": "Silakan diambil.", "cara": "loket", "kepada": "Ibu Siti", "waktu": "2026-11-23T11:30"}
    status, _, headers = await at.send(
        f"/inbox/{number}/disampaikan", "admin", ("tanda-terima.png", PICTURE), **form, kunci=str(uuid.uuid4())
    )
    assert status == 303
    assert headers["Location"].endswith("hasil=dicatat")
    details = await at.details(number)
    answer = details.timeline[-1]
    assert answer.sent_at == details.complaint.received_at + timedelta(minutes=90)
    assert [file.name for file in answer.attachments] == ["tanda-terima.png"]
    page = (await at.get(f"/inbox/{number}"))[1].decode()
    assert "disampaikan lewat loket kepada Ibu Siti" in page
    assert "tanda-terima.png" in page


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"waktu": "2026-11-24T11:30"}, "belum tiba"),
        ({"waktu": "kemarin"}, "Tanggal tidak dapat dibaca"),
        ({"kunci": "bukan-kunci"}, "kedaluwarsa"),
        ({"isi": " "}, "masih kosong"),
    ],
)
async def test_what_cannot_be_recorded_comes_back_with_the_reason(at: Counter, given: dict[str, str], why: str) -> None:
    number = await at.register()
    form = {"isi": "Silakan diambil.", "cara": "loket", "kepada": "Ibu Siti", "kunci": str(uuid.uuid4()), **given}
    status, page, _ = await at.send(f"/inbox/{number}/disampaikan", **form)
    assert status == 409
    assert why in page
    if "kunci" not in given:
        assert 'value="Ibu Siti"' in page
    status, page, _ = await at.send(f"/inbox/{number}/disampaikan", "admin", ("kosong.pdf", b""), **form)
    assert status == 409
    assert "kosong" in page
