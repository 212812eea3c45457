"""The counter in a real Chromium: a pile of slips by the keyboard alone, and pages that fit and can be read."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import test_inbox_browser as inbox
from tests.ports import free_port

pytestmark = pytest.mark.browser

CONFIG = inbox.CONFIG + "".join(
    f'[[account]]\nname = "{name}"\nchannel = "{channel}"\noffice = "kota-contoh"\n'
    for name, channel in (("loket", "walk_in"), ("surat", "letter"), ("kotak-saran", "suggestion_box"))
)
# Every text against the first ground behind it that is not transparent: (words, contrast).
CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const lightness = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if ((colour[3] ?? 1) === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("#kerja *")) {
    const words = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!words || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const both = [parse(getComputedStyle(element).color), ground(element)];
    const [light, dark] = both.map(lightness).sort((a, b) => b - a);
    found.push([words.slice(0, 40), (light + 0.05) / (dark + 0.05)]);
  }
  return found;
}"""

browser = inbox.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("service")
    port = free_port()
    (place / "config.toml").write_text(CONFIG.format(port=port))
    with inbox._running(place, f"http://127.0.0.1:{port}") as running:
        yield running


@pytest.fixture
def open_counter(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Open the form of a way of receiving; at the end no page may have complained of anything."""
    contexts, complaints = [], []

    def notice(said: Any) -> None:
        if said.type in ("error", "warning") and "422" not in said.text:
            complaints.append(said.text)

    def start(account: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", notice)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/inbox/masuk")
        page.locator("button[value=admin]").click()
        page.goto(f"{url}/inbox/catat/{account}")
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_pile_of_slips_is_written_down_by_the_keyboard_alone(open_counter: Callable[..., Page]) -> None:
    page = open_counter("kotak-saran")
    expect(page.locator("#text")).to_be_focused()
    for name, value in (("opened_by", "Dewi Lestari"), ("witness", "Joko Contoh")):
        page.locator(f"#{name}").fill(value)
    page.locator("#received_at").fill(page.locator("#received_at").get_attribute("max"))
    page.locator("#text").focus()
    numbers = []
    for slip in (
        "Kursi tunggu kurang.",
        "Petugas loket 2 ramah, terima kasih.",
        "Mohon ada kotak saran di lantai dua.",
    ):
        page.keyboard.type(slip)
        page.keyboard.press("Control+Enter")
        number = page.locator(".tercatat-nomor").first
        expect(number).to_have_text(re.compile(r"ADU-\d{4}-\d{6}"))
        numbers.append(number.inner_text())
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_be_focused()
        expect(page.locator("#text")).to_have_value("")
        expect(page.locator("#witness")).to_have_value("Joko Contoh")
    assert len(set(numbers)) == 3


def test_only_what_concerns_this_complainant_is_asked(open_counter: Callable[..., Page]) -> None:
    page = open_counter("loket")
    expect(page.locator("#nik")).to_be_visible()
    expect(page.locator("#agency")).to_be_hidden()
    page.get_by_label("Instansi lain").check()
    expect(page.locator("#agency")).to_be_visible()
    expect(page.locator("#nik")).to_be_hidden()
    page.get_by_label("Tanpa nama").check()
    expect(page.locator("#name")).to_be_hidden()
    expect(page.locator("#contact")).to_be_visible()


def test_mistakes_are_told_at_once_and_the_papers_open_when_all_is_right(open_counter: Callable[..., Page]) -> None:
    page = open_counter("loket")
    page.locator("#text").fill("KTP-el saya belum dicetak.")
    page.locator("#contact").fill("08")
    page.keyboard.press("Control+Enter")
    alert = page.get_by_role("alert").filter(has_text="Belum tersimpan")
    expect(alert).to_be_focused()
    expect(alert.get_by_role("listitem")).to_have_count(2)
    alert.get_by_role("link", name="Nama").click()
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("Siti Rahma")
    page.locator("#contact").fill("0812 0000 1234")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Pengaduan tercatat")).to_be_visible()
    for name in ("Cetak tanda terima", "Form aduan terisi"):
        address = page.get_by_role("link", name=name).get_attribute("href")
        answer = page.context.request.get(page.url.partition("/inbox")[0] + str(address))
        assert answer.headers["content-type"] == "application/pdf"
    page.get_by_role("link", name="Lihat pengaduan").click()
    expect(page.locator("#kepala")).to_contain_text("Baru")


def test_an_answer_handed_over_is_recorded_with_its_proof(open_counter: Callable[..., Page]) -> None:
    page = open_counter("surat")
    page.locator("#text").fill("Mohon pembetulan akta.")
    page.get_by_label("Tanpa nama").check()
    page.keyboard.press("Control+Enter")
    page.get_by_role("link", name="Lihat pengaduan").click()
    page.locator("#cara").fill("pos")
    page.locator("#kepada").fill("Ibu Siti")
    page.locator(".panel-disampaikan [name=files]").set_input_files(
        {"name": "resi.txt", "mimeType": "text/plain", "buffer": b"resi pos 0000"}
    )
    page.locator("#isi-disampaikan").fill("Pembetulan selesai.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pesan-beres")).to_contain_text("sudah dicatat")
    answer = page.locator(".dari-office")
    expect(answer).to_contain_text("disampaikan lewat pos kepada Ibu Siti")
    expect(answer).to_contain_text("resi.txt")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (390, 844), (1366, 768)])
def test_the_pages_fit_and_can_be_read(open_counter: Callable[..., Page], size: tuple[int, int], scheme: str) -> None:
    page = open_counter("surat", viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    for act in ("", "Control+Enter"):
        if act:
            page.locator("#contact").fill("08")
            page.keyboard.press(act)
            expect(page.locator(".salah").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]  # the form scrolls, not the screen
        poor = [(words, ratio) for words, ratio in page.evaluate(CONTRASTS) if ratio < 4.5]
        assert not poor
