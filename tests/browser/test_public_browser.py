"""The public pages in a real browser without JavaScript, on a small phone."""

import asyncio
import secrets
import shutil
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from aiohttp import web
from playwright import sync_api

from connectors import registry
from core import model
from router.desk import Desk
from router.offices import Offices
from storage import dialect, schema
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault
from tests.integration.conftest import PUBLIC_URL, MovableClock, make_office
from web import application, health, pages, public

pytestmark = pytest.mark.browser

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1366, "height": 768}
ARGUMENTS = """--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync
    --no-first-run"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS.split())
        yield launched
        launched.close()


class Site:
    """The web application over a store of its own, in a thread of its own: the browser's calls block this one."""

    def __init__(self, place):
        self.place = place
        self.clock = MovableClock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.url = self.run(self.start())

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def start(self):
        database = dialect.open_database(f"sqlite:///{self.place}/aduan.db")
        schema.migrate(database)
        self.store = Store(database, Vault((secrets.token_bytes(32),)), self.clock)
        self.store.start()
        entry = registry.CHANNELS["webform"]
        accounts = {"formulir": model.Account("formulir", "webform", "kota-contoh", entry.capabilities)}
        connectors = {"formulir": entry.create("formulir", entry.settings(), PUBLIC_URL)}
        offices = Offices([make_office("kota-contoh", "ADU")])
        desk = Desk(self.store, FileStore(self.place / "files"), offices, accounts, connectors, self.clock)
        routes = [*public.routes(), *health.routes(), *pages.routes]
        self.runner = web.AppRunner(application.create(desk, application.Settings(PUBLIC_URL), routes))
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return "http://{}:{}".format(*self.runner.addresses[0])

    async def stop(self):
        await self.runner.cleanup()
        await self.store.stop()

    def close(self):
        self.run(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the site; what the browser complains of is collected in `complaints`."""
    contexts = []

    def go(path, viewport=PHONE, **options):
        context = browser.new_context(viewport=viewport, java_script_enabled=False, base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        complaints = []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status == 404 else None)
        page.goto(path)
        return SimpleNamespace(page=page, complaints=complaints)

    yield go
    for context in contexts:
        context.close()


def sideways(page) -> float:
    """Return by how much anything stands out over the right edge (measured from outside: scripts are off)."""
    width = page.viewport_size["width"]
    boxes = [each.bounding_box() for each in page.locator("main *:visible, header *:visible, footer *:visible").all()]
    inside = [box["x"] + box["width"] for box in boxes if box and box["x"] > -1000]
    assert inside
    return max(inside) - width


def fill_in(page, site, text="Saya diminta membayar di loket."):
    page.get_by_label("Ceritakan masalah Bapak/Ibu").fill(text)
    site.clock.move(seconds=30)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_citizen_submits_and_follows_his_complaint(visit, site, viewport):
    visited = visit("/", viewport)
    page = visited.page
    assert sideways(page) <= 0
    page.get_by_role("link", name="Sampaikan pengaduan").click()
    assert sideways(page) <= 0
    page.get_by_label("Tentang apa?").select_option("pungli")
    page.get_by_label("Nama").fill("Siti Rahma")
    page.get_by_label("Nomor HP atau e-mail").fill("0812 0000 1234")
    page.get_by_label("Foto atau berkas").set_input_files(
        [{"name": "bukti.png", "mimeType": "image/png", "buffer": PNG}]
    )
    fill_in(page, site)
    page.get_by_role("button", name="Kirim pengaduan").click()
    number, pin = page.locator(".code").all_inner_texts()
    assert number == "ADU-2026-000001"
    assert pin not in page.url
    assert sideways(page) <= 0
    page.get_by_role("link", name=f"{PUBLIC_URL}/lacak").click()
    page.get_by_label("Nomor pengaduan").fill(number)
    page.get_by_label("PIN").fill(pin)
    page.get_by_role("button", name="Lihat perkembangan").click()
    assert page.get_by_text("Sedang ditangani admin").is_visible()
    assert page.get_by_text("Rabu, 25 November 2026").is_visible()
    assert sideways(page) <= 0
    assert pin not in page.url
    assert visited.complaints == []


def test_loading_the_receipt_again_shows_the_same(visit, site):
    page = visit("/lapor").page
    fill_in(page, site)
    page.get_by_role("button", name="Kirim pengaduan").click()
    shown = page.locator(".code").all_inner_texts()
    page.reload()
    assert page.locator(".code").all_inner_texts() == shown
    page.go_back()
    page.get_by_role("button", name="Kirim pengaduan").click()
    assert page.locator(".code").all_inner_texts() == shown
    page.goto("/lapor")  # somebody else, at the same browser
    fill_in(page, site)
    page.get_by_role("button", name="Kirim pengaduan").click()
    assert page.locator(".code").first.inner_text() == "ADU-2026-000002"


def test_mistakes_take_the_focus_and_keep_what_was_typed(visit, site):
    page = visit("/lapor").page
    fill_in(page, site)
    page.get_by_label("Nomor HP atau e-mail").fill("siti@contoh")
    page.get_by_role("button", name="Kirim pengaduan").click()
    assert page.locator("[role=alert]:focus").is_visible()
    page.get_by_role("link", name="belum benar").click()
    assert page.get_by_label("Nomor HP atau e-mail").input_value() == "siti@contoh"
    assert page.get_by_label("Ceritakan masalah Bapak/Ibu").input_value() == "Saya diminta membayar di loket."
    assert sideways(page) <= 0


def test_a_browser_shows_why_an_upload_was_too_large(visit, site, tmp_path):
    page = visit("/lapor").page
    fill_in(page, site)
    files = [tmp_path / f"{n}.bin" for n in range(5)]
    for file in files:
        file.write_bytes(bytes(7 * 1024**2))
    page.get_by_label("Foto atau berkas").set_input_files(files)
    page.get_by_role("button", name="Kirim pengaduan").click()
    assert page.get_by_role("link", name="25 MB").is_visible()


def test_targets_are_large_enough_for_a_thumb(visit):
    page = visit("/lapor").page
    for control in page.locator("input:visible, select, textarea, button, nav a").all():
        box = control.bounding_box()
        if box["x"] > -1000:
            assert box["height"] >= 44, control
