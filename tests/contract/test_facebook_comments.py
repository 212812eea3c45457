"""The contract of what stands in public on a Facebook page: comments, visitors' posts, mentions, recommendations."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors import registry
from connectors.meta import batches, payload
from core import model
from simulator import graph_api
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, PSID, APP = "100000000000001", "7000000000000001", "200000000000001"
POST, VISIT = f"{PAGE}_300", f"{PAGE}_400"
HERE = model.Destination("facebook_comments", PAGE)
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CDN = "https://scontent.xx.fbcdn.net/v/t1.15752-9/"
LINK = "https://www.facebook.com/dukcapil.contoh/posts/300"


def comment(provider_id: str, text: str = "", parent: str | None = None, **expected: object) -> model.InboundMessage:
    details = {"item": "comment", "comment_id": provider_id, "post_id": POST, "link": LINK}
    common = {
        "provider_id": provider_id,
        "address": PSID,
        "text": text,
        "sent_at": AT,
        "name": "Siti Rahma",
        "details": details | ({"parent_id": parent} if parent else {}),
        "replies_to": (parent,) if parent else (),
        "thread": POST,
        "destination": HERE,
    }
    return model.InboundMessage(**{**common, **expected})


def post(text: str = "", provider_id: str = VISIT, **expected: object) -> model.InboundMessage:
    details = {"item": "post", "post_id": provider_id}
    return comment(provider_id, text, **{"details": details, "thread": provider_id, **expected})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("comment", comment("300_901", "Min, KTP-el saya kapan jadi? Sudah 3 bulan 🙏")),
        ("reply", comment("300_902", "sama pak", parent="300_901")),
        (
            "photo",
            comment("300_903", "lihat ini", files=(model.RemoteFile(CDN + "komentar.jpg?oh=00_f", "image/jpeg"),)),
        ),
        (
            "video",
            comment(
                "300_904",
                files=(model.RemoteFile("https://video.xx.fbcdn.net/v/komentar.mp4?oh=00_g", "video/mp4"),),
            ),
        ),
        ("sticker", comment("300_905", content=model.Content.UNSUPPORTED)),
        ("tag_only", comment("300_906", "Budi Contoh")),
        ("emoji_only", comment("300_907", "😡😡😡")),
        ("without_author", comment("300_909", "saya tidak mau disebut", address="unknown:300_909", name=None)),
        ("short_id", comment("300_910", "singkat", parent="300_901")),
        (
            "other_page",
            comment("300_911", "Mohon dibantu warga kami", address="100000000000099", name="Kelurahan Contoh"),
        ),
        ("written_time", comment("300_912", "waktu tertulis")),
        ("old_shape", comment("300_913", "bentuk lama")),
        ("visitor_post", post("Loket 2 tutup sebelum jam 3?")),
        (
            "visitor_photo",
            post("antre dari subuh", files=(model.RemoteFile(CDN + "antre.jpg?oh=00_h", "image/jpeg"),)),
        ),
        (
            "visitor_photos",
            post("banyak foto", files=tuple(model.RemoteFile(CDN + n, "image/jpeg") for n in ("a.jpg", "b.jpg"))),
        ),
        ("shared", post("Kenapa begini?")),
        (
            "mention",
            post(
                provider_id="1_77",
                content=model.Content.UNSUPPORTED,
                details={"item": "comment", "comment_id": "1_77", "post_id": "500_1", "type": "mention"},
                thread="500_1",
            ),
        ),
        (
            "mention_in_post",
            post(
                "Dukcapil Kota Contoh tolong",
                "500_2",
                details={"item": "post", "post_id": "500_2", "type": "mention"},
            ),
        ),
        (
            "rating",
            post(
                "Antre lima jam.",
                "601",
                details={"item": "rating", "post_id": "601", "type": "rating", "title": "NEGATIVE"},
            ),
        ),
        ("edited", model.Revision(comment("300_901", "Min, KTP-el saya kapan jadi? Sudah 4 bulan"))),
        ("visitor_post_edited", model.Revision(post("Loket 2 tutup sebelum jam 2?"))),
        ("removed", model.Withdrawal("300_901", None, HERE)),
        ("post_removed", model.Withdrawal(VISIT, None, HERE)),
    ],
)
def test_what_is_written_is_read_as_it_stands_there(meta_events, name, expected):
    assert meta_events("facebook_comments", name) == [expected]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("own", payload.Ignored.OWN),
        ("own_post", payload.Ignored.OWN),
        ("hidden", payload.Ignored.HIDDEN),
        ("shown_again", payload.Ignored.HIDDEN),
        ("liked", payload.Ignored.LIKED),
        ("comment_liked", payload.Ignored.LIKED),
        ("rating_liked", payload.Ignored.LIKED),
        ("shared_without_words", payload.Ignored.SHARED),
        ("page_changed", payload.Ignored.ABOUT_PAGE),
    ],
)
def test_what_no_citizen_wrote_to_the_office_is_not_taken_in(meta_events, recorded, name, reason):
    assert meta_events("facebook_comments", name) == []
    assert batches.outcomes(recorded("facebook_comments", name), APP) == [reason]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unknown_item", "an unknown kind of post: hologram"),
        ("unknown_verb", "an unknown act: archive"),
        ("unknown_field", "an unknown kind of change: telepathy"),
    ],
)
def test_what_is_not_known_goes_to_quarantine(meta_events, meta_connector, meta_request, name, reason):
    (unreadable,) = meta_events("facebook_comments", name)
    assert (unreadable.reason, unreadable.destination) == (reason, HERE)
    assert meta_connector("messenger").parse(meta_request(unreadable.body)) == [unreadable]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"item": "comment", "verb": "add", "message": "x"}, "a comment has no id"),
        ({"item": "post", "verb": "add", "message": "x"}, "a post has no id"),
        ({"item": "rating", "verb": "add", "review_text": "x"}, "a recommendation has no id"),
        ({"item": "comment", "comment_id": "1_2"}, "an unknown act: ?"),
        ({"item": ["comment"], "verb": ["add"]}, "an unknown kind of post: ?"),
        (None, "an unknown kind of post: ?"),
    ],
)
def test_what_is_missing_is_said(value, reason):
    batch = {"object": "page", "entry": [{"id": PAGE, "changes": [{"field": "feed", "value": value}]}]}
    assert [each.reason for each in batches.read(batch, APP)] == [reason]


def test_two_unnamed_authors_are_not_one_contact(recorded):
    one = recorded("facebook_comments", "without_author")
    other = recorded("facebook_comments", "without_author")
    other["entry"][0]["changes"][0]["value"]["comment_id"] = "300_999"
    addresses = {each.address for batch in (one, other) for each in batches.read(batch, APP)}
    assert addresses == {"unknown:300_909", "unknown:300_999"}


@pytest.mark.parametrize("parent", [POST, "300", None])
def test_a_comment_on_the_post_itself_answers_no_comment(recorded, parent):
    batch = recorded("facebook_comments", "comment")
    batch["entry"][0]["changes"][0]["value"]["parent_id"] = parent
    assert [each.replies_to for each in batches.read(batch, APP)] == [()]


class TestConnector:
    """By the stand-in, over real connections: which of the ways to answer is taken, and where it leads."""

    @pytest.fixture
    async def stand_in(self):
        class Clock:
            def now(self):
                return AT

        stand_in = GraphStandIn(Clock())
        stand_in.register_app(APP, "rahasia-aplikasi")
        page = stand_in.register_page(PAGE, "Dukcapil Kota Contoh", "token-halaman", APP, "http://127.0.0.1:9/hooks")
        page.faults.webhooks_suspended = True
        async with graph_api.serve(stand_in):
            yield stand_in
            await stand_in.settle()

    @pytest.fixture
    def written(self, stand_in):
        return People(stand_in).put_comment(stand_in.publish(PAGE, "Jadwal layanan").id, PSID, "Kapan jadi?")

    @pytest.fixture
    def connector(self, stand_in, meta_connector):
        return meta_connector("facebook_comments", base_url=stand_in.base_url)

    @pytest.fixture
    def answer(self, outbound, written):
        def make(**changes):
            about = model.Answered(written.id, {"item": "comment"}, AT)
            return outbound(**{"address": PSID, "answers": about, **changes})

        return make

    async def test_an_answer_stands_below_the_comment(self, stand_in, connector, answer, written):
        sent = await connector.send(answer(text="Silakan kirim pesan kepada kami."))
        _, _, reply = stand_in.comment(sent.provider_id)
        assert (reply.parent_id, reply.text, sent.opened) == (written.id, "Silakan kirim pesan kepada kami.", None)

    async def test_a_private_answer_opens_a_conversation_elsewhere(self, stand_in, connector, answer):
        sent = await connector.send(answer(private=True, text="Nomor pengaduan Ibu ADU-1."))
        assert sent.opened == (model.Destination("messenger", PAGE), PSID)
        assert stand_in.message(sent.provider_id).metadata == "7.1"

    async def test_a_comment_is_hidden(self, stand_in, connector, answer, written):
        await connector.send(answer(kind=model.MessageKind.HIDING, text=""))
        assert stand_in.comment(written.id)[2].is_hidden

    async def test_what_was_missed_is_listed_as_its_webhook_would_have_told(self, connector, written):
        (listed,) = [event async for event in connector.catch_up(AT - timedelta(hours=1))]
        assert (listed.provider_id, listed.text, listed.address) == (written.id, "Kapan jadi?", PSID)
        assert (listed.thread, listed.destination, listed.sent_at) == (written.post_id, HERE, AT)

    async def test_the_account_can_be_looked_at(self, connector):
        await connector.check()
        assert all(isinstance(each, str) for each in await connector.examine())


def test_what_the_channel_can_do():
    able = registry.CHANNELS["facebook_comments"].capabilities
    assert (able.is_public, able.private_replies, able.hiding, able.withdrawals) == (True, True, True, True)
    assert (able.text_form, able.max_text) == (model.TextForm.PUBLIC, model.Limit(8000))
    assert (able.receipts, able.sent_files, able.reply_window) == (False, None, None)
