"""The contract of Instagram: private conversations, and what is written in public."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors import registry
from connectors.meta import batches, client, payload
from core import errors, model
from simulator import graph_api
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, IG, IGSID, APP = "100000000000001", "17800000000000001", "8000000000000001", "200000000000001"
HERE = model.Destination("instagram", IG)
PUBLIC = model.Destination("instagram_comments", IG)
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
TOLD_AT = AT + timedelta(milliseconds=500)
KEPT = "https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id="


def message(name: str, **expected: object) -> model.InboundMessage:
    common = {"provider_id": f"aWdf_{name}", "address": IGSID, "sent_at": AT, "destination": HERE}
    return model.InboundMessage(**{**common, **expected})


MESSAGES = {
    "text": {"text": "Min, akta lahir anak saya kok belum jadi ya? 🙏"},
    "reply": {"text": "yang ini", "replies_to": ("aWdf_kami",)},
    "image": {"files": (model.RemoteFile(KEPT + "1&signature=a", "image/jpeg"),)},
    "voice": {"files": (model.RemoteFile(KEPT + "2&signature=b", "audio/mp4"),)},
    "shared_post": {"files": (model.RemoteFile(KEPT + "3&signature=c"),), "details": {"type": "share"}},
    "shared_link": {
        "text": "https://www.instagram.com/p/C0ntoh/",
        "details": {"type": "share", "title": "Syarat KIA"},
    },
    "shared_private": {"content": model.Content.UNSUPPORTED, "details": {"type": "share"}},
    "reel": {
        "files": (model.RemoteFile(KEPT + "4&signature=d"),),
        "details": {"type": "ig_reel", "title": "Cara daftar"},
    },
    "story_reply": {
        "text": "ini jam berapa?",
        "details": {"story_id": "17858893269000001", "story_link": KEPT + "5"},
    },
    "story_mention": {"files": (model.RemoteFile(KEPT + "6&signature=e"),), "details": {"type": "story_mention"}},
    "view_once": {"content": model.Content.UNSUPPORTED, "details": {"type": "ephemeral"}},
    "unsupported": {"content": model.Content.UNSUPPORTED},
    "quick_reply": {
        "text": "Akta",
        "content": model.Content.BUTTON,
        "details": {"button_text": "Akta", "button_payload": "akta"},
    },
    "product": {"text": "ini?", "details": {"referral": "1234567890"}},
    "postback": {
        "text": "Cek berkas",
        "content": model.Content.BUTTON,
        "details": {"button_text": "Cek berkas", "button_payload": "BERKAS"},
    },
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_as_the_citizen_wrote_it(meta_events, name):
    assert meta_events("instagram", name) == [message(name, **MESSAGES[name])]


def comment(number: int, text: str = "", **expected: object) -> model.InboundMessage:
    name, media = f"17900000000000{number}", "17900000000000300"
    common = {
        "provider_id": name,
        "address": IGSID,
        "text": text,
        "sent_at": TOLD_AT,
        "name": "siti.rahma",
        "thread": media,
        "destination": PUBLIC,
    }
    details = {"item": "comment", "comment_id": name, "media_id": media, "media_type": "FEED"}
    return model.InboundMessage(**{**common, "details": details | expected.pop("about", {}), **expected})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("comment", comment(901, "min kok lama")),
        (
            "comment_reply",
            comment(902, "iya sama", replies_to=("17900000000000901",), about={"parent_id": "17900000000000901"}),
        ),
        (
            "comment_on_advertisement",
            comment(
                903,
                "min kok lama",
                thread="17900000000000301",
                about={"media_id": "17900000000000301", "media_type": "AD", "ad_id": "6045246247433"},
            ),
        ),
        (
            "comment_live",
            comment(
                904,
                "halo min",
                thread="17900000000000302",
                about={"media_id": "17900000000000302", "media_type": "LIVE", "live": "yes"},
            ),
        ),
        ("comment_gif", comment(905, content=model.Content.UNSUPPORTED)),
        (
            "comment_without_author",
            comment(907, "min kok lama", address="unknown:17900000000000907", name=None),
        ),
        ("comment_of_entry", comment(909, "lewat instagram login", sent_at=AT, about={"media_type": "REELS"})),
        (
            "mention",
            comment(
                908,
                address="unknown:17900000000000908",
                name=None,
                content=model.Content.UNSUPPORTED,
                thread="17900000000000500",
                details={
                    "type": "mention",
                    "item": "mention",
                    "comment_id": "17900000000000908",
                    "media_id": "17900000000000500",
                },
            ),
        ),
        (
            "mention_in_caption",
            comment(
                501,
                address="unknown:17900000000000501",
                name=None,
                content=model.Content.UNSUPPORTED,
                thread="17900000000000501",
                details={"type": "mention", "item": "mention", "media_id": "17900000000000501"},
            ),
        ),
    ],
)
def test_what_is_written_in_public_is_read_as_it_stands_there(meta_events, name, expected):
    assert meta_events("instagram", name) == [expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deleted", model.Withdrawal("aWdf_deleted", AT, HERE)),
        ("echo", model.ColleagueAnswer("aWdf_kami", IGSID, "Silakan DM nomor register.", AT, (), HERE)),
        ("echo_own", model.DeliveryReceipt("aWdf_kami", model.DeliveryState.ACCEPTED, destination=HERE)),
        ("echo_unsent", model.Withdrawal("aWdf_kami", AT, HERE)),
        ("read", model.DeliveryReceipt("aWdf_kami", model.DeliveryState.READ, destination=HERE)),
        ("reaction", model.Reaction("aWdf_kami", IGSID, "❤", HERE)),
        ("edit", model.Revision(message("text", text="Min, akta lahir adik saya"))),
        ("message_as_change", message("uji", text="tombol uji")),
    ],
)
def test_what_else_happens(meta_events, name, expected):
    assert meta_events("instagram", name) == [expected]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("comment_own", payload.Ignored.OWN),
        ("to_itself", payload.Ignored.OWN),
        ("edit_of_nothing", payload.Ignored.FIRST_VERSION),
        ("story_insights", payload.Ignored.COUNTED),
    ],
)
def test_bookkeeping_is_no_message(meta_events, recorded, name, reason):
    assert meta_events("instagram", name) == []
    assert batches.outcomes(recorded("instagram", name), APP) == [reason]


def test_a_subscription_without_values_shows_in_quarantine(meta_events, recorded):
    (unreadable,) = meta_events("instagram", "without_values")
    assert unreadable.reason == "an entry has no events that can be read"
    assert json.loads(unreadable.body) == recorded("instagram", "without_values")


@pytest.mark.parametrize(
    ("field", "reason"), [("comments", "a comment has no id"), ("mentions", "a mention does not say where")]
)
def test_a_comment_that_cannot_be_named_shows_in_quarantine(field, reason):
    batch = {"object": "instagram", "entry": [{"id": IG, "changes": [{"field": field, "value": {"text": "x"}}]}]}
    (unreadable,) = batches.read(batch, APP)
    assert (unreadable.reason, unreadable.destination) == (reason, PUBLIC)


class TestConnector:
    """By the stand-in, over real connections, with the page's token and with one of Instagram login."""

    @pytest.fixture
    async def stand_in(self):
        class Clock:
            def now(self):
                return AT

        stand_in = GraphStandIn(Clock())
        stand_in.register_app(APP, "rahasia-aplikasi")
        page = stand_in.register_page(PAGE, "Dukcapil Kota Contoh", "token-halaman", APP, "http://127.0.0.1:9/hooks")
        account = stand_in.register_instagram(IG, "dukcapil", "token-ig", APP, "http://127.0.0.1:9/hooks", PAGE)
        for each in (page, account):
            each.faults.webhooks_suspended = True
        async with graph_api.serve(stand_in):
            yield stand_in
            await stand_in.settle()

    @pytest.fixture(params=["facebook", "instagram"])
    def connect(self, request, stand_in, meta_connector):
        token = {"facebook": "token-halaman", "instagram": "token-ig"}[request.param]
        return lambda channel, **settings: meta_connector(
            channel, base_url=stand_in.base_url, login=request.param, access_token=token, **settings
        )

    @pytest.fixture
    def written(self, stand_in):
        return People(stand_in).put_comment(stand_in.publish(IG, "Jadwal layanan").id, IGSID, "Kapan jadi?")

    @pytest.fixture
    def answer(self, outbound, written):
        def make(**changes):
            about = model.Answered(written.id, {"item": "comment"}, AT)
            return outbound(**{"address": IGSID, "answers": about, **changes})

        return make

    async def test_a_private_message(self, stand_in, connect, outbound):
        People(stand_in).put(IG, IGSID, "Halo")
        sent = await connect("instagram").send(outbound(address=IGSID))
        assert stand_in.message(sent.provider_id).account_id == IG

    async def test_an_answer_in_public_alone_and_hiding(self, stand_in, connect, answer, written):
        connector = connect("instagram_comments")
        reply = await connector.send(answer(text="Silakan DM."))
        assert stand_in.comment(reply.provider_id)[2].parent_id == written.id
        alone = await connector.send(answer(private=True))
        assert alone.opened == (HERE, IGSID)
        await connector.send(answer(kind=model.MessageKind.HIDING, text=""))
        assert stand_in.comment(written.id)[2].is_hidden

    async def test_what_was_missed_is_listed(self, stand_in, meta_connector, written):
        missed = People(stand_in).put(IG, IGSID, "Tadi tidak ada jawaban")
        since = AT - timedelta(hours=1)
        private_, public_ = (
            meta_connector(channel, base_url=stand_in.base_url) for channel in ("instagram", "instagram_comments")
        )
        (private,) = [event async for event in private_.catch_up(since)]
        assert (private.provider_id, private.destination) == (missed.mid, HERE)
        (public,) = [event async for event in public_.catch_up(since)]
        assert (public.provider_id, public.destination, public.sent_at) == (written.id, PUBLIC, AT)

    async def test_the_account_can_be_looked_at(self, connect):
        await connect("instagram").check()
        assert all(isinstance(each, str) for each in await connect("instagram_comments").examine())

    async def test_the_end_of_a_token_that_only_we_know_is_announced(self, stand_in, meta_connector):
        def login(ends):
            settings = {"login": "instagram", "access_token": "token-ig", "token_expires_on": ends}
            return meta_connector("instagram", base_url=stand_in.base_url, **settings)

        told = await login(date(2000, 1, 1)).examine()
        assert any("01-01-2000" in each for each in told)
        assert not any("token_expires_on" in each for each in await login(date(2999, 1, 1)).examine())

    async def test_a_token_of_another_account_is_refused(self, stand_in, meta_connector):
        settings = {"base_url": stand_in.base_url, "login": "instagram", "access_token": "token-ig"}
        with pytest.raises(errors.AccountSuspended):
            await meta_connector("instagram", instagram_id="1", **settings).check()


def test_where_the_api_is_depends_on_the_way_in(meta_connector):
    assert meta_connector("instagram").base_url == client.FACEBOOK
    assert meta_connector("instagram", login="instagram").base_url == client.INSTAGRAM
    assert meta_connector("messenger").base_url == client.FACEBOOK


def test_what_the_channels_can_do():
    private = registry.CHANNELS["instagram"].capabilities
    assert private.max_text == model.Limit(1000, "bytes")
    assert (private.reply_window, private.human_reply_window) == (timedelta(hours=24), timedelta(days=7))
    public = registry.CHANNELS["instagram_comments"].capabilities
    assert (public.is_public, public.private_replies, public.hiding, public.withdrawals) == (True, True, True, False)
    assert (public.text_form, public.max_text) == (model.TextForm.PUBLIC, model.Limit(2200))
