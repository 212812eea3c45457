"""Every route of the service as it is put together: who may use it, and on whose things. New ones are met by it too."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import web
from PIL import Image

from app import config, wiring
from app.toml_file import TomlFile
from core import model, ports
from router import complaints, intake, people, quarantine
from router.desk import Desk
from storage import alarms as stored_alarms
from storage import people as stored_people
from storage import tables

HOME, OTHER = "kota-contoh", "kota-lain"
CONFIG = f"""
[server]
public_url = "http://127.0.0.1:8080"
[[office]]
id = "{HOME}"
name = "Dinas Contoh"
[[office]]
id = "{OTHER}"
name = "Dinas Lain"
number_prefix = "LAI"
""" + "".join(
    f'[[account]]\nname = "{name}{ending}"\nchannel = "{channel}"\noffice = "{office}"\n'
    for ending, office in (("", HOME), ("-lain", OTHER))
    for name, channel in (("formulir", "webform"), ("obrolan", "webchat"), ("loket", "walk_in"))
)
# Who may ask without a session: what citizens and providers use, and signing in.
OPEN = ("/hooks/", "/lapor", "/lacak", "/obrolan", "/static/", "/health/", "/metrics", "/inbox/masuk")
# Posting here changes what is one's own alone.
FOR_ALL = {"/inbox/keluar"}
# What an auditor may not even look at: papers and forms of who works on complaints.
WORKERS_ONLY = {"/inbox/catat", "/inbox/catat/{account}", "/inbox/{number}/tanda-terima.pdf"}
PARTS = ("{number}", "{account}", "{id}")
# Acts on a complaint whose forms name something else, and by which fields.
NAMING = {
    "serahkan": "kepada", "kirim-ulang": "pesan", "sampai": "pesan", "diketahui": "pesan", "tampilkan": "pesan",
    "tautkan": "kontak", "bukan-orang-sama": "kontak", "lepas-tautan": "kontak", "sembunyikan": "pesan",
    "tulis": "lewat pesan", "lihat-berkas": "berkas", "simpan-berkas": "berkas", "asli": "asli",
}  # fmt: skip
KEY = "7d4f6a3e-5f53-4a0e-9d3f-0c9f4a1b2c3d"
SCRIPT = {"Sec-Fetch-Mode": "cors"}
SECRET = "rahasia-kantor-lain"


@dataclass
class Office:
    """What an office has of everything that an address may name."""

    number: str
    account: str
    ids: dict[str, int]

    def fill(self, path: str) -> str:
        """Return a route's address with the office's own things in it."""
        kinds = {"/inbox/berkas/": "file", "/inbox/karantina/": "quarantined", "/inbox/asli/": "raw"}
        kinds |= {"/inbox/alarm/": "alarm", "/inbox/petugas/": "person"}
        kind = next((kind for start, kind in kinds.items() if path.startswith(start)), "")
        filled = path.replace("{number}", self.number).replace("{account}", self.account)
        return filled.replace("{id}", str(self.ids[kind])) if kind else filled

    @property
    def form(self) -> dict[str, str]:
        """What the forms name, besides what the address does."""
        things = {
            "pesan": "message",
            "asli": "raw",
            "berkas": "file",
            "kontak": "contact",
            "lewat": "contact",
            "kepada": "person",
        }
        return {name: str(self.ids[kind]) for name, kind in things.items()} | {"keperluan": "memeriksa", "alasan": "x"}


@dataclass
class Site:
    desk: Desk
    app: web.Application
    url: str
    http: aiohttp.ClientSession
    offices: dict[str, Office]
    tokens: dict[str, str] = field(default_factory=dict)

    def routes(self, method: str, start: str = "/inbox") -> list[str]:
        found = [r.resource.canonical for r in self.app.router.routes() if r.resource and r.method == method]
        assert len(found) > 15
        return [path for path in found if path.startswith(start) and not path.startswith(OPEN)]

    async def ask(self, method: str, path: str, who: str | None, data: Any = None, **headers: str) -> tuple[int, str]:
        headers |= {"Cookie": f"aduan={self.tokens[who]}"} if who else {}
        async with self.http.request(
            method, self.url + path, data=data, headers=headers, allow_redirects=False
        ) as answer:
            # A page that goes on for ever (events) has told enough with its status.
            is_endless = answer.content_type == "text/event-stream"
            return answer.status, "" if is_endless else (await answer.read()).decode(errors="replace")

    async def token(self, who: str) -> str:
        return re.search(r'name="token" value="([0-9a-f]+)"', (await self.ask("GET", "/inbox", who))[1])[1]  # type: ignore[index]

    async def audited(self) -> list[Any]:
        """Return all that was ever done in either office."""
        columns = (tables.audit.c.office_id, tables.audit.c.chain, tables.audit.c.action)
        return await self.desk.store.read(lambda tx: [tuple(row) for row in tx.all(sa.select(*columns))])


def _picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(written, "PNG")
    return written.getvalue()


async def _office(desk: Desk, office_id: str, ending: str) -> Office:
    """Give an office one of everything."""
    now, account = desk.clock.now(), f"formulir{ending}"
    kept = (desk.files.put(_picture(), f"{SECRET if ending else 'KTP'}.png"),)
    text = f"{SECRET}, NIK 9971014708900001" if ending else "KTP saya belum jadi, NIK 9971014708900001"
    inbound = model.InboundMessage(f"{office_id}-1", f"formulir:{office_id}", text, files=kept)
    request = ports.RawRequest(account, "/lapor", {}, text.encode(), now)
    number = (await intake.receive_message(desk, request, inbound, "form")).number
    await quarantine.put(desk, desk.account(account), request, "signature: does not fit")
    [item] = await quarantine.waiting(desk, office_id)
    await desk.store.write(
        lambda tx: stored_alarms.raise_(tx, office_id, model.AlarmKind.ANSWER_UNREAD, f"x:{office_id}", now)
    )
    everybody = await desk.store.read(stored_people.all_, office_id)
    details = await complaints.details(desk, everybody[0], number)
    message = details.timeline[0]
    alarm = next(a for a in await desk.store.read(stored_alarms.open_, office_id) if a.key == f"x:{office_id}")
    return Office(
        str(number),
        f"loket{ending}",
        {
            "file": message.attachments[0].id, "message": message.id, "raw": message.raw_id or 0, "alarm": alarm.id,
            "quarantined": item.id, "contact": details.complaint.contact_id, "person": everybody[0].id,
        },
    )  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    configured = config.read(TomlFile("(test)", CONFIG, tmp_path, {}))
    wiring.prepare(configured)
    desk = wiring.desk(configured, {})
    desk.store.start()
    app = wiring.website(configured, desk, None)
    runner = wiring.server(app, 0.1)
    try:
        tokens = {}
        for username, role, office in (
            ("pengawas", model.Role.SUPERVISOR, HOME),
            ("auditor", model.Role.AUDITOR, HOME),
            ("lain", model.Role.SUPERVISOR, OTHER),
        ):
            now = desk.clock.now()
            await desk.store.write(stored_people.add, office, username, username, role, "tanpa sandi", None, now)
            tokens[username] = await people.enter(desk, office, username)
        offices = {HOME: await _office(desk, HOME, ""), OTHER: await _office(desk, OTHER, "-lain")}
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield Site(desk, app, "http://{}:{}".format(*runner.addresses[0]), http, offices, tokens)
    finally:
        await runner.cleanup()
        await desk.store.stop()


async def test_nobody_gets_in_without_a_session(site: Site) -> None:
    before, home = await site.audited(), site.offices[HOME]
    for method in ("GET", "POST"):
        for path in site.routes(method):
            assert (await site.ask(method, home.fill(path), None, home.form)) == (303, ""), (method, path)
            assert (await site.ask(method, home.fill(path), None, home.form, **SCRIPT))[0] == 401, (method, path)
    assert await site.audited() == before


async def test_no_route_is_open_but_those_for_citizens_and_providers(site: Site) -> None:
    known = (*OPEN, "/inbox")
    paths = {route.resource.canonical for route in site.app.router.routes() if route.resource}
    assert {path for path in paths if not path.startswith(known)} == {"/"}


async def test_an_auditor_looks_and_does_nothing(site: Site) -> None:
    before, home, token = await site.audited(), site.offices[HOME], await site.token("auditor")
    for path in site.routes("POST"):
        if path not in FOR_ALL:
            status, _ = await site.ask("POST", home.fill(path), "auditor", {"token": token, **home.form})
            assert status == 403, path
    for path in site.routes("GET"):
        status, page = await site.ask("GET", home.fill(path), "auditor")
        assert (status == 403) is (path in WORKERS_ONLY), path
        assert "9971014708900001" not in page, path
    assert await site.audited() == before


async def test_what_another_office_has_does_not_exist(site: Site) -> None:
    before, other, token = await site.audited(), site.offices[OTHER], await site.token("pengawas")
    for method in ("GET", "POST"):
        for path in site.routes(method):
            if any(part in path for part in PARTS):
                form = {"token": token, **other.form} if method == "POST" else None
                status, page = await site.ask(method, other.fill(path), "pengawas", form)
                assert status == 404, (method, path)
                assert SECRET not in page, (method, path)
    assert await site.audited() == before


async def test_a_form_that_names_what_another_office_has_or_nobody_does_nothing(site: Site) -> None:
    home, other, token = site.offices[HOME], site.offices[OTHER], await site.token("pengawas")
    before = await site.audited()
    for act, named in NAMING.items():
        path = f"/inbox/{{number}}/{act}"
        assert path in site.routes("POST")
        form = {"token": token, "jenis": "jawab", "isi": "x", "kunci": KEY, "keperluan": "memeriksa"}
        for name in named.split():
            for wrong in (other.form[name], "1", "x"):
                status, page = await site.ask("POST", home.fill(path), "pengawas", form | {name: wrong})
                assert status in (404, 409), (path, name, wrong)
                assert SECRET not in page, (path, name, wrong)
    assert await site.audited() == before


async def test_nothing_changes_without_the_token_of_the_session(site: Site) -> None:
    before, home, foreign = await site.audited(), site.offices[HOME], await site.token("lain")
    for path in site.routes("POST"):
        for token in ({}, {"token": foreign}):
            status, _ = await site.ask("POST", home.fill(path), "pengawas", {**token, **home.form})
            assert status == 403, path
    assert await site.audited() == before


async def test_no_other_site_makes_a_browser_change_anything(site: Site) -> None:
    before, home, token = await site.audited(), site.offices[HOME], await site.token("pengawas")
    paths = {r.resource.canonical for r in site.app.router.routes() if r.resource and r.method == "POST"}
    assert {"/lapor", "/obrolan/{account}", "/inbox/masuk"} < paths
    for path in (path for path in paths if not path.startswith("/hooks/")):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}):
            form = {"token": token, **home.form}
            assert (await site.ask("POST", home.fill(path), "pengawas", form, **headers))[0] == 403, path
    assert await site.audited() == before


async def test_every_answer_keeps_a_browser_from_harm_and_names_no_software(site: Site) -> None:
    home = site.offices[HOME]
    paths = {r.resource.canonical for r in site.app.router.routes() if r.resource and r.method == "GET"}
    for path in sorted(paths | {"/tidak-ada"}):
        for who in (None, "pengawas"):
            headers = {"Cookie": f"aduan={site.tokens[who]}"} if who else {}
            async with site.http.get(site.url + home.fill(path), headers=headers, allow_redirects=False) as answer:
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
                assert answer.headers["X-Content-Type-Options"] == "nosniff", path
                assert "Server" not in answer.headers, path
                assert answer.status < 500, path


async def test_whoever_may_is_let_in(site: Site) -> None:
    home = site.offices[HOME]
    for path in site.routes("GET"):
        needs_ticket = path.endswith(("/lihat", "/asli", "/surat"))
        status, _ = await site.ask("GET", home.fill(path), "pengawas")
        assert status == 404 if needs_ticket else status in (200, 303), path
    token = await site.token("pengawas")
    assert (await site.ask("POST", home.fill("/inbox/{number}/ambil"), "pengawas", {"token": token}))[0] == 303
