"""A conversation on our own page, on both databases: read, seen, and told elsewhere when its citizen has left."""

import dataclasses
import uuid

import pytest

from connectors import registry
from core import ids, model, ports
from router import answers, complaints, conversation, intake
from tests.router.conftest import PUBLIC_URL

SESSION = str(uuid.UUID(int=7))


class Citizen:
    """Whoever holds a session of the chat."""

    def __init__(self, world, desk):
        self.world = world
        self.desk = desk
        self.account = desk.accounts["obrolan"]
        self.connector = desk.connectors["obrolan"]
        self.address = self.connector.address(SESSION)

    async def write(self, text, **fields):
        now = self.world.clock.now()
        fields |= {"text": text, "key": str(uuid.uuid4())}
        message = self.connector.parse_chat(SESSION, fields, (), now)
        raw = ports.RawRequest("obrolan", "/obrolan", {}, text.encode(), now)
        return await intake.receive_message(self.desk, raw, message, "chat")

    async def answered(self, text):
        reply = answers.Reply(text)
        page = await self.read()
        await answers.answer(self.desk, self.world.admin, page.complaint.id, reply, str(uuid.uuid4()))
        await self.world.deliver()

    async def read(self, after=0):
        return await conversation.read(self.desk, self.account, self.address, after)

    async def see(self, state):
        ids = [message.id for message in (await self.read()).messages]
        await conversation.seen(self.desk, self.account, self.address, ids, state)


@pytest.fixture
async def citizen(world):
    entry = registry.CHANNELS["webchat"]
    made = entry.create("obrolan", entry.settings(), PUBLIC_URL)
    account = model.Account("obrolan", "webchat", "contoh", entry.capabilities)
    world.desk = dataclasses.replace(
        world.desk,
        accounts={**world.desk.accounts, "obrolan": account},
        connectors={**world.desk.connectors, "obrolan": made},
    )
    return Citizen(world, world.desk)


async def test_nothing_is_read_where_nobody_wrote(citizen):
    assert await citizen.read() is None
    await conversation.seen(citizen.desk, citizen.account, citizen.address, [1], model.DeliveryState.READ)


async def test_what_was_said_is_read_once_from_the_cursor_on(world, citizen):
    await citizen.write("Satu")
    first = await citizen.read()
    assert [message.text for message in first.messages] == ["Satu"]
    await world.deliver()
    second = await citizen.read(first.cursor)
    assert [message.kind for message in second.messages if message.text != "Satu"] == [
        model.MessageKind.ACKNOWLEDGEMENT
    ]
    world.clock.forward(minutes=1)
    settled = await citizen.read(second.cursor)
    assert (await citizen.read(settled.cursor)).messages == []


async def test_what_was_seen_is_delivered_and_read(world, citizen):
    await citizen.write("Satu")
    await world.deliver()
    for state in (model.DeliveryState.DELIVERED, model.DeliveryState.READ, model.DeliveryState.DELIVERED):
        await citizen.see(state)
    assert [row.state for row in await world.rows("outbox")] == ["read"]


async def test_who_left_is_told_by_the_account_that_may_always_write(world, citizen):
    await citizen.write("Satu", contact="0812 0000 1234")
    await citizen.answered("Sudah jadi.")
    world.clock.forward(minutes=6)
    assert await conversation.remind(citizen.desk) == 1
    assert await conversation.remind(citizen.desk) == 0
    await world.deliver()
    (notice,) = [row for row in await world.rows("outbox") if row.kind == "missed_notice"]
    assert (notice.account, notice.state) == ("sms", "accepted")


async def test_who_left_nothing_is_for_a_person_until_he_reads(world, citizen):
    await citizen.write("Satu")
    await citizen.answered("Sudah jadi.")
    world.clock.forward(minutes=6)
    assert await conversation.remind(citizen.desk) == 1
    assert await conversation.remind(citizen.desk) == 0
    open_ = "kind = 'answer_unread' AND cleared_at IS NULL"
    assert len(await world.rows("alarm", open_)) == 1
    await citizen.see(model.DeliveryState.READ)
    assert await world.rows("alarm", open_) == []


async def test_who_is_at_a_number_left_in_a_conversation_takes_no_part_in_it(world, citizen):
    await citizen.write("Satu", contact="0812 0000 1234")
    await citizen.answered("Sudah jadi.")
    world.clock.forward(minutes=6)
    await conversation.remind(citizen.desk)
    await world.deliver()
    (notice,) = [row for row in await world.rows("outbox") if row.kind == "missed_notice"]
    world.clock.forward(minutes=1)
    await world.arrives("Salah nomor", "sms", "+6281200001234", replies_to=(notice.provider_id,))
    await world.arrives("Salah nomor, sungguh", "sms", "+6281200001234", number=ids.Number("ADU", 2026, 1))
    first = await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, 1))
    assert [m.text for m in first.timeline if m.kind is model.MessageKind.COMPLAINT] == ["Satu"]
    assert first.complaint.reply_account == "obrolan"


async def test_a_number_left_later_is_kept(world, citizen):
    await citizen.write("Satu")
    await citizen.write("Dua", contact="0812 0000 1234")
    assert (await citizen.read()).has_reply_address
