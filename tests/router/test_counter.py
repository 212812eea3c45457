"""The counter: as of when it reached the office, by whom it was written down, once; and answers handed over."""

import asyncio
import dataclasses
import uuid
from datetime import datetime, timedelta

import pytest

from connectors import registry
from core import errors, ids, model
from router import answers, complaints, counter, escalation
from storage import messages

NIK = "9971014708900001"
CITIZEN = "+6281200000001"


@pytest.fixture(autouse=True)
def at_the_counter(world):
    """Give the office its ways of receiving."""
    desk = world.desk
    accounts, connectors = dict(desk.accounts), dict(desk.connectors)
    for name, channel in (("loket", "walk_in"), ("telepon", "phone"), ("kotak", "suggestion_box")):
        entry = registry.CHANNELS[channel]
        accounts[name] = model.Account(name, channel, "contoh", entry.capabilities)
        connectors[name] = entry.create(name, entry.settings(), "https://aduan.contoh.go.id")
    world.desk = dataclasses.replace(desk, accounts=accounts, connectors=connectors)


async def write_down(world, name="loket", *, by=None, files=(), **values):
    person = by or world.admin
    given = {"key": str(uuid.uuid4()), "who": "person", "name": "Siti Rahma", "text": "KTP saya belum jadi", **values}
    at = counter.account(world.desk, person, name)
    inbound = await counter.read(world.desk, person, at, given)
    return await counter.record(world.desk, person, at, inbound, given, files)


async def details(world, number):
    return await complaints.details(world.desk, world.admin, number)


async def test_a_walk_in_is_a_direct_complaint_due_within_one_working_day(world):
    registered = await write_down(world)
    found = await details(world, registered.number)
    assert found.complaint.intake is model.Intake.DIRECT
    assert [clock.deadline.clock for clock in found.clocks] == ["respon_langsung"]
    assert world.desk.offices.get("contoh").local(registered.due_at).isoformat() == "2026-11-19T16:00:00+07:00"
    assert len(registered.pin) == 6
    assert found.contact_name == "Siti Rahma"


async def test_what_comes_by_telephone_is_not_direct(world):
    registered = await write_down(world, "telepon")
    assert (await details(world, registered.number)).complaint.intake is model.Intake.INDIRECT
    assert registered.due_at == world.clock.now() + timedelta(days=2)


async def test_nothing_is_sent_for_what_was_written_down(world):
    await write_down(world, contact=CITIZEN)
    assert await world.rows("outbox") == []


async def test_the_clock_runs_from_when_it_was_received_and_the_log_says_when_it_was_entered(world):
    registered = await write_down(world, received_at="2026-11-17T09:00", late_reason="Listrik padam")
    found = await details(world, registered.number)
    office = world.desk.offices.get("contoh")
    assert office.local(found.complaint.received_at).isoformat() == "2026-11-17T09:00:00+07:00"
    assert office.local(registered.due_at).isoformat() == "2026-11-18T16:00:00+07:00"
    (message,) = found.timeline
    assert (message.sent_at, message.created_at) == (found.complaint.received_at, world.clock.now())
    assert message.details == {"late_reason": "Listrik padam"}
    first = found.history[0]
    assert (first.action, first.actor) == ("registered", f"person:{world.admin.id}")
    assert datetime.fromisoformat(first.facts["entered_at"]) == world.clock.now()


async def test_a_promise_that_was_broken_before_it_was_entered_is_late_at_once(world):
    registered = await write_down(world, received_at="2026-11-11T09:00", late_reason="Surat terselip")
    await escalation.tick(world.desk)
    found = await details(world, registered.number)
    assert found.complaint.breached_at is not None
    assert found.complaint.queue is model.Queue.SUPERVISOR


async def test_the_same_page_sent_ten_times_at_once_is_one_complaint(world):
    key = str(uuid.uuid4())
    registered = await asyncio.gather(*(write_down(world, key=key) for _ in range(10)))
    assert len({each.number for each in registered}) == 1
    assert len(await world.rows("message")) == 1


async def test_the_same_page_with_other_words_is_a_further_message(world):
    key = str(uuid.uuid4())
    first = await write_down(world, key=key)
    again = await write_down(world, key=key, text="KTP saya belum jadi, sudah dua bulan")
    assert again.number == first.number
    assert len((await details(world, first.number)).timeline) == 2


async def test_a_personal_number_is_sealed_and_shown_masked(world):
    registered = await write_down(world, nik=NIK)
    found = await details(world, registered.number)
    assert NIK not in repr(found)
    assert "************0001" in found.timeline[0].text
    assert NIK not in str(await world.rows("message"))
    assert NIK not in str(await world.rows("complaint"))


async def test_two_people_of_one_name_are_two_contacts(world):
    first, second = await write_down(world), await write_down(world)
    assert first.number != second.number
    assert (await details(world, first.number)).others == []


async def test_a_call_about_an_earlier_complaint_joins_it_and_is_still_answered_where_the_citizen_writes(world):
    await world.arrives("KTP saya belum jadi")
    number = ids.Number("ADU", 2026, 1)
    world.clock.forward(minutes=1)
    registered = await write_down(world, "telepon", about=str(number), text="Menanyakan KTP yang sama")
    assert registered.number == number
    found = await details(world, number)
    assert [m.account for m in found.timeline if m.kind is model.MessageKind.COMPLAINT] == ["wa", "telepon"]
    assert found.account.name == "wa"
    await answers.answer(world.desk, world.admin, found.complaint.id, answers.Reply("Sudah jadi."), "k")


async def test_an_earlier_complaint_that_does_not_exist_is_a_mistake(world):
    with pytest.raises(errors.FormMistakes) as caught:
        await write_down(world, about="ADU-2026-000999")
    assert caught.value.mistakes == {"about": counter.UNKNOWN}
    assert await world.rows("complaint") == []


async def test_an_auditor_writes_nothing_down_and_no_office_at_another_ones_counter(world):
    with pytest.raises(errors.NotAllowed):
        await write_down(world, by=world.people["auditor"])
    stranger = dataclasses.replace(world.admin, office_id="lain")
    with pytest.raises(errors.NotFound):
        await write_down(world, by=stranger)
    with pytest.raises(errors.NotFound):
        await write_down(world, "wa")


# --- Papers -----------------------------------------------------------------------------------------------------------


async def test_a_paper_names_who_wrote_it_down_and_what_was_asked(world):
    opened = {"received_at": "2026-11-18T09:50", "opened_by": "Dewi Lestari", "witness": "Joko Contoh"}
    registered = await write_down(world, "kotak", **opened)
    paper = await counter.paper(world.desk, world.admin, registered.number)
    assert (paper.officer, paper.channel, paper.pin) == ("Admin", "Kotak saran", registered.pin)
    assert paper.recorded == [("Dibuka oleh", "Dewi Lestari"), ("Saksi", "Joko Contoh")]


async def test_who_only_reads_sees_name_and_contact_masked(world):
    registered = await write_down(world, contact=CITIZEN)
    shown = await counter.paper(world.desk, world.admin, registered.number)
    assert (shown.name, shown.contact) == ("Siti Rahma", CITIZEN)
    masked = await counter.paper(world.desk, world.people["auditor"], registered.number)
    assert (masked.name, masked.contact) == ("Siti R****", "+62812****0001")


async def test_personal_numbers_stand_on_a_paper_only_for_a_purpose_that_is_logged(world):
    registered = await write_down(world, nik=NIK)
    assert NIK not in (await counter.paper(world.desk, world.admin, registered.number)).message.text
    with pytest.raises(errors.NotAllowed):
        await counter.paper_with_numbers(world.desk, world.admin, registered.number, " ")
    with pytest.raises(errors.NotAllowed):
        await counter.paper_with_numbers(world.desk, world.people["auditor"], registered.number, "arsip")
    opened = await counter.paper_with_numbers(world.desk, world.admin, registered.number, "arsip")
    assert NIK in opened.message.text
    last = (await details(world, registered.number)).history[-1]
    assert (last.action, last.facts["purpose"]) == ("revealed", "arsip")


async def test_of_what_a_citizen_wrote_himself_nobody_wrote_it_down(world):
    await world.arrives("KTP saya belum jadi")
    paper = await counter.paper(world.desk, world.admin, ids.Number("ADU", 2026, 1))
    assert (paper.officer, paper.recorded) == ("", [])


# --- Answers ----------------------------------------------------------------------------------------------------------


async def hand_over(world, number, key="k", body="Sudah jadi, silakan diambil.", **handover):
    found = await details(world, number)
    given = counter.Handover(**{"how": "loket", **handover})
    await counter.record_answer(world.desk, world.admin, found.complaint.id, body, given, key)
    return await details(world, number)


async def test_an_answer_handed_over_is_recorded_with_when_to_whom_and_the_proof(world):
    registered = await write_down(world)
    world.clock.forward(hours=3)
    given_at = world.clock.now() - timedelta(hours=1)
    proof = world.desk.files.put(b"\x89PNG\r\n\x1a\n" + bytes(64), "tanda-terima.png")
    found = await hand_over(world, registered.number, to="Ibu Siti", at=given_at, proof=(proof,))
    answer = found.timeline[-1]
    assert (answer.kind, answer.author) == (model.MessageKind.ANSWER, "Admin")
    assert (answer.details, answer.sent_at) == ({"how": "loket", "to": "Ibu Siti"}, given_at)
    assert [file.name for file in answer.attachments] == ["tanda-terima.png"]
    assert found.complaint.state is model.ComplaintState.WAITING_CITIZEN
    assert found.complaint.answered_at == given_at
    assert [(clock.state, clock.met_at) for clock in found.clocks] == [(model.DeadlineState.MET, given_at)]
    facts = found.history[-1].facts
    assert (facts["how"], datetime.fromisoformat(facts["given_at"]), facts["proofs"]) == ("loket", given_at, "1")


async def test_an_answer_given_in_time_and_recorded_late_kept_the_promise_unless_it_was_broken_already(world):
    registered = await write_down(world)
    given_at = world.clock.now() + timedelta(hours=1)
    world.clock.at = registered.due_at + timedelta(hours=1)
    found = await hand_over(world, registered.number, at=given_at)
    assert [clock.state for clock in found.clocks] == [model.DeadlineState.MET]

    other = await write_down(world)
    given_at = world.clock.now() + timedelta(hours=1)
    world.clock.at = other.due_at + timedelta(hours=1)
    await escalation.tick(world.desk)
    found = await hand_over(world, other.number, key="k2", at=given_at)
    assert model.DeadlineState.BREACHED in [clock.state for clock in found.clocks]


async def test_an_answer_given_after_the_due_time_broke_the_promise_though_nobody_noticed_yet(world):
    registered = await write_down(world, received_at="2026-11-11T09:00", late_reason="Surat terselip")
    found = await hand_over(world, registered.number)
    assert [clock.state for clock in found.clocks] == [model.DeadlineState.BREACHED]
    assert found.complaint.breached_at == registered.due_at
    assert found.complaint.state is model.ComplaintState.WAITING_CITIZEN


async def test_what_the_citizen_wrote_after_it_was_given_still_waits(world):
    await world.arrives("KTP saya belum jadi")
    number = ids.Number("ADU", 2026, 1)
    await hand_over(world, number)
    world.clock.forward(hours=2)
    await world.arrives("Loketnya yang mana?")
    world.clock.forward(seconds=1)  # ids of one instant have no order among writers
    found = await hand_over(world, number, key="k2", at=world.clock.now() - timedelta(hours=1))
    assert found.timeline[-1].details["how"] == "loket"
    assert found.complaint.state is not model.ComplaintState.WAITING_CITIZEN
    assert found.clocks[-1].met_at is None
    assert found.history[-1].action == "answer_recorded"


async def test_the_same_answer_twice_is_recorded_once(world):
    registered = await write_down(world)
    await hand_over(world, registered.number)
    await hand_over(world, registered.number)
    assert [row.kind for row in await world.rows("message")].count(model.MessageKind.ANSWER) == 1


@pytest.mark.parametrize(
    ("handover", "why"),
    [
        ({"how": " "}, "cara"),
        ({"at": timedelta(minutes=2)}, "belum tiba"),
        ({"at": timedelta(hours=-1)}, "sebelum pengaduan"),
    ],
)
async def test_an_answer_that_cannot_have_been_given_so_is_refused(world, handover, why):
    registered = await write_down(world)
    if "at" in handover:
        handover = {"at": world.clock.now() + handover["at"]}
    with pytest.raises(errors.NotAllowed, match=why):
        await hand_over(world, registered.number, **handover)
    complaint_id = (await details(world, registered.number)).complaint.id
    assert len(await world.look(messages.timeline, complaint_id)) == 1
