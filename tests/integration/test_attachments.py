"""Attachments in the inbox: blurred, opened on record by a ticket of minutes, never given as something that runs; and
files that go out with an answer."""

import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from core import ids, model, ports
from router import complaints, intake, people
from router.delivery import DeliveryWorker
from router.desk import Desk
from storage import attachments, audit, messages
from storage import people as stored_people
from web import files, inbox

KEY = "7d4f6a3e-5f53-4a0e-9d3f-0c9f4a1b2c3d"
SECRET = b"kunci berkas" * 3
SENT = model.SentFiles(("image/*", "application/pdf"), 2, 1024**2)


def picture(kind: str = "JPEG", size: tuple[int, int] = (400, 300)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "#2266aa").save(written, kind)
    return written.getvalue()


def pdf() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (200, 300), "white").save(written, "PDF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    return written.getvalue()


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


@dataclass
class Inbox:
    desk: Desk
    url: str
    http: aiohttp.ClientSession
    people: dict[str, model.Person]
    tokens: dict[str, str]

    async def ask(self, method: str, path: str, who: str | None = "admin", data: Any = None) -> Answer:
        headers = {"Cookie": f"aduan={self.tokens[who]}"} if who else {}
        async with self.http.request(
            method, self.url + path, headers=headers, data=data, allow_redirects=False
        ) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def post(self, path: str, who: str = "admin", **fields: str) -> Answer:
        return await self.ask("POST", path, who, {"token": await self.form_token(who), **fields})

    async def form_token(self, who: str) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', (await self.ask("GET", "/inbox", who)).text)
        return found[1] if found else ""

    async def write(self, text: str, *contents: tuple[str, bytes], account: str = "wa") -> tuple[str, list[int]]:
        """Let a citizen write; return the number of his complaint and his files."""
        now = self.desk.clock.now()
        kept = tuple(self.desk.files.put(content, name) for name, content in contents)
        message = model.InboundMessage(f"{account}-{text}", "whatsapp:+6281200000001", text, files=kept)
        request = ports.RawRequest(account, f"/hooks/{account}", {}, text.encode(), now)
        number = (await intake.receive_message(self.desk, request, message, "form")).number
        timeline = (await self.details(str(number), "lain" if account == "lain" else "admin")).timeline
        return str(number), [file.id for entry in timeline for file in entry.attachments]

    async def details(self, number: str, who: str = "admin") -> complaints.Details:
        return await complaints.details(self.desk, self.people[who], ids.Number.parse(number))

    async def log(self, number: str) -> list[model.AuditEntry]:
        chain = (await self.details(number)).complaint.id
        return await self.desk.store.read(audit.of_chain, "kota-contoh", chain)


@pytest.fixture
async def at(make_desk: Callable[..., Desk], serve: Callable[..., Awaitable[web.AppRunner]]) -> AsyncIterator[Inbox]:
    desk = make_desk(
        {"kota-contoh": "ADU", "kota-lain": "LAI"},
        [("wa", "whatsapp", "kota-contoh"), ("sms", "sms", "kota-contoh"), ("lain", "whatsapp", "kota-lain")],
    )
    wa = desk.accounts["wa"]
    desk = replace(
        desk,
        accounts={**desk.accounts, "wa": replace(wa, capabilities=replace(wa.capabilities, sent_files=SENT))},
    )
    everybody, tokens, now = {}, {}, desk.clock.now()
    for username, role, office in (
        ("admin", model.Role.ADMIN, "kota-contoh"),
        ("rekan", model.Role.ADMIN, "kota-contoh"),
        ("auditor", model.Role.AUDITOR, "kota-contoh"),
        ("lain", model.Role.ADMIN, "kota-lain"),
    ):
        everybody[username] = await desk.store.write(
            stored_people.add, office, username, username.title(), role, "tanpa kata sandi", None, now
        )
        tokens[username] = await people.enter(desk, office, username)
    runner = await serve(desk, inbox.routes, public_url="http://127.0.0.1", file_key=SECRET)
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Inbox(desk, f"http://{host}:{port}", http, everybody, tokens)


# --- Looking ----------------------------------------------------------------------------------------------------------


async def test_a_picture_is_blurred_until_somebody_opens_it_which_is_written_down(at: Inbox) -> None:
    number, [photo] = await at.write("foto KTP", ("KTP.jpg", picture()))
    page = (await at.ask("GET", f"/inbox/{number}")).text
    assert f"/inbox/berkas/{photo}/buram" in page
    assert "?t=" not in page
    blurred = await at.ask("GET", f"/inbox/berkas/{photo}/buram", "auditor")
    assert max(Image.open(io.BytesIO(blurred.body)).size) <= 20
    before = len(await at.log(number))

    page = (await at.post(f"/inbox/{number}/lihat-berkas", berkas=str(photo))).text
    [address] = set(re.findall(rf"/inbox/berkas/{photo}/lihat\?t=[0-9a-f.]+", page))
    line = (await at.log(number))[before]
    assert (line.action, line.actor) == ("attachment_opened", f"person:{at.people['admin'].id}")
    assert (line.facts["attachment"], line.facts["form"]) == (str(photo), "preview")
    shown = await at.ask("GET", address)
    assert (shown.status, shown.headers["Content-Type"]) == (200, "image/webp")
    assert shown.headers["Content-Disposition"] == "inline"
    assert Image.open(io.BytesIO(shown.body)).size == (400, 300)
    assert address not in (await at.ask("GET", f"/inbox/{number}")).text  # loaded again, the page has it no more


async def test_a_pdf_shows_its_first_page_and_says_how_many_there_are(at: Inbox) -> None:
    number, [letter] = await at.write("surat", ("surat.pdf", pdf()))
    assert "Lihat halaman pertama" in (await at.ask("GET", f"/inbox/{number}")).text
    page = (await at.post(f"/inbox/{number}/lihat-berkas", berkas=str(letter))).text
    assert "2 halaman" in page
    assert f"/inbox/berkas/{letter}/lihat?t=" in page


async def test_of_what_has_no_preview_only_its_name_kind_and_size_are_shown(at: Inbox) -> None:
    number, [note, strange] = await at.write(
        "suara", ("pesan.ogg", b"OggS" + bytes(60)), ("x.svg", b"<svg onload='a'/>")
    )
    page = (await at.ask("GET", f"/inbox/{number}")).text
    assert "pesan.ogg" in page
    assert "rekaman suara" in page
    assert "jenis tidak dikenali" in page
    assert "/buram" not in page
    for file_id in (note, strange):
        answer = await at.ask("GET", f"/inbox/berkas/{file_id}/buram")
        assert (answer.status, answer.headers["Location"].partition("?")[0]) == (303, "/static/no-preview.svg")
        assert "tidak dapat dibuat" in (await at.post(f"/inbox/{number}/lihat-berkas", berkas=str(file_id))).text
    assert (await at.ask("GET", "/static/no-preview.svg")).status == 200


async def test_a_broken_picture_can_still_be_saved(at: Inbox) -> None:
    number, [broken] = await at.write("rusak", ("foto.png", b"\x89PNG\r\n\x1a\n" + bytes(64)))
    assert (await at.ask("GET", f"/inbox/berkas/{broken}/buram")).headers["Location"].startswith("/static/")
    page = (await at.post(f"/inbox/{number}/lihat-berkas", berkas=str(broken))).text
    assert "tidak dapat dibuat" in page
    assert (await at.post(f"/inbox/{number}/simpan-berkas", berkas=str(broken))).status == 303


# --- Saving -----------------------------------------------------------------------------------------------------------

POLYGLOTS = {
    "html": (b"<html><script>alert(1)</script>", "application/octet-stream"),
    "svg": (b"<?xml version='1.0'?><svg onload='alert(1)'/>", "application/octet-stream"),
    "gif-html": (b"GIF89a/*<script>alert(1)</script>*/=1;", "image/gif"),
    "jpeg-html": (b"\xff\xd8\xff\xe0<html><script>alert(1)</script>", "image/jpeg"),
    "pdf-js": (b"%PDF-1.7 1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>", "application/pdf"),
    "exe": (b"MZ" + bytes(64), "application/octet-stream"),
    "js": (b"alert(1)", "text/plain"),
    "empty": (b"", "application/octet-stream"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "told"), POLYGLOTS.values(), ids=POLYGLOTS)
async def test_an_original_is_only_ever_saved(at: Inbox, content: bytes, told: str) -> None:
    number, [file_id] = await at.write("berkas", ("x.html", content))
    to = await at.post(f"/inbox/{number}/simpan-berkas", berkas=str(file_id))
    assert to.status == 303
    assert ((await at.log(number))[-1].action, (await at.log(number))[-1].facts["form"]) == (
        "attachment_opened",
        "original",
    )
    answer = await at.ask("GET", to.headers["Location"])
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Content-Type"] == told
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="x.html"')
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "ascii_name", "encoded"),
    [
        ("KTP Siti.jpg", "KTP Siti.jpg", "KTP%20Siti.jpg"),
        ('a"\r\nSet-Cookie: x=1; b.jpg', "a_ Set-Cookie_ x_1_ b.jpg", "a%22%20Set-Cookie%3A%20x%3D1%3B%20b.jpg"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("foto\u202egpj.exe", "fotogpj.exe", "fotogpj.exe"),
        ("kartu é.png", "kartu _.png", "kartu%20%C3%A9.png"),
        ("", "lampiran-{id}.jpg", "lampiran-{id}.jpg"),
        ("...", "lampiran-{id}.jpg", "lampiran-{id}.jpg"),
    ],
)
async def test_a_name_is_no_more_than_a_name(at: Inbox, name: str, ascii_name: str, encoded: str) -> None:
    number, [file_id] = await at.write("nama", (name, picture()))
    answer = await at.ask(
        "GET", (await at.post(f"/inbox/{number}/simpan-berkas", berkas=str(file_id))).headers["Location"]
    )
    expected = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}".replace("{id}", str(file_id))
    assert answer.headers["Content-Disposition"] == expected


async def test_what_was_changed_in_the_store_is_not_given(at: Inbox) -> None:
    number, [file_id] = await at.write("tukar", ("a.jpg", picture()))
    [attachment] = (await at.details(number)).timeline[0].attachments
    to = await at.post(f"/inbox/{number}/simpan-berkas", berkas=str(file_id))
    at.desk.files.checked(attachment.sha256 or "").write_bytes(b"ditukar")
    assert (await at.ask("GET", to.headers["Location"])).status == 404


# --- Who may ----------------------------------------------------------------------------------------------------------


async def test_a_ticket_is_one_persons_for_one_file_one_form_and_some_minutes(at: Inbox, clock: Any) -> None:
    number, [one, two] = await at.write("dua", ("a.jpg", picture()), ("b.png", picture("PNG")))
    address = (await at.post(f"/inbox/{number}/simpan-berkas", berkas=str(one))).headers["Location"]
    ticket = address.partition("?t=")[2]
    seconds, _, signature = ticket.partition(".")
    forged = [
        f"/inbox/berkas/{two}/asli?t={ticket}",
        f"/inbox/berkas/{one}/lihat?t={ticket}",
        f"/inbox/berkas/{one}/asli",
        f"/inbox/berkas/{one}/asli?t=",
        f"/inbox/berkas/{one}/asli?t={int(seconds) + 3600}.{signature}",
        f"/inbox/berkas/{one}/asli?t={seconds}.{'0' * 64}",
        f"/inbox/berkas/{one}/asli?t={seconds}.%C3%A9",
        f"/inbox/berkas/{one}/asli?t=x.{signature}",
        f"/inbox/berkas/99999999999999999999/asli?t={ticket}",
    ]
    for other in forged:
        assert (await at.ask("GET", other)).status == 404, other
    for who in ("rekan", "auditor", "lain"):
        assert (await at.ask("GET", address, who)).status == 404, who
    assert (await at.ask("GET", address, None)).status == 303  # to sign in
    assert (await at.ask("GET", address)).status == 200
    clock.move(minutes=4, seconds=59)
    assert (await at.ask("GET", address)).status == 200
    clock.move(seconds=1)
    assert (await at.ask("GET", address)).status == 404


async def test_a_ticket_of_another_key_opens_nothing(at: Inbox, clock: Any) -> None:
    _, [one] = await at.write("satu", ("a.jpg", picture()))
    until = clock.now() + timedelta(minutes=1)
    for key, status in ((SECRET, 200), (b"lain" * 8, 404)):
        ticket = files.make(key, at.people["admin"], one, "original", until)
        assert (await at.ask("GET", f"/inbox/berkas/{one}/asli?t={ticket}")).status == status


async def test_only_those_who_work_here_open_and_nobody_of_another_office(at: Inbox) -> None:
    number, [one] = await at.write("satu", ("a.jpg", picture()))
    theirs, [other] = await at.write("lain", ("b.jpg", picture()), account="lain")
    another, _ = await at.write("satu lagi", account="sms")
    before = len(await at.log(number))
    for act in ("lihat-berkas", "simpan-berkas"):
        assert (await at.post(f"/inbox/{another}/{act}", berkas=str(one))).status == 404
        assert (await at.post(f"/inbox/{number}/{act}", "auditor", berkas=str(one))).status == 403
        assert (await at.post(f"/inbox/{number}/{act}", "lain", berkas=str(one))).status == 404
        assert (await at.post(f"/inbox/{theirs}/{act}", "lain", berkas=str(one))).status == 404
        assert (await at.post(f"/inbox/{number}/{act}", berkas=str(other))).status == 404
        assert (await at.post(f"/inbox/{number}/{act}", berkas="satu")).status == 404
        assert (await at.ask("POST", f"/inbox/{number}/{act}", "admin", {"berkas": str(one)})).status == 403
    assert (await at.ask("GET", f"/inbox/berkas/{one}/buram", "lain")).status == 404
    assert (await at.ask("GET", f"/inbox/berkas/{one}/buram", None)).status == 303
    assert len(await at.log(number)) == before
    assert "lihat-berkas" not in (await at.ask("GET", f"/inbox/{number}", "auditor")).text


async def test_what_waits_or_is_refused_is_said_in_words(at: Inbox) -> None:
    number, _ = await at.write("tunggu")
    known = (await at.details(number)).complaint

    def add(tx: Any) -> None:
        message, *_ = messages.timeline(tx, known.id)
        for name, file in (
            ("satu", model.RemoteFile("https://media.contoh/1", name="satu.jpg")),
            ("dua", model.StoredFile("ab" * 32, 5, "image/png", "dua.png", held=True)),
            ("tiga", model.RemoteFile("https://media.contoh/3", name="tiga.jpg")),
            ("empat", model.RemoteFile("https://media.contoh/4", name="empat.jpg")),
        ):
            messages.add_file(
                tx, office_id="kota-contoh", complaint_id=known.id, message_id=message.id, account="wa", file=file,
                now=at.desk.clock.now(),
            )  # fmt: skip
            due = attachments.claim(tx, at.desk.clock.now(), at.desk.clock.now() + timedelta(hours=1), 1)
            if name in ("tiga", "empat"):
                attachments.refuse(tx, due[0], "virus" if name == "tiga" else "HTTP 403")

    await at.desk.store.write(add)
    page = re.sub(r"\s+", " ", (await at.ask("GET", f"/inbox/{number}")).text)
    assert "satu.jpg sedang diambil dari penyedia" in page
    assert "dua.png sedang diperiksa dari virus" in page
    assert "tiga.jpg mengandung virus" in page
    assert "empat.jpg sudah tidak ada di penyedia" in page
    assert "/buram" not in page


# --- Answers with files -----------------------------------------------------------------------------------------------


class Carrier:
    """A provider that takes everything."""

    channel = "whatsapp"

    def __init__(self, capabilities: model.Capabilities) -> None:
        self.capabilities = capabilities
        self.sent: list[model.OutboundMessage] = []

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        self.sent.append(message)
        return model.Sent(f"P{len(self.sent)}")


async def answer(at: Inbox, number: str, *sent: tuple[str, bytes], text: str = "Terlampir.", **more: str) -> Answer:
    fields = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    written = {"token": await at.form_token("admin"), "jenis": "jawab", "kunci": KEY, "isi": text, **more}
    for name, value in written.items():
        fields.add_field(name, value)
    for name, content in sent:
        fields.add_field("files", io.BytesIO(content), filename=name)
    return await at.ask("POST", f"/inbox/{number}/tulis", "admin", fields)


async def test_an_answer_carries_files_which_stand_on_the_timeline(at: Inbox) -> None:
    number, _ = await at.write("minta formulir")
    page = (await at.ask("GET", f"/inbox/{number}")).text
    assert "Paling banyak 2 berkas, masing-masing sampai 1 MB: gambar, PDF." in page
    assert 'accept="image/*,application/pdf"' in page
    done = await answer(at, number, ("/surat/formulir.pdf", pdf()), ("denah.png", picture("PNG")))
    assert (done.status, "hasil=dijawab" in done.headers["Location"]) == (303, True)
    sent = [m for m in (await at.details(number)).timeline if m.kind is model.MessageKind.ANSWER]
    assert [(f.name, f.media_type, f.state) for f in sent[0].attachments] == [
        ("formulir.pdf", "application/pdf", "stored"),
        ("denah.png", "image/png", "stored"),
    ]
    carrier = Carrier(at.desk.accounts["wa"].capabilities)
    worker = DeliveryWorker(replace(at.desk, connectors={"wa": carrier}), poll_seconds=0.01)
    while await worker.deliver_due():
        pass
    [left] = [message for message in carrier.sent if message.kind is model.MessageKind.ANSWER]
    assert [(f.name, f.media_type) for f in left.files] == [
        ("formulir.pdf", "application/pdf"),
        ("denah.png", "image/png"),
    ]
    assert left.files[1].content == picture("PNG")
    assert f"/inbox/berkas/{sent[0].attachments[0].id}/buram" in (await at.ask("GET", f"/inbox/{number}")).text
    assert (await answer(at, number, ("formulir.pdf", pdf()))).status == 303  # the same page again: sent once
    assert len([m for m in (await at.details(number)).timeline if m.kind is model.MessageKind.ANSWER]) == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([("a.html", b"<script>")], "Jenis berkas"),
        ([("a.pdf", b"MZ" + bytes(64))], "Jenis berkas"),
        ([("a.png", picture("PNG"))] * 3, "Paling banyak 2"),
        ([("a.png", picture("PNG") + bytes(1024**2))], "terlalu besar"),
        ([("a.png", bytes(9 * 1024**2))], "lebih besar dari 8 MB"),
        ([("a.png", b"")], "kosong"),
    ],
    ids=["html", "exe-as-pdf", "too-many", "too-large-for-it", "too-large-for-us", "empty"],
)
async def test_what_the_channel_does_not_carry_is_refused_and_the_text_kept(
    at: Inbox, sent: list[tuple[str, bytes]], reason: str
) -> None:
    number, _ = await at.write("minta")
    refused = await answer(at, number, *sent, text="Jawaban yang panjang.")
    assert refused.status == 409
    assert reason in refused.text
    assert "Jawaban yang panjang." in refused.text
    assert not any(m.kind is model.MessageKind.ANSWER for m in (await at.details(number)).timeline)


async def test_a_channel_without_files_offers_none_and_takes_none(at: Inbox) -> None:
    number, _ = await at.write("singkat", account="sms")
    page = (await at.ask("GET", f"/inbox/{number}")).text
    assert 'id="lampiran-jawab"' not in page
    refused = await answer(at, number, ("a.png", picture("PNG")))
    assert refused.status == 409
    assert "tidak dapat membawa lampiran" in refused.text
    assert "Lampiran perlu dipilih lagi." in refused.text


async def test_a_form_with_files_of_another_page_is_refused(at: Inbox) -> None:
    number, _ = await at.write("minta")
    assert (await answer(at, number, ("a.png", picture("PNG")), token="0" * 64)).status == 403
    assert (await answer(at, number, kunci="bukan kunci")).status == 409
