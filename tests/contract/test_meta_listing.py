"""What an outage of ours would have lost: everything listed is read as its webhook would have been."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.meta import batches, client, listing
from core import errors, model
from simulator import graph_api
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, INSTAGRAM, APP, SECRET = "1001", "17840001", "900100", "rahasia-aplikasi"
PSID, IGSID = "5001", "7001"
SINCE = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
LONG_AGO = SINCE - timedelta(days=2)
PNG = ("image/png", b"\x89PNG\r\n\x1a\n")


class MovableClock:
    def __init__(self):
        self.at = LONG_AGO

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def stand_in(clock):
    stand_in = GraphStandIn(clock)
    stand_in.register_app(APP, SECRET)
    page = stand_in.register_page(PAGE, "Dukcapil Kota Contoh", "EAApage", APP, "http://127.0.0.1:9/hooks/fb")
    ig = stand_in.register_instagram(INSTAGRAM, "dukcapil", "IGtoken", APP, "http://127.0.0.1:9/hooks/ig", PAGE)
    for account in (page, ig):
        account.faults.webhooks_held = True
    async with graph_api.serve(stand_in):
        yield stand_in
        await stand_in.settle()


@pytest.fixture
def people(stand_in):
    return People(stand_in)


@pytest.fixture
def pauses():
    return []


@pytest.fixture
async def source(stand_in, pauses):
    made = []

    def make(owner, token="EAApage", base_url=None):
        url = base_url or stand_in.base_url
        api = client.Client(token, app_id=f"{url}-{len(made)}", app_secret=SECRET, base_url=url, timeout_seconds=5)
        made.append(api)

        async def pause(seconds):
            pauses.append(seconds)

        return listing.Source(api, owner, lambda body: batches.read(body, APP), listing.Pace(pause))

    yield make
    for each in made:
        await each.close()


async def all_of(listed):
    return [each async for each in listed]


def told(stand_in):
    """Return what the webhooks would have said of everything so far, by provider id."""
    bodies = [json.loads(webhooks_body(stand_in, event)) for event in stand_in._held]
    events = [event for body in bodies for event in batches.read(body, APP)]
    return {event.provider_id: event for event in events if isinstance(event, model.InboundMessage)}


def webhooks_body(stand_in, event):
    from simulator import graph_webhooks

    return graph_webhooks.body_of([event], stand_in.accounts[event.account_id].object)


class TestMessages:
    async def test_are_the_very_messages_that_webhooks_tell_of(self, stand_in, people, clock, source):
        clock.at = SINCE + timedelta(minutes=1)
        first = await people.write(PAGE, PSID, "KTP saya belum jadi", name="Siti Rahma", media=[PNG])
        await people.write(PAGE, "5002", "Selamat pagi")
        found = await all_of(listing.messages(source(PAGE), "messenger", SINCE))
        assert {each.provider_id for each in found} == set(told(stand_in))
        ours = next(each for each in found if each.provider_id == first.mid)
        webhook = told(stand_in)[first.mid]
        assert ours.name == "Siti Rahma"  # which no webhook tells
        assert (ours.address, ours.text, ours.sent_at, ours.content, ours.destination) == (
            webhook.address,
            webhook.text,
            webhook.sent_at,
            webhook.content,
            webhook.destination,
        )
        assert len(ours.files) == 1

    async def test_of_the_page_itself_are_answers_of_a_colleague(self, people, clock, source):
        clock.at = SINCE
        await people.write(PAGE, PSID, "Halo")
        answer = await people.answer_as_colleague(PAGE, PSID, "Silakan datang ke loket 3.")
        found = await all_of(listing.messages(source(PAGE), "messenger", SINCE))
        (colleague,) = (each for each in found if isinstance(each, model.ColleagueAnswer))
        assert (colleague.provider_id, colleague.address, colleague.text) == (answer.mid, PSID, answer.text)

    async def test_of_instagram_are_reached_by_either_token(self, people, clock, source):
        clock.at = SINCE
        message = await people.write(INSTAGRAM, IGSID, "Min, kapan KTP jadi?", name="siti.rahma")
        for token in ("EAApage", "IGtoken"):
            (found,) = await all_of(listing.messages(source(INSTAGRAM, token), "instagram", SINCE))
            assert (found.provider_id, found.address, found.name) == (message.mid, IGSID, "siti.rahma")
            assert found.destination == model.Destination("instagram", INSTAGRAM)

    async def test_of_before_are_left_out_but_for_what_a_wrong_clock_could_cost(self, people, clock, source):
        await people.write(PAGE, PSID, "kemarin dulu")
        clock.at = SINCE - timedelta(minutes=4)
        just_before = await people.write(PAGE, PSID, "hampir")
        clock.at = SINCE
        at_once = await people.write(PAGE, "5002", "tepat")
        found = await all_of(listing.messages(source(PAGE), "messenger", SINCE))
        assert {each.provider_id for each in found} == {just_before.mid, at_once.mid}

    async def test_of_many_pages_all_come_and_no_page_more_than_needed(self, stand_in, people, clock, source, pauses):
        for number in range(120):
            await people.write(PAGE, f"lama-{number}", "dulu")
        clock.at = SINCE
        for number in range(60):
            clock.at += timedelta(seconds=1)
            await people.write(PAGE, f"{number}", "sekarang")
        for number in range(120):
            clock.at += timedelta(seconds=1)
            await people.write(PAGE, "0", f"pesan {number}")
        found = await all_of(listing.messages(source(PAGE), "messenger", SINCE))
        assert len(found) == 180
        assert len({each.provider_id for each in found}) == 180
        lists = [call for call in stand_in.calls if call.path.endswith("conversations")]
        assert len(lists) == 3  # of 50, the third has none that is new enough
        assert {*pauses} == {0.5}  # two calls a second
        assert len(pauses) == len(stand_in.calls) - 1

    async def test_of_a_conversation_that_was_deleted_meanwhile_cost_no_other(self, provider, source):
        def listed(ids):
            provider.answer(200, {"data": [{"id": each, "updated_time": "2026-11-22T03:00:00+0000"} for each in ids]})

        listed(["t_1", "t_2"])
        provider.answer(400, {"error": {"code": 100, "error_subcode": 33}})
        provider.answer(
            200,
            {
                "data": [
                    {"id": "m_1", "created_time": "2026-11-22T03:00:00+0000", "from": {"id": "5"}, "message": "Halo"},
                    {"id": "m_2", "created_time": "2026-11-22T03:00:00+0000", "message": "tanpa pengirim"},
                    {"created_time": "2026-11-22T03:00:00+0000", "from": {"id": "5"}},
                    {"id": "m_4", "from": {"id": "5"}, "message": "tanpa waktu"},
                    {"id": "m_5", "created_time": "kapan-kapan", "from": {"id": PAGE}, "message": "kepada siapa?"},
                    "bukan pesan",
                ]
            },
        )
        found = await all_of(listing.messages(source(PAGE, base_url=provider.url), "messenger", SINCE))
        assert [(each.provider_id, each.text) for each in found] == [("m_1", "Halo"), ("m_4", "tanpa waktu")]

    async def test_carry_what_is_no_text(self, provider, source):
        provider.answer(200, {"data": [{"id": "t_1"}]})
        at = {"created_time": "2026-11-22T03:00:00+0000", "from": {"id": "5", "username": "siti"}}
        cdn = "https://scontent.xx.fbcdn.net/"
        provider.answer(
            200,
            {
                "data": [
                    {
                        **at,
                        "id": "1",
                        "attachments": {
                            "data": [
                                {"mime_type": "image/jpeg", "image_data": {"url": f"{cdn}1.jpg"}},
                                {"mime_type": "video/mp4", "video_data": {"url": f"{cdn}2.mp4"}},
                                {"mime_type": "audio/mpeg", "file_url": f"{cdn}3.mp3"},
                                {"mime_type": "application/pdf", "file_url": f"{cdn}4.pdf", "name": "surat.pdf"},
                                {"mime_type": "application/pdf"},
                            ]
                        },
                    },
                    {**at, "id": "2", "sticker": f"{cdn}5.png"},
                    {**at, "id": "3", "shares": {"data": [{"link": "https://example.org/berita"}]}},
                    {**at, "id": "4", "story": {"mention": {"link": f"{cdn}6.mp4", "id": "9"}}},
                    {**at, "id": "5", "message": "bagus", "story": {"reply_to": {"link": f"{cdn}7", "id": "8"}}},
                    {**at, "id": "6", "is_unsupported": True},
                ]
            },
        )
        read = listing.messages(source(INSTAGRAM, base_url=provider.url), "instagram", SINCE)
        found = {each.provider_id: each for each in await all_of(read)}
        assert [each.url.removeprefix(cdn) for each in found["1"].files] == ["1.jpg", "2.mp4", "3.mp3", "4.pdf"]
        assert found["2"].files[0].url == f"{cdn}5.png"
        assert found["3"].text == "https://example.org/berita"
        assert found["4"].files[0].url == f"{cdn}6.mp4"
        assert found["5"].details["story_id"] == "8"
        assert found["6"].content is model.Content.UNSUPPORTED

    @pytest.mark.parametrize("code", [190, 4, 1, 100])
    async def test_that_cannot_be_listed_are_asked_for_again(self, provider, source, code):
        provider.answer(400, {"error": {"code": code}})
        with pytest.raises(errors.TransientSendError):
            await all_of(listing.messages(source(PAGE, base_url=provider.url), "messenger", SINCE))


class TestPageComments:
    async def test_are_the_very_comments_that_webhooks_tell_of(self, stand_in, people, clock, source):
        post = stand_in.accounts[PAGE].posts[0]  # two days old
        clock.at = SINCE + timedelta(minutes=1)
        first = await people.comment(post.id, PSID, "Kapan KTP jadi?", name="Siti Rahma", photo=PNG)
        await people.comment(post.id, "5002", "Saya juga", parent_id=first.id, name="Budi")
        await people.comment(post.id, None, "Tanpa nama")
        found = {each.provider_id: each for each in await all_of(listing.page_comments(source(PAGE), SINCE))}
        expected = told(stand_in)
        assert found.keys() == expected.keys()
        for name, webhook in expected.items():
            # Each list signs the addresses of files anew.
            assert [each.media_type for each in found[name].files] == [each.media_type for each in webhook.files]
            ours = found[name]
            assert (ours.address, ours.text, ours.sent_at, ours.name, ours.thread, ours.details, ours.replies_to) == (
                webhook.address,
                webhook.text,
                webhook.sent_at,
                webhook.name,
                webhook.thread,
                webhook.details,
                webhook.replies_to,
            )

    async def test_of_our_own_and_what_was_removed_do_not_come(self, stand_in, people, clock, source):
        post = stand_in.accounts[PAGE].posts[0]
        clock.at = SINCE
        people.put_comment(post.id, PAGE, "Jawaban kami")
        gone = people.put_comment(post.id, PSID, "salah kirim")
        gone.is_removed = True
        assert await all_of(listing.page_comments(source(PAGE), SINCE)) == []

    async def test_of_posts_without_a_new_one_are_not_asked_for(self, stand_in, people, clock, source):
        old = stand_in.accounts[PAGE].posts[0]
        people.put_comment(old.id, PSID, "lama")
        clock.at = SINCE
        new = stand_in.publish(PAGE, "Pengumuman")
        await all_of(listing.page_comments(source(PAGE), SINCE))
        assert [call.path for call in stand_in.calls] == ["me/feed", f"{new.id}/comments"]

    async def test_come_with_the_posts_of_visitors(self, stand_in, people, clock, source):
        clock.at = SINCE
        post = await people.visit(PAGE, PSID, "Antrean terlalu lama", name="Siti Rahma")
        (found,) = await all_of(listing.page_comments(source(PAGE), SINCE))
        webhook = told(stand_in)[post.id]
        assert (found.provider_id, found.text, found.details) == (webhook.provider_id, webhook.text, webhook.details)

    async def test_of_a_post_deleted_meanwhile_cost_no_other(self, provider, source):
        posts = [{"id": f"{PAGE}_{i}", "updated_time": "2026-11-22T03:00:00+0000"} for i in (1, 2)]
        provider.answer(200, {"data": posts})
        provider.answer(400, {"error": {"code": 100, "error_subcode": 33}})
        provider.answer(200, {"data": [{"id": "2_9", "message": "Halo", "from": {"id": "5"}}]})
        found = await all_of(listing.page_comments(source(PAGE, base_url=provider.url), SINCE))
        assert [each.provider_id for each in found] == ["2_9"]


class TestInstagramComments:
    async def test_are_the_very_comments_that_webhooks_tell_of_replies_too(self, stand_in, people, clock, source):
        media = stand_in.accounts[INSTAGRAM].posts[0]
        old = people.put_comment(media.id, IGSID, "dulu", name="siti.rahma")
        clock.at = SINCE + timedelta(minutes=1)
        await people.comment(media.id, IGSID, "Kapan jadi?")
        await people.comment(media.id, "7002", "sama", parent_id=old.id, name="budi")
        await people.comment(media.id, None, "anonim")
        for token in ("EAApage", "IGtoken"):
            read = listing.instagram_comments(source(INSTAGRAM, token), SINCE)
            found = {each.provider_id: each for each in await all_of(read)}
            assert found == told(stand_in)

    async def test_of_media_without_any_are_not_asked_for(self, stand_in, source):
        await all_of(listing.instagram_comments(source(INSTAGRAM), SINCE))
        assert [call.path for call in stand_in.calls] == [f"{INSTAGRAM}/media"]


async def test_an_outage_in_the_middle_is_told(stand_in, people, clock, source):
    clock.at = SINCE
    for number in range(3):
        await people.write(PAGE, f"{number}", "Halo")
    listed = listing.messages(source(PAGE), "messenger", SINCE)
    assert await anext(listed)
    stand_in.faults(PAGE).token_subcode = 463
    with pytest.raises(errors.TransientSendError):
        await asyncio.wait_for(all_of(listed), timeout=5)
