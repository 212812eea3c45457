"""The chat in a real browser, on a small phone: opened from an office's website, which is another origin."""

import asyncio
import dataclasses
import secrets
import shutil
import threading
import uuid
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from aiohttp import web
from playwright import sync_api

from connectors import registry
from core import ids, model
from router import answers, complaints
from router.delivery import DeliveryWorker
from router.desk import Desk
from router.offices import Offices
from simulator import site as sample
from storage import dialect, people, schema
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault
from tests.integration.conftest import PUBLIC_URL, MovableClock, make_office
from tests.ports import free_port
from web import application, chat, pages, public

pytestmark = pytest.mark.browser

PHONE, DESKTOP = {"width": 360, "height": 640}, {"width": 1366, "height": 768}
ARGUMENTS = """--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync
    --no-first-run"""
TEXT = "KTP-el saya belum jadi sejak dua bulan lalu."
expect = sync_api.expect


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
    """The service with its worker, and the office's website on another port, in a thread of their own.

    The browser's calls block the test's thread. `url` is ours, `host` the website's.
    """

    def __init__(self, place):
        self.place = place
        self.clock = MovableClock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.settings = {"chat_key": secrets.token_bytes(32)}
        self.run(self.open())

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def open(self):
        database = dialect.open_database(f"sqlite:///{self.place}/aduan.db")
        schema.migrate(database)
        self.store = Store(database, Vault((secrets.token_bytes(32),)), self.clock)
        self.store.start()
        self.port = await self.serve_website()
        entry = registry.CHANNELS["webchat"]
        account = model.Account("obrolan", "webchat", "kota-contoh", entry.capabilities)
        connector = entry.create("obrolan", entry.settings(origins=[self.host, self.far_host]), PUBLIC_URL)
        office = dataclasses.replace(make_office("kota-contoh", "ADU"), tracking_url=f"{self.url}/lacak")
        self.desk = Desk(
            self.store, FileStore(self.place / "files"), Offices([office]), {"obrolan": account},
            {"obrolan": connector}, self.clock,
        )  # fmt: skip
        self.admin = await self.store.write(
            people.add, "kota-contoh", "dewi", "Dewi Lestari", model.Role.ADMIN, "none", None, self.clock.now()
        )
        self.worker = DeliveryWorker(self.desk, poll_seconds=0.05)
        self.working = asyncio.create_task(self.worker.run())
        await self.serve()

    async def serve_website(self):
        """Serve the office's website; return the port at which we shall be."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        page = sample.subapp(office="Dukcapil Kota Contoh", account="obrolan", service=self.url, prefix="")
        self.website = web.AppRunner(page)
        await self.website.setup()
        for _ in range(2):
            await web.TCPSite(self.website, "127.0.0.1", 0).start()
        ports = [address[1] for address in self.website.addresses]
        # Another origin of the same site: browsers keep storage for it. By another name it is another site.
        self.host, self.stranger = (f"http://127.0.0.1:{each}" for each in ports)
        self.far_host = f"http://localhost:{ports[0]}"
        return port

    async def serve(self):
        settings = application.Settings(self.url, **self.settings)
        app = application.create(self.desk, settings, [*chat.routes(), *public.routes(), *pages.routes])
        self.seen = []
        app.on_response_prepare.append(self.notice)
        self.runner = web.AppRunner(app, shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def notice(self, request, response):
        self.seen.append((request.method, request.path_qs, response.status))

    def restart(self):
        self.run(self.runner.cleanup())
        return lambda: self.run(self.serve())

    def answer(self, text, files=()):
        async def act():
            page = await complaints.page(self.desk, self.admin, complaints.View.ALL)
            complaint = page.items[0].complaint
            await answers.answer(self.desk, self.admin, complaint.id, answers.Reply(text, files), str(uuid.uuid4()))

        self.run(act())

    def numbers(self):
        async def act():
            page = await complaints.page(self.desk, self.admin, complaints.View.ALL)
            return [str(item.complaint.number) for item in page.items]

        return self.run(act())

    async def stop(self):
        await self.runner.cleanup()
        await self.website.cleanup()
        self.worker.stop()
        await self.working
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
    """Open a page; what the browser complains of is collected in `complaints`, where it asks in `asked`."""
    contexts = []

    def go(address=None, viewport=PHONE, context=None, before="", **options):
        if context is None:
            context = browser.new_context(viewport=viewport, **options)
            contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        complaints, asked = [], set()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
        page.goto(address or site.host)
        return SimpleNamespace(page=page, context=context, complaints=complaints, asked=asked)

    yield go
    for context in contexts:
        context.close()


class Chat:
    """The chat as a citizen uses it; `place` is the frame, or the page itself."""

    def __init__(self, site, place):
        self.site = site
        self.place = place
        self.text = place.get_by_label("Pesan Bapak/Ibu")

    def write(self, text=TEXT):
        self.text.fill(text)
        self.site.clock.move(seconds=30)
        self.send()

    def send(self):
        self.place.get_by_role("button", name="Kirim").click()

    def sees(self, text):
        expect(self.place.get_by_role("log").get_by_text(text).first).to_be_visible(timeout=15_000)

    def messages(self):
        return self.place.locator("[role=log] article .isi").all_inner_texts()


def launcher(page):
    return page.locator("#aduan-obrolan > button, #aduan-obrolan button").first


def opened(site, page):
    launcher(page).click()
    chat_ = Chat(site, page.frame_locator("#aduan-obrolan iframe"))
    expect(chat_.text).to_be_focused()
    return chat_


def frame_of(page):
    return next(frame for frame in page.frames if "/obrolan/" in frame.url)


def test_a_citizen_writes_from_the_offices_site_and_the_answer_comes_live(visit, site):
    visited = visit()
    chat_ = opened(site, visited.page)
    chat_.write()
    chat_.sees("dicatat dengan nomor ADU-2026-000001")
    chat_.sees("dengan PIN")
    site.answer("Silakan diambil di loket 2.")
    chat_.sees("loket 2")
    visited.page.reload()
    again = opened(site, visited.page)
    again.sees("loket 2")
    assert again.messages()[0] == TEXT
    again.write("Terima kasih.")
    expect(again.place.locator(".antre")).to_have_count(0)
    assert again.messages().count("Terima kasih.") == 1
    assert site.numbers() == ["ADU-2026-000001"]
    assert visited.asked == {site.host, site.url}
    assert visited.complaints == []


def test_the_page_around_the_chat_reads_nothing_of_it_and_no_address_holds_the_session(visit, site):
    visited = visit()
    chat_ = opened(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    read = "() => { try { return document.querySelector('#aduan-obrolan').shadowRoot.querySelector('iframe')"
    assert visited.page.evaluate(read + ".contentWindow.document.body.innerText; } catch (e) { return e.name; } }") == (
        "SecurityError"
    )
    token = frame_of(visited.page).evaluate("localStorage.getItem('/obrolan/obrolan/token')")
    assert token.count(".") == 2
    assert visited.page.evaluate("Object.keys(localStorage).length") == 0
    assert site.seen
    assert not any(token[:8] in path for _, path, _ in site.seen)
    assert visited.context.cookies() == []


def test_another_site_cannot_show_the_chat(visit, site):
    visited = visit(site.stranger)
    launcher(visited.page).click()
    expect(visited.page.frame_locator("#aduan-obrolan iframe").get_by_label("Pesan Bapak/Ibu")).to_have_count(0)
    assert any("frame-ancestors" in said for said in visited.complaints)


def test_the_launcher_says_what_it_does_and_gives_the_focus_back(visit, site):
    page = visit().page
    button = launcher(page)
    expect(button).to_have_accessible_name("Obrolan pengaduan")
    expect(button).to_have_attribute("aria-expanded", "false")
    assert button.bounding_box()["height"] >= 44
    assert page.locator("iframe").count() == 0, "nothing is loaded before it is wanted"
    page.keyboard.press("Tab")
    while not page.evaluate("document.activeElement.id === 'aduan-obrolan'"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    chat_ = Chat(site, page.frame_locator("#aduan-obrolan iframe"))
    expect(chat_.text).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.evaluate("window.postMessage({ aduan: 'tutup' }, '*')")  # not from the frame
    page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(chat_.text).to_be_focused()
    chat_.place.get_by_role("button", name="Tutup obrolan").click()
    expect(button).to_be_focused()


def test_only_the_frame_itself_closes_the_panel(visit, site):
    page = visit().page
    opened(site, page)
    page.evaluate("""() => new Promise((done) => {
        window.addEventListener('message', () => setTimeout(done, 0));
        window.postMessage({ aduan: 'tutup' }, '*');
    })""")
    expect(launcher(page)).to_have_attribute("aria-expanded", "true")


def test_a_complaint_is_made_and_a_conversation_led_with_the_keyboard_alone(visit, site):
    page = visit().page
    chat_ = opened(site, page)
    site.clock.move(seconds=30)
    page.keyboard.type("Ada pungli di loket.")
    for field in ("Nomor HP atau e-mail", "Nama"):
        page.keyboard.press("Tab")
        expect(chat_.place.get_by_label(field)).to_be_focused()
    page.keyboard.type("Siti Rahma")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(chat_.place.locator("#files")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    chat_.sees("Siti Rahma")
    expect(chat_.text).to_be_focused()
    page.keyboard.type("Mohon cepat.")
    page.keyboard.press("Control+Enter")
    expect(chat_.place.locator(".antre")).to_have_count(0)
    assert "Mohon cepat." in chat_.messages()
    assert chat_.messages()[0] == "Ada pungli di loket."


def test_what_is_shown_is_read_and_what_is_not_looked_at_only_delivered(visit, site):
    page = visit().page
    chat_ = opened(site, page)
    chat_.write()
    chat_.sees("PIN")
    page.keyboard.press("Escape")
    site.answer("Silakan diambil.")
    expect(launcher(page)).to_have_accessible_name("Obrolan pengaduan, ada jawaban baru")

    becomes(site, page, "delivered")
    launcher(page).click()
    expect(launcher(page)).to_have_accessible_name("Obrolan pengaduan")
    chat_.place.get_by_role("button", name="Pesan baru").click()
    becomes(site, page, "read")


def test_nothing_is_read_in_a_tab_that_is_not_looked_at(visit, site):
    page = visit(f"{site.url}/obrolan").page
    chat_ = Chat(site, page)
    chat_.write("Halo")
    chat_.sees("PIN")
    look_away = """(away) => {
        Object.defineProperty(document, 'hidden', { get: () => away, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(look_away, True)
    site.answer("Silakan.")
    while page.locator("article.official").count() == 0:
        page.evaluate("window.dispatchEvent(new Event('online'))")  # asks at once
        page.wait_for_timeout(100)
    page.locator("article.official").scroll_into_view_if_needed()
    becomes(site, page, "delivered")
    page.evaluate(look_away, False)
    becomes(site, page, "read")


def becomes(site, page, wanted):
    """Wait until the latest message of the first complaint is in this state of delivery."""

    async def state():
        timeline = (await complaints.details(site.desk, site.admin, ids.Number("ADU", 2026, 1))).timeline
        return timeline[-1].delivery

    for _ in range(200):
        if site.run(state()) == wanted:
            return
        page.wait_for_timeout(50)
    raise AssertionError(site.run(state()))


def test_two_tabs_show_one_conversation(visit, site):
    first = visit(f"{site.url}/obrolan")
    second = visit(f"{site.url}/obrolan", context=first.context)
    here, there = Chat(site, first.page), Chat(site, second.page)
    here.write("Dari sini")
    there.sees("Dari sini")
    there.sees("PIN")
    there.write("Dari sana")
    here.sees("Dari sana")
    assert site.numbers() == ["ADU-2026-000001"]


def test_a_restart_of_the_server_is_bridged_and_what_was_written_meanwhile_goes_out(visit, site):
    visited = visit(f"{site.url}/obrolan")
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    start = site.restart()
    chat_.write("Ditulis saat terputus")
    expect(visited.page.get_by_role("status")).to_have_text("menyambung kembali…", timeout=15_000)
    chat_.sees("menunggu jaringan")
    start()
    expect(chat_.place.locator(".antre")).to_have_count(0, timeout=20_000)
    expect(visited.page.locator("#kabar")).to_be_empty(timeout=15_000)
    site.answer("Sudah tersambung lagi.")
    chat_.sees("Sudah tersambung lagi.")
    assert chat_.messages().count("Ditulis saat terputus") == 1


def test_what_could_not_be_sent_survives_a_reload(visit, site):
    visited = visit(f"{site.url}/obrolan")
    chat_ = Chat(site, visited.page)
    visited.page.route("**/pesan*", lambda route: route.abort())
    chat_.write("Jangan hilang")
    chat_.sees("Jangan hilang")
    visited.page.unroute("**/pesan*")
    visited.page.reload()
    chat_.sees("PIN")
    assert chat_.messages().count("Jangan hilang") == 1
    assert site.numbers() == ["ADU-2026-000001"]


def test_a_lost_answer_and_a_double_tap_make_one_message(visit, site):
    visited = visit(f"{site.url}/obrolan")
    page = visited.page
    chat_ = Chat(site, page)
    lost = []

    def lose(route):
        """Let the message arrive, and lose what is said of it."""
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/pesan*", lose)
    chat_.text.fill(TEXT)
    site.clock.move(seconds=30)
    page.get_by_role("button", name="Kirim").dblclick()
    expect(page.locator(".antre")).to_have_count(0, timeout=15_000)
    assert lost == [200]
    assert chat_.messages().count(TEXT) == 1
    chat_.sees("PIN")


def test_a_message_whose_answer_was_lost_is_known_again_when_the_stream_brings_it(visit, site):
    visited = visit(f"{site.url}/obrolan")
    page = visited.page
    chat_ = Chat(site, page)
    chat_.write()
    chat_.sees("PIN")
    lost = []

    def lose(route):
        if not lost:
            lost.append(route.fetch().status)
        route.abort()

    page.route("**/pesan*", lose)
    chat_.write("Sampai, tetapi tanpa balasan")
    expect(page.locator(".antre")).to_have_count(0, timeout=10_000)
    assert chat_.messages().count("Sampai, tetapi tanpa balasan") == 1


def test_where_a_proxy_holds_the_stream_back_the_page_asks_from_time_to_time(visit, site):
    visited = visit(f"{site.url}/obrolan")
    never = []

    def hold_back(route):
        never.append(route)

    visited.page.route("**/aliran", hold_back)
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    site.answer("Jawaban tanpa aliran.")
    expect(chat_.place.get_by_text("Jawaban tanpa aliran.")).to_be_visible(timeout=20_000)
    assert never


def test_a_browser_that_keeps_nothing_for_frames_of_other_sites_still_holds_the_conversation(visit, site):
    visited = visit(site.far_host)
    chat_ = opened(site, visited.page)
    with pytest.raises(sync_api.Error, match="SecurityError"):
        frame_of(visited.page).evaluate("localStorage.length")
    chat_.write()
    chat_.sees("PIN")
    visited.page.keyboard.press("Escape")
    launcher(visited.page).click()
    chat_.sees("PIN")
    assert visited.complaints == []


def test_an_old_phone_without_streams_is_served_by_asking(visit, site):
    visited = visit(f"{site.url}/obrolan", before="delete window.AbortController; delete window.ReadableStream;")
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    assert not any(path.endswith("/aliran") for _, path, _ in site.seen)


def test_a_session_that_is_over_begins_anew_and_loses_no_word(visit, site):
    visited = visit(f"{site.url}/obrolan")
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    site.clock.move(days=200)
    chat_.write("Sesudah lama")
    expect(visited.page.get_by_text("tidak dapat dibuka lagi")).to_be_visible(timeout=15_000)
    chat_.sees("Sesudah lama")
    site.clock.move(seconds=30)
    expect(visited.page.locator(".antre")).to_have_count(0, timeout=15_000)
    assert len(site.numbers()) == 2


def test_the_conversation_can_be_removed_from_a_shared_device(visit, site):
    visited = visit(f"{site.url}/obrolan")
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    visited.page.get_by_text("Tentang obrolan ini").click()
    visited.page.get_by_role("button", name="Hapus percakapan").click()
    visited.page.get_by_role("button", name="Tekan sekali lagi").click()
    expect(visited.page.get_by_label("Nomor HP atau e-mail")).to_be_visible()
    assert visited.page.evaluate("Object.keys(localStorage)") == []


def test_an_address_can_be_left_later_and_a_mistake_is_said(visit, site):
    visited = visit(f"{site.url}/obrolan")
    chat_ = Chat(site, visited.page)
    chat_.write()
    chat_.sees("PIN")
    page = visited.page
    page.get_by_text("Tinggalkan nomor HP atau e-mail").click()
    field = page.locator("#alamat")
    field.fill("siti@contoh")
    page.get_by_role("button", name="Simpan").click()
    expect(page.get_by_text("belum benar")).to_be_visible()
    expect(field).to_be_focused()
    field.fill("siti@contoh.id")
    page.get_by_role("button", name="Simpan").click()
    expect(page.get_by_role("status")).to_contain_text("Terima kasih")
    expect(field).to_be_hidden()


def test_mistakes_give_the_words_back(visit, site):
    visited = visit(f"{site.url}/obrolan")
    page = visited.page
    chat_ = Chat(site, page)
    chat_.send()
    expect(page.get_by_text("Tuliskan dahulu pesan")).to_be_visible()
    page.get_by_label("Nomor HP atau e-mail").fill("siti@contoh")
    chat_.write("Kata-kata saya")
    expect(page.get_by_text("belum benar")).to_be_visible()
    expect(page.get_by_label("Nomor HP atau e-mail")).to_be_focused()
    expect(chat_.text).to_have_value("Kata-kata saya")
    page.get_by_label("Nomor HP atau e-mail").fill("siti@contoh.id")
    chat_.send()
    chat_.sees("PIN")
    assert chat_.messages().count("Kata-kata saya") == 1


def test_files_go_both_ways(visit, site):
    visited = visit()
    page = visited.page
    chat_ = opened(site, page)
    chat_.place.locator("#files").set_input_files(
        [{"name": "bukti.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(64)}]
    )
    expect(chat_.place.get_by_text("bukti.png")).to_be_visible()
    chat_.write()
    chat_.sees("PIN")
    expect(chat_.place.locator("article .berkas")).to_contain_text("bukti.png")
    site.answer("Terlampir.", [site.desk.files.put(b"%PDF-1.4\n", "Surat.pdf")])
    with page.expect_download() as saving:
        chat_.place.get_by_role("button", name="Surat.pdf").click()
    assert saving.value.suggested_filename == "Surat.pdf"
    chat_.sees("Terlampir.")


# --- How it looks -----------------------------------------------------------------------------------------------------

SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNNAMED = """() => Array.from(document.querySelectorAll('button, input, select, textarea, a, summary'))
    .filter((each) => each.type !== 'hidden' && !each.closest('[aria-hidden=true]') && each.getClientRects().length)
    .filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim()
        || Array.from(each.labels || []).some((label) => label.textContent.trim())))
    .map((each) => each.outerHTML)"""
SMALL = """() => Array.from(document.querySelectorAll('button, input, select, textarea, summary, .lampir'))
    .filter((each) => each.type !== 'hidden' && !each.closest('[aria-hidden=true]') && each.getClientRects().length)
    .map((each) => [each.id || each.className || each.textContent, each.getBoundingClientRect().height])
    .filter(([, height]) => height < 43.5)"""
FAINT = """() => {
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.length < 4 || color[3] > 0) return color;
        }
        return [255, 255, 255];
    };
    return Array.from(document.querySelectorAll('body *'))
        .filter((each) => each.getClientRects().length && !each.closest('[aria-hidden=true]')
            && Array.from(each.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim()))
        .map((each) => {
            const [a, b] = [light(parse(getComputedStyle(each).color)), light(ground(each))].sort((x, y) => y - x);
            return [each.outerHTML.slice(0, 80), (a + 0.05) / (b + 0.05)];
        })
        .filter(([, contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 480}, DESKTOP], ids=["phone", "small", "desktop"])
def test_everything_is_named_large_clear_and_within_the_screen(visit, site, viewport, scheme):
    visited = visit(viewport=viewport, color_scheme=scheme)
    chat_ = opened(site, visited.page)
    frame = frame_of(visited.page)

    def check():
        assert frame.evaluate(SIDEWAYS) <= 0
        assert visited.page.evaluate(SIDEWAYS) <= 0
        assert frame.evaluate(UNNAMED) == []
        assert frame.evaluate(SMALL) == []
        assert frame.evaluate(FAINT) == []

    check()
    chat_.write("a" * 400)
    chat_.sees("PIN")
    site.answer("Silakan baca https://kota-contoh.example/" + "panjang" * 30)
    expect(chat_.place.locator("article.official")).to_have_count(1)
    chat_.place.get_by_text("Tinggalkan nomor").click()
    chat_.place.get_by_text("Tentang obrolan ini").click()
    check()
    frame.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    assert frame.evaluate(SIDEWAYS) <= 0


def test_the_sample_site_is_not_moved_by_the_widget(visit, site):
    page = visit().page
    before = page.evaluate("document.body.getBoundingClientRect().height")
    opened(site, page)
    assert page.evaluate("document.body.getBoundingClientRect().height") - before <= 0.5
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('#aduan-obrolan').shadowRoot.querySelector('button')).textTransform"
        )
        == "none"
    )


def test_without_javascript_the_page_is_a_form(visit, site):
    visited = visit(f"{site.url}/obrolan", java_script_enabled=False)
    page = visited.page
    page.get_by_label("Pesan Bapak/Ibu").fill(TEXT)
    site.clock.move(seconds=30)
    page.get_by_role("button", name="Kirim").click()
    expect(page.get_by_role("log")).to_contain_text("PIN")
    site.answer("Sudah jadi.")
    page.get_by_role("button", name="Lihat jawaban terbaru").click()
    expect(page.get_by_role("log")).to_contain_text("Sudah jadi.")
    boxes = [each.bounding_box() for each in page.locator("body *:visible").all()]
    assert max(box["x"] + box["width"] for box in boxes if box and box["x"] > -1000) <= PHONE["width"]
    assert visited.complaints == []
