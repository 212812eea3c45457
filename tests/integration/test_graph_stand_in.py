"""The stand-in for Meta: what people do there is told to a webhook that trusts signatures, and shown on a page."""

import asyncio
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connectors import registry
from connectors.meta import batches, listing
from core import model, ports
from simulator import graph_accounts, graph_api, graph_pages
from simulator import graph_records as records
from simulator import graph_texts as texts
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, INSTAGRAM, APP, SECRET, VERIFY = "1001", "17840001", "900100", "rahasia-aplikasi", "kata-sandi"
INSTAGRAM_SECRET = "rahasia-instagram"
TOKEN, PSID, IGSID = "EAApage", "5001", "7001"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
PNG = ("image/png", b"\x89PNG\r\n\x1a\n" + b"picture")
PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


class MovableClock:
    def __init__(self):
        self.at = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    def now(self):
        return self.at


@dataclass
class Receiver:
    """A webhook that reads only what is signed, as the office's program reads it."""

    url: str = ""
    events: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    forged: int = 0
    status: int = 200

    async def receive(self, request):
        body = await request.read()
        secret = INSTAGRAM_SECRET if b'"instagram"' in body[:40] else SECRET
        expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if request.headers["X-Hub-Signature-256"] != expected:
            self.forged += 1
            raise web.HTTPForbidden
        if self.status == 200:
            self.bodies.append(body)
            self.events += batches.read(batches.load(body), APP)
        return web.Response(status=self.status)

    async def shake(self, request):
        if request.query["hub.verify_token"] != VERIFY:
            raise web.HTTPForbidden
        return web.Response(text=request.query["hub.challenge"])

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def receiver():
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hooks/{name}", receiver.receive)
    application.router.add_get("/hooks/{name}", receiver.shake)
    async with TestServer(application) as server:
        receiver.url = str(server.make_url("")).rstrip("/")
        yield receiver
    assert receiver.forged == 0


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def stand_in(receiver, clock):
    stand_in = GraphStandIn(clock)
    stand_in.register_app(APP, SECRET, VERIFY, INSTAGRAM_SECRET)
    stand_in.register_page(PAGE, "Dukcapil Kota Contoh", TOKEN, APP, f"{receiver.url}/hooks/fb")
    stand_in.register_instagram(INSTAGRAM, "dukcapil", "IGtoken", APP, f"{receiver.url}/hooks/ig", PAGE)
    async with graph_api.serve(stand_in):
        yield stand_in
        await stand_in.settle()


@pytest.fixture
def people(stand_in):
    return People(stand_in)


@pytest.fixture
async def api(stand_in):
    """Ask the API as the page: method, path, body -> status, answer, headers."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def ask(method, path, body=None, **query):
            address = f"{stand_in.base_url}/v26.0/{path}"
            query = {"appsecret_proof": PROOF, **query}
            async with session.request(method, address, json=body, params=query) as response:
                return response.status, await response.json(), response.headers

        yield ask


def send(text="Aduan Ibu kami terima.", to=PSID, **more):
    return {"recipient": {"id": to}, "messaging_type": "RESPONSE", "message": {"text": text, **more}}


class TestTelling:
    async def test_the_webhook_is_asked_before_it_is_trusted(self, stand_in):
        assert await stand_in.shake_hands(PAGE)
        stand_in.register_app(APP, SECRET, "salah")
        stand_in.accounts[PAGE].app = stand_in.apps[APP]
        assert not await stand_in.shake_hands(PAGE)

    async def test_a_message_is_told_in_ascii_alone(self, receiver, people):
        message = await people.write(PAGE, PSID, "Selamat siang 😀 é/ü", media=[PNG])
        (body,) = receiver.bodies
        assert body.isascii()
        assert b"\\ud83d\\ude00 \\u00e9\\/\\u00fc" in body
        (told,) = receiver.of(model.InboundMessage)
        assert (told.provider_id, told.address, told.text) == (message.mid, PSID, "Selamat siang 😀 é/ü")
        assert told.destination == model.Destination("messenger", PAGE)
        assert message.handover is records.Handover.DONE

    async def test_everything_a_citizen_does_is_told(self, stand_in, receiver, people, api):
        message = await people.write(INSTAGRAM, IGSID, "Halo")
        await people.unsend(message)
        assert receiver.of(model.Withdrawal)[0].provider_id == message.mid
        first = await people.write(PAGE, PSID, "KTP sya blm jadi")
        await people.edit(first, "KTP saya belum jadi")
        assert receiver.of(model.Revision)[0].message.text == "KTP saya belum jadi"
        await people.press(PAGE, PSID, "Mulai", "GET_STARTED")
        assert receiver.events[-1].content is model.Content.BUTTON
        await people.react(first, "👍")
        await people.react(first, None)
        assert [each.sign for each in receiver.of(model.Reaction)] == ["👍", None]
        await api("POST", "me/messages", send(metadata="7.1"))
        await stand_in.settle()
        await people.read(PAGE, PSID)
        receipts = [(each.reference, each.state) for each in receiver.of(model.DeliveryReceipt)]
        assert receipts == [("7.1", "accepted"), (None, "delivered")]
        assert [each.state for each in receiver.of(model.Watermark)] == ["delivered", "read"]
        visit = await people.visit(PAGE, PSID, "Antrean lama", name="Siti Rahma")
        assert receiver.events[-1].provider_id == visit.id

    async def test_what_a_colleague_writes_in_metas_inbox_is_told_as_such(self, receiver, people):
        for account, person in ((PAGE, PSID), (INSTAGRAM, IGSID)):
            await people.write(account, person, "Halo")
            await people.answer_as_colleague(account, person, "Silakan ke loket 3.")
        assert [(each.address, each.text) for each in receiver.of(model.ColleagueAnswer)] == [
            (PSID, "Silakan ke loket 3."),
            (IGSID, "Silakan ke loket 3."),
        ]

    async def test_a_comment_is_told_from_its_first_word_to_its_end(self, stand_in, receiver, people, api):
        post = stand_in.accounts[PAGE].posts[0]
        comment = await people.comment(post.id, PSID, "NIK saya ...", name="Siti Rahma", photo=PNG)
        await people.edit_comment(comment, "Tolong dibantu")
        await api("POST", comment.id, {"is_hidden": True})
        await api("POST", f"{comment.id}/comments", {"message": "Baik, Ibu."})
        await stand_in.settle()
        await people.remove_comment(comment)
        kinds = [type(each) for each in receiver.events]
        assert kinds == [model.InboundMessage, model.Revision, model.Withdrawal]  # ours are nothing new to us
        verbs = [json.loads(body)["entry"][0]["changes"][0]["value"]["verb"] for body in receiver.bodies]
        assert verbs == ["add", "edited", "hide", "add", "remove"]

    async def test_instagram_tells_of_a_comment_once_and_of_no_change(self, stand_in, receiver, people):
        comment = await people.comment(stand_in.accounts[INSTAGRAM].posts[0].id, IGSID, "Kapan?", name="siti")
        await people.edit_comment(comment, "Kapan ya?")
        await people.remove_comment(comment)
        (told,) = receiver.events
        assert (told.provider_id, told.name) == (comment.id, "siti")

    async def test_an_early_echo_comes_before_the_answer_to_its_post(self, stand_in, receiver, people, api):
        await people.write(PAGE, PSID, "Halo")
        stand_in.faults(PAGE).echoes_early = True
        asked = asyncio.ensure_future(api("POST", "me/messages", send(metadata="7.1")))
        await stand_in.wait_for(lambda: receiver.of(model.DeliveryReceipt))
        assert receiver.of(model.DeliveryReceipt)[0].reference == "7.1"
        _, answer, _ = await asked
        assert receiver.of(model.DeliveryReceipt)[0].provider_id == answer["message_id"]
        await stand_in.settle()
        assert len(receiver.of(model.DeliveryReceipt)) == 2  # the echo is not told again


class TestTellingBadly:
    async def test_twice_at_once(self, stand_in, receiver, people):
        stand_in.faults(PAGE).webhook_copies = 2
        await people.write(PAGE, PSID, "Halo")
        first, second = receiver.of(model.InboundMessage)
        assert first == second

    async def test_late_and_in_one_body_the_last_first(self, stand_in, receiver, people):
        stand_in.faults(PAGE).webhooks_held = True
        written = [await people.write(PAGE, PSID, f"pesan {number}") for number in range(3)]
        await people.comment(stand_in.accounts[PAGE].posts[0].id, PSID, "dan komentar")
        assert not receiver.bodies
        assert written[0].handover is records.Handover.HELD
        await stand_in.release(PAGE, batched=True, reverse=True)
        assert len(receiver.bodies) == 1
        told = [each.text for each in receiver.of(model.InboundMessage)]
        assert told == ["pesan 2", "pesan 1", "pesan 0", "dan komentar"]  # an entry has its lists one after the other
        assert written[0].handover is records.Handover.DONE

    async def test_not_at_all_but_listed(self, stand_in, receiver, people, api):
        stand_in.faults(PAGE).webhooks_suspended = True
        message = await people.write(PAGE, PSID, "Halo")
        assert not receiver.bodies
        _, listed, _ = await api("GET", "me/conversations", platform="messenger")
        _, found, _ = await api("GET", f"{listed['data'][0]['id']}/messages", fields="message")
        assert found["data"] == [{"id": message.mid, "message": "Halo"}]

    async def test_nothing_that_is_not_subscribed_to(self, stand_in, receiver, people):
        stand_in.accounts[PAGE].subscribed = ("feed",)
        await people.write(PAGE, PSID, "Halo")
        stand_in.accounts[PAGE].subscribed = None
        await people.comment(stand_in.accounts[PAGE].posts[0].id, PSID, "Halo")
        assert not receiver.bodies

    async def test_again_what_was_not_taken(self, stand_in, receiver, people):
        receiver.status = 500
        message = await people.write(PAGE, PSID, "Halo")
        assert message.handover is records.Handover.FAILED
        receiver.status = 200
        await stand_in.try_again()
        await stand_in.try_again()
        assert len(receiver.of(model.InboundMessage)) == 1
        assert message.handover is records.Handover.DONE


class TestTheApi:
    async def test_knows_a_token_in_the_header_alone(self, stand_in):
        async with aiohttp.ClientSession() as session:
            address = f"{stand_in.base_url}/v26.0/me"
            for query in ({"access_token": TOKEN}, {}):
                async with session.get(address, params={**query, "appsecret_proof": PROOF}) as response:
                    assert response.status == 401
            headers = {"Authorization": f"Bearer {TOKEN}"}
            for proof in ({}, {"appsecret_proof": "0" * 64}):
                async with session.get(address, headers=headers, params=proof) as response:
                    assert (await response.json())["error"]["code"] == 100

    @pytest.mark.parametrize(
        ("path", "body", "code"),
        [
            ("me/messages", {"recipient": {"id": PSID}, "message": {"text": "x"}, "access_token": "x"}, 100),
            ("me/messages", {"recipient": {"id": PSID}, "message": {"text": " "}}, 100),
            ("me/messages", {"recipient": {"id": PSID}, "message": {}}, 100),
            ("me/messages", {"recipient": {"id": PSID}}, 100),
            ("me/messages", {"recipient": PSID, "message": {"text": "x"}}, 100),
            ("me/messages", {"recipient": {"phone_number": PSID}, "message": {"text": "x"}}, 100),
            ("me/messages", {**send(), "messaging_type": "PROMOTION"}, 100),
            ("me/messages", {**send(), "tag": "HUMAN_AGENT"}, 100),
            ("me/messages", {**send(), "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, 10),
            ("me/messages", {**send(), "messaging_type": "MESSAGE_TAG", "tag": "POST_PURCHASE_UPDATE"}, 100),
            ("me/messages", send(metadata="x" * 1001), 100),
            ("me/messages", {"recipient": {"comment_id": "1_1"}, "message": {"text": "x"}}, 100),
            ("me/message_attachments", {"message": {"attachment": {"type": "image"}}}, 100),
            ("404_404", {"is_hidden": True}, 100),
            ("404_404/comments", {"message": "x"}, 100),
            ("me/nothing", {}, 100),
        ],
    )
    async def test_refuses_what_meta_would(self, people, api, path, body, code):
        people.put(PAGE, PSID, "Halo")
        status, answer, headers = await api("POST", path, body)
        assert (status, answer["error"]["code"]) == (400, code)
        assert "X-App-Usage" in headers

    async def test_pages_name_the_record_before_so_that_nothing_shifts(self, people, api, clock):
        for number in range(5):
            clock.at += timedelta(seconds=1)
            people.put(PAGE, f"{number}", "Halo")
        _, first, _ = await api("GET", "me/conversations", platform="messenger", limit="2")
        people.put(PAGE, "baru", "Halo")
        after = first["paging"]["cursors"]["after"]
        _, second, _ = await api("GET", "me/conversations", platform="messenger", limit="2", after=after)
        _, third, _ = await api(
            "GET", "me/conversations", platform="messenger", limit="2", after=second["paging"]["cursors"]["after"]
        )
        ids = [each["id"][-1] for page in (first, second, third) for each in page["data"]]
        assert ids == ["4", "3", "2", "1", "0"]
        assert "next" in second["paging"]
        assert "next" not in third["paging"]

    async def test_of_an_instagram_conversation_tells_the_latest_alone(self, people, api):
        for number in range(25):
            people.put(INSTAGRAM, IGSID, f"pesan {number}")
        _, listed, _ = await api("GET", "me/conversations", platform="instagram")
        _, found, _ = await api("GET", f"{listed['data'][0]['id']}/messages", fields="message", limit="50")
        assert [each["message"] for each in found["data"]] == [f"pesan {number}" for number in range(24, 4, -1)]

    async def test_gives_files_out_by_addresses_that_expire(self, receiver, people, clock):
        await people.write(PAGE, PSID, media=[PNG])
        (file,) = receiver.of(model.InboundMessage)[0].files
        assert "localhost" in file.url  # another host than the API's
        async with aiohttp.ClientSession() as session:
            async with session.get(file.url) as response:
                assert (response.status, await response.read()) == (200, PNG[1])
            async with session.get(file.url.replace("oh=", "oh=0")) as response:
                assert response.status == 403
            clock.at += timedelta(hours=1, seconds=1)
            async with session.get(file.url) as response:
                assert response.status == 403

    async def test_logs_every_call_without_its_secrets(self, stand_in, api):
        await api("GET", "me", fields="id")
        call = stand_in.calls[-1]
        assert (call.method, call.path, call.parameters, call.status) == ("GET", "me", {"fields": "id"}, 200)
        assert PROOF not in repr(stand_in.calls)
        assert TOKEN not in repr(stand_in.calls)


@pytest.fixture
async def office(clock):
    """A simulated office: every channel of Meta by its real connector, and the page of the citizen."""
    stand_in = GraphStandIn(clock)
    heard, connectors, shown = [], {}, []

    async def hook(request):
        body = await request.read()
        raw = ports.RawRequest(
            "fb", request.path_qs, {k.lower(): v for k, v in request.headers.items()}, body, clock.at
        )
        connector = connectors[request.match_info["name"]]
        connector.verify(raw)
        heard.extend(connector.parse(raw))
        return web.Response(text=connector.reply()[1])

    async def handshake(request):
        return web.Response(text=connectors[request.match_info["name"]].answer_handshake(request.query))

    application = web.Application()
    application.router.add_post("/hooks/{name}", hook)
    application.router.add_get("/hooks/{name}", handshake)
    async with TestServer(application) as server, graph_api.serve(stand_in):
        for channel in sorted(graph_accounts.CHANNELS):
            hook_url = str(server.make_url(f"/hooks/{channel}"))
            entry = registry.CHANNELS[channel]
            account, settings = graph_accounts.open_account(
                stand_in, channel, channel, entry.capabilities.label, "Dukcapil Kota Contoh", hook_url, {}
            )
            connectors[channel] = entry.create(channel, entry.settings.model_validate(settings), "https://x.example")
            shown.append(account)
        page = graph_pages.subapp(stand_in, shown, office="Dukcapil Kota Contoh", zone=ZoneInfo("Asia/Jakarta"))
        mounted = web.Application()
        mounted.add_subapp("/simulator/meta", page)
        async with TestClient(TestServer(mounted)) as browser:
            yield stand_in, connectors, heard, browser
        await stand_in.settle()
        for connector in connectors.values():
            await connector.close()


class TestASimulatedOffice:
    async def test_has_accounts_that_work_and_stand_well(self, office):
        stand_in, connectors, _, _ = office
        assert len(stand_in.accounts) == 2  # private messages and comments are two views of one
        for account in stand_in.accounts:
            assert await stand_in.shake_hands(account)
        for connector in connectors.values():
            await connector.check()
            assert await connector.examine() == []

    @pytest.mark.parametrize("channel", ["messenger", "instagram"])
    async def test_answers_a_private_message_and_hears_of_it(self, office, outbound, channel):
        stand_in, connectors, heard, browser = office
        await self.post(browser, "kirim", channel, pesan="KTP saya belum jadi")
        (message,) = heard
        assert (message.text, message.destination) == (
            "KTP saya belum jadi",
            model.Destination(channel, connectors[channel].identity),
        )
        sent = await connectors[channel].send(outbound(address=message.address))
        await stand_in.settle()
        assert sent.provider_id in {getattr(event, "provider_id", None) for event in heard[1:]}
        page = await self.look(browser, channel)
        assert "Yth. Ibu Siti" in page
        await self.post(browser, "rekan", channel, pesan="Jawaban rekan")
        assert isinstance(heard[-1], model.ColleagueAnswer)
        assert texts.BY_COLLEAGUE in await self.look(browser, channel)

    @pytest.mark.parametrize("channel", ["facebook_comments", "instagram_comments"])
    async def test_answers_hides_and_turns_to_private_words(self, office, outbound, channel):
        stand_in, connectors, heard, browser = office
        await self.post(browser, "kirim", channel, pesan="NIK saya ...")
        (comment,) = heard
        answers = model.Answered(comment.provider_id, comment.details, comment.sent_at)
        connector = connectors[channel]
        await connector.send(outbound(address=comment.address, text="Terima kasih.", answers=answers))
        private = await connector.send(outbound(address=comment.address, answers=answers, private=True))
        await connector.send(outbound(kind=model.MessageKind.HIDING, text="", answers=answers))
        page = await self.look(browser, channel)
        assert "Terima kasih." in page
        assert texts.HIDDEN in page
        assert texts.ANSWERED_PRIVATELY in page
        destination, address = private.opened
        assert destination.identity == connector.identity
        heard.clear()
        await self.post(browser, "kirim", destination.channel, pesan="Baik, terima kasih")
        await stand_in.settle()
        (answer,) = (each for each in heard if isinstance(each, model.InboundMessage))
        assert (answer.address, answer.destination) == (address, destination)

    async def test_catches_up_with_what_no_webhook_told(self, office, clock):
        _, connectors, heard, browser = office
        for channel in connectors:
            await self.post(browser, "sakelar", channel, sakelar="unannounced", ke="nyala")
        for channel in connectors:
            await self.post(browser, "kirim", channel, pesan=f"lewat {channel}")
        assert not heard
        found = {}

        async def no_sleep(seconds):
            assert seconds == 0.5

        for channel, connector in connectors.items():
            source = listing.Source(connector._graph, connector.identity, connector._read, listing.Pace(no_sleep))
            found[channel] = [each.text async for each in connector._listed(source, clock.at - timedelta(hours=1))]
        assert found == {channel: [f"lewat {channel}"] for channel in connectors}

    async def test_shows_every_switch_and_turns_it(self, office):
        _, _, _, browser = office
        for key, *_ in texts.SWITCHES:
            page = await self.post(browser, "sakelar", "messenger", sakelar=key, ke="nyala")
            assert page.count('aria-checked="true"') == 1, key
            page = await self.post(browser, "sakelar", "messenger", sakelar=key, ke="padam")
            assert 'aria-checked="true"' not in page, key
        assert 'value="window"' not in await self.look(browser, "facebook_comments")

    async def test_lets_a_citizen_take_back_and_like(self, office, outbound):
        stand_in, connectors, heard, browser = office
        await self.post(browser, "kirim", "instagram", pesan="salah kirim")
        message = heard[0]
        await self.post(browser, "tindak", "instagram", pesan=message.provider_id, tindakan="tarik")
        assert heard[-1] == model.Withdrawal(message.provider_id, heard[-1].at, message.destination)
        sent = await connectors["instagram"].send(outbound(address=message.address))
        await stand_in.settle()
        page = await self.post(browser, "tindak", "instagram", pesan=sent.provider_id, tindakan="suka")
        assert isinstance(heard[-1], model.Reaction)
        assert texts.UNLIKE in page
        await self.post(browser, "kirim", "facebook_comments", pesan="komentar")
        comment = heard[-1]
        page = await self.post(browser, "tindak", "facebook_comments", pesan=comment.provider_id, tindakan="hapus")
        assert isinstance(heard[-1], model.Withdrawal)
        assert "komentar</p>" not in page

    async def test_takes_pictures_where_the_channel_does(self, office):
        _, connectors, heard, browser = office
        form = aiohttp.FormData({"akun": "messenger", "nama": "Siti Rahma", "pesan": ""})
        form.add_field("gambar", PNG[1], filename="ktp.png", content_type="image/png")
        await browser.post("/simulator/meta/kirim", data=form, headers=SAME_ORIGIN)
        (file,) = heard[0].files
        fetched = b"".join([chunk async for chunk in connectors["messenger"].fetch(file, 1000)])
        assert fetched == PNG[1]
        page = await self.look(browser, "messenger")
        (picture,) = re.findall(r'src="(/simulator/meta/gambar/[^"]+)"', page)
        assert await (await browser.get(picture)).read() == PNG[1]
        assert 'type="file"' not in await self.look(browser, "instagram_comments")

    @pytest.mark.parametrize(
        ("channel", "words", "problem"),
        [
            ("messenger", "", texts.EMPTY),
            ("instagram_comments", " ", texts.EMPTY_COMMENT),
            ("messenger", "x" * 2001, texts.TOO_LONG.format(limit=2000)),
        ],
    )
    async def test_says_why_it_did_not_take_a_message(self, office, channel, words, problem):
        _, _, heard, browser = office
        assert problem in await self.post(browser, "kirim", channel, pesan=words)
        assert not heard

    async def test_refuses_what_another_site_made_the_browser_send(self, office):
        _, _, _, browser = office
        for path in ("kirim", "tindak", "rekan", "sakelar"):
            response = await browser.post(
                f"/simulator/meta/{path}", data={"pesan": "x"}, headers={"Sec-Fetch-Site": "x"}
            )
            assert response.status == 403
        assert (await browser.get("/simulator/meta", params={"akun": "tidak-ada"})).status == 404

    async def test_shows_markup_as_it_was_written(self, office):
        _, _, _, browser = office
        page = await self.post(browser, "kirim", "messenger", pesan="<script>alert(1)</script>")
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

    async def test_tells_an_open_page_of_every_change(self, office):
        stand_in, _, _, browser = office
        async with browser.get("/simulator/meta/alur") as stream:
            stand_in.changed()
            line = await asyncio.wait_for(stream.content.readline(), timeout=5)
            assert line == b"event: change\n"

    async def post(self, browser, path, channel, **fields):
        """Send a form of the page, follow where it leads, return what is shown."""
        fields = {"akun": channel, "nama": "Siti Rahma", **fields}
        response = await browser.post(f"/simulator/meta/{path}", data=fields, headers=SAME_ORIGIN)
        assert response.status == 200
        return await response.text()

    async def look(self, browser, channel):
        response = await browser.get("/simulator/meta", params={"akun": channel, "nama": "Siti Rahma"})
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        return await response.text()


@pytest.fixture
def outbound():
    def make(**changes):
        values = {
            "outbox_id": 7,
            "kind": model.MessageKind.ANSWER,
            "address": PSID,
            "text": "Yth. Ibu Siti, KTP-el Ibu sudah dapat diambil.",
            "reference": "7.1",
        }
        return model.OutboundMessage(**values | changes)

    return make
