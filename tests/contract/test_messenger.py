"""The contract of Facebook Messenger: what its webhooks say, and how its connector sends, lists and examines."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors import registry
from connectors.meta import attachments, batches, payload
from core import errors, model
from simulator import graph_api
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, PSID, APP = "100000000000001", "7000000000000001", "200000000000001"
HERE = model.Destination("messenger", PAGE)
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CDN = "https://scontent.xx.fbcdn.net/v/t1.15752-9/"
WEB = "https://berita.example.org/antrean"
PICTURE = (model.RemoteFile(CDN + "loket.jpg", "image/jpeg"),)


def message(name: str, **expected: object) -> model.InboundMessage:
    common = {"provider_id": f"m_{name}", "address": PSID, "sent_at": AT, "destination": HERE}
    return model.InboundMessage(**{**common, **expected})


MESSAGES = {
    "text": {"text": "Assalamualaikum, KTP-el saya sudah 3 bulan belum dicetak. Mohon informasinya 🙏\nTerima kasih."},
    "reply": {"text": "ini maksudnya gimana pak", "replies_to": ("m_kami",)},
    "quick_reply": {
        "text": "Ya, sudah selesai",
        "content": model.Content.BUTTON,
        "details": {"button_text": "Ya, sudah selesai", "button_payload": "selesai"},
    },
    "pictures": {
        "text": "ini buktinya ya",
        "files": (
            model.RemoteFile(CDN + "satu.jpg?oh=00_a&oe=1", "image/jpeg"),
            model.RemoteFile(CDN + "dua.jpg?oh=00_b&oe=1", "image/jpeg"),
        ),
    },
    "voice": {"files": (model.RemoteFile("https://cdn.fbsbx.com/v/t59.3654-21/suara.mp4?oh=00_c", "audio/mp4"),)},
    "video": {"files": (model.RemoteFile("https://video.xx.fbcdn.net/v/t42.3356-2/rekaman.mp4?oh=00_d", "video/mp4"),)},
    "file": {
        "files": (
            model.RemoteFile(
                "https://cdn.fbsbx.com/v/t59.2708-21/Surat%20Keterangan.pdf/Surat%20Keterangan.pdf?oh=00_e",
                None,
                "Surat Keterangan.pdf",
            ),
        )
    },
    "sticker": {"files": (model.RemoteFile(CDN + "stiker.png", "image/png"),)},
    "like": {"text": "👍"},
    "location": {
        "content": model.Content.LOCATION,
        "details": {"latitude": "-7.6453", "longitude": "112.9075", "label": "Kantor Kecamatan"},
    },
    "link": {"text": WEB, "details": {"type": "fallback", "title": "Antrean KTP"}},
    "link_alone": {"text": WEB, "details": {"type": "fallback", "title": "Antrean KTP"}},
    "reel": {"text": "https://www.facebook.com/reel/1", "details": {"type": "reel", "title": "Cara rekam KTP"}},
    "fallback": {"content": model.Content.UNSUPPORTED, "details": {"type": "fallback"}},
    "appointment": {
        "text": "Jadwal saya?",
        "content": model.Content.UNSUPPORTED,
        "details": {"type": "appointment_booking", "title": "Rekam KTP-el"},
    },
    "from_link": {"text": "halo", "details": {"referral": "baliho-pasar"}},
    "from_advertisement": {"text": "halo", "details": {"referral": "6045246247433"}},
    "empty": {"content": model.Content.EMPTY},
    "postback": {
        "text": "Mulai",
        "content": model.Content.BUTTON,
        "details": {"button_text": "Mulai", "button_payload": "GET_STARTED", "referral": "baliho-pasar"},
    },
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_as_the_citizen_wrote_it(meta_events, name):
    assert meta_events("messenger", name) == [message(name, **MESSAGES[name])]


def receipt(state: model.DeliveryState, mid: str = "m_kami", reference: str | None = None) -> model.DeliveryReceipt:
    return model.DeliveryReceipt(mid, state, reference=reference, destination=HERE)


def colleague(mid: str, text: str, files: tuple[model.RemoteFile, ...] = ()) -> model.ColleagueAnswer:
    return model.ColleagueAnswer(mid, PSID, text, AT, files, HERE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("echo_own", [receipt(model.DeliveryState.ACCEPTED, reference="7.1")]),
        (
            "echo_colleague",
            [colleague("m_inbox", "Silakan datang ke loket 2, Bu.", PICTURE)],
        ),
        ("echo_of_nobody", [colleague("m_inbox2", "Sudah kami terima.")]),
        (
            "delivery",
            [
                receipt(model.DeliveryState.DELIVERED),
                model.Watermark(PSID, model.DeliveryState.DELIVERED, AT - timedelta(minutes=1), HERE),
            ],
        ),
        ("read", [model.Watermark(PSID, model.DeliveryState.READ, AT - timedelta(minutes=1), HERE)]),
        ("reaction", [model.Reaction("m_kami", PSID, "❤", HERE)]),
        ("reaction_removed", [model.Reaction("m_kami", PSID, None, HERE)]),
        ("edit", [model.Revision(message("text", text="KTP-el saya sudah 4 bulan belum dicetak."))]),
        ("deleted", [model.Withdrawal("m_deleted", AT, HERE)]),
        (
            "standby",
            [
                message("standby", text="apakah masih buka?"),
                message(
                    "", provider_id=f"postback:{PSID}:1795316400.000", text="Jam layanan",
                    content=model.Content.BUTTON, details={"button_text": "Jam layanan"},
                ),
            ],
        ),
    ],
)  # fmt: skip
def test_what_else_happens_in_a_conversation(meta_events, name, expected):
    assert meta_events("messenger", name) == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("handover", payload.Ignored.HANDED_OVER),
        ("opened", payload.Ignored.OPENED),
        ("read_by_page", payload.Ignored.OWN),
    ],
)
def test_bookkeeping_is_no_message(meta_events, recorded, name, reason):
    assert meta_events("messenger", name) == []
    assert set(batches.outcomes(recorded("messenger", name), APP)) == {reason}


def test_a_warning_of_metas_shows_in_quarantine(meta_events):
    (unreadable,) = meta_events("messenger", "policy")
    assert unreadable.reason == "an unknown kind of event: policy_enforcement"


def test_one_bad_event_costs_no_other_and_can_be_read_again_alone(meta_events, meta_connector, meta_request):
    first, bad, second, elsewhere, comment = meta_events("messenger", "batch")
    assert [first.text, second.text, elsewhere.text, comment.text] == ["satu", "dua", "tiga", "empat"]
    assert elsewhere.destination == model.Destination("messenger", "100000000000002")
    assert comment.destination == model.Destination("facebook_comments", PAGE)
    assert (bad.reason, bad.destination) == ("it does not say which message", HERE)
    assert json.loads(bad.body)["entry"][0]["messaging"][0]["message"] == {"text": "tanpa mid"}
    assert meta_connector("instagram").parse(meta_request(bad.body)) == [bad]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"message": {"mid": "m_1", "text": "siapa?"}}, "it names no sender"),
        ({"sender": {"id": PSID}, "message": {"text": "yang mana?"}}, "it does not say which message"),
        ({"sender": {"id": PSID}, "message": "bukan objek"}, "an unknown kind of event: message"),
        ({"sender": {"id": PSID}, "order": {"products": []}}, "an unknown kind of event: order"),
        ({"sender": {"id": PSID}, "Budi 0812": {}}, "an unknown kind of event: ?"),
        ({"sender": {"id": PSID}, "reaction": {"mid": "m_1", "action": "react"}}, "a reaction does not say which"),
        ({"sender": {"id": PSID}, "read": {}}, "a notice of reading does not say of what"),
        ({"sender": {"id": PSID}, "delivery": {"mids": [None]}}, "a notice of delivery does not say of what"),
        ({"sender": {"id": PSID}, "postback": {"title": "x"}}, "a pressed button has neither id nor time"),
        (
            {"sender": {"id": PSID}, "message_edit": {"mid": "m_1", "num_edit": 2}},
            "an edit does not say what the message is now",
        ),
        ({"sender": {"id": PAGE}, "message": {"mid": "m_1", "is_echo": True}}, "it names no recipient"),
        (None, "an unknown kind of event: ?"),
    ],
)
def test_what_cannot_be_read_says_why_and_nothing_of_its_content(event, reason):
    batch = {"object": "page", "entry": [{"id": PAGE, "messaging": [event]}]}
    (unreadable,) = batches.read(batch, APP)
    assert (unreadable.reason, unreadable.destination) == (reason, HERE)


@pytest.mark.parametrize(
    "entry", [None, {}, {"id": PAGE}, {"id": PAGE, "messaging": None}, {"id": "", "messaging": []}, {"messaging": [{}]}]
)
def test_an_entry_that_cannot_be_read_is_kept_whole(entry):
    (unreadable,) = batches.read({"object": "page", "entry": [entry]}, APP)
    assert json.loads(unreadable.body) == {"object": "page", "entry": [entry]}
    assert unreadable.destination is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"[]", b"null", b"{}", b'{"object":"page"}', b'{"object":"user","entry":[]}'),
        *(b'{"object":["page"],"entry":[]}', b'{"object":"page","entry":{}}', b"[" * 100_000, b"9" * 5_000),
    ],
)
def test_what_is_no_batch_is_refused_whole(meta_connector, meta_request, body):
    with pytest.raises(errors.PayloadError):
        meta_connector("messenger").parse(meta_request(body))


def test_a_large_batch_is_read_to_the_end(meta_connector, meta_request):
    events = [{"sender": {"id": PSID}, "message": {"mid": f"m_{n}", "text": "x" * 1500}} for n in range(1000)]
    body = json.dumps({"object": "page", "entry": [{"id": PAGE, "messaging": events}]}).encode()
    assert len(body) > 2**20
    found = meta_connector("messenger").parse(meta_request(body))
    assert [event.provider_id for event in found] == [f"m_{n}" for n in range(1000)]


@pytest.mark.parametrize(
    ("app_id", "metadata", "is_ours"),
    [
        (int(APP), "7.1", True),
        (APP, None, True),  # sent by this app without a reference of ours
        (None, "7.1", True),
        (None, "halo", False),
        (None, None, False),
        (263902037430900, "7.1", False),  # another program that numbers its messages alike
    ],
)
def test_whose_an_echo_is(app_id, metadata, is_ours):
    echo = {"mid": "m_1", "text": "Baik.", "is_echo": True, "app_id": app_id, "metadata": metadata}
    event = {"sender": {"id": PAGE}, "recipient": {"id": PSID}, "message": echo}
    (found,) = batches.read({"object": "page", "entry": [{"id": PAGE, "messaging": [event]}]}, APP)
    assert isinstance(found, model.DeliveryReceipt if is_ours else model.ColleagueAnswer)
    if is_ours:
        assert found.reference == ("7.1" if metadata == "7.1" else None)


def test_what_the_page_says_is_an_echo_even_where_it_is_not_called_so():
    event = {"sender": {"id": PAGE}, "recipient": {"id": PSID}, "message": {"mid": "m_1", "text": "Baik."}}
    (found,) = batches.read({"object": "page", "entry": [{"id": PAGE, "messaging": [event]}]}, APP)
    assert isinstance(found, model.ColleagueAnswer)


@pytest.mark.parametrize(
    "coordinates", [{"lat": 1, "long": 181}, {"lat": "1", "long": 1}, {"lat": True, "long": 1}, None]
)
def test_a_place_that_is_none_is_said_to_be_one_that_cannot_be_shown(coordinates):
    parts = attachments.read([{"type": "location", "payload": {"coordinates": coordinates}}])
    assert (parts.content, parts.details) == (model.Content.UNSUPPORTED, {"type": "location"})


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("m_1", "m_1"),
        (5, "5"),
        *((odd, None) for odd in (True, 0, -1, 10**40, 1.0, None, "", "a b", "é", "\x00", "x" * 513, [], {})),
    ],
)
def test_an_id_is_read_however_it_is_told(told, read):
    assert payload.identifier(told) == read


@pytest.mark.parametrize(
    "told",
    [None, 5, "", "x", "javascript:1", "http://", "https://[", "https://a b", "https://a/\u202eb", "https://a/\x00"],
)
def test_what_is_no_address_is_none(told):
    assert payload.address(told) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (1795316400000, AT),
        (1795316400, AT),
        ("1795316400000", AT),
        ("2026-11-22T10:00:00+0700", AT),
        *((odd, None) for odd in (0, -1, True, None, "", "kemarin", 10**18, 10**400, [], "9" * 30, "9999-99-99")),
    ],
)
def test_a_time_is_read_however_it_is_written(written, read):
    assert payload.moment(written) == read


class TestConnector:
    """By the stand-in, over real connections: what sending.py, listing.py and standing.py are given."""

    @pytest.fixture
    async def stand_in(self, clock):
        stand_in = GraphStandIn(clock)
        stand_in.register_app(APP, "rahasia-aplikasi")
        account = stand_in.register_page(PAGE, "Dukcapil Kota Contoh", "token-halaman", APP, "http://127.0.0.1:9/hooks")
        account.faults.webhooks_suspended = True
        async with graph_api.serve(stand_in):
            yield stand_in
            await stand_in.settle()

    @pytest.fixture
    def clock(self):
        class Clock:
            at = AT

            def now(self):
                return self.at

        return Clock()

    async def test_a_message_carries_our_reference(self, stand_in, meta_connector, outbound):
        People(stand_in).put(PAGE, PSID, "Selamat pagi")
        connector = meta_connector("messenger", base_url=stand_in.base_url)
        sent = await connector.send(outbound(address=PSID))
        assert (stand_in.message(sent.provider_id).metadata, stand_in.message(sent.provider_id).app_id) == ("7.1", APP)

    async def test_requests_are_signed_with_the_first_secret(self, stand_in, meta_connector, outbound):
        People(stand_in).put(PAGE, PSID, "Selamat pagi")
        secrets = ["rahasia-aplikasi", "rahasia-baru"]
        assert await meta_connector("messenger", base_url=stand_in.base_url, app_secrets=secrets).send(
            outbound(address=PSID)
        )
        with pytest.raises(errors.SendError):
            await meta_connector("messenger", base_url=stand_in.base_url, app_secrets=secrets[::-1]).send(
                outbound(address=PSID)
            )

    async def test_seven_days_are_only_for_apps_that_have_the_feature(self, stand_in, meta_connector, outbound):
        People(stand_in).put(PAGE, PSID, "Selamat pagi")
        stand_in.accounts[PAGE].human_agent = True
        late = outbound(address=PSID, window_open=False)
        with pytest.raises(errors.ReplyWindowClosed):
            await meta_connector("messenger", base_url=stand_in.base_url).send(late)
        sent = await meta_connector("messenger", base_url=stand_in.base_url, human_agent=True).send(late)
        assert stand_in.message(sent.provider_id).tag == "HUMAN_AGENT"

    async def test_what_was_missed_is_listed_as_its_webhook_would_have_told(self, stand_in, meta_connector):
        written = People(stand_in).put(PAGE, PSID, "Tadi tidak ada jawaban", name="Siti Rahma")
        connector = meta_connector("messenger", base_url=stand_in.base_url)
        (listed,) = [event async for event in connector.catch_up(AT - timedelta(hours=1))]
        assert (listed.provider_id, listed.text, listed.address) == (written.mid, "Tadi tidak ada jawaban", PSID)
        assert (listed.destination, listed.sent_at) == (HERE, AT)

    async def test_a_token_of_another_page_suspends_the_account(self, stand_in, meta_connector):
        await meta_connector("messenger", base_url=stand_in.base_url).check()
        with pytest.raises(errors.AccountSuspended):
            await meta_connector("messenger", base_url=stand_in.base_url, page_id="1").check()
        with pytest.raises(errors.AccountSuspended):
            await meta_connector("messenger", base_url=stand_in.base_url, access_token="lain").check()

    async def test_a_lost_subscription_is_told(self, stand_in, meta_connector):
        connector = meta_connector("messenger", base_url=stand_in.base_url)
        before = await connector.examine()
        stand_in.accounts[PAGE].subscribed = None
        assert [each for each in await connector.examine() if each not in before]

    async def test_files_come_from_meta_alone(self, provider, meta_connector):
        provider.answer(200, b"isi berkas")
        connector = meta_connector("messenger", base_url=provider.url)
        file = model.RemoteFile(f"{provider.url}/berkas")
        assert b"".join([piece async for piece in connector.fetch(file, 100)]) == b"isi berkas"
        for url in ("https://lain.example.org/x", "http://scontent.xx.fbcdn.net.example.org/x", "file:///etc/passwd"):
            with pytest.raises(errors.MediaRefused):
                [piece async for piece in connector.fetch(model.RemoteFile(url), 100)]


def test_what_the_channel_can_do():
    able = registry.CHANNELS["messenger"].capabilities
    assert able.max_text == model.Limit(2000, "characters")
    assert (able.reply_window, able.human_reply_window) == (timedelta(hours=24), timedelta(days=7))
    assert (able.receipts, able.read_receipts, able.withdrawals, able.is_public) == (True, True, True, False)
    assert able.sent_files.takes("application/pdf")
    assert not able.sent_files.takes("text/html")


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_id": "dukcapil"},
        {"app_secrets": []},
        {"app_secrets": [""]},
        {"verify_token": ""},
        {"access_token": ""},
        {"version": "26.0"},
        {"base_url": "ftp://graph.example.org"},
        {"base_url": "https://graph.example.org?x=1"},
        {"instagram_id": "1"},
    ],
)
def test_wrong_settings_are_refused(meta_connector, wrong):
    with pytest.raises(ValueError):
        meta_connector("messenger", **wrong)
