"""The stand-in for Twilio, driven by the vendor's own client over a socket, and the page of the citizen's phone."""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from core.clock import SystemClock
from simulator import pages, texts, twilio_api
from simulator import twilio_records as records
from simulator import twilio_rules as rules
from simulator.twilio import TwilioStandIn

SID, TOKEN, SERVICE, TEMPLATE = "AC" + "1" * 32, "token-of-the-account", "MG" + "2" * 32, "HX" + "3" * 32
OFFICE, CITIZEN = "whatsapp:+6281200000900", "whatsapp:+6281200000001"
OFFICE_SMS, CITIZEN_SMS = "+6281200000900", "+6281200000001"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class MovableClock:
    """The real clock, moved by as much as a test says."""

    def __init__(self):
        self.moved = timedelta()

    def now(self):
        return SystemClock().now() + self.moved


class LocalHttpClient(TwilioHttpClient):
    """The vendor's HTTP client, sent to the stand-in instead of api.twilio.com."""

    def __init__(self, base_url, timeout=5):
        super().__init__(timeout=timeout)
        self._base_url = base_url

    def request(self, method, url, *args, **kwargs):
        assert url.startswith("https://api.twilio.com/")
        return super().request(method, url.replace("https://api.twilio.com", self._base_url), *args, **kwargs)


@dataclass
class Receiver:
    """A webhook that accepts only what the vendor's validator accepts, and notes it."""

    url: str = ""
    messages: list = field(default_factory=list)
    statuses: list = field(default_factory=list)
    tokens: list = field(default_factory=list)
    forged: int = 0
    answer: Callable = field(default=lambda: web.Response(status=204))

    async def receive(self, request):
        form = await request.post()
        signature = request.headers["X-Twilio-Signature"]
        if not RequestValidator(TOKEN).validate(f"{self.url}{request.raw_path}", form, signature):
            self.forged += 1
            raise web.HTTPForbidden
        self.tokens.append(request.headers["I-Twilio-Idempotency-Token"])
        if "MessageStatus" in form:
            self.statuses.append((form["MessageSid"], form["MessageStatus"], dict(form), request.raw_path))
            return web.Response(status=204)
        self.messages.append(dict(form))
        return self.answer()

    def states(self, sid):
        return [status for message_sid, status, _, _ in self.statuses if message_sid == sid]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hooks/{tail:.*}", receiver.receive)
    async with TestServer(application) as server:
        receiver.url = str(server.make_url("")).rstrip("/")
        yield receiver


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def stand_in(receiver, clock) -> AsyncIterator[TwilioStandIn]:
    stand_in = TwilioStandIn(clock)
    hook = f"{receiver.url}/hooks/wa"
    stand_in.register(
        SID,
        TOKEN,
        hook,
        senders=[OFFICE, OFFICE_SMS],
        messaging_service_sid=SERVICE,
        api_keys={"SK1": "secret"},
        templates={TEMPLATE: "Yth. {{1}}, aduan {{2}} kami terima."},
    )
    async with twilio_api.serve(stand_in):
        yield stand_in


@pytest.fixture
def client(stand_in):
    http_client = LocalHttpClient(stand_in.base_url)
    with contextlib.closing(http_client.session):
        yield Client(SID, TOKEN, http_client=http_client)


def basic(username, password):
    return {"Authorization": aiohttp.encode_basic_auth(username, password)}


async def create(client, **parameters):
    parameters = {"to": CITIZEN, "from_": OFFICE, "body": "Aduan Bapak/Ibu kami terima."} | parameters
    return await asyncio.to_thread(client.messages.create, **parameters)


async def refused(client, **parameters):
    with pytest.raises(TwilioRestException) as caught:
        await create(client, **parameters)
    return caught.value


async def test_an_accepted_message_is_reported_step_by_step_on_its_own_signed_callback(stand_in, receiver, client):
    await stand_in.receive(SID, CITIZEN, OFFICE, "Selamat pagi")
    callback = f"{receiver.url}/hooks/wa/status?ob=12.1&a=b%2Fc"
    sent = await create(client, status_callback=callback)
    assert (sent.status, sent.direction, sent.num_segments, sent.error_code) == ("queued", "outbound-api", "1", None)
    await stand_in.wait_for(lambda: receiver.states(sent.sid) == ["queued", "sent", "delivered"])
    assert {path for _, _, _, path in receiver.statuses} == {"/hooks/wa/status?ob=12.1&a=b%2Fc"}
    stand_in.open_phone(SID, OFFICE, CITIZEN)
    stand_in.open_phone(SID, OFFICE, CITIZEN)
    await stand_in.settle()
    assert receiver.states(sent.sid) == ["queued", "sent", "delivered", "read"]
    fetched = await asyncio.to_thread(client.messages(sent.sid).fetch)
    assert (fetched.status, fetched.to, fetched.from_) == ("read", CITIZEN, OFFICE)
    assert fetched.date_sent.tzinfo is not None
    assert receiver.forged == 0
    assert stand_in.creates(to=CITIZEN, body=sent.body) == 1


async def test_no_callback_overtakes_the_answer_unless_told_to(stand_in, receiver, client):
    stand_in.faults(SID).statuses_early = True
    sent = await create(client, to=CITIZEN_SMS, from_=OFFICE_SMS, status_callback=f"{receiver.url}/hooks/s")
    assert receiver.states(sent.sid) == ["queued", "sent", "delivered"]
    assert receiver.statuses[-1][2]["RawDlrDoneDate"].isdigit()


async def test_statuses_come_in_the_order_asked_for_and_the_message_keeps_the_highest(stand_in, receiver, client):
    stand_in.faults(SID).statuses = ("read", "delivered", "sent")
    sent = await create(client, content_sid=TEMPLATE, body=None, status_callback=f"{receiver.url}/hooks/s")
    await stand_in.wait_for(lambda: len(receiver.states(sent.sid)) == 3)
    assert receiver.states(sent.sid) == ["read", "delivered", "sent"]
    assert (await asyncio.to_thread(client.messages(sent.sid).fetch)).status == "read"


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"to": ""}, 400, 21604),
        ({"to": "whatsapp:0812"}, 400, 21211),
        ({"to": "081200000001"}, 400, 21211),
        ({"from_": None}, 400, 21603),
        ({"from_": "+6281200000999", "to": CITIZEN_SMS}, 400, 21606),
        ({"from_": "whatsapp:+6281200000999"}, 400, 63007),
        ({"from_": OFFICE_SMS}, 400, 21910),
        ({"body": None}, 400, 21602),
        ({"body": "a" * 1601}, 400, 21617),
        ({"body": None, "content_sid": "HX1"}, 400, 21655),
        ({"body": None, "content_sid": TEMPLATE, "content_variables": "[1]"}, 400, 21656),
        ({"from_": None, "messaging_service_sid": "MG" + "9" * 32}, 404, 21701),
        ({"status_callback": "ftp://contoh.invalid"}, 400, 21609),
        ({"validity_period": 90000}, 400, 20001),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(stand_in, client, parameters, status, code):
    error = await refused(client, **parameters)
    assert (error.status, error.code) == (status, code)
    assert stand_in.messages() == []


async def test_a_text_of_exactly_the_longest_length_passes(client):
    assert (await create(client, to=CITIZEN_SMS, from_=OFFICE_SMS, body="a" * 1600)).num_segments == "11"


@pytest.mark.parametrize(
    ("text", "expected"), [("a" * 160, 1), ("a" * 161, 2), ("^" * 81, 2), ("🙏" * 35, 1), ("🙏" * 36, 2), ("", 1)]
)
def test_segments_are_counted_as_carriers_count(text, expected):
    assert rules.segments(text) == expected


async def test_a_parameter_outside_the_public_api_and_wrong_credentials_are_refused(stand_in):
    url = f"{stand_in.base_url}/2010-04-01/Accounts/{SID}/Messages.json"
    form = {"To": CITIZEN, "From": OFFICE, "Body": "x", "Urgent": "yes"}

    async def status_and_code(auth):
        async with aiohttp.ClientSession() as session, session.post(url, data=form, headers=auth) as response:
            body = await response.json()
            assert set(body) == {"code", "message", "more_info", "status"}
            assert body["status"] == response.status
            return response.status, body["code"]

    assert await status_and_code(basic(SID, TOKEN)) == (400, 20001)
    assert await status_and_code(basic("SK1", "secret")) == (400, 20001)
    for auth in ({}, basic(SID, "wrong"), basic("SK1", TOKEN)):
        assert await status_and_code(auth) == (401, 20003)


async def test_free_text_outside_the_window_is_accepted_and_fails_afterwards(stand_in, receiver, client, clock):
    callback = f"{receiver.url}/hooks/s?ob=1"

    async def end_of(**parameters):
        sent = await create(client, status_callback=callback, **parameters)
        assert sent.error_code is None
        await stand_in.settle()
        return receiver.statuses[-1][1], receiver.statuses[-1][2].get("ErrorCode")

    assert await end_of() == ("failed", "63016")
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo")
    assert await end_of() == ("delivered", None)
    clock.moved = timedelta(hours=24, seconds=1)
    assert await end_of() == ("failed", "63016")
    assert await end_of(body=None, content_sid=TEMPLATE, content_variables='{"1": "Ibu Siti", "2": "7"}') == (
        "delivered",
        None,
    )
    assert stand_in.messages()[-1].body == "Yth. Ibu Siti, aduan 7 kami terima."
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo lagi")
    stand_in.faults(SID).window_closed = True
    assert await end_of() == ("failed", "63016")


async def test_a_messaging_service_picks_the_sender_of_the_channel(stand_in, client):
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo")
    sent = await create(client, from_=None, messaging_service_sid=SERVICE)
    assert (sent.status, sent.from_, sent.messaging_service_sid) == ("accepted", None, SERVICE)
    await stand_in.settle()
    assert (await asyncio.to_thread(client.messages(sent.sid).fetch)).from_ == OFFICE
    await create(client, to=CITIZEN_SMS, from_=None, messaging_service_sid=SERVICE)
    assert stand_in.messages(to=CITIZEN_SMS)[0].sender == OFFICE_SMS


async def test_stop_blocks_text_messages_until_start(stand_in, receiver, client):
    await stand_in.receive(SID, CITIZEN_SMS, OFFICE_SMS, " berhenti ")
    assert (receiver.messages[-1]["OptOutType"], receiver.messages[-1]["Body"]) == ("STOP", " berhenti ")
    error = await refused(client, to=CITIZEN_SMS, from_=OFFICE_SMS)
    assert (error.status, error.code) == (400, 21610)
    await stand_in.receive(SID, CITIZEN_SMS, OFFICE_SMS, "START")
    assert (await create(client, to=CITIZEN_SMS, from_=OFFICE_SMS)).sid


async def test_refusals_are_scripted_at_once_or_in_the_callback(stand_in, receiver, client):
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo")
    stand_in.refuse(SID, 20429, count=2, retry_after=7)
    for _ in range(2):
        error = await refused(client)
        assert (error.status, error.code) == (429, 20429)
    stand_in.refuse(SID, 20003)
    assert (await refused(client)).status == 401
    for code, end in ((30001, "failed"), (63016, "failed"), (30003, "undelivered")):
        stand_in.refuse(SID, code)
        sent = await create(client, status_callback=f"{receiver.url}/hooks/s")
        await stand_in.settle()
        assert receiver.states(sent.sid) == [end]
        assert (await asyncio.to_thread(client.messages(sent.sid).fetch)).error_code == code
    stand_in.refuse(SID, 63016, in_callback=False)
    assert (await refused(client)).code == 63016
    assert (await create(client)).sid


async def test_retry_after_is_a_header_of_the_refusal(stand_in):
    stand_in.refuse(SID, 20429, retry_after=7)
    url = f"{stand_in.base_url}/2010-04-01/Accounts/{SID}/Messages.json"
    auth = basic(SID, TOKEN)
    async with aiohttp.ClientSession() as session, session.post(url, data={}, headers=auth) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")


async def test_a_provider_that_is_down_answers_503_or_nothing(stand_in, client):
    faults = stand_in.faults(SID)
    faults.outage = records.Outage.UNAVAILABLE
    assert (await refused(client)).status == 503
    faults.outage = records.Outage.DROPPED
    with pytest.raises(requests.ConnectionError):
        await create(client)
    assert stand_in.creates() == 0
    assert [call.status for call in stand_in.calls] == [503, None]
    faults.outage = records.Outage.NONE
    assert (await create(client)).sid


async def test_an_answer_can_get_lost_after_the_message_was_accepted(stand_in, receiver, client):
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo")
    faults = stand_in.faults(SID)
    faults.lose_answer(records.LostAnswer.DROPPED)
    with pytest.raises(requests.ConnectionError):
        await create(client, status_callback=f"{receiver.url}/hooks/s?ob=9.1")
    await stand_in.wait_for(lambda: len(receiver.statuses) == 3)
    assert stand_in.creates(to=CITIZEN) == 1
    client.http_client.timeout = 0.2
    faults.lose_answer(records.LostAnswer.SILENT)
    faults.lose_answer(records.LostAnswer.SILENT, accepted=False)
    for waiting in (1, 0):
        with pytest.raises(requests.ReadTimeout):
            await create(client)
        await stand_in.wait_for(lambda waiting=waiting: len(faults.lost_answers) == waiting)
        assert stand_in.creates(to=CITIZEN) == 2


async def test_messages_are_listed_newest_first_in_stable_pages(stand_in, client):
    for index in range(7):
        stand_in.write(SID, CITIZEN, OFFICE, f"pesan {index}")
    stand_in.write(SID, CITIZEN_SMS, OFFICE_SMS, "lain")
    first = await asyncio.to_thread(client.messages.page, to=OFFICE, page_size=3)
    bodies = [message.body for message in first]
    stand_in.write(SID, CITIZEN, OFFICE, "baru di antara dua halaman")
    second = await asyncio.to_thread(first.next_page)
    third = await asyncio.to_thread(second.next_page)
    bodies += [message.body for message in second] + [message.body for message in third]
    assert bodies == [f"pesan {index}" for index in reversed(range(7))]
    assert third.next_page_url is None
    assert len(await asyncio.to_thread(client.messages.list, to=OFFICE, page_size=2)) == 8
    assert [each.body for each in await asyncio.to_thread(client.messages.list, from_=CITIZEN_SMS)] == ["lain"]
    listed = await asyncio.to_thread(client.messages.list, to=OFFICE, limit=1)
    assert (listed[0].status, listed[0].direction) == ("received", "inbound")


async def test_lists_are_limited_by_the_time_of_the_message(stand_in, client, clock):
    begin = clock.now().replace(microsecond=0)
    stand_in.write(SID, CITIZEN, OFFICE, "lama")
    clock.moved = timedelta(days=2)
    stand_in.write(SID, CITIZEN, OFFICE, "baru")

    async def listed(**filters):
        return [each.body for each in await asyncio.to_thread(client.messages.list, to=OFFICE, **filters)]

    assert await listed(date_sent_after=begin) == ["baru", "lama"]
    assert await listed(date_sent_after=begin + timedelta(hours=1)) == ["baru"]
    assert await listed(date_sent_before=begin + timedelta(hours=1)) == ["lama"]
    assert await listed(date_sent=begin.date().isoformat()) == ["lama"]
    with pytest.raises(TwilioException, match="DateSent"):
        await listed(date_sent="kemarin")


async def test_media_redirects_to_storage_that_refuses_credentials(stand_in, receiver, client):
    message = await stand_in.receive(SID, CITIZEN, OFFICE, "bukti", media=[("image/png", PNG), ("audio/ogg", b"ogg")])
    form = receiver.messages[-1]
    assert (form["NumMedia"], form["MediaContentType1"], form["MessageType"]) == ("2", "audio/ogg", "image")
    listed = await asyncio.to_thread(client.messages(message.sid).media.list)
    assert [each.content_type for each in listed] == ["image/png", "audio/ogg"]
    auth = basic(SID, TOKEN)
    async with aiohttp.ClientSession() as session:
        async with session.get(form["MediaUrl0"]) as response:
            assert response.status == 401
        stand_in.faults(SID).media_misses = 1
        statuses = []
        for _ in range(2):
            async with session.get(form["MediaUrl0"], headers=auth, allow_redirects=False) as response:
                statuses.append(response.status)
                location = response.headers.get("Location")
        assert statuses == [404, 307]
        assert location.startswith("http://localhost:")
        async with session.get(location, headers=auth) as response:
            assert response.status == 400
        async with session.get(location) as response:
            assert (await response.read(), response.content_type) == (PNG, "image/png")
        async with session.get(re.sub("Expires=.", "Expires=9", location)) as response:
            assert response.status == 403
    assert await asyncio.to_thread(listed[0].delete)
    assert len(await asyncio.to_thread(client.messages(message.sid).media.list)) == 1
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(listed[0].delete)
    assert (caught.value.status, caught.value.code) == (404, 20404)
    assert await asyncio.to_thread(client.messages(message.sid).delete)
    assert stand_in.find(message.sid) is None


async def test_the_account_can_be_fetched_to_try_credentials(stand_in, client):
    account = await asyncio.to_thread(client.api.accounts(SID).fetch)
    assert (account.sid, account.status) == (SID, "active")


async def test_an_incoming_message_carries_the_fields_of_its_channel(stand_in, receiver):
    place = records.Location(-6.2, 106.8, "Kantor Contoh")
    await stand_in.receive(
        SID, CITIZEN, OFFICE, "min 🙏\nktp", profile_name="", location=place, fields={"NewField": "x"}
    )
    await stand_in.receive(SID, "whatsapp:ID.a1B2", OFFICE, "")
    await stand_in.receive(SID, CITIZEN_SMS, OFFICE_SMS, "sms")
    whatsapp, nameless, sms = receiver.messages
    assert whatsapp["MessageSid"] == whatsapp["SmsSid"] == whatsapp["SmsMessageSid"] != nameless["MessageSid"]
    assert (whatsapp["Body"], whatsapp["ProfileName"], whatsapp["NewField"]) == ("min 🙏\nktp", "", "x")
    assert (whatsapp["WaId"], whatsapp["MessageType"], whatsapp["Latitude"]) == ("6281200000001", "location", "-6.2")
    assert (whatsapp["AccountSid"], whatsapp["MessagingServiceSid"]) == (SID, SERVICE)
    assert "WaId" not in nameless
    assert (nameless["Body"], nameless["NumMedia"]) == ("", "0")
    assert (sms["FromCountry"], sms["FromCity"], sms["NumSegments"]) == ("ID", "", "1")
    assert "MessageType" not in sms
    assert receiver.forged == 0


@pytest.mark.parametrize(
    ("content_type", "body", "texts_sent"),
    [
        ("text/plain", "OK", ["OK"]),
        ("text/xml", "<Response/>", []),
        (
            "text/xml",
            "<Response><Message>a &amp; b</Message><Message><Body>c</Body></Message></Response>",
            ["a & b", "c"],
        ),
        ("application/json", '{"ok": true}', []),
    ],
)
async def test_what_the_webhook_answers_is_sent_to_the_citizen(stand_in, receiver, content_type, body, texts_sent):
    receiver.answer = lambda: web.Response(text=body, content_type=content_type)
    await stand_in.receive(SID, CITIZEN, OFFICE, "Halo")
    await stand_in.settle()
    replies = stand_in.messages(to=CITIZEN, direction="outbound-reply")
    assert [reply.body for reply in replies] == texts_sent
    assert all(reply.status == "delivered" for reply in replies)


async def test_a_webhook_is_delivered_ten_times_at_once_with_one_sid_and_token(stand_in, receiver):
    stand_in.faults(SID).webhook_copies = 10
    message = await stand_in.receive(SID, CITIZEN, OFFICE, "sekali saja")
    assert [form["MessageSid"] for form in receiver.messages] == [message.sid] * 10
    assert len(set(receiver.tokens)) == 1
    assert len(stand_in.messages()) == 1


async def test_webhooks_can_be_held_and_released_in_order(stand_in, receiver):
    stand_in.faults(SID).webhooks_held = True
    held = [await stand_in.receive(SID, CITIZEN, OFFICE, text) for text in ("satu", "dua")]
    assert receiver.messages == []
    assert {message.handover for message in held} == {records.Handover.HELD}
    await stand_in.release(SID)
    assert [form["Body"] for form in receiver.messages] == ["satu", "dua"]
    assert {message.handover for message in held} == {records.Handover.DONE}


async def test_what_arrived_while_the_webhook_was_silent_is_listed_and_never_repeated(stand_in, receiver, client):
    stand_in.faults(SID).webhooks_suspended = True
    suspended = await stand_in.receive(SID, CITIZEN, OFFICE, "selama gangguan")
    stand_in.faults(SID).webhooks_suspended = False
    receiver.answer = lambda: web.Response(status=503)
    failed = await stand_in.receive(SID, CITIZEN, OFFICE, "tidak dijawab")
    stand_in.accounts[SID].lines[OFFICE] = records.Line("http://127.0.0.1:9/hooks/wa", None, None)
    unreachable = await stand_in.receive(SID, CITIZEN, OFFICE, "mati")
    assert suspended.handover is records.Handover.SUSPENDED
    assert failed.handover is unreachable.handover is records.Handover.FAILED
    assert [form["Body"] for form in receiver.messages] == ["tidak dijawab"]
    assert stand_in.deliveries[-1].error == "ClientConnectorError"
    listed = await asyncio.to_thread(client.messages.list, to=OFFICE)
    assert [each.body for each in listed] == ["mati", "tidak dijawab", "selama gangguan"]


async def test_old_messages_are_dropped_for_new_ones(stand_in, monkeypatch):
    monkeypatch.setattr("simulator.twilio.KEPT_MESSAGES", 3)
    monkeypatch.setattr("simulator.twilio.KEPT_MEDIA_BYTES", 10)
    for index in range(5):
        stand_in.write(SID, CITIZEN, OFFICE, str(index), media=[("image/png", b"123456")] if index == 3 else ())
    assert [message.body for message in stand_in.messages()] == ["2", "3", "4"]
    stand_in.write(SID, CITIZEN, OFFICE, "5", media=[("image/png", b"123456")])
    assert [message.body for message in stand_in.messages()] == ["4", "5"]


async def test_waiting_gives_up(stand_in):
    with pytest.raises(TimeoutError):
        await stand_in.wait_for(lambda: False, timeout=0.01)


# --- The page -----------------------------------------------------------------------------------------------------

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
WHO = {"akun": "wa", "nomor": "+6281200000001", "nama": "Siti Rahma"}


@pytest.fixture
async def page(stand_in) -> AsyncIterator[TestClient]:
    accounts = [
        pages.SimulatedAccount("wa", "WhatsApp", OFFICE, SID),
        pages.SimulatedAccount("teks", "SMS", OFFICE_SMS, SID),
    ]
    application = web.Application()
    subapp = pages.subapp(stand_in, accounts, office="Kota Contoh", zone=ZoneInfo("Asia/Jakarta"))
    application.add_subapp("/simulator", subapp)
    async with TestClient(TestServer(application)) as page:
        yield page


async def send(page, headers=SAME_SITE, **fields):
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in (WHO | fields).items():
        if isinstance(value, bytes):
            form.add_field(name, io.BytesIO(value), filename="bukti.png", content_type="image/png")
        else:
            form.add_field(name, value)
    return await page.post("/simulator/kirim", data=form, headers=headers)


async def test_the_page_explains_itself_and_runs_under_a_strict_policy(page):
    response = await page.get("/simulator")
    text = await response.text()
    assert response.status == 200
    assert "Mode latihan: tidak ada pesan sungguhan yang terkirim." in text
    assert 'href="/inbox"' in text
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<style|style=|<script(?! src=)|\son\w+=|https?://", text)
    for address in re.findall(r'(?:href|src)="(/simulator/static/[^"]+)"', text):
        assert (await page.get(address)).status == 200


async def test_a_message_sent_by_the_form_reaches_the_office_and_its_answer_the_phone(page, stand_in, receiver, client):
    text = await (await send(page, pesan="Pagi <b>Bapak</b>,\r\nktp saya kapan?", gambar=PNG)).text()
    assert "Pagi &lt;b&gt;Bapak&lt;/b&gt;,\nktp saya kapan?" in text
    assert "Diterima kantor" in text
    form = receiver.messages[0]
    assert (form["From"], form["ProfileName"], form["NumMedia"]) == (CITIZEN, "Siti Rahma", "1")
    picture = await page.get(re.search(r'<img src="([^"]+)"', text)[1])
    assert (await picture.read(), picture.content_type) == (PNG, "image/png")
    sent = await create(client, body="Aduan nomor 7.", status_callback=f"{receiver.url}/hooks/s")
    await stand_in.settle()
    assert "Aduan nomor 7." in await (await page.get("/simulator", params=WHO)).text()
    await stand_in.settle()
    assert receiver.states(sent.sid)[-1] == "read"
    assert "dibaca" in await (await page.get("/simulator", params=WHO)).text()
    assert "Aduan nomor 7." not in await (await page.get("/simulator", params=WHO | {"akun": "teks"})).text()


async def test_a_place_can_be_sent_and_only_by_whatsapp(page, receiver):
    await send(page, lokasi="ya")
    assert (receiver.messages[0]["MessageType"], receiver.messages[0]["Label"]) == ("location", texts.PLACE)
    assert texts.EMPTY in await (await send(page, lokasi="ya", akun="teks")).text()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"pesan": "  "}, texts.EMPTY),
        ({"pesan": "a" * 1601}, texts.TOO_LONG),
        ({"pesan": "x", "nomor": "021-555"}, texts.BAD_NUMBER),
        ({"pesan": "x", "gambar": b"<svg onload=alert(1)>"}, texts.NOT_A_PICTURE),
        ({"pesan": "x", "gambar": PNG + bytes(5 * 1024 * 1024)}, texts.TOO_LARGE),
    ],
)
async def test_what_cannot_be_sent_is_explained(page, stand_in, fields, problem):
    assert problem in await (await send(page, **fields)).text()
    assert stand_in.messages() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://lain.invalid"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_forms_of_other_sites_are_refused(page, stand_in, headers, status):
    assert (await send(page, headers=headers, pesan="x")).status == status
    assert stand_in.messages() == []


async def test_an_old_browser_is_known_by_its_origin(page, stand_in):
    await send(page, headers={"Origin": str(page.make_url("")).rstrip("/")}, pesan="x")
    assert len(stand_in.messages()) == 1


async def test_every_switch_turns_a_fault_on_and_off(page, stand_in):
    async def turn(key, state):
        fields = WHO | {"sakelar": key, "ke": state}
        return await (await page.post("/simulator/sakelar", data=fields, headers=SAME_SITE)).text()

    for key, name, _ in texts.SWITCHES:
        assert f'aria-checked="true" name="ke" value="padam" aria-describedby="apa-{key}"' in await turn(
            key, "nyala"
        ), name
        assert 'aria-checked="true"' not in await turn(key, "padam"), name
    await turn("late", "nyala")
    message = stand_in.find(stand_in.write(SID, CITIZEN, OFFICE, "terlambat").sid)
    await stand_in.announce(message)
    assert "ditahan penyedia" in await (await page.get("/simulator", params=WHO)).text()
    await turn("late", "padam")
    assert message.handover is records.Handover.DONE


async def test_the_page_is_told_at_once_when_something_changed(page, stand_in):
    async with page.get("/simulator/alur") as stream:
        stand_in.write(SID, CITIZEN, OFFICE, "Halo")
        assert await stream.content.readline() == b"event: change\n"


async def test_an_open_page_does_not_hold_up_the_end_of_the_program(page):
    stream = await page.get("/simulator/alur")
    async with asyncio.timeout(5):
        await page.server.close()
    assert b"event: change" in await stream.read()


async def test_a_channel_that_does_not_exist_is_not_found(page):
    assert (await page.get("/simulator", params={"akun": "faks"})).status == 404
