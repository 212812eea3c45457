"""What must not happen, whatever comes: loops, guesses, words about what we never sent, another's complaint."""

from datetime import timedelta

import pytest

from core import ids, model, ports
from router import answers, arrivals, complaints
from storage import alarms

OTHER = "+6281200000002"


async def told(world, *events):
    """Take events in as those of one webhook."""
    request = ports.RawRequest("sms", "/hooks/sms", {}, b"{}", world.clock.at)
    its, origin = world.desk.accounts["sms"], arrivals.Origin(1, request)
    await world.desk.store.write(arrivals.take, world.desk, its, events, origin, world.clock.at)


async def everything(world):
    return [await world.rows(table) for table in ("complaint", "message", "outbox", "contact", "alarm")]


@pytest.mark.parametrize("account", ["sms", "wa"])
async def test_a_phone_that_answers_by_itself_is_not_answered_for_ever(world, account):
    most = world.desk.accounts[account].capabilities.automatic_per_day
    for n in range(most + 10):
        await world.arrives(f"Nomor ini tidak dibalas ({n})", account=account)
        world.clock.forward(minutes=2)
        await world.deliver()
    assert world.provider.creates() == most
    assert len(await world.rows("message", "kind = 'complaint'")) == most + 10
    [alarm] = await world.look(alarms.open_, "contoh")
    assert alarm.kind is model.AlarmKind.FLOOD
    world.clock.forward(days=1)
    await world.arrives("Selamat pagi, ini orangnya", account=account)
    world.clock.forward(minutes=2)
    await world.deliver()
    assert world.provider.creates() == most + 1


async def test_words_about_what_we_never_sent_nor_got_change_nothing(world):
    await world.arrives("KTP saya belum jadi", account="sms")
    before = await everything(world)
    await told(
        world,
        model.Watermark("siapa pun", model.DeliveryState.READ, world.clock.at + timedelta(hours=1)),
        model.Reaction("tidak-dikenal", "siapa pun", "👍"),
        model.Withdrawal("tidak-dikenal"),
        model.DeliveryReceipt("tidak-dikenal", model.DeliveryState.FAILED, error_code="30003"),
        model.ColleagueAnswer("tidak-dikenal-2", "siapa pun", "Sudah kami jawab."),
    )
    assert await everything(world) == before


async def test_a_number_named_in_a_text_opens_nobodys_complaint(world):
    await world.arrives("KTP saya belum jadi", account="sms")
    await world.arrives("ADU-2026-000001 bagaimana kelanjutannya?", account="sms", sender=OTHER)
    first, second = await world.rows("complaint")
    assert first.contact_id != second.contact_id
    await world.deliver()
    assert not any("000001" in message.body for message in world.provider.messages(to=OTHER))


async def test_whoever_has_a_number_after_its_owner_is_told_nothing_of_his_complaint(world):
    await world.arrives("KTP saya belum jadi", account="sms")
    await world.deliver()
    details = await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, 1))
    await answers.answer(world.desk, world.admin, details.complaint.id, answers.Reply("Sudah jadi"), "k")
    await complaints.close(world.desk, world.admin, details.complaint.id, model.CloseReason.RESOLVED, tell=False)
    await world.deliver()
    already = len(world.provider.messages())
    world.clock.forward(days=30)
    await world.arrives("Halo, ini nomor baru saya", account="sms")
    await world.deliver()
    old, new = await world.rows("complaint")
    assert (old.state, new.previous_id) == ("closed", old.id)
    [acknowledged] = [m for m in world.provider.messages()[already:] if m.direction == "outbound-api"]
    assert "000002" in acknowledged.body
    assert "000001" not in acknowledged.body


async def test_a_message_of_tomorrow_is_one_of_now(world):
    await world.arrives("jam saya maju", account="sms", sent_at=world.clock.at + timedelta(days=1))
    [complaint] = await world.rows("complaint")
    assert complaint.received_at == world.clock.at
