"""The inbox in a real Chromium, against a running service whose providers are simulated."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.ports import free_port
from web import texts

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = (360, 768, 1366, 1920)
CITIZEN = "+6281200000555"
CONFIG = """
[server]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
[[office]]
id = "kota-contoh"
name = "Dinas Kependudukan dan Pencatatan Sipil Kota Contoh"
short_name = "Dukcapil Kota Contoh"
[[account]]
name = "obrolan"
channel = "whatsapp"
office = "kota-contoh"
"""
SPEAKS_OF_NOTHING = re.compile(r"^$")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


class Service:
    """A running `aduan run` in training, and a citizen with a phone."""

    def __init__(self, url: str) -> None:
        self.url = url

    def write(self, text: str, number: str = CITIZEN, name: str = "Sari Contoh") -> None:
        self._ask("/simulator/kirim", {"akun": "obrolan", "nomor": number, "nama": name, "pesan": text})

    def look_at_phone(self, number: str = CITIZEN) -> str:
        query = urllib.parse.urlencode({"akun": "obrolan", "nomor": number})
        return self._ask(f"/simulator?{query}")

    def _ask(self, path: str, form: dict[str, str] | None = None) -> str:
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.url + path, body, {"Sec-Fetch-Site": "same-origin"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("service")
    port = free_port()
    (place / "config.toml").write_text(CONFIG.format(port=port))
    with _running(place, f"http://127.0.0.1:{port}") as url:
        yield Service(url)


@contextmanager
def _running(place: Path, url: str) -> Iterator[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (place / "log").open("wb") as log:
        command = [sys.executable, "-m", "app", "--config", "config.toml", "run"]
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    try:
        while not _answers(f"{url}/health/ready"):
            assert process.poll() is None, (place / "log").read_text()
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture
def open_inbox(browser: Browser, service: Service) -> Iterator[Callable[..., Page]]:
    """Open the inbox as somebody of the training; at the end no page may have complained of anything."""
    contexts, complaints = [], []

    def start(who: str = "admin", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{service.url}/inbox/masuk")
        page.locator(f"button[value={who}]").click()
        expect(page.locator("#daftar")).to_be_visible()
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []


def _is_complaint(said: ConsoleMessage) -> bool:
    """Whether a page complained; that the stream cannot be had is what one test is about."""
    return said.type in ("error", "warning") and "/inbox/peristiwa" not in said.location["url"]


def _is_live(page: Page) -> None:
    page.wait_for_selector("html[data-langsung]")


def test_an_admin_sees_a_complaint_come_answers_it_and_sees_it_read(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    page = open_inbox()
    _is_live(page)
    page.mouse.move(1000, 500)
    service.write("Selamat pagi, KTP saya rusak. Bagaimana cara menggantinya?")
    line = page.locator("#daftar a", has_text="KTP saya rusak")
    expect(line).to_be_visible()
    expect(page.locator('[data-antrean="baru"] .hitung')).not_to_have_text("0")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#kerja.ada h1")).to_be_visible()
    expect(page.locator("#linimasa .otomatis .tanda")).to_have_class(re.compile("tanda-(delivered|read)"))
    page.keyboard.press("c")
    expect(page.get_by_text("sekarang Bapak/Ibu tangani")).to_be_visible()
    page.keyboard.press("r")
    page.keyboard.type("Silakan datang ke loket 2 membawa KTP yang rusak.")
    expect(page.locator(".panel-jawab .hitung-huruf")).to_have_text("49 huruf")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pesan-beres")).to_be_visible()
    expect(page.locator("#isi-jawab")).to_have_value("")
    _is_live(page)
    tick = page.locator("#linimasa .pesan:not(.otomatis) .tanda")
    expect(tick).to_have_class(re.compile("tanda-delivered"))
    page.locator("#isi-jawab").fill("yang sedang ditulis")
    assert "Silakan datang ke loket 2" in service.look_at_phone()
    expect(tick).to_have_class(re.compile("tanda-read"))
    expect(page.locator("#isi-jawab")).to_have_value("yang sedang ditulis")
    expect(page.locator("#kepala")).to_contain_text("Menunggu warga")
    page.reload()
    expect(page.locator("#isi-jawab")).to_have_value("yang sedang ditulis")


def test_a_complaint_opened_again_by_its_citizen_can_be_answered_on_the_page_that_closed_it(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    citizen = "+6281200000556"
    page = open_inbox()
    _is_live(page)
    page.mouse.move(1000, 500)
    service.write("Akta anak saya belum selesai.", citizen)
    page.locator("#daftar a", has_text="Akta anak saya belum").click()
    page.locator("#isi-jawab").fill("Akta dapat diambil besok.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#kepala")).to_contain_text("Menunggu warga")
    page.locator("#menu-tutup summary").click()
    page.get_by_role("button", name="Tutup pengaduan").click()
    expect(page.get_by_text("Pengaduan sudah ditutup.")).to_be_visible()
    expect(page.locator("#isi-jawab")).to_have_count(0)
    _is_live(page)
    service.write("Maaf, ternyata belum ada.", citizen)
    expect(page.locator("#isi-jawab")).to_be_visible()
    expect(page.get_by_text("Pengaduan sudah ditutup.")).to_have_count(0)


def test_nothing_moves_under_the_pointer(service: Service, open_inbox: Callable[..., Page]) -> None:
    service.write("pesan yang sudah ada", "+6281200000601", "Joko Contoh")
    page = open_inbox()
    _is_live(page)
    page.locator("#daftar li").first.hover()
    before = page.locator("#daftar li").count()
    service.write("pesan yang baru datang", "+6281200000602", "Tono Contoh")
    news = page.locator("#kabar-baru")
    expect(news).to_have_text("1 baru atau berubah")
    assert page.locator("#daftar li").count() == before
    news.click()
    expect(page.locator("#daftar a", has_text="pesan yang baru datang")).to_be_visible()
    expect(news).to_be_hidden()


def test_the_page_says_that_it_is_not_connected_and_catches_up(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    page = open_inbox()
    _is_live(page)
    # The stream that is open is not cut by going offline: the page is opened where it cannot be had.
    page.route("**/inbox/peristiwa", lambda route: route.fulfill(status=503, body=""))
    page.goto(f"{service.url}/inbox?antrean=baru")
    expect(page.locator("#sambungan")).to_have_text("Tidak tersambung. Mencoba lagi…")
    service.write("ditulis saat terputus", "+6281200000603", "Ani Contoh")
    page.unroute("**/inbox/peristiwa")
    _is_live(page)
    expect(page.locator("#sambungan")).to_have_text(SPEAKS_OF_NOTHING)
    expect(page.locator("#daftar a", has_text="ditulis saat terputus")).to_be_visible()


def test_the_script_tells_remaining_time_in_the_servers_words(open_inbox: Callable[..., Page]) -> None:
    page = open_inbox()
    _is_live(page)
    lengths = [timedelta(minutes=m, seconds=30) for m in (0, 1, 59, 60, 200, 599, 630, 2870)]
    page.evaluate(
        """(seconds) => { for (const s of seconds) {
            const mark = document.createElement("span"); mark.className = "sisa";
            const time = document.createElement("time"); time.dataset.batas = ""; time.dataset.coba = "";
            time.dateTime = new Date(Date.now() + s * 1000).toISOString();
            mark.append(time); document.body.append(mark); } }""",
        [length.total_seconds() for length in lengths] + [-length.total_seconds() for length in lengths],
    )
    page.evaluate("document.dispatchEvent(new CustomEvent('aduan:detak'))")
    said = page.locator("[data-coba]").all_inner_texts()
    assert said == [f"sisa {texts.span(x)}" for x in lengths] + [f"lewat {texts.span(x)}" for x in lengths]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways(service: Service, open_inbox: Callable[..., Page], width: int) -> None:
    service.write("x" * 300 + " https://contoh.id/" + "y" * 200, "+6281200000604", "Wati Contoh")
    page = open_inbox("pengawas", viewport={"width": width, "height": 800})
    number = page.locator("#daftar .nomor").first.inner_text()
    for path in ("/inbox", f"/inbox/{number}", "/inbox/karantina", "/inbox/alarm", "/inbox/libur", "/inbox/petugas"):
        page.goto(service.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{service.url}/inbox/{number}#tulis")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_inbox_lists_claims_and_answers(service: Service, open_inbox: Callable[..., Page]) -> None:
    service.write("apakah bisa tanpa skrip?", "+6281200000605", "Rina Contoh")
    page = open_inbox(java_script_enabled=False)
    page.locator("#daftar a", has_text="apakah bisa tanpa skrip?").click()
    page.locator("#ambil").click()
    expect(page.get_by_text("sekarang Bapak/Ibu tangani")).to_be_visible()
    page.locator("label[for=tab-catatan]").click()
    page.locator("#isi-catatan").fill("hanya untuk kami")
    page.get_by_role("button", name="Simpan catatan").click()
    expect(page.locator(".dari-note")).to_contain_text("hanya untuk kami")
    page.locator("#isi-jawab").fill("Bisa, Bapak/Ibu.")
    page.get_by_role("button", name="Kirim ke warga").click()
    expect(page.locator(".dari-office:not(.otomatis)")).to_contain_text("Bisa, Bapak/Ibu.")
    assert "hanya untuk kami" not in service.look_at_phone("+6281200000605")


def test_on_a_phone_list_complaint_and_composer_are_screens_with_a_way_back(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    service.write("dari layar kecil", "+6281200000606", "Maria Contoh")
    page = open_inbox(viewport={"width": 390, "height": 844})
    page.locator("#daftar a", has_text="dari layar kecil").click()
    expect(page.locator("#kepala .sisa")).to_be_visible()
    expect(page.locator("#daftar")).to_be_hidden()
    page.locator(".ke-tulis a").click()
    expect(page.locator("#isi-jawab")).to_be_visible()
    page.go_back()
    expect(page.locator("#isi-jawab")).to_be_hidden()
    page.locator("a.kembali").click()
    expect(page.locator("#daftar")).to_be_visible()
