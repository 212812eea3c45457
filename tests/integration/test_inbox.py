"""The inbox over a real server on loopback and a real store: who may do what, and what a page never does."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import argon2
import pytest
from aiohttp import web

from core import model, ports
from core.ids import Number
from router import assignment, complaints, intake, people, quarantine, receipts
from router.desk import Desk
from storage import alarms as stored_alarms
from storage import outbox
from storage import people as stored_people
from web import auth, inbox, live

HOSTILE = "<script>alert(1)</script>"
KEY = "7d4f6a3e-5f53-4a0e-9d3f-0c9f4a1b2c3d"
PASSWORD = "kata sandi latihan"
PASSWORD_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass
class Inbox:
    """A served inbox of two offices, and somebody's browser."""

    desk: Desk
    url: str
    app: web.Application
    http: aiohttp.ClientSession
    people: dict[str, model.Person]
    tokens: dict[str, str]

    async def get(self, path: str, who: str | None = "admin", **headers: str) -> tuple[int, str, Any]:
        return await self._ask("GET", path, who, None, headers)

    async def post(self, path: str, who: str | None = "admin", *, token: str | None = None, **form: str) -> Any:
        if token is None:
            token = await self.form_token(who)
        return await self._ask("POST", path, who, {"token": token, **form}, {})

    async def post_with_files(
        self, path: str, who: str | None = "admin", *files: tuple[str, bytes], **form: str
    ) -> Any:
        """Post as a page whose form has files does."""
        content = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"token": await self.form_token(who), **form}.items():
            content.add_field(name, value)
        for name, body in files:
            content.add_field("files", body, filename=name)
        return await self._ask("POST", path, who, content, {})

    async def form_token(self, who: str | None) -> str:
        _, page, _ = await self.get("/inbox", who)
        found = re.search(r'name="token" value="([0-9a-f]+)"', page)
        return found[1] if found else ""

    async def _ask(
        self, method: str, path: str, who: str | None, form: Any, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        cookies = {"Cookie": f"aduan={self.tokens[who]}"} if who else {}
        async with self.http.request(
            method, self.url + path, data=form, headers={**cookies, **headers}, allow_redirects=False
        ) as answer:
            return answer.status, (await answer.read()).decode(errors="replace"), answer.headers

    async def write(self, text: str, account: str = "wa", citizen: int = 1, **more: Any) -> str:
        """Let a citizen write; return the number of his complaint."""
        now = self.desk.clock.now()
        request = ports.RawRequest(account, f"/hooks/{account}", {}, text.encode(), now)
        message = model.InboundMessage(
            f"{account}-{citizen}-{text}", f"whatsapp:+62812{citizen:08d}", text, sent_at=now, **more
        )
        return str((await intake.receive_message(self.desk, request, message, "form")).number)

    async def details(self, number: str, who: str = "admin") -> complaints.Details:
        return await complaints.details(self.desk, self.people[who], Number.parse(number))


async def _person(desk: Desk, office_id: str, username: str, name: str, role: model.Role) -> model.Person:
    """Add a person whose password costs little to check."""
    now = desk.clock.now()
    return await desk.store.write(
        lambda tx: stored_people.add(tx, office_id, username, name, role, PASSWORD_HASH, None, now)
    )


@pytest.fixture
async def inbox_(
    make_desk: Callable[..., Desk], serve: Callable[..., Awaitable[web.AppRunner]]
) -> AsyncIterator[Inbox]:
    desk = make_desk(
        {"kota-contoh": "ADU", "kota-lain": "LAI"},
        [("wa", "whatsapp", "kota-contoh"), ("formulir", "webform", "kota-contoh"), ("lain", "whatsapp", "kota-lain")],
    )
    known = [
        ("admin", "Dewi Lestari", model.Role.ADMIN),
        ("rekan", "Joko Contoh", model.Role.ADMIN),
        ("pengawas", "Budi Contoh", model.Role.SUPERVISOR),
        ("auditor", "Rina Contoh", model.Role.AUDITOR),
        ("lain", "Tono Contoh", model.Role.SUPERVISOR),
    ]
    everybody = {
        username: await _person(desk, "kota-lain" if username == "lain" else "kota-contoh", username, name, role)
        for username, name, role in known
    }
    tokens = {name: await people.enter(desk, person.office_id, name) for name, person in everybody.items()}
    runner = await serve(desk, inbox.routes, public_url="http://127.0.0.1")
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Inbox(desk, f"http://{host}:{port}", runner.app, http, everybody, tokens)


def _routes(app: web.Application, method: str, **given: str) -> list[str]:
    """Return the address of every route of the inbox behind the sign-in, its parts filled in."""
    found = []
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method == method and path.startswith("/inbox") and not path.startswith("/inbox/masuk"):
            for name, value in given.items():
                path = path.replace(f"{{{name}}}", value)
            found.append(path)
    assert len(found) > 5
    return found


# --- Who may do what --------------------------------------------------------------------------------------------------


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_from_every_page(inbox_: Inbox) -> None:
    for path in _routes(inbox_.app, "GET", number="ADU-2026-000001", id="1"):
        status, page, headers = await inbox_.get(path, None)
        assert (status, page) == (303, ""), path
        assert headers["Location"].startswith("/inbox/masuk?next=%2Finbox"), path
    for path in _routes(inbox_.app, "POST", number="ADU-2026-000001", id="1"):
        status, _, headers = await inbox_.post(path, None, token="")
        assert status == 303, path
        assert headers["Location"].startswith("/inbox/masuk"), path


async def test_a_script_that_is_not_signed_in_is_told_so_instead_of_given_a_form(inbox_: Inbox) -> None:
    status, _, _ = await inbox_.get("/inbox/peristiwa", None, **{"Sec-Fetch-Mode": "cors"})
    assert status == 401


async def test_an_auditor_reads_everything_and_changes_nothing(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP saya belum jadi, NIK 9971014708900001")
    before = await inbox_.details(number)
    for path in ("/inbox", f"/inbox/{number}", "/inbox/karantina", "/inbox/alarm", "/inbox/libur", "/inbox/petugas"):
        status, page, _ = await inbox_.get(path, "auditor")
        assert status == 200, path
        forms = set(re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page))
        assert forms == {"/inbox/keluar"}, path
    token = await inbox_.form_token("auditor")
    for path in _routes(inbox_.app, "POST", number=number, id="1"):
        if path != "/inbox/keluar":
            assert (await inbox_.post(path, "auditor", token=token))[0] == 403, path
    assert (await inbox_.details(number)).history == before.history


async def test_another_offices_complaint_does_not_exist_for_us(inbox_: Inbox) -> None:
    number = await inbox_.write("rahasia kantor lain", "lain")
    assert (await inbox_.get(f"/inbox/{number}", "lain"))[0] == 200
    status, page, _ = await inbox_.get(f"/inbox/{number}", "pengawas")
    assert status == 404
    assert "rahasia" not in page
    token = await inbox_.form_token("pengawas")
    for path in _routes(inbox_.app, "POST", number=number, id="1"):
        if number in path:
            assert (await inbox_.post(path, "pengawas", token=token, pesan="1", asli="1", keperluan="x"))[0] == 404, (
                path
            )


async def test_only_a_supervisor_changes_holidays_and_vouches_for_quarantine(inbox_: Inbox) -> None:
    entry = {"tanggal": "2026-12-01", "nama": "Hari Jadi Kota", "jenis": "lokal"}
    assert (await inbox_.post("/inbox/libur", "admin", **entry))[0] == 403
    assert (await inbox_.post("/inbox/libur", "pengawas", **entry))[0] == 303
    assert "Hari Jadi Kota" in (await inbox_.get("/inbox/libur?tahun=2026"))[1]
    assert (await inbox_.post("/inbox/libur/hapus", "pengawas", tanggal="2026-12-01"))[0] == 303
    assert "Hari Jadi Kota" not in (await inbox_.get("/inbox/libur?tahun=2026"))[1]


async def test_a_change_without_the_sessions_own_token_is_refused(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP saya belum jadi")
    foreign = await inbox_.form_token("pengawas")
    for path in _routes(inbox_.app, "POST", number=number, id="1"):
        for token in ("", "0" * 64, foreign):
            assert (await inbox_.post(path, "admin", token=token))[0] == 403, path
    assert (await inbox_.details(number)).complaint.assignee_id is None


# --- Signing in -------------------------------------------------------------------------------------------------------


async def _sign_in(inbox_: Inbox, **form: str) -> Any:
    given = {"kantor": "kota-contoh", "nama": "admin", "sandi": PASSWORD, **form}
    async with inbox_.http.post(f"{inbox_.url}/inbox/masuk", data=given, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers


async def test_the_right_password_opens_a_session_that_signing_out_ends(inbox_: Inbox) -> None:
    status, _, headers = await _sign_in(inbox_, next="/inbox/alarm")
    assert (status, headers["Location"]) == (303, "/inbox/alarm")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    inbox_.tokens["baru"] = re.match(r"aduan=([^;]+)", cookie)[1]  # type: ignore[index]
    assert (await inbox_.get("/inbox", "baru"))[0] == 200
    assert (await inbox_.post("/inbox/keluar", "baru"))[0] == 303
    assert (await inbox_.get("/inbox", "baru"))[0] == 303


@pytest.mark.parametrize(
    "wanted", ["https://lain.contoh/", "//lain.contoh/inbox", "/inbox\\lain", "/lain", "/inboxlain"]
)
async def test_signing_in_leads_to_no_page_but_ours(inbox_: Inbox, wanted: str) -> None:
    _, _, headers = await _sign_in(inbox_, next=wanted)
    assert headers["Location"] == "/inbox"


async def test_a_wrong_password_is_refused_without_telling_who_exists(inbox_: Inbox) -> None:
    answers = [await _sign_in(inbox_, nama=name, sandi="salah") for name in ("admin", "tidak-ada")]
    assert [status for status, _, _ in answers] == [403, 403]
    told = [re.search(r'role="alert"[^>]*>([^<]+)<', page)[1] for _, page, _ in answers]  # type: ignore[index]
    assert told[0] == told[1]
    assert all("Set-Cookie" not in headers for *_, headers in answers)


async def test_over_https_the_cookie_is_bound_to_our_host(desk: Desk, serve: Any) -> None:
    await _person(desk, "kota-contoh", "admin", "Dewi Lestari", model.Role.ADMIN)
    runner = await serve(desk, inbox.routes)
    url = "http://{}:{}/inbox/masuk".format(*runner.addresses[0])
    form = {"nama": "admin", "sandi": PASSWORD}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-aduan=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


async def test_nobody_enters_without_proof_where_it_is_not_training(inbox_: Inbox) -> None:
    async with inbox_.http.post(f"{inbox_.url}/inbox/masuk/latihan", data={"nama": "admin"}) as answer:
        assert answer.status == 404
        assert "Set-Cookie" not in answer.headers


def test_many_failures_from_one_address_close_it_for_a_while(clock: Any) -> None:
    attempts = auth.Attempts()
    for _ in range(attempts.LIMIT):
        assert not attempts.are_too_many("10.0.0.1", clock.now())
        attempts.failed("10.0.0.1", clock.now())
    assert attempts.are_too_many("10.0.0.1", clock.now())
    assert not attempts.are_too_many("10.0.0.2", clock.now())
    assert not attempts.are_too_many("10.0.0.1", clock.now() + attempts.WITHIN)


# --- What pages show --------------------------------------------------------------------------------------------------


async def test_what_a_citizen_wrote_is_shown_as_text_wherever_it_stands(inbox_: Inbox) -> None:
    content = inbox_.desk.files.put(b"\x89PNG\r\n\x1a\n" + b"\0" * 64, f'"{HOSTILE}.png')
    number = await inbox_.write(HOSTILE, name=f"Siti {HOSTILE}", files=(content,))
    await inbox_.post(f"/inbox/{number}/tulis", jenis="catatan", isi=HOSTILE, kunci=KEY)
    for path in ("/inbox", f"/inbox/{number}"):
        _, page, headers = await inbox_.get(path)
        assert HOSTILE not in page, path
        assert "&lt;script&gt;alert(1)" in page, path
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page), path


async def test_a_personal_number_is_masked_until_somebody_says_what_for(inbox_: Inbox) -> None:
    number = await inbox_.write("NIK saya 9971014708900001")
    _, page, _ = await inbox_.get(f"/inbox/{number}")
    assert "9971014708900001" not in page
    message = (await inbox_.details(number)).timeline[0]
    shown = {"pesan": str(message.id)}
    assert (await inbox_.post(f"/inbox/{number}/tampilkan", keperluan="  ", **shown))[0] == 409
    status, page, _ = await inbox_.post(f"/inbox/{number}/tampilkan", keperluan="mencocokkan data", **shown)
    assert status == 200
    assert "9971014708900001" in page
    assert "9971014708900001" not in (await inbox_.get(f"/inbox/{number}"))[1]
    assert (await inbox_.details(number)).history[-1].action == "revealed"


async def test_paging_through_a_queue_shows_every_complaint_once(inbox_: Inbox) -> None:
    written = await asyncio.gather(*(inbox_.write(f"pesan {i}", citizen=i) for i in range(53)))
    seen: list[str] = []
    path = "/inbox?antrean=baru"
    while path:
        _, page, _ = await inbox_.get(path)
        seen += re.findall(r'<span class="nomor">([^<]+)</span>', page)
        following = re.search(r'<a href="([^"]+)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == sorted(written)


@pytest.mark.parametrize("query", ["antrean=bukan", "sesudah=x", "sesudah=2026-01-01~1", "sesudah=~", "antrean=%00"])
async def test_an_address_that_makes_no_sense_still_shows_a_list(inbox_: Inbox, query: str) -> None:
    assert (await inbox_.get(f"/inbox?{query}"))[0] == 200


async def test_a_number_as_people_type_it_leads_to_its_complaint(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP")
    assert (await inbox_.get("/inbox/cari?nomor=adu%202026%201"))[2]["Location"] == f"/inbox/{number}"
    assert "Tulis nomor pengaduan" in (await inbox_.get("/inbox/cari?nomor=zzz"))[1]


# --- Acts -------------------------------------------------------------------------------------------------------------


async def test_an_answer_posted_twice_is_sent_once(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP saya belum jadi")
    form = {"jenis": "jawab", "isi": "Silakan diambil di loket 2.", "kunci": KEY}
    answers = await asyncio.gather(*(inbox_.post(f"/inbox/{number}/tulis", **form) for _ in range(3)))
    assert [status for status, *_ in answers] == [303, 303, 303]
    details = await inbox_.details(number)
    sent = [message for message in details.timeline if message.kind is model.MessageKind.ANSWER]
    assert len(sent) == 1
    assert "Silakan diambil di loket 2." in sent[0].text
    assert details.complaint.state is model.ComplaintState.WAITING_CITIZEN


async def test_what_was_typed_comes_back_when_it_is_refused(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP saya belum jadi")
    complaint = (await inbox_.details(number)).complaint
    await assignment.claim(inbox_.desk, inbox_.people["rekan"], complaint.id)
    form = {"isi": "Sudah <b>saya</b> telepon", "cara": "telepon", "kepada": "Ibu Siti", "kunci": KEY}
    status, page, _ = await inbox_.post_with_files(f"/inbox/{number}/disampaikan", **form)
    assert status == 409
    assert "sedang ditangani petugas lain" in page
    assert (await inbox_.post(f"/inbox/{number}/tulis", jenis="catatan", isi=" ", kunci=KEY))[0] == 409
    assert (await inbox_.post(f"/inbox/{number}/tulis", jenis="catatan", isi="x", kunci="bukan-kunci"))[0] == 409
    status, page, _ = await inbox_.post_with_files(f"/inbox/{number}/disampaikan", "rekan", **{**form, "cara": " "})
    assert status == 409
    assert "Sudah &lt;b&gt;saya&lt;/b&gt; telepon</textarea>" in page
    assert 'value="Ibu Siti"' in page


async def test_a_channel_that_cannot_be_answered_offers_to_record_the_answer(inbox_: Inbox) -> None:
    number = await inbox_.write("Mohon penjelasan", "formulir", reply_address="+6281200000777")
    _, page, _ = await inbox_.get(f"/inbox/{number}")
    assert 'value="jawab"' not in page
    assert "+6281200000777" in page
    assert "+6281200000777" not in (await inbox_.get(f"/inbox/{number}", "auditor"))[1]
    form = {"isi": "Sudah dijelaskan.", "cara": "telepon", "kunci": KEY}
    assert (await inbox_.post_with_files(f"/inbox/{number}/disampaikan", **form))[0] == 303
    assert (await inbox_.details(number)).complaint.due_at is None


async def test_a_complaint_goes_from_hand_to_hand_and_is_closed_and_opened(inbox_: Inbox) -> None:
    number = await inbox_.write("KTP saya belum jadi")
    path = f"/inbox/{number}"
    assert (await inbox_.post(f"{path}/ambil"))[2]["Location"].endswith("hasil=diambil")
    status, page, _ = await inbox_.post(f"{path}/ambil", "rekan")
    assert status == 409
    assert "sudah diambil oleh Dewi Lestari" in page
    to = str(inbox_.people["rekan"].id)
    assert (await inbox_.post(f"{path}/serahkan", kepada=to))[0] == 303
    assert (await inbox_.details(number)).complaint.assignee_id == inbox_.people["rekan"].id
    assert (await inbox_.post(f"{path}/kembalikan", "rekan"))[0] == 303
    assert (await inbox_.post(f"{path}/tutup", alasan="resolved"))[0] == 409
    assert (await inbox_.post(f"{path}/tutup", alasan="tidak-ada"))[0] == 409
    assert (await inbox_.post(f"{path}/tutup", alasan="not_ours", beritahu="1"))[0] == 303
    assert (await inbox_.details(number)).complaint.state is model.ComplaintState.CLOSED
    assert "Buka kembali" in (await inbox_.get(path))[1]
    assert (await inbox_.post(f"{path}/buka", alasan="warga datang ke loket"))[0] == 303
    assert (await inbox_.details(number)).complaint.state is model.ComplaintState.IN_PROGRESS
    page = (await inbox_.get(path))[1]
    assert "diserahkan kepada Joko Contoh oleh Dewi Lestari" in page
    assert "dibuka kembali oleh Dewi Lestari: warga datang ke loket" in page
    assert "tercatat:" not in page


async def test_quarantine_is_seen_by_its_office_and_put_aside_with_a_reason(inbox_: Inbox) -> None:
    account = inbox_.desk.account("wa")
    request = ports.RawRequest("wa", "/hooks/wa", {}, b"Body=palsu", inbox_.desk.clock.now())
    await quarantine.put(inbox_.desk, account, request, "signature: does not fit")
    _, page, _ = await inbox_.get("/inbox/karantina")
    item = re.search(r"/inbox/karantina/(\d+)/asli", page)[1]  # type: ignore[index]
    assert "Keaslian pengirim tidak terbukti" in page
    assert "/asli" not in (await inbox_.get("/inbox/karantina", "lain"))[1]
    for act in ("asli", "baca-ulang", "kesampingkan"):
        assert (await inbox_.post(f"/inbox/karantina/{item}/{act}", "lain", alasan="x"))[0] == 404
    assert "Body=palsu" in (await inbox_.post(f"/inbox/karantina/{item}/asli"))[1]
    assert (await inbox_.post(f"/inbox/karantina/{item}/baca-ulang"))[0] == 409
    assert (await inbox_.post(f"/inbox/karantina/{item}/baca-ulang", jamin="1"))[0] == 403
    assert (await inbox_.post(f"/inbox/karantina/{item}/kesampingkan", alasan=" "))[0] == 409
    assert (await inbox_.post(f"/inbox/karantina/{item}/kesampingkan", alasan="bukan kiriman penyedia"))[0] == 303
    assert "Karantina kosong" in (await inbox_.get("/inbox/karantina"))[1]


async def test_absence_is_noted_in_whole_days_by_oneself_or_the_supervisor(inbox_: Inbox) -> None:
    rekan = inbox_.people["rekan"].id
    days = {"mulai": "2026-11-23", "selesai": "2026-11-24"}
    assert (await inbox_.post(f"/inbox/petugas/{rekan}/absen", "admin", **days))[0] == 409
    assert (await inbox_.post(f"/inbox/petugas/{rekan}/absen", "pengawas", **days))[0] == 303
    now = inbox_.desk.clock.now()
    (person,) = [p for p in await people.colleagues(inbox_.desk, inbox_.people["admin"]) if p.id == rekan]
    assert person.is_absent(now)
    assert person.absent_until is not None
    assert person.absent_until - person.absent_from == timedelta(days=2)  # type: ignore[operator]
    assert (await inbox_.post(f"/inbox/petugas/{rekan}/absen", "rekan"))[0] == 303
    assert (await inbox_.post(f"/inbox/petugas/{rekan}/absen", "rekan", mulai="kapan"))[0] == 409


# --- Live -------------------------------------------------------------------------------------------------------------


async def test_an_open_page_hears_of_its_own_offices_changes_only(inbox_: Inbox) -> None:
    cookie = {"Cookie": f"aduan={inbox_.tokens['admin']}"}
    async with inbox_.http.get(f"{inbox_.url}/inbox/peristiwa", headers=cookie) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        await stream.content.readuntil(b"tersambung\ndata: {}\n\n")
        await inbox_.write("kantor lain", "lain")
        number = await inbox_.write("kantor ini")
        told = (await stream.content.readuntil(b"\n\n")).decode()
    complaint = (await inbox_.details(number)).complaint
    assert told.startswith("event: perubahan\n")
    assert f'"complaint": ["{complaint.id}"]' in told


def test_a_page_that_does_not_listen_costs_no_more_than_a_bound() -> None:
    page = live.Page("kota-contoh")
    for i in range(1000):
        page.hear(model.Event("kota-contoh", "complaint", str(i)))
        page.hear(model.Event("kota-lain", "complaint", str(i)))
        page.hear(model.Event("kota-contoh", "outbox", str(i)))
    assert page.take() == {"complaint": ["*"]}
    assert page.take() == {}
    assert not page.changed.is_set()


async def test_the_server_stops_while_a_page_is_open(inbox_: Inbox) -> None:
    cookie = {"Cookie": f"aduan={inbox_.tokens['admin']}"}
    async with inbox_.http.get(f"{inbox_.url}/inbox/peristiwa", headers=cookie) as stream:
        await stream.content.readuntil(b"tersambung\ndata: {}\n\n")
        await inbox_.app.shutdown()
        assert await stream.content.read() == b""


# --- Static files -----------------------------------------------------------------------------------------------------


async def test_a_static_file_is_kept_for_a_year_only_under_the_name_of_its_content(inbox_: Inbox) -> None:
    _, page, _ = await inbox_.get("/inbox/masuk", None)
    address = re.search(r'href="(/static/tokens\.css\?v=\w+)"', page)[1]  # type: ignore[index]
    assert "immutable" in (await inbox_.get(address, None))[2]["Cache-Control"]
    assert (await inbox_.get("/static/tokens.css?v=old", None))[2]["Cache-Control"] == "no-cache"
    for path in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/..%2fpages.py", "/static/tidak-ada.css"):
        assert (await inbox_.get(path, None))[0] == 404, path


# --- Alarms -----------------------------------------------------------------------------------------------------------


async def test_an_account_that_is_refused_is_told_on_every_page_of_its_office_until_it_is_mended(
    inbox_: Inbox,
) -> None:
    desk, now = inbox_.desk, inbox_.desk.clock.now()
    await desk.store.write(stored_alarms.set_health, "kota-contoh", "wa", suspended_at=now, error="20003")
    number = await inbox_.write("KTP")
    for path in ("/inbox", f"/inbox/{number}", "/inbox/alarm", "/inbox/libur"):
        strip = re.search(r'<p class="gangguan".*?</p>', (await inbox_.get(path))[1], re.DOTALL)
        assert strip, path
        assert "Akun saluran ditolak penyedia" in strip[0]
        assert "<button" not in strip[0]
        assert 'class="gangguan"' not in (await inbox_.get("/inbox", "lain"))[1]
    await desk.store.write(stored_alarms.set_health, "kota-contoh", "wa", suspended_at=None, error=None)
    assert 'class="gangguan"' not in (await inbox_.get("/inbox"))[1]


async def test_a_message_that_failed_offers_to_send_again_and_only_for_its_own_complaint(inbox_: Inbox) -> None:
    number, other = await inbox_.write("KTP"), await inbox_.write("akta", citizen=2)
    acknowledgement = (await inbox_.details(number)).timeline[1]
    await inbox_.desk.store.write(_fail, acknowledgement.outbox_id, inbox_.desk.clock.now())
    page = (await inbox_.get(f"/inbox/{number}"))[1]
    assert "Jendela balas sudah tutup." in page
    assert "Tandai sudah sampai" not in page
    assert "Gagal kirim" in (await inbox_.get("/inbox"))[1]
    chosen = {"pesan": str(acknowledgement.outbox_id)}
    assert (await inbox_.post(f"/inbox/{other}/kirim-ulang", **chosen))[0] == 404
    assert (await inbox_.post(f"/inbox/{number}/sampai", **chosen))[0] == 409
    assert (await inbox_.post(f"/inbox/{number}/kirim-ulang", **chosen))[0] == 303
    assert (await inbox_.details(number)).timeline[1].delivery is model.DeliveryState.QUEUED
    assert "Gagal kirim" not in (await inbox_.get("/inbox"))[1]


def _fail(tx: Any, outbox_id: Any, now: Any) -> None:
    sent = outbox.get(tx, outbox_id)
    refusal = model.Refusal.WINDOW_CLOSED
    outbox.settle(tx, sent, model.DeliveryState.FAILED, now, error="no template for acknowledgement", refusal=refusal)
    receipts.failed(tx, outbox.get(tx, outbox_id), now, None)
