"""Downloads over real sockets: where a stranger's address may lead, what a server may say, and how long it may take."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from connectors import download
from core import errors

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


class StoppedClock:
    def now(self):
        return NOW


@pytest.fixture
async def open_download():
    made = []

    def make(base_url="https://api.kota-contoh.example", hosts=(), timeout_seconds=5, **more):
        made.append(download.Download(base_url, hosts, timeout_seconds, now=StoppedClock(), **more))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def content(source, address, max_bytes=1_000):
    return b"".join([chunk async for chunk in source.stream(address, max_bytes)])


async def test_a_file_comes_in_pieces_while_it_is_still_being_sent(open_download, provider):
    async def halves(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"satu")
        await provider.released.wait()
        await response.write(b"dua")
        return response

    provider.answers.append(halves)
    chunks = open_download(provider.url).stream(provider.url + "/x", 100)
    assert await anext(chunks) == b"satu"
    provider.released.set()
    assert b"".join([chunk async for chunk in chunks]) == b"dua"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://cdn.contoh.example/x", ("*.contoh.example",)),
        ("https://CDN.Contoh.example/x", ("*.contoh.example",)),
        ("https://cdn.contoh.example/x", ("CDN.contoh.example",)),
    ],
)
async def test_an_allowed_host_is_asked_however_it_is_written(open_download, address, allowed):
    with pytest.raises(errors.MediaNotReady, match="cannot be found"):  # no such name: it was looked up
        await content(open_download(hosts=allowed), address)


@pytest.mark.parametrize(
    "address",
    [
        "https://contoh.example/x",  # not below itself
        "https://jahatcontoh.example/x",
        "https://cdn.contoh.example.jahat.example/x",
        "https://cdn.contoh.example@jahat.example/x",
        "https://jahat.example#.contoh.example",
        "https://jahat.example\\.contoh.example/",
        "http://cdn.contoh.example/x",
        "https://cdn.contoh.example:22/x",
        "//cdn.contoh.example/x",
        "file:///etc/passwd",
        "gopher://cdn.contoh.example/",
        "https://cdn.contoh.example\r\nHost: x/",
        "",
    ],
)
async def test_nothing_else_is_asked(open_download, address):
    with pytest.raises(errors.MediaRefused):
        await content(open_download(hosts=["*.contoh.example"]), address)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://localhost/x", "localhost"),  # a name that every machine finds at a loopback address
        ("https://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1"),
        ("https://2130706433/", "2130706433"),  # 127.0.0.1 as one number
        ("https://127.1/", "127.1"),
        ("https://0x7f000001/", "0x7f000001"),
        ("https://0/", "0"),
    ],
)
async def test_no_allowed_host_leads_into_our_own_network(open_download, address, host):
    with pytest.raises(errors.MediaRefused, match=r"private network|not an address"):
        await content(open_download(hosts=[host]), address)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("cdn.contoh.example", False),
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("::", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("ff02::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::7f00:1", True),  # NAT64 of 127.0.0.1
        ("64:ff9b::808:808", False),
        ("64:ff9b:1::7f00:1", True),  # a network's own NAT64
        ("::127.0.0.1", True),
        ("2002:a00:1::", True),  # 6to4 of 10.0.0.1
    ],
)
def test_what_counts_as_our_own_network(host, expected):
    assert download.is_private(host) is expected


async def test_credentials_open_one_host_and_one_part_of_it(open_download, provider, storage):
    source = open_download(provider.url, ["127.0.0.1"], authorization="Bearer rahasia", below="/v1/milik-kami/")
    provider.answer(302, b"", {"Location": "/lain"})
    provider.answer(302, b"", {"Location": storage.url + "/v1/milik-kami/x"})
    storage.answer(200, b"isi")
    assert await content(source, provider.url + "/v1/milik-kami/x") == b"isi"
    assert [seen.headers.get("Authorization") for seen in provider.seen] == ["Bearer rahasia", None]
    assert "Authorization" not in storage.seen[0].headers


async def test_what_stands_at_the_api_is_asked_where_the_api_is_reached(open_download, provider):
    source = open_download(f"{provider.url}/proksi", api="https://api.contoh.example", authorization="Bearer rahasia")
    provider.answer(200, b"isi")
    assert await content(source, "https://api.contoh.example/v1/x?a=%2f") == b"isi"
    assert provider.seen[0].target == "/proksi/v1/x?a=%2f"
    assert provider.seen[0].headers["Authorization"] == "Bearer rahasia"


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data/", "http://[::1]:1/", "http://jahat.example/", "//10.0.0.1/"]
)
async def test_a_redirect_out_of_the_allowed_hosts_is_refused(open_download, provider, location):
    provider.answer(302, b"", {"Location": location})
    with pytest.raises(errors.MediaRefused):
        await content(open_download(provider.url, ["127.0.0.1"]), provider.url + "/x")
    assert len(provider.seen) == 1


async def test_cookies_are_not_kept(open_download, provider):
    source = open_download(provider.url)
    provider.answer(200, b"isi", {"Set-Cookie": "jejak=1"})
    for _ in range(2):
        await content(source, provider.url + "/x")
    assert all("Cookie" not in seen.headers for seen in provider.seen)


async def test_what_is_missing_at_first_may_come(open_download, provider):
    source = open_download(provider.url)
    provider.answer(404)
    provider.answer(200, b"isi")
    with pytest.raises(errors.MediaNotReady, match="404"):
        await content(source, provider.url + "/x")
    assert await content(source, provider.url + "/x") == b"isi"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("120", timedelta(seconds=120)),
        ("Sun, 22 Nov 2026 03:10:00 GMT", timedelta(minutes=10)),
        ("999999999", timedelta(days=1)),
        ("Wed, 22 Nov 2126 03:10:00 GMT", timedelta(days=1)),
        ("99999999999999999999", None),
        ("nanti", None),
        ("-5", None),
        ("", None),
    ],
)
async def test_the_provider_may_say_when_to_come_again(open_download, provider, said, expected):
    provider.answer(503, b"", {"Retry-After": said})
    with pytest.raises(errors.MediaNotReady) as caught:
        await content(open_download(provider.url), provider.url + "/x")
    assert caught.value.retry_at == (None if expected is None else NOW + expected)


async def test_an_answer_longer_than_it_says_is_not_taken_for_the_file(open_download, provider):
    async def liar(request):
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdefgh")
        await provider.released.wait()
        return web.Response()

    provider.answers.append(liar)
    with pytest.raises(errors.MediaNotReady):
        await content(open_download(provider.url), provider.url + "/x")


async def test_a_trickle_ends_at_the_deadline_of_the_whole(open_download, provider):
    async def trickle(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while not provider.released.is_set():
            try:
                await response.write(b"x")
                await asyncio.wait_for(provider.released.wait(), 0.02)
            except ConnectionResetError:
                break
            except TimeoutError:
                continue
        return response

    provider.answers.append(trickle)
    with pytest.raises(errors.MediaNotReady, match="TimeoutError"):
        await asyncio.wait_for(content(open_download(provider.url, timeout_seconds=0.3), provider.url + "/x"), 5)


async def test_the_deadline_does_not_reach_into_the_work_of_who_reads(open_download, provider):
    provider.answer(200, b"isi")
    async for chunk in open_download(provider.url, timeout_seconds=0.2).stream(provider.url + "/x", 100):
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.4)  # longer than the deadline
        assert chunk == b"isi"


async def test_the_address_is_in_no_error(open_download, provider):
    provider.drop()
    with pytest.raises(errors.MediaNotReady) as caught:
        await content(open_download(provider.url), provider.url + "/x?rahasia=1")
    assert "rahasia" not in str(caught.value)
    assert caught.value.__suppress_context__
