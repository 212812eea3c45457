"""Whether an account at Meta works, and what will stop working: asked over a real connection, told with the remedy."""

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.meta import client, standing, texts
from core import errors
from simulator import graph_api
from simulator import graph_records as records
from simulator.graph import GraphStandIn

PAGE, INSTAGRAM, APP, SECRET, TOKEN = "1001", "17840001", "900100", "rahasia-aplikasi", "EAApage"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PERMISSIONS = ("pages_messaging", "pages_manage_metadata")


class StillClock:
    def now(self):
        return NOW


@pytest.fixture
async def stand_in():
    stand_in = GraphStandIn(StillClock())
    stand_in.register_app(APP, SECRET)
    stand_in.register_page(PAGE, "Dukcapil Kota Contoh", TOKEN, APP, "http://127.0.0.1:9/hooks/fb")
    stand_in.register_instagram(INSTAGRAM, "dukcapil", "IGtoken", APP, "http://127.0.0.1:9/hooks/ig", PAGE)
    async with graph_api.serve(stand_in):
        yield stand_in


@pytest.fixture
async def connect(stand_in):
    made = []

    def make(token=TOKEN, base_url=None, app_id=APP):
        url = base_url or stand_in.base_url
        made.append(client.Client(token, app_id=app_id, app_secret=SECRET, base_url=url, timeout_seconds=5))
        return made[-1]

    yield make
    for each in made:
        await each.close()


class TestChecking:
    async def test_a_token_that_works_raises_nothing(self, connect):
        await standing.check(connect(), PAGE)
        await standing.check(connect("IGtoken"), INSTAGRAM, field="user_id")
        await standing.check(connect(), INSTAGRAM, field="")

    async def test_the_token_of_another_page_is_none_of_ours(self, connect):
        with pytest.raises(errors.AccountSuspended):
            await standing.check(connect(), "1002")

    @pytest.mark.parametrize("subcode", [458, 459, 460, 463, 464, 467, 492])
    async def test_a_refused_token_suspends_the_account(self, stand_in, connect, subcode):
        stand_in.faults(PAGE).token_subcode = subcode
        with pytest.raises(errors.AccountSuspended) as caught:
            await standing.check(connect(), PAGE)
        assert caught.value.code == f"190/{subcode}"

    async def test_an_unknown_token_suspends_the_account(self, connect):
        with pytest.raises(errors.AccountSuspended):
            await standing.check(connect("EAAother"), PAGE)

    @pytest.mark.parametrize("outage", [records.Outage.DROPPED, records.Outage.UNAVAILABLE])
    async def test_what_cannot_be_reached_may_work_later(self, stand_in, connect, outage):
        stand_in.faults(PAGE).outage = outage
        with pytest.raises(errors.TransientSendError):
            await standing.check(connect(), PAGE)


class TestTheToken:
    async def examine(self, connect, token=TOKEN, app_id=APP):
        return await standing.examine_token(connect(token), token, app_id, PERMISSIONS, NOW)

    async def test_that_never_ends_is_nothing_to_tell(self, connect):
        assert await self.examine(connect) == []

    @pytest.mark.parametrize(
        ("left", "days"),
        [
            (timedelta(days=14, seconds=1), None),
            (timedelta(days=14), 14),
            (timedelta(days=7, seconds=1), 14),
            (timedelta(days=7), 7),
            (timedelta(days=3, seconds=1), 7),
            (timedelta(days=3), 3),
            (timedelta(days=1), 1),
            (timedelta(seconds=1), 1),
        ],
    )
    @pytest.mark.parametrize("name", ["expires_at", "data_access_expires_at"])
    async def test_that_ends_is_announced_at_each_threshold(self, stand_in, connect, name, left, days):
        setattr(stand_in.accounts[PAGE], name, NOW + left)
        sentence = texts.EXPIRES if name == "expires_at" else texts.DATA_ACCESS_EXPIRES
        expected = [] if days is None else [sentence.format(date=f"{NOW + left:%d-%m-%Y}", days=days)]
        assert await self.examine(connect) == expected

    async def test_without_a_permission_is_told_which(self, stand_in, connect):
        stand_in.accounts[PAGE].scopes = ("pages_show_list", "pages_messaging")
        assert await self.examine(connect) == [texts.MISSING_PERMISSIONS.format(names="pages_manage_metadata")]

    async def test_that_is_not_valid_any_more_suspends_the_account(self, stand_in, connect):
        stand_in.faults(PAGE).token_subcode = 463
        with pytest.raises(errors.AccountSuspended):
            await self.examine(connect)

    async def test_of_another_app_is_told(self, provider, connect):
        provider.answer(200, {"data": {"is_valid": True, "app_id": "555", "expires_at": 0}})
        remarks = await standing.examine_token(connect(base_url=provider.url), TOKEN, APP, PERMISSIONS, NOW)
        assert remarks == [texts.OTHER_APP]
        assert provider.seen[0].headers["Authorization"] == f"Bearer {APP}|{SECRET}"

    @pytest.mark.parametrize("answer", [{}, {"data": []}])
    async def test_an_answer_of_another_shape_is_asked_for_again(self, provider, connect, answer):
        provider.answer(200, answer)
        with pytest.raises(errors.TransientSendError):
            await standing.examine_token(connect(base_url=provider.url), TOKEN, APP, PERMISSIONS, NOW)

    @pytest.mark.parametrize("expires", ["soon", None, -5, True, 10**30])
    async def test_a_time_that_is_none_is_passed_over(self, provider, connect, expires):
        provider.answer(200, {"data": {"is_valid": True, "app_id": APP, "expires_at": expires}})
        assert not await standing.examine_token(connect(base_url=provider.url), TOKEN, APP, PERMISSIONS, NOW)

    async def test_of_instagram_login_is_known_by_the_configuration_alone(self):
        assert standing.examine_expiry(None, NOW) == [texts.EXPIRY_UNKNOWN]
        assert standing.examine_expiry(date(2026, 12, 31), NOW) == []
        (soon,) = standing.examine_expiry(date(2026, 11, 25), NOW)
        assert "25-11-2026 (dalam 3 hari" in soon
        assert standing.examine_expiry(date(2026, 11, 22), NOW) == [texts.EXPIRED.format(date="22-11-2026")]


class TestTheSubscription:
    async def test_of_all_fields_is_nothing_to_tell(self, connect):
        assert await standing.examine_subscription(connect(), APP, ("messages", "feed")) == []
        assert await standing.examine_subscription(connect("IGtoken"), APP, ("messages", "comments")) == []

    async def test_that_was_lost_is_told(self, stand_in, connect):
        stand_in.accounts[PAGE].subscribed = None
        assert await standing.examine_subscription(connect(), APP, ()) == [texts.NOT_SUBSCRIBED]

    async def test_of_another_app_is_none_of_ours(self, connect):
        assert await standing.examine_subscription(connect(), "777", ()) == [texts.NOT_SUBSCRIBED]

    async def test_without_a_field_is_told_which(self, stand_in, connect):
        stand_in.accounts[PAGE].subscribed = ("messages",)
        remarks = await standing.examine_subscription(connect(), APP, ("messages", "message_echoes", "feed"))
        assert remarks == [texts.MISSING_FIELDS.format(names="feed, message_echoes")]

    async def test_listed_without_the_apps_id_is_ours(self, provider, connect):
        provider.answer(200, {"data": [{"subscribed_fields": ["messages"]}]})
        assert await standing.examine_subscription(connect(base_url=provider.url), APP, ("messages",)) == []

    @pytest.mark.parametrize("listed", [None, "x", [5], [{"id": APP, "subscribed_fields": 5}]])
    async def test_of_another_shape_is_one_without_fields(self, provider, connect, listed):
        provider.answer(200, {"data": listed})
        assert len(await standing.examine_subscription(connect(base_url=provider.url), APP, ("messages",))) == 1

    async def test_that_may_not_be_looked_at_is_told(self, provider, connect):
        provider.answer(403, {"error": {"code": 10}})
        remarks = await standing.examine_subscription(connect(base_url=provider.url), APP, ())
        assert remarks == [texts.SUBSCRIPTION_UNKNOWN]

    async def test_raises_as_a_check_does(self, stand_in, connect):
        stand_in.faults(PAGE).token_subcode = 460
        with pytest.raises(errors.AccountSuspended):
            await standing.examine_subscription(connect(), APP, ())
        stand_in.faults(PAGE).outage = records.Outage.DROPPED
        with pytest.raises(errors.TransientSendError):
            await standing.examine_subscription(connect(), APP, ())
