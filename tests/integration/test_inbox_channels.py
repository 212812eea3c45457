"""The inbox with several channels on one complaint: what it shows of each, and what it offers by what each can do."""

import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from connectors import registry
from core import model, ports
from router import arrivals, intake, people
from router.desk import Desk
from router.offices import Offices
from storage import alarms, contacts, outbox, raw, store
from storage import people as stored_people
from storage.files import FileStore
from tests.integration.conftest import PUBLIC_URL, MovableClock, make_office
from tests.integration.test_inbox import Inbox
from web import inbox

NIK = "9971014708900001"
PHONE, MAIL, PSID = "+6281200000555", "siti.rahma@example.org", "5001"
PAGE = {"app_id": "900100", "app_secrets": ["rahasia"], "verify_token": "kata", "access_token": "t", "page_id": "1001"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["token"], "sender": "+6281200000001"}
ACCOUNTS = {"wa": "whatsapp", "pesan": "messenger", "komentar": "facebook_comments", "surel": "email", "web": "webform"}
ROLES = (
    ("admin", "Dewi Lestari", model.Role.ADMIN),
    ("pengawas", "Budi Contoh", model.Role.SUPERVISOR),
    ("auditor", "Rina Contoh", model.Role.AUDITOR),
)
LETTER = (
    b"From: Siti Rahma <siti.rahma@example.org>\r\nTo: pengaduan@kota-contoh.example\r\n"
    b"Message-ID: <surat-1@example.org>\r\nSubject: KTP-el belum selesai\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Mohon <b>kabar</b> KTP saya.</p><script>alert(1)</script><img src='https://lain.example/lacak.gif'>\r\n"
)


class Office(Inbox):
    """A served inbox of an office with a mailbox, a page and its comments, and citizens who write to all of them."""

    async def tell(self, account: str, *events: model.InboundEvent, body: bytes = b"{}") -> None:
        """Let a provider tell these items, one webhook for each, a second after the last."""
        for event in events:
            self.desk.clock.move(seconds=1)  # type: ignore[attr-defined]
            request = ports.RawRequest(account, f"/hooks/{account}", {}, body, self.desk.clock.now())

            def act(tx: Any, request: Any = request, event: Any = event) -> None:
                raw_id = raw.add(tx, "kota-contoh", "webhook", request)
                origin = arrivals.Origin(raw_id, request)
                arrivals.take(tx, self.desk, self.desk.account(account), [event], origin, request.received_at)

            await self.desk.store.write(act)

    async def later(self, **by: float) -> None:
        """Let time pass, and everybody sign in again."""
        self.desk.clock.move(**by)  # type: ignore[attr-defined]
        for name in self.tokens:
            self.tokens[name] = await people.enter(self.desk, "kota-contoh", name)

    async def page(self, number: int, query: str = "", who: str = "admin") -> str:
        status, page, _ = await self.get(f"/inbox/ADU-2026-{number:06}?antrean=semua{query}", who)
        assert status == 200
        return str(page)

    async def act(self, number: int, what: str, who: str = "admin", **form: Any) -> tuple[int, str, Any]:
        given = {name: str(value) for name, value in form.items()}
        return await self.post(f"/inbox/ADU-2026-{number:06}/{what}", who, **given)  # type: ignore[no-any-return]

    async def of(self, number: int) -> Any:
        return await self.details(f"ADU-2026-{number:06}")

    async def answer(self, number: int, text: str = "Silakan diambil.", **form: Any) -> tuple[int, str]:
        fields = {"jenis": "jawab", "isi": text, "kunci": str(uuid.uuid4()), **form}
        status, page, _ = await self.act(number, "tulis", **fields)
        return status, page


@pytest.fixture
async def office(
    store: store.Store, tmp_path: Path, clock: MovableClock, serve: Callable[..., Awaitable[web.AppRunner]]
) -> AsyncIterator[Office]:
    mailbox = {
        "address": "pengaduan@kota-contoh.example", "thread_secret": "r" * 32, "smtp": {"host": "127.0.0.1"},
        "maildir": {"path": str(tmp_path)},
    }  # fmt: skip
    settings = {"wa": TWILIO, "pesan": PAGE, "komentar": PAGE, "surel": mailbox, "web": {}}
    known, connectors = {}, {}
    for name, channel in ACCOUNTS.items():
        entry = registry.CHANNELS[channel]
        connectors[name] = entry.create(name, entry.settings.model_validate(settings[name]), PUBLIC_URL)
        known[name] = model.Account(name, channel, "kota-contoh", entry.capabilities)
    offices = Offices([make_office("kota-contoh", "ADU")])
    desk = Desk(store, FileStore(tmp_path / "files"), offices, known, connectors, clock)
    everybody = {
        name: await store.write(stored_people.add, "kota-contoh", name, full, role, "-", None, clock.now())
        for name, full, role in ROLES
    }
    tokens = {name: await people.enter(desk, "kota-contoh", name) for name in everybody}
    runner = await serve(desk, inbox.routes, public_url="http://127.0.0.1")
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Office(desk, f"http://{host}:{port}", runner.app, http, everybody, tokens)
    for connector in connectors.values():
        if hasattr(connector, "close"):
            await connector.close()


def by_phone(text: str = "KTP saya belum jadi", name: str | None = "Siti Rahma", **more: Any) -> model.InboundMessage:
    more = {"provider_id": f"SM{uuid.uuid4().hex}", "identity": PHONE, **more}
    return model.InboundMessage(address=f"whatsapp:{PHONE}", text=text, name=name, **more)


def by_mail(text: str = "KTP saya belum jadi", **more: Any) -> model.InboundMessage:
    more = {"provider_id": f"<{uuid.uuid4()}@example.org>", "name": "Siti Rahma", "identity": MAIL, **more}
    return model.InboundMessage(address=MAIL, text=text, **more)


def in_public(text: str = "Min, KTP saya kok lama", author: str = "7001", **more: Any) -> model.InboundMessage:
    more = {"provider_id": f"1001_{uuid.uuid4().int % 10**9}", "name": "Siti Rahma", **more}
    return model.InboundMessage(address=author, text=text, thread="kiriman-1", **more)


def in_private(text: str = "Mohon kabar", **more: Any) -> model.InboundMessage:
    return model.InboundMessage(**{"provider_id": f"m_{uuid.uuid4()}", "address": PSID, "text": text, **more})


async def link_all(office: Office, number: int) -> None:
    for proposal in (await office.of(number)).proposals:
        assert (await office.act(number, "tautkan", kontak=proposal.contact_id))[0] == 303


def message_of(page: str, text: str) -> str:
    """Return the part of a page that shows the message with this text."""
    [found] = [part for part in re.findall(r'<li class="pesan.*?</li>', page, re.DOTALL) if text in part]
    return str(found)


def composer_of(page: str) -> str:
    found = re.search(r'<div class="panel panel-jawab">.*?<div class="panel panel-disampaikan">', page, re.DOTALL)
    return found[0] if found else ""


def ways_of(page: str) -> dict[str, str]:
    """Return the ways that can be chosen instead, by their label, each with the address that chooses it."""
    found = re.findall(r'<li><a href="([^"]+)">.*?<strong>([^<]+)</strong>', composer_of(page), re.DOTALL)
    return {label: address.replace("&amp;", "&").partition("#")[0] for address, label in found}


# --- The timeline -----------------------------------------------------------------------------------------------------


async def test_each_message_says_by_which_channel_and_contact_where_there_are_several(office: Office) -> None:
    await office.tell("wa", by_phone(f"NIK saya {NIK}"))
    assert 'class="kanal"' not in message_of(await office.page(1), "NIK saya")
    await office.tell("surel", by_mail(f"Ini NIK saya {NIK}"))
    await link_all(office, 2)
    await office.tell("wa", by_phone("Ini dari telepon"))
    page = await office.page(2)
    by_wa, by_letter = message_of(page, "Ini dari telepon"), message_of(page, "Ini NIK saya")
    assert 'title="WhatsApp"' in by_wa
    assert "Siti R****" in by_wa
    assert "+62812****0555" in by_wa
    assert "s****@example.org" in by_letter
    assert PHONE not in page
    assert MAIL not in page
    assert "ADU-2026-000001" in page  # the earlier one of the other contact


async def test_what_was_quoted_is_folded_and_complete(office: Office) -> None:
    await office.tell("surel", by_mail(f"NIK saya {NIK}", quoted="> Mohon lampirkan KK.\n> Terima kasih."))
    shown = message_of(await office.page(1), "NIK saya")
    folded = re.search(r'<details class="kutipan">.*?</details>', shown, re.DOTALL)
    assert folded
    assert "Kutipan pesan sebelumnya" in folded[0]
    assert "&gt; Mohon lampirkan KK.\n&gt; Terima kasih." in folded[0]
    assert "NIK saya ************0001" in shown.replace(folded[0], "")
    message = (await office.of(1)).timeline[0]
    _, page, _ = await office.act(1, "tampilkan", pesan=message.id, keperluan="mencocokkan data")
    revealed = message_of(page, "NIK saya")
    assert f"NIK saya {NIK}</p>" in revealed
    assert "Mohon lampirkan KK." in revealed


async def test_a_message_taken_back_is_hidden_until_it_is_opened_and_never_gone(office: Office) -> None:
    await office.tell("pesan", in_private("Rahasia saya", provider_id="m_1"))
    await office.tell("pesan", model.Withdrawal("m_1"))
    shown = message_of(await office.page(1), "Rahasia saya")
    closed = re.search(r'<details class="tarik">.*?</details>', shown, re.DOTALL)
    assert closed
    assert "Pesan ditarik warga" in closed[0]
    assert "Rahasia saya" in closed[0]
    assert "Rahasia saya" not in shown.replace(closed[0], "")


async def test_a_changed_message_and_the_first_lead_to_each_other(office: Office) -> None:
    await office.tell("komentar", in_public("KTP saya hilang", provider_id="1001_1"))
    await office.tell("komentar", model.Revision(in_public("KK saya hilang", provider_id="1001_1")))
    page = await office.page(1)
    first, second = (m for m in (await office.of(1)).timeline if m.kind is model.MessageKind.COMPLAINT)
    assert f'Warga mengubah <a href="#pesan-{first.id}">' in message_of(page, "KK saya hilang")
    assert f'<a href="#pesan-{second.id}">pesan terbarunya</a>' in message_of(page, "KTP saya hilang")


async def test_signs_other_numbers_and_answers_past_us_are_told(office: Office) -> None:
    await office.tell("wa", by_phone("Milik orang lain", name="Joko Contoh"))
    number = (await office.of(1)).complaint.number
    await office.tell("pesan", in_private("Lihat nomor itu", provider_id="m_1", number=number))
    await office.tell("pesan", model.Reaction("m_1", PSID, "❤"))
    await office.tell("pesan", model.ColleagueAnswer("m_2", PSID, "Sudah jadi, silakan diambil."))
    page = await office.page(2)
    shown = message_of(page, "Lihat nomor itu")
    assert f'Menyebut pengaduan <a href="/inbox/{number}">{number}</a>; pengirimnya bukan peserta' in shown
    assert "❤" in shown
    past_us = message_of(page, "Sudah jadi, silakan diambil.")
    assert "Dijawab petugas langsung di kanal penyedia" in past_us
    assert "otomatis" not in past_us
    assert "disampaikan lewat" not in past_us
    assert "dihentikan oleh jawaban petugas langsung di kanal penyedia" in page


async def test_a_letter_says_what_its_reader_must_know(office: Office) -> None:
    details = {
        "subject": "KTP-el <b>belum</b>", "authentication": "fail", "cc": "kepala@kota-contoh.example", "left_out": "3",
        "text_cut": "1", "automatic": "subject", "forwarded": "1", "encrypted": "1", "list": "warga",
    }  # fmt: skip
    await office.tell("surel", by_mail("Terlampir", details=details, is_automatic=True))
    shown = message_of(await office.page(1), "Terlampir")
    assert '<p class="perihal">KTP-el &lt;b&gt;belum&lt;/b&gt;</p>' in shown
    assert 'class="perhatian berat"' in shown
    for words in (
        "Keaslian alamat pengirim tidak terbukti", "Tembusan: k****@kota-contoh.example", "3 lampiran lagi",
        "dipotong", "Surat otomatis (balasan otomatis)", "Diteruskan", "terenkripsi", "milis",
    ):  # fmt: skip
        assert words in shown, words
    await office.tell("surel", by_mail("Surat biasa", details={"authentication": "pass"}))
    assert "perhatian" not in message_of(await office.page(1), "Surat biasa")


async def test_what_everybody_reads_and_what_only_its_author_does_is_marked(office: Office) -> None:
    await office.tell("komentar", in_public())
    page = await office.page(1)
    assert "dibaca umum" in message_of(page, "Min, KTP saya kok lama")
    assert "hanya dibaca penulis" in message_of(page, "Tanda terima otomatis")
    await office.tell("wa", by_phone())
    assert "dibaca umum" not in await office.page(2)


# --- The composer -----------------------------------------------------------------------------------------------------


async def test_an_answer_goes_by_the_way_that_was_chosen(office: Office) -> None:
    await office.tell("wa", by_phone(f"NIK {NIK}"))
    await office.tell("surel", by_mail(f"NIK {NIK}"))
    await link_all(office, 2)
    page = await office.page(2)
    assert set(ways_of(page)) == {"WhatsApp"}
    chosen = (await office.get(ways_of(page)["WhatsApp"]))[1]
    assert set(ways_of(chosen)) == {"E-mail"}
    assert 'data-batas-huruf="1600"' in composer_of(chosen)
    assert 'type="file"' not in composer_of(chosen)
    lewat = re.search(r'name="lewat" value="(\d+)"', chosen)[1]  # type: ignore[index]
    assert (await office.answer(2, "Silakan ke loket.", lewat=lewat))[0] == 303
    assert [m.account for m in (await office.of(2)).timeline if m.kind is model.MessageKind.ANSWER] == ["wa"]
    assert (await office.answer(2, lewat=(await office.of(1)).complaint.contact_id))[0] == 303  # linked: his as well
    await office.tell("pesan", in_private())
    assert (await office.answer(2, lewat=(await office.of(3)).complaint.contact_id))[0] == 404
    assert (await office.answer(2, lewat="x"))[0] == 404


async def test_a_window_is_counted_down_and_says_what_to_do_before_it_closes(office: Office) -> None:
    await office.tell("wa", by_phone())
    composer = composer_of(await office.page(1))
    assert "jendela tutup Sel 24 Nov 10.00 (24 jam)" in composer
    assert "Sesudahnya hanya templat yang dapat dikirim." in composer
    await office.later(hours=25)
    composer = composer_of(await office.page(1))
    assert "jawaban dikirim dengan templat yang disetujui" in composer
    assert "<textarea" in composer
    assert "hanya templat yang dapat dikirim" not in composer


async def test_where_nothing_can_be_sent_there_is_a_way_forward_instead_of_a_field(office: Office) -> None:
    await office.tell("pesan", in_private())
    composer = composer_of(await office.page(1))
    assert "<textarea" in composer
    assert "(7 hari)" in composer
    assert "Jendela tutup sebelum" not in composer  # it does so long after the answer is due
    await office.later(days=8)
    composer = composer_of(await office.page(1))
    assert "Jawab lewat cara lain, atau sampaikan langsung" in composer
    assert "<textarea" not in composer
    await office.tell("wa", by_phone(), by_phone("STOP", consent=model.Consent.OUT))
    composer = composer_of(await office.page(2))
    assert "Warga meminta tidak dikirimi pesan lewat saluran ini." in composer
    assert "<textarea" not in composer


async def test_an_answer_goes_first_by_a_way_that_can_be_answered(office: Office) -> None:
    await office.tell("web", by_phone(f"NIK {NIK}", provider_id="f-1"))
    await office.tell("surel", by_mail(f"NIK {NIK}"))
    await link_all(office, 1)
    page = await office.page(1)
    assert "tidak dapat dibalas" in composer_of(page)  # the form, among the others
    assert re.search(r'class="jalur-judul">Jawab lewat</span>\s*<abbr class="kanal" title="E-mail"', page)


async def test_where_everybody_reads_an_answer_is_private_until_that_is_used(office: Office) -> None:
    await office.tell("komentar", in_public("Komentar pertama"))
    composer = composer_of(await office.page(1))
    assert "Dibaca umum" in composer
    assert "Balasan pribadi sudah terpakai" in composer  # by the acknowledgement
    assert "terbaca=pribadi" not in composer
    await office.tell("komentar", in_public("Komentar kedua"))
    composer = composer_of(await office.page(1))
    assert 'name="terbaca" value="pribadi"' in composer
    assert 'data-batas-huruf="2000"' in composer
    assert "data-satu" in composer
    assert "Hanya penulisnya yang membaca." in composer
    contact = re.search(r'name="lewat" value="(\d+)"', composer)[1]  # type: ignore[index]
    in_open = composer_of(await office.page(1, f"&lewat={contact}&terbaca=umum"))
    assert 'name="terbaca" value="umum"' in in_open
    assert 'data-batas-huruf="8000"' in in_open
    assert "Kirim, dibaca umum" in in_open
    assert (await office.answer(1, "x" * 1990, lewat=contact, terbaca="pribadi"))[0] == 409
    assert (await office.answer(1, "Rahasia Ibu", lewat=contact, terbaca="pribadi"))[0] == 303
    answer = (await office.of(1)).timeline[-1]
    assert (answer.private, "Rahasia Ibu" in answer.text) == (True, True)
    assert 'name="terbaca" value="umum"' in composer_of(await office.page(1))  # that one is used as well


async def test_a_chosen_message_is_the_one_that_is_answered(office: Office) -> None:
    await office.tell("komentar", in_public("Komentar pertama"), in_public("Komentar kedua"))
    first = (await office.of(1)).timeline[0]
    assert f"&amp;pesan={first.id}#tulis" in message_of(await office.page(1), "Komentar pertama")
    composer = composer_of(await office.page(1, f"&pesan={first.id}"))
    assert "<q>Komentar pertama</q>" in composer
    assert f'name="pesan" value="{first.id}"' in composer
    assert (await office.answer(1, "Baik, Bapak/Ibu.", terbaca="umum", pesan=first.id))[0] == 303
    entries = await office.desk.store.write(outbox.claim, office.desk.clock.now(), office.desk.clock.now(), 10)
    while entries and not (answers := [e for e in entries if e.kind is model.MessageKind.ANSWER]):
        for entry in entries:
            await office.desk.store.write(_accepted, entry, office.desk.clock.now())
        entries = await office.desk.store.write(outbox.claim, office.desk.clock.now(), office.desk.clock.now(), 10)
    assert [entry.answers.provider_id for entry in answers if entry.answers] == [first.provider_id]


def _accepted(tx: Any, entry: model.OutboxEntry, now: Any) -> None:
    outbox.settle(tx, outbox.get(tx, entry.id), model.DeliveryState.ACCEPTED, now, provider_id=f"x-{entry.id}")


async def test_a_number_is_sent_to_everybody_only_when_somebody_vouches_for_it(office: Office) -> None:
    await office.tell("komentar", in_public("Komentar pertama"), in_public("Komentar kedua"))
    contact = (await office.of(1)).complaint.contact_id
    for text in (f"NIK Ibu {NIK}", "Hubungi 0812-0000-1234", "Kirim ke siti@example.org"):
        status, page = await office.answer(1, text, lewat=contact, terbaca="umum")
        assert status == 409
        assert f"{text}</textarea>" in page
        assert 'class="bernomor" role="alert">' in page
        assert 'name="terbaca" value="umum"' in composer_of(page)
    assert [m.kind for m in (await office.of(1)).timeline].count(model.MessageKind.ANSWER) == 0
    form = {"lewat": contact, "terbaca": "umum", "untuk-umum": "1"}
    assert (await office.answer(1, "Hubungi 0812-0000-1234", **form))[0] == 303
    assert (await office.answer(1, "Hubungi 0812-0000-1234", lewat=contact, terbaca="pribadi"))[0] == 303


async def test_a_public_message_is_hidden_and_the_page_says_how_far_that_is(office: Office) -> None:
    await office.tell("komentar", in_public("Tanpa nomor"), in_public(f"NIK saya {NIK}"))
    page = await office.page(1)
    assert "umum-bernomor" in message_of(page, "NIK saya")
    assert "umum-bernomor" not in message_of(page, "Tanpa nomor")
    assert "/sembunyikan" in message_of(page, "Tanpa nomor")
    assert "Nomor pribadi terbaca umum" in page
    assert "/sembunyikan" not in await office.page(1, who="auditor")
    [written] = [m for m in (await office.of(1)).timeline if "NIK saya" in m.text]
    assert (await office.act(1, "sembunyikan", "auditor", pesan=written.id))[0] == 403
    assert (await office.act(1, "sembunyikan", pesan=written.id + 1))[0] == 404
    assert (await office.act(1, "sembunyikan", pesan=written.id))[0] == 303
    page = await office.page(1)
    assert "sedang disembunyikan" in message_of(page, "NIK saya")
    assert "/sembunyikan" not in message_of(page, "NIK saya")
    [hiding] = [m for m in (await office.of(1)).timeline if m.kind is model.MessageKind.HIDING]
    for state, words in (("failed", "masih dibaca umum"), ("accepted", "disembunyikan dari umum")):
        await office.desk.store.write(_settle, hiding.outbox_id, model.DeliveryState(state), office.desk.clock.now())
        assert words in message_of(await office.page(1), "NIK saya")
    await office.tell("wa", by_phone(f"NIK saya {NIK}"))
    assert "/sembunyikan" not in await office.page(2)


def _settle(tx: Any, outbox_id: Any, state: model.DeliveryState, now: Any) -> None:
    outbox.settle(tx, outbox.get(tx, outbox_id), state, now)


# --- The citizen ------------------------------------------------------------------------------------------------------


async def test_contacts_are_linked_kept_apart_and_parted_by_an_admins_decision(office: Office) -> None:
    await office.tell("wa", by_phone(f"NIK {NIK}"))
    await office.tell("surel", by_mail(f"NIK {NIK}"))
    await office.tell("web", by_phone("Dari formulir", name=None, provider_id="f-1"))
    page = await office.page(1)
    assert "Nama dan nomor kependudukan yang sama." in page
    assert "Nomor atau alamat yang sama, dibuktikan oleh penyedianya." in page
    assert "ADU-2026-000002" in page
    seen = await office.page(1, who="auditor")
    assert "Mungkin warga yang sama" in seen
    assert "/tautkan" not in seen
    by_reason = {p.reason: p.contact_id for p in (await office.of(1)).proposals}
    for what in ("tautkan", "bukan-orang-sama", "lepas-tautan"):
        assert (await office.act(1, what, "auditor", kontak=by_reason["number"]))[0] == 403
    assert (await office.act(1, "bukan-orang-sama", kontak=by_reason["identity"]))[0] == 303
    assert (await office.act(1, "tautkan", kontak=by_reason["identity"]))[0] == 409
    assert (await office.act(1, "tautkan", kontak="x"))[0] == 404
    assert (await office.act(1, "tautkan", kontak=by_reason["number"]))[2]["Location"].endswith("hasil=ditautkan")
    page = await office.page(1)
    assert "Mungkin warga yang sama" not in page
    assert "dinyatakan bukan orang yang sama oleh Dewi Lestari" in page
    assert "/lepas-tautan" in page
    assert "/lepas-tautan" not in await office.page(1, who="auditor")
    assert "Pengaduan lain warga ini (1)" in page
    assert (await office.act(1, "lepas-tautan", kontak=by_reason["number"]))[0] == 303
    assert (await office.act(1, "lepas-tautan", kontak=by_reason["number"]))[0] == 409
    page = await office.page(1)
    assert "Belum pernah mengadu sebelumnya." in page
    assert "/tautkan" not in page


# --- Original messages ------------------------------------------------------------------------------------------------


async def _letter(office: Office) -> int:
    """Let a mail arrive as its connector reads it; return its raw item."""
    request = ports.RawRequest("surel", "", {}, LETTER, office.desk.clock.now())
    await intake.take_in(office.desk, office.desk.account("surel"), request, "poll")
    return int((await office.of(1)).timeline[0].raw_id)


async def test_a_letter_is_saved_as_it_came(office: Office) -> None:
    raw_id = await _letter(office)
    status, content, headers = await office.post(f"/inbox/asli/{raw_id}/unduh")
    assert (status, content.encode()) == (200, LETTER)
    assert headers["Content-Type"] == "message/rfc822"
    assert re.fullmatch(r'attachment; filename="surat-[0-9a-f]+\.eml"', headers["Content-Disposition"])
    assert "sandbox" in headers["Content-Security-Policy"]
    assert (await office.post(f"/inbox/asli/{raw_id}/unduh", "auditor"))[0] == 403
    await office.tell("wa", by_phone())
    no_file = (await office.of(2)).timeline[0].raw_id
    assert (await office.post(f"/inbox/asli/{no_file}/unduh"))[0] == 404


async def test_a_letter_is_looked_at_where_it_can_do_nothing(office: Office) -> None:
    raw_id = await _letter(office)
    status, page, headers = await office.act(1, "asli", asli=raw_id)
    assert status == 200
    assert "frame-src 'self'" in headers["Content-Security-Policy"]
    frame = re.search(r'<iframe src="([^"]+)" sandbox ', page)
    assert frame
    status, letter, headers = await office.get(frame[1])
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "allow-" not in policy
    assert "<b>kabar</b>" in letter
    assert "<script" not in letter
    assert "lain.example" not in letter
    assert (await office.get(frame[1], "pengawas"))[0] == 404  # somebody else's ticket
    assert (await office.get(frame[1].partition("?")[0]))[0] == 404
    assert (await office.get(frame[1].replace(str(raw_id), str(raw_id + 1), 1)))[0] == 404
    office.desk.clock.move(minutes=6)  # type: ignore[attr-defined]
    assert (await office.get(frame[1]))[0] == 404


async def test_what_has_no_other_form_is_shown_as_it_came(office: Office) -> None:
    await office.tell("wa", by_phone(), body=b"Body=KTP")
    raw_id = (await office.of(1)).timeline[0].raw_id
    _, page, _ = await office.act(1, "asli", asli=raw_id)
    assert "Body=KTP" in page
    assert "<iframe" not in page
    assert "/unduh" not in page
    await office.tell("surel", by_mail())
    assert (await office.act(1, "asli", asli=(await office.of(2)).timeline[0].raw_id))[0] == 404


# --- Accounts and alarms ----------------------------------------------------------------------------------------------


async def test_every_account_says_how_it_fares_and_what_it_was_compared_with(office: Office) -> None:
    now, set_health = office.desk.clock.now(), alarms.set_health
    for name, missing in (("wa", 2), ("pesan", 0)):
        await office.desk.store.write(
            set_health, "kota-contoh", name, compared_at=now, listed=42, missing=missing, last_outbound_at=now
        )
    await office.desk.store.write(set_health, "kota-contoh", "surel", suspended_at=now, error="535")
    kind = model.AlarmKind.ACCOUNT_WARNING
    await office.desk.store.write(
        alarms.raise_, "kota-contoh", kind, "warning:pesan", now, account="pesan", note="Token berakhir.\nBuat <baru>."
    )
    await office.later(days=1)
    # By the webhook of another account of the same page.
    await office.tell("pesan", in_public(destination=model.Destination("facebook_comments", "1001")))
    status, page, _ = await office.get("/inbox/saluran", "auditor")
    assert status == 200
    assert set(re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page)) == {"/inbox/keluar"}
    rows = {re.search(r'title="([^"]+)"', row)[1]: row for row in re.findall(r"<tr><td>.*?</tr>", page, re.DOTALL)}  # type: ignore[index]
    assert (
        "Dibandingkan Sen 23 Nov 10.00: 42 pesan di penyedia, 2 tidak ada di sini dan sudah diambil" in rows["WhatsApp"]
    )
    assert "42 pesan di penyedia, semua sudah ada di sini" in rows["Facebook Messenger"]
    assert "Berfungsi, perlu diurus" in rows["Facebook Messenger"]
    assert "Buat &lt;baru&gt;." in rows["Facebook Messenger"]
    assert "Ditolak penyedia sejak Sen 23 Nov 10.00" in rows["E-mail"]
    assert "</span>10.00</td>" in rows["Komentar Facebook"]
    assert "nada-soon" in rows["Facebook Messenger"]
    assert "tidak mengirim" in rows["Situs web"]
    assert re.search(r'href="/inbox/saluran"[^>]*><span>Saluran</span><span class="hitung">2</span>', page)


async def test_the_comparison_of_an_account_without_news_says_so(office: Office) -> None:
    now = office.desk.clock.now()
    await office.desk.store.write(alarms.set_health, "kota-contoh", "wa", compared_at=now, listed=0, missing=0)
    assert "Dibandingkan 10.00: tidak ada yang baru di penyedia" in (await office.get("/inbox/saluran"))[1]


async def test_a_warning_is_read_in_its_own_words_and_settled(office: Office) -> None:
    now, kind = office.desk.clock.now(), model.AlarmKind.ACCOUNT_WARNING
    await office.desk.store.write(
        alarms.raise_, "kota-contoh", kind, "warning:pesan", now, account="pesan", note="Token berakhir 30-11-2026."
    )
    page = (await office.get("/inbox/alarm"))[1]
    assert "Akun saluran perlu diurus" in page
    assert "Token berakhir 30-11-2026." in page
    settle = re.search(r'action="(/inbox/alarm/\d+/selesai)"', page)[1]  # type: ignore[index]
    assert (await office.post(settle))[0] == 303
    assert "Akun saluran perlu diurus" not in (await office.get("/inbox/alarm"))[1]


async def test_nobody_can_reach_a_contact_that_is_no_part_of_it(office: Office) -> None:
    await office.tell("wa", by_phone())
    stranger = await office.desk.store.write(
        contacts.opened, "kota-contoh", "pesan", "9009", None, None, office.desk.clock.now()
    )
    assert (await office.act(1, "tautkan", kontak=stranger))[0] == 409
    assert (await office.act(1, "lepas-tautan", kontak=stranger))[0] == 409
    assert (await office.answer(1, lewat=stranger))[0] == 404
