"""Deadlines: warned of in time, acted on once when they pass, and stopped by nothing but a person's answer."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog

from core import errors, model
from router import answers, complaints, counter, escalation, holidays
from router.offices import FOLLOW_UP
from storage import alarms, audit, deadlines

WIB = timedelta(hours=7)


async def complaint(world):
    return (await world.rows("complaint"))[-1]


async def clocks(world):
    return await world.look(deadlines.of_complaint, (await complaint(world)).id)


async def open_alarms(world):
    return {(alarm.kind, alarm.note) for alarm in await world.look(alarms.open_, "contoh")}


async def notices(world):
    return await world.rows("outbox", "kind='delay_notice'")


async def history(world):
    found = await complaint(world)
    return [entry.action for entry in await world.look(audit.of_chain, "contoh", found.id)]


async def tick_at(world, at):
    world.clock.at = at
    return await escalation.tick(world.desk)


async def test_warnings_come_at_75_and_90_per_cent_and_are_told_once_each(world):
    await world.arrives()
    start, limit = world.clock.at, timedelta(days=2)
    assert await tick_at(world, start + limit * 0.75 - timedelta(seconds=1)) == 0
    assert await tick_at(world, start + limit * 0.75) == 1
    assert await open_alarms(world) == {(model.AlarmKind.DEADLINE_NEAR, "75")}
    assert await tick_at(world, start + limit * 0.75 + timedelta(minutes=1)) == 0
    assert await tick_at(world, start + limit * 0.9) == 1
    assert await open_alarms(world) == {(model.AlarmKind.DEADLINE_NEAR, "90")}
    assert (await history(world)).count("warned") == 2
    assert await notices(world) == []


async def test_before_the_office_closes_it_is_warned_of_what_falls_due_while_it_is_closed(world):
    world.clock.at = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)  # Thursday 20.00 WIB: due on Saturday
    await world.arrives()
    [clock] = await clocks(world)
    [closing] = [warning for warning in clock.deadline.warnings if warning.reason == "closing"]
    local = closing.at + WIB
    assert (local.date(), local.hour < 16) == (date(2026, 11, 20), True)
    await tick_at(world, closing.at)
    assert (model.AlarmKind.DEADLINE_NEAR, "closing") in await open_alarms(world)


async def test_a_broken_promise_is_marked_escalated_and_excused_to_the_citizen_once(world):
    await world.arrives(account="sms")
    await world.deliver()
    due_at = (await complaint(world)).due_at
    world.clock.at = due_at
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(*(escalation.tick(world.desk) for _ in range(3)))
    assert [log for log in logs if log["event"] == "clock_failed"] == []
    assert await escalation.tick(world.desk) == 0
    found = await complaint(world)
    assert (found.queue, found.breached_at, found.state) == (model.Queue.SUPERVISOR, due_at, model.ComplaintState.NEW)
    assert {kind for kind, _ in await open_alarms(world)} == {model.AlarmKind.BREACHED}
    first, follow_up = await clocks(world)
    assert (first.state, first.breached_at) == (model.DeadlineState.BREACHED, due_at)
    assert (follow_up.deadline.clock, follow_up.state) == (FOLLOW_UP.id, model.DeadlineState.PENDING)
    assert len(await notices(world)) == 1
    assert (await history(world)).count("breached") == 1
    await world.deliver()
    sent = [m.body for m in world.provider.messages(to="+6281200000001")]
    assert len(sent) == 2
    # Breached on Friday 10.00 WIB: one working day more ends on Monday, when the office closes.
    assert "Mohon maaf" in sent[1]
    assert "paling lambat 23/11/2026" in sent[1]
    assert await tick_at(world, follow_up.deadline.due_at) > 0
    assert (await history(world)).count("breached_again") == 1
    assert len(await notices(world)) == 1


async def test_a_clock_that_cannot_be_handled_does_not_stop_the_others(world, monkeypatch):
    for n in range(3):
        await world.arrives("halo", sender=f"+6281200000{n:03}")
    poisoned = (await world.rows("complaint"))[1].id
    act = escalation._breach

    def breach(tx, desk, locked, clock, now):
        if locked.complaint.id == poisoned:
            raise RuntimeError("out of order")
        act(tx, desk, locked, clock, now)

    with monkeypatch.context() as patched:
        patched.setattr(escalation, "_breach", breach)
        assert await tick_at(world, world.clock.at + timedelta(days=2)) == 2
    assert len(await notices(world)) == 2
    assert await escalation.tick(world.desk) == 1
    assert len(await notices(world)) == 3


async def test_a_breach_by_a_removed_account_is_marked_all_the_same(world):
    await world.arrives()
    desk = replace(world.desk, accounts={}, connectors={})
    world.clock.forward(days=2)
    assert await escalation.tick(desk) == 1
    assert (await complaint(world)).queue is model.Queue.SUPERVISOR
    assert await notices(world) == []


async def test_an_answer_in_time_keeps_the_promise_and_a_late_one_leaves_the_breach(world):
    await world.arrives()
    found = await complaint(world)
    await answers.answer(world.desk, world.admin, found.id, answers.Reply("Sudah jadi."), "k")
    [clock] = await clocks(world)
    assert (clock.state, clock.met_at) == (model.DeadlineState.MET, world.clock.at)
    assert await tick_at(world, found.due_at + timedelta(days=1)) == 0
    assert await notices(world) == []
    world.clock.forward(seconds=1)
    await world.arrives("belum jadi juga", sender="+6281200000009")
    late = await complaint(world)
    await tick_at(world, late.due_at)
    await counter.record_answer(
        world.desk, world.admin, late.id, "Sudah dijelaskan.", counter.Handover("telepon"), "k2"
    )
    assert [clock.state for clock in await clocks(world)] == [model.DeadlineState.BREACHED, model.DeadlineState.MET]
    assert all(clock.met_at is not None for clock in await clocks(world))
    assert await open_alarms(world) == set()
    assert (await complaint(world)).queue is model.Queue.ADMIN


async def test_an_answer_given_while_a_tick_is_under_way_comes_first(world):
    await world.arrives()
    [seen] = await clocks(world)
    await answers.answer(world.desk, world.admin, seen.complaint_id, answers.Reply("Sudah jadi."), "k")
    await world.desk.store.write(escalation._act, world.desk, seen, seen.deadline.due_at)
    [clock] = await clocks(world)
    assert clock.state is model.DeadlineState.MET
    assert await notices(world) == []


async def test_neither_acknowledgement_nor_note_nor_a_machines_message_stops_a_clock(world):
    await world.arrives()
    await world.deliver()
    await answers.note(world.desk, world.admin, (await complaint(world)).id, "sudah ditelepon", "k")
    world.clock.forward(minutes=5)
    await world.arrives("saya sedang cuti", is_automatic=True)
    await world.deliver()
    [clock] = await clocks(world)
    assert (clock.state, clock.met_at) == (model.DeadlineState.PENDING, None)
    assert await tick_at(world, clock.deadline.due_at) == 1


async def test_a_promise_that_no_service_hour_can_keep_is_flagged_at_once_also_when_it_begins_anew(world):
    for day in range(18, 28):
        await holidays.put(world.desk, world.supervisor, date(2026, 11, day), "Libur", "lokal", is_closed=True)
    await world.arrives()
    assert model.AlarmKind.IMPOSSIBLE_DEADLINE in {kind for kind, _ in await open_alarms(world)}
    await answers.answer(world.desk, world.admin, (await complaint(world)).id, answers.Reply("Baik."), "k")
    assert await open_alarms(world) == set()
    await world.arrives("dan sekarang?")
    assert model.AlarmKind.IMPOSSIBLE_DEADLINE in {kind for kind, _ in await open_alarms(world)}


async def test_what_the_citizen_writes_after_an_answer_starts_a_clock_of_its_own(world):
    await world.arrives()
    found = await complaint(world)
    await answers.answer(world.desk, world.admin, found.id, answers.Reply("Sudah jadi."), "k")
    world.clock.forward(hours=5)
    await world.arrives("belum", sent_at=world.clock.at - timedelta(minutes=10))
    again = await complaint(world)
    assert (again.id, again.state, again.answered_at) == (found.id, model.ComplaintState.IN_PROGRESS, None)
    assert again.due_at == world.clock.at - timedelta(minutes=10) + timedelta(days=2)
    with pytest.raises(errors.NotAllowed):
        await complaints.close(world.desk, world.admin, found.id, model.CloseReason.RESOLVED, tell=False)
    await world.arrives("masih belum")
    assert [clock.state for clock in await clocks(world)] == [model.DeadlineState.MET, model.DeadlineState.PENDING]


async def test_a_closed_complaint_is_opened_again_within_the_window_and_followed_by_a_new_one_after_it(world):
    await world.arrives()
    first = await complaint(world)
    within = world.desk.offices.get("contoh").reopen_within
    await answers.answer(world.desk, world.admin, first.id, answers.Reply("Sudah jadi."), "k")
    await complaints.close(world.desk, world.admin, first.id, model.CloseReason.RESOLVED, tell=True)
    world.clock.at += within - timedelta(minutes=1)
    await world.arrives("cuti bersama", is_automatic=True)
    assert (await complaint(world)).state is model.ComplaintState.CLOSED
    await world.arrives("ternyata belum")
    opened = await complaint(world)
    assert (opened.id, opened.state, opened.closed_at) == (first.id, model.ComplaintState.IN_PROGRESS, None)
    assert opened.due_at == world.clock.at + timedelta(days=2)
    await complaints.close(world.desk, world.admin, first.id, model.CloseReason.WITHDRAWN, tell=False)
    world.clock.at += within
    await world.arrives("cuti lagi", is_automatic=True)
    assert len(await world.rows("complaint")) == 1
    await world.arrives("masalah baru")
    second = await complaint(world)
    assert (second.previous_id, second.sequence) == (first.id, 2)


async def test_closing_cancels_what_is_promised_and_leaves_a_breach_a_breach(world):
    await world.arrives()
    found = await complaint(world)
    await tick_at(world, found.due_at)
    await complaints.close(world.desk, world.admin, found.id, model.CloseReason.NOT_OURS, tell=False)
    assert [clock.state for clock in await clocks(world)] == [
        model.DeadlineState.BREACHED,
        model.DeadlineState.CANCELLED,
    ]
    assert await open_alarms(world) == set()
    assert await tick_at(world, found.due_at + timedelta(days=30)) == 0


async def test_a_holiday_added_later_moves_open_promises_on_record_and_never_what_is_over(world):
    await world.arrives("satu", sender="+6281200000001")
    await answers.answer(world.desk, world.admin, (await complaint(world)).id, answers.Reply("Baik."), "k")
    world.clock.forward(seconds=1)
    await world.arrives("dua", sender="+6281200000002")
    found = await complaint(world)
    await tick_at(world, found.due_at)  # the follow-up counts working days: until Monday
    moved = await holidays.put(
        world.desk, world.supervisor, date(2026, 11, 23), "Libur daerah", "lokal", is_closed=True
    )
    assert moved == 1
    _, follow_up = await clocks(world)
    assert (follow_up.deadline.due_at + WIB).date() == date(2026, 11, 24)
    [entry] = [e for e in await world.look(audit.of_chain, "contoh", found.id) if e.action == "deadline_moved"]
    assert entry.facts["after"] == follow_up.deadline.due_at.isoformat()
    assert await world.look(deadlines.calendar_of, follow_up.deadline.calendar) is not None
    assert await holidays.remove(world.desk, world.supervisor, date(2026, 11, 23)) == 1
    _, follow_up = await clocks(world)
    assert (follow_up.deadline.due_at + WIB).date() == date(2026, 11, 23)
    with pytest.raises(errors.NotAllowed):
        await holidays.put(world.desk, world.admin, date(2026, 11, 23), "Libur", "lokal", is_closed=True)


async def test_a_deadline_begun_by_another_process_before_it_knew_the_holiday_is_reckoned_anew(world):
    await holidays.put(world.desk, world.supervisor, date(2026, 11, 23), "Libur daerah", "lokal", is_closed=True)
    world.desk.offices.load({"contoh": []})  # as a process that has not heard yet
    await world.arrives()
    await tick_at(world, (await complaint(world)).due_at)
    await holidays.seed(world.desk)
    _, follow_up = await clocks(world)
    assert (follow_up.deadline.due_at + WIB).date() == date(2026, 11, 24)


async def test_after_a_breach_a_further_acknowledgement_promises_no_time_that_has_passed(world):
    await world.arrives()
    await tick_at(world, (await complaint(world)).due_at)
    world.clock.forward(minutes=5)
    await world.arrives("halo?")
    world.clock.forward(minutes=5)
    await world.deliver()
    brief = world.provider.messages(to="whatsapp:+6281200000001")[-1].body
    assert "pesan tambahan" in brief
    assert "20 November" not in brief


async def test_an_idle_tick_writes_nothing(world, monkeypatch):
    await world.arrives()
    monkeypatch.setattr(world.desk.store, "write", None)
    assert await escalation.tick(world.desk) == 0
