"""The public pages and those of health, over a real server and a real store."""

import asyncio
import contextlib
import html
import io
import ipaddress
import json
import logging
import re
import sqlite3
import threading
import uuid
from datetime import timedelta
from types import SimpleNamespace

import aiohttp
import pytest

from core import ids, model
from router import complaints
from storage import raw
from web import health, pages, public

TEXT = "KTP-el saya belum jadi sejak dua bulan lalu."
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
BROWSER = {"User-Agent": "Peramban-Contoh/1.0"}


class Citizen:
    """A browser without JavaScript and without cookies: opens a page, fills in its form, sends it."""

    def __init__(self, session, runner, clock):
        self.session = session
        self.server = runner.server
        self.address = runner.addresses[0]
        self.url = "http://{}:{}".format(*self.address)
        self.clock = clock

    async def open(self, path="/lapor", **options):
        async with self.session.get(self.url + path, **options) as response:
            page = await response.text()
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
        return SimpleNamespace(status=response.status, text=page, hidden=hidden, headers=response.headers)

    async def fill_in(self, path="/lapor", *, after=30.0, **fields):
        """Open the form and return what is sent `after` so many seconds."""
        page = await self.open(path)
        self.clock.move(seconds=after)
        return {"text": TEXT, "category": "", "name": "", "contact": "", "website": "", **page.hidden, **fields}

    async def send(self, fields, files=(), path="/lapor", **options):
        with aiohttp.MultipartWriter("form-data") as body:
            for name, value in fields.items():
                body.append(value).set_content_disposition("form-data", name=name)
            for name, content in files or [("", b"")]:
                part = body.append(io.BytesIO(content), {"Content-Type": "application/octet-stream"})
                part.set_content_disposition("form-data", quote_fields=False, name="files", filename=name)
        async with self.session.post(self.url + path, data=body, **options) as response:
            return answer(response, await response.text())

    async def submit(self, *, files=(), after=30.0, **fields):
        return await self.send(await self.fill_in(after=after, **fields), files)

    async def track(self, number, pin, **options):
        async with self.session.post(f"{self.url}/lacak", data={"number": number, "pin": pin}, **options) as response:
            return answer(response, await response.text())


def answer(response, page):
    codes = re.findall(r'<dd class="code">([^<]+)</dd>', page)
    number, pin = codes if len(codes) == 2 else (None, None)
    return SimpleNamespace(
        status=response.status, text=page, plain=" ".join(page.split()), number=number, pin=pin, url=str(response.url),
        headers=response.headers,
    )  # fmt: skip


def half_sent(fields):
    """Return a request whose file never ends."""
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    body += '--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    headers = "Host: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000"
    return f"POST /lapor HTTP/1.1\r\n{headers}\r\n\r\n{body}".encode() + PNG * 1000


async def until(is_so):
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the server tells nobody of its connections
            await asyncio.sleep(0)


@pytest.fixture
def enter(serve, desk, clock):
    @contextlib.asynccontextmanager
    async def opened(of=desk, **settings):
        runner = await serve(of, [*public.routes(), *health.routes(), *pages.routes], **settings)
        async with aiohttp.ClientSession(headers=BROWSER, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Citizen(session, runner, clock)

    return opened


@pytest.fixture
async def citizen(enter):
    async with enter() as opened:
        yield opened


@pytest.fixture
def database(tmp_path, desk):
    """Change the database behind the program's back."""

    def execute(statement):
        with contextlib.closing(sqlite3.connect(tmp_path / "aduan.db")) as connection, connection:
            connection.execute(statement)

    return execute


@pytest.fixture
def admin():
    return model.Person(ids.PersonId(1), "kota-contoh", "dewi", "Dewi", model.Role.ADMIN)


@pytest.fixture
def stored(desk, admin):
    """Return every complaint as an admin sees it."""

    async def look():
        items = (await complaints.page(desk, admin, complaints.View.ALL)).items
        return [await complaints.details(desk, admin, item.complaint.number) for item in items]

    return look


class TestSubmitting:
    async def test_a_citizen_gets_number_pin_and_deadline(self, citizen, stored):
        sent = await citizen.submit(name="Siti Rahma", contact="0812-0000-1234", category="ktp_el")
        assert (sent.status, sent.number) == (200, "ADU-2026-000001")
        assert re.fullmatch(r"\d{6}", sent.pin)
        assert "Rabu, 25 November 2026 pukul 10.00 WIB" in sent.text
        assert "tidak dipungut biaya" in sent.text
        (complaint,) = await stored()
        assert [message.text for message in complaint.timeline] == [TEXT]
        assert (complaint.contact_name, complaint.complaint.category) == ("Siti Rahma", "ktp_el")
        assert complaint.reply_address == "+6281200001234"

    async def test_outside_service_hours_the_page_says_when_it_is_read(self, citizen, clock):
        clock.move(hours=12)
        sent = await citizen.submit()
        assert "mulai Selasa, 24 November 2026 pukul 07.30 WIB" in sent.plain

    async def test_whoever_leaves_no_contact_is_told_what_that_means(self, citizen):
        assert "tidak dapat mengirimkan jawaban" in (await citizen.submit()).plain
        assert "tidak dapat mengirimkan jawaban" not in (await citizen.submit(contact="a@contoh.id")).plain

    async def test_files_are_kept_by_what_they_are(self, citizen, desk, stored):
        await citizen.submit(files=[("C:\\Foto\\bukti 1.png", PNG), ("../../jahat.html", b"<script>x</script>")])
        (complaint,) = await stored()
        picture, page = complaint.timeline[0].attachments
        assert (picture.name, picture.media_type, picture.size) == ("bukti 1.png", "image/png", len(PNG))
        assert (page.name, page.media_type) == ("jahat.html", "application/octet-stream")
        assert desk.files.get(picture.sha256) == PNG

    async def test_the_raw_form_is_kept_without_address_or_browser(self, citizen, store, stored):
        await citizen.submit(name="Siti Rahma", files=[("bukti.png", PNG)])
        (complaint,) = await stored()
        item = await store.read(lambda tx: raw.get(tx, complaint.timeline[0].raw_id))
        content = json.loads(item.request.body)
        assert content["fields"].keys() == {"name", "contact", "category", "text", "key"}
        assert content["files"][0]["sha256"] == complaint.timeline[0].attachments[0].sha256
        assert item.request.headers == {"content-type": "application/json"}
        assert (item.origin, item.request.target) == ("form", "/lapor")
        assert b"127.0.0.1" not in item.request.body

    async def test_text_is_taken_as_it_was_written(self, citizen, stored):
        hostile = "Satu\r\nDua \x00😀 " + "x" * 5000
        await citizen.submit(text=hostile)
        (complaint,) = await stored()
        assert complaint.timeline[0].text == "Satu\nDua 😀 " + "x" * 5000

    async def test_pages_are_small_and_keep_to_themselves(self, citizen):
        for path in ("/", "/lapor", "/lacak"):
            page = await citizen.open(path)
            parts = [page.text.encode()]
            for link in re.findall(r'(?:href|src)="(/static[^"]+)"', page.text):
                async with citizen.session.get(citizen.url + html.unescape(link)) as response:
                    assert response.status == 200
                    parts.append(await response.read())
            assert len(parts) == 3
            assert sum(map(len, parts)) < 30_000
            assert "<script" not in page.text
            assert "://" not in page.text
            assert page.headers["Cache-Control"] == ("private, no-cache" if path == "/lapor" else "no-store")
            assert "Set-Cookie" not in page.headers

    async def test_another_host_name_is_not_repeated(self, citizen):
        page = await citizen.open("/lapor", headers={"Host": "jahat.contoh"})
        assert "jahat" not in page.text
        fields = await citizen.fill_in()
        sent = await citizen.send(fields, headers={"Host": "jahat.contoh"})
        assert sent.number
        assert "jahat" not in sent.text

    async def test_another_site_cannot_send_the_form(self, citizen, stored):
        fields = await citizen.fill_in()
        assert (await citizen.send(fields, headers={"Origin": "https://jahat.contoh"})).status == 403
        assert (await citizen.send(fields, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
        assert await stored() == []


class TestSendingTwice:
    async def test_gives_the_same_number(self, citizen, stored):
        fields = await citizen.fill_in()
        first, second = await citizen.send(fields, [("a.png", PNG)]), await citizen.send(fields, [("a.png", PNG)])
        assert (first.number, first.pin) == (second.number, second.pin) != (None, None)
        (complaint,) = await stored()
        assert len(complaint.timeline) == 1

    async def test_ten_times_at_once_is_one_complaint(self, citizen, stored):
        fields = await citizen.fill_in()
        sent = await asyncio.gather(*(citizen.send(fields) for _ in range(10)))
        assert {(each.status, each.number) for each in sent} == {(200, "ADU-2026-000001")}
        (complaint,) = await stored()
        assert len(complaint.timeline) == 1

    async def test_with_other_words_adds_to_the_same_complaint(self, citizen, stored):
        fields = await citizen.fill_in()
        first = await citizen.send(fields)
        second = await citizen.send({**fields, "text": "Tambahan: loket 2."})
        assert first.number == second.number
        (complaint,) = await stored()
        assert [message.text for message in complaint.timeline] == [TEXT, "Tambahan: loket 2."]

    async def test_two_pages_are_two_complaints(self, citizen, stored):
        assert (await citizen.submit()).number != (await citizen.submit()).number
        assert len(await stored()) == 2

    async def test_days_later_it_is_asked_for_once_more_and_still_is_the_same(self, citizen, clock):
        fields = await citizen.fill_in()
        first = await citizen.send(fields)
        clock.move(days=3)
        refused = await citizen.send(fields)
        assert refused.status == 400
        assert "terlalu lama terbuka" in refused.text
        hidden = dict(re.findall(r'name="(key|stamp)" value="([^"]*)"', refused.text))
        clock.move(seconds=5)
        assert (await citizen.send({**fields, **hidden})).number == first.number


class TestRefusing:
    @pytest.mark.parametrize(
        ("changes", "status", "words"),
        [
            ({"website": "x"}, 400, "sekali lagi"),
            ({"stamp": "1.00"}, 400, "sekali lagi"),
            ({"stamp": "é.\ud7ff"}, 400, "sekali lagi"),
            ({"key": str(uuid.uuid4())}, 400, "sekali lagi"),
            ({"text": "  \n"}, 422, "Ceritakan dahulu"),
            ({"text": "a" * 10_001}, 422, "terlalu panjang"),
            ({"name": "a" * 121}, 422, "Nama ini terlalu panjang"),
            ({"contact": "0812"}, 422, "belum benar"),
            ({"category": "../x"}, 422, "Pilih salah satu"),
            ({"text": "a" * 300_000}, 400, "tidak terbaca"),
        ],
    )
    async def test_says_why_and_stores_nothing(self, citizen, stored, changes, status, words):
        sent = await citizen.send(await citizen.fill_in(**changes))
        assert sent.status == status
        assert words in sent.plain
        assert 'role="alert"' in sent.text
        assert await stored() == []

    async def test_too_fast_may_try_again_with_the_same_page(self, citizen, stored):
        fields = await citizen.fill_in(after=2)
        refused = await citizen.send(fields)
        assert refused.status == 400
        assert f'name="stamp" value="{fields["stamp"]}"' in refused.text
        assert await stored() == []
        citizen.clock.move(seconds=2)
        assert (await citizen.send(fields)).status == 200

    async def test_every_mistake_stands_by_its_field_and_in_the_summary(self, citizen):
        sent = await citizen.submit(text="", contact="siti@contoh", name="Siti Rahma")
        assert sent.status == 422
        for name in ("text", "contact"):
            assert f'<a href="#{name}">' in sent.text
            described = re.search(
                rf'id="{name}"[^>]*aria-describedby="salah-{name} ([\w-]*)" aria-invalid="true"', sent.text
            )
            assert described
            assert f'id="{described[1]}"' in sent.text
            assert f'id="salah-{name}"' in sent.text
        assert "salah-name" not in sent.text
        assert 'value="siti@contoh"' in sent.text
        assert 'value="Siti Rahma"' in sent.text

    @pytest.mark.parametrize(
        ("files", "status", "words"),
        [
            ([("a.png", PNG)] * 6, 422, "paling banyak lima"),
            ([("a.bin", bytes(8 * 1024**2 + 1))], 413, "lebih besar dari 8 MB"),
            ([(f"{n}.bin", bytes([n]) * (7 * 1024**2)) for n in range(4)], 413, "25 MB"),
            ([("kosong.txt", b"")], 422, "kosong"),
        ],
    )
    async def test_files_beyond_the_limits_are_not_kept(self, citizen, stored, tmp_path, files, status, words):
        sent = await citizen.submit(files=files)
        assert sent.status == status
        assert words in sent.plain
        assert TEXT in sent.text
        assert await stored() == []
        assert list((tmp_path / "files").iterdir()) == []

    async def test_a_file_at_the_limit_is_taken(self, citizen, stored):
        assert (await citizen.submit(files=[("a.bin", bytes(8 * 1024**2))])).status == 200
        (complaint,) = await stored()
        assert complaint.timeline[0].attachments[0].size == 8 * 1024**2

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/x-www-form-urlencoded", b"text=halo"),
            ("multipart/form-data", b""),
            ("multipart/form-data; boundary=b", b""),
            ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=text\r\n\r\nha"),
            (
                "multipart/form-data; boundary=b",
                b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--",
            ),
            ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 200 + b"\r\n\r\n--b--"),
            ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 70),
        ],
    )
    async def test_what_is_no_form_is_refused_courteously(self, citizen, stored, content_type, body):
        async with citizen.session.post(
            f"{citizen.url}/lapor", data=body, headers={"Content-Type": content_type}
        ) as response:
            assert response.status == 400
            assert "tidak terbaca" in await response.text()
        assert await stored() == []

    async def test_an_upload_that_breaks_off_leaves_nothing(self, citizen, stored, tmp_path, capsys):
        fields = await citizen.fill_in()
        connected = len(citizen.server.connections)
        _, writer = await asyncio.open_connection(*citizen.address)
        writer.write(half_sent(fields))
        await writer.drain()
        await until(lambda: len(citizen.server.connections) > connected)
        writer.transport.abort()
        await until(lambda: len(citizen.server.connections) == connected)
        assert "request_failed" not in capsys.readouterr().out
        assert (await citizen.send(fields)).number == "ADU-2026-000001"  # the server lives, and no number was used
        (complaint,) = await stored()
        assert complaint.timeline[0].attachments == ()
        assert list((tmp_path / "files").iterdir()) == []

    async def test_what_cannot_be_stored_stays_on_the_page_until_it_can(self, citizen, database, stored):
        fields = await citizen.fill_in()
        database("ALTER TABLE raw_item RENAME TO away")
        refused = await citizen.send(fields, [("a.png", PNG)])
        assert (refused.status, refused.number) == (503, None)
        assert TEXT in refused.text
        assert "belum dapat kami simpan" in refused.plain
        database("ALTER TABLE away RENAME TO raw_item")
        assert (await citizen.send(fields, [("a.png", PNG)])).number == "ADU-2026-000001"
        assert len(await stored()) == 1

    async def test_files_that_cannot_be_kept_are_no_complaint(self, citizen, stored, tmp_path):
        (tmp_path / "files").rmdir()
        (tmp_path / "files").write_bytes(b"")  # where a directory should be: as with a full or missing disk
        sent = await citizen.submit(files=[("a.png", PNG)])
        assert (sent.status, sent.number) == (503, None)
        assert await stored() == []

    async def test_a_full_disk_while_files_come_in_is_said(self, citizen, stored, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        sent = await citizen.submit(files=[("a.bin", bytes(1024**2))])
        assert sent.status == 503
        assert TEXT in sent.text
        assert await stored() == []

    async def test_markup_is_shown_and_never_run(self, citizen):
        hostile = "\"'><script>alert(1)</script>"
        for name in ("text", "name", "contact", "category", "website", "key", "stamp"):
            sent = await citizen.submit(**{"contact": "x", name: hostile})
            assert sent.status in (400, 422), name
            assert "<script" not in sent.text, name
            assert ">alert(1)" not in html.unescape(sent.text.replace("&", "&amp;")), name
        assert "<script" not in (await citizen.track(hostile, hostile)).text
        assert "<script" not in (await citizen.open(f"/lacak?nomor={hostile}")).text

    async def test_one_address_may_write_only_so_often(self, citizen):
        fields = await citizen.fill_in()
        statuses = [(await citizen.send(fields)).status for _ in range(60)]
        assert set(statuses) == {200}
        refused = await citizen.send({**fields, "text": "Jangan hilang."}, [("a.png", PNG)])
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) == 5
        assert "Jangan hilang." in refused.text
        citizen.clock.move(seconds=5)
        assert (await citizen.send(fields)).status == 200

    async def test_who_is_refused_need_not_send_his_files_first(self, citizen):
        fields = await citizen.fill_in()
        for _ in range(60):
            await citizen.send({**fields, "text": ""})
        reader, writer = await asyncio.open_connection(*citizen.address)
        writer.write(half_sent({**fields, "text": "Jangan hilang."}))
        async with asyncio.timeout(10):
            refused = (await reader.readuntil(b"</html>")).decode()
        writer.transport.abort()
        assert refused.startswith("HTTP/1.1 429")
        assert "Jangan hilang." in refused

    async def test_addresses_behind_a_proxy_are_told_apart(self, enter):
        async with enter(trusted_proxies=[ipaddress.ip_network("127.0.0.0/8")]) as citizen:
            fields = await citizen.fill_in()
            for _ in range(60):
                await citizen.send(fields, headers={"X-Forwarded-For": "2001:db8:1:1::1"})
            neighbour = await citizen.send(fields, headers={"X-Forwarded-For": "2001:db8:1:1:ffff::9"})
            stranger = await citizen.send(fields, headers={"X-Forwarded-For": "2001:db8:1:2::1"})
            assert (neighbour.status, stranger.status) == (429, 200)


class TestTracking:
    async def test_shows_how_it_stands_and_no_content(self, citizen):
        sent = await citizen.submit(name="Siti Rahma", contact="0812-0000-1234")
        shown = await citizen.track(sent.number, sent.pin)
        assert shown.status == 200
        for words in (">Diterima<", "Sedang ditangani admin", "25 November 2026 pukul 10.00 WIB"):
            assert words in shown.plain
        for secret in (TEXT, "Siti", "0812", sent.pin):
            assert secret not in shown.text

    async def test_number_and_pin_are_read_as_people_type_them(self, citizen):
        sent = await citizen.submit()
        assert (await citizen.track(" adu 2026 1 ", f" {sent.pin[:3]} {sent.pin[3:]}")).status == 200

    async def test_every_wrong_pair_gets_the_same_answer(self, citizen):
        sent = await citizen.submit()
        wrong = f"{(int(sent.pin) + 1) % 10**6:06d}"
        pairs = [(sent.number, wrong), ("ADU-2026-999999", sent.pin), ("XYZ-2026-000001", sent.pin), ("halo", sent.pin),
                 (sent.number, ""), (sent.number, "٣" * 6), (sent.number, "\ud7ff"), ("", "")]  # fmt: skip
        answers = [await citizen.track(*pair) for pair in pairs]
        assert {each.status for each in answers} == {422}
        assert len({re.sub(r'value="[^"]*"', "", each.text) for each in answers}) == 1

    async def test_guessing_is_locked_even_for_the_right_pin(self, citizen):
        sent = await citizen.submit()
        wrong = f"{(int(sent.pin) + 1) % 10**6:06d}"
        for _ in range(5):
            assert (await citizen.track(sent.number, wrong)).status == 422
        locked = await citizen.track(sent.number, sent.pin)
        assert locked.status == 429
        assert "terlalu sering" in locked.text
        citizen.clock.move(minutes=16)
        assert (await citizen.track(sent.number, sent.pin)).status == 200

    async def test_one_address_may_ask_only_so_often(self, citizen):
        statuses = [(await citizen.track("ADU-2026-1", "000000")).status for _ in range(31)]
        assert statuses == [422] * 30 + [429]

    async def test_lateness_is_said(self, citizen):
        sent = await citizen.submit()
        citizen.clock.move(days=2)
        assert "Mohon maaf" not in (await citizen.track(sent.number, sent.pin)).text
        citizen.clock.move(seconds=1)
        late = await citizen.track(sent.number, sent.pin)
        assert "belum kami jawab sesuai batas waktu" in late.text

    async def test_a_number_can_be_given_by_link_and_the_pin_cannot(self, citizen):
        page = await citizen.open("/lacak?nomor=ADU-2026-000001&pin=123456")
        assert 'value="ADU-2026-000001"' in page.text
        assert "123456" not in page.text

    async def test_the_pin_is_in_no_address_and_no_log(self, citizen, caplog):
        caplog.set_level(logging.DEBUG)
        sent = await citizen.submit()
        shown = await citizen.track(sent.number, sent.pin)
        assert caplog.records  # the access log
        assert not [record for record in caplog.records if sent.pin in record.getMessage()]
        for page in (sent, shown):
            assert sent.pin not in page.url
            assert not any(sent.pin in value for value in page.headers.values())
            assert not re.search(rf'(?:href|action|src)="[^"]*{sent.pin}', page.text)

    async def test_a_form_that_is_none_is_a_wrong_pair(self, citizen):
        for body in (b"\xff\xfe=1", b"&".join([b"a=1"] * 500), b""):
            async with citizen.session.post(f"{citizen.url}/lacak", data=body) as response:
                assert response.status == 422

    async def test_a_store_that_is_down_is_said(self, citizen, database):
        database("ALTER TABLE complaint RENAME TO away")
        assert (await citizen.track("ADU-2026-000001", "123456")).status == 503


class TestSeveralOffices:
    @pytest.fixture
    def desk(self, make_desk):
        accounts = [
            ("kota", "webform", "kota-contoh"),
            ("kab", "webform", "kab-contoh"),
            ("wa", "whatsapp", "kota-contoh"),
        ]
        return make_desk({"kota-contoh": "KTA", "kab-contoh": "KAB"}, accounts)

    async def test_the_citizen_chooses_and_each_has_its_numbers(self, citizen):
        page = await citizen.open("/lapor")
        assert re.findall(r'href="(/lapor/[^"]+)"', page.text) == ["/lapor/kota", "/lapor/kab"]
        sent = {}
        for name, number in (("kota", "KTA-2026-000001"), ("kab", "KAB-2026-000001")):
            fields = await citizen.fill_in(f"/lapor/{name}")
            sent[name] = await citizen.send(fields, path=f"/lapor/{name}")
            assert sent[name].number == number
        for each in sent.values():
            assert each.number in (await citizen.track(each.number, each.pin)).text
        assert (await citizen.track(sent["kota"].number, sent["kab"].pin)).status == 422

    async def test_a_page_of_one_office_is_not_taken_by_another(self, citizen):
        fields = await citizen.fill_in("/lapor/kota")
        assert (await citizen.send(fields, path="/lapor/kab")).status == 400

    async def test_only_forms_have_a_page(self, citizen):
        for path in ("/lapor/wa", "/lapor/tidak-ada"):
            assert (await citizen.open(path)).status == 404
        assert (await citizen.send({"text": TEXT})).status == 404

    async def test_the_front_page_tells_of_both(self, citizen):
        page = await citizen.open("/")
        assert "Kota Contoh" in page.text
        assert "Kab Contoh" in page.text


class TestFront:
    async def test_leads_to_both_pages_and_tells_hours_and_channels(self, citizen):
        page = await citizen.open("/")
        assert 'href="/lapor"' in page.text
        assert 'href="/lacak"' in page.text
        assert "WhatsApp" in page.text
        assert "Petugas sedang melayani" in page.text
        assert re.search(r"Senin, 23 November 2026</dt>\s*<dd>07\.30–16\.00</dd>", page.text)
        assert re.search(r"Minggu, 29 November 2026</dt>\s*<dd>Tutup</dd>", page.text)

    async def test_says_when_it_opens_again(self, citizen, clock):
        clock.move(hours=9)
        page = await citizen.open("/")
        assert "Buka kembali Selasa, 24 November 2026 pukul 07.30 WIB" in page.text


class TestHealth:
    async def test_alive_and_ready(self, citizen):
        assert (await citizen.open("/health/live")).status == 200
        ready = await citizen.open("/health/ready")
        assert (ready.status, json.loads(ready.text)) == (200, {"ready": True, "reasons": []})

    async def test_without_a_database_it_lives_and_is_not_ready(self, enter, tmp_path):
        (tmp_path / "aduan.db").rename(tmp_path / "aduan.away")
        async with enter() as citizen:
            assert (await citizen.open("/health/live")).status == 200
            ready = await citizen.open("/health/ready")
            assert ready.status == 503
            assert json.loads(ready.text)["reasons"] == ["the database cannot be read"]
            assert str(tmp_path) not in ready.text
            measured = await citizen.open("/metrics")
            assert "aduan_storage_readable 0.0" in measured.text
            assert "aduan_open_complaints{" not in measured.text

    async def test_a_database_that_hangs_is_not_waited_for(self, citizen, store, monkeypatch):
        monkeypatch.setattr("router.metrics._PATIENCE_SECONDS", 0.05)
        released = threading.Event()
        held = [asyncio.ensure_future(store.read(lambda _: released.wait(20))) for _ in range(4)]  # every reader
        try:
            ready = await citizen.open("/health/ready")
        finally:
            released.set()
            await asyncio.gather(*held)
        assert (ready.status, json.loads(ready.text)["reasons"]) == (503, ["the database does not answer in time"])

    async def test_metrics_count_what_waits(self, citizen):
        await citizen.submit()
        citizen.clock.move(days=3)
        page = await citizen.open("/metrics")
        assert page.headers["Content-Type"].startswith("text/plain")
        for line in (
            'aduan_open_complaints{office="kota-contoh",queue="admin"} 1.0',
            'aduan_late_complaints{office="kota-contoh",queue="admin"} 1.0',
            'aduan_open_complaints{office="kota-contoh",queue="supervisor"} 0.0',
            'aduan_open_alarms{kind="quarantine",office="kota-contoh"} 0.0',
            'aduan_quarantined_items{office="kota-contoh"} 0.0',
            'aduan_outbox_entries{account="wa",state="queued"} 0.0',
            f'aduan_last_inbound_seconds{{account="formulir"}} {timedelta(days=3).total_seconds()}',
            "aduan_storage_readable 1.0",
        ):
            assert line in page.text.splitlines()
        assert "process_open_fds" in page.text

    async def test_metrics_are_for_configured_networks_alone(self, enter):
        async with enter(metrics_from=[ipaddress.ip_network("10.0.0.0/8")]) as citizen:
            assert (await citizen.open("/metrics")).status == 404
