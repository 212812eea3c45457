"""Files are fetched from Twilio alone, with credentials for its API alone, and never more of them than allowed."""

import asyncio
import socket

import pytest
from aiohttp import web

from core import errors, model

ACCOUNT = "/2010-04-01/Accounts/AC00000000000000000000000000000001"
PATH = f"{ACCOUNT}/Messages/MM1/Media/ME1"
ON_API = f"https://api.twilio.com{PATH}"


@pytest.fixture
def media(connector, provider):
    def make(**settings):
        return connector("sms", **{"base_url": provider.url, **settings})

    return make


async def fetch(connector, url=ON_API, max_bytes=1_000):
    return b"".join([chunk async for chunk in connector.fetch(model.RemoteFile(url), max_bytes)])


async def test_a_file_is_fetched_with_our_credentials(media, provider):
    provider.answer(200, b"isi", {"Content-Type": "image/jpeg"})
    assert await fetch(media()) == b"isi"
    assert provider.seen[0].path == PATH
    assert provider.seen[0].headers["Authorization"].startswith("Basic ")


async def test_the_credentials_do_not_follow_a_redirect(media, provider, storage):
    signed = "/berkas%2fsatu%7E?Signature=a%2bb~c&Expires=%31"  # encoded anew, its signature would not fit
    provider.answer(307, b"", {"Location": storage.url + signed})
    storage.answer(200, b"isi")
    assert await fetch(media(media_hosts=["127.0.0.1"])) == b"isi"
    assert storage.seen[0].target == signed
    assert "Authorization" not in storage.seen[0].headers
    assert "Authorization" in provider.seen[0].headers


async def test_the_credentials_are_for_the_accounts_own_files(media, provider):
    provider.answer(302, b"", {"Location": "/penyimpanan/berkas"})
    provider.answer(200, b"isi")
    assert await fetch(media()) == b"isi"
    assert ["Authorization" in seen.headers for seen in provider.seen] == [True, False]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/",
        "https://localhost/",
        "http://127.0.0.1:1/",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://jahat.contoh/x",
        "https://api.twilio.com.jahat.contoh/x",
        "https://twilio.com/x",
        "https://jahattwilio.com/x",
        "https://a:b@mms.twiliocdn.com/x",
        "file:///etc/passwd",
        "ftp://mms.twiliocdn.com/x",
        "javascript:alert(1)",
        "https://",
        "http://[",
        "",
    ],
)
async def test_a_redirect_to_elsewhere_is_refused(media, provider, location):
    provider.answer(302, b"", {"Location": location})
    with pytest.raises(errors.MediaRefused):
        await fetch(media())


@pytest.mark.parametrize(
    "url",
    ["http://mms.twiliocdn.com/x", "https://mms.twiliocdn.com:8443/x", "https://jahat.contoh/x", "ME1", "", "a\x00b"],
)
async def test_with_the_real_api_only_https_to_its_hosts_is_asked(connector, url):
    with pytest.raises(errors.MediaRefused):
        await fetch(connector("sms"), url)


async def test_an_allowed_name_that_leads_into_our_network_is_refused(connector):
    # `localhost` is a name the resolver of every machine finds at a loopback address.
    sms = connector("sms", base_url="https://127.0.0.1", media_hosts=["localhost"])
    with pytest.raises(errors.MediaRefused, match="private network"):
        await fetch(sms, "https://localhost/x")


async def test_a_stand_in_may_keep_its_files_at_another_name_of_this_machine(media, provider):
    elsewhere = provider.url.replace("127.0.0.1", "localhost")
    provider.answer(302, b"", {"Location": f"{elsewhere}/berkas"})
    provider.answer(200, b"isi")
    assert await fetch(media(media_hosts=["localhost"])) == b"isi"
    assert ["Authorization" in seen.headers for seen in provider.seen] == [True, False]


async def test_an_allowed_address_in_our_network_is_refused(connector):
    sms = connector("sms", base_url="https://127.0.0.1", media_hosts=["10.0.0.1"])
    with pytest.raises(errors.MediaRefused, match="private network"):
        await fetch(sms, "https://10.0.0.1/x")


async def test_redirects_end(media, provider):
    provider.answer(302, b"", {"Location": PATH})
    with pytest.raises(errors.MediaRefused, match="too many"):
        await fetch(media())
    assert len(provider.seen) == 4


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, errors.MediaNotReady),
        (408, errors.MediaNotReady),
        (429, errors.MediaNotReady),
        (500, errors.MediaNotReady),
        (503, errors.MediaNotReady),
        (401, errors.MediaNotReady),  # our credentials are wrong and can be mended
        (403, errors.MediaRefused),
        (410, errors.MediaRefused),
        (204, errors.MediaRefused),
        (400, errors.MediaRefused),
    ],
)
async def test_a_status_says_whether_the_file_may_still_come(media, provider, status, expected):
    provider.answer(status)
    with pytest.raises(expected):
        await fetch(media())


async def test_storage_that_wants_credentials_gets_none(media, provider, storage):
    provider.answer(302, b"", {"Location": f"{storage.url}/x"})
    storage.answer(401)
    with pytest.raises(errors.MediaRefused):
        await fetch(media(media_hosts=["127.0.0.1"]))


@pytest.mark.parametrize(("size", "fits"), [(1_000, True), (1_001, False)])
async def test_a_file_may_be_as_large_as_allowed(media, provider, size, fits):
    provider.answer(200, b"x" * size)
    if fits:
        assert len(await fetch(media())) == size
    else:
        with pytest.raises(errors.MediaRefused, match="too large"):
            await fetch(media())


async def test_a_file_that_says_it_is_too_large_is_not_even_begun(media, provider):
    async def promise(request):
        response = web.StreamResponse(headers={"Content-Length": "1001"})
        await response.prepare(request)
        await provider.released.wait()
        return response

    provider.answers.append(promise)
    with pytest.raises(errors.MediaRefused, match="too large"):
        await asyncio.wait_for(fetch(media()), timeout=5)


async def test_a_file_of_untold_length_is_cut_off_when_it_is_too_large(media, provider):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while not provider.released.is_set():
            try:
                await response.write(b"x" * 10_000)
            except ConnectionResetError:
                break
        return response

    provider.answers.append(endless)
    with pytest.raises(errors.MediaRefused, match="too large"):
        await asyncio.wait_for(fetch(media(), max_bytes=100_000), timeout=5)


async def test_a_compressed_answer_is_refused_for_it_may_unfold_without_end(media, provider):
    provider.answer(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    with pytest.raises(errors.MediaRefused, match="encoded"):
        await fetch(media())
    assert provider.seen[0].headers["Accept-Encoding"] == "identity"


async def test_a_file_that_trickles_is_given_up(media, provider):
    async def trickle(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await provider.released.wait()
        return response

    provider.answers.append(trickle)
    with pytest.raises(errors.MediaNotReady):
        await asyncio.wait_for(fetch(media(media_timeout_seconds=0.2)), timeout=5)


async def test_a_file_cut_short_is_asked_for_again(media, provider):
    async def short(request):
        response = web.StreamResponse(headers={"Content-Length": "500"})
        await response.prepare(request)
        await response.write(b"x")
        request.transport.close()
        return response

    provider.answers.append(short)
    with pytest.raises(errors.MediaNotReady):
        await fetch(media())


async def test_a_provider_out_of_reach_is_asked_again_and_the_address_stays_secret(connector):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sms = connector("sms", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(errors.MediaNotReady) as caught:
            await fetch(sms)
    assert "ME1" not in str(caught.value)
    with pytest.raises(errors.MediaNotReady):
        await fetch(connector("sms", base_url="http://tidak-ada.invalid"))
