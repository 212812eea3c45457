"""What leaves by Meta's channels, sent to a stand-in over a real connection, and what each refusal means."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.meta import client, refusals, sending
from core import errors, model
from simulator import graph_api
from simulator import graph_records as records
from simulator.graph import GraphStandIn
from simulator.graph_people import People

PAGE, INSTAGRAM, APP, SECRET = "1001", "17840001", "900100", "rahasia-aplikasi"
PSID, IGSID = "5001", "7001"
MESSENGER = model.Destination("messenger", PAGE)


class MovableClock:
    def __init__(self):
        self.at = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

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
        account.faults.webhooks_suspended = True
    async with graph_api.serve(stand_in):
        yield stand_in
        await stand_in.settle()


@pytest.fixture
def people(stand_in):
    return People(stand_in)


@pytest.fixture
async def connect(stand_in):
    made = []

    def make(token="EAApage", **settings):
        values = {"app_id": f"{stand_in.base_url}-{len(made)}", "base_url": stand_in.base_url, "timeout_seconds": 5}
        made.append(client.Client(token, app_secret=SECRET, **values | settings))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def page(connect):
    return connect()


@pytest.fixture
def instagram(connect):
    return connect("IGtoken")


@pytest.fixture
def outgoing(outbound):
    def make(address=PSID, **changes):
        return outbound(address=address, **changes)

    return make


async def to_messenger(graph, message, *, human_agent=False):
    return await sending.send_message(graph, message, human_agent=human_agent, platform="messenger")


async def to_instagram(graph, message, *, human_agent=False):
    return await sending.send_message(graph, message, human_agent=human_agent, platform="instagram")


class TestPrivateMessages:
    async def test_a_message_arrives_with_our_reference_and_the_id_of_its_echo(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Selamat pagi")
        sent = await to_messenger(page, outgoing())
        (message,) = stand_in.messages(PAGE, text=outgoing().text)
        assert sent == model.Sent(message.mid)
        assert (message.metadata, message.app_id, message.tag) == ("7.1", APP, None)
        assert stand_in.calls[-1].parameters == {
            "recipient": {"id": PSID},
            "messaging_type": "RESPONSE",
            "message": {"text": outgoing().text, "metadata": "7.1"},
        }

    async def test_by_instagram_no_reference_goes_along(self, stand_in, people, instagram, outgoing):
        people.put(INSTAGRAM, IGSID, "Halo")
        sent = await to_instagram(instagram, outgoing(IGSID))
        message = stand_in.message(sent.provider_id)
        assert (message.account_id, message.metadata) == (INSTAGRAM, None)

    async def test_the_token_of_the_page_reaches_its_instagram_account(self, stand_in, people, page, outgoing):
        people.put(INSTAGRAM, IGSID, "Halo")
        sent = await to_instagram(page, outgoing(IGSID))
        assert stand_in.message(sent.provider_id).account_id == INSTAGRAM

    @pytest.mark.parametrize(("length", "arrives"), [(2000, True), (2001, False)])
    async def test_a_text_at_the_limit_of_characters(self, people, page, outgoing, length, arrives):
        people.put(PAGE, PSID, "Halo")
        await self.expect(to_messenger(page, outgoing(text="x" * length)), arrives=arrives)

    @pytest.mark.parametrize(("count", "arrives"), [(250, True), (251, False)])
    async def test_a_text_at_the_limit_of_bytes(self, people, instagram, outgoing, count, arrives):
        people.put(INSTAGRAM, IGSID, "Halo")
        await self.expect(to_instagram(instagram, outgoing(IGSID, text="\U0001f600" * count)), arrives=arrives)

    async def expect(self, sending_, *, arrives):
        if arrives:
            assert await sending_
        else:
            with pytest.raises(errors.PermanentSendError):
                await sending_

    async def test_the_window_that_we_know_to_be_closed_is_not_tried(self, stand_in, page, outgoing):
        with pytest.raises(errors.ReplyWindowClosed) as caught:
            await to_messenger(page, outgoing(window_open=False))
        assert caught.value.refusal is model.Refusal.WINDOW_CLOSED
        assert not stand_in.calls

    @pytest.mark.parametrize("kind", [kind for kind in model.MessageKind if kind is not model.MessageKind.ANSWER])
    async def test_what_no_person_wrote_never_uses_the_feature_for_persons(self, stand_in, page, outgoing, kind):
        with pytest.raises(errors.ReplyWindowClosed):
            await to_messenger(page, outgoing(window_open=False, kind=kind), human_agent=True)
        assert not stand_in.calls

    async def test_what_a_person_wrote_is_sent_for_seven_days(self, stand_in, people, clock, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.accounts[PAGE].human_agent = True
        clock.at += timedelta(days=7)
        sent = await to_messenger(page, outgoing(window_open=False), human_agent=True)
        assert stand_in.message(sent.provider_id).tag == "HUMAN_AGENT"
        clock.at += timedelta(seconds=1)
        with pytest.raises(errors.ReplyWindowClosed) as caught:
            await to_messenger(page, outgoing(window_open=False), human_agent=True)
        assert (caught.value.code, caught.value.refusal) == ("10/2018278", model.Refusal.WINDOW_CLOSED)

    async def test_a_window_that_closed_on_the_way_is_the_same(self, people, clock, page, instagram, outgoing):
        people.put(PAGE, PSID, "Halo")
        people.put(INSTAGRAM, IGSID, "Halo")
        clock.at += timedelta(hours=24, seconds=1)
        with pytest.raises(errors.ReplyWindowClosed):
            await to_messenger(page, outgoing())
        with pytest.raises(errors.ReplyWindowClosed) as caught:
            await to_instagram(instagram, outgoing(IGSID))
        assert caught.value.code == "10/2534022"

    async def test_somebody_the_page_does_not_know_is_no_address(self, page, outgoing):
        with pytest.raises(errors.PermanentSendError) as caught:
            await to_messenger(page, outgoing("404"))
        assert (caught.value.code, caught.value.refusal) == ("100/2018001", model.Refusal.NO_SUCH_ADDRESS)

    async def test_somebody_who_is_not_available_is_unreachable(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.accounts[PAGE].people[PSID].blocks_us = True
        with pytest.raises(errors.PermanentSendError) as caught:
            await to_messenger(page, outgoing())
        assert (caught.value.code, caught.value.refusal) == ("551/1545041", model.Refusal.UNREACHABLE)

    async def test_a_time_out_after_the_request_is_uncertain(self, stand_in, people, connect, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.faults(PAGE).lose_answer(records.LostAnswer.SILENT)
        with pytest.raises(errors.UncertainSendError):
            await to_messenger(connect(timeout_seconds=0.3), outgoing())
        assert len(stand_in.messages(PAGE, text=outgoing().text)) == 1

    @pytest.mark.parametrize("accepted", [True, False])
    async def test_a_connection_lost_is_uncertain_and_not_repeated(self, stand_in, people, page, outgoing, accepted):
        people.put(PAGE, PSID, "Halo")
        stand_in.faults(PAGE).lose_answer(records.LostAnswer.DROPPED, accepted=accepted)
        with pytest.raises(errors.UncertainSendError):
            await to_messenger(page, outgoing())
        assert len(stand_in.messages(PAGE, text=outgoing().text)) == int(accepted)

    async def test_an_outage_is_worth_another_attempt(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.faults(PAGE).outage = records.Outage.UNAVAILABLE
        with pytest.raises(errors.TransientSendError):
            await to_messenger(page, outgoing())

    @pytest.mark.parametrize("answer", [{}, {"message_id": 5}, {"message_id": ""}])
    async def test_an_answer_that_names_no_message_is_uncertain(self, provider, connect, outgoing, answer):
        provider.answer(200, answer)
        with pytest.raises(errors.UncertainSendError):
            await to_messenger(connect(base_url=provider.url), outgoing())


class TestFiles:
    FILES = (
        model.Enclosure("surat.pdf", "application/pdf", b"%PDF-1.7"),
        model.Enclosure("foto.jpg", "image/jpeg", b"\xff\xd8\xff"),
    )

    async def test_each_is_a_message_after_the_text(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        sent = await to_messenger(page, outgoing(files=self.FILES))
        ours = [each for each in stand_in.messages(PAGE) if each.from_us]
        assert [(each.text, [media.content for media in each.media]) for each in ours] == [
            (outgoing().text, []),
            ("", [b"%PDF-1.7"]),
            ("", [b"\xff\xd8\xff"]),
        ]
        assert sent.provider_id == ours[0].mid
        assert {each.metadata for each in ours} == {"7.1"}

    async def test_instagram_takes_them_by_its_own_way(self, stand_in, people, page, outgoing):
        people.put(INSTAGRAM, IGSID, "Halo")
        await to_instagram(page, outgoing(IGSID, files=self.FILES[1:]))
        ours = [each for each in stand_in.messages(INSTAGRAM) if each.from_us]
        assert [(each.text, len(each.media)) for each in ours] == [(outgoing().text, 0), ("", 1)]
        assert ours[1].media[0].name == "foto.jpg"

    async def test_a_file_alone_is_a_message(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        sent = await to_messenger(page, outgoing(text="", files=self.FILES[:1]))
        assert stand_in.message(sent.provider_id).media[0].name == "surat.pdf"

    async def test_nothing_at_all_is_not_sent(self, stand_in, page, outgoing):
        with pytest.raises(errors.PermanentSendError):
            await to_messenger(page, outgoing(text=""))
        assert not stand_in.calls

    async def test_an_upload_in_doubt_may_be_repeated_for_nobody_saw_it(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.faults(PAGE).lose_answer(records.LostAnswer.DROPPED)
        with pytest.raises(errors.TransientSendError):
            await to_messenger(page, outgoing(files=self.FILES))
        assert not [each for each in stand_in.messages(PAGE) if each.from_us]

    async def test_a_file_too_large_is_told_so(self, stand_in, people, page, outgoing):
        people.put(PAGE, PSID, "Halo")
        stand_in.refuse(PAGE, 4, 2018047)
        with pytest.raises(errors.PermanentSendError) as caught:
            await to_messenger(page, outgoing(files=self.FILES))
        assert caught.value.refusal is model.Refusal.TOO_LARGE

    async def test_what_arrived_in_part_is_never_sent_again(self, provider, connect, outgoing):
        provider.answer(200, {"attachment_id": "1"})
        provider.answer(200, {"recipient_id": PSID, "message_id": "m_1"})
        provider.answer(400, {"error": {"code": 1200}})
        with pytest.raises(errors.UncertainSendError) as caught:
            await to_messenger(connect(base_url=provider.url), outgoing(files=self.FILES[:1]))
        assert caught.value.code == "1200"


class TestComments:
    async def test_a_public_answer_stands_below_its_comment(self, stand_in, people, page, outgoing):
        comment = people.put_comment(stand_in.accounts[PAGE].posts[0].id, PSID, "Kapan KTP saya jadi?")
        sent = await sending.send_reply(page, outgoing(answers=model.Answered(comment.id)), edge="comments")
        _, _, ours = stand_in.comment(sent.provider_id)
        assert (ours.parent_id, ours.author, ours.text) == (comment.id, PAGE, outgoing().text)

    async def test_on_instagram_too(self, stand_in, people, instagram, outgoing):
        comment = people.put_comment(stand_in.accounts[INSTAGRAM].posts[0].id, IGSID, "Kapan?")
        sent = await sending.send_reply(instagram, outgoing(answers=model.Answered(comment.id)), edge="replies")
        assert stand_in.comment(sent.provider_id)[2].parent_id == comment.id

    async def test_a_comment_that_is_gone_is_told_so(self, stand_in, people, page, outgoing):
        comment = people.put_comment(stand_in.accounts[PAGE].posts[0].id, PSID, "Kapan?")
        comment.is_removed = True
        with pytest.raises(errors.PermanentSendError) as caught:
            await sending.send_reply(page, outgoing(answers=model.Answered(comment.id)), edge="comments")
        assert (caught.value.code, caught.value.refusal) == ("100/33", model.Refusal.GONE)

    @pytest.mark.parametrize("by", [sending.send_reply, sending.hide])
    async def test_there_must_be_a_comment(self, page, outgoing, by):
        with pytest.raises(errors.PermanentSendError):
            await by(page, outgoing(), **({"edge": "comments"} if by is sending.send_reply else {"flag": "is_hidden"}))

    async def test_a_private_answer_opens_the_conversation(self, stand_in, people, page, outgoing):
        comment = people.put_comment(stand_in.accounts[PAGE].posts[0].id, PSID, "Kapan?")
        message = outgoing("unknown:1", answers=model.Answered(comment.id, {"item": "comment"}))
        sent = await sending.send_private_reply(page, message, MESSENGER, platform="messenger")
        assert sent.opened == (MESSENGER, PSID)
        assert stand_in.message(sent.provider_id).metadata == "7.1"
        with pytest.raises(errors.PermanentSendError) as caught:
            await sending.send_private_reply(page, message, MESSENGER, platform="messenger")
        assert (caught.value.code, caught.value.refusal) == ("10900", model.Refusal.NOT_PERMITTED)

    async def test_a_private_answer_on_instagram(self, stand_in, people, instagram, outgoing):
        comment = people.put_comment(stand_in.accounts[INSTAGRAM].posts[0].id, IGSID, "Kapan?")
        opens = model.Destination("instagram", INSTAGRAM)
        message = outgoing(IGSID, answers=model.Answered(comment.id, {"item": "comment"}))
        sent = await sending.send_private_reply(instagram, message, opens, platform="instagram")
        assert sent.opened == (opens, IGSID)

    async def test_a_private_answer_to_a_post_of_a_visitor(self, stand_in, page, outgoing):
        stand_in.person(PAGE, PSID, "Siti Rahma")
        post = stand_in.publish(PAGE, "Antrean lama", PSID)
        message = outgoing(answers=model.Answered(post.id, {"item": "post"}))
        sent = await sending.send_private_reply(page, message, MESSENGER, platform="messenger")
        assert sent.opened == (MESSENGER, PSID)

    @pytest.mark.parametrize(("platform", "words"), [("messenger", "x" * 2001), ("instagram", "é" * 501)])
    async def test_a_private_answer_cannot_be_split(self, stand_in, page, outgoing, platform, words):
        message = outgoing(text=words, answers=model.Answered("1_2"))
        with pytest.raises(errors.PermanentSendError) as caught:
            await sending.send_private_reply(page, message, MESSENGER, platform=platform)
        assert caught.value.refusal is model.Refusal.TOO_LARGE
        assert not stand_in.calls

    @pytest.mark.parametrize("late", [timedelta(days=7), timedelta(days=7, seconds=1)])
    async def test_a_private_answer_is_possible_for_seven_days(self, stand_in, people, clock, page, outgoing, late):
        comment = people.put_comment(stand_in.accounts[PAGE].posts[0].id, PSID, "Kapan?")
        clock.at += late
        answer = sending.send_private_reply(
            page, outgoing(answers=model.Answered(comment.id)), MESSENGER, platform="messenger"
        )
        if late == timedelta(days=7):
            assert await answer
        else:
            with pytest.raises(errors.PermanentSendError) as caught:
                await answer
            assert caught.value.refusal is model.Refusal.NOT_PERMITTED

    @pytest.mark.parametrize(("account", "flag"), [(PAGE, "is_hidden"), (INSTAGRAM, "hide")])
    async def test_a_comment_is_hidden_however_often(self, stand_in, people, connect, outgoing, account, flag):
        api = connect(stand_in.accounts[account].token)
        comment = people.put_comment(stand_in.accounts[account].posts[0].id, "5", "NIK saya ...")
        message = outgoing(kind=model.MessageKind.HIDING, text="", answers=model.Answered(comment.id))
        first = await sending.hide(api, message, flag=flag)
        assert await sending.hide(api, message, flag=flag) == first == model.Sent(f"hide:{message.outbox_id}")
        assert comment.is_hidden

    async def test_hiding_in_doubt_is_worth_another_attempt(self, stand_in, people, page, outgoing):
        comment = people.put_comment(stand_in.accounts[PAGE].posts[0].id, PSID, "NIK saya ...")
        stand_in.faults(PAGE).lose_answer(records.LostAnswer.DROPPED, accepted=False)
        with pytest.raises(errors.TransientSendError):
            await sending.hide(page, outgoing(answers=model.Answered(comment.id)), flag="is_hidden")

    async def test_hiding_that_meta_did_not_do_fails(self, provider, connect, outgoing):
        provider.answer(200, {"success": False})
        with pytest.raises(errors.PermanentSendError):
            await sending.hide(
                connect(base_url=provider.url), outgoing(answers=model.Answered("1_2")), flag="is_hidden"
            )


_SUSPENDED, _TRANSIENT, _PERMANENT = errors.AccountSuspended, errors.TransientSendError, errors.PermanentSendError
_WINDOW, _UNCERTAIN = errors.ReplyWindowClosed, errors.UncertainSendError
_HOUR, _FIVE, _ONE = timedelta(hours=1), timedelta(minutes=5), timedelta(minutes=1)
CODES = [
    *((190, subcode, _SUSPENDED, None, None) for subcode in (None, 458, 459, 460, 463, 464, 467, 492, 1)),
    *((code, None, _SUSPENDED, None, None) for code in (3, 102, 230)),
    (10, 1893063, _SUSPENDED, None, None),
    (100, 2018029, _SUSPENDED, None, None),
    *((10, subcode, _WINDOW, "window_closed", None) for subcode in (2018278, 2018065, 2534022)),
    *((551, subcode, _PERMANENT, "unreachable", None) for subcode in (None, 1545041, 7)),
    *((code, 1545041, _PERMANENT, "unreachable", None) for code in (200, 100)),
    *((100, subcode, _PERMANENT, "no_such_address", None) for subcode in (2018001, 2534014)),
    *((code, 2018108, _PERMANENT, "blocked", None) for code in (10, 200)),
    *((code, None, _TRANSIENT, None, _FIVE) for code in (4, 17, 32, 341, 80001, 80002, 80006, 80004)),
    (613, None, _TRANSIENT, None, _ONE),
    (4, 2018022, _TRANSIENT, "spam", _HOUR),
    (368, None, _TRANSIENT, "spam", _HOUR),
    (4, 2018047, _PERMANENT, "too_large", None),
    (100, 33, _PERMANENT, "gone", None),
    (803, None, _PERMANENT, "gone", None),
    *((code, None, _PERMANENT, "not_permitted", None) for code in (10, 200, 210, 299, 10900, 10903)),
    (200, 2018028, _PERMANENT, "not_permitted", None),
    *((code, None, _PERMANENT, "content", None) for code in (506, 1609005)),
    (100, 2018018, _PERMANENT, "content", None),
    *((100, subcode, _PERMANENT, None, None) for subcode in (None, 99)),
    (12345, None, _PERMANENT, None, None),
    *((code, None, _TRANSIENT, None, None) for code in (1, 2, 1200)),
    (1, 99, _TRANSIENT, None, None),
    (1, 1357046, _UNCERTAIN, None, None),
]


@pytest.mark.parametrize(("code", "subcode", "error", "refusal", "pause"), CODES)
async def test_every_refusal_has_one_meaning(stand_in, people, page, outgoing, code, subcode, error, refusal, pause):
    people.put(PAGE, PSID, "Halo")
    stand_in.refuse(PAGE, code, subcode)
    with pytest.raises(errors.SendError) as caught:
        await to_messenger(page, outgoing())
    assert type(caught.value) is error
    assert caught.value.code == (str(code) if subcode is None else f"{code}/{subcode}")
    assert caught.value.refusal == refusal
    assert getattr(caught.value, "retry_after", None) == pause
    assert not [each for each in stand_in.messages(PAGE) if each.from_us]


def test_the_table_above_names_every_code_that_is_mapped():
    assert set(refusals.MEANINGS) <= {(code, subcode) for code, subcode, *_ in CODES}
    assert {(190, subcode) for subcode in refusals.TOKEN} <= {(code, subcode) for code, subcode, *_ in CODES}


def test_a_token_that_fails_says_why():
    error = refusals.of_sending(refusals.RefusedError(401, 190, 463))
    assert "expired" in str(error)
