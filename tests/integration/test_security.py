"""What an attacker tries: at the door, at the webhooks, with what he sends, and by how he reaches us."""

import asyncio
import gzip
import io
import ipaddress
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import argon2
import pyotp
import pytest
from aiohttp import web

from app import log
from core import errors, model
from router import intake, people, quarantine
from router.desk import Desk
from storage import people as stored_people
from web import application, auth, form, health, hooks, inbox, public

PASSWORD = "kata sandi latihan"
PASSWORD_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ROOT = Path(__file__).parents[2]
ROLES = {"admin": model.Role.ADMIN, "pengawas": model.Role.SUPERVISOR, "auditor": model.Role.AUDITOR}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Site:
    desk: Desk
    url: str
    http: aiohttp.ClientSession
    tokens: dict[str, str]

    async def ask(self, method: str, path: str, who: str | None = None, **given: Any) -> tuple[int, str]:
        headers = given.pop("headers", {}) | ({"Cookie": f"aduan={self.tokens[who]}"} if who else {})
        async with self.http.request(
            method, self.url + path, headers=headers, allow_redirects=False, **given
        ) as answer:
            return answer.status, (await answer.read()).decode(errors="replace")

    async def post(self, path: str, who: str, **fields: str) -> int:
        _, page = await self.ask("GET", "/inbox", who)
        token = page.partition('name="token" value="')[2].partition('"')[0]
        return (await self.ask("POST", path, who, data={"token": token, **fields}))[0]


@pytest.fixture
async def open_site(desk: Desk, serve: Any) -> AsyncIterator[Callable[..., Any]]:
    for username, role in ROLES.items():
        now = desk.clock.now()
        await desk.store.write(stored_people.add, "kota-contoh", username, username, role, PASSWORD_HASH, None, now)
    tokens = {username: await people.enter(desk, "kota-contoh", username) for username in ROLES}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def start(**settings: Any) -> Site:
            routes = [*hooks.routes(), *public.routes(), *inbox.routes, *health.routes()]
            runner = await serve(desk, routes, **{"public_url": "http://127.0.0.1", **settings})
            return Site(desk, "http://{}:{}".format(*runner.addresses[0]), http, tokens)

        yield start


# --- Signing in -------------------------------------------------------------------------------------------------------


async def test_many_guesses_at_once_are_as_many_as_one_after_another(open_site: Any) -> None:
    site = await open_site()
    wrong = {"nama": "admin", "sandi": "tebakan"}
    tries = [site.ask("POST", "/inbox/masuk", data=wrong) for _ in range(2 * auth.Attempts.LIMIT)]
    statuses = Counter(status for status, _ in await asyncio.gather(*tries))
    assert statuses == {403: auth.Attempts.LIMIT, 429: auth.Attempts.LIMIT}


async def test_whoever_signs_in_rightly_is_not_counted(open_site: Any) -> None:
    site = await open_site()
    right = {"nama": "admin", "sandi": PASSWORD}
    for _ in range(auth.Attempts.LIMIT + 1):
        assert (await site.ask("POST", "/inbox/masuk", data=right))[0] == 303


def test_all_addresses_of_one_ipv6_network_are_one(clock: Any) -> None:
    attempts = auth.Attempts()
    for n in range(attempts.LIMIT):
        attempts.failed(f"2001:db8:0:1::{n:x}", clock.now())
    assert attempts.are_too_many("2001:db8:0:1:ffff::1", clock.now())
    assert not attempts.are_too_many("2001:db8:0:2::1", clock.now())


async def test_a_new_password_leaves_the_second_proof(desk: Desk) -> None:
    secret = people.new_totp_secret()
    await people.add(desk, "kota-contoh", "siti", "Siti Rahma", model.Role.ADMIN, PASSWORD, secret)
    await people.set_password(desk, "kota-contoh", "siti", "sandi baru yang lain", None)
    with pytest.raises(errors.NotAllowed):
        await people.sign_in(desk, "kota-contoh", "siti", "sandi baru yang lain")
    code = pyotp.TOTP(secret).at(desk.clock.now())
    assert await people.sign_in(desk, "kota-contoh", "siti", "sandi baru yang lain", code)


@pytest.mark.parametrize(
    "headers", [{"Host": "jahat.contoh.id"}, {"Host": "["}, {"X-Forwarded-For": "203.0.113.9"}, {"Via": "1.1 proxy"}]
)
async def test_nobody_trains_by_way_of_a_proxy_or_a_foreign_name(open_site: Any, headers: dict[str, str]) -> None:
    site = await open_site(training=True, training_people=["admin"])
    assert "latihan" in (await site.ask("GET", "/inbox/masuk"))[1]
    assert (await site.ask("POST", "/inbox/masuk/latihan", data={"nama": "admin"}))[0] == 303
    assert (await site.ask("POST", "/inbox/masuk/latihan", data={"nama": "admin"}, headers=headers))[0] == 404


async def test_beside_real_accounts_the_simulator_is_for_people_who_work(desk: Desk, open_site: Any) -> None:
    tokens = (await open_site()).tokens

    async def phone(_: web.Request) -> web.Response:
        return web.Response(text="telepon")

    simulator = web.Application()
    simulator.router.add_get("/", phone)
    app = application.create(desk, application.Settings(public_url="http://127.0.0.1"), [])
    app.add_subapp("/simulator", simulator)
    app.middlewares.append(auth.workers_only(simulator))
    runner = application.runner(app, 1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        site = Site(desk, "http://{}:{}".format(*runner.addresses[0]), http, tokens)
        for path in ("/simulator/", "/%73imulator/"):
            statuses = [(await site.ask("GET", path, who))[0] for who in (None, "auditor", "admin")]
            assert statuses == [303, 403, 200]
    await runner.cleanup()


# --- Webhooks ---------------------------------------------------------------------------------------------------------


async def quarantined(desk: Desk) -> int:
    return len(await quarantine.waiting(desk, "kota-contoh"))


async def test_what_no_provider_would_send_is_not_even_kept(open_site: Any) -> None:
    site = await open_site()
    for body, headers in ((b"Body=" + b"a" * 70_000, {}), (b"Body=a", {f"X-{n}": "a" * 8000 for n in range(9)})):
        assert (await site.ask("POST", "/hooks/wa", data=body, headers=FORM | headers))[0] == 403
    assert await quarantined(site.desk) == 0
    assert (await site.ask("POST", "/hooks/wa", data=b"Body=" + b"a" * 50_000, headers=FORM))[0] == 403
    assert await quarantined(site.desk) == 1


async def test_forgers_cannot_fill_the_quarantine(open_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_MOST_UNPROVEN", 3)
    site = await open_site()
    for n in range(5):
        assert (await site.ask("POST", "/hooks/wa", data={"Body": str(n)}))[0] == 403
    assert await quarantined(site.desk) == 3
    _, page = await site.ask("GET", "/inbox/alarm", "admin")
    assert "Kiriman masuk karantina" in page


# --- What is sent -----------------------------------------------------------------------------------------------------


async def test_a_packed_body_is_not_unpacked(desk: Desk) -> None:
    seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append(await request.read())
        return web.Response()

    settings = application.Settings(public_url="http://127.0.0.1")
    runner = application.runner(application.create(desk, settings, [web.post("/isi", take)]), 1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    packed = gzip.compress(bytes(1 << 20))
    url = "http://{}:{}/isi".format(*runner.addresses[0])
    async with aiohttp.ClientSession() as http:
        await http.post(url, data=io.BytesIO(packed), headers={"Content-Encoding": "gzip"})
    await runner.cleanup()
    assert seen == [packed]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"nama=admin"),
        ("application/x-www-form-urlencoded; charset=tidak-ada", b"nama=admin"),
        ("application/x-www-form-urlencoded", b"a&" * 1000),
        ("application/x-www-form-urlencoded", b"nama=%ff%00&sandi=\xff&kantor=%ed%a0%80"),
    ],
)
async def test_a_form_of_no_page_of_ours_is_refused(open_site: Any, content_type: str, body: bytes) -> None:
    site = await open_site()
    status, _ = await site.ask("POST", "/inbox/masuk", data=body, headers={"Content-Type": content_type})
    assert status in (400, 403)


async def test_the_fields_of_the_public_form_are_limited_together(open_site: Any) -> None:
    site = await open_site()
    fields = aiohttp.FormData()
    for n in range(8):
        fields.add_field(f"f{n}", "a" * (form._MAX_FIELDS_BYTES // 4), content_type="text/plain")
    status, page = await site.ask("POST", "/lapor/formulir", data=fields)
    assert status == 400
    assert "a" * 1000 not in page


@pytest.mark.parametrize("path", ["%00", "a" * 300, "x//inbox.css", "..%2fauth.py", "%2e%2e%2fpages.py", "vendor"])
async def test_only_the_files_there_are_can_be_had(open_site: Any, path: str) -> None:
    site = await open_site()
    assert (await site.ask("GET", "/static/inbox.css"))[0] == 200
    assert (await site.ask("GET", f"/static/{path}"))[0] == 404


async def test_numbers_and_days_beyond_all_bounds_are_no_failure_of_ours(open_site: Any) -> None:
    site = await open_site()
    huge = "9" * 19
    assert (await site.ask("GET", f"/inbox/berkas/{huge}", "admin"))[0] == 404
    assert await site.post(f"/inbox/karantina/{huge}/asli", "admin") == 404
    assert await site.post(f"/inbox/karantina/{huge}/kesampingkan", "admin", alasan="iseng") == 404
    assert await site.post(f"/inbox/petugas/{huge}/absen", "pengawas") == 404
    me = next(p for p in await people.colleagues(site.desk, (await _admin(site))) if p.username == "pengawas")
    for days in ({"mulai": "2026-12-01", "selesai": "9999-12-31"}, {"mulai": "0001-01-01"}):
        assert await site.post(f"/inbox/petugas/{me.id}/absen", "pengawas", **days) == 409
    holiday = {"tanggal": "9999-12-31", "jenis": "daerah", "nama": "Akhir zaman"}
    assert await site.post("/inbox/libur", "pengawas", **holiday) == 409


async def _admin(site: Site) -> model.Person:
    person = await people.session(site.desk, site.tokens["admin"])
    assert person is not None
    return person


# --- How we are reached -----------------------------------------------------------------------------------------------


async def test_the_measures_are_not_for_whoever_comes_by_an_unknown_proxy(open_site: Any) -> None:
    site = await open_site()
    assert (await site.ask("GET", "/metrics"))[0] == 200
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        assert (await site.ask("GET", "/metrics", headers={header: "127.0.0.1"}))[0] == 404


async def test_behind_a_trusted_proxy_the_measures_are_for_whom_it_names(open_site: Any) -> None:
    site = await open_site(
        trusted_proxies=[ipaddress.ip_network("127.0.0.0/8")], metrics_from=[ipaddress.ip_network("10.0.0.0/8")]
    )
    assert (await site.ask("GET", "/metrics", headers={"X-Forwarded-For": "10.1.2.3"}))[0] == 200
    assert (await site.ask("GET", "/metrics", headers={"X-Forwarded-For": "10.1.2.3, 203.0.113.9"}))[0] == 404


async def test_what_is_no_request_leaves_nothing_of_its_sender_in_the_log(open_site: Any) -> None:
    written = io.StringIO()
    before = logging.getLogger().handlers[:]
    log.configure(written)
    try:
        site = await open_site()
        host, port = site.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nKeluhan saya : rahasia\r\n\r\n")
        assert (await reader.readline()).endswith(b"400 Bad Request\r\n")
        writer.close()
        logging.getLogger("aiohttp.server").error("Error handling request from %s", "203.0.113.9")
    finally:
        logging.getLogger().handlers[:] = before
    assert "request not handled" in written.getvalue()
    assert "rahasia" not in written.getvalue()
    assert "203.0.113.9" not in written.getvalue()


# --- On the machine ---------------------------------------------------------------------------------------------------


def test_a_changed_file_is_not_given_out(desk: Desk) -> None:
    kept = desk.files.put(b"isi yang dikirim", "surat.txt")
    assert desk.files.get(kept.sha256) == b"isi yang dikirim"
    path = next(path for path in desk.files._root.rglob(kept.sha256))
    path.write_bytes(b"isi yang ditukar")
    with pytest.raises(errors.NotFound):
        desk.files.get(kept.sha256)


def test_nothing_we_write_is_for_others_on_the_machine(tmp_path: Path) -> None:
    def aduan(*words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "app", *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=f"{PASSWORD}\n", text=True, check=True, capture_output=True, umask=0o022,
        )  # fmt: skip

    aduan("migrate")
    aduan("admin", "add", "siti", "--name", "Siti Rahma", "--password-stdin")
    aduan("backup", "cadangan.tar")
    written = [*tmp_path.rglob("*")]
    assert {"aduan.db", "aduan.key", "files", "cadangan.tar"} <= {path.name for path in written}
    assert [str(path) for path in written if path.stat().st_mode & 0o077] == []
