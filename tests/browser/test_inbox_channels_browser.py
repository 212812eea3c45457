"""Several channels on one complaint, in a real Chromium, against a running service whose providers are simulated."""

import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import test_inbox_browser as inbox
from tests.ports import free_port

pytestmark = pytest.mark.browser

browser, open_inbox = inbox.browser, inbox.open_inbox
NAME = "Siti Rahma"
ACCOUNTS = {
    "obrolan": "whatsapp",
    "pesan": "messenger",
    "komentar": "facebook_comments",
    "gambar": "instagram",
    "surel": "email",
}


class Service(inbox.Service):
    """A running service, and citizens who write to everything it has."""

    def comment(self, text: str, name: str = NAME) -> None:
        self._ask("/simulator/sosial/kirim", {"akun": "komentar", "nama": name, "pesan": text})

    def message(self, account: str, text: str, name: str) -> None:
        self._ask("/simulator/sosial/kirim", {"akun": account, "nama": name, "pesan": text})

    def mail(self, subject: str, text: str, name: str, address: str) -> None:
        form = {"akun": "surel", "alamat": address, "nama": name, "perihal": subject, "isi": text}
        self._ask("/simulator/surel/kirim", form)

    def act(self, account: str, name: str, message: str, what: str) -> None:
        form = {"akun": account, "nama": name, "pesan": message, "tindakan": what}
        self._ask("/simulator/sosial/tindak", form)

    def social(self, account: str, name: str = NAME) -> str:
        return self._ask("/simulator/sosial?" + urllib.parse.urlencode({"akun": account, "nama": name}))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("channels")
    port = free_port()
    base = inbox.CONFIG.format(port=port).partition("[[account]]")[0]
    accounts = "".join(
        f'[[account]]\nname = "{name}"\nchannel = "{channel}"\noffice = "kota-contoh"\n'
        for name, channel in ACCOUNTS.items()
    )
    (place / "config.toml").write_text(base + accounts)
    with inbox._running(place, f"http://127.0.0.1:{port}") as url:
        yield Service(url)


def _opened(page: Page, text: str) -> None:
    """Open the complaint of this text, whenever it comes."""
    page.mouse.move(1000, 500)
    page.locator("#daftar a", has_text=text).first.click()
    expect(page.locator("#kerja.ada h1")).to_be_visible()


def _message(page: Page, text: str) -> Locator:
    return page.locator("#linimasa .pesan", has_text=text)


def test_one_person_on_two_channels_is_linked_and_answered_by_the_way_that_is_chosen(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    nik = "9971014708900001"
    service.write(f"KTP saya belum jadi, NIK {nik}", name=NAME)
    service.comment(f"Min, KTP saya kok lama? NIK {nik}")
    page = open_inbox()
    _opened(page, "Min, KTP saya kok lama")
    page.locator("#usulan").get_by_role("button", name="Tautkan").click()
    expect(page.get_by_text("sudah ditautkan")).to_be_visible()
    expect(page.locator("#usulan")).to_have_count(0)
    service.write("Ini saya lagi.", name=NAME)
    mark = _message(page, "Ini saya lagi.").locator(".kanal")
    expect(mark).to_have_attribute("title", "WhatsApp")
    page.locator("#isi-jawab").fill("Silakan diambil di loket 2.")
    page.locator(".jalur summary").click()
    page.locator(".jalur a", has_text="Komentar").click()
    expect(page.locator(".jalur summary")).to_contain_text("Komentar")
    expect(page.locator("#isi-jawab")).to_have_value("Silakan diambil di loket 2.")
    expect(page.locator(".pembaca")).to_contain_text("Dibaca umum")
    page.get_by_role("button", name="Kirim, dibaca umum").click()
    expect(page.locator(".pesan-beres")).to_be_visible()
    sent = _message(page, "Silakan diambil di loket 2.")
    expect(sent.locator(".tanda")).to_have_class(re.compile("tanda-(accepted|delivered|read)"))
    assert "Silakan diambil di loket 2." in service.social("komentar", "Orang Lain")
    assert "Silakan diambil di loket 2." not in service.look_at_phone()


def test_a_number_typed_for_everybody_is_warned_of_before_it_is_sent(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    service.comment("Kapan loket buka min?", "Joko Contoh")
    page = open_inbox()
    _opened(page, "Kapan loket buka min?")
    expect(page.locator(".pembaca.umum")).to_be_visible()
    warning = page.locator(".bernomor")
    page.locator("#isi-jawab").fill("Loket buka pukul 07.30.")
    expect(warning).to_be_hidden()
    page.locator("#isi-jawab").fill("Hubungi 0812 0000 1234.")
    expect(warning).to_be_visible()
    page.get_by_label("memang untuk umum").check()
    page.get_by_role("button", name="Kirim, dibaca umum").click()
    expect(page.locator(".pesan-beres")).to_be_visible()


def test_one_private_message_says_when_it_is_too_long(service: Service, open_inbox: Callable[..., Page]) -> None:
    service.comment("Komentar yang pertama", "Rina Contoh")
    service.comment("Komentar yang kedua", "Rina Contoh")
    page = open_inbox()
    _opened(page, "Komentar yang kedua")
    expect(page.locator(".pembaca.pribadi")).to_be_visible()
    count = page.locator(".panel-jawab .hitung-huruf")
    page.locator("#isi-jawab").fill("a" * 100)
    expect(count).to_have_text("100 huruf")
    page.locator("#isi-jawab").fill("a" * 2000)
    expect(count).to_contain_text("kelebihan")
    expect(count).to_contain_text("tidak akan terkirim")
    page.locator(".pembaca a").click()
    expect(page.locator(".pembaca.umum")).to_be_visible()
    expect(count).to_have_text("2.000 huruf")


def test_without_scripts_ways_are_chosen_and_numbers_are_hidden_from_the_public(
    service: Service, open_inbox: Callable[..., Page]
) -> None:
    service.comment("NIK saya 9971015203850002, tolong", "Wati Contoh")
    page = open_inbox(java_script_enabled=False)
    _opened(page, "tolong")
    _message(page, "tolong").get_by_role("button", name="Sembunyikan dari umum").click()
    expect(page.get_by_text("Pesan akan disembunyikan dari umum")).to_be_visible()
    hidden = _message(page, "tolong").get_by_text("disembunyikan dari umum")
    for _ in range(50):  # until the worker has sent it
        if hidden.is_visible():
            break
        page.reload()
    expect(hidden).to_be_visible()
    assert "disembunyikan kantor" in service.social("komentar", "Orang Lain")
    page.locator(".jalur summary").click()
    page.locator(".jalur a").first.click()
    expect(page.locator(".panel-jawab")).to_contain_text("belum pernah menulis lewat saluran ini")
    expect(page.locator("#isi-jawab")).to_have_count(0)


def test_a_message_taken_back_is_hidden_on_an_open_page(service: Service, open_inbox: Callable[..., Page]) -> None:
    service.message("gambar", "Salah tulis", "Ani Contoh")
    page = open_inbox()
    _opened(page, "Salah tulis")
    expect(_message(page, "Salah tulis").locator(".isi", has_text="Salah tulis")).to_be_visible()
    written = re.search(r'name="pesan" value="([^"]+)"', service.social("gambar", "Ani Contoh"))
    assert written
    service.act("gambar", "Ani Contoh", written[1], "tarik")
    withdrawn = page.locator("#linimasa .ditarik")
    expect(withdrawn).to_contain_text("Pesan ditarik warga")
    expect(withdrawn.locator(".isi")).to_be_hidden()
    withdrawn.locator("summary").click()
    expect(withdrawn.locator(".isi")).to_have_text("Salah tulis")


def test_a_letter_is_shown_in_a_frame_and_saved_as_a_file(service: Service, open_inbox: Callable[..., Page]) -> None:
    service.mail("KK hilang", "Mohon bantuan, KK saya hilang.", "Tono Contoh", "tono@example.org")
    page = open_inbox()
    _opened(page, "KK saya hilang")
    _message(page, "KK saya hilang").get_by_role("button", name="Pesan asli").click()
    expect(page.locator("h1")).to_have_text("Pesan asli")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Unduh berkas asli").click()
    assert saving.value.suggested_filename.endswith(".eml")


@pytest.mark.parametrize("width", [inbox.WIDTHS[0], inbox.WIDTHS[2]])
def test_no_page_of_channels_scrolls_sideways(service: Service, open_inbox: Callable[..., Page], width: int) -> None:
    service.comment("x" * 200 + " NIK 9971014708900001", "Maria Contoh")
    page = open_inbox("pengawas", viewport={"width": width, "height": 800})
    line: Any = page.locator("#daftar a", has_text="xxx").first
    number = line.locator(".nomor").inner_text()
    for path in ("/inbox/saluran", f"/inbox/{number}", f"/inbox/{number}#rincian", f"/inbox/{number}#tulis"):
        page.goto(service.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
