"""The Graph API's client, seen from the other end of a real connection: the SDK's helpers by a transport of our own."""

import asyncio
import hashlib
import hmac
import inspect
import logging
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import facebook
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.meta import client, graph, refusals, throttle
from core import errors
from core.clock import SystemClock
from simulator import graph_api
from simulator.graph import GraphStandIn

PAGE, APP, SECRET, TOKEN = "1001", "900100", "rahasia-aplikasi", "EAAtoken-halaman"
PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
async def stand_in():
    stand_in = GraphStandIn(SystemClock())
    stand_in.register_app(APP, SECRET)
    stand_in.register_page(PAGE, "Dukcapil Kota Contoh", TOKEN, APP, "http://127.0.0.1:9/hooks/fb")
    stand_in.faults(PAGE).webhooks_suspended = True
    async with graph_api.serve(stand_in):
        yield stand_in


@pytest.fixture
async def connect():
    """Make clients, each of an app of its own unless told otherwise, and close them afterwards."""
    made = []

    def make(base_url, **settings):
        values = {"app_id": f"app-{id(made)}-{len(made)}", "app_secret": SECRET, "timeout_seconds": 5} | settings
        made.append(client.Client(TOKEN, base_url=base_url, **values))
        return made[-1]

    yield make
    for each in made:
        await each.close()


class TestTheSdk:
    """What the subclass relies on. When one of these fails, the SDK has changed: read it before trusting it again."""

    def test_is_the_release_that_was_read(self):
        assert facebook.__version__ == "3.1.0"

    def test_sends_everything_by_the_method_that_is_overridden(self):
        assert [*inspect.signature(facebook.GraphAPI.request).parameters] == [
            *("self", "path", "args", "post_args", "files", "method"),
        ]
        assert {name for name in vars(graph.Graph) if callable(getattr(graph.Graph, name)) and name[0] != "_"} == {
            "request",
            "close",
        }

    def test_keeps_what_the_subclass_reads(self):
        bare = facebook.GraphAPI("token", timeout=3)
        assert (bare.access_token, bare.timeout, bare.version) == ("token", 3, "v2.8")
        assert hasattr(bare.session, "mount")

    async def test_helpers_work_by_our_transport(self, stand_in):
        api = graph.Graph(
            TOKEN,
            app_secret=SECRET,
            version="v26.0",
            base_url=stand_in.base_url,
            timeout_seconds=5,
            noted=lambda _: None,
        )

        def use():
            assert api.get_object("me", fields="name") == {"id": PAGE, "name": "Dukcapil Kota Contoh"}
            post = api.put_object(PAGE, "feed", message="Loket tutup pukul 12.00")["id"]
            comment = api.put_comment(post, "Terima kasih")["id"]
            assert api.put_like(comment) == {"success": True}
            (listed,) = api.get_connections(post, "comments", filter="stream", fields="id,message")["data"]
            assert listed == {"id": comment, "message": "Terima kasih"}
            assert api.delete_object(comment) == {"success": True}
            assert api.get_connections(post, "comments")["data"] == []
            with pytest.raises(refusals.RefusedError) as caught:
                api.get_object(comment)
            assert (caught.value.code, caught.value.subcode, caught.value.status) == (100, 33, 400)

        try:
            await asyncio.to_thread(use)
        finally:
            api.close()
        methods = [call.method for call in stand_in.calls]
        assert methods == ["GET", "POST", "POST", "POST", "GET", "DELETE", "GET", "GET"]


class TestWhatIsSent:
    async def test_the_token_stands_in_a_header_alone(self, provider, connect):
        provider.answer(200, {"id": "1"})
        body = {"recipient": {"id": "7"}, "is_hidden": True}
        await connect(provider.url).post("me/messages", body)
        await connect(provider.url).get("me", {"fields": "id"})
        for seen in provider.seen:
            assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
            assert TOKEN not in seen.target + str(seen.form)
            assert seen.query["appsecret_proof"] == PROOF
            assert seen.headers["Accept-Encoding"] == "identity"  # nothing unfolds past the limit of size
        assert [seen.path for seen in provider.seen] == ["/v26.0/me/messages", "/v26.0/me"]
        assert body == {"recipient": {"id": "7"}, "is_hidden": True}  # the SDK would have put the token into it

    async def test_nested_values_and_booleans_arrive_as_they_are(self, provider, connect):
        bodies = []

        async def note(request):
            bodies.append(await request.json())
            return web.json_response({"id": "1"})

        provider.answers.append(note)
        body = {"recipient": {"id": "7"}, "message": {"text": "Bapak/Ibu \U0001f600"}, "is_hidden": True}
        await connect(provider.url).post("me/messages", body)
        assert bodies == [body]

    async def test_a_file_goes_as_a_form_with_json_in_its_fields(self, stand_in, connect):
        message = {"attachment": {"type": "file", "payload": {"is_reusable": True}}}
        upload = client.Upload('surat "1"\r\nX: y.pdf', "application/pdf", b"%PDF-1.7 isi")
        answer = await connect(stand_in.base_url).post("me/message_attachments", {"message": message}, upload)
        assert answer["attachment_id"]
        assert stand_in.calls[-1].parameters == {"message": message}
        (media,) = stand_in.media.values()
        assert (media.content, media.content_type) == (b"%PDF-1.7 isi", "application/pdf")
        assert "\n" not in media.name

    async def test_the_app_itself_asks_with_a_token_of_its_own(self, provider, connect):
        provider.answer(200, {"data": {}})
        await connect(provider.url, app_id="55").get("debug_token", {"input_token": "x"}, as_app=True)
        assert provider.seen[0].headers["Authorization"] == f"Bearer 55|{SECRET}"

    def test_an_id_from_outside_stays_one_part_of_the_path(self):
        assert client.path("1_2/../me?x=1#y", "comments") == "1_2%2F..%2Fme%3Fx%3D1%23y/comments"

    async def test_neither_a_proxy_of_the_environment_nor_netrc_is_used(self, provider, connect, monkeypatch, tmp_path):
        provider.answer(200, {"id": "1"})
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
        for name, value in {"HTTP_PROXY": "http://127.0.0.1:9", "NETRC": str(tmp_path / ".netrc")}.items():
            monkeypatch.setenv(name, value)
        await connect(provider.url).get("me")
        assert provider.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"

    async def test_the_addresses_are_not_logged_at_any_level(self, provider, connect, caplog):
        provider.answer(200, {"data": {}})
        with caplog.at_level(logging.DEBUG):
            await connect(provider.url).get("debug_token", {"input_token": "rahasia-token"}, as_app=True)
        assert provider.seen
        assert "rahasia" not in caplog.text
        assert "appsecret_proof" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "error", "means"),
    [
        ((400, {"error": {"code": 100, "error_subcode": 33}}), refusals.RefusedError, errors.PermanentSendError),
        # Graph says what it means with any status, 200 included.
        ((200, {"error": {"code": 190}}), refusals.RefusedError, errors.AccountSuspended),
        ((500, {"error": {"code": 2}}), refusals.RefusedError, errors.TransientSendError),
        ((500, {"error": {"code": 77_777}}), refusals.RefusedError, errors.UncertainSendError),
        ((400, {"error": {"code": 77_777}}), refusals.RefusedError, errors.PermanentSendError),
        ((400, {"error": {"code": 77_777, "is_transient": True}}), refusals.RefusedError, errors.TransientSendError),
        ((400, {"error": {"code": "190"}}), refusals.RefusedError, errors.UncertainSendError),
        ((400, {"error": "no"}), refusals.RefusedError, errors.UncertainSendError),
        ((500, {"detail": "no error in it"}), refusals.RefusedError, errors.UncertainSendError),
        ((502, b"<html>Bad gateway</html>"), refusals.RefusedError, errors.UncertainSendError),
        ((503, b"<html>Unavailable</html>"), refusals.RefusedError, errors.TransientSendError),
        ((401, b""), refusals.RefusedError, errors.AccountSuspended),
        ((429, b""), refusals.RefusedError, errors.TransientSendError),
        ((302, b""), refusals.RefusedError, errors.UncertainSendError),
        ((204, b""), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, b"true"), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, b"[]"), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, b"{"), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, b"[" * 100_000), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, {"error": "no"}), refusals.NoAnswerError, errors.UncertainSendError),
        ((200, {"id": "x" * 8 * 1024 * 1024}), refusals.NoAnswerError, errors.UncertainSendError),
    ],
)
async def test_what_is_no_success_is_one_error_after_one_attempt(provider, connect, answer, error, means):
    provider.answer(*answer, headers={"Location": "/lain"} if answer[0] == 302 else None)
    with pytest.raises(error) as caught:
        await connect(provider.url).post("me/messages", {})
    assert type(refusals.of_sending(caught.value)) is means
    assert len(provider.seen) == 1


class TestWithoutAnAnswer:
    async def test_a_time_out_is_in_doubt_and_not_repeated(self, provider, connect):
        provider.hang()
        with pytest.raises(refusals.NoAnswerError) as caught:
            await connect(provider.url, timeout_seconds=0.2).post("me/messages", {})
        assert len(provider.seen) == 1
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    async def test_an_answer_that_trickles_is_given_up_in_time(self, provider, connect):
        async def trickle(request):
            response = web.StreamResponse()
            await response.prepare(request)
            while not provider.released.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.02)
            return response

        provider.answers.append(trickle)
        with pytest.raises(refusals.NoAnswerError, match="too slow"):
            await asyncio.wait_for(connect(provider.url, timeout_seconds=0.3).post("me/messages", {}), timeout=5)

    async def test_a_connection_lost_after_the_request_is_in_doubt(self, provider, connect):
        provider.answer(200, {"id": "1"})
        provider.drop()
        api = connect(provider.url)
        await api.post("me/messages", {})
        with pytest.raises(refusals.NoAnswerError):
            await api.post("me/messages", {})  # on the connection that was kept
        assert len(provider.seen) == 2

    async def test_a_connection_left_alone_for_long_is_not_used_again(self, provider, connect):
        ports = []

        async def note(request):
            ports.append(request.transport.get_extra_info("peername")[1])
            return web.json_response({"id": "1"})

        provider.answers.append(note)
        api = connect(provider.url)
        for idle_seconds in (0, 0, 6):
            for opened in api._graphs.values():
                opened._used_at -= idle_seconds
            await api.get("me")
        assert ports[0] == ports[1] != ports[2]

    async def test_an_answer_cut_off_is_in_doubt(self, provider, connect):
        async def cut(request):
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b'{"id": "1"}')
            request.transport.abort()
            return response

        provider.answers.append(cut)
        with pytest.raises(refusals.NoAnswerError):
            await connect(provider.url).post("me/messages", {})

    async def test_a_refused_connection_certainly_sent_nothing(self, connect):
        with socket.socket() as taken:  # bound, never listening
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(refusals.NotSentError):
                await connect(f"http://127.0.0.1:{taken.getsockname()[1]}").post("me/messages", {})

    async def test_a_name_that_cannot_be_found_certainly_sent_nothing(self, connect):
        with pytest.raises(refusals.NotSentError) as caught:
            await connect("http://tidak-ada.invalid").post("me/messages", {})
        assert "invalid" not in str(caught.value)

    async def test_an_impostor_certainly_sees_nothing(self, connect, tmp_path):
        seen = []

        async def note(request):
            seen.append(request)
            return web.json_response({"id": "1"})

        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", note)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed(tmp_path)).start()
        try:
            with pytest.raises(refusals.NotSentError):
                await connect(f"https://127.0.0.1:{runner.addresses[0][1]}").post("me/messages", {})
        finally:
            await runner.cleanup()
        assert not seen

    async def test_a_call_that_no_thread_was_free_for_certainly_sent_nothing(self, provider, connect):
        provider.hang()
        slow = [
            asyncio.ensure_future(connect(provider.url, timeout_seconds=1).get("me"))
            for _ in range(16)  # as many as there are threads
        ]
        async with asyncio.timeout(5):
            while len(provider.seen) < 16:  # noqa: ASYNC110 - the provider has nothing to wait on
                await asyncio.sleep(0)
        with pytest.raises(refusals.NotSentError, match="thread"):
            await connect(provider.url, timeout_seconds=0.05).post("me/messages", {})
        assert len(provider.seen) == 16
        await asyncio.gather(*slow, return_exceptions=True)


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "graph.example.org")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=20_000))
    certificate = builder.sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "both.pem")
    return context


class TestRates:
    async def test_near_the_limit_every_account_of_the_app_keeps_still(self, stand_in, connect):
        first, second = connect(stand_in.base_url, app_id="one"), connect(stand_in.base_url, app_id="one")
        other = connect(stand_in.base_url, app_id="another")
        stand_in.faults(PAGE).calls_used = throttle.NEAR_FULL
        await first.get("me")
        calls = len(stand_in.calls)
        with pytest.raises(refusals.NotSentError) as caught:
            await second.post("me/messages", {})
        assert timedelta(0) < caught.value.retry_after <= throttle.PAUSE
        assert refusals.of_sending(caught.value).retry_after == caught.value.retry_after
        assert len(stand_in.calls) == calls
        await other.get("me")

    async def test_a_refusal_for_the_rate_stops_the_app_for_as_long_as_meta_says(self, stand_in, connect):
        api = connect(stand_in.base_url)
        stand_in.faults(PAGE).regained_minutes = 19
        stand_in.refuse(PAGE, 80006)
        with pytest.raises(refusals.RefusedError) as caught:
            await api.post("me/messages", {})
        assert refusals.of_sending(caught.value).retry_after == timedelta(minutes=19)
        with pytest.raises(refusals.NotSentError) as still:
            await api.get("me")
        assert timedelta(minutes=18) < still.value.retry_after <= timedelta(minutes=19)

    async def test_a_refusal_for_the_rate_without_a_time_stops_the_app_for_minutes(self, stand_in, connect):
        api = connect(stand_in.base_url)
        stand_in.refuse(PAGE, 4)
        with pytest.raises(refusals.RefusedError):
            await api.post("me/messages", {})
        with pytest.raises(refusals.NotSentError) as still:
            await api.get("me")
        assert still.value.retry_after > timedelta(minutes=4)

    async def test_retry_after_reaches_the_caller(self, provider, connect):
        provider.answer(429, b"", {"Retry-After": "7"})
        with pytest.raises(refusals.RefusedError) as caught:
            await connect(provider.url).get("me")
        assert caught.value.retry_after == timedelta(seconds=7)

    def test_a_pause_ends(self):
        at = [100.0]
        kept = throttle.Throttle(now=lambda: at[0])
        kept.note(throttle.Usage(94))
        assert kept.remaining() is None
        kept.note(throttle.Usage(95))
        kept.note(throttle.Usage(10, timedelta(seconds=5)))  # no shorter for it
        assert kept.remaining() == throttle.PAUSE
        at[0] += 59
        assert kept.remaining() == timedelta(seconds=1)
        at[0] += 1
        assert kept.remaining() is None

    @pytest.mark.parametrize(
        ("headers", "usage"),
        [
            ({}, throttle.Usage()),
            ({"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":31}'}, throttle.Usage(31)),
            (
                {
                    "X-Business-Use-Case-Usage": '{"1":[{"type":"pages","call_count":95,'
                    '"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":19}],'
                    '"2":[{"call_count":99}]}'
                },
                throttle.Usage(99, timedelta(minutes=19)),
            ),
            ({"X-Page-Usage": '{"call_count":100}'}, throttle.Usage(100)),
            ({"X-App-Usage": "[" * 50_000}, throttle.Usage()),
            ({"X-App-Usage": "nothing", "X-Business-Use-Case-Usage": '{"1":5,"2":[7]}'}, throttle.Usage()),
            ({"X-App-Usage": '{"call_count":true,"total_time":"9","total_cputime":-3}'}, throttle.Usage()),
            (
                {"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":1' + "0" * 400 + "}]}"},
                throttle.Usage(0, timedelta(days=1)),
            ),
            ({"X-App-Usage": '{"call_count":NaN}'}, throttle.Usage()),
        ],
    )
    def test_usage_is_read_from_whatever_stands_in_the_headers(self, headers, usage):
        assert throttle.read_usage(headers) == usage


async def listed(graph):
    paces = []

    async def pace():
        paces.append(1)

    found = [page async for page in client.pages(graph, "me/feed", {"limit": "2"}, pace)]
    assert len(paces) == len(found)
    return found


async def test_a_list_is_followed_by_its_cursor_to_the_end(provider, connect):
    def page(ids, after=None):
        cursors = {"cursors": {"before": "b", "after": after or "last"}}
        following = {"next": f"http://127.0.0.1:9/?access_token={TOKEN}"} if after else {}
        provider.answer(200, {"data": [{"id": each} for each in ids], "paging": {**cursors, **following}})

    page(["1", "2"], "c1")
    page(["3"], "c2")
    page(["4"])
    found = await listed(connect(provider.url))
    assert [record["id"] for page in found for record in page["data"]] == ["1", "2", "3", "4"]
    assert [seen.query.get("after") for seen in provider.seen] == [None, "c1", "c2"]
    assert {seen.query["limit"] for seen in provider.seen} == {"2"}


async def test_a_list_whose_cursor_stands_still_ends(provider, connect):
    provider.answer(200, {"data": [], "paging": {"cursors": {"after": "c"}, "next": "https://x/"}})
    assert len(await listed(connect(provider.url))) == 2


def test_the_sdk_is_not_loaded_before_it_is_needed():
    code = (
        "import sys; import connectors.meta.sending, connectors.meta.listing, connectors.meta.standing; "
        "sys.exit(bool({'requests', 'facebook', 'urllib3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
