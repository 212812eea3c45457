"""What is told late, after an outage, counts from when it happened and not from when we heard of it."""

from datetime import timedelta

from core import model, ports
from router import elsewhere, escalation
from storage import deadlines
from tests.router.conftest import CITIZEN


async def clocks(world):
    [complaint] = await world.rows("complaint")
    return complaint, await world.look(deadlines.of_complaint, complaint.id)


async def test_an_older_message_that_comes_after_a_newer_one_takes_the_clock_back_to_its_own_time(world):
    written_at = world.clock.at
    world.clock.forward(hours=5)
    await world.arrives("apakah sudah dibaca?", sent_at=world.clock.at)
    _, [begun_late] = await clocks(world)
    await world.arrives("KTP saya belum jadi", sent_at=written_at)
    complaint, [clock] = await clocks(world)
    assert begun_late.deadline.started_at == written_at + timedelta(hours=5)
    assert complaint.received_at == clock.deadline.started_at == written_at
    assert complaint.due_at == clock.deadline.due_at == begun_late.deadline.due_at - timedelta(hours=5)
    assert [w.reason for w in clock.deadline.warnings] == [w.reason for w in begun_late.deadline.warnings]
    assert clock.state is model.DeadlineState.PENDING


async def test_one_so_old_that_its_promise_is_broken_already_is_a_breach(world):
    written_at = world.clock.at
    world.clock.forward(days=5)
    await world.arrives("masih ditunggu", sent_at=world.clock.at)
    await world.arrives("KTP saya belum jadi", sent_at=written_at)
    await escalation.tick(world.desk)
    complaint, [broken, promised] = await clocks(world)
    assert complaint.breached_at == broken.deadline.due_at < world.clock.at < promised.deadline.due_at


async def test_what_came_in_its_order_leaves_the_clock_alone(world):
    await world.arrives("KTP saya belum jadi", sent_at=world.clock.at)
    _, before = await clocks(world)
    world.clock.forward(hours=1)
    await world.arrives("apakah sudah dibaca?", sent_at=world.clock.at)
    assert (await clocks(world))[1] == before


async def test_a_machines_older_message_begins_nothing(world):
    written_at = world.clock.at
    world.clock.forward(hours=5)
    await world.arrives("KTP saya belum jadi", sent_at=world.clock.at)
    _, before = await clocks(world)
    await world.arrives("saya sedang cuti", sent_at=written_at, is_automatic=True)
    assert (await clocks(world))[1] == before


async def colleague_answers(world, at):
    event = model.ColleagueAnswer("mid-7", f"whatsapp:{CITIZEN}", "Sudah jadi, silakan diambil.", at)
    request = ports.RawRequest("wa", "", {}, b"{}", world.clock.at)
    assert await elsewhere.take_in_colleague(world.desk, world.desk.accounts["wa"], request, event)


async def test_an_answer_past_us_kept_the_promise_when_it_was_given_and_not_when_we_heard_of_it(world):
    await world.arrives("KTP saya belum jadi", sent_at=world.clock.at)
    answered_at = world.clock.at + timedelta(hours=20)
    world.clock.forward(days=5)
    await colleague_answers(world, answered_at)
    complaint, [clock] = await clocks(world)
    assert (clock.state, clock.met_at) == (model.DeadlineState.MET, answered_at)
    assert (complaint.answered_at, complaint.breached_at) == (answered_at, None)


async def test_what_the_citizen_wrote_after_an_answer_past_us_still_waits(world):
    answered_at = world.clock.at + timedelta(minutes=1)
    world.clock.forward(hours=1)
    await world.arrives("kartunya salah", sent_at=world.clock.at)
    await colleague_answers(world, answered_at)
    complaint, [clock] = await clocks(world)
    assert (complaint.state, clock.state) == (model.ComplaintState.NEW, model.DeadlineState.PENDING)
    assert [row.sent_at for row in await world.rows("message", "kind = 'answer'")] == [answered_at]


async def test_a_time_that_has_not_come_is_now(world):
    await world.arrives("KTP saya belum jadi", sent_at=world.clock.at)
    await colleague_answers(world, world.clock.at + timedelta(days=1))
    _, [clock] = await clocks(world)
    assert clock.met_at == world.clock.at
