"""The chat page, its service and its session, over a real server, a real store and the real delivery worker."""

import asyncio
import contextlib
import dataclasses
import io
import json
import re
import uuid
from datetime import timedelta
from types import SimpleNamespace

import aiohttp
import pytest
import sqlalchemy as sa

from connectors import registry
from core import errors, model, ports
from router import answers, complaints, conversation, intake
from router.delivery import DeliveryWorker
from storage import alarms, contacts, outbox, people, tables
from tests.integration.conftest import PUBLIC_URL
from web import chat, chat_assets, chat_session, pages

SITE = "https://dukcapil.kota-contoh.example"
TEXT = "KTP-el saya belum jadi sejak dua bulan lalu."
SECRET = b"s" * 32
SMS = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["token"], "sender": "+6281200000009"}


class Page:
    """A chat page with a session of its own; its tokens go where those of the real page go."""

    def __init__(self, office, token):
        self.office = office
        self.token = token

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def session(self):
        return self.token.partition(".")[0]

    @property
    def address(self):
        return f"obrolan:{self.session}"

    async def write(self, text=TEXT, *, files=(), after="0", key=None, headers=None, **fields):
        form = aiohttp.FormData()
        for name, value in {"text": text, "key": key or str(uuid.uuid4()), **fields}.items():
            form.add_field(name, value)
        for name, content in files:
            form.add_field("files", io.BytesIO(content), filename=name)
        if not form.is_multipart:
            form.add_field("files", io.BytesIO(b""), filename="")
        return await self.ask("POST", f"pesan?setelah={after}", data=form, headers=headers or self.headers)

    async def read(self, after="0"):
        answer = await self.ask("GET", f"pesan?setelah={after}")
        return answer.json

    async def texts(self, after="0"):
        return [message["text"] for message in (await self.read(after))["messages"]]

    async def see(self, *ids, state="read"):
        return await self.ask("POST", "terbaca", data=json.dumps({"ids": ids, "state": state}))

    async def ask(self, method, path, headers=None, **options):
        url = f"{self.office.url}/obrolan/obrolan/{path}"
        async with self.office.http.request(method, url, headers=headers or self.headers, **options) as response:
            body = await response.read()
            content = json.loads(body) if response.content_type == "application/json" else None
            return SimpleNamespace(status=response.status, json=content, body=body, headers=response.headers)

    @contextlib.asynccontextmanager
    async def listen(self, after="0"):
        """Open the stream; give the coroutine that returns its next event (its id, its data), passing over comments."""
        headers = {**self.headers, "Last-Event-ID": after}
        async with self.office.http.get(f"{self.office.url}/obrolan/obrolan/aliran", headers=headers) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"

            async def event():
                async with asyncio.timeout(10):
                    found = {}
                    while "data" not in found:
                        line = (await response.content.readline()).decode()
                        if not line:
                            return None
                        name, colon, value = line.rstrip("\n").partition(": ")
                        if colon and name:
                            found[name] = value
                    return found["id"], json.loads(found["data"])

            yield event


class ChatOffice:
    """An office with a chat, an admin who answers, and the worker that delivers."""

    def __init__(self, desk, admin, http, runner, clock):
        self.desk = desk
        self.admin = admin
        self.http = http
        self.app = runner.app
        self.server = runner.server
        self.url = "http://{}:{}".format(*runner.addresses[0])
        self.clock = clock

    async def open(self, path="/obrolan", **options):
        async with self.http.get(self.url + path, **options) as response:
            text = await response.text()
        return SimpleNamespace(status=response.status, text=text, headers=response.headers)

    async def visit(self, *, after=30.0):
        """Open the page; return it after so many seconds."""
        opened = await self.open()
        self.clock.move(seconds=after)
        return Page(self, re.search(r'data-token="([^"]+)"', opened.text)[1])

    async def deliver(self):
        worker = DeliveryWorker(self.desk, poll_seconds=0.01)
        while await worker.deliver_due():
            pass

    async def complaints(self):
        return await self.rows("complaint")

    async def answer(self, text="Sudah jadi, silakan diambil.", files=()):
        complaint = (await self.complaints())[-1]
        await answers.answer(self.desk, self.admin, complaint.id, answers.Reply(text, files), str(uuid.uuid4()))
        await self.deliver()

    async def rows(self, table, where="1=1"):
        found = tables.metadata.tables[table]
        statement = sa.select(found).where(sa.text(where)).order_by(*found.primary_key)
        return await self.desk.store.read(lambda tx: tx.all_once(statement))

    async def run(self, act, *args):
        return await self.desk.store.write(act, *args)


@pytest.fixture
def desk(make_desk):
    bare = make_desk({"kota-contoh": "ADU"}, [])
    made = {}
    for name, channel, settings in (
        ("obrolan", "webchat", {"origins": [SITE]}),
        ("sms", "sms", SMS),
        ("formulir", "webform", {}),
    ):
        entry = registry.CHANNELS[channel]
        connector = entry.create(name, entry.settings.model_validate(settings), PUBLIC_URL)
        made[name] = (model.Account(name, channel, "kota-contoh", entry.capabilities), connector)
    return dataclasses.replace(
        bare,
        accounts={name: account for name, (account, _) in made.items()},
        connectors={name: connector for name, (_, connector) in made.items()},
    )


@pytest.fixture
async def office(desk, serve, clock):
    now = clock.now()
    admin = await desk.store.write(
        people.add, "kota-contoh", "dewi", "Dewi Lestari", model.Role.ADMIN, "none", None, now
    )
    runner = await serve(desk, [*chat.routes(), *pages.routes], chat_key=SECRET)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield ChatOffice(desk, admin, http, runner, clock)


@pytest.fixture
async def page(office):
    return await office.visit()


# --- The page and the script ------------------------------------------------------------------------------------------


async def test_the_page_may_stand_in_the_frames_of_the_offices_sites_alone(office):
    opened = await office.open()
    policy = opened.headers["Content-Security-Policy"]
    assert f"frame-ancestors 'self' {SITE};" in policy
    assert "default-src 'none'; script-src 'self';" in policy
    assert opened.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in opened.headers


async def test_the_chat_is_found_by_its_name_and_others_are_not(office):
    assert (await office.open("/obrolan/obrolan")).status == 200
    for path in ("/obrolan/formulir", "/obrolan/sms", "/obrolan/tidak-ada", "/obrolan/aset/chat.css.map"):
        assert (await office.open(path)).status == 404, path


async def test_script_page_and_all_they_load_are_less_than_30_kilobytes_from_us_alone(office):
    widget = await office.open("/obrolan/aduan.js")
    assert widget.headers["Content-Type"].startswith("text/javascript")
    page = await office.open("/obrolan/obrolan")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    loaded = [address for address in addresses if not address.startswith(("data:", "/lacak"))]
    assert all(address.startswith("/obrolan/aset/") for address in loaded)
    parts = [widget, page, *[await office.open(address) for address in loaded]]
    assert all(part.status == 200 for part in parts)
    assert len(parts) == 4
    assert sum(len(part.text.encode()) for part in parts) < 30_000
    assert "//" not in "".join(part.text for part in parts).replace("https?:\\/\\/", "").replace(SITE, "")


async def test_what_does_not_change_is_kept_and_what_is_old_is_not(office):
    kept = await office.open(chat_assets.url("chat.js"))
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (await office.open("/obrolan/aset/chat.js?v=lama")).headers["Cache-Control"] == "no-cache"
    assert (await office.open("/obrolan/aduan.js")).headers["Cache-Control"] == "public, max-age=3600"


# --- Writing and being acknowledged -----------------------------------------------------------------------------------


async def test_number_pin_and_deadline_come_as_a_message(office, page):
    told = await page.write(name="Siti Rahma", contact="0812 0000 1234", category="ktp_el")
    assert told.status == 200
    assert [m["from"] for m in told.json["messages"]] == ["citizen"]
    assert told.json["number"] == "ADU-2026-000001"
    assert told.json["has_contact"] is True
    await office.deliver()
    _, acknowledged = (await page.read())["messages"]
    assert acknowledged["from"] == "system"
    assert "Siti Rahma" in acknowledged["text"]
    assert "ADU-2026-000001" in acknowledged["text"]
    assert "Rabu, 25 November 2026" in acknowledged["text"]
    complaint = (await office.complaints())[0]
    pin = office.desk.store._vault.pin("kota-contoh/ADU-2026-000001")
    assert f"PIN {pin}" in acknowledged["text"]
    stored = await office.rows("message", f"complaint_id = {complaint.id}")
    assert all(pin not in message.text for message in stored)
    assert complaint.category == "ktp_el"


async def test_a_personal_number_is_shown_masked_even_to_who_wrote_it(page):
    told = await page.write("NIK saya 9971014107900001, mohon dicek.")
    assert "************0001" in told.json["messages"][0]["text"]
    assert "9971014107900001" not in json.dumps(told.json)


async def test_an_answer_is_read_as_it_was_sent(office, page):
    await page.write()
    await office.answer("Silakan diambil.\nJam 08.00.")
    answered = (await page.read())["messages"][-1]
    assert answered["from"] == "official"
    assert "Silakan diambil.\nJam 08.00." in answered["text"]
    assert answered["text"].startswith("Yth. Bapak/Ibu")


async def test_the_same_message_sent_again_is_one_also_at_the_same_time(office, page):
    key = str(uuid.uuid4())
    first, again = await asyncio.gather(page.write(key=key), page.write(key=key))
    assert first.status == again.status == 200
    later = await page.write(key=key)
    assert [m["key"] for m in later.json["messages"]] == [key.replace("-", "")]
    assert len(await office.complaints()) == 1


async def test_a_key_seen_elsewhere_shows_nobodys_complaint(office, page):
    key = str(uuid.uuid4())
    await page.write("Rahasia saya.", key=key)
    other = await office.visit()
    told = await other.write("Rahasia saya.", key=key)
    assert told.json["number"] == "ADU-2026-000002"


async def test_later_messages_join_and_the_conversation_lasts_for_months(office, page):
    await page.write()
    office.clock.move(days=3)
    told = await page.write("Bagaimana kabarnya?")
    assert told.json["number"] == "ADU-2026-000001"
    assert [m["text"] for m in told.json["messages"] if m["from"] == "citizen"] == [TEXT, "Bagaimana kabarnya?"]
    office.clock.move(days=177)
    assert (await page.ask("GET", "pesan")).status == 401


async def test_files_are_kept_and_named(office, page):
    told = await page.write("", files=[("bukti.png", b"\x89PNG\r\n\x1a\n" + bytes(64))])
    assert told.json["messages"][0]["files"][0]["name"] == "bukti.png"
    stored = (await office.rows("attachment"))[0]
    assert stored.media_type == "image/png"
    assert len(office.desk.files.get(stored.sha256)) == 72


async def test_a_contact_left_later_is_kept(office, page):
    assert (await page.write()).json["has_contact"] is False
    refused = await page.ask("POST", "kontak", data="siti@contoh")
    assert (refused.status, refused.json) == (422, {"mistakes": {"contact": "invalid"}})
    assert (await page.ask("POST", "kontak", data="siti@contoh.id")).status == 204
    assert (await page.read())["has_contact"] is True
    assert await left(office, page) == "siti@contoh.id"
    await page.write("Ganti nomor.", contact="0812 0000 1234")
    assert await left(office, page) == "+6281200001234"


async def left(office, page):
    contact = await office.desk.store.read(contacts.find, "obrolan", page.address)
    return (await office.desk.store.read(contacts.get, contact.id)).reply_address


async def test_a_contact_without_a_conversation_is_not_kept(page):
    assert (await page.ask("POST", "kontak", data="siti@contoh.id")).status == 404


# --- What is refused --------------------------------------------------------------------------------------------------


async def test_only_the_holder_of_the_session_reads_it(office, page):
    await page.write()
    assert (await page.ask("GET", "pesan")).status == 200
    other = await office.visit()
    assert (await other.ask("GET", "pesan")).status == 204
    session, seconds, signature = page.token.split(".")
    forged = [
        "",
        "x",
        "x.y.z",
        f"{other.session}.{seconds}.{signature}",
        f"{session}.{int(seconds) + 1}.{signature}",
        f"{session}.{seconds}.{signature[:-1]}0" if signature[-1] != "0" else f"{session}.{seconds}.{signature[:-1]}1",
        chat_session.issue(SECRET, "lain", office.clock.now()),
        chat_session.issue(b"x" * 32, "obrolan", office.clock.now()),
        page.token + "é",
    ]
    for token in forged:
        thief = Page(office, token)
        headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        for method, path in (
            ("GET", "pesan"), ("GET", "aliran"), ("POST", "pesan"), ("POST", "terbaca"), ("POST", "kontak"),
            ("POST", "berkas/1"),
        ):  # fmt: skip
            assert (await thief.ask(method, path, headers=headers)).status == 401, (token, path)


@pytest.mark.parametrize(
    ("fields", "status", "mistakes"),
    [
        ({"text": " "}, 422, {"text": "required"}),
        ({"text": "a" * 10_001}, 422, {"text": "too_long"}),
        ({"contact": "x"}, 422, {"contact": "invalid"}),
        ({"key": "x"}, 422, {"key": "invalid"}),
        ({"website": "http://jahat.contoh"}, 400, {"form": "trap"}),
        ({"files": [("a.bin", bytes(8 * 1024**2 + 1))]}, 413, {"files": "file_too_large"}),
        ({"files": [(f"{n}.txt", b"x") for n in range(6)]}, 422, {"files": "too_many"}),
    ],
)
async def test_what_cannot_be_taken_is_named_and_not_stored(office, page, fields, status, mistakes):
    told = await page.write(**fields)
    assert (told.status, told.json) == (status, {"mistakes": mistakes})
    assert await office.complaints() == []
    assert not any(await asyncio.to_thread(lambda: list(office.desk.files._root.rglob("?" * 64))))


async def test_programs_that_write_at_once_are_put_off(office):
    page = await office.visit(after=1)
    assert (await page.write()).json == {"mistakes": {"form": "too_fast"}}
    office.clock.move(seconds=3)
    assert (await page.write()).status == 200


async def test_what_is_no_form_is_refused(page):
    told = await page.ask("POST", "pesan", data=b"x", headers={**page.headers, "Content-Type": "text/plain"})
    assert (told.status, told.json) == (400, {"mistakes": {"form": "unreadable"}})


async def test_one_session_and_one_network_may_write_so_much(office, page):
    answers_ = [await page.write(f"Pesan {n}") for n in range(21)]
    assert [each.status for each in answers_] == [200] * 20 + [429]
    assert int(answers_[-1].headers["Retry-After"]) >= 1
    office.clock.move(seconds=4)
    assert (await page.write("Lagi")).status == 200
    statuses = set()
    for _ in range(8):
        other = Page(office, chat_session.issue(SECRET, "obrolan", office.clock.now() - timedelta(minutes=1)))
        statuses |= {(await other.write(f"Banjir {n}")).status for n in range(18)}
    assert statuses == {200, 429}


async def test_what_cannot_be_stored_is_not_promised(office, page, monkeypatch):
    async def fails(*_, **__):
        raise errors.StorageUnavailable("gone")

    monkeypatch.setattr(intake, "receive_message", fails)
    told = await page.write()
    assert (told.status, told.json) == (503, {"mistakes": {"form": "unavailable"}})


async def test_whoever_does_not_finish_sending_is_let_go(office, page, monkeypatch):
    monkeypatch.setattr(chat, "_SMALL_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(*office.url.removeprefix("http://").split(":"))
    head = (
        "POST /obrolan/obrolan/pesan HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        f"Authorization: Bearer {page.token}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    writer.write(head.encode() + b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nKTP')
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    assert await office.complaints() == []


async def test_another_site_makes_nobody_write(page):
    headers = {**page.headers, "Sec-Fetch-Site": "cross-site", "Origin": SITE}
    assert (await page.write(headers=headers)).status == 403


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"ids": ["x"], "state": "read"}', '{"ids": [1], "state": "failed"}'])
async def test_what_was_shown_must_be_said_clearly(page, body):
    assert (await page.ask("POST", "terbaca", data=body)).status == 400


# --- What comes -------------------------------------------------------------------------------------------------------


async def test_reading_on_from_the_cursor_misses_nothing_that_was_still_to_leave(office, page):
    await page.write("Satu")
    await office.deliver()
    office.clock.move(minutes=2)
    await page.write("Dua")  # its acknowledgement waits for what else may come
    told = await page.write("Tiga")
    assert [m["text"] for m in told.json["messages"] if m["from"] == "citizen"] == ["Satu", "Dua", "Tiga"]
    cursor = told.json["cursor"]
    office.clock.move(minutes=5)
    await office.deliver()
    late = await page.read(cursor)
    assert any("pesan tambahan" in m["text"] for m in late["messages"] if m["from"] == "system")
    assert await page.texts(late["cursor"]) == []


async def test_a_long_conversation_is_read_in_parts(office, page, monkeypatch):
    monkeypatch.setattr(conversation, "MOST", 3)
    for n in range(7):
        await page.write(f"Pesan {n}")
    office.clock.move(minutes=5)
    seen, cursor, is_all = [], "0", False
    while not is_all:
        part = await page.read(cursor)
        assert len(part["messages"]) <= 3
        seen += [m["text"] for m in part["messages"] if m["text"] not in seen]
        cursor, is_all = part["cursor"], part["is_all"]
    assert [text for text in seen if text.startswith("Pesan")] == [f"Pesan {n}" for n in range(7)]


async def test_an_answer_comes_by_the_open_stream_and_a_lost_one_goes_on_where_it_was(office, page):
    await page.write()
    await office.deliver()
    office.clock.move(minutes=1)
    async with page.listen() as event:
        cursor, told = await event()
        assert [m["from"] for m in told["messages"]] == ["citizen", "system"]
        await office.answer("Sudah jadi.")
        cursor, told = await event()
        while not told["messages"]:
            cursor, told = await event()
        assert "Sudah jadi." in told["messages"][0]["text"]
    await office.answer("Jangan lupa membawa KTP lama.")
    async with page.listen(cursor) as event:
        _, told = await event()
        assert "KTP lama" in told["messages"][-1]["text"]
        assert all("Sudah jadi." not in m["text"] or m["from"] == "official" for m in told["messages"])


async def test_another_tab_hears_what_is_written_here(page):
    await page.write("Satu")
    async with page.listen() as event:
        await event()
        await page.write("Dua")
        _, told = await event()
        assert [m["text"] for m in told["messages"]] == ["Dua"]


async def test_a_stream_ends_when_the_conversation_goes_on_in_another_complaint(office, page):
    await page.write()
    await office.answer()
    (complaint,) = await office.complaints()
    async with page.listen() as event:
        await event()
        await complaints.close(office.desk, office.admin, complaint.id, model.CloseReason.RESOLVED, tell=False)
        assert (await event())[1]["is_open"] is False
        office.clock.move(days=20)
        assert (await page.write("Ada masalah lain.")).json["number"] == "ADU-2026-000002"
        while await event() is not None:
            pass


async def test_there_is_no_stream_before_the_first_message_nor_when_too_many_are_open(office, page, monkeypatch):
    assert (await page.ask("GET", "aliran")).status == 404
    await page.write()
    monkeypatch.setattr("web.chat_stream._MOST", 0)
    refused = await page.ask("GET", "aliran")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "60")


async def test_one_conversation_does_not_take_the_streams_of_all(office, page, monkeypatch):
    monkeypatch.setattr("web.chat_stream._MOST_EACH", 1)
    await page.write()
    other = await office.visit()
    await other.write()
    async with page.listen() as event:
        await event()
        assert (await page.ask("GET", "aliran")).status == 503
        async with other.listen() as theirs:
            assert (await theirs())[1]["messages"]


async def test_numbers_beyond_all_bounds_are_no_failure_of_ours(page):
    await page.write("Pesan pertama.")
    for huge in ("9" * 19, "9" * 30):
        assert await page.texts(huge) == ["Pesan pertama."]
        async with page.listen(huge) as event:
            assert [message["text"] for message in (await event())[1]["messages"]] == ["Pesan pertama."]
    for ids in ("Infinity", "1e400", "NaN", '"' + "9" * 5000 + '"'):
        refused = await page.ask("POST", "terbaca", data=f'{{"ids": [{ids}], "state": "read"}}')
        assert refused.status == 400, ids


async def test_open_streams_end_when_the_server_stops_and_leave_nothing_behind(office, page):
    await page.write()
    async with page.listen() as event:
        await event()
        await office.app.shutdown()
        assert await event() is None


async def test_only_what_was_exchanged_here_is_read_here(office, page):
    """The citizen's other contact was linked by an admin: its messages are not shown to who has the page."""
    await page.write()
    now = office.clock.now()
    raw = ports.RawRequest("sms", "/hooks/sms", {}, b"", now)
    elsewhere = model.InboundMessage("SM1", "+6281200000001", "Rahasia lewat SMS", sent_at=now)
    await intake.receive_message(office.desk, raw, elsewhere, "webhook")

    def link(tx):
        for entry in outbox.claim(tx, now, now, 10):
            outbox.settle(tx, outbox.get(tx, entry.id), model.DeliveryState.ACCEPTED, now, provider_id=str(entry.id))
        citizen = tx.new_id()
        for account, address in (("sms", "+6281200000001"), ("obrolan", page.address)):
            contacts.set_citizen(tx, contacts.find(tx, account, address).id, citizen)

    await office.run(link)
    await page.write("Lanjutan dari sini")
    told = (await page.read())["messages"]
    assert [m["text"] for m in told if m["from"] == "citizen"] == [TEXT, "Lanjutan dari sini"]
    assert not any("ADU-2026-000002" in m["text"] for m in told)
    joined = await office.rows("message", "text = 'Lanjutan dari sini'")
    assert joined[0].contact_id is not None, "it joined what began elsewhere, so that the test shows something"


async def test_internal_notes_are_never_shown(office, page):
    await page.write()
    complaint = (await office.complaints())[0]
    await answers.note(office.desk, office.admin, complaint.id, "Rahasia kantor", "k1")
    await office.deliver()
    assert not any("Rahasia" in text for text in await page.texts())


async def test_a_file_of_the_office_is_saved_and_nobody_elses(office, page):
    await page.write(files=[("milik-saya.txt", b"x")])
    stored = office.desk.files.put(b"%PDF-1.4\n", "Surat Ké.pdf")
    await office.answer("Terlampir.", [stored])
    own, sent = [file for m in (await page.read())["messages"] for file in m["files"]]
    assert sent["name"] == "Surat Ké.pdf"
    saved = await page.ask("POST", f"berkas/{sent['id']}")
    assert (saved.status, saved.body) == (200, b"%PDF-1.4\n")
    assert saved.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Surat%20K%C3%A9.pdf"
    assert saved.headers["X-Content-Type-Options"] == "nosniff"
    by_form = await page.ask("POST", f"berkas/{sent['id']}", headers={"X": "y"}, data={"token": page.token})
    assert by_form.body == b"%PDF-1.4\n"
    other = await office.visit()
    await other.write()
    assert (await other.ask("POST", f"berkas/{sent['id']}")).status == 404
    for wrong in (own["id"], "0", "x", "9" * 19, "9" * 30):
        assert (await page.ask("POST", f"berkas/{wrong}")).status == 404


# --- Who has read, and who has left -----------------------------------------------------------------------------------


async def delivery(office):
    return [(entry.kind, entry.state) for entry in await office.rows("outbox")]


async def test_what_the_page_has_shown_is_delivered_and_then_read(office, page):
    await page.write()
    await office.deliver()
    (entry,) = await office.rows("outbox")
    await page.see(str(entry.id), state="delivered")
    assert await delivery(office) == [("acknowledgement", "delivered")]
    await page.see(str(entry.id), "999", state="read")
    await page.see(str(entry.id), state="delivered")
    assert await delivery(office) == [("acknowledgement", "read")]


async def test_nobody_reads_for_another(office, page):
    await page.write()
    await office.deliver()
    (entry,) = await office.rows("outbox")
    other = await office.visit()
    await other.write("Lain")
    assert (await other.see(str(entry.id))).status == 204
    assert ("acknowledgement", "accepted") in await delivery(office)


async def notices(office):
    """Return what waits to leave by other ways."""
    now = office.clock.now()
    return await office.run(outbox.claim, now, now + timedelta(minutes=1), 10)


async def unread(office):
    opened = await office.desk.store.read(alarms.open_, "kota-contoh")
    return [alarm.note for alarm in opened if alarm.kind is model.AlarmKind.ANSWER_UNREAD]


async def test_who_left_before_the_answer_is_told_once_where_he_wished(office, page):
    await page.write(name="Siti Rahma", contact="0812 0000 1234")
    await office.answer("KTP-el Bapak/Ibu sudah dicetak.")
    await office.answer("Mohon membawa KTP lama.")
    office.clock.move(minutes=4)
    assert await conversation.remind(office.desk) == 0
    office.clock.move(minutes=2)
    assert await conversation.remind(office.desk) == 1
    (notice,) = await notices(office)
    assert (notice.account, notice.address) == ("sms", "+6281200001234")
    assert "ADU-2026-000001" in notice.text
    assert len(notice.text) <= 160
    for said in (notice.text, *notice.variables.values()):
        assert "dicetak" not in said
        assert "Siti" not in said
    office.clock.move(minutes=30)
    assert await conversation.remind(office.desk) == 0
    assert await unread(office) == []
    assert not any("Cek " in shown for shown in await page.texts()), "the notice is no part of the conversation"
    await office.answer("Dapat diambil di loket 2.")
    office.clock.move(minutes=6)
    assert await conversation.remind(office.desk) == 1, "of a later answer he is told anew"


async def test_whoever_has_the_number_left_here_gets_no_part_of_the_complaint(office, page):
    await page.write(contact="0812 0000 1234")
    await office.answer()
    office.clock.move(minutes=6)
    await conversation.remind(office.desk)
    now = office.clock.now()
    raw = ports.RawRequest("sms", "/hooks/sms", {}, b"", now)
    stranger = model.InboundMessage("SM2", "+6281200001234", "Ini siapa?", sent_at=now)
    registered = await intake.receive_message(office.desk, raw, stranger, "webhook")
    assert str(registered.number) == "ADU-2026-000002"


async def test_who_has_read_is_not_told_again(office, page):
    await page.write(contact="0812 0000 1234")
    await office.answer()
    await page.see(*[m["id"] for m in (await page.read())["messages"]])
    office.clock.move(minutes=10)
    assert await conversation.remind(office.desk) == 0
    assert await notices(office) == []


@pytest.mark.parametrize(("contact", "note"), [("", "no_address"), ("siti@contoh.id", "no_account")])
async def test_where_nobody_can_be_told_a_person_is_asked_until_it_is_read(office, page, contact, note):
    await page.write(contact=contact)
    await office.answer()
    await office.answer("Jawaban kedua.")
    office.clock.move(minutes=6)
    assert await conversation.remind(office.desk) == 1
    assert await conversation.remind(office.desk) == 0
    assert await unread(office) == [note]
    answered = [m["id"] for m in (await page.read())["messages"] if m["from"] == "official"]
    await page.see(answered[0])
    assert await unread(office) == [note]
    await page.see(*answered)
    assert await unread(office) == []


async def test_two_processes_tell_once(office, page):
    await page.write(contact="0812 0000 1234")
    await office.answer()
    office.clock.move(minutes=6)
    told = await asyncio.gather(conversation.remind(office.desk), conversation.remind(office.desk))
    assert sum(told) == 1
    assert len(await notices(office)) == 1


# --- Without JavaScript -----------------------------------------------------------------------------------------------


class Form:
    """A browser without JavaScript: fills in the form it was shown and sends it."""

    def __init__(self, office, page):
        self.office = office
        self.page = page

    async def send(self, files=(), **fields):
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.page.text))
        form = aiohttp.FormData()
        for name, value in {"contact": "", "name": "", "category": "", "website": "", **hidden, **fields}.items():
            form.add_field(name, value)
        for name, content in files or [("", b"")]:
            form.add_field("files", io.BytesIO(content), filename=name)
        async with self.office.http.post(f"{self.office.url}/obrolan/obrolan", data=form) as response:
            text = await response.text()
        return Form(self.office, SimpleNamespace(status=response.status, text=text, headers=response.headers))

    @property
    def said(self):
        return re.findall(r'<p class="isi">(.*?)</p>', self.page.text, re.DOTALL)


@pytest.fixture
async def form(office):
    """The form, half a minute after it was opened, with the worker running."""
    worker = DeliveryWorker(office.desk, poll_seconds=0.01)
    running = asyncio.create_task(worker.run())
    opened = await office.open()
    office.clock.move(seconds=30)
    yield Form(office, opened)
    worker.stop()
    await running


async def test_without_javascript_the_answer_of_the_form_is_the_conversation(office, form):
    sent = await form.send(text="Tolong <b>bantu</b>", contact="0812 0000 1234")
    assert sent.page.status == 200
    assert sent.said[0] == "Tolong &lt;b&gt;bantu&lt;/b&gt;"
    assert "ADU-2026-000001" in sent.said[1]
    assert f'<a href="{PUBLIC_URL}/lacak" rel="noopener" target="_blank">' in sent.said[1]
    further = await sent.send(text="Satu lagi")
    assert [said for said in further.said if "ADU" not in said] == [sent.said[0], "Satu lagi"]
    await office.answer("Sudah jadi.")
    async with asyncio.timeout(10):  # the worker may have it in hand
        looked = await further.send(text="tidak dikirim", perbarui="1")
        while "Sudah jadi." not in looked.said[-1]:
            looked = await further.send(text="tidak dikirim", perbarui="1")
    assert "tidak dikirim" not in looked.said
    assert len(await office.complaints()) == 1


async def test_the_same_page_sent_twice_is_one_message_and_with_other_words_two(form):
    await form.send(text="Satu")
    assert [said for said in (await form.send(text="Satu")).said if "ADU" not in said] == ["Satu"]
    assert [said for said in (await form.send(text="Dua")).said if "ADU" not in said] == ["Satu", "Dua"]


async def test_mistakes_are_shown_and_what_was_typed_is_kept(form):
    sent = await form.send(text="  Baris satu\n    Baris dua <x>", contact="siti@contoh", name='"><script>')
    assert sent.page.status == 422
    assert "belum benar" in sent.page.text
    assert "  Baris satu\n    Baris dua &lt;x&gt;</textarea>" in sent.page.text
    assert "<script>" not in sent.page.text.replace("<script src", "")
    assert 'aria-invalid="true"' in sent.page.text


async def test_a_page_too_old_or_sent_too_fast_is_sent_again(office, form):
    office.clock.move(days=181)
    expired = await form.send(text="Satu")
    assert expired.page.status == 400
    assert "terlalu lama terbuka" in expired.page.text
    early = await expired.send(text="Satu")
    assert early.page.status == 409
    assert "sangat cepat" in early.page.text
    office.clock.move(seconds=5)
    assert (await early.send(text="Satu")).said[0] == "Satu"
